"""An adapter in its base: merged without loss, whole or not at all, and served as it was trained."""

import errno
import json
import shutil

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_contract import OTHERS
from safetensors.torch import load_file, save_file

from liquid_ai.core import Device, InputError, ModelError
from liquid_ai.generation.adapter_base import BASE, record_base, weights_hash
from liquid_ai.generation.adapters import import_bitsandbytes
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.generation.packaged import packaged_torch_folder
from liquid_ai.generation.transformers_model import TransformersModel, load_causal, load_tokenizer
from liquid_ai.indexing.assets import folder_is_whole, quiet_transformers
from liquid_ai.training import export
from liquid_ai.training.export import fits, merge, merged_model
from liquid_ai.training.formats import Sample
from liquid_ai.training.four_bit import load_base
from liquid_ai.training.options import TrainOptions
from liquid_ai.training.parity import parity
from liquid_ai.training.qlora import finetune
from liquid_ai.training.sweep import likelihoods

import_bitsandbytes()
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402

WIDE, HALF = Device("cpu", "float32", "a test"), Device("cpu", "bfloat16", "a test")
IDS = torch.tensor([[1, 3, 80, 90, 100, 33, 41, 52, 4], [1, 3, 60, 41, 90, 80, 35, 36, 4]])
WEIGHTS = "adapter_model.safetensors"
QUESTIONS = [
    "What does the with statement do?", "Name three planets.", "What is 7 times 8?",
    "Say hello in French.", "Why is the sky blue?", "What is a list in Python?",
    "Who wrote Hamlet?", "How many days has a year?", "What is water made of?",
    "Give me a word that rhymes with cat.", "What does a heron eat?", "Is ice cold?",
    "What is the capital of Italy?", "Explain recursion in a sentence.", "What is iron used for?",
    "Count to five.", "What colour is grass?", "What is an adapter?",
    "Translate cheese to Spanish.", "What is the opposite of up?",
]  # fmt: skip


def adapter_of(base, home, name, quantization="none", size=0.05, targets="all-linear", **more):
    "A random adapter in a folder, with its base written beside it."
    model = load_base(base, HALF, quantization)
    torch.manual_seed(len(name))
    with quiet_transformers():
        tuned = get_peft_model(model, LoraConfig(r=4, target_modules=targets, **more))
        for key, weight in tuned.named_parameters():
            if "lora_" in key and "magnitude" not in key:
                weight.data = torch.randn(weight.shape) * size
            elif "magnitude" in key:
                weight.data = weight.data * (1 + 0.1 * torch.rand(weight.shape))
        tuned.save_pretrained(home / name)
    record_base(home / name, base, quantization)
    return home / name


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("export")
    tiny = random_lfm2(home / "tiny")
    with quiet_transformers():
        load_causal(tiny, HALF).save_pretrained(tiny)  # published weights are in bfloat16
    adapter_of(tiny, home, "lora")
    adapter_of(tiny, home, "dora", use_dora=True)
    adapter_of(tiny, home, "four", "nf4")
    return home


@torch.inference_mode()
def logits(model, ids=IDS):
    return model.eval()(ids).logits.float()


def with_peft(base, adapter, device=WIDE, quantization="none"):
    with quiet_transformers():
        return PeftModel.from_pretrained(load_causal(base, device, quantization), adapter)


