"""Experiments: what is shared gives what a search gives, nothing is lost in a mean, secrets stay out."""

import json
import os
import re
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import Document, InputError, LiquidError, Settings, to_json
from liquid_ai.evaluation import shared as shared_module
from liquid_ai.evaluation import tune as tune_module
from liquid_ai.evaluation.collections import Collection, read_beir
from liquid_ai.evaluation.dataset import (
    apart,
    data_hashes,
    quickstart_collection,
    quickstart_squad,
    sampled,
    sampled_questions,
    split_queries,
    squad_collection,
    with_queries,
)
from liquid_ai.evaluation.end_to_end import answer_questions
from liquid_ai.evaluation.experiment import sweep
from liquid_ai.evaluation.grounding import known_questions
from liquid_ai.evaluation.ranking import Qrels
from liquid_ai.evaluation.shared import RememberedReranker, Shared, rank_queries
from liquid_ai.evaluation.space import effective, variants_of
from liquid_ai.evaluation.squad import read_squad
from liquid_ai.evaluation.track import git_commit, load_mlflow, tracked, without_secrets
from liquid_ai.evaluation.tune import tune
from liquid_ai.ingestion.quickstart import questions
from liquid_ai.retrieval.search import search_many

FACTS = {
    "heron": "The grey heron stands still in shallow water and waits for fish.",
    "owl": "The barn owl hunts mice at night and hears them under the snow.",
    "swift": "Swifts sleep on the wing and land only to breed.",
    "bee": "Bees tell each other where flowers are by a waggle dance.",
    "yeast": "Yeast turns sugar into alcohol and carbon dioxide.",
}
ASKED = {
    "q1": ("Which bird hunts mice at night?", "owl"),
    "q2": ("Who waits for fish?", "heron"),
    "q3": ("Which bird sleeps while it flies?", "swift"),
    "q4": ("How do insects point out flowers?", "bee"),
    "q5": ("What becomes of sugar in beer?", "yeast"),
    "q6": ("Whose dance shows a direction?", "bee"),
}
FAST = {"track": False, "progress": False, "latency_queries": 0, "times": 1_000}
SCIFACT = Path(os.environ.get("LIQUID_AI_DATA") or ROOT.parent / "shared" / "data") / "scifact"


