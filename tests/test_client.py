"""Both clients: every operation of the document, a real server, one that fails in every way, and time."""

import asyncio
import email.utils
import inspect
import json
import re
import socket
import subprocess
import sys
import threading
import time
import traceback

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from live_server import HERON, serving, small_rag, until
from scripted_server import Scripted, hang, raw, reply

from liquid_ai.core import Chunk, Document, Generation, Hit, InputError, Signal, Usage
from liquid_ai.serving import client_common
from liquid_ai.serving.app import handlers
from liquid_ai.serving.client import AsyncClient, Client, Ready, ServerError, TimedOut, Unreachable
from liquid_ai.serving.client_calls import ask_call, hit_from, told
from liquid_ai.serving.client_wire import EventReader
from liquid_ai.serving.schemas import passage
from liquid_ai.serving.service import Service

EATS = "What do herons eat?"


class Blocking:
    "An `AsyncClient` that is called like a `Client`, on a loop of its own."

    def __init__(self, *args, **options):
        self._runner = asyncio.Runner()
        self._client = self._run(self._made(*args, **options))

    async def _made(self, *args, **options):
        return AsyncClient(*args, **options)

    def _run(self, work):
        return self._runner.run(work)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._run(self._client.__aexit__(*error))
        self._runner.close()

    def __repr__(self):
        return repr(self._client)

    def __getattr__(self, name):
        method = getattr(self._client, name)
        if name == "stream":
            return lambda *args, **options: self._steps(method(*args, **options))
        return lambda *args, **options: self._run(method(*args, **options))

    def _steps(self, events):
        try:
            while (event := self._run(anext(events, None))) is not None:
                yield event
        finally:
            self._run(events.aclose())


