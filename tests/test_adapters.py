"""LoRA adapters: attached whole or refused, swapped between generations, part of the fingerprint."""

import json
import os
import shutil
import subprocess
import sys
import threading
import warnings

import pytest
import torch
from conftest import ROOT
from model_contract import ASK, OTHERS
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from liquid_ai import RAG, Document
from liquid_ai.core import Device, InputError, ModelError, Settings
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.generation.models import load_model, model_fingerprint, writer_fingerprint
from liquid_ai.generation.transformers_model import TransformersModel

CPU = Device("cpu", "float32", "a test")
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("adapters")
    tiny = random_lfm2(home / "tiny-lfm2")
    for seed, (name, targets) in enumerate(
        [("law", ["q_proj", "out_proj", "w1"]), ("tax", ["in_proj", "w2"])]
    ):
        torch.manual_seed(seed)
        base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
        config = LoraConfig(r=4, target_modules=targets, init_lora_weights=False)
        get_peft_model(base, config).save_pretrained(home / name)
    return home


@pytest.fixture
def model(folders):
    return TransformersModel(folders / "tiny-lfm2", "tiny-lfm2", CPU)


def test_adapters_are_swapped_by_name(folders, model):
    said, prints = {None: model.generate(ASK, 12)}, {None: model.fingerprint}
    for name in ("law", "tax"):
        model.attach(name, folders / name)
        assert model.adapter is None and model.generate(ASK, 12) == said[None]
    for name in ("law", "tax"):
        model.use(name)
        said[name], prints[name] = model.generate(ASK, 12), model.fingerprint
    assert len({g.text for g in said.values()}) == len(set(prints.values())) == 3
    for name in ("law", None, "tax", "law", None):
        model.use(name)
        assert (model.generate(ASK, 12), model.fingerprint) == (said[name], prints[name])
        assert model.batch([ASK], 12) == [said[name]]
    model.use("law")
    model.detach("tax")
    assert model.generate(ASK, 12) == said["law"]
    with pytest.raises(InputError, match="in use"):
        model.detach("law")
    with pytest.raises(InputError, match="there are .'law'."):
        model.use("tax")
    model.use(None)
    model.detach("law")
    assert model.generate(ASK, 12) == said[None] and model.fingerprint == prints[None]
    model.attach("law", folders / "tax")  # the name is free again
    model.use("law")
    assert (model.generate(ASK, 12), model.fingerprint) == (said["tax"], prints["tax"])


def test_a_generation_names_the_adapter_that_wrote_it(folders, model):
    model.attach("law", folders / "law")
    prints = {None: model.fingerprint}
    model.use("law")
    prints["law"] = model.fingerprint
    for name, wanted in prints.items():
        model.use(name)
        stream = model.stream(ASK, 12)
        next(stream)  # the generation is under way, or over
        whole, rows = model.generate(ASK, 8), model.batch(OTHERS, 8)
        model.use(None)
        assert [g.fingerprint for g in (list(stream)[-1], whole, *rows)] == [wanted] * (2 + len(rows))


def test_an_answer_names_the_adapter_that_wrote_it(folders, tmp_path, monkeypatch):
    real = TransformersModel.stream

    def swapped(self, *args):
        self.use("law")  # as another thread may, between the key of a kept answer and the generation
        yield from real(self, *args)
        self.use(None)

    chosen = Settings(generator=str(folders / "tiny-lfm2"), device="cpu", answer_tokens=8)
    with RAG.open(tmp_path / "store", chosen) as rag:
        rag.ingest([Document.of("Grey herons eat fish, frogs and small mammals.", "birds")], progress=False)
        rag.model.attach("law", folders / "law")
        with monkeypatch.context() as patch:
            patch.setattr(TransformersModel, "stream", swapped)
            other = rag.ask("What do grey herons eat?")
        after = rag.ask("What do grey herons eat?")
        assert other.versions["weights"] != after.versions["weights"] == rag.model.fingerprint
        assert after.cache.kind == "miss"
        rag.model.detach("law")


def test_what_peft_itself_says_is_said(folders, model):
    from peft import PeftModel

    base = AutoModelForCausalLM.from_pretrained(folders / "tiny-lfm2", dtype=torch.float32)
    wanted = PeftModel.from_pretrained(base, folders / "law").eval()
    model.attach("law", folders / "law")
    model.use("law")
    ids = torch.tensor([[5, 80, 90, 100]])
    with torch.inference_mode():
        assert torch.allclose(model._model(ids).logits, wanted(ids).logits, atol=1e-5)


def test_a_swap_waits_for_the_answer_under_way(folders, model):
    model.attach("law", folders / "law")
    said = {name: [] for name in (None, "law")}
    for name in said:
        model.use(name)
        said[name] = [model.generate(ask, 10).text for ask in OTHERS]
    got, done = [], threading.Event()

    def ask(n):
        got.extend((n, model.generate(OTHERS[n], 10).text) for _ in range(12))

    def swap():
        while not done.is_set():
            model.use("law")
            model.use(None)

    swapper, threads = (
        threading.Thread(target=swap),
        [threading.Thread(target=ask, args=(n,)) for n in (0, 1)],
    )
    for t in (swapper, *threads):
        t.start()
    for t in threads:
        t.join()
    done.set()
    swapper.join()
    assert len(got) == 24 and all(text in (said[None][n], said["law"][n]) for n, text in got)


