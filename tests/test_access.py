"""Who may find what: no search, in any mode and by any path, shows a document to someone it does not name."""

import contextlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from milvus_server import milvus

from liquid_ai.core import Document, InputError, Settings
from liquid_ai.generation.cite import confidence, find_evidence
from liquid_ai.indexing.embed import load_encoder
from liquid_ai.indexing.milvus_store import GenerationIndex
from liquid_ai.indexing.store import Store, commit, engine_of, open_snapshot
from liquid_ai.ingestion.chunk import split
from liquid_ai.retrieval.explain import explain
from liquid_ai.retrieval.filters import allowed_rows
from liquid_ai.retrieval.search import MODES, search, search_many

NAMES = ["ann", "bob", "staff", "board"]
LISTS = [(), *itertools.combinations(NAMES, 1), *itertools.combinations(NAMES, 2)]
THINGS = ["secret key", "garden", "kettle", "bank account", "holiday"]


def filled(folder, dense=""):
    "A snapshot of documents for everyone and for some; `dense`: where Milvus is."
    encoder, store, where = load_encoder(), Store(folder / "store"), Settings(dense=dense, dense_seconds=60.0)
    documents = [
        Document.of(
            f"# {thing}\n\nThe {thing} number {n}.\n\n## Where\n\nIt is kept in room {n}, near the {thing}.",
            f"{thing}-{n}",
            title=f"{thing} {n}",
            meta={"thing": thing, **({"code": n} if "board" in names else {})},
            access=names,
        )
        for n, (thing, names) in enumerate(itertools.product(THINGS, LISTS))
    ]
    commit(store, zip(documents, split(documents, encoder, 24, True), strict=True), encoder, settings=where)
    snapshot = open_snapshot(store, 0, engine_of(store, where))
    assert isinstance(snapshot.dense, GenerationIndex) == bool(dense)
    snapshot.lists = {d.id: set(d.access) for d in documents}
    return snapshot


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("access"))


@pytest.fixture(scope="module", params=["in the folder", "in Milvus"])
def anywhere(request, tmp_path_factory, snapshot):
    if request.param == "in the folder":
        yield snapshot
    else:
        folder = tmp_path_factory.mktemp("access")
        with milvus(folder) as address:
            yield filled(folder, address)


def may_see(snapshot, hit, who) -> bool:
    names = snapshot.lists[hit.chunk.document_id]
    return not names or bool(names & set(who))


@settings(deadline=None, max_examples=150)
@given(
    question=st.sampled_from([*THINGS, "room", "where is it kept?", "number 7", "zzz"]),
    who=st.sets(st.sampled_from([*NAMES, "nobody"])),
    where=st.sampled_from(
        [None, {"thing": "kettle"}, {"thing": ["garden", "holiday"]}, {"title": {">=": "h"}}]
    ),
    choices=st.fixed_dictionaries(
        {
            "mode": st.sampled_from(MODES),
            "fusion": st.sampled_from(["scores", "ranks"]),
            "top_k": st.sampled_from([1, 5, 60]),
            "candidates": st.sampled_from([1, 10, 100]),
            "document_weight": st.sampled_from([0.0, 0.25, 0.5]),
            "diversity": st.sampled_from([0.0, 0.5]),
            "parent_chars": st.sampled_from([0, 500]),
        }
    ),
)
def test_nothing_leaks(anywhere, question, who, where, choices):
    snapshot = anywhere
    hits = search(snapshot, load_encoder(), question, Settings(**choices), where, principals=who)
    assert all(may_see(snapshot, hit, who) for hit in hits)
    allowed = allowed_rows(snapshot, where, who)
    assert len(hits) <= np.count_nonzero(allowed)
    if choices["mode"] != "sparse" and not choices["parent_chars"]:
        assert len(hits) == min(choices["top_k"], np.count_nonzero(allowed))  # and nobody is starved


def test_the_other_ways_to_search_keep_the_lists_too(anywhere):
    encoder, snapshot = load_encoder(), anywhere
    late = Settings(rerank="late", rerank_top=10, top_k=10)
    found = [
        *search_many(snapshot, encoder, THINGS, Settings(top_k=50), principals=["ann"]),
        search(snapshot, encoder, "secret", late, principals=["ann"]),
        search(snapshot, encoder, "secret", wordings=["hidden key", "password"], principals=["ann"]),
        [r.hit for r in explain(snapshot, encoder, "secret key", principals=["ann"]).reasons],
    ]
    assert all(hits and all(may_see(snapshot, h, ["ann"]) for h in hits) for hits in found)


