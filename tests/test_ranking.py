"""The metrics are trec_eval's, nothing is averaged over silently, and files come back as written."""

import html
import json
import math
import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from liquid_ai.core import InputError
from liquid_ai.evaluation.collections import (
    beir_documents,
    read_beir,
    read_trec_qrels,
    read_trec_run,
    write_trec_qrels,
    write_trec_run,
)
from liquid_ai.evaluation.ranking import Qrels, Run, evaluate, parse_metric, pooled
from liquid_ai.indexing.sparse import BM25Index, Words, best_rows

CUTOFFS = (1, 2, 3, 5, 10, 1000)
OURS = {"nDCG": "ndcg", "recall": "set_recall", "precision": "set_P", "MRR": "recip_rank", "MAP": "map"}
OURS |= {f"nDCG@{k}": f"ndcg_cut_{k}" for k in CUTOFFS}
OURS |= {f"recall@{k}": f"recall_{k}" for k in CUTOFFS}
OURS |= {f"precision@{k}": f"P_{k}" for k in CUTOFFS}
OURS |= {f"MAP@{k}": f"map_cut_{k}" for k in CUTOFFS}
OURS |= {f"hit_rate@{k}": f"success_{k}" for k in CUTOFFS}
METRICS = [*OURS, *(f"MRR@{k}" for k in CUTOFFS)]

DOCUMENTS = ["1", "10", "2", "9", "a", "A", "b", "é", "\u3042", "\uffff", "\U0001f600", "a-b", "a_b"]
QUERIES = ["q1", "q2", "q10", "Q"]
SCORES = st.one_of(
    st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0, 1 + 1e-12, 1 + 1e-6]),  # ties, also at 32 bits only
    st.floats(-1e30, 1e30),
)
JUDGED = st.dictionaries(
    st.sampled_from(QUERIES),
    st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(-2, 4), max_size=9),
    min_size=1,
)
FOUND = st.dictionaries(
    st.sampled_from(QUERIES), st.dictionaries(st.sampled_from(DOCUMENTS), SCORES), min_size=1
)


def oracle(grades, results) -> dict[str, dict[str, float]]:
    "trec_eval's opinion by query and metric; MRR@k is its recip_rank of the first k."
    import pytrec_eval

    ks = ",".join(map(str, CUTOFFS))
    measures = {f"{m}.{ks}" for m in ("ndcg_cut", "recall", "P", "map_cut", "success")}
    measures |= {"ndcg", "set_recall", "set_P", "recip_rank", "map"}
    # pytrec_eval writes past its memory where all grades of a query are negative: keep such from it
    grades = {q: g for q, g in grades.items() if max(g.values(), default=-1) >= 0}
    told = pytrec_eval.RelevanceEvaluator(grades, measures).evaluate(results)
    found = {q: {ours: t[theirs] for ours, theirs in OURS.items()} for q, t in told.items()}
    for k in CUTOFFS:
        cut = {q: dict(list(first.items())[:k]) for q, first in Run("cut", results).results.items()}
        told = pytrec_eval.RelevanceEvaluator(grades, {"recip_rank"}).evaluate(cut)
        for q in found:
            found[q][f"MRR@{k}"] = told[q]["recip_rank"]
    return found


@settings(deadline=None, max_examples=400)
@given(JUDGED, FOUND)
def test_every_metric_is_that_of_trec_eval(grades, results):
    answerable = {q for q in grades if max(grades[q].values(), default=0) > 0}
    assume(answerable and results.keys() & grades.keys())
    scores = evaluate(Run("ours", results), Qrels(grades, "chance"), METRICS)
    reference = oracle(grades, results)
    assert set(scores.queries) == answerable
    for n, query in enumerate(scores.queries):
        for metric in METRICS:
            theirs = reference[query][metric] if results.get(query) else 0.0
            assert abs(scores[metric][n] - theirs) < 1e-9, (query, metric)
    assert {q for q, t in reference.items() if q not in answerable and any(t.values())} == set()
    assert scores.no_result == tuple(q for q in scores.queries if not results.get(q))
    assert set(scores.no_relevant) == grades.keys() - answerable
    assert set(scores.not_judged) == results.keys() - grades.keys()
    assert all(math.isfinite(mean) for mean in scores.mean.values())


