"""BM25 is BM25, searching less changes nothing, and a revised index is a fresh one."""

import json
import math
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import InputError, StoreError
from liquid_ai.indexing import sparse
from liquid_ai.indexing.sparse import BM25Index, BM25View, best_rows, load_bm25, save_bm25
from liquid_ai.indexing.words import Words

DATA = Path(os.environ.get("LIQUID_AI_DATA") or ROOT.parent / "shared" / "data") / "scifact"
PLAIN = Words("none")
TEXT = st.lists(st.sampled_from([*"aaaaabbbccdef", "猫犬"]), max_size=9).map(" ".join)
TEXTS = st.lists(TEXT, max_size=25)
ARRAYS = ("pointers", "rows", "counts")


def formula(texts, question, words) -> np.ndarray:
    "The scores in plain double precision."
    bags = [Counter(words(t)) for t in texts]
    n, average = len(bags), sum(b.total() for b in bags) / max(len(bags), 1)
    scores = np.zeros(n)
    for w in words(question):
        df = sum(w in bag for bag in bags)
        for row, bag in enumerate(bags):
            if bag[w]:
                idf = math.log(1 + (n - df + 0.5) / (df + 0.5))
                scores[row] += idf * bag[w] / (bag[w] + 1.2 * (0.25 + 0.75 * bag.total() / average))
    return scores


def close(found, wanted) -> bool:
    "Within 1e-6; relative where a score is above 1."
    return bool((np.abs(found - wanted) <= 1e-6 * np.maximum(1, wanted)).all())


WAYS = pytest.mark.parametrize("quick", [0, 10**9], ids=["a part is read", "every row is added up"])


def check_search(index, question, k, allowed, quick) -> None:
    "The best rows are those of all scores, and any row's score can be had, whichever way is taken."
    everything = index.scores(question)
    wanted = best_rows(everything, k, allowed)
    with patch.object(sparse, "_QUICK", quick):
        asked = index.ask(question)
        rows, scores = asked.search(k, allowed)
    assert rows.dtype == np.int64 and scores.dtype == np.float32
    assert rows.tolist() == wanted.tolist() and scores.tolist() == everything[wanted].tolist()
    some = np.arange(len(index))[::3]
    assert asked.scores_at(some).tolist() == everything[some].tolist()


def same(one: BM25Index, other: BM25Index) -> bool:
    arrays = [(getattr(one.postings, a), getattr(other.postings, a)) for a in ARRAYS]
    alike = all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in arrays)
    return alike and list(one.postings.vocabulary.items()) == list(other.postings.vocabulary.items())


@settings(deadline=None)
@given(TEXTS, TEXT)
def test_scores_are_the_formula(texts, question):
    assert close(BM25Index.build(texts, PLAIN).scores(question), formula(texts, question, PLAIN))


@settings(deadline=None, max_examples=50)
@given(st.lists(TEXT.filter(bool), min_size=1, max_size=25), TEXT)
def test_scores_are_those_of_bm25s(texts, question):
    bm25s = pytest.importorskip("bm25s")
    index, known = BM25Index.build(texts, PLAIN), {}
    ids = [[known.setdefault(w, len(known)) for w in PLAIN(t)] for t in texts]
    model = bm25s.BM25(k1=1.2, b=0.75, method="lucene", dtype="float64")
    model.index((ids, known), show_progress=False)
    asked = [w for w in PLAIN(question) if w in known]
    wanted = model.get_scores(asked) if asked else np.zeros(len(texts))
    assert close(index.scores(question), wanted)


@WAYS
@settings(deadline=None, max_examples=300)
@given(texts=TEXTS, question=TEXT, k=st.integers(1, 30), data=st.data())
def test_search_is_exhaustive_ranking(quick, texts, question, k, data):
    masks = st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)).map(lambda m: np.array(m, bool))
    check_search(BM25Index.build(texts, PLAIN), question, k, data.draw(st.none() | masks), quick)


@WAYS
@settings(deadline=None, max_examples=300)
@given(texts=TEXTS, question=TEXT, k=st.integers(1, 30), data=st.data())
def test_a_view_of_some_rows_is_the_index_of_these_alone(quick, texts, question, k, data):
    masks = st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)).map(lambda m: np.array(m, bool))
    seen, wanted = data.draw(masks), data.draw(masks)
    view, rows = BM25View(BM25Index.build(texts, PLAIN), seen), np.flatnonzero(seen)
    alone = BM25Index.build([texts[row] for row in rows], PLAIN)
    with patch.object(sparse, "_QUICK", quick):
        for allowed in (None, wanted):
            found, scores = view.search(question, k, seen if allowed is None else seen & allowed)
            own, same = alone.search(question, k, None if allowed is None else allowed[rows])
            assert found.tolist() == rows[own].tolist() and scores.tolist() == same.tolist()
        found, scores = view.search(question, k)  # rows that are not seen are not found either
        own, same = alone.search(question, k)
        assert found.tolist() == rows[own].tolist() and scores.tolist() == same.tolist()
        assert view.ask(question).scores_at(rows).tolist() == alone.scores(question).tolist()
    assert view.terms(question) == alone.terms(question)
    assert [view.rarity(w) for w in "abcdef"] == [alone.rarity(w) for w in "abcdef"]
    for n, row in enumerate(rows.tolist()):
        assert view.explain(question, row) == alone.explain(question, n)


