"""A training run in MLflow: nothing lost or doubled by a server that dies, no secrets, the adapter alone."""

import errno
import mmap
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from tiny_adapters import made_adapter

from liquid_ai.core import InputError, LiquidError, Settings
from liquid_ai.evaluation.track import client_of, load_mlflow
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.training.adapter_files import ADAPTER_FILES, adapter_hash, copy_files
from liquid_ai.training.formats import Sample, samples_hash
from liquid_ai.training.spool import Spool, new_spool, read_events, read_state
from liquid_ai.training.track import memory, replay, track, ui_command

SAMPLE = Sample.of("What is 2 + 2?", "4")


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    "A database whose tables are made, which takes seconds."
    path = tmp_path_factory.mktemp("empty") / "runs.db"
    client(Settings(tracking_uri=f"sqlite:///{path}")).search_experiments()
    return path


@pytest.fixture
def here(tmp_path, empty):
    shutil.copyfile(empty, tmp_path / "runs.db")
    return Settings(tracking_uri=f"sqlite:///{tmp_path}/runs.db")


def client(settings):
    return client_of(load_mlflow(), settings.tracking_uri)


def steps_of(settings, run_id, name="loss"):
    return [(m.step, m.value) for m in client(settings).get_metric_history(run_id, name)]


def losses(n):
    return [(step, 2 / (step + 1)) for step in range(n)]


def train(run, n, first=0, pause=0.0):
    for step in range(first, n):
        run.step(
            step,
            {"loss": 2 / (step + 1), "learning_rate": 1e-4, "grad_norm": 1.0, "tokens_per_second": 9.0}
            | memory(),
        )
        time.sleep(pause)


def test_all_that_a_run_tells_is_there(here, tmp_path):
    data = {"train": [SAMPLE], "dev": []}
    with track("run", here, {"rank": 8}, {"purpose": "a test"}, data, spool=tmp_path / "spool") as run:
        train(run, 30)
        run.table("answers", {"question": ["2 + 2?"], "f1": [0.5]})
        run.table("scores", {"f1": [torch.tensor(0.25)]})
    found = client(here).get_run(run.run_id)
    assert found.info.status == "FINISHED" and found.data.params == {"rank": "8"}
    assert steps_of(here, run.run_id) == losses(30)
    assert {"learning_rate", "grad_norm", "tokens_per_second", "host_memory_mb"} <= found.data.metrics.keys()
    assert found.data.metrics["host_memory_mb"] > 10
    tags = found.data.tags
    assert tags["data.train"] == samples_hash([SAMPLE]) and tags["data.train.samples"] == "1"
    assert {
        "git_commit",
        "version.torch",
        "version.peft",
        "version.mlflow",
        "python",
        "machine",
    } <= tags.keys()
    assert tags["mlflow.loggedArtifacts"].count("path") == 2
    assert not list((tmp_path / "spool").iterdir())
    assert run.run_id in repr(run) and "mlflow ui --backend-store-uri" in run._repr_html_()


def test_what_leaves_by_an_exception_has_failed(here, tmp_path):
    for error, status in [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]:
        with pytest.raises(error), track("run", here, spool=tmp_path / "spool") as run:
            train(run, 3)
            raise error
        assert client(here).get_run(run.run_id).info.status == status
        assert steps_of(here, run.run_id) == losses(3)
        with pytest.raises(LiquidError, match="finished"):
            run.step(9, {"loss": 1.0})


def test_a_loss_that_is_no_number_is_told_as_such(here, tmp_path):
    with track("run", here, spool=tmp_path / "spool") as run:
        run.step(0, {"loss": 1.0})
        run.step(1, {"loss": float("nan")})
        run.step(2, {"loss": float("inf")})
    told = steps_of(here, run.run_id)
    assert [s for s, _ in told] == [0, 1, 2] and told[1][1] != told[1][1] and told[2][1] > 1e300