@pytest.fixture(params=[Client, Blocking], ids=["sync", "async"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "swan.txt").write_text("Swans are white. They swim on lakes.")
    rag = small_rag(tmp_path_factory.mktemp("store"), limit_requests=1_000_000)
    with serving(rag, folders=str(folder)) as (address, service):
        yield address, service


# the document of the API


SAMPLES = {
    "ask": (("x",), {"top_k": 1, "mode": "dense", "where": {"source": "x"}, "passages": True}),
    "ask_simple": (("x",), {"top_k": 1, "mode": "dense", "where": {"source": "x"}, "passages": True}),
    "stream": (("x", True), {"top_k": 1, "mode": "dense", "where": {"source": "x"}, "passages": True}),
    "search": (("x",), {"top_k": 1, "mode": "dense", "where": {"source": "x"}}),
    "feedback": (("5f3a9c01d2e4b677", "up", "good", "better"), {}),
    "document": (("5f3a",), {}),
    "remove": (("5f3a",), {}),
    "add": ((Document.of("text", "name", title="t", meta={"a": 1}, access=("ann",)),), {}),
    "add_files": ((ROOT / "LICENSE",), {}),
    "sync": ((), {}),
    "health": ((), {}),
    "live": ((), {}),
    "ready": ((), {}),
    "status": ((), {}),
    "stats": ((), {}),
    "metrics": ((), {}),
    "adapter": ((), {}),
    "set_adapter": (("x",), {}),
}


def public(client) -> set[str]:
    return {n for n, _ in inspect.getmembers(client, callable) if n[0] != "_"} - {"close"}


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    rag = small_rag(tmp_path_factory.mktemp("document"))
    yield handlers(Service(rag)).openapi()
    rag.close()


def shape(schema: dict, document: dict) -> dict:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def test_both_have_a_method_for_each_operation_and_none_beside(document, kind):
    "Paths below /v1 are for OpenAI's client, those below /mcp for that of MCP."
    assert public(Client) == public(AsyncClient) == SAMPLES.keys()
    left = {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs}
    left = {(verb, path) for verb, path in left if not path.startswith(("/v1/", "/mcp"))}
    for name, (args, options) in SAMPLES.items():
        with Scripted([reply(418)]) as server, kind(server.address) as client, pytest.raises(ServerError):
            list(getattr(client, name)(*args, **options) or ())
        [sent] = server.sent
        [path] = [
            p for v, p in left if v == sent.verb and re.fullmatch(re.sub(r"{\w+}", "[^/]+", p), sent.path)
        ]
        left.discard((sent.verb, path))
        check_sent(sent, document["paths"][path][sent.verb.lower()], document)
    assert not left


def check_sent(sent, operation: dict, document: dict) -> None:
    "Exactly the members that the document has, and no other."
    assert sent.query.keys() == {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"}
    if "requestBody" not in operation:
        assert not sent.body
        return
    [(media, content)] = operation["requestBody"]["content"].items()
    assert sent.headers["content-type"].startswith(media)
    wanted = shape(content["schema"], document)["properties"]
    if media == "multipart/form-data":
        names = set(re.findall(rb'form-data; name="(\w+)"', sent.body))
        assert names == {name.encode() for name in wanted}
        return
    body = json.loads(sent.body)
    assert body.keys() == wanted.keys()
    if "documents" in wanted:
        row = shape(wanted["documents"]["items"], document)["properties"]
        assert body["documents"][0].keys() == row.keys()


def test_the_signatures_are_the_same():
    for name in SAMPLES:
        one, other = (inspect.signature(getattr(c, name)) for c in (Client, AsyncClient))
        assert list(one.parameters.values()) == list(other.parameters.values())
        assert inspect.getdoc(getattr(Client, name)) == inspect.getdoc(getattr(AsyncClient, name))


def test_a_client_loads_nothing_of_the_server():
    code = "import sys, liquid_ai.serving.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"fastapi", "starlette", "uvicorn", "torch", "liquid_ai.pipeline"}


# a real server


def test_answers_are_what_the_pipeline_gives(server, kind):
    address, service = server
    with kind(address) as client:
        for got in (client.ask(EATS, passages=True), client.ask_simple(EATS, passages=True)):
            own = service.rag.ask(EATS)
            assert (got.text, got.citations, got.question) == (own.text, own.citations, own.question)
            assert [h.chunk.where for h in got.hits] == [h.chunk.where for h in own.hits]
            assert [(h.chunk.id, h.rank, h.score) for h in got.hits] == [
                (h.chunk.id, h.rank, pytest.approx(h.score)) for h in own.hits
            ]
            assert got.sentences == own.sentences != () and got.usage.answer_tokens > 0
            assert HERON[got.citations[0].start : got.citations[0].end] == got.citations[0].quote
            assert got.versions == own.versions and got.trace_id and got.cache.kind and got._repr_html_()
        assert client.ask_simple("Who won the cup in 1974?").abstained
        hits = client.search("owl", top_k=1, mode="sparse", where={"source": "owl.txt"})
        assert [h.chunk.source for h in hits] == ["owl.txt"] and hits._repr_html_()


@pytest.mark.parametrize("agent", [True, False])
def test_streams(server, kind, agent):
    question = f"Where do herons nest{'' if agent else ' today'}?"
    with kind(server[0]) as client:
        events = list(client.stream(question, agent, passages=True))
        assert events[-1].kind == "answer" and {e.kind for e in events[:-1]} <= {"hits", "token", "step"}
        assert any(e.kind == "hits" and e.hits for e in events)
        assert events[-1].answer.text == client.ask_simple(question).text
        assert events[-1].answer.hits


def test_documents_come_and_go(server, kind, tmp_path):
    with kind(server[0]) as client:
        sent = Document.of(
            "Storks bring luck.", "stork.txt", title="Storks", meta={"year": 1999, "tags": ["a"]}
        )
        for _ in range(2):  # the same again changes nothing
            told = client.add(sent)
            assert [(d.source, d.status, d.chunks) for d in told.documents] == [("stork.txt", "parsed", 1)]
        got = client.document(told.documents[0].document_id)
        assert (got.text, got.title, got.source, dict(got.meta)) == (
            sent.text,
            "Storks",
            "stork.txt",
            dict(sent.meta),
        )
        (tmp_path / "crane.md").write_text("# Cranes\n\nCranes dance.")
        [file] = client.add_files(tmp_path / "crane.md").documents
        assert file.status == "parsed" and "dance" in client.document(file.document_id).text
        client.remove(got.id)
        client.remove(file.document_id)
        with pytest.raises(ServerError) as told:
            client.document(got.id)
        assert told.value.status == 404 and told.value.request_id
        assert [d.source.rpartition("/")[2] for d in client.sync().documents] == ["swan.txt"]


def test_the_rest(server, kind):
    with kind(server[0]) as client:
        assert client.feedback(client.ask(EATS).trace_id, "up", "good") is True
        assert client.health().status == "ok" and client.health().memory["process"] > 0
        assert client.live() and client.ready() == Ready(True, "")
        assert client.status().status == "running" and client.status().places >= 1
        assert client.stats()["requests_by_kind"]["ask"] > 0
        assert "liquid_ai" in client.metrics() and "# TYPE" in client.metrics()
        assert client.adapter().name == "" and client.set_adapter("").available == ()
        with pytest.raises(ServerError) as told:
            client.set_adapter("none such")
        assert told.value.status == 404 and "no adapter" in told.value.detail


def test_a_server_that_drains_is_not_ready(server, kind, monkeypatch):
    monkeypatch.setattr(server[1], "draining", True)
    with kind(server[0]) as client:
        began = time.monotonic()
        assert not client.ready() and "stop" in client.ready().reason
        assert time.monotonic() - began < 1  # it is an answer, not a refusal to wait for


def test_a_limit_is_waited_for(tmp_path, kind):
    with (
        serving(small_rag(tmp_path, limit_requests=3, limit_seconds=2)) as (address, _),
        kind(address) as client,
    ):
        began = time.monotonic()
        for _ in range(5):
            assert client.search("frogs")
        assert 0.9 < time.monotonic() - began < 8


class Slow:
    "A model that writes for a long time."

    name, fingerprint, context, closed = "slow", "slow", 2_048, False

    def __init__(self):
        self.left = threading.Event()

    def count(self, messages):
        return sum(len(m["content"]) // 4 for m in messages)

    def stream(self, messages, max_tokens, stop=()):
        try:
            for _ in range(1_000):
                time.sleep(0.02)
                yield " fish"
            yield Generation(" fish", Usage(1, 1))
        finally:
            self.left.set()


def test_leaving_a_stream_stops_the_model(server, kind, monkeypatch):
    model = Slow()
    monkeypatch.setattr("liquid_ai.pipeline.load_model", lambda settings: model)
    with kind(server[0]) as client:
        events = client.stream("What do herons eat in winter?")
        assert [next(events).kind for _ in range(3)] == ["hits", "token", "token"]
        events.close()
        assert model.left.wait(30)
        until(lambda: server[1].places.turns.busy == 0)


# a server that fails


ANSWER = {
    "question": EATS,
    "answer": "Fish [1].",
    "abstained": False,
    "reason": "",
    "confidence": 0.8,
    "citations": [],
    "sentences": [{"start": 0, "end": 9, "support": 0.7, "supported": True, "citations": [1], "news": 1}],
    "unsupported": [],
    "passages": None,
    "steps": [],
    "usage": {"prompt_tokens": 1, "answer_tokens": 1},
    "versions": {},
    "trace_id": "5f3a9c01",
    "cache": {"kind": "miss", "age": 0.0, "similarity": None},
    "timings": {},
    "news": "of a later version",
}
GOOD = reply(200, ANSWER)
RESET = raw(b"", reset=True)
HALF = raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{", reset=True)
SHORT = raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{")
NO_HTTP = raw(b"220 mail.example.org ready\r\n")


def http_date(seconds: float) -> str:
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize("status", [429, 503, 409])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(kind, status, form):
    wait = "1" if form == "seconds" else http_date(2)  # dates have whole seconds
    with (
        Scripted([reply(status, {"detail": "later"}, retry_after=wait), GOOD]) as server,
        kind(server.address) as client,
    ):
        began = time.monotonic()
        assert client.ask(EATS).text == "Fish [1]."
        took = time.monotonic() - began
    assert 0.95 <= took < 3.5 and len(server.sent) == 2
    assert server.sent[0].body == server.sent[1].body


@pytest.mark.parametrize("step", [RESET, HALF, SHORT, NO_HTTP, reply(502, b"<h1>"), reply(503)])
def test_what_may_be_done_twice_is_tried_again(kind, step):
    with Scripted([step, step, GOOD]) as server, kind(server.address) as client:
        assert client.ask(EATS).text == "Fish [1]."
    assert len(server.sent) == 3


@pytest.mark.parametrize("step", [RESET, HALF, SHORT, NO_HTTP, reply(502), reply(503), reply(504)])
def test_what_may_not_is_not(kind, step):
    with Scripted([step, reply(200, {"stored": True})]) as server, kind(server.address) as client:
        with pytest.raises(ServerError):
            client.feedback("5f3a9c01", "up")
        assert len(server.sent) == 1
        assert client.feedback("5f3a9c01", "up") is True


def test_a_refusal_to_wait_for_was_not_carried_out(kind):
    steps = [reply(429, retry_after="0"), reply(200, {"stored": True})]
    with Scripted(steps) as server, kind(server.address) as client:
        assert client.feedback("5f3a9c01", "up") is True
    assert len(server.sent) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429, 409, 500, 504])
def test_what_would_end_the_same_way_is_not_tried_again(kind, status):
    body = {"detail": "because", "status": status}
    with (
        Scripted([reply(status, body, x_request_id="abcdefgh")]) as server,
        kind(server.address) as client,
        pytest.raises(ServerError) as told,
    ):
        client.ask(EATS)
    error = told.value
    assert (error.status, error.detail, error.request_id, error.retry_after) == (
        status,
        "because",
        "abcdefgh",
        None,
    )
    assert len(server.sent) == 1 and "because" in str(error) and "abcdefgh" in str(error)


def test_tries_end(kind):
    with (
        Scripted([reply(503, retry_after="0")]) as server,
        kind(server.address, retries=2) as client,
        pytest.raises(ServerError) as told,
    ):
        client.ask(EATS)
    assert told.value.status == 503 and told.value.retry_after == 0 and len(server.sent) == 3
    with Scripted([RESET]) as server, kind(server.address, retries=0) as client, pytest.raises(Unreachable):
        client.ask(EATS)
    assert len(server.sent) == 1


def test_nobody_listens(kind):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with (
            kind(f"http://127.0.0.1:{nobody.getsockname()[1]}", retries=2) as client,
            pytest.raises(Unreachable, match="cannot be reached"),
        ):
            client.feedback("5f3a9c01", "up")  # nothing was sent: tried again, and in vain


DRIP = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n", *[b"x"] * 100, pause=0.1)
DRIPPED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
DRIPS = raw(DRIPPED, *[b": at work\n\n"] * 100, pause=0.1)


@pytest.mark.parametrize("step", [hang(5), DRIP, reply(503, retry_after="1")], ids=["silent", "drip", "busy"])
def test_all_tries_together_have_their_time(kind, step):
    began = time.monotonic()
    with (
        Scripted([step]) as server,
        kind(server.address, timeout=1.5, retries=100) as client,
        pytest.raises(ServerError) as told,
    ):
        client.ask(EATS)
    assert time.monotonic() - began < 3.2
    assert isinstance(told.value, TimedOut) == (told.value.status == 0)
    assert isinstance(told.value, TimeoutError) or told.value.retry_after == 1


def test_a_stream_has_its_time(kind):
    began = time.monotonic()
    with Scripted([DRIPS]) as server, kind(server.address, timeout=1.0) as client, pytest.raises(TimedOut):
        list(client.stream(EATS))
    assert time.monotonic() - began < 2.5


def test_a_wait_that_is_too_long_is_not_begun(kind):
    began = time.monotonic()
    with (
        Scripted([reply(429, retry_after="3600")]) as server,
        kind(server.address) as client,
        pytest.raises(ServerError) as told,
    ):
        client.ask(EATS)
    assert told.value.retry_after == 3_600 and time.monotonic() - began < 1 and len(server.sent) == 1


def test_a_removal_whose_answer_was_lost(kind):
    gone = reply(404, {"detail": "there is no such document"})
    with Scripted([RESET, gone, gone]) as server, kind(server.address) as client:
        client.remove("5f3a")
        with pytest.raises(ServerError):
            client.remove("5f3a")  # this one never was there
    assert len(server.sent) == 3


def test_connections_are_kept(kind):
    with Scripted([GOOD]) as server, kind(server.address) as client:
        for _ in range(5):
            client.ask(EATS)
    assert server.connections == 1 and {s.headers["host"] for s in server.sent} == {server.address[7:]}


# streams that fail


def sse(*events: tuple[str, dict], end: str = "\n") -> bytes:
    return "".join(f"event: {n}{end}data: {json.dumps(d)}{end}{end}" for n, d in events).encode()


HITS, TOKEN = ("hits", {"passages": []}), ("token", {"text": "Fish é"})
WHOLE = sse(HITS, TOKEN, ("weather", {"text": "sunny"}), ("answer", ANSWER))


def streamed(body: bytes, size: int = 0, reset: bool = False):
    parts = [body[n : n + size] for n in range(0, len(body), size)] if size else [body]
    return raw(DRIPPED, *parts, pause=0.0005 if size else 0.05, reset=reset)


@pytest.mark.parametrize("size", [1, 7, 0])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_pieces_of_a_stream(kind, size, end):
    body = b": hello" + end.encode() * 2 + sse(HITS, TOKEN, ("weather", {}), ("answer", ANSWER), end=end)
    lines = f'event: token{end}data: {{{end}data: "text": "!"}}{end}{end}'.encode()
    with Scripted([streamed(lines + body + b": bye\n\n", size)]) as server, kind(server.address) as client:
        events = list(client.stream(EATS))
    assert [e.kind for e in events] == ["token", "hits", "token", "answer"]
    assert [e.text for e in events[:3]] == ["!", "", "Fish é"] and events[3].answer.text == "Fish [1]."


@pytest.mark.parametrize("reset", [True, False])
def test_a_stream_that_breaks_off_before_its_first_event_is_begun_anew(kind, reset):
    with (
        Scripted([streamed(b": hello\n\nevent: hits\nda", reset=reset), streamed(WHOLE)]) as server,
        kind(server.address) as client,
    ):
        assert [e.kind for e in client.stream(EATS)] == ["hits", "token", "answer"]
    assert len(server.sent) == 2


@pytest.mark.parametrize("reset", [True, False])
def test_one_that_breaks_off_later_is_not(kind, reset):
    with (
        Scripted([streamed(sse(HITS, TOKEN) + b"event: answer\nda", reset=reset)]) as server,
        kind(server.address) as client,
    ):
        events = client.stream(EATS)
        assert next(events).kind == "hits" and next(events).kind == "token"
        with pytest.raises(Unreachable):
            next(events)
    assert len(server.sent) == 1


def test_what_breaks_after_the_answer_does_no_harm(kind):
    with Scripted([streamed(WHOLE + b"event: x\nda", reset=True)]) as server, kind(server.address) as client:
        assert [e.kind for e in client.stream(EATS)][-1] == "answer"


def test_a_stream_tells_of_an_error(kind):
    busy = ("error", {"status": 503, "detail": "all places are taken", "request_id": "r", "retry_after": 1})
    with Scripted([streamed(sse(busy)), streamed(WHOLE)]) as server, kind(server.address) as client:
        began = time.monotonic()
        assert [e.kind for e in client.stream(EATS)] == ["hits", "token", "answer"]
        assert time.monotonic() - began >= 0.95
    with Scripted([streamed(sse(HITS, busy))]) as server, kind(server.address) as client:
        events = client.stream(EATS)
        next(events)
        with pytest.raises(ServerError) as told:
            next(events)
    assert (told.value.status, told.value.retry_after, told.value.request_id) == (503, 1, "r")


def test_a_stream_that_is_refused(kind):
    refused = reply(422, {"detail": "the question is empty"})
    with Scripted([refused]) as server, kind(server.address) as client, pytest.raises(ServerError) as told:
        list(client.stream(" "))
    assert told.value.status == 422 and len(server.sent) == 1


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted({c % (len(data) + 1) for c in cuts}), len(data)]
    return [data[a:b] for a, b in zip(places, places[1:], strict=False)]


LINES = st.sampled_from(
    ["data: a", "data:é", "data", "event: x", "event", ": c", "", "", "id: 1", "retry: x", "😀: x"]
)


@settings(deadline=None)
@given(st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"]))), st.lists(st.integers(0, 500)))
def test_events_are_the_same_however_they_are_cut(lines, cuts):
    data = "".join(line + end for line, end in lines).encode() + b"\n"

    def read(parts):
        reader = EventReader()
        return [event for part in parts for event in reader.feed(part)]

    assert read(split(data, cuts)) == read([data])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.text("abc: é", min_size=1, max_size=9), st.text("ab \n:😀", max_size=9)), max_size=5
    )
)
def test_events_are_what_was_written(events):
    events = [(name.strip(" :") or "x", data) for name, data in events]
    text = "".join(
        f"event: {name}\n" + "".join(f"data: {line}\n" for line in data.split("\n")) + "\n"
        for name, data in events
    )
    assert EventReader().feed(text.encode()) == events


