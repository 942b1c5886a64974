"""Search among 100,000 and 1,000,000 passages made of real sentences: latency, and recall against exact.

Past one machine: `cluster` measures the work, `milvus` the searches, `capacity` what a passage costs."""

import gc
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from liquid_ai.core import Chunk, Document, Settings, chunk_document
from liquid_ai.evaluation.collections import Collection
from liquid_ai.indexing.dense import FlatIndex
from liquid_ai.indexing.embed import load_encoder
from liquid_ai.indexing.encoder_spec import unit_rows
from liquid_ai.indexing.store import Snapshot, Store, commit, open_snapshot
from liquid_ai.retrieval.search import search

from .data import collection
from .report import Figure, bootstrap

SIZES = {
    100_000: {"p50": "< 5", "p99": "< 20", "recall": ">= 0.98"},
    1_000_000: {"p50": "< 15", "recall": ">= 0.95"},
}
WARM_UP = 50
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def measure(limit: int) -> dict[str, Figure]:
    "Each size in a store of its own; `limit` is the largest size."
    data, encoder = collection("scifact"), load_encoder()
    abstracts = abstracts_of(data)
    sentences = [s for abstract in abstracts for s in abstract]
    passages = Passages(
        abstracts, dict(zip(sentences, encoder.encode(sentences, progress=False), strict=True))
    )
    questions = list(data.queries.values())
    vectors = encoder.encode(questions, "query")
    figures = {"sentences that passages are made of": Figure(value=len(sentences))}
    for size, targets in SIZES.items():
        if not limit or size <= limit:
            with tempfile.TemporaryDirectory() as folder:
                figures |= {
                    f"{size:,} passages, {name}": figure
                    for name, figure in _measured(
                        Path(folder), passages, size, questions, vectors, targets
                    ).items()
                }
    return figures


def abstracts_of(data: Collection) -> list[list[str]]:
    "The sentences of each document that has two or more."
    found = ([x for x in _SENTENCE.split(" ".join(d.text.split())) if len(x) > 20] for d in data.documents)
    return [s for s in found if len(s) > 1]


class Passages:
    "Encodes texts that are made of known sentences, and come cut: a text's vector is the mean of theirs."

    name = fingerprint = "mean of sentences"
    max_tokens = 10_000

    def __init__(self, abstracts: Sequence[Sequence[str]], vectors: dict[str, np.ndarray]):
        self.abstracts, self.vectors = abstracts, vectors
        self.dimensions = len(next(iter(vectors.values())))

    def encode(self, texts: Sequence[str], kind: str = "document", progress: bool = False) -> np.ndarray:
        found = np.empty((len(texts), self.dimensions), np.float32)
        for n, text in enumerate(texts):
            found[n] = np.mean([self.vectors[s] for s in text.split("\n")], axis=0)
        return unit_rows(found)

    def documents(self, size: int) -> Iterator[tuple[Document, list[Chunk]]]:
        "Documents of one to three passages: two neighbours from one abstract, and a sentence from anywhere."
        rng, done = np.random.default_rng(0), 0
        sentences = list(self.vectors)
        while done < size:
            parts = []
            for _ in range(min(int(rng.integers(1, 4)), size - done)):
                abstract = self.abstracts[rng.integers(len(self.abstracts))]
                at = int(rng.integers(len(abstract) - 1))
                parts.append("\n".join([*abstract[at : at + 2], sentences[rng.integers(len(sentences))]]))
            document = Document.of("\n\n".join(parts), f"made-{done}")
            starts = np.cumsum([0, *(len(p) + 2 for p in parts)])[:-1].tolist()
            spans = [(a, a + len(p), ()) for a, p in zip(starts, parts, strict=True)]
            yield document, chunk_document(document, spans)
            done += len(parts)


def _measured(
    folder: Path,
    passages: Passages,
    size: int,
    questions: list[str],
    vectors: np.ndarray,
    targets: dict[str, str],
) -> dict[str, Figure]:
    settings = Settings(top_k=10)
    store, start = Store(folder / "store"), time.perf_counter()
    commit(store, passages.documents(size), passages, settings=settings)
    built = time.perf_counter() - start
    snapshot = open_snapshot(store)
    try:
        exact = FlatIndex(snapshot.vectors).search(vectors, 10)[1]
        found = snapshot.dense.search(vectors, 10)[1]
        recall = np.array(
            [len(set(f) & set(e)) / 10 for f, e in zip(found.tolist(), exact.tolist(), strict=True)]
        )
        about = str(getattr(snapshot.dense, "about", "exact"))
        figures = {
            "seconds to build": Figure(value=built, unit="s", note="texts cut and encoded before"),
            "bytes on disk": Figure(
                value=sum(f.stat().st_size for f in store.folder.rglob("*") if f.is_file())
            ),
            "recall@10 against exact": Figure(
                value=float(recall.mean()), interval=bootstrap(recall), target=targets["recall"], note=about
            ),
        }
        for mode in ("hybrid", "dense", "sparse"):
            times = _times(snapshot, questions, vectors, replace(settings, mode=mode))
            for share in (50, 99):
                figures[f"{mode} search p{share}"] = Figure(
                    value=float(np.percentile(times, share)),
                    unit="ms",
                    interval=bootstrap(
                        times, lambda v, axis, share=share: np.percentile(v, share, axis=axis)
                    ),
                    interval_is="95 % bootstrap",
                    target=targets.get(f"p{share}", "") if mode == "hybrid" else "",
                )
        return figures
    finally:
        snapshot.close()
        store.close()
        gc.collect()


def _times(snapshot: Snapshot, questions: list[str], vectors: np.ndarray, settings: Settings) -> np.ndarray:
    "Milliseconds of each search, the question's vector known, after a warm-up."
    taken = []
    for n in [*range(WARM_UP), *range(len(questions))]:
        start = time.perf_counter()
        search(snapshot, None, questions[n], settings, vector=vectors[n])
        taken.append((time.perf_counter() - start) * 1e3)
    return np.array(taken[WARM_UP:])
