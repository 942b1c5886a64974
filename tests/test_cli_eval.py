"""The command line's measurements: one JSON document, clear errors, and access lists in searches."""

import json

import pytest
from test_cli import environment, run, run_json  # noqa: F401

from liquid_ai.core import Document
from liquid_ai.pipeline import RAG

TEXTS = {
    "heron": "The grey heron stands still in shallow water and waits for fish.",
    "owl": "The barn owl hunts mice at night.",
    "swift": "Swifts sleep on the wing.",
}
QUERIES = {
    "q1": "Which bird hunts mice?",
    "q2": "Who waits for fish?",
    "q3": "Which bird sleeps while it flies?",
}
QRELS = "query-id\tcorpus-id\tscore\nq1\towl\t1\nq2\theron\t1\nq3\tswift\t1\n"


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    "Stores of experiments and MLflow's file; the packaged model is where it is."
    monkeypatch.setattr(
        "liquid_ai.evaluation.shared.cache_dir", lambda *parts: tmp_path.joinpath("cache", *parts)
    )
    monkeypatch.setattr(
        "liquid_ai.evaluation.track.cache_dir", lambda *parts: tmp_path.joinpath("cache", *parts)
    )


@pytest.fixture
def folder(tmp_path):
    "A BEIR folder."
    folder = tmp_path / "birds"
    (folder / "qrels").mkdir(parents=True)
    for name, rows in {"corpus": TEXTS, "queries": QUERIES}.items():
        lines = [json.dumps({"_id": id, "text": text}) for id, text in rows.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    (folder / "qrels" / "test.tsv").write_text(QRELS)
    return folder


@pytest.fixture
def squad(tmp_path):
    qas = [
        {"id": "a", "question": "What does the owl hunt?", "answers": [{"text": "mice", "answer_start": 19}]},
        {
            "id": "b",
            "question": "When does the owl hunt?",
            "answers": [{"text": "at night", "answer_start": 24}],
        },
        {"id": "c", "question": "Who was king of Prussia?", "answers": [], "is_impossible": True},
    ]
    paragraphs = [{"context": TEXTS["owl"], "qas": qas}]
    path = tmp_path / "owls.json"
    path.write_text(json.dumps({"version": "v2.0", "data": [{"title": "owls", "paragraphs": paragraphs}]}))
    return path


def test_ranking_of_one_mode(folder):
    code, out, _ = run("eval", "ranking", folder, "--mode", "sparse", "--latency", "0")
    assert code == 0 and out.startswith("variant") and "sparse" in out and "3 queries" in out
    code, told = run_json("eval", "ranking", folder, "--mode", "sparse", "--latency", "0", "--metric", "MRR")
    assert code == 0 and [v["name"] for v in told["variants"]] == ["sparse"] and told["metric"] == "MRR"
    assert told["per_query"]["sparse"].keys() == QUERIES.keys() and told["tracking"] is None


def test_ranking_of_several_modes_is_a_comparison(folder):
    words = ["--mode", "dense", "--mode", "hybrid", "--mode", "sparse", "--latency", "2", "--track"]
    code, told = run_json("eval", "ranking", folder, *words)
    assert code == 0 and told["baseline"] == "dense" and told["pareto"] and told["tracking"]["run_id"]
    assert [v["against_baseline"] and v["against_baseline"]["verdict"] for v in told["variants"]][0] is None
    assert all(v["latency_ms"]["p50"] > 0 for v in told["variants"])


def test_who_judged_and_what_was_pooled_is_said(folder, tmp_path):
    words = ["--mode", "sparse", "--latency", "0", "--judged-by", "two birders", "--depth", "1"]
    pool = ["--pool", "dense", "--pool", "hybrid"]
    code, told = run_json("eval", "ranking", folder, *words, *pool)
    assert code == 0 and "judged by two birders, who saw the results of dense, hybrid" in told["small_print"]
    code, out, _ = run("eval", "ranking", folder, *words, *pool)
    assert code == 0 and "two birders" in out
    code, told = run_json("eval", "ranking", folder, *words, "--pool", "sparse")
    assert code == 2 and "only its own results were judged" in told["error"]["message"]
    config = {"dataset": "birds", "space": {"mode": ["dense", "sparse"]}, "judged_by": "two birders"}
    config |= {"tracking": False, "latency_queries": 0, "pool": ["x", "y"], "depth": 5}
    (tmp_path / "sweep.json").write_text(json.dumps(config))
    code, told = run_json("sweep", tmp_path / "sweep.json")
    assert code == 0 and "judged by two birders, who saw the results of x, y" in told["small_print"]
    (tmp_path / "sweep.json").write_text(json.dumps(config | {"pool": ["mode=sparse"]}))
    code, told = run_json("sweep", tmp_path / "sweep.json")
    assert code == 2 and "'mode=sparse' cannot be scored" in told["error"]["message"]


def test_sweep_from_a_file(folder, tmp_path):
    config = {
        "dataset": "birds",
        "space": {"mode": ["dense", "sparse"], "top_k": [1, 3]},
        "metric": "recall@3",
    }
    path = tmp_path / "sweep.json"
    path.write_text(json.dumps(config | {"tracking": False, "latency_queries": 0, "cache": "stores"}))
    code, told = run_json("sweep", path)
    assert code == 0 and len(told["variants"]) == 4 and (tmp_path / "stores").is_dir()
    code, out, _ = run("sweep", path)
    assert code == 0 and "mode=sparse, top_k=3" in out


def test_answers(squad, monkeypatch):
    monkeypatch.setenv("LIQUID_AI_ANSWER_TOKENS", "16")
    code, told = run_json("eval", "answers", squad, "--generator", "packaged")
    assert code == 0 and [*told["systems"]] == ["closed book", "gold context", "retrieval"]
    assert told["questions"] == 3 and told["impossible"] == 1 and len(told["per_question"]) == 3
    assert {*told["comparisons"]} == {"f1", "exact", "contains"}
    assert "wrongly judged on" in told["judge"] and {*told["grounded"]} == {"mean", "n", "undefined"}
    assert {"citation_recall", "citation_precision", "aurc", "excess_aurc"} <= told.keys()
    code, out, _ = run("eval", "answers", squad, "--generator", "packaged")
    assert code == 0 and "wrongly judged on" in out and ("AURC" in out) == (told["aurc"] is not None)


@pytest.mark.parametrize(
    ("file", "text", "part"),
    [
        ("qrels/test.tsv", QRELS + "q1\tgone\t1\n", "names documents that are not there: 1 (gone)"),
        ("qrels/test.tsv", QRELS + "q9\towl\t1\n", "names queries that are not there: 1 (q9)"),
        ("qrels/test.tsv", QRELS + "q1\towl\tmuch\n", "'much' is not a whole-number grade"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n", "has no judgements"),
        ("qrels/test.tsv", "q1\towl\t0\nq2\theron\t1\n", "1 queries have a relevant document"),
        ("queries.jsonl", '{"_id": "q1", "text": " "}', "query 'q1' is empty"),
        ("corpus.jsonl", "{", "not a JSON object"),
    ],
)
def test_a_bad_folder(folder, file, text, part):
    (folder / file).write_text(text)
    code, out, err = run("eval", "ranking", folder)
    assert (code, out) == (2, "") and part in err and "Traceback" not in err
    code, told = run_json("eval", "ranking", folder)
    assert code == 2 and told["error"]["type"] == "InputError" and part in told["error"]["message"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["eval", "ranking", "nowhere"], "no split 'test'"),
        (["eval", "ranking", "FOLDER", "--split", "dev"], "splits there: test"),
        (["eval", "ranking", "FOLDER", "--mode", "hybird"], "mode 'hybird' is unknown"),
        (["eval", "ranking", "FOLDER", "--metric", "nDCGG@10"], "metric 'nDCGG@10' is unknown"),
        (["eval", "ranking", "FOLDER", "--limit", "-1"], "limit=-1"),
        (["eval", "ranking"], "BEIR_DIR"),
        (["eval", "answers", "nowhere.json"], "cannot be read as JSON"),
        (["eval", "answers", "FOLDER/corpus.jsonl"], "cannot be read as JSON"),
        (["eval", "guesses"], "No such command"),
        (["sweep", "nowhere.toml"], "cannot be read"),
        (["sweep", "FOLDER/corpus.jsonl"], "a .toml or a .json file"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_wrong_use(folder, words, part):
    words = [word.replace("FOLDER", str(folder)) for word in words]
    code, out, err = run(*words)
    assert (code, out) == (2, "") and part in err and "Traceback" not in err
    code, told = run_json(*words)
    assert code == 2 and part in told["error"]["message"]


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({}, "dataset is wanted"),
        ({"dataset": "birds", "space": {"mode": ["dense"]}, "variants": {"a": {}}}, "either space"),
        ({"dataset": "birds", "space": {"moode": ["dense"]}}, "did you mean 'mode'?"),
        ({"dataset": "birds", "space": {"mode": ["dense"]}, "settings": {"topk": 1}}, "there is no 'topk'"),
        (
            {"dataset": "birds", "space": {"mode": ["dense"]}, "settings": {"top_k": "1"}},
            "not a whole number",
        ),
        (
            {"dataset": "birds", "space": {"mode": ["dense"]}, "limit": True},
            "limit=True is of the wrong type",
        ),
        ({"dataset": "birds", "space": {}}, "give a grid"),
        ({"dataset": "bards", "space": {"mode": ["dense"]}}, "no split 'test'"),
        ([1], "a table of keys is wanted"),
    ],
    ids=str,
)
def test_a_config_that_is_none(folder, tmp_path, config, part):
    path = tmp_path / "sweep.json"
    path.write_text(json.dumps(config))
    code, told = run_json("sweep", path)
    assert code == 2 and part in told["error"]["message"]


def test_a_server_that_is_not_there_is_told_without_its_password(folder, tmp_path):
    config = {"dataset": "birds", "space": {"mode": ["sparse"]}, "tracking": "http://ann:s3cret@localhost:9"}
    (tmp_path / "sweep.json").write_text(json.dumps(config))
    code, out, err = run("sweep", tmp_path / "sweep.json")
    assert code == 1 and "MLflow cannot be used at http://…@localhost:9" in err and "s3cret" not in out + err


def test_principals(tmp_path):
    documents = [
        Document.of(
            "The budget of next year is ten million.", "budget", title="budget", access=("board", "ann")
        ),
        Document.of("The canteen opens at noon.", "canteen", title="canteen"),
    ]
    with RAG.open(tmp_path / "store") as rag:
        rag.ingest(documents, progress=False)
    found = {}
    for who in ("", "bob", "bob board"):
        words = [w for name in who.split() for w in ("--principals", name)]
        code, told = run_json("search", "next year's budget", "--store", tmp_path / "store", *words)
        assert code == 0
        found[who] = {hit["chunk"]["title"] for hit in told["hits"]}
    assert found == {"": {"canteen"}, "bob": {"canteen"}, "bob board": {"budget", "canteen"}}
    code, told = run_json("ask", "What is the budget of next year?", "--store", tmp_path / "store")
    assert code == 0 and "ten million" not in json.dumps(told)
    words = ["--principals", "ann", "--store", tmp_path / "store"]
    code, told = run_json("ask", "What is the budget of next year?", *words)
    assert code == 0 and "budget" in {hit["chunk"]["title"] for hit in told["hits"]}
