"""An MLflow server that dies, hangs or loses its database: nothing is lost or doubled, all is told."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from conftest import ROOT, need
from test_training_track import Between, client, free_port, losses, mlflow_server, steps_of, train

from liquid_ai.core import LiquidError, Settings
from liquid_ai.evaluation.track import kept_runs, load_mlflow, send_kept, tracked
from liquid_ai.training.track import track

pytestmark = pytest.mark.slow  # a server takes a minute to start on two busy cores


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home, port = tmp_path_factory.mktemp("mlflow"), free_port()
    with mlflow_server(home, port):
        yield port


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    "What is kept is kept here."
    monkeypatch.setenv("LIQUID_AI_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def little_patience(monkeypatch):
    "What a user sets for MLflow counts."
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def at(port: int) -> Settings:
    return Settings(tracking_uri=f"http://127.0.0.1:{port}")


def tell(tracker, first: int, last: int) -> list[str]:
    return [
        tracker.child(f"child {n}", {"n": n}, {"score": n / 2}, {"query": ["q"], "score": [n / 2]})
        for n in range(first, last)
    ]


def check(settings: Settings, tracker, children: int, report: dict, tmp_path: Path) -> None:
    "All of it is there, once."
    there = client(settings)
    runs = {r.info.run_name: r for r in there.search_runs([tracker.experiment_id], max_results=500)}
    mine = {k: r for k, r in runs.items() if r.data.tags.get("mlflow.parentRunId") == tracker.run_id}
    every = [
        r
        for r in there.search_runs([tracker.experiment_id])
        if r.data.tags.get("mlflow.parentRunId") == tracker.run_id
    ]
    assert sorted(mine) == sorted(f"child {n}" for n in range(children)) and len(every) == children
    for n in range(children):
        run = mine[f"child {n}"]
        assert (run.data.params["n"], run.data.metrics["score"], run.info.status) == (
            str(n),
            n / 2,
            "FINISHED",
        )
        table = Path(there.download_artifacts(run.info.run_id, "scores.json", tmp_path)).read_text()
        assert json.loads(table)["data"] == [["q", n / 2]]
        assert len(there.get_metric_history(run.info.run_id, "score")) == 1
    parent = there.get_run(tracker.run_id)
    assert parent.info.status == "FINISHED" and parent.data.metrics == {"mean": 0.5}
    assert (
        json.loads(Path(there.download_artifacts(tracker.run_id, "report.json", tmp_path)).read_text())
        == report
    )
    late = {n: r.data.metrics.get("late") for n, r in mine.items()}
    assert late == {f"child {n}": float(n) for n in range(children)}


@pytest.mark.parametrize("mode", ["refuse", "swallow"])
def test_an_experiment_goes_on_without_its_server_and_is_sent_in_the_end(
    server, tmp_path, mode, little_patience
):
    between, report = Between(server), {"verdict": "a tie"}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with tracked("a sweep", at(between.port), {"metric": "score"}, experiment=f"sweep {mode}") as tracker:
            runs = tell(tracker, 0, 2)
            between.mode = mode
            runs += tell(tracker, 2, 4)
            between.mode = "pass"
            for n, run in enumerate(runs):
                tracker.log({"late": n}, run)
            tracker.log({"mean": 0.5}, report=report)
    said = [str(w.message) for w in told if "MLflow" in str(w.message)]
    assert len(said) == 1 and "the run goes on" in said[0]
    assert not list(kept_runs().iterdir())
    check(at(server), tracker, 4, report, tmp_path)


def test_what_is_not_sent_in_the_end_is_sent_by_the_command_that_is_told(server, tmp_path, little_patience):
    between, report = Between(server), {"verdict": "a tie"}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with tracked("a sweep", at(between.port), experiment="sent later") as tracker:
            runs = tell(tracker, 0, 1)
            between.mode = "refuse"
            runs += tell(tracker, 1, 3)
            for n, run in enumerate(runs):
                tracker.log({"late": n}, run)
            tracker.log({"mean": 0.5}, report=report)
            with pytest.raises(LiquidError, match="cannot be used"):
                tracked("another", at(between.port)).__enter__()
            assert send_kept(at(server)) == {}  # it is under way, and nobody else's
    (path,) = kept_runs().glob("*.jsonl")
    said = [str(w.message) for w in told if "MLflow" in str(w.message)]
    assert len(said) == 2 and str(path) in said[1]
    command = re.search(r"send it with: (LIQUID_AI_TRACKING_URI=(\S+) liquid-ai runs --send)", said[1])
    with pytest.raises(LiquidError, match="cannot be used"):  # still gone: it stays
        send_kept(at(between.port))
    wrong = Settings(tracking_uri=f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(LiquidError, match=tracker.run_id):  # it belongs elsewhere: it stays
        send_kept(wrong)
    assert path.exists() and path.stat().st_mode & 0o77 == 0
    between.mode = "pass"
    words = "import sys; sys.argv[1:] = ['runs', '--send']; from liquid_ai.cli import main; sys.exit(main())"
    env = os.environ | {"LIQUID_AI_TRACKING_URI": command[2], "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", words], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and tracker.run_id in done.stdout, done.stdout + done.stderr
    assert not list(kept_runs().glob("*.jsonl"))
    check(at(server), tracker, 3, report, tmp_path)


def test_a_killed_experiment_is_sent_as_killed(server, tmp_path):
    between = Between(server)
    code = """
import sys, time, warnings
sys.path.insert(0, "tests")
from liquid_ai.core import Settings
from liquid_ai.evaluation.track import tracked
with tracked("killed", Settings(tracking_uri=sys.argv[1]), experiment="killed") as tracker:
    print(tracker.run_id, flush=True)
    sys.stdin.readline()
    tracker.child("a", {"n": 1}, {"score": 1.0})
    print("told", flush=True)
    time.sleep(60)
