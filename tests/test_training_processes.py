"""Several processes train what one trains; one that dies or is stopped ends all of them, and the run goes on."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from safetensors.numpy import load_file
from test_training_qlora import llama, samples_of, tokenizer  # noqa: F401  # fixtures

from liquid_ai.core import InputError
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.training.formats import write_samples
from liquid_ai.training.job import job_of, main, read_job, run_job

WAIT = 240  # seconds, for machines that are slow
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m")
ACCELERATE = ("accelerate.commands.launch", "--multi_gpu", "--num_machines=1", "--num_processes=2")
ACCELERATE += ("--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0", "-m")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return random_lfm2(tmp_path_factory.mktemp("lfm2") / "tiny-lfm2")


@pytest.fixture
def home(tmp_path):
    "Samples that neither 2 nor 3 divide, of very different lengths."
    write_samples(samples_of(23), tmp_path / "train.jsonl")
    write_samples(samples_of(7, 1), tmp_path / "dev.jsonl")
    return tmp_path


def job(home: Path, model: Path, output: str, **changes) -> Path:
    "Five samples a step, the last step three; several micro-batches in each."
    told = {"data": "train.jsonl", "dev": "dev.jsonl", "model": str(model), "output": output, "device": "cpu"}
    told |= {"rank": 4, "epochs": 2, "batch": 5, "learning_rate": 0.01, "micro_tokens": 300, "threads": 1}
    told |= {"row_tokens": 150, "wait_seconds": 60} | changes
    path = home / f"{output}.json"
    path.write_text(json.dumps(told))
    return path


def history(home: Path, output: str) -> list[dict]:
    return json.loads((home / output / "training.json").read_text())["history"]


def same(home: Path, one: str, other: str, apart: float = 2e-3) -> None:
    "Losses, norms of the gradients, counts and the adapter."
    told = [history(home, name) for name in (one, other)]
    assert len(told[0]) == len(told[1]) > 10
    for a, b in zip(*told, strict=True):
        assert a.keys() == b.keys()
        for key in {"loss", "dev_loss", "grad_norm", "learning_rate"} & a.keys():
            assert a[key] == pytest.approx(b[key], rel=2e-4), (a["step"], key)
        assert [a.get(k) for k in ("step", "learnt", "tokens")] == [
            b.get(k) for k in ("step", "learnt", "tokens")
        ]
    first, second = (load_file(home / name / "adapter_model.safetensors") for name in (one, other))
    assert first.keys() == second.keys()
    assert max(np.abs(first[k] - second[k]).max() for k in first) < apart


def started(*line, env=None, **options) -> subprocess.Popen:
    surroundings = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1") | (env or {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *map(str, line)], env=surroundings, **pipes, **options)


def by_hand(count: int, *line) -> list[subprocess.Popen]:
    "As a scheduler does: no launcher watches over them."
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    return [started(*line, env=env | {"RANK": str(n), "LOCAL_RANK": str(n)}) for n in range(count)]


def ended(*processes: subprocess.Popen) -> list[tuple[int, str]]:
    "Exit codes and what was said; none is left behind."
    try:
        return [(p.wait(WAIT) or 0, p.communicate()[1]) for p in processes]
    finally:
        for p in processes:
            p.kill()


def well(*processes: subprocess.Popen) -> None:
    for code, said in ended(*processes):
        assert code == 0, said[-3_000:]


@pytest.mark.parametrize("launcher", [TORCHRUN, ACCELERATE], ids=["torchrun", "accelerate"])
def test_two_processes_learn_what_one_learns(folder, llama, home, launcher):  # noqa: F811
    model = folder if launcher is TORCHRUN else llama
    run_job(read_job(job(home, model, "one")), progress=False)
    process = started("-m", *launcher, "liquid_ai.training.qlora", job(home, model, "two"))
    well(process)
    same(home, "one", "two")
    report = json.loads((home / "two" / "training.json").read_text())
    assert report["processes"] == 2 and not report["layout"].startswith("not packed")
    assert {p.name for p in home.iterdir() if p.name.startswith(".")} == set()