@pytest.fixture(scope="module")
def birds():
    documents = tuple(Document.of(text, name, title=name) for name, text in FACTS.items())
    queries = {q: text for q, (text, _) in ASKED.items()}
    return Collection(
        "birds", "test", documents, queries, Qrels({q: {d: 1} for q, (_, d) in ASKED.items()}, "me")
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def python():
    return quickstart_collection(longest=12_000)


@pytest.fixture(scope="module")
def index(python, cache):
    with Shared(sampled(python, 12, 40), cache, progress=False) as shared:
        yield shared.index(Settings.load())


def test_a_cache_of_all_stores_spares_embedding_but_not_for_variants_of_how_it_is_computed(birds, tmp_path):
    settings, vectors = Settings(vector_cache=str(tmp_path / "vectors.db")), []
    for folder, known in (("one", 0), ("two", len(FACTS) + len(ASKED))):
        with Shared(birds, tmp_path / folder, progress=False) as shared:
            index = shared.index(settings)
            vectors.append(index.vectors)
            assert (shared.embedded, index.cached.encoder.stats.hits) == (len(FACTS) + len(ASKED), known)
            other = shared.index(replace(settings, precision="float32"))
            assert other.cached.encoder is other.encoder
    assert np.array_equal(*vectors)


# the space


def test_grid_and_names():
    found = variants_of({"mode": ["dense", "sparse"], "k": [3], "chunk": [64, 128]})
    assert list(found)[0] == "mode=dense, chunk_tokens=64" and len(found) == 4
    assert found["mode=sparse, chunk_tokens=128"] == {"mode": "sparse", "top_k": 3, "chunk_tokens": 128}
    assert variants_of({"a": {}, "b": {"chunk": 64}}) == {"a": {}, "b": {"chunk_tokens": 64}}


@pytest.mark.parametrize(
    ("space", "part"),
    [
        ({}, "give a grid"),
        ([("mode", ["dense"])], "give a grid"),
        ({"mode": "dense"}, "give a list of values"),
        ({"mode": []}, "give a list of values"),
        ({"mode": ["dense", "dense"]}, "'dense' is there twice"),
        ({"mode": ["dense"], "a": {}}, "not both in one"),
        ({"mood": ["dense"]}, "did you mean 'mode'?"),
        ({"tracking_uri": ["x"]}, "does not change what is found"),
        ({"mode": [1]}, "mode=1 is not a text"),
        ({"top_k": [True]}, "top_k=True is not a whole number"),
        ({"top_k": [2.5]}, "top_k=2.5 is not a whole number"),
        ({"headings": [1]}, "headings=1 is not a switch"),
        ({"dense_weight": [float("nan")]}, "too small or not finite"),
        ({"dense_weight": [2.0]}, "dense_weight=2.0 is not usable"),
        ({"candidates": [0]}, "candidates=0 is too small"),
        ({"top_k": [10_000]}, "top_k=10000 is not usable"),
        ({"chunk": [64], "chunk_tokens": [64]}, "mean the same field"),
        ({"rerank": ["late"], "mode": ["sparse"]}, "needs mode hybrid or dense"),
    ],
    ids=str,
)
def test_spaces_that_are_none(space, part):
    with pytest.raises(InputError, match=re.escape(part)):
        variants_of(space)


@given(
    st.sampled_from(["hybrid", "dense", "sparse"]),
    st.sampled_from(["scores", "ranks"]),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    st.sampled_from([0, 0.3]),
)
@settings(max_examples=25, deadline=None)
def test_shortcut_and_effective_settings_change_no_ranking(index, mode, fusion, dense, document, diversity):
    s = Settings(
        mode=mode, fusion=fusion, dense_weight=dense, document_weight=document, diversity=diversity, top_k=8
    )
    texts = list(index.queries.values())
    encoder, vectors = (None, None) if mode == "sparse" else (index.encoder, index.vectors)
    hits = search_many(index.snapshot, encoder, texts, s, vectors=vectors)
    wanted = [list(dict.fromkeys(h.chunk.source for h in found)) for found in hits]
    assert list(rank_queries(index, s, cut=True).documents.values()) == wanted
    assert list(rank_queries(index, effective(s), cut=True).documents.values()) == wanted


@pytest.mark.parametrize("top_k", [3, 20])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mode": "sparse"},
        {"fusion": "ranks"},
        {"diversity": 0.3},
        {"diversity": 0.5, "candidates": 150},
        {"rerank": "late", "rerank_top": 5},
        {"rerank": "late", "rerank_top": 5, "diversity": 0.5},
        {"parent_chars": 2_000},
        {"parent_chars": 2_000, "diversity": 0.4, "mode": "dense"},
    ],
    ids=str,
)
def test_what_is_measured_begins_with_what_search_gives(index, changes, top_k):
    s = replace(Settings(top_k=top_k), **changes)
    encoder = None if s.mode == "sparse" else index.encoder
    vectors = None if s.mode == "sparse" else index.vectors
    hits = search_many(index.snapshot, encoder, list(index.queries.values()), s, vectors=vectors)
    found = rank_queries(index, s)
    assert found.cut == (top_k if s.diversity else 0)
    for query, own in zip(index.queries, hits, strict=True):
        given = list(dict.fromkeys(h.chunk.source for h in own))
        assert found.documents[query][: len(given)] == given


def test_a_diverse_variant_is_measured_at_its_own_top_k_and_that_is_said(python, cache):
    space = {"plain": {}, "mmr": {"diversity": 0.5}, "mmr, said": {"diversity": 0.5, "top_k": 5}}
    found = sweep(space, sampled(python, 12, 40), settings=Settings(top_k=5), cache=cache, **FAST)
    assert found["mmr, said"].same_as == "mmr"
    assert "mmr: only the 5 hits of a search are seen, and the metrics look at 10 documents" in found.notes
    tuned = tune(
        {"diversity": [0.5]}, sampled(python, 12, 40), cache=cache, track=False, progress=False, times=1_000
    )
    assert any("only the 5 hits of a search are seen" in note for note in tuned.notes)