def test_what_mlflow_refuses_for_good_stops_nothing(here, tmp_path):
    with pytest.warns(UserWarning, match="refuses 1"), track("run", here, spool=tmp_path / "spool") as run:
        run.params({"rank": 8, "alpha": 16})
        run.params({"rank": 9, "dropout": 0})
        train(run, 5)
    found = client(here).get_run(run.run_id)
    assert found.data.params == {"rank": "8", "alpha": "16", "dropout": "0"}
    assert found.info.status == "FINISHED" and steps_of(here, run.run_id) == losses(5)


def test_no_secret_gets_anywhere(here, tmp_path):
    url = "https://ann:s3cret@host:5000/api?token=s3cret"
    nowhere = Settings(tracking_uri="http://ann:s3cret@127.0.0.1:9/")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run = track(
            url, nowhere, {"server": url}, {"where": url}, strict=False, spool=tmp_path / "spool", every=0.05
        )
        run.table("answers", {"question": [url], "f1": [1.0]})
        run.step(0, {"loss": 1.0})
        time.sleep(0.3)
        run.finish()
    assert said and not any("s3cret" in str(w.message) for w in said)
    assert "s3cret" not in repr(run) + run._repr_html_() + run.failed
    kept = [p for p in (tmp_path / "spool").rglob("*") if p.is_file()]
    assert len(kept) > 1 and not any(b"s3cret" in p.read_bytes() for p in kept)
    replay(tmp_path / "spool", here)
    stored = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(stored) > 1 and not any(b"s3cret" in p.read_bytes() for p in stored)
    with pytest.raises(LiquidError) as e:
        track("run", nowhere, spool=tmp_path / "spool")
    assert "s3cret" not in str(e.value) and not list((tmp_path / "spool").glob("*/state.json"))
    assert "s3cret" not in ui_command(nowhere.tracking_uri)


# the adapter


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    home = tmp_path_factory.mktemp("tiny")
    base = random_lfm2(home / "tiny-lfm2")
    made = made_adapter(base, home / "law", 1, ("q_proj", "out_proj", "w1"))
    (made / "optimizer.pt").write_bytes(b"x" * 3_000_000)
    return base, made


def test_the_adapter_is_logged_alone_and_says_the_same_when_it_is_back(here, tmp_path, adapter):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base, made = adapter
    with track("run", here, spool=tmp_path / "spool") as run:
        run.artifact(made, "adapter")
    back = Path(client(here).download_artifacts(run.run_id, "adapter", str(tmp_path)))
    there = {p.name for p in made.iterdir()} & set(ADAPTER_FILES)
    assert {p.name for p in back.iterdir()} == there and len(there) > 2
    weights = (made / "adapter_model.safetensors").stat().st_size
    assert sum(p.stat().st_size for p in back.iterdir()) < weights + 20_000
    assert adapter_hash(back) == adapter_hash(made)
    assert not any(str(base.parent).encode() in p.read_bytes() for p in back.iterdir())
    ids = torch.tensor([[5, 80, 90, 100]])
    logits = []
    for folder in (made, back):
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        plain = model(ids).logits
        logits.append(PeftModel.from_pretrained(model, folder).eval()(ids).logits)
    assert torch.equal(*logits) and not torch.allclose(logits[0], plain, atol=1e-3)


def test_an_artifact_is_as_it_was_when_it_was_told(here, tmp_path, adapter):
    _, made = adapter
    copy_files(made, tmp_path / "law")
    before = adapter_hash(tmp_path / "law")
    run = track("run", Settings(tracking_uri="http://127.0.0.1:9"), strict=False, spool=tmp_path / "spool")
    run.artifact(tmp_path / "law", "adapter")
    (tmp_path / "law" / "adapter_model.safetensors").unlink()  # a trainer keeps its last checkpoints only
    with pytest.warns(UserWarning, match="replay"):
        run.finish()
    (run_id,) = replay(tmp_path / "spool", here)
    back = client(here).download_artifacts(run_id, "adapter", str(tmp_path))
    assert adapter_hash(Path(back)) == before


