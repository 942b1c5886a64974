"""Training: each fault of the reference recipe, runs that are killed, starved of memory and of disk."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from liquid_ai.core import Device, InputError, ModelError, pick_device
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.generation.transformers_model import TransformersModel, load_causal, load_tokenizer
from liquid_ai.training.adapt import examine, make_learner
from liquid_ai.training.batches import (
    check_packing,
    packed,
    packed_batches,
    packing_gap,
    padded,
    padded_batches,
    same_losses,
    token_losses,
)
from liquid_ai.training.formats import Sample
from liquid_ai.training.options import TrainOptions, learning_rate
from liquid_ai.training.qlora import finetune
from liquid_ai.training.run import Run, take_up, train
from liquid_ai.training.steps import batches, computed_tokens, is_out_of_memory, learn, mean_loss
from liquid_ai.training.supervise import encode_sample, preflight
from liquid_ai.training.targets import find_targets
from liquid_ai.training.watch import Watch

CPU = Device("cpu", "float32", "")
SENTENCE = "grey herons eat fish frogs and voles near slow water at dawn while owls sleep in old barns"
WORDS = SENTENCE.split()


def samples_of(n: int, seed: int = 0) -> list[Sample]:
    "Questions and answers of very different lengths."
    draw = np.random.default_rng(seed)
    said = [" ".join(draw.choice(WORDS, int(draw.integers(1, 25)))) for _ in range(2 * n)]
    return [
        Sample.of(f"{k}: {q}?", a, origin=f"s{k}")
        for k, (q, a) in enumerate(zip(said[:n], said[n:], strict=True))
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return random_lfm2(tmp_path_factory.mktemp("lfm2"))


@pytest.fixture(scope="module")
def tokenizer(folder):
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def model(folder):
    return load_causal(folder, CPU)


@pytest.fixture(scope="module")
def encoded(tokenizer):
    return preflight(samples_of(12), tokenizer, [tokenizer.eos_token_id], 8_192).samples


# --- the faults of the reference recipe


def test_layers_that_are_not_there_are_not_passed_over(model):
    with pytest.raises(InputError, match="no layer of this model is called 'o_proj' .did you mean out_proj"):
        find_targets(model, "q_proj,k_proj,v_proj,o_proj")


def test_convolutions_and_mlp_learn_by_default(folder):
    learner, _, facts = make_learner(folder, TrainOptions(device="cpu"), CPU, 0)
    assert facts["layers"] == {"convolution": 4, "mlp": 12, "attention": 8}
    names = "\n".join(learner.parameters)
    for layer in ("conv.in_proj", "conv.out_proj", "w1", "w2", "w3", "q_proj", "self_attn.out_proj"):
        assert f"{layer}.lora_A" in names, layer


def test_neither_prompt_nor_padding_is_learnt(model, tokenizer, encoded):
    batch = padded(encoded, 0)
    with torch.no_grad():
        losses = token_losses(model, batch)
        other = token_losses(model, padded(encoded, 77))  # filled up with something else
    assert len(losses) == sum(e.learnt for e in encoded)
    assert torch.equal(losses, other)
    answers = tokenizer.batch_decode([batch.wanted[batch.owners == n] for n in range(len(encoded))])
    assert answers == [f"{e.sample.completion}<|im_end|>" for e in encoded]
    width, flat = batch.inputs["input_ids"].shape[1], batch.inputs["input_ids"].flatten()
    assert torch.equal(flat[batch.places + 1], batch.wanted) and torch.equal(
        batch.places // width, batch.owners
    )


def test_the_loss_is_that_of_transformers(model, encoded):
    batch = padded(encoded, 0)
    labels = torch.full_like(batch.inputs["input_ids"], -100).flatten()
    labels[batch.places + 1] = batch.wanted
    with torch.no_grad():
        theirs = model(**batch.inputs, labels=labels.view_as(batch.inputs["input_ids"])).loss
        ours = token_losses(model, batch).mean()
    assert torch.isclose(ours, theirs, atol=1e-5)
    assert same_losses(model, batch)


def test_a_model_that_bends_its_logits_is_refused(folder, encoded, monkeypatch):
    learner = make_learner(folder, TrainOptions(device="cpu"), CPU, 0)[0]
    whole = learner.model.forward

    def scaled(*args, **kwargs):
        out = whole(*args, **kwargs)
        out.logits = out.logits / 4
        return out

    monkeypatch.setattr(learner.model, "forward", scaled)
    with pytest.raises(ModelError, match="changes its logits"):
        examine(learner, encoded)


def test_a_sample_is_written_as_the_server_asks(folder, tokenizer):
    served = TransformersModel(folder, "tiny", CPU)
    system = {"role": "system", "content": "Be short."}
    turns = [system, {"role": "user", "content": "Who?"}, {"role": "assistant", "content": "I."}]
    turns += [{"role": "user", "content": "And?"}, {"role": "assistant", "content": "You."}]
    for sample in (Sample.of("Who eats fish?", "Herons."), Sample(tuple(turns))):
        found = encode_sample(sample, tokenizer, [tokenizer.eos_token_id])
        assert found.start == served.count(sample.prompt)
        assert found.ids[-1] == tokenizer.eos_token_id  # or no answer would ever end
    served.close()


def test_nothing_is_padded_to_the_longest_of_all(folder, encoded):
    learner = make_learner(folder, TrainOptions(device="cpu"), CPU, 0)[0]
    real = sum(map(len, encoded))
    everything = range(len(encoded))
    assert computed_tokens(learner, encoded, everything) < 1.5 * real < 2_048 * len(encoded) / 5
    learner.packed = True
    assert computed_tokens(learner, encoded, everything) < 1.2 * real


# --- layout


@given(
    st.dictionaries(st.integers(0, 99), st.integers(1, 300), min_size=1),
    st.integers(1, 900),
    st.integers(1, 600),
    st.integers(0, 3),
)
def test_each_sample_is_laid_out_once(lengths, budget, row, gap):
    flat = sorted(n for group in padded_batches(lengths, budget) for n in group)
    assert flat == sorted(lengths)
    for group in padded_batches(lengths, budget):
        assert len(group) == 1 or max(lengths[n] for n in group) * len(group) <= budget
    rows = [r for group in packed_batches(lengths, budget, row, gap) for r in group]
    assert sorted(n for r in rows for n in r) == sorted(lengths) and all(rows)
    widest = max(sum(lengths[n] + gap for n in r) - gap for r in rows)
    assert widest <= max(row + max(lengths.values()) + gap, max(lengths.values()))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 11), min_size=1, max_size=8, unique=True), st.integers(1, 4))
def test_packed_rows_are_their_samples(model, encoded, chosen, rows):
    found = [encoded[n] for n in chosen]
    cut = [found[k::rows] for k in range(rows) if found[k::rows]]
    with torch.no_grad():
        alone = {id(e): token_losses(model, padded([e], 0)) for e in found}
        losses, batch = token_losses(model, b := packed(cut, 0, model.config)), b
    for n, e in enumerate(e for row in cut for e in row):
        assert torch.allclose(losses[batch.owners == n], alone[id(e)], atol=2e-5)


def test_without_the_gap_convolutions_leak(model, encoded, monkeypatch):
    assert packing_gap(model.config) == 2 and check_packing(model, encoded, 0).exact
    for short in (1, 2):
        monkeypatch.setattr(model.config, "conv_L_cache", short)
        found = check_packing(model, encoded, 0)
        assert not found.exact and found.leak > 0.01


def test_gradients_do_not_depend_on_the_layout(folder, encoded):
    made = []
    for packs, budget in ((True, 10_000), (True, 100), (False, 10_000), (False, 1)):
        learner = make_learner(folder, TrainOptions(device="cpu", rank=4), CPU, 0)[0]
        learner.packed, learner.budget = packs, budget
        with torch.no_grad():  # a second matrix of zeros would leave the first without a gradient
            for name, p in learner.parameters.items():
                if "lora_B" in name:
                    p.copy_(torch.sin(torch.arange(p.numel())).view_as(p) / 20)
        step = learn(learner, encoded, range(12), 1, 1e-3)
        made.append((step.loss, torch.cat([p.grad.flatten() for p in learner.parameters.values()])))
    for loss, gradient in made[1:]:
        assert loss == pytest.approx(made[0][0], abs=1e-5)
        assert torch.nn.functional.cosine_similarity(gradient, made[0][1], dim=0) > 0.99999
        assert gradient.norm().item() == pytest.approx(made[0][1].norm().item(), rel=1e-4)


# --- runs that end otherwise than planned

RUN = """
import sys
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads(1)
from test_training_qlora import *
{before}
options = TrainOptions(device="cpu", rank=4, batch=3, epochs=8, learning_rate=1e-2, save_every=4, dropout=0.1)
trained = finetune(samples_of(12), {folder!r}, {output!r}, options, dev=samples_of(4, 1), progress=False)
"""


def python(code: str, **options) -> subprocess.Popen:
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], env=env, **pipes, **options)


def run_code(folder: Path, output: Path, before: str = "") -> str:
    return RUN.format(tests=str(ROOT / "tests"), before=before, folder=str(folder), output=str(output))


def losses_of(output: Path) -> list[float]:
    rows = json.loads((output / "training.json").read_text())["history"]
    return [row.get("loss", row.get("dev_loss")) for row in rows]


def finished(process: subprocess.Popen) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-3_000:]
    return out


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    "What a run makes that nothing happens to."
    output = tmp_path_factory.mktemp("run") / "whole"
    finished(python(run_code(folder, output)))
    return output


def test_a_run_that_is_killed_goes_on_with_the_same_losses(folder, whole, tmp_path):
    part = tmp_path / "part"
    slow = "import liquid_ai.training.run as r, time\nlearn_ = r.learn\n"
    slow += "r.learn = lambda *a: (time.sleep(0.1), learn_(*a))[1]"
    process = python(run_code(folder, part, slow))
    checkpoints = part.with_name(".part.checkpoints")
    end = time.monotonic() + 60
    while not any(checkpoints.glob("step-*8")):
        assert time.monotonic() < end and process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not part.exists()
    finished(python(run_code(folder, part)))
    assert losses_of(part) == losses_of(whole)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (part / name).read_bytes() == (whole / name).read_bytes()
    assert not checkpoints.exists()


class Stop(Exception):
    pass


class Tracker:
    "Notes what it is told; at a step it does something else."

    def __init__(self, at=0, do=None):
        self.at, self.do, self.told = at, do, []

    def params(self, values):
        pass

    def step(self, step, metrics):
        self.told.append((step, metrics.get("loss", metrics.get("dev_loss"))))
        if self.do and step == self.at:
            self.do()

    def artifact(self, folder, name):
        pass


def stop():
    raise Stop


def test_checkpoints_of_another_run_are_not_taken_up(folder, tmp_path):
    output, options = tmp_path / "a", TrainOptions(device="cpu", rank=4, batch=4, epochs=2, save_every=1)
    with pytest.raises(Stop):
        finetune(samples_of(8), folder, output, options, track=Tracker(3, stop), progress=False)
    with pytest.raises(InputError, match="checkpoints of another run"):
        finetune(samples_of(8, seed=5), folder, output, options, progress=False)
    assert len(finetune(samples_of(8), folder, output, options, progress=False).history) == 4


def test_who_takes_up_a_run_tells_all_of_it(folder, tmp_path):
    options = TrainOptions(device="cpu", rank=4, batch=4, epochs=3, save_every=1)
    dev, whole, part = samples_of(12)[8:], Tracker(), Tracker()
    finetune(samples_of(8), folder, tmp_path / "whole", options, dev, whole, progress=False)
    with pytest.raises(Stop):
        finetune(samples_of(8), folder, tmp_path / "a", options, dev, Tracker(4, stop), progress=False)
    finetune(samples_of(8), folder, tmp_path / "a", options, dev, part, progress=False)
    assert part.told == whole.told and len(part.told) == 6 + 4


def test_two_runs_do_not_make_one_output(folder, tmp_path):
    output, options = tmp_path / "a", TrainOptions(device="cpu", rank=4, batch=4, epochs=2)

    def again():
        with pytest.raises(InputError, match="another run makes .*a: wait for it"):
            finetune(samples_of(8), folder, output, options, progress=False)

    tracker = Tracker(2, again)
    assert len(finetune(samples_of(8), folder, output, options, track=tracker, progress=False).history) == 4
    assert len(tracker.told) == 4 and {p.name for p in tmp_path.iterdir()} == {"a"}
    with pytest.raises(InputError, match="is there already"):
        finetune(samples_of(8), folder, output, options, progress=False)
    assert {p.name for p in tmp_path.iterdir()} == {"a"}


@pytest.fixture(scope="module")
def llama(tokenizer, tmp_path_factory):
    "A tiny model without convolutions, whose library fails for good when it gets no memory once."
    folder = tmp_path_factory.mktemp("llama")
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=len(tokenizer), eos_token_id=4, max_position_embeddings=8_192, **sizes)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="bounds of a process's memory")
def test_memory_that_runs_out_is_halved_and_what_is_learnt_stays_the_same(llama):
    code = """
    import resource, sys
    sys.path.insert(0, {tests!r})
    from test_training_qlora import *
    torch.set_num_threads(1)
    options = TrainOptions(device="cpu", rank=4, micro_tokens=65_536, packing="off")
    learner = make_learner(Path({folder!r}), options, CPU, 0)[0]
    found = preflight(samples_of(200), load_tokenizer(Path({folder!r})), [4], 8_192).samples
    learn(learner, found, range(2), 1, 1e-3)  # all that is loaded once is loaded
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + {room}, -1))
    step = learn(learner, found, range(200), 2, 1e-3)
    print(json.dumps([step.loss, learner.budget, learner.notes]))
    """
    made = {}
    for room in (8 << 30, 250 << 20):
        text = textwrap.dedent(code).format(tests=str(ROOT / "tests"), folder=str(llama), room=room)
        made[room] = json.loads(finished(python(text)).splitlines()[-1])
    (loss, budget, told), (starved, smaller, said) = made.values()
    assert (budget, told) == (65_536, []) and smaller < budget and "memory ran out" in said[0]
    assert starved == pytest.approx(loss, abs=1e-4)


def test_other_mistakes_are_not_taken_for_a_lack_of_memory():
    assert is_out_of_memory(MemoryError()) and is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
    )
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="bounds of a process's files")
def test_a_disk_that_is_full_loses_nothing(folder, whole, tmp_path):
    output = tmp_path / "a"
    full = """
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    import liquid_ai.training.run as r
    learn_ = r.learn
    def learn_then_full(*a):
        if a[3] == 10:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, -1))
        return learn_(*a)
    r.learn = learn_then_full
    """
    process = python(run_code(folder, output, textwrap.dedent(full)))
    _, err = process.communicate(timeout=120)
    assert process.returncode and "make room, and call finetune again as before" in err, err[-2_000:]
    assert not output.exists() and not list(tmp_path.glob("*.part"))
    finished(python(run_code(folder, output)))
    assert losses_of(output) == losses_of(whole)


def test_a_loss_that_is_no_number_ends_the_run_with_the_names(folder, encoded):
    learner = make_learner(folder, TrainOptions(device="cpu", rank=4), CPU, 0)[0]
    before = [p.detach().clone() for p in learner.parameters.values()]
    name, weight = next((n, p) for n, p in learner.model.named_parameters() if "w2" in n and "lora" not in n)
    kept = weight[0, 0].item()
    with torch.no_grad():
        weight[0, 0] = float("inf")
    with pytest.raises(ModelError, match=r"step 3: .* nothing was learnt from it .s0, s1"):
        learn(learner, encoded, range(3), 3, 1e-3)
    assert all(map(torch.equal, before, learner.parameters.values())), name
    with torch.no_grad():
        weight[0, 0] = kept
    assert np.isfinite(learn(learner, encoded, range(3), 3, 1e-3).loss)


def test_memory_that_runs_out_anywhere_is_made_do_with(folder, tmp_path, monkeypatch, caplog):
    "Not only in a step: in the trial before, in a look at the dev set."
    import liquid_ai.training.steps as steps
    import liquid_ai.training.watch as watch

    whole, refused = steps.token_losses, []

    def scarce(model, batch):
        if batch.computed > 400:
            refused.append(batch.computed)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(model, batch)

    options = TrainOptions(device="cpu", rank=4, batch=4, epochs=1)
    plain = finetune(samples_of(8), folder, tmp_path / "a", options, dev=samples_of(6, 1), progress=False)
    monkeypatch.setattr(steps, "token_losses", scarce)
    monkeypatch.setattr(watch, "token_losses", scarce)
    made = finetune(samples_of(8), folder, tmp_path / "b", options, dev=samples_of(6, 1), progress=False)
    assert refused and "memory ran out" in caplog.text
    for a, b in zip(plain.history, made.history, strict=True):
        assert a.get("loss", a.get("dev_loss")) == pytest.approx(b.get("loss", b.get("dev_loss")), abs=0.02)


INTERRUPTED = """
import os, signal
import liquid_ai.training.run as r
learn_, look_ = r.learn, r._look
def learn_and_stop(*a):
    made = learn_(*a)
    if a[3] == {step}:
        os.kill(os.getpid(), signal.SIGINT)
    return made
