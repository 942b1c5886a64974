"""`liquid-ai train`, from files to the registry."""

import json

from test_training_qlora import samples_of

from liquid_ai.cli import main
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.training.formats import Sample, write_samples
from liquid_ai.training.loop import shuffled


def said(command, capsys) -> dict:
    assert main([*command, "--json"]) == 0
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_from_files_to_the_champion(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIQUID_AI_TRACKING_URI", "sqlite:///runs.db")
    random_lfm2(tmp_path / "tiny")
    colours = ["red", "blue", "green", "black"]
    learnt = [Sample.of(f"{n} {c}?", c, origin=f"{n}") for n in range(12) for c in colours]
    asked = [Sample.of(f"{n} {c}?", c, origin=f"{n}") for n in range(12, 18) for c in colours]
    other = samples_of(6)
    write_samples(learnt, "data.train.jsonl")
    write_samples(asked, "data.test.jsonl")
    write_samples(other, "other.jsonl")
    common = ["--model", "tiny", "--device", "cpu", "--rank", "8", "--batch", "8", "--general", "other.jsonl"]
    common += ["--register", "colours", "--learning-rate", "0.01"]
    told = said(["train", "data.train.jsonl", "--out", "one", "--epochs", "8", *common], capsys)
    assert (
        told["steps"] == 48
        and told["version"] == 1
        and told["run"]
        and not (tmp_path / "data.dev.jsonl").exists()
    )
    card = (tmp_path / "one" / "README.md").read_text()
    assert told["data_hash"] in card and str(tmp_path) not in card
    assert main(["promote", "colours"]) == (0 if told["passed"] else 1)

    write_samples(shuffled(learnt), "wrong.jsonl")
    wrong = ["train", "wrong.jsonl", "--out", "two", "--epochs", "1", "--test", "data.test.jsonl", *common]
    told = said(wrong, capsys)
    assert told["version"] == 2 and told["passed"] is False
    assert main(["promote", "colours", "--version", "2"]) == 1
    assert "refused" in capsys.readouterr().err


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
