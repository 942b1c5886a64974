"""One recipe of training: `python -m benchmarks.training_recipes NAME DATA MODEL WEIGHTS`."""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoTokenizer, Trainer, TrainerCallback, TrainingArguments

from liquid_ai.core import pick_device
from liquid_ai.generation.adapters import import_bitsandbytes
from liquid_ai.training.formats import read_samples
from liquid_ai.training.four_bit import load_base
from liquid_ai.training.options import TrainOptions
from liquid_ai.training.qlora import finetune
from liquid_ai.training.targets import find_targets

BATCH, LONG, RANK = 8, 2_048, 16  # samples of a step; tokens that the reference pads to
FIT = {"per_device_train_batch_size": BATCH, "max_steps": 0, "save_strategy": "no", "report_to": "none"}
FIT |= {"logging_strategy": "no", "disable_tqdm": True, "learning_rate": 2e-4, "dataloader_pin_memory": False}


class Times(TrainerCallback):
    "When each step was over."

    def __init__(self):
        self.at: list[float] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.at or self.at.append(time.perf_counter())

    def on_step_end(self, *_: Any, **__: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.at.append(time.perf_counter())


def lora(model: Any) -> LoraConfig:
    "The same adapter for all recipes: on every linear layer."
    names = list(find_targets(model).names)
    return LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=names, task_type="CAUSAL_LM")


def reference(samples: list, folder: Path, out: str, four_bit: bool) -> list[float]:  # seconds by step
    "Everything padded to 2,048, the loss on everything, no chat template."
    device = pick_device()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = load_base(folder, device, "nf4" if four_bit else "none")
    model = get_peft_model(model, lora(model))
    texts = [f"### Instruction:\n{s.prompt[-1]['content']}\n\n### Response:\n{s.completion}" for s in samples]
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    told = tokenizer(texts, padding="max_length", max_length=LONG, truncation=True)
    data = Dataset.from_dict(dict(told) | {"labels": told["input_ids"]})
    rows = 2 if device.name == "cpu" else BATCH  # eight at once take more than 23 GB
    steps = {"max_steps": len(samples) // BATCH}
    steps |= {"per_device_train_batch_size": rows, "gradient_accumulation_steps": BATCH // rows}
    args = TrainingArguments(out, **FIT | steps, use_cpu=device.name == "cpu")
    times = Times()
    Trainer(model, args, train_dataset=data, callbacks=[times]).train()
    return [b - a for a, b in zip(times.at, times.at[1:], strict=False)]


def trl(samples: list, folder: Path, out: str, four_bit: bool, **changes: Any) -> list[float]:
    "TRL's SFTTrainer with its defaults, on prompts and completions."
    from trl import SFTConfig, SFTTrainer

    device = pick_device()
    model = load_base(folder, device, "nf4" if four_bit else "none")
    data = [{"prompt": list(s.prompt), "completion": [s.messages[-1]]} for s in samples]
    steps = {"max_steps": len(samples) // BATCH}
    args = SFTConfig(out, **FIT | steps | changes, use_cpu=device.name == "cpu")
    times, tokenizer = Times(), AutoTokenizer.from_pretrained(folder)
    given = {"processing_class": tokenizer, "peft_config": lora(model), "callbacks": [times]}
    SFTTrainer(model, args, train_dataset=Dataset.from_list(data), **given).train()
    return [b - a for a, b in zip(times.at, times.at[1:], strict=False)]


def ours(samples: list, folder: Path, out: str, four_bit: bool, **changes: Any) -> list[float]:
    "`finetune`."
    options = {
        "rank": RANK,
        "alpha": 2 * RANK,
        "batch": BATCH,
        "epochs": 1,
        "four_bit": "on" if four_bit else "off",
    }
    made = finetune(samples, folder, f"{out}/adapter", TrainOptions(**options | changes), progress=False)
    return [h["seconds"] for h in made.history]


RECIPES = {
    "reference": reference,
    "trl": trl,
    "trl, no checkpointing": lambda *a: trl(*a, gradient_checkpointing=False),
    "ours": ours,
    "ours, padded": lambda *a: ours(*a, packing="off"),
}


def main(name: str, data: str, folder: str, four_bit: str) -> None:
    import_bitsandbytes()
    samples = list(read_samples(data))
    with tempfile.TemporaryDirectory() as out:
        seconds = RECIPES[name](samples, Path(folder), out, four_bit == "nf4")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated()
    print("FOUND", json.dumps({"seconds": seconds, "peak": peak}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
