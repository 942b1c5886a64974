"""A store whose vectors are searched in Milvus finds what one finds that searches them itself."""

import json
from contextlib import closing

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from milvus_server import (
    ENCODER,
    GIVEN,
    NAMES,
    Hashed,
    alive,
    collections,
    found,
    live_name,
    milvus,
    opened,
    put,
    some,
)

from liquid_ai.core import Document, Settings, StoreError, digest
from liquid_ai.indexing.backup import backup
from liquid_ai.indexing.milvus import connect
from liquid_ai.indexing.milvus_store import GenerationIndex, ask_words
from liquid_ai.indexing.store import Store, engine_of, open_snapshot, rebuild
from liquid_ai.retrieval.filters import allowed_rows, in_words
from liquid_ai.retrieval.search import dense_arms, search


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with milvus(tmp_path_factory.mktemp("milvus")) as address:
        yield address


CONDITIONS = st.one_of(
    st.tuples(st.just("year"), st.sampled_from([2020, [2020, 2023], ["2020", 2021], 2020.0, True, None])),
    st.tuples(
        st.just("year"), st.sampled_from([{">=": 2021}, {"!=": 2020}, {">": 2019, "<": 2023}, {"<": "x"}])
    ),
    st.tuples(st.just("part"), st.sampled_from([0.5, [0.5, 1.5], 1, {">": 0}, {"<=": 1.0}, {"!=": 1}])),
    st.tuples(st.just("draft"), st.sampled_from([True, [True, False], {"!=": True}, {"==": False}, 1])),
    st.tuples(
        st.just("kind"), st.sampled_from(["tea", 'a "b" \\ c', ["größe", "ink"], {">": "f"}, {"!=": "tea"}])
    ),
    st.tuples(st.just("title"), st.sampled_from(["T1", {">=": "T3"}, ["T0", 3], {"!=": "T2"}])),
    st.tuples(st.just("tags"), st.sampled_from(["x", {"!=": "x"}, ["y", "z"]])),
    st.tuples(st.just("mixed"), st.sampled_from([1, "1", {">": 0}])),
    st.tuples(st.just("odd name"), st.just("v")),
)


@pytest.fixture(scope="module")
def both(address, tmp_path_factory):
    "The same documents, searched in the folder and in Milvus."
    folder, stores = tmp_path_factory.mktemp("both"), []
    for name, where in (("here", ""), ("there", address)):
        store = Store(folder / name)
        put(store, some(), where)
        stores.append(opened(store, where))
    assert isinstance(stores[1].dense, GenerationIndex) and not isinstance(stores[0].dense, GenerationIndex)
    return stores


@settings(deadline=None, max_examples=120)
@given(
    st.lists(CONDITIONS, max_size=2, unique_by=lambda c: c[0]),
    st.sets(st.sampled_from([*NAMES, "nobody"])),
    st.sampled_from(["text 3", "text 7 text 7 text 7", "zzz"]),
    st.sampled_from([1, 3, 20, 500]),
)
def test_both_find_the_same(both, where, who, question, k):
    vectors = ENCODER.encode([question, question + "?"])
    arms = []
    for snapshot in both:
        allowed = allowed_rows(snapshot, dict(where), who)
        arms.append(dense_arms(snapshot, vectors, k, allowed, dict(where), who))
    for here, there in zip(*arms, strict=True):
        assert here.rows.tolist() == there.rows.tolist()
        assert np.allclose(here.scores, there.scores, atol=1e-5)


@settings(deadline=None, max_examples=120)
@given(st.lists(CONDITIONS, max_size=2, unique_by=lambda c: c[0]), st.sets(st.sampled_from(NAMES)))
def test_an_expression_says_what_the_mask_says(both, where, who):
    snapshot = both[1]
    said = in_words(snapshot, snapshot.dense, dict(where), who)
    if not said:
        return
    index, allowed = snapshot.dense, allowed_rows(snapshot, dict(where), who)
    found = index.client.query(index.collection, filter=said, output_fields=["row"], limit=10_000)
    assert sorted(r["row"] for r in found) == np.flatnonzero(allowed).tolist()