@given(JUDGED, FOUND, st.sampled_from(CUTOFFS))
def test_unjudged_is_the_share_of_the_first_k(grades, results, k):
    assume(any(max(g.values(), default=0) > 0 for g in grades.values()) and results.keys() & grades.keys())
    run = Run("ours", results)
    scores = evaluate(run, Qrels(grades, "chance"), [f"recall@{k}"])
    for n, query in enumerate(scores.queries):
        first = list(run.results.get(query, ()))[:k]
        share = sum(d not in grades[query] for d in first) / len(first) if first else 0.0
        assert scores[f"unjudged@{k}"][n] == pytest.approx(share, abs=1e-12)


@given(FOUND, st.randoms(use_true_random=False))
def test_a_ranking_does_not_depend_on_the_order_of_arrival(results, random):
    def shuffled(found):
        return dict(random.sample(list(found.items()), len(found)))

    first = Run("a", results).results
    again = Run("a", {q: shuffled(found) for q, found in results.items()}).results
    assert {q: list(f.items()) for q, f in first.items()} == {q: list(f.items()) for q, f in again.items()}
    lists = Run("a", {q: list(found) for q, found in first.items()}).results
    assert {q: list(f) for q, f in lists.items()} == {q: list(f) for q, f in first.items()}
    assert {q: list(f) for q, f in Run("a", lists).results.items()} == {q: list(f) for q, f in first.items()}


def test_rows_pair_up_whatever_the_runs_return():
    qrels = Qrels({"q1": {"a": 1}, "q2": {"b": 0}, "q3": {"c": 2}, "q4": {}}, "people")
    one, two = (
        evaluate(Run(n, r), qrels) for n, r in {"x": {"q3": ["c"]}, "y": {"q1": ["a"], "q9": ["z"]}}.items()
    )
    assert one.queries == two.queries == ("q1", "q3")
    assert one["nDCG@10"].tolist() == [0, 1] and two["nDCG@10"].tolist() == [1, 0]
    assert (one.no_result, two.no_result) == (("q1",), ("q3",))
    assert two.no_relevant == ("q2", "q4") and two.not_judged == ("q9",)
    assert two.notes == (
        "queries without a result, scored 0: 1 ('q3')",
        "queries without a relevant document, left out: 2 ('q2', 'q4')",
        "queries in the run that nobody judged, left out: 1 ('q9')",
    )
    shown = two._repr_html_() + repr(two)
    assert (
        all(html.escape(note) in two._repr_html_() and note in repr(two) for note in two.notes)
        and "unjudged@10" in shown
    )
    assert json.loads(json.dumps(two.summary(), allow_nan=False))["no_relevant"] == 2


def test_what_is_shown_is_escaped():
    qrels = Qrels({"<q>": {"<d>": 1}}, "<judge>", ("<pool>", "<run>"), 3)
    run = Run("<run>", {"<q>": {"<d>": 1.0}, "<other>": {}})
    for shown in (qrels, run, evaluate(run, qrels)):
        page = shown._repr_html_()
        assert "&lt;" in page and not re.search("<(q|d|judge|pool|run|other)>", page)
    assert "&lt;other&gt;" in page


def test_a_system_is_not_scored_on_its_own_pool():
    grades = {"q": {"a": 1, "b": 0}}
    mine, other = Run("mine", {"q": ["a", "b"]}), Run("other", {"q": ["c", "a"]})
    for pool in (("mine",), ("mine", "mine")):
        with pytest.raises(InputError, match="only its own results were judged"):
            evaluate(mine, Qrels(grades, "people", pool, 2))
    with pytest.raises(InputError, match="made the judgements itself"):
        evaluate(mine, Qrels(grades, "mine"))
    with pytest.warns(UserWarning, match=r"'other' was not in the pool \(mine\): unjudged@100 is 50.0%"):
        scores = evaluate(other, Qrels(grades, "people", ("mine",), 2))
    assert len(scores.notes) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate(mine, Qrels(grades, "people", ("mine", "other"), 2)).notes == ()
        assert evaluate(other, Qrels(grades, "people")).notes == ()