def test_reranked_shortcut_equals_search(index):
    s, texts = Settings(rerank="late", rerank_top=10, top_k=8), list(index.queries.values())
    hits = search_many(index.snapshot, index.encoder, texts, s, vectors=index.vectors)
    wanted = [list(dict.fromkeys(h.chunk.source for h in found)) for found in hits]
    for weight in (0.2, s.rerank_weight):
        quick = rank_queries(index, replace(s, rerank_weight=weight), cut=True).documents
    assert list(quick.values()) == wanted


class Odd:
    "A reranker that is asked once for each pair."

    name = "odd"

    def __init__(self):
        self.asked = []

    def score(self, question, texts):
        self.asked += [(question, text) for text in texts]
        return np.arange(len(texts), dtype=np.float32)


def test_a_pair_is_reranked_once():
    odd = Odd()
    reranker = RememberedReranker(odd)
    first = reranker.score("q", ["a", "b"])
    again = reranker.score("q", ["b", "c", "a"])
    assert (again[[2, 0]] == first).all() and len(odd.asked) == len(set(odd.asked)) == 3


# the sweep


def test_a_sweep_tells_everything(birds, cache):
    found = sweep(
        {"mode": ["sparse", "dense", "hybrid"]}, birds, cache=cache, **FAST | {"latency_queries": 3}
    )
    assert {t.name for t in found.trials} == set(found.per_query) and found.comparison.queries == 6
    assert all(set(scores) == set(ASKED) for scores in found.per_query.values())
    assert {v.name for v in found.latency.variants} == {t.name for t in found.trials}
    assert set(found.pareto()) <= {t.name for t in found.trials} and found.pareto()
    told = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert told["baseline"] == "mode=sparse" and told["hashes"] == data_hashes(birds)
    assert [v["against_baseline"] is None for v in told["variants"]] == [True, False, False]
    assert all(t.name in str(found) and t.name in found._repr_html_() for t in found.trials)
    found.plot().figure.clear()


def test_a_rerun_embeds_nothing_and_gives_the_same(birds, tmp_path):
    space = {"mode": ["dense", "hybrid"], "chunk": [32, 254], "headings": [True, False]}
    first = sweep(space, birds, cache=tmp_path, **FAST)
    again = sweep(space, birds, cache=tmp_path, **FAST)
    assert first.embedded > 0 and again.embedded == 0
    assert first.per_query == again.per_query and first.summary()["variants"] == again.summary()["variants"]
    assert len([p for p in tmp_path.iterdir() if p.is_dir()]) == 4  # a store for each way of cutting
    changed = replace(birds, documents=(*birds.documents, Document.of("Cats purr.", "cat")))
    assert (
        sweep({"mode": ["dense"]}, changed, cache=tmp_path, **FAST).embedded == 1
    )  # the others' vectors are known


def test_the_same_search_runs_once(birds, cache, monkeypatch):
    ran = []
    monkeypatch.setattr(
        shared_module, "rank_queries", lambda i, s, *a: ran.append(s) or rank_queries(i, s, *a)
    )
    space = {
        "a": {"mode": "sparse"},
        "b": {"mode": "sparse", "dense_weight": 0.1},
        "c": {},
        "d": {"top_k": 5},
    }
    found = sweep(space, birds, cache=cache, **FAST)
    assert len(ran) == 3 and [t.same_as for t in found.trials] == ["", "a", "", ""]  # d is cut at its top_k
    assert found.per_query["a"] == found.per_query["b"] and len(found.comparison.contrasts) == 2
    with pytest.raises(InputError, match="baseline 'b'"):
        sweep(space, birds, baseline="b", cache=cache, **FAST)


def test_top_k_cuts_only_where_it_is_varied(python, cache):
    data, options = sampled(python, 12, 40), FAST | {"metric": "recall@10", "cache": cache}
    [one, ten] = sweep({"top_k": [1, 100]}, data, **options).distinct
    [free] = sweep({"a": {}}, data, settings=Settings(top_k=1), **options).distinct
    mean = [t.scores.mean["recall@10"] for t in (one, ten, free)]
    assert mean[0] < mean[1] == mean[2]


def test_one_variant_has_an_interval_and_no_comparison(birds, cache):
    found = sweep({"mode": ["hybrid"]}, birds, metric="MRR", cache=cache, **FAST)
    low, high = found.trials[0].interval
    assert found.comparison is None and low <= found.trials[0].scores.mean["MRR"] <= high
    with pytest.raises(InputError, match="latency was not measured"):
        found.pareto()