@pytest.mark.parametrize("name", ["lora", "dora"])
def test_a_merged_model_is_the_adapter_and_its_base(home, tmp_path, name):
    made = merge(home / "tiny", home / name, tmp_path / "merged")
    wanted = logits(with_peft(home / "tiny", home / name))
    alone = logits(load_causal(home / "tiny", WIDE))
    assert (logits(load_causal(made, WIDE)) - wanted).abs().max() < 1e-4 < (alone - wanted).abs().max()
    assert folder_is_whole(made) and not (made / BASE).exists()
    for file in ("chat_template.jinja", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (made / file).read_bytes() == (home / "tiny" / file).read_bytes()
    served, own = (TransformersModel(f, "m", WIDE, adapter=a) for f, a in
                   ((made, ""), (home / "tiny", str(home / name))))  # fmt: skip
    assert [served.generate(m, 16).text for m in OTHERS] == [own.generate(m, 16).text for m in OTHERS]


def test_half_precision_rounds_once_and_halves_the_file(home, tmp_path):
    exact = merge(home / "tiny", home / "lora", tmp_path / "exact")
    half = merge(home / "tiny", home / "lora", tmp_path / "half", dtype="bfloat16")
    some, others = load_file(exact / "model.safetensors"), load_file(half / "model.safetensors")
    assert some.keys() == others.keys()
    assert all(torch.equal(some[k].bfloat16(), others[k]) for k in some)


@pytest.mark.parametrize("seed", [0, 1])
def test_what_was_learnt_beside_four_bits_is_kept_by_our_merge_and_lost_in_four_bits(home, tmp_path, seed):
    tiny = home / "tiny"
    torch.manual_seed(seed)
    ids = torch.randint(5, 200, (4, 24))
    model = load_base(tiny, HALF, "nf4")
    with quiet_transformers():
        tuned = get_peft_model(model, LoraConfig(r=4, lora_alpha=4, target_modules="all-linear"))
    steps = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=2e-3)
    for _ in range(15):
        tuned(ids, labels=ids).loss.backward()
        steps.step()
        steps.zero_grad()
    tuned.save_pretrained(tmp_path / "own")
    record_base(tmp_path / "own", tiny, "nf4")

    @torch.inference_mode()
    def loss(model):
        return model.eval()(ids, labels=ids).loss.item()

    base, learnt = loss(load_base(tiny, HALF, "nf4")), loss(tuned)
    with quiet_transformers():
        four = loss(with_peft(tiny, tmp_path / "own", HALF, "nf4").merge_and_unload())
    ours = loss(load_causal(merge(tiny, tmp_path / "own", tmp_path / "merged"), WIDE))
    assert base - learnt > 1  # it did learn
    assert abs(ours - learnt) < 0.02 * (base - learnt) and four - learnt > 0.5 * (base - learnt)


def test_a_base_of_four_bits_is_merged_with_the_weights_it_had(home):
    four = logits(with_peft(home / "tiny", home / "four", HALF, "nf4"))
    merged, whole = (
        logits(merged_model(home / "tiny", home / "four")),
        logits(with_peft(home / "tiny", home / "four")),
    )
    assert (merged - four).abs().mean() < 0.2 * (whole - four).abs().mean()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rank=st.integers(1, 6),
    alpha=st.sampled_from([1, 8, 64]),
    stabilised=st.booleans(),
    kinds=st.sets(st.sampled_from(["q_proj", "in_proj", "out_proj", "w1", "w2"]), min_size=1),
)
def test_every_scale_and_choice_of_layers_is_merged(home, tmp_path_factory, rank, alpha, stabilised, kinds):
    folder = tmp_path_factory.mktemp("any")
    with quiet_transformers():
        base = load_causal(home / "tiny", WIDE)
        more = {"lora_alpha": alpha, "use_rslora": stabilised, "init_lora_weights": False}
        get_peft_model(base, LoraConfig(r=rank, target_modules=sorted(kinds), **more)).save_pretrained(folder)
    wanted = logits(with_peft(home / "tiny", folder))
    assert torch.allclose(logits(merged_model(home / "tiny", folder)), wanted, atol=1e-3, rtol=1e-3)


# what does not fit


def changed(folder, tmp_path, **facts):
    copy = shutil.copytree(folder, tmp_path / "changed")
    told = json.loads((copy / "adapter_config.json").read_text())
    (copy / "adapter_config.json").write_text(json.dumps(told | facts))
    return copy


def nothing_left(folder):
    return not folder.exists() and not list(folder.parent.glob(f"{folder.name}.*"))