def test_what_can_be_said_is_said(both):
    snapshot = both[1]
    for where in (
        {"year": 2020},
        {"kind": {"!=": "tea"}},
        {"draft": True},
        {"part": {">": 0}},
        {"title": "T1"},
    ):
        said = in_words(snapshot, snapshot.dense, where, ["ann"])
        assert "access_list" in said and next(iter(where)) in said
    for where in ({"tags": "x"}, {"mixed": 1}, {"odd name": "v"}, {"year": {"<": 2020.5}}):
        assert in_words(snapshot, snapshot.dense, where, ["ann"]) == ""
    assert set(snapshot.dense.fields) == {"id", "source", "title", "mime", "year", "part", "draft", "kind"}


def test_a_wrong_expression_neither_leaks_nor_loses(both):
    here, there = both
    query, allowed = ENCODER.encode(["text 3"]), np.arange(len(here)) % 3 == 0
    for said in ("row >= 0", "row < 3", "document == 1", "there is no such thing", 'nothing == "x"'):
        found = there.dense.search(query, 9, allowed, said)
        assert found[1].tolist() == here.dense.search(query, 9, allowed)[1].tolist()


def test_other_programs_see_who_may_read(both):
    index, snapshot = both[1].dense, both[1]
    ask = 'public == true or array_contains_any(access, ["ann", "staff"])'
    found = index.client.query(index.collection, filter=ask, output_fields=["row"], limit=10_000)
    assert sorted(r["row"] for r in found) == np.flatnonzero(snapshot.readable(["ann", "staff"])).tolist()


@pytest.mark.slow
def test_more_equal_rows_than_were_asked_for(address, tmp_path):
    documents = [Document.of("the same text", f"d{i}") for i in range(300)] + some(5)
    found = []
    for name, where in (("here", ""), ("there", address)):
        store = Store(tmp_path / name)
        put(store, documents, where)
        found.append(opened(store, where).dense.search(ENCODER.encode(["the same text"]), 10))
    assert found[0][1].tolist() == found[1][1].tolist()
    assert np.ptp(found[0][0]) < 1e-6  # they are all alike


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.integers(0, 9), st.tuples(st.integers(0, 3), st.sets(st.sampled_from(NAMES)))),
            st.sets(st.integers(0, 9)),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_history_ends_as_it_does_in_the_folder(address, tmp_path_factory, history):
    folder = tmp_path_factory.mktemp("history")
    here, there = Store(folder / "here"), Store(folder / "there")
    for changes, gone in history:
        new = [Document.of(f"text {t} " * 5, f"d{i}", access=tuple(who)) for i, (t, who) in changes.items()]
        ids = [digest("", f"d{i}") for i in gone]
        assert put(here, new, "", ids) == put(there, new, address, ids)
        with closing(engine_of(there, Settings(dense=address, dense_seconds=60.0))) as engine:
            a, b = open_snapshot(here), open_snapshot(there, 0, engine)
            assert len(a) == len(b)
            for who in ([], ["ann"], NAMES):
                if not len(a):
                    continue
                found = []
                for s in (a, b):
                    hits = search(s, ENCODER, "text 1", Settings(top_k=20), principals=who)
                    found.append([(h.chunk.id, round(h.score, 5)) for h in hits])
                assert found[0] == found[1]
    mine = {n for n in collections(address) if n.startswith(f"liquid_{there.meta('dense_id')}_")}
    assert len(mine) <= 2


def test_a_commit_keeps_the_generation_before_and_moves_the_alias(address, tmp_path):
    store = Store(tmp_path / "store")
    for n in range(4):
        put(store, [Document.of(f"text {n}", f"d{n}")], address)
        there, pointed = alive(store, address)
        assert pointed == live_name(store) == there[-1] and len(there) == min(2, n + 1)
    before = there
    put(store, [Document.of("text 3", "d3")], address)  # as it was, but it is put in again
    assert alive(store, address)[0][0] == before[1]
    live = store.generation
    put(store, [], address)
    assert store.generation == live  # nothing changed, nothing was written
    assert put(store, [], address, [digest("", f"d{n}") for n in range(4)]) == live + 1
    assert len(opened(store, address)) == 0 and alive(store, address)[1] == ""