def test_what_a_view_remembers_is_bounded():
    texts = [" ".join(f"w{n}" for n in range(200))] * 3
    view = BM25View(BM25Index.build(texts, PLAIN), np.array([True, True, False]))
    with patch.object(sparse, "_REMEMBERED", 50):
        assert len({view.rarity(f"w{n}") for n in range(200)}) == 1 and len(view._df) <= 50


@pytest.fixture(scope="module")
def zipf():
    "20,000 rows of made-up text with the frequencies of real text."
    rng = np.random.default_rng(1)
    frequency = 1 / np.arange(1, 5_001)
    ids = rng.choice(5_000, (20_200, 20), p=frequency / frequency.sum())
    texts = [" ".join(f"w{i}" for i in row) for row in ids]
    return BM25Index.build(texts[:20_000], PLAIN), texts[:20_000], [t[:40] for t in texts[20_000:]]


@WAYS
@pytest.mark.parametrize("k", [1, 10, 300])
@pytest.mark.parametrize("share", [None, 0.5, 0.001])
def test_search_is_exhaustive_ranking_at_size(zipf, k, share, quick):
    index, _, questions = zipf
    rng = np.random.default_rng(k)
    for question in questions[:60]:
        check_search(index, question, k, None if share is None else rng.random(len(index)) < share, quick)


def test_search_looks_at_less_than_everything(zipf):
    index, _, questions = zipf
    queries = [sparse._query(index, q) for q in questions]
    looked = sum(sparse._search(index, q, 10, None)[2] for q in queries)
    assert looked < 0.5 * sum(int(index.df[place]) for q in queries for place, _ in q)


@WAYS
def test_many_threads_get_the_same_rows(zipf, quick):
    index, _, questions = zipf
    run = lambda q: [a.tolist() for a in index.search(q, 10)]  # noqa: E731
    with patch.object(sparse, "_QUICK", quick), ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, questions)) == [run(q) for q in questions]


@settings(deadline=None, max_examples=200)
@given(TEXTS, st.data())
def test_any_sequence_of_edits_equals_a_fresh_build(texts, data):
    index = BM25Index.build(texts, PLAIN)
    for _ in range(data.draw(st.integers(1, 4))):
        rows = st.integers(0, len(texts) - 1) if texts else st.nothing()
        parts = data.draw(st.lists(rows | TEXT, max_size=25))
        texts = [p if isinstance(p, str) else texts[p] for p in parts]
        index = index.revised(parts)
        assert same(index, BM25Index.build(texts, PLAIN))


def test_revising_reads_only_what_is_new(zipf):
    index, texts, _ = zipf
    read = []

    class Counting(Words):
        def __call__(self, text):
            read.append(text)
            return super().__call__(text)

    watched = BM25Index(Counting("none"), index.postings)
    parts = [*range(100), "a new text", *range(101, len(index))]
    started = time.perf_counter()
    revised = watched.revised(parts)
    assert read == ["a new text"] and time.perf_counter() - started < 5
    assert same(revised, BM25Index.build([p if isinstance(p, str) else texts[p] for p in parts], PLAIN))


@pytest.mark.parametrize("part", [-1, 3, 1.0, None])
def test_a_part_that_is_not_there_is_refused(part):
    with pytest.raises(InputError, match="part 1 is"):
        BM25Index.build(["a", "b", "c"], PLAIN).revised([0, part])


@settings(deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=12), TEXT, st.data())
def test_an_explanation_adds_up(texts, question, data):
    index, row = BM25Index.build(texts, PLAIN), data.draw(st.integers(0, len(texts) - 1))
    told = index.explain(question, row)
    assert sum(told.values()) == pytest.approx(float(index.scores(question)[row]), rel=1e-6)
    assert set(told) == set(PLAIN(question)) & set(PLAIN(texts[row]))
    assert list(told.values()) == sorted(told.values(), reverse=True)