def test_events_have_a_bound():
    reader = EventReader(most=10_000)
    for _ in range(50):
        reader.feed(b"data: " + b"x" * 1_000 + b"\n\n")
    with pytest.raises(Unreachable, match="larger"):
        for _ in range(50):
            reader.feed(b"data: " + b"x" * 1_000 + b"\n")


# secrets, strangers, nonsense


KEY = "lai_5f3a9c01d2e4_secret"


def test_the_key_is_sent_and_never_shown(kind):
    echo = reply(401, {"detail": f"the key {KEY} is unknown"})
    with (
        Scripted([echo, reply(500, f"<p>{KEY}</p>".encode()), GOOD]) as server,
        kind(server.address, key=KEY) as client,
    ):
        shown = repr(client)
        for _ in range(2):
            try:
                client.ask(EATS)
            except ServerError as error:
                shown += "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
        client.ask(EATS)
    assert {s.headers["authorization"] for s in server.sent} == {f"Bearer {KEY}"}
    assert "unknown" in shown and KEY not in shown


@pytest.mark.parametrize("key", ["a b", "a\nb", "schlüssel", "\0"])
def test_what_is_no_key_is_not_repeated(key):
    for make in (Client, AsyncClient):
        with pytest.raises(InputError) as told:
            make("http://127.0.0.1:8000", key=key)
        assert key not in str(told.value)


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "http://", "127.0.0.1:80", "http://ann:pw@x", "http://x/?a=1", "http://x\n", 3]
)
def test_what_is_no_address(url):
    with pytest.raises(InputError) as told:
        Client(url)
    assert "pw" not in str(told.value)


