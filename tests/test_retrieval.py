"""BM25 is BM25, and filters never leak."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import DenseIndex, Document, InputError, Settings
from liquid_ai.indexing.dense import FlatIndex
from liquid_ai.indexing.embed import load_encoder
from liquid_ai.indexing.sparse import best_rows
from liquid_ai.indexing.store import Store, commit, open_snapshot
from liquid_ai.ingestion.chunk import split
from liquid_ai.retrieval.fuse import reciprocal_rank_fusion
from liquid_ai.retrieval.search import MODES, search, search_many

WORDS = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta", "files", "closing"]), max_size=8).map(
    " ".join
)


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 40), st.data())
def test_best_rows_are_a_stable_sort(scores, k, data):
    scores = np.array(scores, np.float32)
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores))), bool)
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    assert best_rows(scores, k, allowed).tolist() == [i for i in order if scores[i] > 0 and allowed[i]][:k]


@given(st.integers(1, 60), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_a_dense_index_is_exact_under_a_filter(rows, k, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(rows, 8)).astype(np.float32)
    allowed, query = rng.random(rows) < 0.5, rng.normal(size=8).astype(np.float32)
    index = FlatIndex(vectors)
    assert isinstance(index, DenseIndex)
    scores, found = index.search(query, k, allowed)
    wanted = [i for i in np.argsort(-(vectors @ query), kind="stable") if allowed[i]][:k]
    assert found[0, : len(wanted)].tolist() == wanted and (found[0, len(wanted) :] == -1).all()


@given(st.lists(st.lists(st.integers(0, 20), unique=True, max_size=15), min_size=1, max_size=3))
def test_fusion_keeps_every_row_and_respects_agreement(arms):
    fused = reciprocal_rank_fusion(arms)
    assert {row for row, _ in fused} == {row for arm in arms for row in arm}
    score = dict(fused)
    for row in score:
        assert score[row] == pytest.approx(sum(1 / (61 + arm.index(row)) for arm in arms if row in arm))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    encoder = load_encoder()
    owners, store = ["ann", "bob", "cy"], Store(tmp_path_factory.mktemp("search") / "store")
    documents = [
        Document.of(f"The {thing} of {owner} is {n}.", f"{owner}-{n}", meta={"owner": owner, "n": n})
        for owner in owners for n, thing in enumerate(["secret key", "garden", "kettle", "bank account"])
    ]  # fmt: skip
    commit(store, zip(documents, split(documents, encoder), strict=True), encoder)
    return open_snapshot(store)


@settings(deadline=None, max_examples=60)
@given(
    st.text(min_size=1).filter(str.strip),
    st.sampled_from(MODES),
    st.sampled_from(["ann", "bob", "cy"]),
    st.integers(1, 6),
)
def test_a_filter_never_leaks_and_never_starves(snapshot, question, mode, owner, top_k):
    question = f"{question} the secret"
    hits = search(snapshot, load_encoder(), question, Settings(mode=mode, top_k=top_k), {"owner": owner})
    assert {h.chunk.meta["owner"] for h in hits} == {owner}
    assert len(hits) == min(top_k, 4) or mode == "sparse"
    assert [h.rank for h in hits] == list(range(1, len(hits) + 1))
    assert all(a.score >= b.score for a, b in zip(hits, hits[1:], strict=False))


def test_conditions(snapshot):
    def found(where):
        hits = search(snapshot, load_encoder(), "what is whose?", Settings(top_k=100, mode="dense"), where)
        return sorted((h.chunk.meta["owner"], h.chunk.meta["n"]) for h in hits)

    assert found({"owner": ["ann", "bob"], "n": {">=": 2, "<": 3}}) == [("ann", 2), ("bob", 2)]
    assert found({"n": {"!=": 0}, "owner": "cy"}) == [("cy", 1), ("cy", 2), ("cy", 3)]
    assert found({"owner": "nobody"}) == []
    for where in ({"color": "red"}, {"n": {"~": 3}}):
        with pytest.raises(InputError):
            found(where)


def test_many_threads_get_the_same_hits(snapshot):
    asked = [f"secret of {owner} {n}" for owner in ("ann", "bob", "cy") for n in range(10)]
    run = lambda q: [h.chunk.id for h in search(snapshot, load_encoder(), q)]  # noqa: E731
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, asked)) == [run(q) for q in asked]


def test_arms_side_by_side_find_the_same(snapshot, monkeypatch):
    import liquid_ai.retrieval.search as module

    asked = [
        f"secret {thing} of {owner}" for owner in ("ann", "bob", "cy") for thing in ("key", "garden", "?")
    ]
    one = lambda q: search(snapshot, load_encoder(), q, where={"owner": ["ann", "cy"]})  # noqa: E731
    wanted, batch = [one(q) for q in asked], search_many(snapshot, load_encoder(), asked)
    monkeypatch.setattr(module, "_SIDE_BY_SIDE", 0)  # as in a store of 200,000 rows
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, asked)) == wanted
    assert search_many(snapshot, load_encoder(), asked) == batch
    with pytest.raises(InputError):
        one(" ")


def made(folder, *documents):
    encoder, store = load_encoder(), Store(folder / "store")
    commit(store, zip(documents, split(documents, encoder), strict=True), encoder)
    return open_snapshot(store)


def test_a_word_that_stands_in_one_passage_decides(tmp_path):
    "Whatever the vectors say: names and codes are asked for because they are rare."
    texts = [f"The {a} of the {b} is kept in the {c} room." for a in ("key", "book", "lamp", "chair")
             for b in ("teacher", "gardener", "painter") for c in ("red", "green", "blue")]  # fmt: skip
    texts[20] += " Its number is QX-771."
    snapshot = made(tmp_path, *(Document.of(t, str(n)) for n, t in enumerate(texts)))
    for question in ("QX-771", "where is the key of the teacher with QX-771?"):
        assert search(snapshot, load_encoder(), question)[0].chunk.source == "20"


def test_equal_passages_come_in_one_order_alone_and_in_a_batch(tmp_path):
    documents = [Document.of("The kettle holds 1.7 litres of water.", str(n)) for n in range(60)]
    snapshot, dense = made(tmp_path, *documents), Settings(mode="dense", top_k=7)
    asked = ["How much water does the kettle hold?", "litres", "a third question"]
    batch = search_many(snapshot, load_encoder(), asked, dense)
    alone = [search(snapshot, load_encoder(), q, dense) for q in asked]
    for one, other in zip(batch, alone, strict=True):
        assert [h.chunk.id for h in one] == [h.chunk.id for h in other]


def test_what_does_not_fit_a_call_is_named(snapshot):
    encoder, vector = load_encoder(), np.zeros(384, np.float32)
    cases = [
        (lambda: search_many(snapshot, encoder, "abc"), "questions is a list"),
        (lambda: search(snapshot, None, "key"), "needs an encoder"),
        (lambda: search_many(snapshot, encoder, ["key"], vectors=np.zeros((2, 384))), "1 rows"),
        (lambda: search_many(snapshot, encoder, ["key"], vectors=vector), "1 rows"),
        (lambda: search(snapshot, encoder, "key", vector=vector[:5]), "384"),
        (lambda: search(snapshot, encoder, "key", wordings="abc"), "wordings"),
        (lambda: search_many(snapshot, encoder, ["key"], wordings=[["a"], ["b"]]), "wordings"),
        (lambda: search(snapshot, encoder, "key", principals=None), "principals"),
        (lambda: search(snapshot, encoder, "key", where=["owner"]), "where is a dictionary"),
    ]
    for call, said in cases:
        with pytest.raises(InputError, match=said):
            call()
    assert len(search(snapshot, encoder, "key", vector=vector.tolist()))  # a list of numbers will do


def test_a_field_with_several_values(tmp_path):
    tags = {"a": ["draft", "tea"], "b": ["tea"], "c": []}
    snapshot = made(
        tmp_path, *(Document.of("About tea.", s, meta={"tags": t, "n": [1, 5]}) for s, t in tags.items())
    )
    wanted = {
        "draft": "a", ("draft", "tea"): "ab", frozenset(["tea"]): "ab",
    }  # fmt: skip
    for condition, found in wanted.items():
        assert sources(snapshot, {"tags": condition}) == found
    assert sources(snapshot, {"tags": {"==": "draft"}}) == "a"
    assert sources(snapshot, {"tags": {"!=": "draft"}}) == "bc"
    assert sources(snapshot, {"n": {">": 3}}) == "abc" and sources(snapshot, {"n": {">": 7}}) == ""


def sources(snapshot, where) -> str:
    return "".join(sorted(h.chunk.source for h in search(snapshot, load_encoder(), "tea", where=where)))


def test_a_document_may_have_an_id_with_dashes(tmp_path):
    from liquid_ai.retrieval.explain import explain

    snapshot = made(tmp_path, Document("my-own-doc", "The kettle is red."), Document("x", "Tea."))
    [first, *_] = explain(snapshot, load_encoder(), "kettle").reasons
    assert first.hit.chunk.document_id == "my-own-doc"


def test_a_hit_left_of_a_better_one_keeps_what_stands_left_of_it(tmp_path):
    from liquid_ai.core import Hit, Hits, chunk_document
    from liquid_ai.retrieval.expand import expand

    text = "\n\n".join(f"Paragraph {n} tells of the {n}th thing." for n in range(10))
    starts = [text.index(f"Paragraph {n}") for n in range(10)]
    spans = [(a, b - 2, ()) for a, b in zip(starts, [*starts[1:], len(text) + 2], strict=True)]
    document, encoder, store = Document.of(text, "ten"), load_encoder(), Store(tmp_path / "store")
    commit(store, [(document, chunk_document(document, spans))], encoder)
    snapshot, room = open_snapshot(store), 4 * (starts[1] - starts[0])
    hits = [Hit(chunk, 1.0, n) for n, chunk in enumerate(snapshot.chunks([7, 4]), 1)]
    better, other = expand(snapshot, Hits(hits), room)
    [alone] = expand(snapshot, Hits(hits[1:]), room)
    assert other.chunk.start == alone.chunk.start < starts[4]
    assert other.chunk.end <= better.chunk.start and better.chunk.text.startswith("Paragraph 6")