def test_another_base_of_the_same_shape_is_refused_before_anything_is_written(home, tmp_path):
    other = random_lfm2(tmp_path / "other", seed=1)
    with pytest.raises(ModelError, match=f"trained on weights {weights_hash(home / 'tiny')}"):
        merge(other, home / "lora", tmp_path / "out")
    with pytest.raises(ModelError, match="use the base that it was trained on"):
        TransformersModel(other, "other", WIDE, adapter=str(home / "lora"))
    served = TransformersModel(other, "other", WIDE)
    with pytest.raises(ModelError, match="use the base that it was trained on"):
        served.attach("lora", home / "lora")
    assert nothing_left(tmp_path / "out")
    without = shutil.copytree(home / "lora", tmp_path / "from elsewhere")
    (without / BASE).unlink()
    served.attach("lora", without)  # nothing is known but the shapes


def test_an_adapter_of_another_shape_is_refused_without_loading_a_model(home, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "load_causal", lambda *a: pytest.fail("a model was loaded"))
    bad = shutil.copytree(home / "lora", tmp_path / "bad")
    weights = load_file(bad / WEIGHTS)
    key = next(k for k in weights if "lora_A" in k)
    save_file(weights | {key: torch.zeros(4, 999)}, bad / WEIGHTS)
    with pytest.raises(ModelError, match="999"):
        merge(home / "tiny", bad, tmp_path / "out")
    short = shutil.copytree(home / "dora", tmp_path / "short")
    weights = load_file(short / WEIGHTS)
    weights.pop(next(k for k in weights if "magnitude" in k))
    save_file(weights, short / WEIGHTS)
    with pytest.raises(ModelError, match="is not whole"):
        merge(home / "tiny", short, tmp_path / "out")
    (bad / BASE).write_text('{"weight": 1}')
    with pytest.raises(ModelError):
        fits(home / "tiny", bad)
    assert nothing_left(tmp_path / "out")


def test_matrices_that_are_not_finite_are_refused(home, tmp_path):
    bad = shutil.copytree(home / "lora", tmp_path / "bad")
    weights = load_file(bad / WEIGHTS)
    save_file({k: torch.full_like(v, torch.nan) for k, v in weights.items()}, bad / WEIGHTS)
    with pytest.raises(ModelError, match="cannot be merged"):
        merge(home / "tiny", bad, tmp_path / "out")
    assert nothing_left(tmp_path / "out")


def test_a_full_disk_is_told_before_and_leaves_nothing_when_it_comes_in_between(home, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(export.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
        patch.setattr(export, "merged_model", lambda *a: pytest.fail("a model was merged"))
        with pytest.raises(ModelError, match="make room"):
            merge(home / "tiny", home / "lora", out)
    merge(home / "tiny", home / "lora", out)
    before = {p.name: p.read_bytes() for p in out.iterdir()}

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export.shutil, "copyfile", full)
    for folder in (out, tmp_path / "new"):
        with pytest.raises(ModelError, match="No space left on device"):
            merge(home / "tiny", home / "dora", folder)
    assert nothing_left(tmp_path / "new")
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before  # the old one is still there, whole


@pytest.mark.parametrize("inside", ["letter.txt", "model.safetensors"])
def test_a_folder_of_somebody_else_is_left_alone(home, tmp_path, inside):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / inside).write_text("x")
    with pytest.raises(InputError, match="not ours to replace"):
        merge(home / "tiny", home / "lora", tmp_path / "mine")
    for folder in ("tiny", "lora"):
        with pytest.raises(InputError, match="give another folder"):
            merge(home / "tiny", home / "lora", home / folder)
    with pytest.raises(InputError, match="dtype 'int8'"):
        merge(home / "tiny", home / "lora", tmp_path / "new", dtype="int8")
    assert (tmp_path / "mine" / inside).read_text() == "x"


# parity