def test_redirects_are_not_followed(kind):
    with Scripted([GOOD]) as other:
        elsewhere = reply(307, b"", location=f"{other.address}/ask")
        with (
            Scripted([elsewhere]) as server,
            kind(server.address, key=KEY) as client,
            pytest.raises(ServerError, match="does not follow") as told,
        ):
            client.ask(EATS)
    assert told.value.status == 307 and not other.sent


def test_the_environment_is_not_asked(kind, monkeypatch, tmp_path):
    with Scripted([GOOD]) as proxy, Scripted([GOOD]) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.address)
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password other\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        with kind(server.address, key=KEY) as client:
            client.ask(EATS)
    assert not proxy.sent and server.sent[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"[]", b"{}", b'{"answer": 3}', b"[" * 100_000])
def test_an_answer_that_is_none(kind, body):
    with (
        Scripted([reply(200, body)]) as server,
        kind(server.address) as client,
        pytest.raises(ServerError, match="not what is read here"),
    ):
        client.ask(EATS)
    assert len(server.sent) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(ANSWER)), JSON, max_size=3),
    st.sets(st.sampled_from(sorted(ANSWER)), max_size=2),
)
def test_odd_answers_are_errors_of_the_server(change, without):
    body = {k: v for k, v in (ANSWER | change).items() if k not in without}
    try:
        told(ask_call(EATS), json.dumps(body).encode())
    except ServerError as error:
        assert "/ask" in str(error)


