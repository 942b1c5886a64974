"""Several processes train what one trains; one that dies ends all of them, and the run goes on."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from test_training_qlora import folder, llama, samples_of, tokenizer  # noqa: F401  # fixtures

from liquid_ai.core import InputError
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.training.formats import write_samples
from liquid_ai.training.job import job_of, main, read_job, run_job
from liquid_ai.training.ranks import shares

WAIT = 500  # seconds, for machines that are slow
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m")
ACCELERATE = ("accelerate.commands.launch", "--multi_gpu", "--num_machines=1", "--num_processes=2")
ACCELERATE += ("--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0", "-m")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    "Samples that neither 2 nor 3 divide, of very different lengths."
    place = tmp_path_factory.mktemp("processes")
    write_samples(samples_of(23), place / "train.jsonl")
    write_samples(samples_of(7, 1), place / "dev.jsonl")
    random_lfm2(place / "tiny-lfm2")
    return place


@pytest.fixture(scope="module")
def one(home):
    "The output of a run in one process."
    run_job(read_job(job(home, "one")), progress=False)
    return "one"


def job(home: Path, output: str, file: str = "", **changes) -> Path:
    "Five samples a step, the last step three; several micro-batches in each."
    told = {
        "data": "train.jsonl",
        "dev": "dev.jsonl",
        "model": "tiny-lfm2",
        "output": output,
        "device": "cpu",
    }
    told |= {"rank": 4, "epochs": 2, "batch": 5, "learning_rate": 0.01, "micro_tokens": 300, "threads": 1}
    told |= {"row_tokens": 150, "wait_seconds": 100, "save_every": 2} | changes
    path = home / f"{file or output}.json"
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


def by_hand(*lines) -> list[subprocess.Popen]:
    "A process for each line, as a scheduler starts them: no launcher watches over them."
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(len(lines))}
    own = [env | {"RANK": str(n), "LOCAL_RANK": str(n)} for n in range(len(lines))]
    return [started(*line, env=one) for line, one in zip(lines, own, strict=True)]


def ended(*processes: subprocess.Popen) -> list[tuple[int, str]]:
    "Exit codes and what was said; none is left behind."
    end = time.monotonic() + WAIT
    try:
        told = [p.communicate(timeout=max(end - time.monotonic(), 1))[1] for p in processes]
        return [(p.returncode, said) for p, said in zip(processes, told, strict=True)]
    finally:
        for p in processes:
            p.kill()


def well(*processes: subprocess.Popen) -> None:
    for code, said in ended(*processes):
        assert code == 0, said[-3_000:]


def left(home: Path) -> set[str]:
    "What runs have not cleared away."
    return {p.name for p in home.iterdir() if p.name.startswith(".")}


QLORA = "liquid_ai.training.qlora"
HOOK = """
import os, signal, sys, time
import liquid_ai.training.run as r
from liquid_ai.training.job import main
learn_, second = r.learn, os.environ["RANK"] == "1"
def learn(learner, samples, numbers, step, rate):
    {do}
    return learn_(learner, samples, numbers, step, rate)
r.learn = learn
sys.exit(main(sys.argv[1:]))
"""


def test_two_processes_learn_what_one_learns(home, one):
    well(started("-m", *TORCHRUN, QLORA, job(home, "two")))
    same(home, one, "two")
    report = json.loads((home / "two" / "training.json").read_text())
    assert report["processes"] == 2 and report["layout"].startswith("packed")
    assert left(home) == set()


SEVERAL = """
import sys
import liquid_ai.training.run as r
from liquid_ai.training.job import read_job, run_job
from liquid_ai.training.ranks import joined
from torch.distributed.tensor import DTensor
learn_ = r.learn

def learn(learner, *rest):
    "Each process holds half of the layers and of the moments."
    made = learn_(learner, *rest)
    if learner.sharded:
        weights = dict(learner.model.get_decoder().layers.named_parameters()).values()
        assert all(isinstance(w, DTensor) for w in weights)
        assert {str(w.dtype) for w in weights} == {"torch.float32"}
        moments = [state["exp_avg"] for state in learner.optimizer.state.values()]
        for some in (weights, moments):
            held, whole = sum(w.to_local().numel() for w in some), sum(w.numel() for w in some)
            assert 0.45 * whole < held < 0.55 * whole
        if read.dev and made.step == 5:
            raise KeyboardInterrupt
    return made

