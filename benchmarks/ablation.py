"""What each part of the search is worth on SciFact (test split), each left out or added to the defaults."""

import tempfile

from liquid_ai.core import Settings
from liquid_ai.evaluation.experiment import sweep
from liquid_ai.evaluation.results import Sweep

from .data import collection
from .report import Figure

VARIANTS = {
    "hybrid (the defaults)": {},
    "dense": {"mode": "dense"},
    "sparse": {"mode": "sparse"},
    "reciprocal ranks": {"fusion": "ranks"},
    "without whole documents": {"document_weight": 0.0},
    "without headings": {"headings": False},
    "chunks of 64 tokens": {"chunk_tokens": 64},
    "chunks of 128 tokens": {"chunk_tokens": 128},
    "reranked": {"rerank": "late", "rerank_top": 100},
    "reranked, 20 hits": {"rerank": "late", "rerank_top": 20},
    "MMR 0.2": {"diversity": 0.2},
    "two rewrites": {"rewrites": 2},
    "int8 encoder": {"precision": "int8"},
    "one bit a number": {"index": "flat", "codes": "binary"},
}


def measure(limit: int) -> dict[str, Figure]:
    "nDCG@10 of every variant, and its paired difference to the defaults."
    with tempfile.TemporaryDirectory() as cache:
        found = sweep(
            VARIANTS,
            collection("scifact", limit=limit),
            settings=Settings(generator="packaged", rerank_memory=12_000),
            cache=cache,
            latency_queries=0,  # see search, and the tutorial
            track=False,
            progress=False,
        )
    return figures_of(found)


def figures_of(found: Sweep) -> dict[str, Figure]:
    "Two figures for each variant."
    against = {c.system: c for c in found.comparison.contrasts}
    figures = {}
    for trial in found.distinct:
        name, c = trial.name, against.get(trial.name)
        figures[f"nDCG@10, {name}"] = Figure(
            value=trial.scores.mean["nDCG@10"], interval=trial.interval, interval_is="95 % bootstrap"
        )
        if c:
            figures[f"nDCG@10 minus the defaults', {name}"] = Figure(
                value=c.difference,
                interval=c.interval,
                interval_is="95 % paired bootstrap",
                note=f"{c.verdict}: {c}",
            )
    return figures