def test_one_variant_says_the_level_of_its_interval(birds, cache):
    found = sweep({"mode": ["dense"]}, birds, cache=cache, **FAST, level=0.8)
    assert "80% bootstrap intervals" in str(found) and found.summary()["level"] == 0.8
    assert "95% bootstrap" in str(sweep({"mode": ["dense"]}, birds, cache=cache, **FAST))


def test_a_pool_of_one_variant_is_refused_before_any_work(birds, tmp_path):
    own = replace(birds, qrels=replace(birds.qrels, pool=("mode=dense",)))
    with pytest.raises(InputError, match="'mode=dense' cannot be scored"):
        sweep({"mode": ["sparse", "dense"]}, own, cache=tmp_path / "new", **FAST)
    assert not (tmp_path / "new").exists()


def test_failed_queries_count_as_nothing_and_are_named(birds, cache):
    long = replace(birds, queries=birds.queries | {"q1": "owl " * 5_000})
    found = sweep({"mode": ["sparse", "dense"]}, long, cache=cache, **FAST | {"latency_queries": 2})
    for trial in found.trials:
        assert set(trial.failed) == {"q1"} and "the limit is 8,000" in trial.failed["q1"]
    assert all(scores["q1"] == 0.0 and len(scores) == 6 for scores in found.per_query.values())
    assert any("failed, scored 0: 1 ('q1')" in note for note in found.notes)
    assert found.summary()["variants"][0]["failed"].keys() == {"q1"}


def test_a_reranker_that_gives_nan_fails_by_query(index):
    class Broken(Odd):
        def score(self, question, texts):
            return super().score(question, texts) + (np.nan if question == first else 0)

    first = next(iter(index.queries.values()))
    index._rerankers["broken"] = RememberedReranker(Broken())
    found = rank_queries(index, Settings(rerank="broken"))
    assert (
        list(found.failed) == [next(iter(index.queries))] and "NaN" in found.failed[next(iter(index.queries))]
    )
    index._rerankers["broken"].reranker.score = lambda q, texts: np.full(len(texts), np.nan, np.float32)
    index._rerankers["broken"]._known.clear()
    with pytest.raises(LiquidError, match="all 12 queries failed"):
        rank_queries(index, Settings(rerank="broken"))


def test_what_is_left_out_is_said(birds, cache):
    grades = {q: g for q, g in birds.qrels.grades.items() if q != "q6"} | {"q5": {"yeast": 0}}
    data = replace(birds, qrels=replace(birds.qrels, grades=grades))
    data = replace(data, documents=(*data.documents, Document.of("  ", "blank")))
    notes = "\n".join(sweep({"mode": ["dense", "sparse"]}, data, cache=cache, **FAST).notes)
    assert (
        "without a relevant document, left out: 1 ('q5')" in notes
        and "nobody judged, left out: 1 ('q6')" in notes
    )
    assert "not indexed: 1 ('blank')" in notes and "there are only 6" in notes  # k larger than the corpus


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (
            {"qrels": Qrels({"q1": {"gone": 1}, "q2": {"owl": 1}}, "me")},
            "1 judged documents are not there: 'gone'",
        ),
        ({"qrels": Qrels({"q9": {"owl": 1}}, "me")}, "1 judged queries have no text: 'q9'"),
        ({"qrels": Qrels({"q1": {"owl": 1}, "q2": {"owl": 0}}, "me")}, "1 queries have a relevant document"),
        ({"queries": dict.fromkeys(ASKED, " ")}, "6 queries are empty"),
        ({"queries": {}}, "0 queries"),
        ({"documents": ()}, "0 documents"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_bad_data_is_refused_before_anything_is_made(birds, tmp_path, change, part):
    with pytest.raises(InputError, match=re.escape(part)):
        sweep({"mode": ["dense", "sparse"]}, replace(birds, **change), cache=tmp_path / "new", **FAST)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"metric": "nDCG@0"}, "metric 'nDCG@0' is unknown"),
        ({"baseline": "nobody"}, "baseline 'nobody' is none of the variants"),
        ({"level": 2}, "level=2"),
        ({"times": 1}, "times=1"),
        ({"data": 7}, "give a Collection or a BEIR folder"),
        ({"data": "no/such/folder"}, "no split 'test'"),
    ],
    ids=str,
)
def test_bad_options(birds, cache, options, part):
    options = {"data": birds} | options
    with pytest.raises(InputError, match=re.escape(part)):
        sweep({"mode": ["dense", "sparse"]}, cache=cache, **FAST | options)


