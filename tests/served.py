"""A server for tests: a tiny store, keys for several people, real sockets, a model as slow as asked."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import httpx
import uvicorn

from liquid_ai import RAG, Document
from liquid_ai.core import Generation, ModelError, Usage
from liquid_ai.generation.models import writer_fingerprint
from liquid_ai.serving.app import create_app
from liquid_ai.serving.auth import add_key, new_key
from liquid_ai.serving.options import ServerSettings

DOCUMENTS = [
    Document.of("Grey herons eat fish and frogs. They stand still for hours.", "herons.txt"),
    Document.of("The iron bridge was built by Abraham Darby in 1779.", "bridge.txt"),
    Document.of("The canteen opens at eleven on Fridays.", "canteen.txt"),
]
QUESTION = "What do grey herons eat?"
SMALL = {"generator": "packaged", "answer_tokens": 8, "device": "cpu"}


class Slow:
    "A language model that says the passage it was shown, word by word, and notes when it is left."

    name, context, runtime, why = "slow", 4_096, "test", "a test"

    def __init__(self, seconds: float = 0.0, words: int = 0, fails: bool = False):
        self.seconds, self.words, self.fails = seconds, words, fails
        self.begun = self.ended = self.left = self.said = self.busy = self.most = 0
        self.lock = threading.Lock()

    def count(self, messages):
        return sum(len(m["content"]) // 4 for m in messages)

    def stream(self, messages, max_tokens, stop=()):
        with self.lock:
            self.begun, self.busy = self.begun + 1, self.busy + 1
            self.most = max(self.most, self.busy)
        words = ("Grey herons eat fish and frogs. " * 40).split(" ")[: self.words or 6]
        try:
            for n, word in enumerate(words):
                time.sleep(self.seconds)
                if self.fails and n == 2:
                    raise ModelError("the model in /secret/folder broke")
                self.said += 1
                yield word + " "
            yield Generation(" ".join(words), Usage(self.count(messages), len(words)))
            self.ended += 1
        except GeneratorExit:
            self.left += 1
            raise
        finally:
            with self.lock:
                self.busy -= 1

    def generate(self, messages, max_tokens, stop=()):
        *_, last = self.stream(messages, max_tokens, stop)
        return last

    def batch(self, conversations, max_tokens, stop=()):
        return [self.generate(messages, max_tokens, stop) for messages in conversations]

    def close(self):
        pass


class Told(RAG):
    "A pipeline whose language model is given."

    writer = None

    @property
    def model(self):
        return self.writer


def opened(folder, model: Slow | None = None, documents=tuple(DOCUMENTS), **changes) -> RAG:
    "A pipeline over a few documents; without `model` the packaged one writes."
    rag = (Told if model else RAG).open(folder, **SMALL | changes)
    if model:
        rag.writer, model.fingerprint = model, writer_fingerprint(rag.settings)  # else nothing is kept
    if documents and not rag.store.generation:
        rag.ingest(*documents, progress=False)
    return rag


PEOPLE = {
    "ann": ("acme", ("ask", "write"), ("ann", "sales")),
    "bob": ("acme", ("ask",), ("bob",)),
    "eve": ("evil", ("ask", "write"), ("eve", "ann", "sales")),
    "house": ("", ("ask", "write"), ()),
    "root": ("", ("ask", "write", "admin"), ()),
    "watcher": ("", ("admin",), ()),
}


def keys(folder) -> tuple[str, dict[str, dict[str, str]]]:
    "A key file, and the header of each person."
    path, headers = folder / "keys.json", {}
    for name, (tenant, scopes, principals) in PEOPLE.items():
        key, row = new_key(name, tenant, scopes, principals)
        add_key(path, row)
        headers[name] = {"Authorization": f"Bearer {key}"}
    return str(path), headers


def served(rag: RAG, **options):  # an ASGI application
    "The whole server around `rag`, without a log."
    return create_app(rag, ServerSettings(**{"log": ""} | options))


def service_in(app):
    "What the handlers of a layered application share."
    while not hasattr(app, "state"):
        app = getattr(app, "app", None) or app.small  # who stands before both sizes of body
    return app.state.service


class Local(httpx.Client):
    "A client that calls an application without a socket, in a loop of its own."

    def __init__(self, app, **options):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.inner = httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", timeout=60, **options
        )
        super().__init__(base_url="http://127.0.0.1")

    def send(self, request, **_):
        job = asyncio.run_coroutine_threadsafe(self.inner.send(request), self.loop)
        return job.result(60)

    def close(self):
        asyncio.run_coroutine_threadsafe(self.inner.aclose(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        super().close()


@contextmanager
def running(app, **options) -> Iterator[SimpleNamespace]:
    "`app` on a port of its own: `url`, `port`, `http` (a client), `server`."
    config = uvicorn.Config(app, port=0, log_config=None, proxy_headers=False, server_header=False, **options)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive() and time.monotonic() < until, "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            yield SimpleNamespace(url=http.base_url, port=port, http=http, server=server)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server did not stop"


def raw(port: int, data: bytes, seconds: float = 5.0, close: bool = False) -> bytes:
    "Send bytes, and read until the server closes or has said nothing for `seconds`."
    with socket.create_connection(("127.0.0.1", port), seconds) as s:
        s.sendall(data)
        if close:
            s.shutdown(socket.SHUT_WR)
        told = b""
        with suppress(TimeoutError, ConnectionResetError):
            while piece := s.recv(65_536):
                told += piece
        return told


def is_problem(response: httpx.Response) -> dict:
    "Checks that a response is a problem document that gives nothing away; its content."
    assert response.headers["content-type"] == "application/problem+json", response.text
    told = json.loads(response.content)
    assert told["status"] == response.status_code and told["title"] and told["detail"] is not None
    gives_nothing_away(response.text)
    return told


def gives_nothing_away(text: str) -> None:
    for word in (
        "Traceback",
        'File "',
        "site-packages",
        '.py"',
        ".py:",
        "/tmp",
        "/home",
        "/root",
        "/work",
        "/secret",
    ):
        assert word not in text, f"{word} in {text[:500]}"


def until(true, seconds: float = 10.0) -> bool:
    "Wait until `true()`; whether it came to be."
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.01)
    return bool(found)


def events(text: str) -> list[tuple[str, dict]]:
    "The events of a stream."
    parts = [part.split("\n") for part in text.strip().split("\n\n") if part and part[0] != ":"]
    return [(p[0].removeprefix("event: "), json.loads(p[1].removeprefix("data: "))) for p in parts]