def test_who_reads_an_older_generation_reads_on(address, tmp_path):
    store, query = Store(tmp_path / "store"), ENCODER.encode(["text 1"])
    put(store, some(12), address)
    first = opened(store, address)
    then = first.dense.search(query, 5)
    for n in range(3):
        put(store, [Document.of(f"text 1 {n}", f"new{n}")], address)
        assert [a.tolist() for a in first.dense.search(query, 5)] == [a.tolist() for a in then]
    assert first.dense.collection not in alive(store, address)[0]  # it searched the file that it holds
    assert len(opened(store, address)) > len(first)


def test_a_collection_that_is_not_ours(address, tmp_path):
    store = Store(tmp_path / "store")
    put(store, some(6), address)
    with closing(connect(address, timeout=30)) as client:
        for alias in client.list_aliases(live_name(store))["aliases"]:
            client.drop_alias(alias)
        client.drop_collection(live_name(store))
        with pytest.raises(StoreError, match="rebuild"):
            opened(store, address)
        client.create_collection(live_name(store), dimension=12)
        with pytest.raises(StoreError, match="has the fields"):
            opened(store, address)
        client.drop_collection(live_name(store))
        client.create_collection(live_name(store), dimension=12, primary_field_name="row", metric_type="IP")
        with pytest.raises(StoreError, match="holds 0"):
            opened(store, address)
    rebuild(store, ENCODER, Settings(dense=address, dense_seconds=60.0))
    assert found(store, address) == found(store, "")
    assert len(alive(store, address)[0]) <= 2


def test_a_store_moves_in_and_out(address, tmp_path):
    with milvus(tmp_path) as other:
        store = Store(tmp_path / "store")
        put(store, some(6))
        with pytest.raises(StoreError, match="rebuild"):
            opened(store, address)
        for n, place in enumerate((address, other, "", address)):
            assert put(store, [], place) == n + 2  # unchanged documents, but they are searched elsewhere
            assert found(store, place) == found(store, "")
            for at in {address, other}:
                mine = [c for c in collections(at) if store.meta("dense_id") in c]
                assert (len(mine) > 0) == (at == place or (GIVEN != "" and place != ""))
        assert json.loads(store.meta("dense_places")) == [address]


def test_a_copy_leaves_the_original_alone(address, tmp_path):
    store = Store(tmp_path / "store")
    put(store, some(6), address)
    was = alive(store, address)
    copy = Store(backup(store, tmp_path / "copy"))
    assert not any(k.startswith("dense") for (k,) in copy._read("SELECT key FROM meta"))
    assert found(copy, "") == found(store, address)
    with pytest.raises(StoreError, match="rebuild"):
        opened(copy, address)
    put(copy, [Document.of("more", "more")], address)
    assert alive(store, address) == was and found(store, address) == found(store, "")
    assert copy.meta("dense_id") != store.meta("dense_id") and found(copy, address) == found(copy, "")


def test_another_encoder(address, tmp_path):
    from liquid_ai.migrate import migrate

    class Longer(Hashed):
        name, fingerprint, dimensions = "longer", "l" * 16, 24

        def encode(self, texts, kind="document", progress=False):
            made = Hashed.encode(self, texts)
            return np.concatenate([made, made[:, ::-1]], 1) / np.float32(2**0.5)

    store = Store(tmp_path / "store")
    put(store, some(6), address)
    done = migrate(
        store, ENCODER, Longer(), Settings(dense=address, dense_seconds=60.0), ["text 3"], progress=False
    )
    assert done.live and len(alive(store, address)[0]) == 2
    snapshot = opened(store, address)
    query = Longer().encode(["text 3"])
    assert (
        snapshot.dense.search(query, 5)[1].tolist() == open_snapshot(store).dense.search(query, 5)[1].tolist()
    )


@pytest.fixture
def rag(address, tmp_path):
    from liquid_ai.pipeline import RAG

    with RAG.open(tmp_path / "store", dense_seconds=60.0, dense=address) as rag:
        yield rag