@pytest.mark.parametrize("name, quantization", [("lora", "none"), ("dora", "none"), ("four", "nf4")])
@pytest.mark.parametrize("device", [WIDE, HALF], ids=lambda d: d.dtype)
def test_served_is_trained(home, tmp_path, name, quantization, device):
    merged = merge(home / "tiny", home / name, tmp_path / "merged") if quantization == "none" else None
    asked = QUESTIONS if name == "lora" else QUESTIONS[::4]
    how = {"device": device, "quantization": quantization, "max_tokens": 8}
    found = parity(home / "tiny", home / name, asked, merged, **how)
    assert found.served == found.floor == 0.0 < found.rounding < found.adapter
    assert set(found.same_text.values()) == {len(asked)} and found.holds
    assert "parity holds" in found._repr_html_()


def test_parity_sees_what_is_lost(home, tmp_path):
    found = parity(home / "tiny", home / "lora", QUESTIONS[:3], home / "tiny", device=WIDE, max_tokens=8)
    assert not found.holds and found.merged > found.rounding  # the base itself is no merged model
    assert "does not hold" in found._repr_html_()
    with pytest.raises(InputError, match="no prompts"):
        parity(home / "tiny", home / "lora", [])


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"use_dora": True}], ids=["lora", "dora"])
def test_the_packaged_model_says_the_same_merged_and_served(tmp_path, more):
    base = packaged_torch_folder()
    adapter = adapter_of(base, tmp_path, "own", size=0.02, **more)
    merged = merge(base, adapter, tmp_path / "merged")
    found = parity(base, adapter, QUESTIONS, merged, device=HALF, max_tokens=8)
    assert found.holds and found.served == 0.0 and found.same_text == {"served": 20, "merged": 20}


# tracked


def test_mlflow_loses_an_adapter_that_is_logged_as_a_model_and_keeps_it_as_files(home, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'runs.db'}")
    tuned = with_peft(home / "tiny", home / "lora")
    wanted, alone = logits(tuned), logits(load_causal(home / "tiny", WIDE))
    parts = {"model": tuned, "tokenizer": load_tokenizer(home / "tiny")}
    how = {"task": "text-generation", "pip_requirements": ["torch"]}
    try:
        made = mlflow.create_experiment("adapters", (tmp_path / "files").as_uri())
        with mlflow.start_run(experiment_id=made) as run, quiet_transformers():
            mlflow.log_artifacts(str(home / "lora"), "adapter")
            kept = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="adapter")
            logged = mlflow.transformers.log_model(parts, name="model", **how)
            lost = mlflow.transformers.load_model(logged.model_uri, return_type="components")["model"]
    finally:
        mlflow.set_tracking_uri(None)
    assert (logits(lost) - wanted).abs().max() > (alone - wanted).abs().max()  # not even the base is left
    assert torch.equal(logits(with_peft(home / "tiny", kept)), wanted)
    assert fits(home / "tiny", kept).weights == weights_hash(home / "tiny")


# what `finetune` makes


@pytest.mark.parametrize("four_bit, wanted", [("on", "nf4"), ("off", "none")])
def test_what_finetune_writes_says_what_it_was_trained_on(home, tmp_path, four_bit, wanted):
    samples = [Sample.of(f"Is {n} a number?", "Yes, it is.") for n in range(8)]
    options = TrainOptions(device="cpu", rank=4, epochs=4, batch=8, learning_rate=5e-3, four_bit=four_bit)
    trained = finetune(samples, home / "tiny", tmp_path / "own", options, progress=False)
    assert fits(home / "tiny", trained.adapter).quantization == wanted
    merged = merge(home / "tiny", trained.adapter, tmp_path / "merged")
    apart = likelihoods(home / "tiny", trained.adapter, samples, "cpu")
    whole, alone = (likelihoods(f, None, samples, "cpu") for f in (merged, home / "tiny"))
    gained = sum(apart) - sum(alone)
    assert gained > 0.5 and abs(sum(whole) - sum(apart)) < 0.1 * gained
    other = random_lfm2(tmp_path / "other", seed=1)
    with pytest.raises(ModelError, match="was trained on"):
        merge(other, trained.adapter, tmp_path / "wrong")
    assert nothing_left(tmp_path / "wrong")