def test_a_chunk_that_is_too_small_is_found_at_once(birds, tmp_path):
    with pytest.raises(InputError, match="chunk_tokens=4"):
        sweep({"chunk": [254, 4]}, birds, cache=tmp_path, **FAST)
    assert not any(p.is_dir() for p in tmp_path.iterdir())


# splits


@given(st.sets(st.text("abc0123", min_size=1, max_size=6), min_size=30, max_size=60), st.text(max_size=3))
@settings(max_examples=30, deadline=None)
def test_splits_are_stable_and_apart(ids, seed):
    queries = {q: f"question number {n % 25}" for n, q in enumerate(sorted(ids))}
    data = Collection("x", "all", (), queries, Qrels({q: {"d": 1} for q in queries}, "me"))
    dev, held = split_queries(data, seed=seed)
    assert not set(dev.queries) & set(held.queries) and {*dev.queries, *held.queries} == ids
    assert not set(dev.queries.values()) & set(held.queries.values())  # the same text is on one side
    assert apart(dev, held) == (dev, ())
    some = with_queries(data, [q for q in queries if q not in list(queries)[25:]])
    assert set(split_queries(some, seed=seed)[0].queries) <= set(dev.queries)  # nobody moved


def test_scifact_shares_two_questions_between_its_splits():
    if not SCIFACT.is_dir():
        pytest.skip("no SciFact here: set LIQUID_AI_DATA")
    dev, held = read_beir(SCIFACT, "train"), read_beir(SCIFACT, "test")
    kept, gone = apart(dev, held)
    assert len(gone) == 2 and len(kept.queries) == len(dev.queries) - 2 == len(kept.qrels.grades)


def test_squad_as_collection_and_sample():
    data = quickstart_squad()
    found = squad_collection(data)
    assert len(found.queries) == len(data) and len(found.qrels.grades) == sum(
        bool(q.spans) for q in data.questions
    )
    some = sampled_questions(data, 10)
    assert len(some) == 10 and set(some) <= set(sampled_questions(data, 20)) and some != data.questions[:10]
    with pytest.raises(InputError, match="limit=-1"):
        sampled_questions(data, -1)


# tuning


def test_the_held_out_part_is_looked_at_once(python, cache, monkeypatch):
    looked = []
    report = tune_module._report_once
    monkeypatch.setattr(tune_module, "_report_once", lambda *a: looked.append(a) or report(*a))
    space = {"dense_weight": [0.2, 0.6], "document_weight": [0.0, 0.2]}
    dev, held = split_queries(python)
    found = tune(space, dev, held, cache=cache, track=False, progress=False, times=1_000)
    assert (
        len(looked) == 1 and len(found.tried) == 5 and found.queries == (len(dev.queries), len(held.queries))
    )
    assert set(found.per_query["before"]) == set(held.queries)
    best = max(mean for _, mean in found.tried)
    alone = sweep({"best": found.changes, "x": {"mode": "sparse"}}, dev, cache=cache, **FAST)
    assert found.dev[1] == best == alone["best"].scores.mean["nDCG@10"]
    assert "5 configurations tried" in str(found) and json.dumps(found.summary(), allow_nan=False)


@pytest.mark.parametrize("method", ["grid", "random", "coordinate"])
def test_every_method_finds_the_only_good_value(birds, cache, method):
    space = {"mode": ["sparse", "dense", "hybrid"], "dense_weight": [0.1, 0.5]}
    found = tune(space, birds, method=method, cache=cache, track=False, progress=False, times=1_000, trials=9)
    assert found.dev[1] == max(mean for _, mean in found.tried) >= found.dev[0]
    assert len({effective(replace(Settings(), **c)) for c, _ in found.tried}) == len(found.tried) <= 5