def test_a_name_does_not_hide_that_a_run_is_the_pool():
    grades = {"q1": {"d1": 1, "d2": 0}, "q2": {"d9": 2}, "q3": {"d1": 0}}
    for depth in (0, 2):
        qrels = Qrels(grades, "people", ("bm25",), depth)
        same = {"q1": ["d1", "d2", "z"], "q2": ["d9"], "other": ["x"]}
        for found in (same, same | {"q1": ["d2", "d1"]}):
            with pytest.raises(
                InputError, match="'bm25 v2' cannot be scored: for each of 2 queries .* 'bm25'"
            ):
                evaluate(Run("bm25 v2", found), qrels)
        with pytest.warns(UserWarning, match="not in the pool"):
            evaluate(Run("dense", same | {"q1": ["d1", "z", "d2"]}), qrels)
        with pytest.warns(UserWarning, match="not in the pool"):  # a pool of two: not made of one run
            evaluate(Run("bm25 v2", same), Qrels(grades, "people", ("bm25", "dense"), depth))


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"q": {"a": float("nan")}}, "query 'q', document 'a': nan"),
        ({"q": {"a": 1.0, "b": float("inf")}}, "query 'q', document 'b': inf"),
        ({"q": {"a": 1e300}}, "1e[+]300 is not a finite 32-bit score"),
        ({"q": ["a", "b", "a"]}, "document 'a' is ranked twice"),
        ({"q": "ab"}, "give a list of documents"),
        ({"q": {1: 1.0}}, "query 'q': document 1 is not usable"),
        ({"q": ["a", ""]}, "document '' is not usable"),
        ({7: ["a"]}, "query 7 is not usable"),
        ({"q": {"a": None}}, "query 'q', document 'a': None is not a score"),
        ({"q": {"a": "high"}}, "query 'q', document 'a': 'high' is not a score"),
        ({"q": {"a": True}}, "query 'q', document 'a': True is not a score"),
        ({"q": {"a", "b"}}, "query 'q': give a list of documents"),
        ({"q": None}, "query 'q': give a list of documents"),
        ([("q", ["a"])], "results come by query"),
    ],
)
def test_unusable_runs_are_refused(found, says):
    with pytest.raises(InputError, match=says):
        Run("broken", found)


@pytest.mark.parametrize(
    ("grades", "says"),
    [
        ({"q": {"a": 0.5}}, "query 'q', document 'a': 0.5 is not a whole-number grade"),
        ({"q": {"a": True}}, "True is not a whole"),
        ({"q": {"a": float("nan")}}, "nan is not a whole"),
        ({"q": {"a": 2**40}}, "is not a whole-number grade"),
        ({"q": {3: 1}}, "document 3 is not usable"),
        ({"": {"a": 1}}, "query '' is not usable"),
        ({"q": ["a"]}, "query 'q': give grades by document"),
        ({"q": {"a"}}, "query 'q': give grades by document"),
        ([("q", {"a": 1})], "judgements come by query"),
    ],
)
def test_unusable_judgements_are_refused(grades, says):
    with pytest.raises(InputError, match=says):
        Qrels(grades, "people")
    people = {"judged_by": "people"}
    for wrong in (
        {"judged_by": ""},
        people | {"pool": "bm25"},
        people | {"pool": (1,)},
        people | {"depth": "9"},
    ):
        with pytest.raises(InputError):
            Qrels({"q": {"a": 1}}, **wrong)


