"""Two servers, each on a read-only copy of one store, one Redis between them: what they share and refuse."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT
from served import SMALL, opened
from test_serving_workers import free_port, redis, until  # noqa: F401 - a fixture

from liquid_ai.indexing.database import unchanging
from liquid_ai.indexing.store import Store

LIMIT = 20
MOUNT = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
PROGRAM = [sys.executable, "-c", "from liquid_ai.cli import main; raise SystemExit(main())"]


def read_only(folder: Path, *words: str) -> list[str]:
    "The command `words`, for which `folder` is mounted read-only."
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", str(folder), *words]


def can_mount() -> bool:
    "Whether this machine lets us mount, in a namespace of our own."
    if not shutil.which("unshare"):
        return False
    there = Path(__file__).parent
    return subprocess.run(read_only(there, "true"), capture_output=True, timeout=30).returncode == 0


mounts = pytest.mark.skipif(not can_mount(), reason="this machine allows no mounts of our own")


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> list[Path]:
    "Two copies of a store, made as the job makes them."
    home = tmp_path_factory.mktemp("replicas")
    with opened(home / "store") as rag:
        return [rag.backup(home / name / "store") for name in ("one", "two")]


def in_copy(folder: Path, script: str) -> str:
    "What a script says that finds the store in `FOLDER`, read-only."
    env = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "FOLDER": str(folder)}
    words = read_only(folder, sys.executable, "-c", script)
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(folder: Path) -> dict[str, tuple[int, int]]:
    return {p.name: (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


@mounts
def test_a_copy_is_read_where_nothing_can_be_written(copies):
    before = files(copies[0])
    script = """
import os
from liquid_ai import RAG
from liquid_ai.core import StoreError, Document
rag = RAG.open(os.environ["FOLDER"], generator="packaged", create=False)
assert rag.store.fixed
print(rag.search("What do herons eat?")[0].chunk.source)
try:
    rag.ingest(Document.of("More.", "more.txt"), progress=False)
except StoreError as e:
    print(e)
"""
    told = in_copy(copies[0], script)
    assert told.startswith("herons.txt\n") and "mounted read-only" in told
    assert files(copies[0]) == before


@mounts
def test_what_was_copied_in_use_is_refused(tmp_path):
    store = opened(tmp_path / "store")  # open, so that its log is not empty
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    assert (tmp_path / "copy" / "store.db-wal").stat().st_size
    script = """
import os
from liquid_ai.core import StoreError
from liquid_ai.indexing.store import Store
try:
    Store(os.environ["FOLDER"], create=False)
except StoreError as e:
    print(e)
"""
    assert "copied while it was in use" in in_copy(tmp_path / "copy", script)
    store.close()


@mounts
def test_the_copy_that_was_opened_stays_the_one_that_is_read(tmp_path, copies):
    "`current` may lead elsewhere before the first search."
    home = tmp_path / "published"
    home.mkdir()
    shutil.copytree(copies[0], home / "store-1")
    (home / "store-2").mkdir()
    (home / "current").symlink_to("store-1")
    script = """
import os
from pathlib import Path
from liquid_ai.indexing.store import Store, open_snapshot
store = Store(Path(os.environ["FOLDER"]) / "current", create=False)
print(store.folder.name, len(open_snapshot(store)))
"""
    assert in_copy(home, script) == "store-1 3\n"


def test_what_can_be_written_is_no_copy(tmp_path):
    assert not unchanging(tmp_path) and not unchanging(tmp_path / "none")
    store = Store(tmp_path / "store")
    assert not store.fixed and store.folder == tmp_path / "store"
    store.close()


def call(port: int, method: str, path: str, body=None, **headers: str) -> SimpleNamespace:
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {k.replace("_", "-"): v for k, v in headers.items()} | {"content-type": "application/json"}
        c.request(method, path, None if body is None else json.dumps(body), headers)
        found = c.getresponse()
        told = {k.lower(): v for k, v in found.getheaders()}
        return SimpleNamespace(status=found.status, headers=told, text=found.read().decode())
    finally:
        c.close()


@pytest.fixture(scope="module")
def replicas(copies, redis, tmp_path_factory):  # noqa: F811
    "The ports of two servers."
    ports, started, logs = [], [], []
    settings = SMALL | {"limit_requests": LIMIT, "limit_seconds": 3600, "limit_storage": redis}
    settings |= {"answer_cache": redis, "threads": 1}
    env = os.environ | {f"LIQUID_AI_{k.upper()}": str(v) for k, v in settings.items()}
    env |= {
        "LIQUID_AI_CACHE_SECRET": "of both",
        "LIQUID_AI_SERVE_PROXIES": "127.0.0.1",
        "PYTHONPATH": str(ROOT),
    }
    try:
        for folder in copies:
            ports.append(free_port())
            logs.append(tmp_path_factory.mktemp("log") / "log")
            words = [*PROGRAM, "serve", "--store", str(folder), "--port", str(ports[-1])]
            with logs[-1].open("w") as log:
                started.append(
                    subprocess.Popen(
                        read_only(folder, *words), env=env, stdout=log, stderr=log, start_new_session=True
                    )
                )
        for port, process, log in zip(ports, started, logs, strict=True):

            def ready(port=port, process=process, log=log) -> bool:
                assert process.poll() is None, log.read_text()
                with suppress(OSError):
                    return call(port, "GET", "/health/ready").status == 200
                return False

            until(ready, 180)
        yield ports
        for process, log in zip(started, logs, strict=True):
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, log.read_text()
            assert "Traceback" not in log.read_text()
    finally:
        for process in started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
@mounts
def test_replicas_share_answers_and_limits(replicas):
    asked = {"question": "When was the iron bridge built?"}
    found = [call(port, "POST", "/ask", asked, x_forwarded_for="10.1.1.1") for port in (*replicas, *replicas)]
    assert [r.status for r in found] == [200] * 4, found[0].text
    assert [r.headers["x-cache"] for r in found] == ["MISS", "HIT", "HIT", "HIT"]
    assert len({json.loads(r.text)["answer"] for r in found}) == 1 and "1779" in found[0].text
    assert [int(r.headers["x-ratelimit-remaining"]) for r in found] == [LIMIT - n for n in range(1, 5)]
    more = [call(replicas[n % 2], "POST", "/search", asked, x_forwarded_for="10.1.1.1") for n in range(LIMIT)]
    assert [r.status for r in more].count(429) == 4


@pytest.mark.slow
@mounts
def test_replicas_refuse_changes_and_say_why(replicas, copies):
    before = [files(folder) for folder in copies]
    document = {"documents": [{"text": "New.", "source": "new.txt"}]}
    for method, path, body in (
        ("POST", "/documents", document),
        ("DELETE", "/documents/none", None),
        ("PUT", "/adapter", {"name": ""}),
    ):
        for port in replicas:
            found = call(port, method, path, body, x_forwarded_for="10.2.2.2")
            assert found.status == 403 and "a copy of a store" in found.text, found.text
            assert "retry-after" not in found.headers, "it will be no other in ten seconds"
    rated = {"trace_id": "0123456789abcdef", "rating": "up"}
    found = call(replicas[0], "POST", "/feedback", rated, x_forwarded_for="10.2.2.2")
    assert found.status == 404 and "keeps no feedback" in found.text
    assert [files(folder) for folder in copies] == before
