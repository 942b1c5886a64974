"""Every language model keeps one contract; what must not be loaded is refused."""

import importlib.util
import json
import threading

import pytest

import liquid_ai.generation.models as models
import liquid_ai.generation.packaged as packaged
from liquid_ai.core import Device, Generation, InputError, LanguageModel, ModelError, Settings
from liquid_ai.generation.models import (
    OpenVINOModel,
    TransformersModel,
    choose_model,
    load_model,
    random_lfm2,
)
from liquid_ai.generation.packaged import PACKAGED, packaged_torch_folder, pull_packaged

ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2+2?"}]


@pytest.fixture(scope="session")
def lfm2(tmp_path_factory):
    return random_lfm2(tmp_path_factory.mktemp("models") / "tiny-lfm2")


@pytest.fixture(scope="module", params=["openvino", "torch", "lfm2"])
def model(request, lfm2):
    cpu = Device("cpu", "float32", "a test")
    if request.param == "openvino":
        return OpenVINOModel(pull_packaged(), PACKAGED)
    return TransformersModel(lfm2 if request.param == "lfm2" else packaged_torch_folder(), request.param, cpu)


def test_a_model_keeps_its_contract(model):
    assert isinstance(model, LanguageModel)
    *pieces, last = model.stream(ASK, 12)
    assert all(isinstance(p, str) and p for p in pieces) and isinstance(last, Generation)
    assert "".join(pieces).strip() == last.text.strip()
    assert last.usage.prompt_tokens == model.count(ASK) and 0 < last.usage.answer_tokens <= 12
    assert list(model.stream(ASK, 12))[-1] == last  # greedy: the same again
    with pytest.raises(InputError, match="do not fit"):
        model.stream([{"role": "user", "content": "word " * 9000}], 12)


def test_leaving_a_stream_stops_the_work(model):
    before = threading.active_count()
    stream = model.stream(ASK, 400)
    next(stream)
    stream.close()
    assert threading.active_count() <= before
    assert list(model.stream(ASK, 3))[-1].usage.answer_tokens <= 3  # and the model is free again


def test_threads_do_not_mix(model):
    questions = [[{"role": "user", "content": f"Say {w}."}] for w in ("yes", "no", "maybe")]
    wanted, got = [list(model.stream(q, 8))[-1].text for q in questions], {}

    def ask(n):
        got[n] = list(model.stream(questions[n], 8))[-1].text

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [got[n] for n in range(3)] == wanted


def test_the_packaged_model_says_the_same_on_both_runtimes():
    # an answer that stands in the prompt: elsewhere rounding decides between words, on each CPU differently
    ask = [
        {"role": "user", "content": "Text: The museum opens at nine. Question: When does the museum open?"}
    ]
    slow = TransformersModel(packaged_torch_folder(), PACKAGED, Device("cpu", "float32", "a test"))
    fast = OpenVINOModel(pull_packaged(), PACKAGED)
    assert slow.count(ask) == fast.count(ask)
    assert (
        list(slow.stream(ask, 24))[-1].text
        == list(fast.stream(ask, 24))[-1].text
        == "The museum opens at nine."
    )


def hub_with(tmp_path, monkeypatch, **folders):
    for name, folder in folders.items():
        snapshot = tmp_path / f"models--LiquidAI--{name}" / "snapshots" / "abc"
        snapshot.parent.mkdir(parents=True)
        snapshot.symlink_to(folder, target_is_directory=True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))


def test_auto_takes_a_downloaded_lfm2_that_fits(tmp_path, monkeypatch, lfm2):
    hub_with(tmp_path, monkeypatch)
    assert choose_model(Settings())[0] == PACKAGED and "no LFM2" in choose_model(Settings())[2]
    hub_with(tmp_path, monkeypatch, **{"LFM2-350M": lfm2})
    name, folder, why = choose_model(Settings())
    assert name == "LiquidAI/LFM2-350M" and (folder / "config.json").exists() and "largest LFM2" in why
    monkeypatch.setattr(models, "free_memory", lambda device: 1_000)
    name, folder, why = choose_model(Settings())
    assert name == PACKAGED and "fits" in why


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda f: (f / "model.safetensors").unlink(), "weights are missing"),
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "cannot be read"),
        (
            lambda f: (f / "config.json").write_text('{"model_type": "bert_x", "auto_map": {}}'),
            "no causal language model",
        ),
        (lambda f: (f / "model.safetensors").write_bytes(b"\0" * 100), "cannot be loaded"),
        (lambda f: (f / "chat_template.jinja").unlink(), "chat template"),
    ],
)
def test_a_bad_model_folder_is_refused(tmp_path, spoil, reason):
    folder = random_lfm2(tmp_path / "model")
    spoil(folder)
    with pytest.raises(ModelError, match=reason):
        TransformersModel(folder, "bad", Device("cpu", "float32", "a test"))


def test_a_pickled_model_is_refused(tmp_path):
    folder = random_lfm2(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled"):
        load_model(Settings(generator=str(folder)))


def test_an_unknown_model_says_how_to_get_it():
    with pytest.raises(ModelError, match="liquid-ai models pull no/such"):
        load_model(Settings(generator="no/such"))
    with pytest.raises(InputError, match="runtime 'tpu'"):
        load_model(Settings(generator="packaged", runtime="tpu"))


def test_a_wheel_with_another_file_in_it_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("LIQUID_AI_CACHE", str(tmp_path))
    monkeypatch.setattr(packaged, "_GGUF_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        pull_packaged()
    assert not any(tmp_path.rglob("*.gguf"))


def test_without_openvino_torch_takes_over(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if "openvino" in name else find(name, *a)
    )
    models._load_model.cache_clear()
    model = load_model(Settings(generator="packaged", device="cpu"))
    models._load_model.cache_clear()
    assert isinstance(model, TransformersModel) and "SmolLM2" in model.name


def test_the_manifest_names_what_is_there():
    manifest = json.loads((pull_packaged() / "manifest.json").read_text())
    assert set(manifest) == {"model.gguf"}
