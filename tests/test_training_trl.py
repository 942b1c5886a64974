"""The losses of TRL, from the same conversations. It learns what the template writes after an answer, too."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_training_qlora import CPU, samples_of

from liquid_ai.generation.adapters import import_bitsandbytes
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.generation.transformers_model import load_causal, load_tokenizer
from liquid_ai.training.batches import padded, token_losses
from liquid_ai.training.formats import Sample
from liquid_ai.training.preference import dpo_loss, pair_logprobs
from liquid_ai.training.supervise import encode_sample

PLAIN = {"per_device_train_batch_size": 6, "use_cpu": True, "report_to": "none", "bf16": False}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    "A model, another one, and their tokenizer."
    folders = [random_lfm2(tmp_path_factory.mktemp("lfm2"), seed) for seed in (0, 1)]
    return *(load_causal(f, CPU) for f in folders), load_tokenizer(folders[0])


@pytest.fixture(scope="module")
def data():
    import_bitsandbytes()
    return pytest.importorskip("datasets").Dataset


def encoded(sample, tokenizer):
    "As TRL has it: with the line break that follows an answer."
    found = encode_sample(sample, tokenizer, [tokenizer.eos_token_id])
    after = tokenizer("\n", add_special_tokens=False)["input_ids"]
    return replace(found, ids=np.append(found.ids, after).astype(np.int32))


def loss_of(trainer) -> float:
    batch = next(iter(trainer.get_train_dataloader()))
    trainer.model.eval()
    with torch.no_grad():
        return trainer.compute_loss(trainer.model, batch).item()


def test_the_loss_on_completions(models, data, tmp_path):
    from trl import SFTConfig, SFTTrainer

    model, _, tokenizer = models
    samples = samples_of(6)
    rows = data.from_list([{"prompt": list(s.prompt), "completion": [s.messages[-1]]} for s in samples])
    args = SFTConfig(str(tmp_path), gradient_checkpointing=False, **PLAIN)
    theirs = loss_of(SFTTrainer(model, args, train_dataset=rows, processing_class=tokenizer))
    with torch.no_grad():
        ours = token_losses(model, padded([encoded(s, tokenizer) for s in samples], 0)).mean().item()
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_the_loss_on_preferences(models, data, tmp_path):
    from trl import DPOConfig, DPOTrainer

    model, reference, tokenizer = models
    chosen = samples_of(6)
    rejected = [Sample((*a.prompt, b.messages[-1])) for a, b in zip(chosen, samples_of(6, 9), strict=True)]
    rows = [
        {"prompt": list(a.prompt), "chosen": [a.messages[-1]], "rejected": [b.messages[-1]]}
        for a, b in zip(chosen, rejected, strict=True)
    ]
    args = DPOConfig(str(tmp_path), beta=0.3, gradient_checkpointing=False, **PLAIN)
    trainer = DPOTrainer(
        model, reference, args, train_dataset=data.from_list(rows), processing_class=tokenizer
    )
    theirs = loss_of(trainer)
    pairs = [tuple(encoded(s, tokenizer) for s in pair) for pair in zip(chosen, rejected, strict=True)]
    with torch.no_grad():
        policy, before = (pair_logprobs(m, pairs, 0, "cpu") for m in (model, reference))
    assert dpo_loss(policy, before, 0.3).mean().item() == pytest.approx(theirs, abs=1e-4)
    assert theirs != pytest.approx(np.log(2), abs=0.01)
