"""Ranking quality with the default settings on SciFact (test split) and Cranfield."""

from dataclasses import replace

import numpy as np

from liquid_ai.core import Settings
from liquid_ai.evaluation.collections import Collection
from liquid_ai.evaluation.compare import compare
from liquid_ai.evaluation.ranking import evaluate
from liquid_ai.pipeline import RAG

from .data import TITLES, collection, run_of, store_of
from .report import Figure

SYSTEMS = {
    "dense": {"mode": "dense"},
    "sparse": {"mode": "sparse"},
    "hybrid": {},
    "hybrid by ranks": {"fusion": "ranks"},
    "hybrid, reranked": {"rerank": "late", "rerank_top": 100},
}
TARGETS = {
    "scifact": {"dense": ">= 0.64", "sparse": ">= 0.66", "hybrid": ">= 0.73", "hybrid, reranked": ">= 0.745"},
    "cranfield": {"hybrid": ">= 0.405"},
}


def measure(limit: int) -> dict[str, Figure]:
    "nDCG@10 of each system on each collection, and what fusing and reranking gain."
    figures = {}
    for name in TARGETS:
        data, rag = collection(name, limit=limit), store_of(name, limit)
        found = _size(data, rag) | _quality(data, rag)
        figures |= {f"{TITLES[name]} {key}": figure for key, figure in found.items()}
    return figures


def _size(data: Collection, rag: RAG) -> dict[str, Figure]:
    missing, too_long = lost(rag, data)
    return {
        "documents": Figure(value=len(data.documents)),
        "chunks": Figure(value=len(rag.snapshot())),
        "queries": Figure(value=len(data.queries)),
        "characters lost by chunking": Figure(value=missing, target="== 0"),
        "chunks longer than the encoder reads": Figure(value=too_long, target="== 0"),
    }


def lost(rag: RAG, data: Collection) -> tuple[int, int]:
    "Characters that stand in no chunk, white space aside; chunks that the encoder would not read whole."
    chunks = rag.snapshot().chunks(range(len(rag.snapshot())))
    covered = {d.id: np.array([c.isspace() for c in d.text], bool) for d in data.documents}
    texts = {d.id: d.text for d in data.documents}
    for chunk in chunks:
        assert texts[chunk.document_id][chunk.start : chunk.end] == chunk.text
        covered[chunk.document_id][chunk.start : chunk.end] = True
    window = rag.encoder.max_tokens - 2  # less the two special tokens
    tokens = rag.encoder.token_spans([chunk.encoded for chunk in chunks])
    return int(sum((~c).sum() for c in covered.values())), sum(len(t) > window for t in tokens)


def _quality(data: Collection, rag: RAG) -> dict[str, Figure]:
    scores = {}
    for name, changes in SYSTEMS.items():
        rag.settings = replace(Settings(), **changes)
        found = evaluate(run_of(rag, data, name), data.qrels, ["nDCG@10"])
        assert not found.no_relevant and not found.not_judged
        scores[name] = dict(zip(found.queries, found["nDCG@10"], strict=True))
    result, targets = compare(scores, baseline="hybrid", metric="nDCG@10"), TARGETS[data.name]
    figures = {
        f"nDCG@10, {s.name}": Figure(
            value=s.mean, interval=s.interval, interval_is="95 % bootstrap", target=targets.get(s.name, "")
        )
        for s in result.systems
    }
    for c in result.contrasts:
        name, sign = (
            (f"{c.system} minus hybrid", 1) if "reranked" in c.system else (f"hybrid minus {c.system}", -1)
        )
        low, high = sorted(sign * v for v in c.interval)
        figures[f"nDCG@10, {name}"] = Figure(
            value=sign * c.difference,
            interval=(low, high),
            interval_is="95 % paired bootstrap",
            note=f"{c}; paired randomisation test, Holm's correction for {len(result.contrasts)}",
        )
        if c.system in ("dense", "sparse") and data.name == "scifact":
            figures[f"nDCG@10, {name}, lower end of the interval"] = Figure(value=low, target="> 0")
    return figures
