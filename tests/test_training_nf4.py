"""Training in 4 bits: each corruption that passes without an error happens here once, beside its cure."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from liquid_ai.core import Device, InputError, ModelError
from liquid_ai.generation.adapters import import_bitsandbytes
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.generation.transformers_model import TransformersModel, load_causal
from liquid_ai.indexing.assets import quiet_transformers
from liquid_ai.training.four_bit import check_four_bit, four_bit_layers, load_base

pytestmark = pytest.mark.skipif(not import_bitsandbytes(), reason="bitsandbytes is not installed")
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training  # noqa: E402

CPU = Device("cpu", "bfloat16", "a test")
DEVICES = [CPU, *([Device("cuda", "bfloat16", "a test")] if torch.cuda.is_available() else [])]
IDS = torch.tensor([[1, 3, 80, 90, 100, 33, 41, 52, 4], [1, 3, 60, 41, 90, 80, 35, 36, 4]])
ALL = ["q_proj", "k_proj", "v_proj", "in_proj", "out_proj", "w1", "w2", "w3"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    "A random LFM2 in bfloat16, as models are published."
    folder = random_lfm2(tmp_path_factory.mktemp("nf4") / "tiny-lfm2")
    with quiet_transformers():
        load_causal(folder, CPU).save_pretrained(folder)
    return folder


def tuned(base, dora=False, seed=0):
    "With an adapter that says something; the same numbers for the same seed."
    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=ALL, use_dora=dora)
    with quiet_transformers():
        model = get_peft_model(base, config)
    torch.manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            weight.data = torch.randn(weight.shape).mul_(0.1).to(weight.device)
        if "magnitude" in name:
            weight.data = weight.data * (1 + 0.1 * torch.rand(weight.shape)).to(weight.device)
    return model


@torch.inference_mode()
def logits(model, ids=IDS):
    return model.eval()(ids.to(model.device)).logits.float().cpu()


def gradients(model):
    "Of the adapter, for one batch."
    model.train()
    ids = IDS.to(model.device)
    model(ids, labels=ids).loss.backward()
    found = torch.cat([p.grad.flatten().float().cpu() for p in model.parameters() if p.grad is not None])
    model.zero_grad()
    return found


def unrepaired(folder):
    "As transformers loads it, where the CPU has what bitsandbytes repacks for."
    base = load_base(folder, CPU, "nf4")
    for layer in four_bit_layers(base).values():
        layer.support_avx512bf16_for_cpu = True
    return base


def has_bf16():
    from bitsandbytes.functional import has_avx512bf16

    return has_avx512bf16()


@pytest.mark.skipif(not has_bf16(), reason="bitsandbytes repacks only where the CPU has AVX-512 BF16")
def test_an_evaluation_repacks_the_weights_and_spoils_the_gradients(tiny):
    sound = gradients(tuned(load_base(tiny, CPU, "nf4")))
    spoilt = tuned(unrepaired(tiny))
    logits(spoilt)
    wrong = gradients(spoilt)
    assert cosine_similarity(wrong, sound, 0) < 0.7 and wrong.isfinite().all()
    with pytest.raises(ModelError, match="is repacked for a CPU"):
        check_four_bit(spoilt)


@pytest.mark.parametrize("device", DEVICES, ids=lambda d: d.name)
def test_an_evaluation_leaves_the_gradients_of_a_loaded_base_alone(tiny, device):
    model = tuned(load_base(tiny, device, "nf4"))
    before = gradients(model)
    logits(model)
    assert torch.equal(gradients(model), before)
    check_four_bit(model)


def test_a_base_that_would_be_repacked_is_found_before(tiny):
    with pytest.raises(ModelError, match="would be repacked by the first evaluation"):
        check_four_bit(unrepaired(tiny))


def test_gradients_in_four_bits_are_those_of_the_same_numbers_in_float32(tiny):
    "bfloat16 norms and embeddings cost no more than bfloat16 products do."
    wide = load_base(tiny, Device("cpu", "float32", "a test"), "nf4")
    exact = gradients(tuned(wide))
    plain = gradients(tuned(load_base(tiny, CPU, "nf4")))
    with quiet_transformers():
        cast = prepare_model_for_kbit_training(load_base(tiny, CPU, "nf4"), use_gradient_checkpointing=False)
    prepared = gradients(tuned(cast))
    assert cosine_similarity(plain, exact, 0) > 0.99 and cosine_similarity(prepared, exact, 0) > 0.99


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_checkpointing_changes_no_gradient(tiny, quantization):
    plain = gradients(tuned(load_base(tiny, CPU, quantization)))
    saved = load_base(tiny, CPU, quantization, checkpointing=True)
    assert saved.is_gradient_checkpointing and torch.equal(gradients(tuned(saved)), plain)


def test_other_formats_around_the_four_bits_are_why_logits_differ(tiny):
    "What `prepare_model_for_kbit_training` does is exactly this: everything else in float32."
    model = tuned(load_base(tiny, CPU, "nf4"))
    with quiet_transformers():
        prepared = prepare_model_for_kbit_training(
            load_base(tiny, CPU, "nf4"), use_gradient_checkpointing=False
        )
    wide = load_base(tiny, Device("cpu", "float32", "a test"), "nf4")
    for layer in four_bit_layers(wide).values():
        layer.compute_dtype = torch.bfloat16
    prepared, wide = logits(tuned(prepared)), logits(tuned(wide))
    assert torch.equal(prepared, wide)
    assert (logits(model) - prepared).abs().max() > 1e-3


@pytest.mark.parametrize("device", DEVICES, ids=lambda d: d.name)
@pytest.mark.parametrize("quantization", ["none", "nf4"])
@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
def test_served_logits_are_the_trained_ones(tiny, tmp_path, quantization, dora, device):
    model = tuned(load_base(tiny, device, quantization), dora)
    trained = logits(model)
    with quiet_transformers():
        model.save_pretrained(tmp_path / "own")
        again = PeftModel.from_pretrained(load_base(tiny, device, quantization), tmp_path / "own")
        other = tuned(load_base(tiny, device, quantization), seed=1)
        other.save_pretrained(tmp_path / "other")
    assert torch.equal(logits(again), trained)
    served = TransformersModel(tiny, "tiny", device, quantization=quantization, adapter=str(tmp_path / "own"))
    assert torch.equal(logits(served._model), trained)
    served.attach("other", tmp_path / "other")
    assert torch.equal(logits(served._model), trained)  # the one in use is left alone
    served.use("other")
    assert torch.equal(logits(served._model), logits(other))
    served.use(None)
    served.detach("other")
    served.use("own")
    assert torch.equal(logits(served._model), trained)
    served.use(None)
    assert torch.equal(logits(served._model), logits(load_causal(tiny, device, quantization)))


def test_training_and_serving_quantise_alike(tiny):
    trained, served = load_base(tiny, CPU, "nf4"), load_causal(tiny, CPU, "nf4")
    assert torch.equal(logits(trained), logits(served))
    states = [m.weight.quant_state for m in four_bit_layers(trained).values()]
    assert states and all(s.nested and s.quant_type == "nf4" for s in states)  # double quantisation
    assert {p.dtype for p in trained.parameters()} == {torch.bfloat16, torch.uint8}


def test_what_cannot_be_trained_is_refused(tiny, tmp_path):
    for quantization in ("int8", "nf3", ""):
        with pytest.raises(InputError, match="none or nf4"):
            load_base(tiny, CPU, quantization)
    with pytest.raises(InputError, match="train an adapter"):
        load_base(tiny, CPU, "nf4", frozen=False)
    with pytest.raises(ModelError, match="there is no folder"):
        load_base(tmp_path / "nowhere", CPU)


def test_a_base_is_frozen_or_wholly_trained(tiny):
    assert not any(p.requires_grad for p in load_base(tiny, CPU).parameters())
    whole = load_base(tiny, CPU, frozen=False)
    assert all(p.requires_grad for p in whole.parameters()) and whole.training
    loss = whole(IDS, labels=IDS).loss
    assert math.isfinite(loss.item())


def test_float16_is_not_trained_in(tiny, monkeypatch):
    half = Device("cpu", "float16", "a GPU without bfloat16")
    assert {p.dtype for p in load_base(tiny, half).parameters()} == {torch.float32}