def test_the_limit_is_kept_and_told(python, cache):
    space = {"dense_weight": [n / 100 for n in range(76)], "rrf_k": [1, 60]}
    found = tune(
        space, sampled(python, 20), method="random", trials=7, cache=cache, track=False, progress=False
    )
    assert len(found.tried) == 8 and any("limit of 7" in note for note in found.notes)
    with pytest.raises(InputError, match="152 combinations and trials=7"):
        tune(space, python, trials=7, cache=cache, track=False, progress=False)


def test_all_that_can_be_tried_is_no_limit(birds, cache):
    options = {"cache": cache, "track": False, "progress": False, "times": 1_000}
    for method in ("grid", "random", "coordinate"):
        found = tune({"dense_weight": [0.3, 0.7]}, birds, method=method, trials=2, **options)
        assert len(found.tried) == 3 and not any("limit" in note for note in found.notes)
    cut = tune({"dense_weight": [0.3, 0.6, 0.7]}, birds, method="random", trials=2, **options)
    assert any("limit of 2" in note for note in cut.notes)


@pytest.mark.parametrize(
    ("space", "change", "part"),
    [
        ({"encoder": ["packaged", "nope"]}, {}, "nope"),
        ({"rerank": ["none", "nope"]}, {}, "nope"),
        ({"chunk": [254, 1]}, {}, "chunk"),
        ({"dense_weight": [0.3]}, {"held": ["q1"]}, "1 queries have a relevant document"),
        ({"dense_weight": [0.3]}, {"dev": ["q1"]}, "1 queries have a relevant document"),
    ],
    ids=str,
)
def test_a_search_that_cannot_end_does_not_begin(birds, tmp_path, space, change, part):
    parts = {"dev": ["q1", "q2"], "held": ["q3", "q4", "q5"]} | change
    if change == {"dev": ["q1"]} or "held" in change:
        parts = {"dev": ["q2", "q3"], "held": ["q4", "q5"]} | change
    dev, held = (with_queries(birds, ids, name) for name, ids in parts.items())
    with pytest.raises(LiquidError, match=part):
        tune(space, dev, held, cache=tmp_path / "new", track=False, progress=False, times=1_000)
    assert not (tmp_path / "new").exists()


def test_a_search_says_why_queries_failed_and_which_are_short(birds, cache):
    long = replace(birds, queries=birds.queries | {"q1": "a" * 9_000, "q5": "b" * 9_000})
    dev, held = with_queries(long, ["q1", "q2", "q3"]), with_queries(long, ["q4", "q5", "q6"])
    options = {"cache": cache, "track": False, "progress": False, "times": 1_000}
    found = tune({"dense_weight": [0.3]}, dev, held, settings=Settings(candidates=2, top_k=2), **options)
    told = " | ".join(found.notes)
    assert "dev, queries that failed, scored 0: 1 ('q1'); the first because the question has 9,000" in told
    assert "held out, before: queries that failed, scored 0: 1 ('q5')" in told
    assert "queries with fewer than 10 documents among their candidates" in told


def test_nothing_better_is_said(birds, cache):
    found = tune({"mode": ["hybrid"]}, birds, cache=cache, track=False, progress=False, times=1_000)
    assert found.changes == {} and found.held_out is None and found.settings == Settings.load()
    assert "nothing is better" in str(found) and "held-out queries" in str(found)


# tracking


def test_a_sweep_in_mlflow(birds, cache, tmp_path):
    settings = Settings(tracking_uri=f"sqlite:///{tmp_path}/runs.db")
    found = sweep(
        {"mode": ["sparse", "dense"]}, birds, settings=settings, cache=cache, **FAST | {"track": True}
    )
    client = load_mlflow().MlflowClient(tracking_uri=settings.tracking_uri)
    parent = client.get_run(found.run_id)
    runs = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{found.run_id}'")
    assert sorted(r.info.run_name for r in runs) == ["mode=dense", "mode=sparse"]
    assert {r.info.status for r in [parent, *runs]} == {"FINISHED"}
    for run in runs:
        assert run.data.metrics["nDCG_at_10"] == found[run.info.run_name].scores.mean["nDCG@10"]
        assert (
            run.data.params["mode"] in run.info.run_name
            and "p_holm" in run.data.metrics
            or "sparse" in run.info.run_name
        )
        assert run.data.tags["data.documents"] == data_hashes(birds)["documents"]
        assert run.data.tags["git_commit"] and run.data.tags["version.numpy"] == np.__version__
        table = json.loads(
            Path(client.download_artifacts(run.info.run_id, "scores.json", tmp_path)).read_text()
        )
        assert [row[0] for row in table["data"]] == list(ASKED)
    report = json.loads(Path(client.download_artifacts(found.run_id, "report.json", tmp_path)).read_text())
    assert report["per_query"] == found.per_query
    assert not (Path.cwd() / "mlruns").exists() and (tmp_path / "runs.artifacts").is_dir()