def test_what_has_not_changed_is_not_sent_again(here, tmp_path, adapter):
    _, made = adapter
    copy_files(made, tmp_path / "own")
    run = track("run", Settings(tracking_uri="http://127.0.0.1:9"), strict=False, spool=tmp_path / "spool")
    run.artifact(tmp_path / "own", "adapter")
    run.artifact(tmp_path / "own", "adapter")
    (tmp_path / "own" / "README.md").write_text("a card of its own")
    run.artifact(tmp_path / "own", "adapter")
    with pytest.warns(UserWarning, match="replay"):
        run.finish()
    kept = [p.name for p in run.folder.rglob("*") if p.is_file()]
    assert kept.count("adapter_model.safetensors") == 1 and kept.count("README.md") == 2
    (run_id,) = replay(tmp_path / "spool", here)
    back = Path(client(here).download_artifacts(run_id, "adapter", str(tmp_path)))
    assert adapter_hash(back) == adapter_hash(made)
    assert (back / "README.md").read_text() == "a card of its own"


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "a\\b"])
def test_names_stay_where_they_belong(here, tmp_path, adapter, name):
    with track("run", here, spool=tmp_path / "spool") as run, pytest.raises(InputError):
        run.table(name, {"a": [1]})
    with track("run", here, spool=tmp_path / "spool") as run, pytest.raises(InputError):
        run.table("a", {"a": [1], "b": [1, 2]})


# servers that die


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def mlflow_server(home: Path, port: int, database: str = "", files: str = ""):
    "A real one on loopback."
    run = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--port",
        str(port),
        "--workers",
        "1",
        "--host",
        "127.0.0.1",
    ]
    run += [
        "--backend-store-uri",
        database or f"sqlite:///{home}/server.db",
        "--artifacts-destination",
        files or str(home / "files"),
    ]
    env = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with (home / "server.log").open("ab") as log:
        server = subprocess.Popen(run, stdout=log, stderr=log, cwd=home, env=env, start_new_session=True)
    try:
        until = time.monotonic() + 300  # a machine that does much else
        while True:
            assert server.poll() is None and time.monotonic() < until, (home / "server.log").read_text()[
                -2_000:
            ]
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2)
                break
            time.sleep(0.2)
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


class Between:
    "Stands between a run and its server: passes on, refuses, never answers, or keeps the reply to itself."

    def __init__(self, port: int):
        self.target, self.mode, self.swallowed = port, "pass", 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            with suppress(OSError):
                near, _ = self.listening.accept()
                threading.Thread(target=self.carry, args=(near,), daemon=True).start()

    def carry(self, near):
        while self.mode == "hang":
            time.sleep(0.05)
        if self.mode == "refuse":
            near.close()
            return
        far = socket.create_connection(("127.0.0.1", self.target))
        threading.Thread(target=self.pump, args=(near, far, False), daemon=True).start()
        self.pump(far, near, True)

    def pump(self, source, sink, replies):
        with suppress(OSError):
            while data := source.recv(65_536):
                if replies and self.mode == "swallow":  # the server has done it, and nobody hears of it
                    self.swallowed += 1
                    break
                if not replies and self.mode == "refuse":
                    break
                while not replies and self.mode == "hang":
                    time.sleep(0.05)
                sink.sendall(data)
        for s in (source, sink):
            with suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home, port = tmp_path_factory.mktemp("mlflow"), free_port()
    with mlflow_server(home, port):
        yield port


