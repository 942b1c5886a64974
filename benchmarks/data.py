"""The test collections that are measured on, and stores of them made with the default settings."""

import atexit
import functools
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from liquid_ai.core import Settings
from liquid_ai.evaluation.collections import Collection, read_beir
from liquid_ai.evaluation.ranking import Run, ranked_documents
from liquid_ai.pipeline import RAG

from .report import ROOT, MissingData

JUDGES = {
    "scifact": "the annotators of SciFact, of abstracts that the claims were written from",
    "cranfield": "the authors of the questions (Cleverdon 1967)",
}
TITLES = {"scifact": "SciFact", "cranfield": "Cranfield"}
DEPTH = 100  # chunks that are searched for a ranking of documents


def folder_of(name: str) -> Path:
    "Where a data set lies. Raises: `MissingData`."
    folder = Path(os.environ.get("LIQUID_AI_DATA") or ROOT.parent / "shared" / "data") / name
    if not folder.is_dir():
        raise MissingData(
            f"no {name} here: unpack it into a folder of this name, set LIQUID_AI_DATA to its parent"
        )
    return folder


@functools.cache
def collection(
    name: str,  # `scifact` or `cranfield`
    split: str = "test",
    limit: int = 0,  # of documents; 0: all
) -> Collection:
    "One split. Raises: `MissingData`."
    found = read_beir(folder_of(name), split, JUDGES[name])
    if not limit:
        return found
    # judged documents first, then the others; only queries that these can answer
    judged = {document for grades in found.qrels.grades.values() for document in grades}
    documents = tuple(sorted(found.documents, key=lambda d: d.source not in judged)[:limit])
    here = {d.source for d in documents}
    grades = {query: of for query, of in found.qrels.grades.items() if set(of) <= here}
    return replace(
        found,
        documents=documents,
        queries={q: text for q, text in found.queries.items() if q in grades},
        qrels=replace(found.qrels, grades=grades),
    )


@functools.cache
def store_of(name: str, limit: int = 0, settings: Settings = Settings()) -> RAG:
    "A store of the documents, for the life of this process."
    folder = tempfile.TemporaryDirectory()
    rag = RAG.open(Path(folder.name) / "store", settings)
    atexit.register(lambda: (rag.close(), folder.cleanup()))
    rag.ingest(collection(name, limit=limit).documents, progress=False)
    return rag


def run_of(rag: RAG, data: Collection, name: str, **options) -> Run:
    "What a store finds for every query: documents in the order of their best chunks."
    asked = list(data.queries)
    hits = rag.search_many([data.queries[q] for q in asked], top_k=DEPTH, **options)
    return Run(name, {q: ranked_documents(h) for q, h in zip(asked, hits, strict=True)})