def test_nothing_to_score_is_refused():
    run, qrels = Run("mine", {"q": ["a"]}), Qrels({"q": {"a": 1}}, "people")
    with pytest.raises(
        InputError,
        match="no query of 'mine' is judged: its ids are 'q'; judged are 'p1', .* and 3 more",
    ):
        evaluate(run, Qrels({f"p{n}": {"a": 1} for n in range(1, 9)}, "people"))
    with pytest.raises(InputError, match="no query of 'empty' is judged: its ids are none"):
        evaluate(Run("empty", {}), qrels)
    with pytest.raises(InputError, match="none of the 1 judged queries has a relevant document"):
        evaluate(run, Qrels({"q": {"a": 0}}, "people"))
    with pytest.raises(InputError, match="no metric"):
        evaluate(run, qrels, [])
    with pytest.raises(InputError, match="'recall@5' was not measured; there is MRR, unjudged@10"):
        evaluate(run, qrels, ["MRR"])["recall@5"]
    scores = evaluate(run, qrels, "ndcg@3")
    assert list(scores.mean) == ["nDCG@3", "unjudged@3"] and scores["NDCG@3"] is scores["nDCG@3"]
    for name in ("nDCG@", "nDCG@-1", "nDCG@0", "nDCG@1.5", "nDCG@ten", "F1", "", None, "nDCG@9999999999"):
        with pytest.raises(InputError, match="is unknown; use nDCG, recall"):
            parse_metric(name)


def test_runs_and_judgements_do_not_change_with_what_made_them():
    grades, found = {"q": {"a": 1}}, {"q": {"a": 1.0}}
    qrels, run = Qrels(grades, "people"), Run("mine", found)
    grades["q"]["a"] = found["q"]["b"] = 0
    assert qrels.grades == {"q": {"a": 1}} and run.results == {"q": {"a": 1.0}}
    numbers = {"q": {np.str_("a"): np.float32(0.5)}}
    assert evaluate(Run("numpy", numbers), Qrels({"q": {"a": np.int64(2)}}, "people")).mean["MRR"] == 1


@given(st.lists(FOUND, min_size=1, max_size=3), st.integers(1, 6), st.integers(0, 9))
def test_a_pool_is_the_union_of_the_first_results(all_results, depth, seed):
    runs = [Run(f"run{n}", results) for n, results in enumerate(all_results)]
    pool = pooled(runs, depth, seed)
    assert pool.systems == tuple(run.name for run in runs) and pool.depth == depth
    for query in QUERIES:
        firsts = [list(run.results.get(query, ()))[:depth] for run in runs]
        assert sorted(pool.documents.get(query, ())) == sorted(set().union(*firsts))
    # whoever joins moves nobody, and the order of the runs does not matter
    fewer = pooled(runs[:-1] or runs, depth, seed)
    for query, documents in fewer.documents.items():
        assert tuple(d for d in pool.documents[query] if d in documents) == documents
    assert pooled(runs[::-1], depth, seed).documents == pool.documents


def test_a_pool_becomes_judgements():
    runs = [
        Run("one", {"q": [f"d{n}" for n in range(50)]}),
        Run("two", {"q": [f"d{n}" for n in range(40, 90)]}),
    ]
    pool = pooled(runs, 20)
    assert list(pool.documents["q"]) != sorted(pool.documents["q"]) and len(pool) == 40
    assert pool.documents != pooled(runs, 20, seed=1).documents
    qrels = pool.judged({"q": {"d0": 2, "d41": 0}}, "ann")
    assert (qrels.judged_by, qrels.pool, qrels.depth, len(qrels)) == ("ann", ("one", "two"), 20, 2)
    with pytest.raises(InputError, match="query 'q': 1 judged but not in the pool: 'd30'"):
        pool.judged({"q": {"d30": 1, "d41": 0}}, "ann")
    for wrong, depth in (([], 3), ([runs[0], runs[0]], 3), (runs, 0)):
        with pytest.raises(InputError, match="pool runs with different names"):
            pooled(wrong, depth)


DATA = Path(os.environ.get("LIQUID_AI_DATA") or ROOT.parent / "shared" / "data")
IDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=4)
FINITE = st.floats(-(2.0**100), 2.0**100)