r.learn = learn
with joined("cpu", 200) as ranks:
    for path in sys.argv[1:]:
        read = read_job(path)
        try:
            run_job(read, ranks, progress=False)
        except (Exception, KeyboardInterrupt) as e:
            print(f"{read.output.name}: {type(e).__name__} {e}", file=sys.stderr)
"""
EARLY = {"epochs": 9, "learning_rate": 0.9, "eval_every": 2, "patience": 1, "warmup": 0}  # worse at once
NF4 = {"four_bit": "on", "shard": True}


@pytest.mark.slow
def test_several_runs_of_two_processes(home, llama):  # noqa: F811
    "An early end; a model in two parts, which one process goes on with; what one of them refuses."
    files = [job(home, "early", model=str(llama), **EARLY), job(home, "nf4", four_bit="on")]
    for file in files:
        run_job(read_job(file), progress=False)
    files = [job(home, "early-two", model=str(llama), **EARLY), job(home, "parts", **NF4)]
    files += [job(home, "written", dev=[], **NF4)]
    last = job(home, "refused"), job(home, "refused", "other", data="gone.jsonl")
    made = ended(*by_hand(*[("-c", SEVERAL, *files, refused) for refused in last]))
    assert [code for code, _ in made] == [0, 0], made
    early = [[row["loss"] for row in history(home, n) if "loss" in row] for n in ("early", "early-two")]
    assert all(len(losses) < 45 for losses in early)  # at a rate that does harm roundings grow:
    assert early[0][:2] == pytest.approx(early[1][:2], rel=1e-5)  # only the beginning is the same
    for who, (_, said) in zip(("ModelError process 2 of 2: ", "InputError "), made, strict=True):
        assert f"refused: {who}" in said and "gone.jsonl" in said, said
        assert "parts: KeyboardInterrupt" in said and "written: " not in said, said
    assert not (home / "refused").exists() and left(home) == {".parts.checkpoints"}
    assert (home / ".parts.checkpoints" / "step-0000004").exists()
    run_job(read_job(job(home, "parts", **NF4)), progress=False)
    same(home, "nf4", "parts")
    losses = [[row["loss"] for row in history(home, n) if "loss" in row] for n in ("nf4", "written")]
    assert losses[0] == pytest.approx(losses[1], rel=2e-4)


@pytest.mark.slow
def test_accelerate_launches_them_and_says_that_a_model_is_divided(home, one):
    well(started("-m", *ACCELERATE, QLORA, job(home, "launched")))
    same(home, one, "launched")
    fsdp = ("--use_fsdp", "--fsdp_version=2", *[word for word in ACCELERATE[1:] if word != "--multi_gpu"])
    well(started("-m", ACCELERATE[0], *fsdp, QLORA, job(home, "divided")))
    same(home, one, "divided")
    assert json.loads((home / "divided" / "training.json").read_text())["divided"] is True


@pytest.mark.slow
def test_a_process_that_dies_ends_all_and_more_of_them_go_on(home):
    "The last of its steps has one sample: of three processes two have nothing to do."
    how = {"batch": 2, "epochs": 1, "eval_every": 6}
    run_job(read_job(job(home, "small", **how)), progress=False)
    file = job(home, "died", **how)
    code = HOOK.format(do="second and step == 6 and os.kill(os.getpid(), signal.SIGKILL)")
    began = time.monotonic()
    (first, said), (second, _) = ended(*by_hand(("-c", code, file), ("-c", code, file)))
    assert (first, second) == (1, -signal.SIGKILL), said[-3_000:]
    assert "process 1 of 2: another process of this run has ended" in said and "Traceback" not in said
    assert time.monotonic() - began < 100 and not (home / "died").exists()
    assert max(p.name for p in (home / ".died.checkpoints").glob("step-*")) == "step-0000004"
    well(*by_hand(*[("-m", QLORA, file)] * 3))
    same(home, "small", "died")
    assert left(home) == set()


@pytest.mark.slow
def test_a_process_that_hangs_is_not_waited_for_for_ever(home):
    file = job(home, "hung", wait_seconds=20)
    code = HOOK.format(do="second and step == 4 and time.sleep(1_000)")
    first, second = by_hand(("-c", code, file), ("-c", code, file))
    try:
        _, said = first.communicate(timeout=WAIT)
    finally:
        second.kill()
    second.communicate()
    assert first.returncode == 1 and "does not answer" in said
    assert any((home / ".hung.checkpoints").glob("step-0000002"))
    shutil.rmtree(home / ".hung.checkpoints")


@pytest.mark.slow
def test_ctrl_c_ends_all_at_one_step_and_one_process_goes_on(home, one):
    "The terminal tells all of them, and the launcher tells them once more."
    file, script = job(home, "stopped"), home / "stopped.py"
    here = "open(f'{sys.argv[1]}.{os.environ[\"RANK\"]}', 'a').write(f'{step} '), time.sleep(0.5)"
    script.write_text(HOOK.format(do=here).replace("sys.exit(main(sys.argv[1:]))", ENDS))
    process = started("-m", *TORCHRUN[:-1], script, file, start_new_session=True)
    end = time.monotonic() + WAIT
    while not all(p.exists() and "3 " in p.read_text() for p in (Path(f"{file}.{n}") for n in (0, 1))):
        assert time.monotonic() < end and process.poll() is None, process.stderr.read()[-3_000:]
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    ((code, said),) = ended(process)
    told = [Path(f"{file}.{n}").read_text() for n in (0, 1)]
    assert code and told[0] == told[1] and told[0].endswith("ended 130"), (told, said[-3_000:])
    steps = int(told[0].split()[-3])
    assert steps < 10 and (home / ".stopped.checkpoints" / f"step-{steps:07}").exists()
    run_job(read_job(file), progress=False)
    same(home, one, "stopped")


ENDS = """
code = main(sys.argv[1:])
open(f'{sys.argv[1]}.{os.environ["RANK"]}', 'a').write(f'ended {code}')
sys.exit(code)
"""


@pytest.mark.slow
def test_processes_with_other_data_do_not_train_together(home):
    files = job(home, "mixed"), job(home, "mixed", "mixed-other", seed=1)
    for code, said in ended(*by_hand(*[("-m", QLORA, file) for file in files])):
        assert code == 1 and "others than those of the first process" in said, said[-3_000:]
    assert left(home) == set()


@given(st.dictionaries(st.integers(0, 99), st.integers(1, 300), max_size=20), st.integers(1, 6))
def test_each_sample_is_in_one_share_and_shares_are_alike(sizes, count):
    parts = shares(sizes, count)
    assert len(parts) == count and sorted(n for part in parts for n in part) == sorted(sizes)
    taken = [sum(sizes[n] for n in part) for part in parts]
    assert max(taken) - min(taken) <= max(sizes.values(), default=0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"epoch": 3}, "'epoch': no fields"),
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": "3"}, "epochs"),
        ({"data": []}, "needs data"),
        ({"data": ["a", 3]}, "data holds 3"),
        ({"track": 1}, "track=1"),
        ({"wait_seconds": 0}, "above 0"),
        ({"wait_seconds": True}, "wait_seconds=True"),
        ({"output": ""}, "needs output"),
    ],
)
def test_a_file_that_describes_no_run_is_refused(tmp_path, capsys, changes, told):
    with pytest.raises(InputError, match=told):
        job_of({"data": "train.jsonl", "output": "a"} | changes)
    (tmp_path / "a.json").write_text(json.dumps({"data": "train.jsonl", "output": "a"} | changes))
    assert main([str(tmp_path / "a.json")]) == 1
    assert told in (said := capsys.readouterr().err) and "a.json: " in said


def test_what_is_no_file_of_a_run_is_refused(tmp_path, capsys):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    for words in (
        [],
        ["--help"],
        ["a", "b"],
        *([str(tmp_path / n)] for n in ("broken.json", "list.json", "no")),
    ):
        assert main(words) == 1
        assert "Traceback" not in (said := capsys.readouterr().err) and said.strip(), words
