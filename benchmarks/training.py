"""Training: completion tokens/s and memory, beside the reference recipe and TRL on the same data."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from liquid_ai import RAG
from liquid_ai.core import digest
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.generation.packaged import packaged_torch_folder
from liquid_ai.generation.transformers_model import load_tokenizer
from liquid_ai.ingestion.quickstart import corpus
from liquid_ai.training.dataset import SynthOptions, synth
from liquid_ai.training.formats import Sample, write_samples
from liquid_ai.training.supervise import PreflightReport, preflight

from .report import ROOT, Figure, bootstrap, median_of
from .training_recipes import BATCH, LONG, RECIPES

ROUNDS, STEPS = 3, 3  # of each recipe; the first step of a round is a warm-up
SHAPES = {  # true shapes of LFM2; layers of attention, the others are convolutions
    "LFM2-700M": {"hidden_size": 1_536, "intermediate_size": 6_912, "num_attention_heads": 24},
    "LFM2-1.2B": {"hidden_size": 2_048, "intermediate_size": 8_192, "num_attention_heads": 32},
}
ATTENTION = (2, 5, 8, 10, 12, 14)


def samples() -> list[Sample]:
    "Verified samples out of Python's language reference: with the prompt of production, and short ones."
    with tempfile.TemporaryDirectory() as folder, RAG.open(folder, generator="packaged") as rag:
        made = synth(rag, list(corpus()), options=SynthOptions(plain=True), progress=True)
    return sorted(made.train, key=lambda s: digest(*(m["content"] for m in s.messages)))


def lfm2(name: str, folder: Path) -> Path:
    "Random weights in the true shape, with the tiny model's tokenizer."
    import torch
    from transformers import Lfm2Config, Lfm2ForCausalLM

    random_lfm2(folder)
    types = ["full_attention" if n in ATTENTION else "conv" for n in range(16)]
    config = Lfm2Config(vocab_size=65_536, num_hidden_layers=16, num_key_value_heads=8, layer_types=types,
                        block_auto_adjust_ff_dim=False, max_position_embeddings=32_768, pad_token_id=0,
                        bos_token_id=1, eos_token_id=4, **SHAPES[name])  # fmt: skip
    Lfm2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def run(recipe: str, data: Path, folder: Path, weights: str) -> tuple[np.ndarray, int]:  # seconds, bytes
    "One recipe in a process of its own."
    command = [sys.executable, "-m", "benchmarks.training_recipes", recipe, str(data), str(folder), weights]
    env = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    found = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    if not found:
        raise RuntimeError(f"{recipe} ended with {done.returncode}: {done.stderr[-2_000:]}")
    told = json.loads(found[0].removeprefix("FOUND "))
    return np.array(told["seconds"][1:]), told["peak"]


def compared(
    data: list[Sample], seen: PreflightReport, folder: Path, weights: str, on: str, recipes: dict
) -> dict[str, Figure]:
    "All recipes on the same samples, in turns."
    speeds: dict[str, list[float]] = {name: [] for name in recipes}
    peaks: dict[str, list[float]] = {name: [] for name in recipes}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "data.jsonl")
        for round_ in range(ROUNDS):
            part = data[round_ * STEPS * BATCH :][: STEPS * BATCH]
            write_samples(part, path)
            each = float(
                np.mean(seen.learnt[round_ * STEPS * BATCH :][: STEPS * BATCH])
            )  # tokens of a sample
            for recipe in np.random.default_rng(round_).permutation(list(recipes)).tolist():
                seconds, peak = run(recipe, path, folder, weights)
                speeds[recipe].append(each * BATCH * len(seconds) / seconds.sum())
                peaks[recipe].append(peak / 1e9)
    figures = {f"{on}, {n}: completion tokens": median_of(v, "tokens/s") for n, v in speeds.items()}
    figures |= {f"{on}, {n}: peak memory": median_of(v, "GB") for n, v in peaks.items()}
    for other, target in (("reference", ">= 3"), ("trl", ">= 1")):
        times = [a / b for a, b in zip(speeds["ours"], speeds[other], strict=True)]
        figures[f"{on}, ours / {other}: completion tokens/s"] = median_of(times, "times", target)
        less = [a / b for a, b in zip(peaks["ours"], peaks[other], strict=True)]
        figures[f"{on}, ours / {other}: peak memory"] = median_of(less, "times", "< 1.005")
    return figures


def histogram(seen: PreflightReport) -> dict[str, Figure]:
    "How long the samples are, since that is what padding costs."
    lengths, note = (
        seen.lengths,
        f"of {len(seen.lengths)} samples; the reference pads all of them to {LONG:,}",
    )
    counts, edges = np.histogram(lengths, bins=[0, 100, 200, 300, 400, 500, 600, 800, 1_200, LONG])
    told = ", ".join(
        f"{int(a)}–{int(b)}: {n}" for n, a, b in zip(counts, edges, edges[1:], strict=False) if n
    )
    return {
        "length of a sample": Figure(
            value=float(lengths.mean()), unit="tokens", interval=bootstrap(lengths), note=f"{note}; {told}"
        ),
        "share of tokens that are learnt": Figure(value=seen.share, note="; the reference learns them all"),
    }


def measure(limit: int) -> dict[str, Figure]:
    import torch

    data, folder = samples()[: ROUNDS * STEPS * BATCH], packaged_torch_folder()
    tokenizer = load_tokenizer(folder)
    seen = preflight(data, tokenizer, [tokenizer.eos_token_id], LONG)
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"
    figures = histogram(seen) | compared(data, seen, folder, "whole", f"packaged, {device}", RECIPES)
    for name in SHAPES if torch.cuda.is_available() else ():
        with tempfile.TemporaryDirectory() as home:
            made = lfm2(name, Path(home))
            own = preflight(data, load_tokenizer(made), [4], 32_768)
            for weights in ("whole", "nf4"):
                figures |= compared(data, own, made, weights, f"{name} {weights}, {device}", RECIPES)
    return figures
