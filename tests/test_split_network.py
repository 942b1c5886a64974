"""A network that splits: an error in the time that was set, nothing lost, and all goes on once it heals."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import closing, contextmanager, suppress

import pytest
from apart import Apart
from conftest import ROOT, need
from openai_server import Server, chat, chunk, sentence
from redis_servers import until
from test_redis_places import entry

from liquid_ai.core import Document, ModelError, Settings, StoreError, chunk_document
from liquid_ai.generation.cache_redis import RedisStore
from liquid_ai.generation.cache_store import Bounds
from liquid_ai.generation.limit import Limiter
from liquid_ai.generation.quota import LimitDown
from liquid_ai.generation.server import ServerModel
from liquid_ai.indexing.store import Store, commit


@pytest.fixture
def apart():
    with Apart() as there:
        yield there


@contextmanager
def within(seconds: float):
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


def test_redis_is_cut_off_and_comes_back(apart, tmp_path):
    run = [
        need("redis-server"),
        "--port",
        "6379",
        "--bind",
        "0.0.0.0",
        "--protected-mode",
        "no",
        "--save",
        "",
    ]
    server, url = apart.run(*run, cwd=tmp_path), f"redis://{apart.host}:6379/0"
    try:
        with (
            closing(Limiter(10, 3600, storage=url, timeout=0.5)) as closed,
            closing(Limiter(10, 3600, storage=url, timeout=0.5, on_failure="open")) as free,
            closing(RedisStore(url, Bounds(ttl=600))) as store,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            until(lambda: store.set(entry(0)))
            with closed("ann"):
                pass
            apart.split()
            with within(3), pytest.raises(LimitDown), closed("ann"):
                pass
            with within(3), free("ann") as grant:
                assert not grant.reading.counted
            with within(5):
                assert store.get(entry(0).key) is None and not store.set(entry(1))
            apart.heal()
            until(lambda: store.get(entry(0).key))  # what was kept is kept
            until(lambda: counted(closed))
            with closed("ann") as grant:
                assert 3 <= grant.reading.remaining <= 7  # what was under way at the split may have arrived
    finally:
        server.kill()
        server.wait()


def counted(limiter: Limiter) -> bool:
    try:
        with limiter("ann") as grant:
            return grant.reading.counted
    except LimitDown:
        return False


def ask(n: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"question {n}"}]


def test_one_of_two_model_servers_is_cut_off_in_the_middle_of_an_answer(apart):
    def cut_off(handler, body):
        handler.begin()
        for word in sentence(body["messages"])[:3]:
            handler.piece(chunk(word))
        apart.split()
        handler.gone(20)

    far = apart.made(lambda: Server(cut_off, host=apart.host))
    with far, Server() as near:
        urls = f"{far.url}/v1,{near.url}/v1"
        model = ServerModel(urls, "tiny", timeout=20.0, connect_timeout=1.0, read_timeout=1.0)
        with closing(model), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with within(10), pytest.raises(ModelError, match=apart.host):  # what was said is not said twice
                list(model.stream(ask(0), 8))
            with within(10):
                found = [model.generate(ask(n), 8).text for n in range(4)]
            assert found == ["".join(sentence(ask(n))[:8]) for n in range(4)] and len(near.asked()) == 4
            apart.heal()
            far.routes["/v1/chat/completions"] = chat
            before = len(far.asked())
            until(lambda: model.generate(ask(9), 8).text and len(far.asked()) > before, 60)


def test_milvus_is_cut_off(apart, tmp_path):
    class Ones:
        name = fingerprint = "ones"
        dimensions, max_tokens = 4, 100

        def token_spans(self, text):
            return [(0, len(text))]

        def encode(self, texts, kind="document", progress=False):
            import numpy as np

            return np.ones((len(texts), 4), np.float32)

    store = Store(tmp_path / "store")
    there = apart.made(lambda: socket.create_server((apart.host, 19530)))
    socket.create_connection((apart.host, 19530), 5).close()
    apart.split()
    far = Settings(dense=f"http://{apart.host}:19530", dense_seconds=1.0)
    with closing(store), closing(there):
        new = Document.of("text", "new")
        with within(20), pytest.raises(StoreError, match=apart.host):
            commit(store, [(new, chunk_document(new, [(0, 4, ())]))], Ones(), settings=far)
        assert store.generation == 0 and store.counts()["documents"] == 0


@pytest.mark.slow
def test_the_mlflow_server_is_cut_off_in_an_experiment(apart, tmp_path, monkeypatch):
    from test_tracking_server import check, tell

    from liquid_ai.evaluation.track import kept_runs, tracked

    monkeypatch.setenv("LIQUID_AI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    command = f"{sys.executable} -m mlflow server --port 5000 --workers 1 --host 0.0.0.0 --allowed-hosts *"
    command += f" --backend-store-uri sqlite:///{tmp_path}/server.db --artifacts-destination {tmp_path}/files"
    env = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with (tmp_path / "server.log").open("ab") as log:
        server = apart.run(
            *command.split(), cwd=tmp_path, env=env, stdout=log, stderr=log, start_new_session=True
        )
    settings, report = Settings(tracking_uri=f"http://{apart.host}:5000"), {"verdict": "a tie"}
    try:
        until(lambda: healthy(apart.host), 300)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with tracked("a sweep", settings, {"metric": "score"}, experiment="split") as tracker:
                runs = tell(tracker, 0, 2)
                apart.split()
                with within(30):
                    runs += tell(tracker, 2, 4)
                apart.heal()
                for n, run in enumerate(runs):
                    tracker.log({"late": n}, run)
                tracker.log({"mean": 0.5}, report=report)
        assert len([w for w in told if "the run goes on" in str(w.message)]) == 1
        assert not list(kept_runs().iterdir())
        check(settings, tracker, 4, report, tmp_path)
    finally:
        os.killpg(server.pid, 9)
        server.wait()


def healthy(host: str) -> bool:
    import urllib.request

    with urllib.request.urlopen(f"http://{host}:5000/health", timeout=2):
        return True


RAY_PORT = 23_011
DRIVER = f"""
import sys
from liquid_ai.cluster import Stage, spread
from liquid_ai.core import ClusterError, Settings

