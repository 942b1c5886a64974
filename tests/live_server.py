"""A real server in a thread, on a free port, for as long as a test needs it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from liquid_ai.core import Document, Settings
from liquid_ai.pipeline import RAG
from liquid_ai.serving.app import authenticator_of, handlers, layered, service_of
from liquid_ai.serving.options import ServerSettings
from liquid_ai.serving.service import Service

HERON = "Herons eat fish and frogs. They stand still for hours. They nest in tall trees near water."
OWL = "Owls hunt mice at night. They hear very well. The barn owl nests in old towers."


def small_rag(folder, **settings) -> RAG:
    "Two documents, and answers of eight tokens."
    rag = RAG.open(folder, Settings(**{"generator": "packaged", "answer_tokens": 8} | settings))
    rag.ingest(Document.of(HERON, "heron.txt"), Document.of(OWL, "owl.txt"), progress=False)
    return rag


@contextmanager
def running(app) -> Iterator[str]:  # its address
    "An ASGI application behind uvicorn."
    config = uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def serving(rag: RAG, **options) -> Iterator[tuple[str, Service]]:
    "The whole application around `rag`, which is closed with it."
    options = ServerSettings(**{"log": ""} | options)
    service = service_of(rag, options)
    with running(layered(handlers(service), service, authenticator_of(options))) as address:
        yield address, service


def until(what, seconds: float = 10.0) -> None:
    "Wait for something to be so."
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.01)
