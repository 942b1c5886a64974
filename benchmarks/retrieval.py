"""Ranking quality on SciFact (test split), chunked without loss; a document scores as its best chunk."""

import numpy as np

from liquid_ai.pipeline import RAG

from .report import Figure, bootstrap
from .scifact import SciFact, scifact, scifact_store

TARGETS = {"dense": ">= 0.64", "sparse": ">= 0.66", "hybrid": ">= 0.71"}


def ndcg(
    ranked: list[str],  # document ids, best first
    grades: dict[str, int],
    k: int = 10,
) -> float:
    "nDCG@k with linear gain, as trec_eval's `ndcg_cut`. Source: Järvelin, Kekäläinen 2002."
    discounts = 1 / np.log2(np.arange(2, k + 2))
    gains = np.array([grades.get(d, 0) for d in ranked[:k]], float)
    ideal = np.sort([*grades.values(), 0])[::-1][:k]
    best = float(ideal @ discounts[: len(ideal)])
    return float(gains @ discounts[: len(gains)]) / best if best else 0.0


def best_documents(rag: RAG, question: str, mode: str) -> list[str]:
    "Documents in the order of their best chunks."
    return list(dict.fromkeys(hit.chunk.source for hit in rag.search(question, top_k=100, mode=mode)))


def lost(rag: RAG, data: SciFact) -> tuple[int, int]:
    "Characters that stand in no chunk, white space aside; chunks that the encoder would not read whole."
    chunks = rag.snapshot().chunks(range(len(rag.snapshot())))
    covered = {d.id: np.array([c.isspace() for c in d.text]) for d in data.documents}
    texts = {d.id: d.text for d in data.documents}
    for chunk in chunks:
        assert texts[chunk.document_id][chunk.start : chunk.end] == chunk.text
        covered[chunk.document_id][chunk.start : chunk.end] = True
    window = rag.encoder.max_tokens - 2  # less the two special tokens
    tokens = rag.encoder.token_spans([chunk.text for chunk in chunks])
    return int(sum((~c).sum() for c in covered.values())), sum(len(t) > window for t in tokens)


def sign_flips(differences: np.ndarray, times: int = 10_000) -> float:
    "p of a two-sided paired randomisation test. Source: Smucker, Allan, Carterette 2007."
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (times, len(differences)))
    extreme = np.abs(signs @ differences) >= abs(differences.sum()) - 1e-9
    return float((extreme.sum() + 1) / (times + 1))


def measure(limit: int) -> dict[str, Figure]:
    "nDCG@10 of each mode, and what fusing gains."
    data, rag = scifact(limit), scifact_store(limit)
    missing, too_long = lost(rag, data)
    assert not missing, f"{missing} characters are in no chunk"
    figures = {
        "documents": Figure(value=len(data.documents)),
        "chunks": Figure(value=len(rag.snapshot())),
        "queries": Figure(value=len(data.queries)),
        "characters lost by chunking": Figure(value=missing, target="== 0"),
        "chunks longer than the encoder reads": Figure(value=int(too_long), target="== 0"),
    }
    found = {}
    for mode, target in TARGETS.items():
        scores = [ndcg(best_documents(rag, text, mode), data.qrels[q]) for q, text in data.queries.items()]
        found[mode] = np.array(scores)
        figures[f"nDCG@10, {mode}"] = Figure(
            value=float(found[mode].mean()),
            interval=bootstrap(found[mode]),
            interval_is="95 % bootstrap",
            target=target,
        )
    arms = ("dense", "sparse")
    p = {arm: sign_flips(found["hybrid"] - found[arm]) for arm in arms}
    first, second = sorted(arms, key=p.get)
    holm = {first: min(1.0, 2 * p[first]), second: min(1.0, max(2 * p[first], p[second]))}
    for arm in arms:
        gain = found["hybrid"] - found[arm]
        word = "a tie" if holm[arm] >= 0.05 else "better" if gain.mean() > 0 else "worse"
        figures[f"nDCG@10, hybrid minus {arm}"] = Figure(
            value=float(gain.mean()),
            interval=bootstrap(gain),
            interval_is="95 % paired bootstrap",
            note=f"{word}: p = {holm[arm]:.4f}, paired randomisation test, Holm correction for two",
        )
    return figures
