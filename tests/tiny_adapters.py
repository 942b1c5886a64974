"""Real LoRA adapters of random matrices, and gates with the scores that they might have had."""

from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from liquid_ai.generation.adapter_base import weights_hash
from liquid_ai.training.adapter_files import adapter_hash
from liquid_ai.training.gate import Gate, judge


def made_adapter(base: Path, folder: Path, seed: int = 0, targets=("q_proj", "w1"), **config) -> Path:
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = {"r": 4, "init_lora_weights": False} | config
    get_peft_model(model, LoraConfig(target_modules=list(targets), **config)).save_pretrained(folder)
    return folder


def scored(gain: float = 0.2, loss: float = 0.0, n: int = 80, control: float | None = None) -> tuple:
    "Scores of the task and of the general set, `gain` higher and `loss` lower than before."
    rng = np.random.default_rng(0)
    old, other = rng.uniform(0.3, 0.6, n), rng.uniform(0.4, 0.8, n)
    task = {"before": old, "after": old + rng.normal(gain, 0.1, n)}
    if control is not None:
        task["control"] = old + rng.normal(control, 0.1, n)
    exact = {name: (values > 0.6).astype(float) for name, values in task.items()}
    general = {"before": other, "after": other - loss + rng.normal(0, 0.03, n)}
    return {"f1": task, "exact": exact}, {"f1": general}


def gate_of(folder: Path, base: Path | None = None, before: str = "", **how) -> Gate:
    "The gate of an adapter; without more words it has passed."
    facts = {"adapter": adapter_hash(folder), "before": before, "task": "t" * 16, "general": "g" * 16}
    facts["base"] = weights_hash(base or folder.parent / "tiny-lfm2")
    return judge(*scored(**how), facts=facts)
