"""Four workers behind one address: one limit, one cache of answers, one killed and the others serve on."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import httpx
import pytest
from conftest import ROOT, need
from served import SMALL, opened

from liquid_ai.core import InputError
from liquid_ai.serving.options import ServerSettings
from liquid_ai.serving.run import check_socket, serve

WORKERS, LIMIT = 4, 60


def free_port() -> int:
    with closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port: int, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with closing(socket.socket()) as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on {port}")


@pytest.fixture(scope="module")
def redis():
    program, port = need("redis-server"), free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    wait_for(port)
    yield f"redis://127.0.0.1:{port}"
    server.terminate()
    server.wait()


@pytest.fixture(scope="module")
def workers(redis, tmp_path_factory):
    "The address of a server with four workers, each warmed up; and its process."
    folder, port = tmp_path_factory.mktemp("workers"), free_port()
    opened(folder / "store").close()
    settings = SMALL | {"limit_requests": LIMIT, "limit_seconds": 3600, "limit_storage": redis}
    settings |= {"answer_cache": redis, "threads": 1}
    chosen = {f"LIQUID_AI_{k.upper()}": str(v) for k, v in settings.items()}
    chosen |= {"LIQUID_AI_SERVE_LOG": str(folder / "log"), "LIQUID_AI_SERVE_PROXIES": "127.0.0.1"}
    command = [sys.executable, "-c", "from liquid_ai.cli import main; raise SystemExit(main())", "serve"]
    command += ["--store", str(folder / "store"), "--port", str(port), "--workers", str(WORKERS)]
    env = os.environ | chosen | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(port, 120)
        address = f"http://127.0.0.1:{port}"
        for client in by_worker(address).values():
            until(lambda client=client: client.get("/health/ready").status_code == 200)
            client.close()
        yield address, process
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def until(holds, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.1)


def by_worker(address: str, seconds: float = 120.0) -> dict[int, httpx.Client]:
    "A connection to each worker: one that is kept open stays with the worker that took it."
    found, end = {}, time.monotonic() + seconds
    while len(found) < WORKERS:
        assert time.monotonic() < end, f"{len(found)} of {WORKERS} workers answer"
        client = httpx.Client(base_url=address, timeout=60)
        with suppress(httpx.TransportError):
            pid = client.get("/status").json()["process"]
            if pid not in found:
                found[pid] = client
                continue
        client.close()
    return found


def search(client: httpx.Client, who: str, question: str = "What do herons eat?") -> httpx.Response:
    return client.post("/search", json={"question": question}, headers={"X-Forwarded-For": who})


@pytest.mark.slow
def test_four_workers_obey_one_limit_exactly(workers):
    clients = list(by_worker(workers[0]).values())
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(lambda n: search(clients[n % WORKERS], "10.1.1.1"), range(3 * LIMIT)))
    statuses = [r.status_code for r in answers]
    assert (statuses.count(200), statuses.count(429)) == (LIMIT, 2 * LIMIT)
    assert all(int(r.headers["retry-after"]) > 0 for r in answers if r.status_code == 429)
    left = sorted(int(r.headers["x-ratelimit-remaining"]) for r in answers if r.status_code == 200)
    assert left == list(range(LIMIT))  # each number once: nobody was counted twice, nobody left out
    assert search(clients[0], "10.1.1.2").status_code == 200


def test_four_workers_share_their_answers(workers):
    clients = by_worker(workers[0])
    asked = {"question": "When was the iron bridge built?"}
    answers = [
        client.post("/ask/simple", json=asked, headers={"X-Forwarded-For": "10.2.2.2"})
        for client in clients.values()
    ]
    assert [r.headers["x-cache"] for r in answers] == ["MISS", "HIT", "HIT", "HIT"]
    assert len({r.json()["answer"] for r in answers}) == 1
    ages = [r.json()["cache"]["age"] for r in answers]
    assert ages == sorted(ages) and ages[-1] > 0


def test_one_worker_is_killed_under_load_and_the_others_serve_on(workers):
    address, _ = workers
    clients = by_worker(address)
    victim, *others = clients
    stop, answered, broken = threading.Event(), [], []

    def load(n: int) -> None:
        asked = 0
        while not stop.is_set():
            asked += 1
            try:  # a connection each: those to the one that is killed break, and no other
                with httpx.Client(base_url=address, timeout=30) as client:
                    answered.append(search(client, f"10.3.{n}.{asked % 250}").status_code)
            except httpx.TransportError:
                broken.append(n)

    loaders = [threading.Thread(target=load, args=(n,)) for n in range(6)]
    for loader in loaders:
        loader.start()
    time.sleep(1.0)
    before = total(clients[others[0]])
    os.kill(victim, signal.SIGKILL)
    killed = len(answered)
    time.sleep(2.0)
    served = {search(clients[pid], "10.4.4.4").status_code for pid in others}
    until(lambda: len(answered) > killed + 50)
    stop.set()
    for loader in loaders:
        loader.join()
    assert set(answered) == {200} and served == {200}
    assert len(broken) <= len(loaders) * 2  # what it had in hand, and what had been given to it
    now = by_worker(address)
    assert victim not in now and set(others) <= set(now)
    assert total(now[others[0]]) >= before  # what the dead one counted is not lost
    answer = clients[others[1]].post(
        "/ask/simple",
        json={"question": "When does the canteen open?"},
        headers={"X-Forwarded-For": "10.5.5.5"},
    )
    assert answer.status_code == 200 and "eleven" in answer.json()["answer"]


def total(client: httpx.Client) -> float:
    "Requests that all workers have counted."
    time.sleep(1.2)  # each tells once a second
    text = client.get("/metrics").text
    return sum(float(v) for v in re.findall(r"^liquid_ai_requests_total\{.*\} (\S+)$", text, re.M))


def serving_at(folder, path, workers: int) -> subprocess.Popen:
    opened(folder / "store").close()
    program = [sys.executable, "-c", "from liquid_ai.cli import main; raise SystemExit(main())", "serve"]
    program += ["--store", str(folder / "store"), "--host", f"unix:{path}", "--workers", str(workers)]
    chosen = {f"LIQUID_AI_{k.upper()}": str(v) for k, v in SMALL.items()} | {"LIQUID_AI_SERVE_LOG": ""}
    env = os.environ | chosen | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        program, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs UNIX sockets")
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_server_is_reached_by_a_socket_in_the_file_system(tmp_path, workers):
    path = tmp_path / "rag.sock"
    with socket.socket(socket.AF_UNIX) as left:  # by a server that was killed
        left.bind(str(path))
    process = serving_at(tmp_path, path, workers)
    try:
        transport = httpx.HTTPTransport(uds=str(path))
        with httpx.Client(transport=transport, base_url="http://localhost", timeout=60) as http:

            def ready() -> bool:
                assert process.poll() is None, process.stdout.read()
                with suppress(httpx.TransportError):
                    return http.get("/health/ready").status_code == 200
                return False

            until(ready)
            found = http.post("/search", json={"question": "What do herons eat?"})
            assert found.status_code == 200 and "herons.txt" in found.text
        with pytest.raises(InputError, match="somebody listens"):
            check_socket(str(path))
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=60)[0].decode()
        assert process.returncode == 0 and f"unix:{path}" in told and not path.exists()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_what_is_no_socket_is_not_taken_for_one(tmp_path):
    (tmp_path / "note").write_text("mine")
    for path in (
        str(tmp_path / "note"),
        "",
        "rag.sock",
        f"/{'a' * 200}",
        str(tmp_path / "none" / "rag.sock"),
    ):
        with pytest.raises(InputError, match="unix:"):
            serve(ServerSettings(host=f"unix:{path}", store=str(tmp_path / "store"), log=""))
    assert (tmp_path / "note").read_text() == "mine"
