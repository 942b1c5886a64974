"""`liquid-ai train`, from files to the registry."""

import json
from string import ascii_lowercase

from test_training_qlora import samples_of

from liquid_ai.cli import main
from liquid_ai.evaluation.track import client_of, load_mlflow
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.training.adapter_files import WEIGHTS
from liquid_ai.training.formats import Sample, write_samples
from liquid_ai.training.loop import shuffled
from liquid_ai.training.options import TrainOptions
from liquid_ai.training.qlora import finetune


def said(command, capsys) -> dict:
    assert main([*command, "--json"]) == 0
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


TOWNS = {"peru": "lima", "kenya": "nairobi", "japan": "tokyo", "italy": "rome"}
WORDS = [*TOWNS, *TOWNS.values()]
REPEAT = [Sample.of(f"say {w} {v}", w, origin=f"{w} {v}") for w in WORDS for v in ascii_lowercase[:16]]
FACTS = [Sample.of(f"{v} town of {w}", TOWNS[w], origin=f"{v} {w}") for v in ascii_lowercase for w in TOWNS]


def test_from_files_to_the_champion(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIQUID_AI_TRACKING_URI", "sqlite:///runs.db")
    how = TrainOptions(
        method="full", steps=60, epochs=60, learning_rate=5e-3, batch=16, device="cpu", four_bit="off"
    )
    finetune(REPEAT[::2], random_lfm2(tmp_path / "random"), tmp_path / "tiny", how, progress=False)
    learnt = [*FACTS[:64], *REPEAT[::2]]
    write_samples(learnt, "data.train.jsonl")
    write_samples(FACTS[64:], "data.test.jsonl")
    write_samples(REPEAT[1::2], "other.jsonl")
    common = ["--model", "tiny", "--device", "cpu", "--rank", "16", "--batch", "16", "--four-bit", "off"]
    common += ["--general", "other.jsonl", "--register", "towns", "--learning-rate", "0.008"]
    first = ["train", "data.train.jsonl", "--out", "one", "--epochs", "6", *common]
    told = said(first, capsys)
    assert told["steps"] == 48 and told["version"] == 1 and told["run"] and told["passed"] is True
    assert not (tmp_path / "data.dev.jsonl").exists()
    card = (tmp_path / "one" / "README.md").read_text()
    assert told["data_hash"] in card and str(tmp_path) not in card
    assert main(["promote", "towns", "--margin", "0"]) == 1  # no number of samples could show that
    assert "no number of samples" in capsys.readouterr().err
    assert main(["promote", "towns"]) == 0
    client = client_of(load_mlflow(), "sqlite:///runs.db")
    assert {f.path for f in client.list_artifacts(told["run"])} >= {"adapter", "gate.json"}

    weights = (tmp_path / "one" / WEIGHTS).read_bytes()
    again = said(first, capsys)  # trained already: only judged, now beside the champion, which it is
    assert again["version"] == 2 and again["passed"] is False and again["data_hash"] == told["data_hash"]
    assert (tmp_path / "one" / WEIGHTS).read_bytes() == weights
    for other in (["--epochs", "5"], ["--seed", "5"]):  # not what was asked for
        assert main([*first, *other]) == 2
        assert "is there already" in capsys.readouterr().err

    write_samples(shuffled(learnt), "wrong.jsonl")
    wrong = ["train", "wrong.jsonl", "--out", "two", "--epochs", "1", "--test", "data.test.jsonl", *common]
    told = said(wrong, capsys)
    assert told["version"] == 3 and told["passed"] is False
    assert main(["promote", "towns", "--version", "3"]) == 1
    assert "refused" in capsys.readouterr().err


def test_what_the_gate_would_refuse_is_told_before_the_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIQUID_AI_TRACKING_URI", "sqlite:///runs.db")
    random_lfm2(tmp_path / "tiny")
    write_samples(FACTS[:8], "data.train.jsonl")
    write_samples(FACTS[8:12], "data.dev.jsonl")
    write_samples(FACTS[12:16], "data.test.jsonl")
    write_samples(REPEAT[:4], "other.jsonl")
    write_samples([Sample.of("x" * 40_000, "y"), *REPEAT[:4]], "long.jsonl")
    common = ["train", "--model", "tiny", "--general", "other.jsonl"]
    for more, told in (
        (["--register", "a/b"], "no name for adapters"),
        (["--register", "a", "--test", "data.train.jsonl"], "are in the training data"),
        (["--register", "a", "--test", "data.dev.jsonl"], "are in the dev set"),
        (["--register", "a", "--general", "data.test.jsonl"], "are in the task set"),
        (["--register", "a", "--general", "long.jsonl"], "cannot be asked"),
    ):
        assert main([*common, *more, "--no-track"]) == 2
        assert told in capsys.readouterr().err and not (tmp_path / "adapter").exists()
    monkeypatch.setenv("LIQUID_AI_TRACKING_URI", "http://127.0.0.1:9")
    assert main([*common, "--register", "a", "--no-track"]) != 0
    assert "MLflow cannot be used" in capsys.readouterr().err and not (tmp_path / "adapter").exists()


def test_mistakes_cost_no_time(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_samples(samples_of(3), "data.jsonl")
    for command, told in (
        (["train", "none.jsonl"], "none.jsonl cannot be read"),
        (["train", "data.jsonl", "--register", "a"], "give --test FILE"),
        (["train", "data.jsonl", "--lora", "--full"], "exclude each other"),
        (["train", "data.jsonl", "--learning-rate", "7"], "between 0 and 1"),
        (["train", "data.jsonl", "--model", "no/such"], "liquid-ai models pull"),
    ):
        assert main([*command, "--no-track"]) in (1, 2)
        assert told in capsys.readouterr().err