@given(st.dictionaries(IDS, st.dictionaries(IDS, FINITE, min_size=1), min_size=1, max_size=3), IDS)
def test_a_run_comes_back_to_the_last_bit(tmp_path_factory, results, name):
    path, run = tmp_path_factory.getbasetemp() / "there.run", Run(name, results)
    write_trec_run(run, path)
    again = read_trec_run(path)
    assert again == run
    assert {q: list(f.items()) for q, f in again.results.items()} == {
        q: list(f.items()) for q, f in run.results.items()
    }
    assert read_trec_run(path, name="other").name == "other"


@given(
    st.dictionaries(IDS, st.dictionaries(IDS, st.integers(-9, 9), min_size=1), min_size=1, max_size=3), IDS
)
def test_judgements_come_back(tmp_path_factory, grades, judge):
    path, qrels = tmp_path_factory.getbasetemp() / "there.qrels", Qrels(grades, judge, ("a", "b"), 7)
    write_trec_qrels(qrels, path)
    assert read_trec_qrels(path, judge, ("a", "b"), 7) == qrels


@pytest.mark.parametrize("bad", ["a b", "a\tb", "a\n", "a\u00a0b", "\u2028", "a\0", "\ud800", "a\x1c"])
def test_ids_that_would_fall_apart_are_not_written(tmp_path, bad):
    path = tmp_path / "file"
    for run in (Run(bad, {"q": ["a"]}), Run("r", {bad: ["a"]}), Run("r", {"q": [bad]})):
        with pytest.raises(InputError, match="white space or control"):
            write_trec_run(run, path)
    for grades in ({bad: {"a": 1}}, {"q": {bad: 1}}):
        with pytest.raises(InputError, match="white space or control"):
            write_trec_qrels(Qrels(grades, "people"), path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("q Q0 a 1 nan r", "line 2: score 'nan' is not finite"),
        ("q Q0 a 1 -inf r", "line 2: score '-inf' is not finite"),
        ("q Q0 a 1 1e999 r", "line 2: score '1e999' is not finite"),
        ("q Q0 a 1 1e39 r", "document 'a': 1e[+]39 is not a finite 32-bit score"),
        ("q Q0 a 1 high r", "line 2: 'high' is not a score"),
        ("q Q0 a 1 1_0 r", "line 2: '1_0' is not a score"),
        ("q Q0 a 1 r", "line 2: 5 columns"),
        ("q Q0 x 1 2 r", "line 2: query 'q' has document 'x' twice"),
        ("q Q0 a 1 2 s", "holds 2 runs"),
        ("q Q0 \udcff 1 2 r", "line 2: not UTF-8"),
    ],
)
def test_broken_run_files_are_refused_with_their_line(tmp_path, text, says):
    path = tmp_path / "broken.run"
    path.write_text(f"q Q0 x 1 3.5 r\n{text}\n", "utf-8", "surrogateescape")
    with pytest.raises(InputError, match=says):
        read_trec_run(path)