def make():
    def work(batch):
        import time
        time.sleep(0.5)
        return batch
    return work

far = Settings(executor=f"ray://{{sys.argv[1]}}:{RAY_PORT}", cluster_seconds=3)
for attempt in range(2):
    try:
        for n in spread(range(400), [Stage(make)], far):
            print(n, flush=True)
    except ClusterError as e:
        print(e, flush=True)
"""


@pytest.mark.slow
def test_the_head_of_a_ray_cluster_is_cut_off_while_it_works(apart):
    pytest.importorskip("ray")
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64}
    env, here = os.environ | token | {"PYTHONPATH": str(ROOT)}, tempfile.mkdtemp(prefix="lq")
    command = (
        f"{sys.executable} -m ray.scripts.scripts start --head --num-cpus=1 --include-dashboard=false --block"
    )
    command += (
        f" --node-ip-address={apart.host} --port=6399 --ray-client-server-port={RAY_PORT} --temp-dir={here}"
    )
    command += " --disable-usage-stats"
    head = apart.run(*command.split(), env=env, stdout=subprocess.DEVNULL, start_new_session=True)
    run, pipes = [sys.executable, "-c", DRIVER, apart.host], {"stdout": subprocess.PIPE, "text": True}
    drivers = []
    try:
        until(lambda: socket.create_connection((apart.host, RAY_PORT), 1), 120)
        unknown = subprocess.run(run, env=env | {"RAY_AUTH_MODE": "disabled"}, timeout=200, **pipes)
        assert "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN" in unknown.stdout
        for _ in range(3):  # Ray gives its own server for a client half a minute to start
            drivers.append(subprocess.Popen(run, env=env, **pipes))
            if (first := drivers[-1].stdout.readline()) == "0\n":
                break
        at_work = drivers[-1]
        assert [first, at_work.stdout.readline(), at_work.stdout.readline()] == ["0\n", "1\n", "2\n"]
        apart.split()
        with within(30):  # Ray's own farewell at the end of the process takes longer
            lines = iter(at_work.stdout.readline, "")
            lost, still = next(said for said in lines if "nobody" in said), next(lines)
        assert "Ray lost the work, and the same call again goes on where it ended: nobody answers" in lost
        assert still.startswith("nobody answers at")
        apart.heal()
        drivers.append(subprocess.Popen(run, env=env, **pipes))
        assert drivers[-1].stdout.readline() == "0\n"
    finally:
        for process in (*drivers, head):
            with suppress(ProcessLookupError):
                process.kill() if process is not head else os.killpg(head.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(here, ignore_errors=True)