def test_a_failed_experiment_is_marked(tmp_path):
    settings = Settings(tracking_uri=f"sqlite:///{tmp_path}/runs.db")
    with pytest.raises(ZeroDivisionError), tracked("breaks", settings) as tracker:
        1 / 0  # noqa: B018
    client = load_mlflow().MlflowClient(tracking_uri=settings.tracking_uri)
    assert client.get_run(tracker.run_id).info.status == "FAILED"


def test_a_server_that_goes_away_costs_a_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("LIQUID_AI_CACHE", str(tmp_path / "cache"))

    def gone(*a, **k):
        raise OSError("cannot reach http://ann:secret@host/api?token=abc")

    with (
        pytest.warns(UserWarning, match="send it with") as told,
        tracked("goes", Settings(tracking_uri=f"sqlite:///{tmp_path}/runs.db")) as tracker,
    ):
        tracker._client.create_run = gone
        with pytest.warns(UserWarning, match="the run goes on"):
            assert tracker.child("a", {}, {})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tracker.log({"x": 1.0})  # the others are spared
    (kept,) = (tmp_path / "cache").rglob("*.jsonl")
    for text in (tracker.failed, kept.read_text(), *(str(w.message) for w in told)):
        assert "secret" not in text and "abc" not in text


def test_without_mlflow_the_message_says_what_to_install(birds, cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(LiquidError, match=re.escape("pip install 'liquid_ai[eval]'")):
        sweep({"mode": ["dense", "sparse"]}, birds, cache=cache, **FAST | {"track": True})


@pytest.mark.parametrize(
    "uri",
    ["http://ann:s3cret@localhost:9/", "nosuch://s3cret@x", f"sqlite:///{__file__}/x.db?k=s3cret"],
    ids=range(3),
)
def test_an_address_that_does_not_work_is_told_without_its_secret(birds, cache, uri):
    options = FAST | {"track": True, "settings": Settings(tracking_uri=uri)}
    with pytest.raises(LiquidError) as told:
        sweep({"mode": ["dense", "sparse"]}, birds, cache=cache, **options)
    assert "s3cret" not in str(told.value) and told.value.__cause__ is None


@given(st.text("abXY09:@/-._~%", max_size=12), st.text("abXY09-._~", min_size=1, max_size=12))
def test_no_secret_survives(user, token):
    user = user.replace("/", "")
    shown = without_secrets(
        f"at https://{user}:s3cret@host.org:5000/path?token=s3cret-{token}#s3cret it failed"
    )
    assert "s3cret" not in shown and "host.org:5000/path" in shown and shown.endswith("it failed")


def test_commit_of_this_repository():
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", git_commit(ROOT)) or not (ROOT / ".git").exists()


def test_telemetry_is_off():
    load_mlflow()
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true" and is_telemetry_disabled()


# end to end


@pytest.fixture(scope="module")
def answered(tmp_path_factory, cache):
    path = tmp_path_factory.mktemp("squad") / "birds.json"
    paragraphs = []
    for n, (name, text) in enumerate(FACTS.items()):
        qas = [
            {"id": q, "question": asked, "answers": [{"text": text, "answer_start": 0}]}
            for q, (asked, d) in ASKED.items()
            if d == name
        ]
        if n < 2:
            qas.append(
                {
                    "id": f"x{n}",
                    "question": f"Who was king {n} of Prussia?",
                    "answers": [],
                    "is_impossible": True,
                }
            )
        paragraphs.append({"context": text, "qas": qas})
    path.write_text(json.dumps({"version": "2", "data": [{"title": "birds", "paragraphs": paragraphs}]}))
    options = {
        "settings": Settings(generator="packaged", answer_tokens=24),
        "track": False,
        "progress": False,
    }
    return path, answer_questions(path, cache=cache, times=1_000, **options)


def test_three_situations_on_the_same_questions(answered):
    path, found = answered
    assert list(found.scores) == ["closed book", "gold context", "retrieval"]
    assert {c.queries for c in found.comparisons.values()} == {6} and len(
        found.scores["retrieval"].scores
    ) == 8
    assert all(len(c.contrasts) == 3 for c in found.comparisons.values())
    f1 = {s.name: s.mean for s in found.comparisons["f1"].systems}
    assert f1["closed book"] < f1["gold context"] and 0 <= found.retrieved <= 1
    usage = {
        way: np.mean([a.usage.prompt_tokens for a in own.values()]) for way, own in found.answers.items()
    }
    assert usage["closed book"] < usage["gold context"]
    assert found.abstained["impossible"][0] >= found.abstained["answerable"][0]
    told = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert len(told["per_question"]) == 8 == len(read_squad(path)) and "abstained on impossible" in str(found)
    assert told["per_question"][0]["said"].keys() == set(found.scores)


def test_trust_stands_beside_the_answers(answered):
    path, found = answered
    told = found.summary()
    for measure in ("grounded", "citation_recall", "citation_precision"):
        assert told[measure] == to_json(found.scores["retrieval"].scores.summary()[measure]["all"])
    assert told["aurc"] == found.scores["retrieval"].risk_coverage().aurc
    assert f"AURC {told['aurc']:.3f}" in str(found) and told["judge"] in str(found)
    for limit in ("a", 1.5, True):
        with pytest.raises(InputError, match="limit="):
            answer_questions(path, limit, track=False, progress=False)


def test_the_packaged_questions_are_referred_to_in_one_way(python):
    data = quickstart_squad()
    assert data.questions == tuple(known_questions(questions("dev"), data.documents))
    assert {s.document_id for q in data.questions for s in q.spans} <= {d.id for d in data.documents}
    with pytest.raises(InputError, match="stands in none of its topics"):
        known_questions(questions("dev"), data.documents[:1])


def test_a_question_that_fails_is_worth_nothing(answered, cache, monkeypatch):
    from liquid_ai.evaluation import end_to_end

    def ask(model, question, *how):
        if "fish" in question:
            raise LiquidError("broken")
        return real(model, question, *how)

    real = end_to_end.closed_book
    monkeypatch.setattr(end_to_end, "closed_book", ask)
    monkeypatch.setattr(end_to_end, "gold_context", lambda m, q, p, *how: real(m, q, *how))
    options = {"settings": Settings(generator="packaged", answer_tokens=4), "track": False, "progress": False}
    found = answer_questions(answered[0], cache=cache, times=1_000, **options)
    assert found.failed == {"closed book": {"q2": "broken"}}
    at = found.scores["closed book"].scores.ids.index("q2")
    assert found.scores["closed book"]["f1"][at] == 0 and len(found.scores["closed book"].scores) == 6
    assert any("scored 0: 1 ('q2')" in note for note in found.notes)
    monkeypatch.setattr(end_to_end, "closed_book", lambda *a: (_ for _ in ()).throw(LiquidError("broken")))
    with pytest.raises(LiquidError, match="closed book: all 6 questions failed"):
        answer_questions(answered[0], cache=cache, times=1_000, **options)


def test_documents_without_any_text(birds, tmp_path):
    data = replace(birds, documents=tuple(replace(d, text=" ") for d in birds.documents))
    with pytest.raises(InputError, match="none of the 5 documents has text"):
        sweep({"mode": ["dense", "sparse"]}, data, cache=tmp_path, **FAST)


@pytest.mark.parametrize(
    "options", [{"latency_queries": -1}, {"latency_queries": 1, "repeats": 1}, {"repeats": 0}]
)
def test_a_latency_that_cannot_be_measured_is_refused_at_once(birds, tmp_path, options):
    with pytest.raises(InputError, match="two timed calls"):
        sweep({"mode": ["dense", "sparse"]}, birds, cache=tmp_path / "new", **FAST | options)
    assert not (tmp_path / "new").exists()