def test_bad_arguments_are_named():
    index = BM25Index.build(["a b", "b c"], PLAIN)
    for arguments, said in [((0,), "k=0"), ((2, np.ones(3, bool)), "allowed"), ((2, np.ones(2)), "allowed")]:
        with pytest.raises(InputError, match=said):
            index.search("a", *arguments)
    for row in (-1, 2):
        with pytest.raises(InputError, match="row"):
            index.explain("a", row)
    assert index.search("zebra", 5)[0].tolist() == [] == index.search("", 5)[0].tolist()
    assert len(BM25Index.build([], PLAIN).search("a", 5)[0]) == 0


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bm25")
    save_bm25(folder, BM25Index.build(["a b b", "", "b c 猫"], PLAIN))
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@settings(deadline=None, max_examples=50)
@given(TEXTS)
def test_what_was_saved_is_loaded(texts):
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        index = BM25Index.build(texts, PLAIN)
        save_bm25(Path(name), index)
        again = load_bm25(Path(name), len(texts))
        assert same(index, again) and again.words.language == "none"


def shaken(array: np.ndarray, **items) -> np.ndarray:
    array = array.copy()
    for place, value in items.items():
        array[int(place[1:])] = value
    return array


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("rows", lambda a: a[::-1].copy()),
        ("rows", lambda a: shaken(a, _0=-1)),
        ("rows", lambda a: shaken(a, _0=3)),
        ("rows", lambda a: a.astype(np.int64)),
        ("rows", lambda a: a.astype(np.float32)),
        ("rows", lambda a: a[:-1]),
        ("rows", lambda a: a[None]),
        ("counts", lambda a: shaken(a, _0=0)),
        ("counts", lambda a: a.astype(np.float64) * np.nan),
        ("counts", lambda a: a[:-1]),
        ("pointers", lambda a: shaken(a, _1=2**62)),
        ("pointers", lambda a: shaken(a, _1=0)),
        ("pointers", lambda a: shaken(a, _0=-1)),
        ("pointers", lambda a: a[:-1]),
        ("pointers", lambda a: a[:0]),
        ("pointers", lambda a: np.int64(3)),
        ("counts", lambda a: np.array([{}], object)),
    ],
)
def test_damaged_arrays_are_refused(saved, tmp_path, name, change):
    for file, data in saved.items():
        (tmp_path / file).write_bytes(data)
    path = tmp_path / f"{name}.npy"
    np.save(path, change(np.load(path)))
    with pytest.raises(StoreError, match="cannot be read"):
        load_bm25(tmp_path, 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("words.json", {"language": "klingon", "rules": 1, "rows": 3}),
        ("words.json", {"language": "auto", "rules": 1, "rows": 3}),
        ("words.json", {"language": "none", "rules": 99, "rows": 3}),
        ("words.json", {"language": "none", "rules": 1, "rows": 4}),
        ("words.json", []),
        ("vocabulary.json", ["a", "b", "c"]),
        ("vocabulary.json", ["b", "a", "c", "猫"]),
        ("vocabulary.json", ["a", "a", "c", "猫"]),
        ("vocabulary.json", ["a", "b", 3, "猫"]),
        ("vocabulary.json", {"a": 1, "b": 2, "c": 3, "d": 4}),
    ],
)
def test_damaged_facts_are_refused(saved, tmp_path, name, content):
    for file, data in saved.items():
        (tmp_path / file).write_bytes(data)
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(StoreError, match="cannot be read"):
        load_bm25(tmp_path, 3)


@pytest.mark.parametrize("name", ["words.json", "vocabulary.json", *(f"{a}.npy" for a in ARRAYS)])
@pytest.mark.parametrize("keep", [None, 0, 0.5, 0.99])
def test_missing_and_cut_files_are_refused(saved, tmp_path, name, keep):
    for file, data in saved.items():
        (tmp_path / file).write_bytes(data)
    data = saved[name]
    (tmp_path / name).unlink() if keep is None else (tmp_path / name).write_bytes(
        data[: int(len(data) * keep)]
    )
    with pytest.raises(StoreError, match="cannot be read"):
        load_bm25(tmp_path, 3)


@pytest.mark.skipif(not DATA.is_dir(), reason="no SciFact here: set LIQUID_AI_DATA")
def test_scores_on_scifact_are_those_of_bm25s():
    bm25s = pytest.importorskip("bm25s")
    words = Words()
    rows = [json.loads(x) for x in (DATA / "corpus.jsonl").read_text("utf-8").splitlines()[:2_000]]
    texts = [f"{row['title']}\n\n{row['text']}" for row in rows]
    questions = [
        json.loads(x)["text"] for x in (DATA / "queries.jsonl").read_text("utf-8").splitlines()[:200]
    ]
    index, known = BM25Index.build(texts, words), {}
    ids = [[known.setdefault(w, len(known)) for w in words(t)] for t in texts]
    model = bm25s.BM25(k1=1.2, b=0.75, method="lucene", dtype="float64")
    model.index((ids, known), show_progress=False)
    for question in questions:
        found, wanted = index.scores(question), model.get_scores([w for w in words(question) if w in known])
        assert close(found, wanted)
        rows, scores = index.search(question, 10)
        assert np.array_equal(rows, best_rows(found, 10)) and np.array_equal(scores, found[rows])