@pytest.mark.parametrize("who", [[], ["ann"], ["board", "staff"]], ids=str)
def test_scores_are_those_of_a_store_that_holds_what_one_may_read_alone(snapshot, tmp_path, who):
    encoder, store, late = load_encoder(), Store(tmp_path / "alone"), Settings(rerank="late", top_k=9)
    every = [snapshot.document(id) for id in snapshot.lists]
    mine = [d for d in every if not d.access or set(d.access) & set(who)]
    assert 0 < len(mine) < len(every)
    commit(store, zip(mine, split(mine, encoder, 24, True), strict=True), encoder)
    alone = open_snapshot(store)
    for question in [*THINGS, "where is the secret kettle kept?", "number 7"]:
        for choices in (Settings(top_k=9), Settings(top_k=9, mode="sparse"), late):
            for where in (None, {"thing": ["kettle", "secret key"]}):
                here, there = (
                    search(s, encoder, question, choices, where, principals=who) for s in (snapshot, alone)
                )
                assert [h.chunk.id for h in here] == [h.chunk.id for h in there]
                for one, other in zip(here, there, strict=True):
                    assert one.signals.keys() == other.signals.keys()
                    assert one.score == pytest.approx(other.score, abs=1e-5)
                    for arm, signal in one.signals.items():
                        exact = arm in ("sparse", "document")
                        assert signal.score == (
                            other.signals[arm].score
                            if exact
                            else pytest.approx(other.signals[arm].score, abs=1e-5)
                        ), arm
                evidence = [
                    find_evidence(question, here, encoder, s.sparse_for(who)) for s in (snapshot, alone)
                ]
                assert confidence(evidence[0]) == pytest.approx(confidence(evidence[1]), abs=1e-6)
        told, same = (explain(s, encoder, question, principals=who) for s in (snapshot, alone))
        assert [r.terms for r in told.reasons] == [r.terms for r in same.reasons]


def test_statistics_of_many_readers_are_bounded(snapshot):
    for n in range(600):
        assert snapshot.sparse_for([f"reader {n}"]).rarity("secret") > 0
    assert len(snapshot._views) <= 256 and len(snapshot._masks) <= 256
    assert snapshot.sparse_for(NAMES) is snapshot.sparse  # who may read everything has the whole index


def test_who_names_nobody_sees_only_what_is_for_everyone(anywhere):
    snapshot = anywhere
    hits = search(snapshot, load_encoder(), "secret key", Settings(top_k=100))
    assert hits and all(not snapshot.lists[h.chunk.document_id] for h in hits)


def test_an_error_does_not_tell_of_hidden_fields(snapshot):
    with pytest.raises(InputError) as told:
        search(snapshot, load_encoder(), "key", where={"code": 3}, principals=["nobody"])
    assert "'code'" in str(told.value) and "code" not in str(told.value).partition("fields:")[2]
    assert search(snapshot, load_encoder(), "key", where={"code": {">=": 0}}, principals=["board"])


def test_a_name_is_not_taken_for_letters(snapshot):
    with pytest.raises(InputError, match="collection of names"):
        search(snapshot, load_encoder(), "key", principals="ann")


@pytest.mark.parametrize("names", ["ann", b"ann", None, 3, (1, "ann"), ("",), {"ann": 1}])
def test_a_list_that_is_none_is_refused(names):
    with pytest.raises(InputError, match="access is a collection of names"):
        Document.of("The key is under the mat.", "key", access=names)


def test_built_in_fields_exist_for_everyone(tmp_path):
    encoder, store = load_encoder(), Store(tmp_path / "store")
    document = Document.of("The key is under the mat.", "key", access=("ann",))
    commit(store, [(document, split([document], encoder)[0])], encoder)
    snapshot = open_snapshot(store)
    assert not search(snapshot, encoder, "key", where={"source": "key"})
    assert search(snapshot, encoder, "key", where={"source": "key"}, principals=["ann"])


@pytest.mark.parametrize("where", ["in the folder", "in Milvus"])
def test_files_are_for_whom_they_were_read_for(tmp_path, where):
    from liquid_ai.pipeline import RAG

    own = contextlib.ExitStack()
    dense = own.enter_context(milvus(tmp_path)) if where == "in Milvus" else ""
    (tmp_path / "pay.txt").write_text("The salary of the director is 90,000.")
    (tmp_path / "tea.txt").write_text("The tea is green.")
    with own, RAG.open(tmp_path / "store", dense=dense, dense_seconds=60.0) as rag:
        rag.ingest(tmp_path / "pay.txt", access=["board"], progress=False)
        rag.ingest(tmp_path / "tea.txt", progress=False)
        assert {h.chunk.title for h in rag.search("salary")} == {"tea"}
        assert rag.search("salary", principals=["board"])[0].chunk.title == "pay"
        rag.sync(tmp_path / "pay.txt", progress=False)  # who says nothing of readers publishes nothing
        assert {h.chunk.title for h in rag.search("salary")} == {"tea"}
        rag.ingest(tmp_path / "pay.txt", access=(), progress=False)  # for everyone now
        assert rag.search("salary")[0].chunk.title == "pay"


def test_a_changed_list_counts_at_once(tmp_path):
    encoder, store = load_encoder(), Store(tmp_path / "store")
    for names in ((), ("ann",), ("bob",)):
        document = Document.of("The key is under the mat.", "key", access=names)
        commit(store, zip([document], split([document], encoder), strict=True), encoder)
        snapshot = open_snapshot(store)
        seen = [bool(search(snapshot, encoder, "key", principals=who)) for who in ([], ["ann"], ["bob"])]
        assert seen == [not names, "bob" not in names, "ann" not in names]
        assert snapshot.document(document.id) == document
