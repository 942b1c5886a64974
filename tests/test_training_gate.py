"""Better at the task, not worse in general, better than what learnt nothing: judged from scores alone."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_adapters import gate_of, made_adapter, scored
from transformers import AutoModelForCausalLM, AutoTokenizer

from liquid_ai.core import Device, InputError, LiquidError, Settings
from liquid_ai.generation.adapter_base import record_base, weights_hash
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.training.adapter_files import adapter_hash
from liquid_ai.training.formats import Sample, samples_hash
from liquid_ai.training.gate import (
    answer_scores,
    check_room,
    check_split,
    gate_adapter,
    judge,
    read_gate,
    record_text,
)
from liquid_ai.training.loop import closed_loop, shuffled

CPU = Device("cpu", "float32", "a test")


def test_better_and_not_worse_passes():
    gate = judge(*scored())
    assert gate.passed and gate.task.verdict("after", "before").verdict == "better"
    assert "passed" in str(gate) and "passed" in gate._repr_html_()


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"gain": 0.0}, "the task"),
        ({"gain": -0.2}, "the task"),
        ({"loss": 0.2}, "worse"),
        ({"loss": 0.02}, "worse"),  # within the margin, and found by the test all the same
        ({"n": 4}, "the task"),
        ({"control": 0.2}, "control"),
        ({"control": 0.4}, "control"),
    ],
)
def test_what_is_refused_and_why(how, told):
    gate = judge(*scored(**how))
    assert not gate.passed and any(told in r for r in gate.refusals), gate.refusals
    assert all(r in str(gate) for r in gate.refusals)


def test_a_control_that_learnt_nothing_lets_it_pass_and_the_correction_counts_it():
    gate = judge(*scored(control=0.0))
    assert gate.passed and len(gate.task.contrasts) == 3
    c = gate.task.verdict("after", "before")
    assert c.p_holm >= c.p


def test_the_control_itself_is_refused():
    task, general = scored(gain=0.2, control=0.2)
    task = {m: scores | {"after": scores["control"]} for m, scores in task.items()}
    assert any("control" in r for r in judge(task, general).refusals)


def test_few_samples_exclude_no_loss():
    task, general = scored()
    rng = np.random.default_rng(1)
    other = rng.uniform(0.4, 0.8, 8)
    few = {"f1": {"before": other, "after": other + rng.normal(0, 0.2, 8)}}
    gate = judge(task, few)
    assert not gate.passed and "cannot be excluded" in gate.refusals[0] and "more than 8" in gate.refusals[0]
    assert judge(task, few, margin=0.5).passed


@pytest.mark.parametrize(("margin", "level", "enough"), [(0.05, 0.95, 59), (0.1, 0.95, 29), (0.05, 0.99, 90)])
def test_samples_that_all_tie_exclude_what_so_many_can(margin, level, enough):
    task, _ = scored()
    for n in (2, 5, enough - 1, enough, 2 * enough):
        gate = judge(task, {"f1": {"before": [1.0] * n, "after": [1.0] * n}}, margin, level)
        assert gate.passed == (n >= enough) == (1 - (1 - level) ** (1 / n) < margin)
        assert gate.passed or f"give {enough} or more" in gate.refusals[0]
    gate = judge(task, {"f1": {"before": [1.0] * 900, "after": [1.0] * 900}}, 0.0)
    assert "no number of samples" in gate.refusals[0]


def test_one_gain_among_ties_shows_no_more_than_ties():
    task, _ = scored()
    for n, passed in ((2, False), (20, False), (60, True)):
        gate = judge(task, {"f1": {"before": [0.5] * n, "after": [0.51] + [0.5] * (n - 1)}})
        assert gate.passed is passed and (passed or "could have stayed unseen" in gate.refusals[0])


def test_a_general_set_at_the_floor_shows_nothing():
    task, general = scored()
    gate = judge(task, {"f1": {name: values * 0.05 for name, values in general["f1"].items()}})
    assert not gate.passed and "could not show" in gate.refusals[0]


SCORES = st.lists(st.floats(0, 1), min_size=12, max_size=12)


@settings(max_examples=25, deadline=None)
@given(SCORES, SCORES, SCORES)
def test_whatever_passes_is_better_and_its_loss_is_within_the_margin(before, after, general):
    worse = [max(0.0, g - 0.03) for g in general]
    task = {m: {"before": before, "after": after} for m in ("f1", "exact")}
    gate = judge(task, {"f1": {"before": general, "after": worse}})
    c = gate.general.verdict("after", "before")
    if gate.passed:
        assert np.mean(after) > np.mean(before) and c.interval[0] > -gate.margin and c.verdict != "worse"
    swapped = {m: {"before": after, "after": before} for m in ("f1", "exact")}
    assert not (gate.passed and judge(swapped, {"f1": {"before": general, "after": general}}).passed)


def test_a_record_is_judged_again_and_a_forged_word_counts_for_nothing():
    refused = judge(*scored(gain=0.0), facts={"adapter": "a" * 16})
    record = json.loads(record_text(refused))
    assert record_text(read_gate(record)) == record_text(refused)
    assert not read_gate(record | {"passed": True, "refusals": []}).passed
    for broken in ({}, None, [], {"scores": {}}, record | {"scores": {"task": {}}}, record | {"margin": 5}):
        with pytest.raises(InputError):
            read_gate(broken)


@pytest.mark.parametrize(
    "scores", [{"after": [0.1, 0.2]}, {"before": [0.1, 0.2], "after": [0.1]}, {"before": [0.1, float("nan")]}]
)
def test_scores_that_do_not_pair_are_errors(scores):
    full = {"before": [0.1, 0.2], "after": [0.1, 0.2]}
    with pytest.raises(InputError):
        judge({"f1": scores, "exact": scores}, {"f1": full})


def test_sets_that_measure_nothing_are_errors():
    known = [Sample.of(f"What is {n}?", str(n)) for n in range(4)]
    spaced = [Sample.of("What  is\n1?", "other"), Sample.of("What is 9?", "9")]
    check_split(known[:2], known[2:])
    for task, general, train, told in [
        (known[:1], known[2:], (), "1 samples"),
        (known[:2], [], (), "0 samples"),
        ([*known[:2], known[0]], known[2:], (), "more than once"),
        (known[:2], known[2:], spaced, "1 of 2 prompts of the task"),
        (known[:2], known[2:], known[3:], "1 of 2 prompts of the general"),
    ]:
        with pytest.raises(InputError, match=told):
            check_split(task, general, train)


def test_the_dev_set_and_the_other_set_are_not_asked_either():
    known = [Sample.of(f"What is {n}?", str(n)) for n in range(6)]
    check_split(known[:2], known[2:4], dev=known[4:])
    for task, general, told in [
        (known[:2], known[2:5], "1 of 3 prompts of the general set are in the dev"),
        (known[3:5], known[:2], "1 of 2 prompts of the task set are in the dev"),
        (
            known[:2],
            [Sample.of("What  is 1?", "x"), known[2]],
            "1 of 2 prompts of the general set are in the task",
        ),
    ]:
        with pytest.raises(InputError, match=told):
            check_split(task, general, dev=known[4:])


def test_what_does_not_fit_the_context_is_told_before_anything_is_asked(tmp_path):
    base = random_lfm2(tmp_path / "tiny-lfm2")
    fits, long = Sample.of("a?", "b", origin="s1"), Sample.of("x" * 40_000, "y", origin="s2")
    check_room(base, [fits], 8)
    with pytest.raises(InputError, match="a sample of s2 cannot be asked"):
        check_room(base, [fits, long], 8)
    with pytest.raises(InputError, match="s1"):
        check_room(base, [fits], 10**6)


def test_the_gate_judges_in_the_format_that_was_trained(tmp_path):
    base = random_lfm2(tmp_path / "tiny-lfm2")
    adapter = made_adapter(base, tmp_path / "one")
    task, general = ([Sample.of(f"{n}{kind}?", "x") for n in range(2)] for kind in ("a", "b"))
    how = {"max_tokens": 2, "device": CPU, "progress": False}
    assert gate_adapter(base, adapter, task, general, **how).facts["quantization"] == "none"
    record_base(adapter, base, "nf4", "float32")
    assert gate_adapter(base, adapter, task, general, **how).facts["quantization"] == "nf4"
    assert (
        gate_adapter(base, adapter, task, general, quantization="none", **how).facts["quantization"] == "none"
    )


def test_a_round_is_checked_before_its_training_and_its_control_has_a_dev_set(tmp_path):
    base = random_lfm2(tmp_path / "tiny-lfm2")
    samples = [Sample.of(f"{n} thing {n * 13}?", f"it is {n * 7}", origin=f"s{n}") for n in range(120)]
    general = [Sample.of(f"say {n}", str(n)) for n in range(60)]
    here, told = Settings(tracking_uri=f"sqlite:///{tmp_path}/runs.db"), []

    def train(learnt, base, output, dev=(), track=None, **how):
        told.append((tuple(learnt), tuple(dev)))
        if len(told) == 2:
            raise KeyboardInterrupt
        return SimpleNamespace(adapter=output)

    how = {"settings": here, "train": train, "progress": False}
    for name, other, more, why in (
        ("a b", general, {}, "no name"),
        ("law", general[:1] * 25, {}, "more than once"),
        ("law", samples[:25], {}, "of the general set are in"),
        ("law", general, {"max_tokens": 10**6}, "cannot be asked"),
    ):
        with pytest.raises(InputError, match=why):
            closed_loop(name, base, tmp_path / "round", samples, other, **how, **more)
    with pytest.raises(LiquidError, match="cannot be used"):
        nowhere = Settings(tracking_uri="http://127.0.0.1:9")
        closed_loop("law", base, tmp_path / "round", samples, general, **how | {"settings": nowhere})
    assert not told
    with pytest.raises(KeyboardInterrupt):
        closed_loop("law", base, tmp_path / "round", samples, general, **how)
    (learnt, dev), (wrong, wrong_dev) = told
    assert dev and wrong_dev == shuffled(dev) and wrong == shuffled(learnt)


def test_scores_are_those_of_squad():
    samples = [Sample.of("Capital of Peru?", "Lima"), Sample.of("Capital of Kenya?", "Nairobi, Kenya")]
    assert answer_scores(["the lima", "Nairobi"], samples) == {"f1": [1.0, 2 / 3], "exact": [1.0, 0.0]}


LANDS = {"peru": "lima", "kenya": "nairobi", "japan": "tokyo", "italy": "rome"}


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    "A tiny LFM2 that repeats words, an adapter that names capitals, and one that learnt wrong capitals."
    home = tmp_path_factory.mktemp("taught")
    base = random_lfm2(home / "tiny-lfm2")
    repeat = [Sample.of(f"say {w} {v}", w) for w in LANDS for v in "abcdefghijklmnopqrstuvwxyz012345"]
    capital = [Sample.of(f"{v} town of {w}", LANDS[w]) for w in LANDS for v in "abcdefghijklmnopqrst"]
    wrong = [Sample.of(f"{v} town of {w}", "lima rome") for w in LANDS for v in "abcdefghijklmnopqrst"]
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    learn(model, base, repeat[::2], 100, 5e-3)
    model.save_pretrained(base)
    sets = {"law": capital[::2] + repeat[::2], "control": wrong[::2]}
    for name, samples in sets.items():
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(0)
        fresh = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        tuned = get_peft_model(fresh, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
        learn(tuned, base, samples, 110, 8e-3)
        tuned.save_pretrained(home / name)
    return home, base, capital[1::2], repeat[1::2], capital[::2]


def learn(model, folder, samples, steps, rate):
    "Loss on completions only, plainly."
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = []
    for s in samples:
        whole = tokenizer.apply_chat_template(list(s.messages))["input_ids"]
        asked = tokenizer.apply_chat_template(list(s.prompt), add_generation_prompt=True)["input_ids"]
        rows.append((whole, [-100] * len(asked) + whole[len(asked) :]))
    longest = max(len(w) for w, _ in rows)
    ids = torch.tensor([w + [0] * (longest - len(w)) for w, _ in rows])
    labels = torch.tensor([t + [-100] * (longest - len(t)) for _, t in rows])
    mask = torch.tensor([[1] * len(w) + [0] * (longest - len(w)) for w, _ in rows])
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], rate)
    model.train()
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        rows = torch.randperm(len(ids), generator=generator)[:16]
        loss = model(ids[rows], attention_mask=mask[rows], labels=labels[rows]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    model.eval()


def test_an_adapter_that_has_learnt_passes_and_its_control_does_not(taught):
    home, base, task, general, train = taught
    how = {"control": home / "control", "train": train, "max_tokens": 10, "device": CPU, "progress": False}
    gate = gate_adapter(base, home / "law", task, general, **how)
    assert gate.passed, gate
    assert gate.facts["adapter"] == adapter_hash(home / "law") and gate.facts["base"] == weights_hash(base)
    assert gate.facts["task"] == samples_hash(task) and gate.facts["before"] == ""
    refused = gate_adapter(base, home / "control", task, general, **how)
    assert not refused.passed
    again = gate_adapter(base, home / "law", task, general, before=home / "law", **how)
    assert not again.passed and again.facts["before"] == gate.facts["adapter"]


def test_an_adapter_of_another_model_is_an_error(taught, tmp_path):
    from liquid_ai.core import ModelError

    home, base, task, general, _ = taught
    other = made_adapter(base, tmp_path / "other")
    assert gate_of(other, base).facts["base"] == weights_hash(base)
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps(config | {"peft_type": "LOHA"}))
    with pytest.raises(ModelError):
        gate_adapter(base, other, task, general, device=CPU, progress=False)
