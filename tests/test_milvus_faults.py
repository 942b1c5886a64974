"""Milvus fails, dies, refuses or is silent; writers are killed: the store is the old or the new, whole."""

import base64
import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT
from milvus_server import ENCODER, GIVEN, alive, found, lite_server, live_name, milvus, opened, put, some

from liquid_ai.core import Document, InputError, Settings, StoreError
from liquid_ai.indexing.store import Store


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with milvus(tmp_path_factory.mktemp("milvus")) as address:
        yield address


BEFORE = ["create_collection", "insert", "flush", "query"]  # the flip of the generation
BEHIND = ["list_collections", "alter_alias", "drop_collection"]


@pytest.mark.parametrize("call", BEFORE + BEHIND)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_that_fails_leaves_the_old_or_the_new_generation(address, tmp_path, monkeypatch, call, when):
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

    store = Store(tmp_path / "store")
    for n in range(2):
        put(store, some(6, n), address)
    live, here = store.generation, found(store, address)
    real = getattr(MilvusClient, call)

    def fails(self, *args, **options):
        if when == "after":
            real(self, *args, **options)
        raise MilvusException(message="the server fails")

    with monkeypatch.context() as patch:
        patch.setattr(MilvusClient, call, fails)
        try:
            put(store, [Document.of("text 3", "new")], address)
            told = ""
        except StoreError as e:
            told = str(e)
    done = call in BEHIND  # only the tidying failed
    assert store.generation == live + done and bool(told) != done
    assert done or "the server fails" in told
    assert found(store, address) == here or done
    assert (store.counts()["documents"] == 7) == done
    put(store, [Document.of("text 5", "newer")], address)
    there, pointed = alive(store, address)
    assert len(there) == 2 and pointed == there[-1] == live_name(store)
    assert found(store, address) == found(store, "")


