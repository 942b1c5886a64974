"""What a passage costs on disk and in memory, and how long searches wait behind one another."""

import gc
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import psutil

from liquid_ai.core import Settings
from liquid_ai.indexing.encoder_spec import unit_rows
from liquid_ai.indexing.store import Snapshot, Store, commit, open_snapshot
from liquid_ai.retrieval.search import search

from .data import collection
from .report import Figure, bootstrap
from .scale import WARM_UP, Passages, abstracts_of

SIZE, SEARCHES = 100_000, 2_000  # passages; searches at each rate
RATES = (0.5, 0.7, 0.85)  # of what one thread can do
PARTS = {"store.db": "texts and where they stand", "vectors.npy": "vectors", "dense": "FAISS", "bm25": "BM25"}


def measure(limit: int) -> dict[str, Figure]:
    "A store of made passages whose vectors are random: a byte costs the same whatever is in it."
    size, data = limit or SIZE, collection("scifact")
    abstracts = abstracts_of(data)
    sentences = [s for abstract in abstracts for s in abstract]
    drawn = unit_rows(np.random.default_rng(0).normal(size=(len(sentences), 384)).astype(np.float32))
    passages = Passages(abstracts, dict(zip(sentences, drawn, strict=True)))
    questions = list(data.queries.values())
    vectors = unit_rows(np.random.default_rng(1).normal(size=(len(questions), 384)).astype(np.float32))
    with tempfile.TemporaryDirectory() as name:
        with_store = Store(Path(name) / "store")
        commit(with_store, passages.documents(size), passages, settings=Settings(top_k=10))
        small = Store(Path(name) / "small")
        commit(small, passages.documents(1_000), passages, settings=Settings(top_k=10))
        small.close()
        figures = _disk(with_store.folder, size)
        del passages, abstracts, sentences, drawn
        gc.collect()
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
            kept = fresh.submit(_memory, small.folder, with_store.folder, questions, vectors).result()
        figures["capacity, memory of a process, a passage"] = Figure(
            value=kept / size,
            unit="bytes",
            note="its own; vectors are read from the file, whose pages all share",
        )
        snapshot = open_snapshot(with_store, threads=1)
        try:
            served = _services(snapshot, questions, vectors)
            figures |= _queue(snapshot, questions, vectors, served)
        finally:
            snapshot.close()
            with_store.close()
    return figures


def _memory(small: Path, large: Path, questions: list[str], vectors: np.ndarray) -> float:
    "Bytes that a store takes in a process, without pages of files and what a first search loads."
    taken = []
    for folder in (small, large):
        m = psutil.Process().memory_info()
        taken.append(m.rss - m.shared)
        snapshot = open_snapshot(Store(folder), threads=1)
        for n in range(WARM_UP):
            _search(snapshot, questions, vectors, n)
    m = psutil.Process().memory_info()
    return float(m.rss - m.shared - taken[1])


def _disk(folder: Path, size: int) -> dict[str, Figure]:
    found = dict.fromkeys(PARTS, 0)
    for file in folder.rglob("*"):
        part = next((p for p in PARTS if p in file.relative_to(folder).parts), None)
        if file.is_file() and part:
            found[part] += file.stat().st_size
    return {
        f"capacity, {name} of a passage": Figure(
            value=found[part] / size, unit="bytes", note=f"{part}, {size:,} passages"
        )
        for part, name in PARTS.items()
    }


def _search(snapshot: Snapshot, questions: list[str], vectors: np.ndarray, n: int) -> None:
    n %= len(questions)
    search(snapshot, None, questions[n], Settings(top_k=10, threads=1), vector=vectors[n])


def _services(snapshot: Snapshot, questions: list[str], vectors: np.ndarray) -> np.ndarray:  # seconds
    taken = []
    for n in range(WARM_UP + 500):
        start = time.perf_counter()
        _search(snapshot, questions, vectors, n)
        taken.append(time.perf_counter() - start)
    return np.array(taken[WARM_UP:])


def _queue(
    snapshot: Snapshot, questions: list[str], vectors: np.ndarray, served: np.ndarray
) -> dict[str, Figure]:
    "One thread, questions at random moments: from the moment a question comes to its hits."
    figures = {}
    for share in RATES:
        rng, name = np.random.default_rng(2), f"capacity, {share:.0%} of one thread"
        due = np.cumsum(rng.exponential(served.mean() / share, SEARCHES)) + time.perf_counter()
        took, alone = np.empty(SEARCHES), np.empty(SEARCHES)
        for n, at in enumerate(due):
            while (left := at - time.perf_counter()) > 0:
                time.sleep(max(0.0, left - 2e-4))
            start = time.perf_counter()
            _search(snapshot, questions, vectors, n)
            done = time.perf_counter()
            took[n], alone[n] = done - at, done - start
        shares = np.percentile(alone * 1e3, np.linspace(0.5, 99.5, 100)).round(4)
        figures[f"{name}, searches a second"] = Figure(value=SEARCHES / float(due[-1] - due[0]))
        figures[f"{name}, one search"] = Figure(
            value=float(alone.mean() * 1e3), unit="ms", values=tuple(shares), note="mean, and 100 percentiles"
        )
        for what, statistic in (("mean", np.mean), ("p95", lambda v, axis=None: np.percentile(v, 95, axis))):
            figures[f"{name}, response, {what}"] = Figure(
                value=float(statistic(took) * 1e3),
                unit="ms",
                interval=bootstrap(took * 1e3, statistic),
                interval_is="95 % bootstrap, as if responses were independent",
                note="from the moment a question comes to its hits",
            )
    return figures