def test_broken_judgement_files_are_refused(tmp_path):
    path = tmp_path / "broken.qrels"
    for text, says in {
        "q 0 a 1.5": "line 2: '1.5' is not a whole-number grade",
        "q 0 a": "line 2: 3 columns",
        "q 0 x 0": "line 2: query 'q' has document 'x' twice",
    }.items():
        path.write_text(f"q 0 x 1\n{text}\n", "utf-8")
        with pytest.raises(InputError, match=says):
            read_trec_qrels(path, "people")
    path.write_text("\n", "utf-8")
    with pytest.raises(InputError, match="no judgements"):
        read_trec_qrels(path, "people")
    with pytest.raises(InputError, match="holds 0 runs"):
        read_trec_run(path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_trec_run(tmp_path / "none")


def test_ranks_that_contradict_the_scores_do_not_count(tmp_path):
    path = tmp_path / "mine.run"
    path.write_bytes(b"q Q0 a 1 0.5 r\r\n\r\nq\tQ0 b 1 0.5 r\nq Q0  c 9 0.75 r")
    assert list(read_trec_run(path).results["q"]) == ["c", "b", "a"]


CORPUS = '{"_id": "d1", "title": "T", "text": "one\u2028two"}\n{"_id": "d2", "title": "", "text": "three"}\n'
ASKED = '{"_id": "q1", "text": "what?"}\n{"_id": "q2", "text": "which?", "metadata": {}}\n'
TESTED = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t-1\n"


def beir(folder: Path, corpus=CORPUS, queries=ASKED, test=TESTED) -> Path:
    "A BEIR folder in which only the arguments can be a fault."
    (folder / "qrels").mkdir(parents=True)
    for name, text in {"corpus.jsonl": corpus, "queries.jsonl": queries, "qrels/test.tsv": test}.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def test_a_beir_folder_is_read(tmp_path):
    found = read_beir(beir(tmp_path / "tiny"))
    assert [(d.source, d.title, d.text) for d in found.documents] == [
        ("d1", "T", "T\n\none\u2028two"),
        ("d2", "", "three"),
    ]
    assert found.queries == {"q1": "what?"} and found.qrels.grades == {"q1": {"d1": 2, "d2": -1}}
    assert (found.name, found.split, found.qrels.judged_by) == ("tiny", "test", "not stated (tiny)")
    assert "<strong>tiny" in found._repr_html_()
    marked = beir(
        tmp_path / "marked", "\ufeff" + CORPUS, test=TESTED.partition("\n")[2].replace("\n", "\r\n")
    )
    again = read_beir(marked, judged_by="ann", pool=("bm25",), depth=9)
    assert again.documents == found.documents and again.qrels.grades == found.qrels.grades
    assert (again.qrels.judged_by, again.qrels.pool, again.qrels.depth) == ("ann", ("bm25",), 9)
    documents = beir_documents(beir(tmp_path / "streamed", CORPUS + "{"))
    assert next(documents).source == "d1"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"corpus": CORPUS + "{"}, "corpus.jsonl, line 3: not a JSON object"),
        ({"corpus": CORPUS + "[" * 100_000}, "corpus.jsonl, line 3: not a JSON object"),
        ({"corpus": CORPUS + "[]"}, "line 3: an object with a text in `_id`"),
        ({"corpus": CORPUS + '{"_id": 3, "text": ""}'}, "line 3: an object with a text in `_id`"),
        ({"corpus": CORPUS + '{"_id": "d1", "text": ""}'}, "line 3: `_id` 'd1' for the second time"),
        ({"corpus": CORPUS + '{"_id": "d3"}'}, "line 3: document 'd3' has no `text`"),
        ({"corpus": CORPUS + '{"_id": "d3", "text": null}'}, "line 3: `text` of 'd3' is NoneType, not text"),
        ({"queries": ASKED + '{"_id": "q3", "text": " "}'}, "queries.jsonl, line 3: query 'q3' is empty"),
        ({"queries": ASKED + ASKED}, "queries.jsonl, line 3: `_id` 'q1' for the second time"),
        ({"test": TESTED + "q1\td1\t1\n"}, "test.tsv, line 4: query 'q1' has document 'd1' twice"),
        ({"test": TESTED + "q2 d1 1\n"}, "test.tsv, line 4: query, document and grade with tabs"),
        ({"test": TESTED + "q2\td1\tx\n"}, "test.tsv, line 4: 'x' is not a whole-number grade"),
        ({"test": TESTED + "q2\td1\tscore\n"}, "test.tsv, line 4: 'score' is not a whole-number grade"),
        ({"test": TESTED + "q2\td7\t1\nq2\td8\t1\n"}, "names documents that are not there: 2 [(]d7, d8[)]"),
        (
            {"test": TESTED + "".join(f"p{n}\td1\t1\n" for n in range(9))},
            "names queries that are not there: 9 [(]p0, .*, …[)]",
        ),
        ({"test": "query-id\tcorpus-id\tscore\n"}, "test.tsv has no judgements"),
    ],
)
def test_broken_beir_folders_are_refused_with_their_line(tmp_path, change, says):
    with pytest.raises(InputError, match=says):
        read_beir(beir(tmp_path, **change))


