"""Every dense index keeps one contract: filters never leak or starve, what is missing is -1."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from milvus_server import milvus

from liquid_ai.core import DenseIndex, InputError, StoreError
from liquid_ai.indexing.approximate import (
    EXACT_ROWS,
    ApproximateIndex,
    build_dense,
    choose,
    load_dense,
    measured_recall,
    save_dense,
)
from liquid_ai.indexing.dense import FlatIndex, load_vectors, rescore, save_vectors

ROWS, D = 9_000, 100  # not a multiple of 8: the last byte of a binary code is not full
APPROXIMATE = [(kind, codes) for kind in ("flat", "ivf") for codes in ("float32", "int8", "binary")][1:]
MILVUS = ("FLAT", "HNSW", "IVF_FLAT")
NAMES = ["exact", *map("-".join, APPROXIMATE), *(f"milvus-{m}" for m in MILVUS)]


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    around = rng.normal(size=(90, D))[rng.integers(90, size=ROWS)]
    return unit(around + rng.normal(size=(ROWS, D)))


@pytest.fixture(scope="module")
def queries(vectors):
    return unit(vectors[::300] + np.random.default_rng(1).normal(scale=0.07, size=(30, D)))


@pytest.fixture(scope="module", params=NAMES)
def index(request, vectors, tmp_path_factory):
    kind, _, rest = request.param.partition("-")
    if kind == "milvus":
        with milvus(tmp_path_factory.mktemp("milvus")) as address:
            from liquid_ai.indexing.milvus import build_milvus

            made = build_milvus(vectors, address, f"liquid_rows_{secrets.token_hex(4)}", rest)
            yield made
            made.close()
    else:
        yield FlatIndex(vectors) if kind == "exact" else build_dense(vectors, kind, rest)


def test_the_contract(index, vectors, queries):
    assert isinstance(index, DenseIndex) and len(index) == ROWS
    scores, rows = index.search(queries, 10)
    assert scores.shape == rows.shape == (30, 10) and scores.dtype == np.float32 and rows.dtype == np.int64
    assert (np.diff(scores, axis=1) <= 1e-6).all()
    assert all(len(set(r)) == 10 for r in rows.tolist())
    assert np.allclose(np.take_along_axis(queries @ vectors.T, rows, 1), scores, atol=1e-5)
    one, same = index.search(queries[0], 10)  # a single vector is a batch of one
    assert same.tolist() == rows[:1].tolist() and np.allclose(one, scores[:1], atol=1e-6)
    assert [a.shape for a in index.search(queries[:0], 3)] == [(0, 3), (0, 3)]


def test_recall_is_what_was_promised(index, vectors, queries):
    best = FlatIndex(vectors).search(queries, 10)[1]
    found = index.search(queries, 10)[1]
    recall = np.mean([len(set(f) & set(b)) / 10 for f, b in zip(found, best, strict=True)])
    assert recall >= 0.95 and index.recall >= 0.95
    if not isinstance(index, ApproximateIndex):
        return
    assert 4 * index.about.candidates < ROWS / 2  # otherwise everything is rescored, and nothing is tested
    assert index.recall >= 0.98 and index.recall == measured_recall(index, vectors)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.01, 0.001])
def test_recall_under_a_filter(index, vectors, queries, share):
    allowed = np.random.default_rng(2).random(ROWS) < share
    k = min(10, int(allowed.sum()))
    best = FlatIndex(vectors).search(queries, k, allowed)[1]
    found = index.search(queries, k, allowed)[1]
    assert allowed[found].all()
    assert np.mean([len(set(f) & set(b)) / k for f, b in zip(found, best, strict=True)]) >= 0.93


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(1, 60), st.booleans())
def test_a_filter_never_leaks_and_never_starves(index, vectors, seed, share, k, far):
    rng = np.random.default_rng(seed)
    query = unit(rng.normal(size=D))
    # at random, or only what is farthest from the query: what a search finds last
    allowed = (vectors @ query < np.quantile(vectors @ query, share)) if far else rng.random(ROWS) < share
    scores, rows = index.search(query, k, allowed)
    there = min(k, int(allowed.sum()))
    assert allowed[rows[0, :there]].all() and len(set(rows[0, :there].tolist())) == there
    assert (rows[0, :there] >= 0).all()
    assert (rows[0, there:] == -1).all() and (scores[0, there:] == -np.inf).all()


def test_more_than_there_are(index, vectors, queries):
    allowed = np.arange(ROWS) < 7
    scores, rows = index.search(queries[0], ROWS + 5, allowed)
    assert rows[0, :7].tolist() == np.argsort(-(vectors[:7] @ queries[0])).tolist()
    assert (rows[0, 7:] == -1).all()
    rows = index.search(queries[0], ROWS + 5)[1][0]
    assert sorted(rows[:ROWS].tolist()) == list(range(ROWS)) and (rows[ROWS:] == -1).all()
    assert (index.search(queries[0], 3, np.zeros(ROWS, bool))[1] == -1).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"queries": np.full(D, np.nan, np.float32)}, "NaN"),
        ({"queries": np.full(D, np.inf, np.float32)}, "infinity"),
        ({"queries": np.ones(D + 1, np.float32)}, "dimensions"),
        ({"queries": np.ones((2, 2, D), np.float32)}, "shape"),
        ({"k": 0}, "at least one"),
        ({"k": True}, "at least one"),
        ({"k": 2.5}, "at least one"),
        ({"allowed": np.ones(ROWS - 1, bool)}, "not bool"),
        ({"allowed": np.ones(ROWS)}, "not bool"),
    ],
)
def test_unusable_arguments_are_refused(index, change, said):
    with pytest.raises(InputError, match=said):
        index.search(**{"queries": np.ones(D, np.float32), "k": 3} | change)


def test_many_threads_get_the_same_rows(index, queries):
    allowed = np.arange(ROWS) % 2 == 0
    run = lambda i: index.search(queries[i % 30], 10, allowed if i % 2 else None)[1].tolist()  # noqa: E731
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, range(90))) == [run(i) for i in range(90)]


def test_a_batch_is_its_questions(index, queries):
    rows = index.search(queries, 10)[1]
    assert rows.tolist() == [index.search(q, 10)[1][0].tolist() for q in queries]


@given(st.integers(0, 40), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_exact_search_is_a_sort(rows, k, seed):
    rng = np.random.default_rng(seed)
    vectors, query = rng.normal(size=(rows, 8)).astype(np.float32), rng.normal(size=8).astype(np.float32)
    allowed = rng.random(rows) < 0.6
    for only in (None, allowed):
        found = FlatIndex(vectors).search(query, k, only)[1][0]
        kept = [i for i in np.argsort(-(vectors @ query)) if only is None or allowed[i]][:k]
        assert found.tolist() == kept + [-1] * (k - len(kept))


@pytest.mark.parametrize("name", ["exact", *map("-".join, APPROXIMATE)])
def test_saved_and_loaded_it_answers_alike(name, vectors, queries, tmp_path):
    kind, _, codes = name.partition("-")
    index = FlatIndex(vectors) if kind == "exact" else build_dense(vectors, kind, codes)
    save_vectors(tmp_path / "vectors.npy", vectors)
    save_dense(tmp_path, index)
    again = load_dense(tmp_path, load_vectors(tmp_path / "vectors.npy", ROWS, mmap=True))
    assert type(again) is type(index) and again.recall == index.recall
    for k, allowed in [(10, None), (30, np.arange(ROWS) % 3 == 0)]:
        for a, b in zip(again.search(queries, k, allowed), index.search(queries, k, allowed), strict=True):
            assert np.array_equal(a, b)


def test_the_same_vectors_give_the_same_index(vectors, queries):
    for kind, codes in APPROXIMATE:
        first, second = (build_dense(vectors, kind, codes) for _ in range(2))
        assert first.about == second.about
        assert np.array_equal(first.search(queries, 10)[1], second.search(queries, 10)[1])


def test_centroids_serve_the_next_generation(vectors, queries):
    old = build_dense(vectors[:8_000], "ivf", "int8")
    new = build_dense(vectors, "ivf", "int8", old=old)
    assert new.coded.nlist == old.coded.nlist and len(new) == ROWS and len(old) == old.coded.ntotal == 8_000
    assert new.recall >= 0.98
    assert build_dense(vectors[:1_200], "ivf", "int8", old=old).coded.nlist != old.coded.nlist


def test_what_is_built_follows_the_rows():
    assert choose(EXACT_ROWS) == ("flat", "float32") and choose(EXACT_ROWS + 1) == ("flat", "binary")
    assert choose(2_000_000)[0] == "ivf" and choose(10, "ivf", "int8") == ("flat", "float32")
    assert choose(50_000, "flat") == ("flat", "float32") and choose(50_000, codes="int8") == ("flat", "int8")
    for kind, codes in [("hnsw", "auto"), ("tree", "auto"), ("flat", "int4")]:
        with pytest.raises(InputError):
            choose(50_000, kind, codes)


@pytest.fixture
def saved(vectors, tmp_path):
    def make(kind, codes):
        save_dense(tmp_path, build_dense(vectors, kind, codes))
        return tmp_path

    return make


@pytest.mark.parametrize(
    "change",
    [
        {"rows": ROWS - 1},
        {"dimensions": D + 1},
        {"kind": "tree"},
        {"codes": "pickle"},
        {"candidates": "many"},
        {"candidates": -1},
        {"candidates": 1.5},
        {"recall": float("nan")},
        {"recall": None},
        {"probes": 3},
        {"more": 1},
        {"kind": "ivf", "probes": 4},  # the file that this needs is not there
    ],
)
def test_a_false_record_is_refused(saved, vectors, change):
    folder = saved("flat", "binary")
    told = json.loads((folder / "dense.json").read_text()) | change
    (folder / "dense.json").write_text(json.dumps(told))
    with pytest.raises(StoreError, match="cannot be read"):
        load_dense(folder, vectors)


@pytest.mark.parametrize(
    ("codes", "file", "damage"),
    [
        ("binary", "codes.npy", lambda old: old[:-9]),
        ("binary", "codes.npy", lambda old: b""),
        ("binary", "centre.npy", lambda old: old[:-4] + np.float32("nan").tobytes()),
        ("binary", "centre.npy", None),
        ("binary", "dense.json", lambda old: old[:-5]),
        ("binary", "dense.json", lambda old: b"[]"),
        ("int8", "codes.faiss", lambda old: old[: len(old) // 2]),
        ("int8", "codes.faiss", lambda old: b"xxxx" + old[4:]),
        ("int8", "codes.faiss", None),
    ],
)
def test_damaged_files_are_refused(saved, vectors, codes, file, damage):
    path = saved("flat", codes) / file
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StoreError):
        load_dense(path.parent, vectors)


def test_codes_of_another_index_are_refused(saved, vectors):
    folder = saved("ivf", "int8")
    other = folder / "other"
    other.mkdir()
    save_dense(other, build_dense(vectors[:4_000], "ivf", "int8"))
    (folder / "codes.faiss").write_bytes((other / "codes.faiss").read_bytes())
    with pytest.raises(StoreError, match="4000"):
        load_dense(folder, vectors)


@pytest.mark.parametrize("mmap", [False, True])
def test_vectors_that_do_not_fit_are_refused(tmp_path, mmap):
    path, good = tmp_path / "vectors.npy", np.ones((100, 4), np.float32)
    bad = good.copy()
    bad[99, 3] = np.nan
    wrong = [bad, good[:99], good.astype(np.float64), good[0], np.asfortranarray(good), np.array([{}])]
    for array in wrong:
        np.save(path, array, allow_pickle=True)
        with pytest.raises(StoreError):
            load_vectors(path, 100, mmap)
    np.savez(path.with_suffix(".npz"), good)
    path.with_suffix(".npz").rename(path)
    with pytest.raises(StoreError, match="archive"):
        load_vectors(path, 100, mmap)
    save_vectors(path, good)
    assert np.array_equal(load_vectors(path, 100, mmap), good)
    assert isinstance(load_vectors(path, 100, mmap), np.memmap) == mmap


def test_equal_scores_come_in_row_order():
    vectors = np.ones((50, 4), np.float32)
    assert rescore(vectors, vectors[0], np.array([9, 3, 40, 7]), 3)[1].tolist() == [3, 7, 9]
    with pytest.raises(StoreError):
        rescore(vectors, vectors[0], np.array([-1, 3]), 3)


def test_milvus_says_what_is_wrong(vectors, tmp_path):
    pytest.importorskip("pymilvus", reason="pymilvus is not installed")
    pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")
    from pymilvus import MilvusClient

    from liquid_ai.indexing.milvus import MilvusIndex, build_milvus

    uri = tmp_path / "v.db"
    for refused in (lambda: MilvusIndex("v", "rows"), lambda: build_milvus(vectors, uri, "rows", "LSH")):
        with pytest.raises(InputError):
            refused()
    with build_milvus(vectors[:50], uri, "rows") as first:
        assert len(first) == 50 and first.dimensions == D
    with pytest.raises(StoreError, match="replace=True"):
        build_milvus(vectors[:60], uri, "rows")
    with build_milvus(vectors[:60], uri, "rows", replace=True) as second:
        assert len(second) == 60
    with MilvusIndex(uri, "rows") as again:
        assert again.search(vectors[3], 1)[1].tolist() == [[3]]
    with pytest.raises(StoreError, match="no collection other"):
        MilvusIndex(uri, "other")
    client = MilvusClient(str(uri))
    client.create_collection("foreign", dimension=4)
    client.close()
    with pytest.raises(StoreError, match="foreign has the fields"):
        MilvusIndex(uri, "foreign")
    with pytest.raises(StoreError, match="127.0.0.1:9"):
        MilvusIndex("http://127.0.0.1:9", "rows", timeout=1)
