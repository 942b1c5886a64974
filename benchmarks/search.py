"""Latency of single searches in a store of SciFact: its test questions, top_k 10, variants interleaved."""

import itertools
import time
from dataclasses import replace

import numpy as np

from liquid_ai.retrieval.search import search

from .data import collection, store_of
from .report import Figure, bootstrap

WARM_UP = 50
TARGETS = {"hybrid, with query embedding": "< 5", "hybrid, precomputed vector": "< 1.5"}


def measure(limit: int) -> dict[str, Figure]:
    "p50 and p95 of each variant."
    data, rag = collection("scifact", limit=limit), store_of("scifact", limit)
    questions, snapshot, encoder = list(data.queries.values()), rag.snapshot(), rag.encoder
    vectors = dict(zip(questions, encoder.encode(questions, "query"), strict=True))
    hybrid, dense = (replace(rag.settings, mode=mode, top_k=10) for mode in ("hybrid", "dense"))
    variants = {
        "hybrid, with query embedding": lambda q: rag.search(q, top_k=10, mode="hybrid"),
        "hybrid, precomputed vector": lambda q: search(snapshot, encoder, q, hybrid, vector=vectors[q]),
        "dense, with query embedding": lambda q: rag.search(q, top_k=10, mode="dense"),
        "dense, precomputed vector": lambda q: search(snapshot, encoder, q, dense, vector=vectors[q]),
        "sparse": lambda q: rag.search(q, top_k=10, mode="sparse"),
        "query embedding alone": lambda q: encoder.encode([q], "query"),
    }
    taken = {name: [] for name in variants}
    order = np.random.default_rng(0)
    for n, question in enumerate(
        itertools.chain(itertools.islice(itertools.cycle(questions), WARM_UP), questions)
    ):
        for name in order.permutation(list(variants)).tolist():
            start = time.perf_counter()
            variants[name](question)
            if n >= WARM_UP:
                taken[name].append((time.perf_counter() - start) * 1e3)
    figures = {}
    for (name, times), share in itertools.product(taken.items(), (50, 95)):

        def percentile(values, axis=None, share=share):
            return np.percentile(values, share, axis=axis)

        figures[f"search p{share}, {name}"] = Figure(
            value=float(percentile(times)),
            unit="ms",
            interval=bootstrap(np.array(times), percentile),
            interval_is="95 % bootstrap",
            target=TARGETS.get(name, "") if share == 50 else "",
        )
    return figures