def test_a_server_that_comes_and_goes_gets_everything_once(server, tmp_path, adapter):
    between = Between(server)
    through, direct = (Settings(tracking_uri=f"http://127.0.0.1:{p}") for p in (between.port, server))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = track("run", through, {"rank": 8}, spool=tmp_path / "spool", every=0.1)
        run.client._tracking_client.store  # noqa: B018 (opened)
        n = 0
        for mode in ("pass", "swallow", "refuse", "pass", "swallow", "pass"):
            between.mode = mode
            train(run, n + 40, first=n, pause=0.02)
            n += 40
        run.artifact(adapter[1], "adapter")
        run.finish(wait_seconds=90)
    assert not list((tmp_path / "spool").glob("*/state.json")), run.failed
    assert steps_of(direct, run.run_id) == losses(n)
    found = client(direct).get_run(run.run_id)
    assert found.info.status == "FINISHED" and found.data.params == {"rank": "8"}
    assert between.swallowed > 0
    names = [f.path for f in client(direct).list_artifacts(run.run_id, "adapter")]
    assert {Path(n).name for n in names} == {p.name for p in adapter[1].iterdir()} & set(ADAPTER_FILES)


def test_a_reply_that_is_lost_makes_no_second_run(server, tmp_path):
    between = Between(server)
    between.mode = "swallow"
    through, direct = (Settings(tracking_uri=f"http://127.0.0.1:{p}") for p in (between.port, server))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = track("twice", through, strict=False, spool=tmp_path / "spool", every=0.1, experiment="twice")
        until = time.monotonic() + 30
        while between.swallowed < 2 and time.monotonic() < until:
            time.sleep(0.05)
        between.mode = "pass"
        run.finish(wait_seconds=90)
    c = client(direct)
    runs = c.search_runs([c.get_experiment_by_name("twice").experiment_id])
    assert [r.info.run_id for r in runs] == [run.run_id]


@pytest.mark.slow
def test_a_server_that_hangs_holds_up_neither_a_step_nor_the_end(server, tmp_path):
    between = Between(server)
    through, direct = (Settings(tracking_uri=f"http://127.0.0.1:{p}") for p in (between.port, server))
    run = track("run", through, spool=tmp_path / "spool", every=0.05)
    between.mode = "hang"
    train(run, 1)
    time.sleep(0.3)  # the sender is caught
    began = time.monotonic()
    train(run, 500, first=1)
    assert time.monotonic() - began < 2
    with pytest.warns(UserWarning, match="replay"):
        run.finish(wait_seconds=0.5)
    assert time.monotonic() - began < 6
    between.mode = "pass"
    run._thread.join(60)  # it lets go of the spool when it has given up
    replay(tmp_path / "spool", direct)
    assert not list((tmp_path / "spool").iterdir())
    assert steps_of(direct, run.run_id) == losses(500)
    assert client(direct).get_run(run.run_id).info.status == "FINISHED"