def renamed(old, new):
    def spoil(folder):
        weights = load_file(folder / WEIGHTS)
        save_file({k.replace(old, new): v.contiguous() for k, v in weights.items()}, folder / WEIGHTS)

    return spoil


def changed(**facts):
    def spoil(folder):
        config = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps(config | facts))

    return spoil


def halved(folder):
    weights = load_file(folder / WEIGHTS)
    weights.pop(next(k for k in weights if "lora_B" in k))
    save_file(weights, folder / WEIGHTS)


def wider(folder):
    weights = load_file(folder / WEIGHTS)
    key = next(k for k in weights if "lora_A" in k)
    save_file(weights | {key: torch.zeros(4, 999)}, folder / WEIGHTS)


@pytest.mark.parametrize(
    "spoil, told",
    [
        (renamed("out_proj", "o_proj"), "o_proj is no linear layer"),
        (renamed("layers.1", "layers.99"), "layers.99"),
        (renamed("lora_A", "lora_embedding_A"), "no LoRA matrix"),
        (halved, "not whole"),
        (wider, "999"),
        (changed(target_modules=["q_proj", "out_proj", "w1", "w3"]), "does not load whole"),
        (changed(target_modules=["q_proj"]), "does not load whole"),
        (changed(peft_type="LOHA"), "no LoRA adapter"),
        (changed(modules_to_save=["lm_head"]), "modules_to_save"),
        (changed(init_lora_weights="pissa"), "init_lora_weights"),
        (changed(use_dora=True), "lora_magnitude_vector"),
        (lambda f: (f / WEIGHTS).write_bytes(b"\0" * 50), "cannot be read"),
        (lambda f: (f / WEIGHTS).rename(f / "adapter_model.bin"), "pickled"),
        (lambda f: (f / WEIGHTS).unlink(), "no adapter_model.safetensors"),
        (lambda f: (f / "adapter_config.json").unlink(), "no adapter_config.json"),
        (lambda f: (f / "adapter_config.json").write_text("{"), "cannot be read"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_whole(folders, model, tmp_path, spoil, told):
    folder = shutil.copytree(folders / "law", tmp_path / "bad")
    spoil(folder)
    before, mark = model.generate(ASK, 8), model.fingerprint
    with pytest.raises(ModelError, match=told):
        model.attach("bad", folder)
    assert model.generate(ASK, 8) == before and model.fingerprint == mark
    model.attach("bad", folders / "law")  # and nothing is left behind under its name
    model.use("bad")
    assert model.generate(ASK, 8) != before


def test_an_adapter_from_the_settings(folders, tmp_path):
    law = shutil.copytree(folders / "law", tmp_path / "law-1.0")
    plain = Settings(generator=str(folders / "tiny-lfm2"), device="cpu")
    settings = Settings(generator=plain.generator, device="cpu", adapter=str(law))
    named = model_fingerprint(settings)
    model = load_model(settings)
    assert model.adapter == "law-1-0" and model.fingerprint == named != model_fingerprint(plain)
    shutil.copy(folders / "tax" / WEIGHTS, law)
    shutil.copy(folders / "tax" / "adapter_config.json", law)
    assert model_fingerprint(settings) != named
    assert load_model(settings).fingerprint == model_fingerprint(settings)
    with pytest.raises(ModelError, match="no adapter_config.json"):
        load_model(Settings(generator=plain.generator, device="cpu", adapter=str(tmp_path)))


def test_new_files_do_not_take_adapters_attached_by_hand(folders, tmp_path):
    settings = Settings(generator=str(random_lfm2(tmp_path / "model")), device="cpu")
    model = load_model(settings)
    model.attach("law", folders / "law")
    model.use("law")
    mark = model.fingerprint
    random_lfm2(tmp_path / "model", seed=1)
    assert writer_fingerprint(settings) == mark
    with pytest.warns(RuntimeWarning, match="law.*: close it, or detach"):
        assert load_model(settings) is model and model.adapter == "law"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it says so once
        assert load_model(settings) is model and writer_fingerprint(settings) == mark
    model.use(None)
    model.detach("law")
    assert writer_fingerprint(settings) == model_fingerprint(settings) == load_model(settings).fingerprint
    assert load_model(settings) is not model


def test_an_adapter_on_four_bits(folders):
    model = TransformersModel(folders / "tiny-lfm2", "tiny", CPU, quantization="nf4")
    before = model.generate(ASK, 12)
    model.attach("law", folders / "law")
    model.use("law")
    assert model.generate(ASK, 12).text != before.text
    model.use(None)
    assert model.generate(ASK, 12) == before


def test_without_peft_there_are_no_adapters(folders, model, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install peft"):
        model.attach("law", folders / "law")


def test_bitsandbytes_fetches_nothing_while_it_is_imported(tmp_path):
    (tmp_path / "kernels.py").write_text("def get_kernel(*a, **k): raise SystemExit('fetched')\n")
    code = (
        "import sys; from liquid_ai.generation.adapters import import_bitsandbytes; import_bitsandbytes()\n"
    )
    code += "assert 'bitsandbytes' in sys.modules and 'kernels' not in sys.modules; import kernels"
    path = os.pathsep.join([str(tmp_path), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr
