"""A store that searches its vectors itself, and one that lets milvus-lite do it: commit, and dense search."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from liquid_ai.core import Chunk, Document, Settings, chunk_document
from liquid_ai.indexing.store import Snapshot, Store, commit, engine_of, open_snapshot
from liquid_ai.retrieval.filters import allowed_rows
from liquid_ai.retrieval.search import dense_arms

from .report import Figure, bootstrap

SIZES = (10_000, 100_000)
WIDTH, OF_ONE, WARM_UP, ASKED = 384, 5, 5, 40  # dimensions; passages of a document; questions
ASKS = {
    "all rows": (None, ["staff"]),
    "one year of ten": ({"year": 2020}, ["staff"]),
    "half, by access list": (None, ()),
}


def measure(limit: int) -> dict[str, Figure]:
    "`limit` is the largest size."
    figures = {}
    for size in SIZES:
        if not limit or size <= limit:
            with tempfile.TemporaryDirectory() as folder:
                for name, dense in (("in the folder", ""), ("milvus-lite", f"{folder}/milvus.db")):
                    how = Settings(dense=dense, index="flat", dense_seconds=60.0)
                    told = _measured(Path(folder) / name, size, how)
                    figures |= {f"{size:,} passages, {name}, {what}": f for what, f in told.items()}
    return figures


class Clustered:
    "Unit vectors around a thousand centres, by the number in a text."

    name = fingerprint = "clustered"
    dimensions, max_tokens = WIDTH, 10_000

    def encode(self, texts: Sequence[str], kind: str = "document", progress: bool = False) -> np.ndarray:
        centres = np.random.default_rng(0).normal(size=(1_000, WIDTH))
        numbers = np.array([int(t.split()[-1]) for t in texts])
        noise = np.random.default_rng([len(texts), 1]).normal(size=(len(texts), WIDTH))
        made = (centres[numbers % 1_000] + noise).astype(np.float32)
        return made / np.linalg.norm(made, axis=1, keepdims=True)


def _documents(size: int, first: int = 0) -> Iterator[tuple[Document, list[Chunk]]]:
    "Every second one for the staff; ten years."
    for n in range(first, first + size // OF_ONE):
        parts = [f"passage number {n * OF_ONE + i:08}" for i in range(OF_ONE)]
        width = len(parts[0])
        access = ("staff",) if n % 2 else ()
        d = Document.of("\n".join(parts), f"made-{n}", meta={"year": 2015 + n % 10}, access=access)
        yield d, chunk_document(d, [(i * (width + 1), i * (width + 1) + width, ()) for i in range(OF_ONE)])


def _measured(folder: Path, size: int, settings: Settings) -> dict[str, Figure]:
    figures, encoder, store = {}, Clustered(), Store(folder)
    for what, new in (("all of it", _documents(size)), ("a document more", _documents(OF_ONE, size))):
        start = time.perf_counter()
        commit(store, new, encoder, settings=settings)
        figures[f"commit of {what}"] = Figure(value=time.perf_counter() - start, unit="s")
    with closing(store), closing(engine_of(store, settings)) as engine:
        snapshot = open_snapshot(store, 0, engine)
        for what, (where, who) in ASKS.items():
            times = _times(snapshot, where, who)
            figures[f"search, {what}, p50"] = Figure(
                value=float(np.median(times)), unit="ms", interval=bootstrap(times, np.median)
            )
        snapshot.close()
    return figures


def _times(snapshot: Snapshot, where: dict | None, who: Sequence[str]) -> np.ndarray:
    "Milliseconds of each search for a hundred rows, the question's vector known, after a warm-up."
    vectors = Clustered().encode([f"question {n * 7}" for n in range(WARM_UP + ASKED)], "query")
    taken = []
    for vector in vectors:
        start = time.perf_counter()
        dense_arms(snapshot, vector[None], 100, allowed_rows(snapshot, where, who), where, who)
        taken.append((time.perf_counter() - start) * 1e3)
    return np.array(taken[WARM_UP:])