@pytest.mark.slow
def test_a_server_that_is_killed_and_started_again_under_a_run(tmp_path):
    port = free_port()
    there = Settings(tracking_uri=f"http://127.0.0.1:{port}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mlflow_server(tmp_path, port):
            run = track("run", there, spool=tmp_path / "spool", every=0.1)
            train(run, 100, pause=0.01)
        train(run, 200, first=100, pause=0.01)
        with mlflow_server(tmp_path, port):
            train(run, 300, first=200, pause=0.01)
            run.finish(wait_seconds=120)
            assert steps_of(there, run.run_id) == losses(300)
            assert client(there).get_run(run.run_id).info.status == "FINISHED"


# processes and disks that die

RUN = """
import sys, time
from liquid_ai.core import Settings
from liquid_ai.training.track import track
from pathlib import Path
run = track("killed", Settings(tracking_uri="http://127.0.0.1:9"), strict=False, spool=Path(sys.argv[1]))
for step in range(100):
    run.step(step, {"loss": 2 / (step + 1)})
time.sleep(0.5)
print("ready", flush=True)
time.sleep(60)
"""


def test_a_killed_run_is_replayed_as_killed(here, tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", RUN, str(tmp_path / "spool")]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert run.stdout.readline() == "ready\n"
        with pytest.raises(LiquidError, match="is being sent"):
            replay(next((tmp_path / "spool").glob("*/")), here)
        assert replay(tmp_path / "nothing", here) == {}
    finally:
        run.kill()
        run.wait()
    (run_id,) = replay(tmp_path / "spool", here)
    assert steps_of(here, run_id) == losses(100)
    assert client(here).get_run(run_id).info.status == "KILLED"
    assert replay(tmp_path / "spool", here) == {}


FULL = """
import resource, sys
from pathlib import Path
from liquid_ai.training.spool import Spool
resource.setrlimit(resource.RLIMIT_FSIZE, (20_010, 20_010))
spool = Spool(Path(sys.argv[1]))
for step in range(1_000):
    spool.tell("step", step=step, metrics={"loss": 1.0})
spool.close()
print(spool.lost, spool.why)
"""


def test_a_full_disk_costs_events_and_nothing_else(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "run")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lost = int(done.stdout.split()[0])
    events, _ = read_events(tmp_path / "run", most=2_000)
    assert 0 < lost < 1_000 and len(events) + lost == 1_000 and "OSError" in done.stdout
    spool = Spool(tmp_path / "run")  # the disk has room again
    spool.tell("finish", status="FINISHED")
    spool.close()
    more, _ = read_events(tmp_path / "run", most=2_000)
    assert len(more) == len(events) + 1 and more[-1]["kind"] == "finish"


def test_a_spool_is_bounded_and_the_end_is_told_all_the_same(tmp_path):
    spool = Spool(tmp_path, max_bytes=5_000)
    for step in range(1_000):
        spool.tell("step", step=step, metrics={"loss": 1.0})
    spool.tell("finish", status="FINISHED")
    spool.close()
    events, _ = read_events(tmp_path, most=2_000)
    assert (tmp_path / "events.jsonl").stat().st_size < 10_000
    assert events[-1]["kind"] == "finish" and spool.lost + len(events) == 1_001 and "5,000 bytes" in spool.why


def test_lines_that_are_none_are_passed_over(tmp_path):
    folder = new_spool(tmp_path, "run", "an experiment", {})
    assert read_state(folder)["offset"] == 0
    good = '{"kind": "step", "ms": 1, "step": 0, "metrics": {}}\n'
    (folder / "events.jsonl").write_text(f'{good}{{"kind": "st\n[1]\n{good}{{"kind": "step"')
    events, end = read_events(folder)
    assert len(events) == 2 and end < (folder / "events.jsonl").stat().st_size
    (folder / "state.json").write_text("{")
    with pytest.raises(LiquidError, match="no spool"):
        read_state(folder)


def test_memory_is_that_of_this_process():
    before, size = memory()["host_memory_mb"], 200 << 20
    with mmap.mmap(-1, size) as held:  # an allocator might give what it had kept
        for start in range(0, size, 4_096):
            held[start] = 1
        assert memory()["host_memory_mb"] > before + 150


def test_a_disk_without_room_for_the_adapter_ends_no_training(here, tmp_path, adapter, monkeypatch):
    def full(source, target):
        Path(target).write_bytes(b"part")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as m, pytest.warns(UserWarning, match="No space left") as said:
        m.setattr("liquid_ai.training.adapter_files.shutil.copyfile", full)
        run = track("a run", here, spool=tmp_path / "spool", every=60)
        run.artifact(adapter[1], "adapter")
        assert not list(run.folder.glob("files/*"))
        run.step(1, {"loss": 1.0})
        run.finish()
    assert run.spool.lost == 1 and any("1 events of the run are lost" in str(w.message) for w in said)
    found = client(here).get_run(run.run_id)
    assert found.info.status == "FINISHED" and found.data.metrics["loss"] == 1.0
    assert not client(here).list_artifacts(run.run_id)