@pytest.mark.slow
def test_what_is_forgotten_is_gone_from_every_collection(rag, address, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    (files / "pay.txt").write_text("The salary of the director is 90,000.")
    (files / "tea.txt").write_text("The tea is green.")
    rag.sync(files, progress=False)
    live = rag.store.generation
    assert not rag.sync(files, progress=False).removed and rag.store.generation == live  # nothing was new
    assert len(rag.snapshot().dense) == 2 and rag.search("salary", mode="dense")[0].chunk.title == "pay"
    rag.forget(str(files / "pay.txt"))
    there, pointed = alive(rag.store, address)
    assert there == [pointed] == [live_name(rag.store)]
    with closing(connect(address, timeout=30)) as client:
        rows = client.query(pointed, filter="row >= 0", output_fields=["*"], limit=10)
        assert [r["title"] for r in rows] == ["tea"] and "pay" not in str(rows)
    assert {h.chunk.title for h in rag.search("salary")} == {"tea"}


def test_forgetting_says_where_something_may_be_left(rag, address, tmp_path, monkeypatch):
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

    documents = [Document.of(f"text {n}", f"d{n}") for n in range(3)]
    rag.ingest(documents, progress=False)

    def fails(*_, **__):
        raise MilvusException(message="the server fails")

    with monkeypatch.context() as patch:
        patch.setattr(MilvusClient, "drop_collection", fails)
        with pytest.raises(StoreError, match="the server fails"):
            rag.forget(documents[0].id)
    assert len(alive(rag.store, address)[0]) == 2
    rag.forget()  # what was held up before
    assert len(alive(rag.store, address)[0]) == 1


def test_the_doctor_looks_into_milvus(rag, address, monkeypatch):
    from liquid_ai.cli.doctor import check_store

    rag.ingest([Document.of("text 1", "d1")], progress=False)
    monkeypatch.setenv("LIQUID_AI_DENSE", address)
    assert check_store(rag.store.folder)["vectors in"] == address
    with closing(connect(address, timeout=30)) as client:
        client.drop_alias(f"liquid_{rag.store.meta('dense_id')}")
        client.drop_collection(live_name(rag.store))
    with pytest.raises(StoreError, match="--repair"):
        check_store(rag.store.folder)
    rag.rebuild(progress=False)
    assert check_store(rag.store.folder)["documents"] == 1 and rag.search("text", mode="dense")


def test_words_may_be_ranked_by_milvus(address, tmp_path):
    from liquid_ai.pipeline import RAG

    texts = {
        "tea": "Green tea is steeped for two minutes.",
        "ink": "Iron gall ink darkens on paper.",
        "pay": "Tea money.",
    }
    documents = [
        Document.of(text, name, title=name, meta={"n": n}, access=("ann",) if name == "pay" else ())
        for n, (name, text) in enumerate(texts.items())
    ]
    with RAG.open(
        tmp_path / "store", dense_seconds=60.0, dense=address, dense_words=True, document_weight=0.0
    ) as rag:
        rag.ingest(documents, progress=False)
        for mode in ("sparse", "hybrid"):
            hits = rag.search("tea", mode=mode)
            assert hits[0].chunk.title == "tea" and "pay" not in {h.chunk.title for h in hits}
            mine = rag.search("tea money", mode=mode, principals=["ann"])
            assert mine[0].chunk.title == "pay" or mode == "hybrid"
            assert rag.search("tea", mode=mode, where={"n": 1}, principals=["ann"])[0:] == rag.search(
                "tea", mode=mode, where={"title": "ink"}, principals=["ann"]
            )
        told = rag.search("tea", mode="sparse")
        theirs = ask_words(rag.snapshot().dense, "tea", 5, rag.snapshot().readable([]))
        assert [h.score for h in told] == theirs[1].tolist() and len(told) == 1
        older, live = rag.snapshot(), rag.store.generation
        for name in ("ink", "tea"):
            rag.remove(digest("", name))
        found = search(older, None, "tea", Settings(mode="sparse", dense_words=True))
        assert [h.chunk.title for h in found] == ["tea"]  # its collection is gone: the folder's BM25
    with RAG.open(tmp_path / "store", dense_seconds=60.0, dense=address) as rag:
        with pytest.raises(StoreError, match="without dense_words"):
            search(opened_without_words(rag, address), None, "tea", Settings(mode="sparse", dense_words=True))
        assert rag.store.generation == live + 3


def opened_without_words(rag, address):
    "The generation that the next ingest makes, since words are no longer asked for."
    rag.ingest([], progress=False)
    return rag.snapshot()