"""
    env = os.environ | {"MLFLOW_HTTP_REQUEST_TIMEOUT": "15", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    run = [sys.executable, "-W", "ignore", "-c", code, f"http://127.0.0.1:{between.port}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen(run, cwd=ROOT, env=env, **pipes)
    try:
        run_id = process.stdout.readline().strip()
        between.mode = "refuse"
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "told\n"
    finally:
        process.kill()
        process.wait()
    assert send_kept(at(server)) == {run_id: 1} and send_kept(at(server)) == {}
    assert client(at(server)).get_run(run_id).info.status == "KILLED"
    found = client(at(server)).search_runs(
        [client(at(server)).get_experiment_by_name("killed").experiment_id]
    )
    assert sorted(r.info.run_name for r in found) == ["a", "killed"]


@pytest.mark.parametrize("begin", ["experiment", "training"])
def test_an_address_that_hangs_is_given_up_in_the_time_that_is_set(
    begin, tmp_path, little_patience, monkeypatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    between = Between(0)
    between.mode = "hang"
    load_mlflow().entities  # noqa: B018 (is imported, which is not what is timed)
    began = time.monotonic()
    with pytest.raises(LiquidError, match=r"MLflow cannot be used at http://127.0.0.1.*tracking_uri"):
        if begin == "experiment":
            tracked("never", at(between.port)).__enter__()
        else:
            track("never", at(between.port), spool=tmp_path / "spool")
    assert time.monotonic() - began < 10
    assert not list((tmp_path / "cache").rglob("*.json*")) and not list(tmp_path.glob("spool/*/state.json"))


# ---- a database of its own, and files in S3


@contextmanager
def postgres(folder: Path, port: int):
    "A PostgreSQL that can be killed and started again."
    for tool in ("initdb", "postgres"):
        need(tool)
    pytest.importorskip("psycopg2")
    user = {"user": "postgres"} if os.geteuid() == 0 else {}  # it refuses to run as root
    data = folder / "data"
    data.mkdir(parents=True)
    if user:
        for place in (data, *folder.parents):
            if place == data:
                shutil.chown(place, "postgres")
            elif place != Path("/"):
                place.chmod(place.stat().st_mode | 0o011)
        folder.chmod(0o755)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run(["initdb", "-D", data, "-A", "trust", "-U", "mlflow", "-N"], check=True, **quiet, **user)
    options = ["-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"]

    class Database:
        def start(self):
            self.process = subprocess.Popen(["postgres", *options], start_new_session=True, **quiet, **user)
            import psycopg2

            end = time.monotonic() + 60
            while time.monotonic() < end:
                with suppress(psycopg2.OperationalError):
                    psycopg2.connect(host="127.0.0.1", port=port, user="mlflow", dbname="postgres").close()
                    return
                time.sleep(0.1)
            raise TimeoutError("postgres does not start")

        def kill(self):
            with suppress(ProcessLookupError):
                os.killpg(
                    self.process.pid, signal.SIGQUIT
                )  # as a machine that goes down: nothing is tidied up
            self.process.wait()

    found = Database()
    found.start()
    try:
        yield found
    finally:
        found.kill()


def s3(port: int) -> subprocess.Popen:
    "An S3 of our own, with a bucket."
    pytest.importorskip("moto")
    boto3 = pytest.importorskip("boto3")
    run = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while True:
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=2)
            break
        assert process.poll() is None and time.monotonic() < end, "moto does not start"
        time.sleep(0.2)
    boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket="runs")
    return process


@pytest.mark.slow
def test_a_run_survives_its_database_and_its_object_store(tmp_path, monkeypatch):
    store, port, db = free_port(), free_port(), free_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{store}")
    uri = f"postgresql+psycopg2://mlflow@127.0.0.1:{db}/postgres"
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"weights" * 1000)
    objects = None
    with postgres(tmp_path / "pg", db) as database, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mlflow_server(tmp_path, port, uri, "s3://runs/proxied"):
            try:
                there = client(at(port))
                there.create_experiment("straight", "s3://runs/straight")
                run = track("proxied", at(port), spool=tmp_path / "spool", every=0.1)
                own = track("straight", at(port), spool=tmp_path / "spool", every=0.1, experiment="straight")
                train(run, 50, pause=0.01)
                database.kill()
                train(run, 100, first=50, pause=0.05)
                assert run.failed  # it has noticed, and goes on
                database.start()
                train(run, 150, first=100, pause=0.01)
                for one in (run, own):
                    one.artifact(adapter, "adapter")  # and nobody is there yet to take it
                train(run, 160, first=150, pause=0.2)
                objects = s3(store)
                for one in (run, own):
                    one.finish(wait_seconds=120)
                assert not list((tmp_path / "spool").glob("*/state.json")), run.failed + own.failed
                assert steps_of(at(port), run.run_id) == losses(160)
                for one, place in ((run, "mlflow-artifacts:"), (own, "s3://runs/straight")):
                    assert there.get_run(one.run_id).info.status == "FINISHED"
                    assert there.get_run(one.run_id).info.artifact_uri.startswith(place)
                    got = Path(there.download_artifacts(one.run_id, "adapter", tmp_path))
                    assert (got / "adapter_model.safetensors").read_bytes() == b"weights" * 1000
                import boto3

                s3_client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{store}")
                keys = [o["Key"] for o in s3_client.list_objects_v2(Bucket="runs")["Contents"]]
                assert {k.split("/")[0] for k in keys} == {"proxied", "straight"}
            finally:
                if objects:
                    objects.kill()
                    objects.wait()
