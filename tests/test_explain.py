"""An explanation explains the search that was made, whatever its settings are."""

import itertools

import pytest

from liquid_ai.core import Document, Settings
from liquid_ai.indexing.embed import load_encoder
from liquid_ai.indexing.store import Store, commit, open_snapshot
from liquid_ai.ingestion.chunk import split
from liquid_ai.retrieval.explain import explain
from liquid_ai.retrieval.search import search

QUESTION, OTHERS = "how is the green kettle descaled?", ["remove chalk from a kettle", "citric acid"]
THINGS = ["kettle", "garden hose", "green door", "acid rain", "chalk cliffs", "copper pan"]
VERBS = ["is cleaned with citric acid", "stands in the hall", "was painted green", "is descaled in spring"]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    encoder, store = load_encoder(), Store(tmp_path_factory.mktemp("explain") / "store")
    documents = [
        Document.of(
            f"The {a} {b}.\n\nNothing else is said of it here.",
            f"{a}, {b}",
            access=("ann",) if a == "garden hose" else (),
        )
        for a, b in itertools.product(THINGS, VERBS)
    ]
    commit(store, zip(documents, split(documents, encoder), strict=True), encoder)
    return open_snapshot(store)


CHOICES = [
    {"mode": mode, "fusion": fusion, "diversity": diversity, "rerank": rerank}
    for mode in ("hybrid", "dense", "sparse")
    for fusion in ("scores", "ranks")
    for diversity in (0.0, 0.5)
    for rerank in ("none", "late")
    if not (mode == "sparse" and rerank == "late")
]


@pytest.mark.parametrize("choices", CHOICES, ids=lambda c: "-".join(str(v) for v in c.values()))
@pytest.mark.parametrize("wordings", [(), OTHERS], ids=["as asked", "other wordings"])
@pytest.mark.parametrize("top_k", [3, 12])
def test_it_is_of_the_hits_of_search(snapshot, choices, wordings, top_k):
    encoder, settings = load_encoder(), Settings(top_k=top_k, **choices)
    hits = search(snapshot, encoder, QUESTION, settings, wordings=wordings)
    told = explain(snapshot, encoder, QUESTION, settings, wordings=wordings)
    assert [r.hit for r in told.reasons] == list(hits)
    arms = {"hybrid": 3 if choices["fusion"] == "scores" else 2, "dense": 1, "sparse": 1}[choices["mode"]]
    assert all(len(r.opinions) == arms * (1 + len(wordings)) for r in told.reasons)
    if choices["rerank"] == "none" and not choices["diversity"]:
        for reason in told.reasons:
            assert sum(o.share for o in reason.opinions) == pytest.approx(reason.hit.score, abs=1e-5)


def test_diversity_and_reranking_are_told(snapshot):
    encoder = load_encoder()
    plain = explain(snapshot, encoder, QUESTION, Settings(top_k=12))
    spread = explain(snapshot, encoder, QUESTION, Settings(top_k=12, diversity=0.7))
    place = {r.hit.chunk.id: r.hit.rank for r in plain.reasons}
    for reason in spread.reasons:
        before = place.get(reason.hit.chunk.id, 13)
        assert ("before diversity moved it" in reason.why) == (before != reason.hit.rank)
    late = explain(snapshot, encoder, QUESTION, Settings(top_k=3, rerank="late"))
    assert all("the reranker has it" in r.why and "the fusion had it" in r.why for r in late.reasons)


def test_more_hits_begin_with_the_same_ones(snapshot):
    encoder = load_encoder()
    for diversity in (0.0, 0.3, 0.7):
        first, more = (
            [h.chunk.id for h in search(snapshot, encoder, QUESTION, Settings(top_k=k, diversity=diversity))]
            for k in (4, 40)
        )
        assert more[:4] == first