def test_a_split_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="has no split 'dev'; splits there: test"):
        read_beir(beir(tmp_path / "tiny"), "dev")
    with pytest.raises(InputError, match="splits there: none"):
        read_beir(tmp_path)


@pytest.mark.parametrize(
    ("name", "documents", "queries", "judgements"),
    [
        ("scifact", 5_183, 300, 339),
        ("cranfield", 1_400, 225, 1_837),
        ("squad-retrieval", 2_067, 10_570, 10_570),
    ],
)
def test_real_collections(name, documents, queries, judgements):
    if not (DATA / name).is_dir():
        pytest.skip(f"no {name} here: set LIQUID_AI_DATA to a folder that holds it in BEIR's layout")
    found = read_beir(DATA / name)
    assert (len(found.documents), len(found.queries), len(found.qrels)) == (documents, queries, judgements)
    best = evaluate(Run("ideal", found.qrels.grades), found.qrels, ["nDCG", "MAP@1000", "MRR", "recall"])
    assert best.mean == pytest.approx({"nDCG": 1, "MAP@1000": 1, "MRR": 1, "recall": 1, "unjudged@1000": 0})
    assert best.notes == ()


def test_a_real_run_scores_as_with_trec_eval_on_its_files(tmp_path):
    pytrec_eval = pytest.importorskip("pytrec_eval")
    if not (DATA / "cranfield").is_dir():
        pytest.skip("no cranfield here: set LIQUID_AI_DATA to a folder that holds it in BEIR's layout")
    found = read_beir(DATA / "cranfield")
    index = BM25Index.build([d.text for d in found.documents], Words())
    results = {}
    for query, text in found.queries.items():
        scores = index.scores(text).round(1)  # many ties
        rows = best_rows(scores, 100)
        results[query] = {found.documents[r].source: scores[r] for r in rows}
    run = Run("bm25", results)
    write_trec_run(run, tmp_path / "run")
    write_trec_qrels(found.qrels, tmp_path / "qrels")
    with (tmp_path / "run").open() as r, (tmp_path / "qrels").open() as q:
        theirs, grades = pytrec_eval.parse_run(r), pytrec_eval.parse_qrel(q)
    reference = oracle(grades, theirs)
    scores = evaluate(run, found.qrels, METRICS)
    assert 0.3 < scores.mean["nDCG@10"] < 0.45
    for metric in METRICS:
        wanted = [reference[query][metric] for query in scores.queries]
        assert np.abs(scores[metric] - wanted).max() < 1e-9, metric


def test_a_byte_order_mark_is_no_part_of_the_first_id(tmp_path):
    path = tmp_path / "marked"
    path.write_text("\ufeffq1 Q0 d1 1 0.5 s\nq2 Q0 d1 1 0.5 s\n", encoding="utf-8")
    assert list(read_trec_run(path).results) == ["q1", "q2"]
    path.write_text("\ufeffq1 0 d1 1\n\ufeffq2 0 d1 1\n", encoding="utf-8")
    assert list(read_trec_qrels(path, "people").grades) == ["q1", "\ufeffq2"]  # only where a file begins
    folder = beir(
        tmp_path / "beir", "\ufeff" + CORPUS, "\ufeff" + ASKED, "\ufeff" + TESTED.partition("\n")[2]
    )
    plain = read_beir(beir(tmp_path / "plain"))
    assert read_beir(folder).qrels.grades == plain.qrels.grades


def test_files_that_cannot_be_written_are_named(tmp_path):
    for write, what in (
        (write_trec_run, Run("mine", {"q": ["a"]})),
        (write_trec_qrels, Qrels({"q": {"a": 1}}, "people")),
    ):
        with pytest.raises(InputError, match="none/a cannot be written"):
            write(what, tmp_path / "none" / "a")