def look_and_stop(run):
    look_(run)
    if run.done == {look}:
        os.kill(os.getpid(), signal.SIGINT)
r.learn, r._look = learn_and_stop, look_and_stop
"""


@pytest.mark.slow
@pytest.mark.parametrize(("step", "look"), [(7, -1), (-1, 0), (-1, 4)])
def test_ctrl_c_ends_between_two_steps_and_nothing_is_learnt_twice(folder, whole, tmp_path, step, look):
    output = tmp_path / "a"
    process = python(run_code(folder, output, INTERRUPTED.format(step=step, look=look)))
    _, err = process.communicate(timeout=120)
    assert process.returncode and "KeyboardInterrupt" in err, err[-2_000:]
    assert not output.exists()
    finished(python(run_code(folder, output)))
    assert losses_of(output) == losses_of(whole)


def test_layers_with_a_window_are_not_packed(tokenizer, tmp_path):
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"num_key_value_heads": 2, "sliding_window": 16, "eos_token_id": 4}
    config = MistralConfig(vocab_size=len(tokenizer), max_position_embeddings=4_096, **sizes)
    MistralForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    learner = make_learner(tmp_path, TrainOptions(device="cpu"), CPU, 0)[0]
    found = preflight(samples_of(12), tokenizer, [4], 4_096).samples
    assert "window" in examine(learner, found) and not learner.packed


def test_a_dev_loss_that_is_no_number_ends_the_run_and_says_so(folder, encoded):
    learner = make_learner(folder, TrainOptions(device="cpu", rank=4), CPU, 0)[0]
    with torch.no_grad():
        next(iter(learner.parameters.values()))[0, 0] = float("nan")
    with pytest.raises(ModelError, match="is nan"):
        mean_loss(learner, encoded)


def test_what_cannot_teach_anything_is_refused(folder, tmp_path):
    output, options = tmp_path / "a", TrainOptions(device="cpu")
    one = samples_of(1)
    for data in (one, one * 50):
        with pytest.raises(InputError, match="all alike"):
            finetune(data, folder, output, options, progress=False)
    with pytest.raises(InputError, match="give one, or leave them at 0"):
        finetune(samples_of(4), folder, output, TrainOptions(patience=2), progress=False)
    spaced = [Sample.of(s.prompt[-1]["content"] + "  ", s.completion) for s in samples_of(2)]
    with pytest.raises(InputError, match="dev loss means nothing"):
        finetune(samples_of(4), folder, output, options, dev=spaced, progress=False)


def test_a_template_that_leaves_out_a_part_of_the_answer_is_an_error(tokenizer, monkeypatch):
    short = tokenizer.chat_template.replace("m.content", "m.content.split('</think>')[-1]")
    monkeypatch.setattr(tokenizer, "chat_template", short)
    with pytest.raises(InputError, match="leaves out a part of the answer"):
        encode_sample(Sample.of("Why?", "<think>so</think>Because."), tokenizer, [4])


def test_every_step_learns_and_the_configuration_of_the_base_is_kept(folder, tmp_path):
    for schedule in ("cosine", "linear", "constant"):
        for steps in (1, 2, 7):
            rates = [
                learning_rate(TrainOptions(schedule=schedule, warmup=0), n, steps)
                for n in range(1, steps + 1)
            ]
            assert rates[0] == 2e-4 and min(rates) > 0
    options = TrainOptions(device="cpu", method="full", epochs=1)
    made = finetune(samples_of(4), folder, tmp_path / "a", options, progress=False)
    kept, now = (json.loads((p / "config.json").read_text()) for p in (folder, made.adapter))
    assert kept.get("use_cache", True) == now.get("use_cache", True)


def test_dropout_is_the_same_in_every_run_and_leaves_the_generator_alone(folder, encoded):
    made = []
    for _ in range(2):
        learner = make_learner(folder, TrainOptions(device="cpu", rank=4, dropout=0.5), CPU, 0)[0]
        before = torch.random.get_rng_state()
        made.append([learn(learner, encoded, range(4), n, 1e-2).loss for n in (1, 2, 3)])
        assert torch.equal(before, torch.random.get_rng_state())
        torch.rand(7)
    assert made[0] == made[1]


def test_dora_and_all_weights(folder, tmp_path):
    for method in ("dora", "full"):
        options = TrainOptions(device="cpu", method=method, rank=4, epochs=4, batch=4, learning_rate=5e-3)
        made = finetune(samples_of(8), folder, tmp_path / method, options, progress=False)
        assert made.history[-1]["loss"] < made.history[0]["loss"]
    assert json.loads((tmp_path / "dora" / "adapter_config.json").read_text())["use_dora"] is True
    served = TransformersModel(tmp_path / "full", "full", CPU)
    assert served.generate(samples_of(1)[0].prompt, 4).usage.answer_tokens > 0
    served.close()


def test_gradient_checkpointing_changes_nothing_but_memory(folder, encoded):
    made = []
    for checkpointing in ("off", "on"):
        options = TrainOptions(device="cpu", rank=4, checkpointing=checkpointing)
        learner = make_learner(folder, options, CPU, 0)[0]
        learner.packed = True
        made.append([learn(learner, encoded, range(6), n, 1e-2).loss for n in (1, 2, 3)])
    assert made[0] == pytest.approx(made[1], abs=1e-5)


def test_the_best_moment_is_what_is_kept(folder, tmp_path):
    options = TrainOptions(
        device="cpu", rank=8, epochs=60, batch=4, learning_rate=0.05, eval_every=3, patience=2
    )
    made = finetune(samples_of(8), folder, tmp_path / "a", options, dev=samples_of(6, 1), progress=False)
    looks = [h["dev_loss"] for h in made.history if "dev_loss" in h]
    assert min(looks) == looks[-3] and len(made.history) < 120 + 40
    model = TransformersModel(folder, "tiny", pick_device("cpu"), adapter=str(made.adapter))
    held = preflight(samples_of(6, 1), load_tokenizer(folder), [4], 8_192).samples
    with torch.no_grad():
        served = token_losses(model._model, padded(held, 0)).mean().item()
    model.close()
    assert served == pytest.approx(min(looks), abs=2e-3)  # bfloat16 rounds by layout


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("", "is empty"),
        ('{"prompt": "a", "completion": ""}\n', "completion is empty"),
        ('{"prompt": "a", "completion": "b"}\n{"messages": []}\n', "2"),
    ],
)
def test_bad_data_is_refused_before_a_model_is_loaded(tmp_path, data, told):
    path = tmp_path / "data.jsonl"
    path.write_text(data)
    with pytest.raises(InputError, match=told):
        finetune(path, "no/such-model", tmp_path / "a", progress=False)


def test_a_run_object_takes_up_nothing_where_nothing_is(folder, encoded, tmp_path):
    learner = make_learner(folder, TrainOptions(device="cpu", rank=4, batch=6), CPU, 0)[0]
    run = Run(learner, encoded, (), 2, "m", tmp_path / "none", Watch(2, shown=False))
    take_up(run)
    train(run)
    assert run.done == 2 and not (tmp_path / "none").exists()
    assert [b.computed for b in batches(learner, encoded, [0])] == [len(encoded[0])]
