"""Milvus for tests: a file of milvus-lite, a server of it, or LIQUID_AI_TEST_MILVUS; small stores in it."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from liquid_ai.core import Document, Settings, chunk_document, digest
from liquid_ai.indexing.milvus import connect
from liquid_ai.indexing.milvus_store import TOKEN
from liquid_ai.indexing.store import commit, engine_of, open_snapshot

GIVEN = os.environ.get("LIQUID_AI_TEST_MILVUS", "")  # the address of a cluster; its token where it always is


def need_milvus() -> None:
    "Skip where it is not installed."
    pytest.importorskip("pymilvus", reason="pymilvus is not installed")
    if not GIVEN:
        pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")


def collections(address: str) -> set[str]:
    "What stores have at an address."
    with closing(connect(address, os.environ.get(TOKEN, ""), 30)) as client:
        return {name for name in client.list_collections() if name.startswith("liquid_")}


@contextmanager
def milvus(folder: Path) -> Iterator[str]:  # the address
    "Milvus for a while; collections that were made meanwhile are dropped."
    need_milvus()
    address = GIVEN or str(folder / "milvus.db")
    before = collections(address)
    yield address
    with closing(connect(address, os.environ.get(TOKEN, ""), 30)) as client:
        for name in collections(address) - before:
            for alias in client.list_aliases(name)["aliases"]:
                client.drop_alias(alias)
            client.drop_collection(name)


@contextmanager
def lite_server(folder: Path) -> Iterator[tuple[str, subprocess.Popen]]:  # its address
    "A server of milvus-lite in a process of its own, so that several processes can use it."
    need_milvus()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder)]
    server = subprocess.Popen([*run, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        wait_for(port, server)
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.kill()
        server.wait(60)


def wait_for(port: int, server: subprocess.Popen) -> None:
    "Until somebody listens."
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the server of milvus-lite did not start")


class Hashed:
    "Equal texts have equal vectors; many are equally near."

    name, fingerprint, dimensions, max_tokens = "hashed", "h" * 16, 12, 256

    def encode(self, texts, kind="document", progress=False):
        made = [np.frombuffer(bytes.fromhex(digest(t) * 4), np.uint8)[:12] % 4 - 1.5 for t in texts]
        made = np.array(made, np.float32).reshape(-1, 12)
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    def token_spans(self, texts):
        return [np.array([m.span() for m in re.finditer(r"\S+", t)], np.int64).reshape(-1, 2) for t in texts]


ENCODER = Hashed()
NAMES = ["ann", "bob", "staff"]


def cut(document):
    text = document.text
    ends = [*range(20, len(text), 20), len(text)]
    return document, chunk_document(document, [(a, b, ()) for a, b in zip([0, *ends], ends, strict=False)])


def put(store, documents, address="", remove=(), **changes):
    how = Settings(**{"dense": address, "dense_seconds": 60.0} | changes)
    return commit(store, map(cut, documents), ENCODER, remove, settings=how)


def opened(store, address, **changes):
    return open_snapshot(
        store, 0, engine_of(store, Settings(**{"dense": address, "dense_seconds": 60.0} | changes))
    )


def some(n=40, seed=0):
    "Documents with fields of all kinds, some of them alike."
    rng = np.random.default_rng(seed)
    values = {
        "year": lambda: int(rng.integers(2018, 2025)),
        "part": lambda: float(rng.integers(0, 4)) / 2,
        "draft": lambda: bool(rng.integers(2)),
        "kind": lambda: str(rng.choice(["tea", "ink", 'a "b" \\ c', "größe", "été"])),
        "tags": lambda: [str(t) for t in rng.choice(["x", "y", "z"], 2)],
        "mixed": lambda: [1, "1", 1.0, True][rng.integers(4)],
        "odd name": lambda: "v",
    }
    made = []
    for i in range(n):
        meta = {name: make() for name, make in values.items() if rng.random() < 0.8}
        text = f"text {rng.integers(n // 2)} " * 8
        who = tuple(rng.choice(NAMES, rng.integers(3), replace=False)) if rng.random() < 0.6 else ()
        made.append(Document.of(text, f"d{i}.txt", title=f"T{i % 5}", meta=meta, access=who))
    return made


def alive(store, address):
    "The names of a store's collections, and which of them the alias points to."
    name = f"liquid_{store.meta('dense_id')}"
    with closing(connect(address, timeout=30)) as client:
        there = sorted(n for n in client.list_collections() if n.startswith(f"{name}_"))
        pointed = name in client.list_aliases()["aliases"]
        return there, client.describe_alias(name)["collection_name"] if pointed else ""


def live_name(store):
    return f"liquid_{store.meta('dense_id')}_{store.generation:06d}_{store.meta('commit')[:8]}"


def found(store, address, question="text 3", **changes):
    with closing(engine_of(store, Settings(**{"dense": address, "dense_seconds": 60.0} | changes))) as engine:
        snapshot = open_snapshot(store, 0, engine)
        return snapshot.dense.search(ENCODER.encode([question]), 10)[1].tolist()