def test_an_answer_has_a_bound(kind, monkeypatch):
    monkeypatch.setattr(client_common, "_MOST", 1_000)
    with (
        Scripted([reply(200, b"x" * 100_000)]) as server,
        kind(server.address, retries=0) as client,
        pytest.raises(Unreachable, match="larger than 1,000 bytes"),
    ):
        client.ask(EATS)


def test_files_are_looked_at_before_anything_is_sent(kind, tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("x.txt", "a/x.txt"):
        (tmp_path / name).write_text("x")
    with Scripted([GOOD]) as server, kind(server.address) as client:
        for paths in ([], [tmp_path / "x.txt", tmp_path / "a" / "x.txt"], [tmp_path / "none.txt"]):
            with pytest.raises(InputError):
                client.add_files(*paths)
        with pytest.raises(InputError):
            client.document("..")
    assert not server.sent


NAMES = st.text("abc é", min_size=1, max_size=8).map(str.strip).filter(bool)


@given(
    title=NAMES | st.just(""),
    headings=st.lists(NAMES, max_size=3),
    page=st.none() | st.integers(1, 9),
    score=st.floats(-1, 1),
)
def test_hits_come_back_as_they_were(title, headings, page, score):
    chunk = Chunk("c", "d", "text", 3, 7, headings=tuple(headings), page=page, source="s.pdf", title=title)
    hit = Hit(chunk, score, 2, {"dense": Signal(1, score)})
    back = hit_from(json.loads(json.dumps(passage(hit))))
    assert back.chunk.where == hit.chunk.where
    assert (back.score, back.rank, back.signals, back.chunk.id) == (hit.score, 2, hit.signals, "c")
