"""SciFact's test split, and a store of it made with the default settings."""

import atexit
import csv
import functools
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from liquid_ai.core import Document
from liquid_ai.pipeline import RAG

from .report import ROOT, MissingData


@dataclass(frozen=True)
class SciFact:
    "A test collection."

    documents: list[Document]  # `source` is the collection's id
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]  # grades by query and document


@functools.cache
def scifact(
    limit: int = 0,  # of documents; 0: all
) -> SciFact:
    "The test split. Raises: `MissingData`."
    data = Path(os.environ.get("LIQUID_AI_DATA") or ROOT.parent / "shared" / "data") / "scifact"
    if not (data / "corpus.jsonl").is_file():
        raise MissingData(
            "no SciFact here: unpack BEIR's scifact into a folder and set LIQUID_AI_DATA to its parent"
        )
    rows = [json.loads(line) for line in (data / "corpus.jsonl").read_text("utf-8").splitlines()]
    documents = [
        Document.of(f"{row['title']}\n\n{row['text']}", source=row["_id"], title=row["title"]) for row in rows
    ]
    qrels: dict[str, dict[str, int]] = {}
    with (data / "qrels" / "test.tsv").open(encoding="utf-8") as f:
        for row in csv.DictReader(f, delimiter="\t"):
            qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    if limit:  # judged documents first, then the others; only queries that these can answer
        judged = {document for grades in qrels.values() for document in grades}
        documents = sorted(documents, key=lambda d: d.source not in judged)[:limit]
        here = {d.source for d in documents}
        qrels = {query: grades for query, grades in qrels.items() if set(grades) <= here}
    texts = map(json.loads, (data / "queries.jsonl").read_text("utf-8").splitlines())
    return SciFact(documents, {row["_id"]: row["text"] for row in texts if row["_id"] in qrels}, qrels)


@functools.cache
def scifact_store(limit: int = 0) -> RAG:
    "A store of the documents, for the life of this process."
    folder = tempfile.TemporaryDirectory()
    rag = RAG.open(Path(folder.name) / "store")
    atexit.register(lambda: (rag.close(), folder.cleanup()))
    rag.ingest(scifact(limit).documents, progress=False)
    return rag