KILLS = [("create_collection", "after"), ("insert", "after"), ("query", "after")]  # before the flip
KILLS += [("list_collections", "before"), ("alter_alias", "after"), ("drop_collection", "after")]  # behind it
COMMITS = """
import os, signal, sys
sys.path[:0] = [{tests!r}, {root!r}]
from pymilvus import MilvusClient
from liquid_ai.core import Document
from liquid_ai.indexing.store import Store
from milvus_server import put

folder, address, call, when = sys.argv[1:]
real = getattr(MilvusClient, call)
def dies(self, *args, **options):
    if when == "after":
        real(self, *args, **options)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(MilvusClient, call, dies)
put(Store(folder), [Document.of("text 3", "new")], address)
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_the_old_or_the_new_generation(tmp_path):
    code = COMMITS.format(tests=str(ROOT / "tests"), root=str(ROOT))
    with lite_server(tmp_path / "milvus") as (address, _):
        for n, (call, when) in enumerate(KILLS):
            store = Store(tmp_path / f"store{n}")
            for seed in range(2):
                put(store, some(6, seed), address)
            live, reader = store.generation, opened(store, address)
            run = [sys.executable, "-c", code, store.folder, address, call, when]
            assert subprocess.run(run, timeout=300).returncode == -signal.SIGKILL
            done = n >= 3
            assert store.generation == live + done, (call, when)
            assert found(store, address) == found(store, "")
            assert len(reader.dense.search(ENCODER.encode(["text 3"]), 3)[1][0]) == 3
            put(store, [Document.of("text 5", "newer")], address)
            there, pointed = alive(store, address)
            assert len(there) == 2 and pointed == there[-1] == live_name(store), (call, when)


def test_the_server_is_away_and_comes_back(tmp_path):
    store, query = Store(tmp_path / "store"), ENCODER.encode(["text 3"])
    with lite_server(tmp_path / "milvus") as (address, server):
        put(store, some(12), address)
        snapshot = opened(store, address, dense_seconds=3.0)
        then = snapshot.dense.search(query, 5)[1].tolist()
        server.kill()
        server.wait(60)
        live = store.generation
        for ask in (
            lambda: snapshot.dense.search(query, 5),
            lambda: put(store, [Document.of("x", "x")], address, dense_seconds=3.0),
        ):
            begun = time.monotonic()
            with pytest.raises(StoreError, match=address.rpartition(":")[2]):
                ask()
            assert time.monotonic() - begun < 30
        assert store.generation == live and store.counts()["documents"] == 12
        port = address.rpartition(":")[2]
        run = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(tmp_path / "milvus")]
        again = subprocess.Popen([*run, "--host", "127.0.0.1", "--port", port], stdout=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 120
            while True:
                try:
                    assert snapshot.dense.search(query, 5)[1].tolist() == then
                    break
                except StoreError:
                    assert time.monotonic() < end
            put(store, [Document.of("x", "x")], address)
            assert found(store, address) == found(store, "")
        finally:
            again.kill()
            again.wait(60)


@pytest.fixture
def silent():
    "A server that takes connections and says nothing."
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield f"http://127.0.0.1:{one.getsockname()[1]}"


def test_nobody_or_nothing_answers(silent, tmp_path):
    store = Store(tmp_path / "store")
    put(store, some(3))
    for address in ("http://127.0.0.1:9", silent):
        begun = time.monotonic()
        with pytest.raises(StoreError, match=address.rpartition(":")[2]):
            put(store, [Document.of("x", "x")], address, dense_seconds=1.0)
        with pytest.raises(StoreError, match=address.rpartition(":")[2]):
            opened(store, address, dense_seconds=1.0)
        assert time.monotonic() - begun < 20
        assert store.generation == 1 and store.counts()["documents"] == 3 and found(store, "")


@pytest.fixture
def refusing(monkeypatch):
    "A server that knows nobody, and what it was shown."
    grpc = pytest.importorskip("grpc")
    shown = []

    class Refuses(grpc.GenericRpcHandler):
        def service(self, call):
            shown.append(dict(call.invocation_metadata))
            no = lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")  # noqa: E731
            return grpc.unary_unary_rpc_method_handler(no)

    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Refuses(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}", shown
    server.stop(0)


def test_a_wrong_token(refusing, tmp_path, monkeypatch, capfd):
    address, shown = refusing
    monkeypatch.setenv("LIQUID_AI_MILVUS_TOKEN", "ann:a-secret-word")
    Settings.load()  # the variable is no setting
    store, begun = Store(tmp_path / "store"), time.monotonic()
    with pytest.raises(StoreError) as told:
        put(store, some(3), address, dense_seconds=5.0)
    assert time.monotonic() - begun < 20 and store.generation == 0
    assert any(base64.b64encode(b"ann:a-secret-word").decode() in str(s.get("authorization")) for s in shown)
    said = str(told.value) + "".join(capfd.readouterr()) + json.dumps(store._read("SELECT * FROM meta"))
    assert "a-secret-word" not in said and address.rpartition(":")[2] in said
    with pytest.raises(InputError, match="LIQUID_AI_MILVUS_TOKEN"):
        put(store, some(3), "http://ann:a-secret-word@127.0.0.1:9")


@pytest.mark.skipif(bool(GIVEN), reason="the server is another")
def test_an_old_version_is_refused(address, tmp_path, monkeypatch):
    from milvus_lite.adapter.grpc import servicer

    monkeypatch.setattr(servicer, "get_version", lambda: "2.4.1")
    store = Store(tmp_path / "store")
    with pytest.raises(StoreError, match=r"2\.4\.1; 2\.5 or newer"):
        put(store, some(3), address)
    assert store.generation == 0


def test_places_that_cannot_be(tmp_path, address):
    store = Store(tmp_path / "store")
    (tmp_path / "file.db").write_text("not a folder")
    for place in (tmp_path / "no" / "such" / "folder.db", tmp_path / "file.db"):
        with pytest.raises(StoreError, match=place.name):
            put(store, some(3), str(place))
    with pytest.raises(InputError, match="neither a file"):
        put(store, some(3), "milvus")
    assert store.generation == 0 and put(store, some(3), address) == 1
    assert json.loads(store.meta("dense_places")) == [address]  # the others are none to come back to


@pytest.mark.skipif(bool(GIVEN), reason="a server has several clients")
def test_two_processes_need_a_server(address, tmp_path):
    ask = "from liquid_ai.indexing.milvus import connect; connect(sys.argv[1])"
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {ask}"
    done = subprocess.run([sys.executable, "-c", code, address], capture_output=True, text=True, timeout=120)
    assert done.returncode and "milvus-lite server" in done.stderr.splitlines()[-1]
