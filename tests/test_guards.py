"""What stands around the server: hosts, origins, bounds, headers, addresses; by raw ASGI and httpx."""

import asyncio
import gc
import json
import socket
import threading
import time
import tracemalloc
from contextlib import suppress

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, WebSocket
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.server.streamable_http import LAST_EVENT_ID_HEADER, MCP_SESSION_ID_HEADER
from mcp.shared.inbound import MCP_METHOD_HEADER, MCP_NAME_HEADER, MCP_PROTOCOL_VERSION_HEADER
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from liquid_ai.core import InputError
from liquid_ai.generation.quota import Reading
from liquid_ai.serving.call import Call
from liquid_ai.serving.guards import (
    EXPOSED,
    HSTS,
    LOOPBACK_HOSTS,
    PAGE_HEADERS,
    SECURITY_HEADERS,
    Bounds,
    Cors,
    HostCheck,
    Proxies,
    client_address,
    default_hosts,
    limit_key,
    page_headers,
    same_origin,
)
from liquid_ai.serving.middleware import call_headers
from liquid_ai.serving.options import ServerSettings, check_options

LOCAL = (b"host", b"localhost:8000")
OWN, EVIL = (b"origin", b"http://localhost:8000"), (b"origin", b"https://evil.example")
NAMED = "https://app.example.org"
WANTED = (b"access-control-request-method", b"POST")


async def hello(scope, receive, send):
    kind = "websocket.accept" if scope["type"] == "websocket" else "http.response.start"
    await send({"type": kind, "status": 200, "headers": [(b"vary", b"Accept")]})
    if scope["type"] == "http":
        await send({"type": "http.response.body", "body": b"hello"})


class Sent:
    "What an application sent."

    def __init__(self, messages):
        self.messages, start = messages, messages[0]
        self.status = start.get("status") if start["type"] != "websocket.close" else 403
        self.headers = list(start.get("headers", ()))
        self.body = b"".join(m.get("body", b"") for m in messages)

    @property
    def cors(self) -> dict[bytes, bytes]:
        return {name: value for name, value in self.headers if name.startswith(b"access-control-")}


def call(app, *headers, body=(), **more) -> Sent:
    "Call `app` once; `body`: messages of the client, or seconds to wait before the next."
    told, waiting = [], list(body)

    async def receive():
        while waiting:
            message = waiting.pop(0)
            if isinstance(message, dict):
                return message
            await asyncio.sleep(message)
        return {"type": "http.disconnect"}

    async def send(message):
        told.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": "http"}
    asyncio.run(app(scope | {"headers": list(headers)} | more, receive, send))
    answer = Sent(told)
    if answer.status and answer.status >= 400 and answer.body:
        assert (b"content-type", b"application/problem+json") in answer.headers
        assert json.loads(answer.body)["status"] == answer.status
    return answer


def piece(data: bytes, more=True):
    return {"type": "http.request", "body": data, "more_body": more}


# hosts


@pytest.mark.parametrize(
    "host", [b"localhost", b"LocalHost:8000", b"127.0.0.1", b"127.0.0.1:65535", b"[::1]:1", b"localhost:"]
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_our_own_names_are_served(host, kind):
    assert call(HostCheck(hello), (b"host", host), type=kind).status == 200


FOREIGN_HOSTS = [
    b"evil.example",
    b"evil.example:8000",
    b"localhost.evil.example",
    b"evil.localhost",
    b"127.0.0.2",
]
FOREIGN_HOSTS += [
    b"",
    b":80",
    b"localhost:80:80",
    b"localhost:8o",
    b"localhost/",
    b"localhost#",
    b"a@localhost",
]
FOREIGN_HOSTS += [
    b"localhost, evil.example",
    b"localhost evil",
    b"[::1",
    b"::1",
    b"[::1]x",
    b"\xff\xfe",
    b"localhost\x00",
]
FOREIGN_HOSTS += [
    b"0.0.0.0",
    b"[::]",
    b"l" * 100_000,
    b"xn--lcalhost-54a",
    "łocalhost".encode(),
    b"%6cocalhost",
    b"*",
]


@pytest.mark.parametrize("host", FOREIGN_HOSTS, ids=lambda h: repr(h[:20]))
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_no_other_name_is_served(host, kind):
    answer = call(HostCheck(hello), (b"host", host), type=kind)
    assert answer.status == (400 if kind == "http" else 403)
    assert not host or host not in answer.body or host in (b"*", b":80")


def test_a_missing_or_doubled_host_is_refused():
    for hosts in ((), (LOCAL, LOCAL), (LOCAL, (b"host", b"evil.example"))):
        assert call(HostCheck(hello), *hosts).status == 400
        assert call(HostCheck(hello, ["*"]), *hosts).status == 400
    assert call(HostCheck(hello, ["*"]), (b"host", b"evil.example")).status == 200
    assert call(HostCheck(hello, ["*"]), (b"host", b"evil example")).status == 400


def test_patterns_match_below_and_nothing_else():
    app = HostCheck(hello, ["*.Example.org", "rag.example.net"])
    good = [b"a.example.org", b"A.B.EXAMPLE.ORG:443", b"rag.example.net", b"rag.example.net."]
    bad = [b"example.org", b"evilexample.org", b".example.org", b"a.rag.example.net", b"a.example.org.evil"]
    assert [call(app, (b"host", host)).status for host in good + bad] == [200] * 4 + [400] * 5
    for wrong in ["http://localhost", "localhost:8000", "a*", "*a", "*.*.org", "", "a b", "[::1]:80"]:
        with pytest.raises(InputError):
            HostCheck(hello, [wrong])


def test_hosts_follow_from_where_a_server_binds():
    assert (
        default_hosts("localhost")
        == default_hosts("unix:/run/rag.sock")
        == default_hosts("::1")
        == LOOPBACK_HOSTS
    )
    assert default_hosts("127.0.0.9")[-1] == "127.0.0.9"
    assert default_hosts("0.0.0.0") == default_hosts("rag.example.org") == ("*",)
    for bound in ("127.0.0.9", "::ffff:127.0.0.1", "[::1]", "/run/x.sock"):
        HostCheck(hello, default_hosts(bound))


def test_the_memory_of_hosts_is_bounded():
    app = HostCheck(hello, ["*"])
    for n in range(5000):
        assert app.allows(f"h{n}.example.org".encode())
    assert app.allows.cache_info().currsize <= 1024


# origins

STATE_CHANGING = ["POST", "PUT", "PATCH", "DELETE", "MADEUP"]
FOREIGN_ORIGINS = [
    b"https://evil.example",
    b"null",
    b"",
    b"http://localhost:3000",
    b"http://localhost",
    b"localhost:8000",
]
FOREIGN_ORIGINS += [b"http://localhost:8000.evil.example", b"http://localhost:80000", b"ftp://localhost:8000"]
FOREIGN_ORIGINS += [
    b"chrome-extension://localhost:8000",
    b"http://a@localhost:8000",
    b"http://localhost:8000/",
    b"\xff",
    b"file://",
]


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_a_foreign_page_changes_nothing_on_an_open_server(origin):
    app, foreign = Cors(hello), (b"origin", origin)
    for method in STATE_CHANGING:
        assert call(app, LOCAL, foreign, method=method).status == 403
        assert call(app, LOCAL, foreign, OWN, method=method).status == 403  # two of them
    assert call(app, LOCAL, foreign, type="websocket").status == 403
    for headers in ((LOCAL, foreign), (LOCAL, foreign, WANTED)):
        assert call(app, *headers, method="OPTIONS").cors == {}
    answer = call(app, LOCAL, foreign)
    assert (answer.status, answer.headers) == (200, [(b"vary", b"Accept")])


@pytest.mark.parametrize("site", [b"cross-site", b"same-site", b"made-up"])
def test_a_page_without_origin_is_known_by_what_the_browser_says(site):
    told = (b"sec-fetch-site", site)
    assert call(Cors(hello), LOCAL, told, method="POST").status == 403
    assert call(Cors(hello), LOCAL, told, type="websocket").status == 403
    assert call(Cors(hello), LOCAL, told).status == 200
    assert call(Cors(hello, authenticated=True), LOCAL, told, method="POST").status == 200


def test_our_own_pages_and_programs_are_served():
    for headers in ((OWN,), (OWN, (b"sec-fetch-site", b"same-origin")), ((b"sec-fetch-site", b"none"),), ()):
        for method in [*STATE_CHANGING, "GET", "OPTIONS"]:
            assert call(Cors(hello), LOCAL, *headers, method=method).status == 200
        assert call(Cors(hello), LOCAL, *headers, type="websocket").status == 200


def test_with_authentication_a_foreign_page_may_send_but_not_read_nor_open_a_socket():
    app = Cors(hello, authenticated=True)
    answer = call(app, LOCAL, EVIL, method="POST")
    assert (answer.status, answer.cors) == (200, {})
    assert call(app, LOCAL, EVIL, type="websocket").status == 403
    preflight = call(app, LOCAL, EVIL, WANTED, method="OPTIONS")
    assert (preflight.status, preflight.cors) == (403, {})


def test_a_named_origin_is_told_so_and_caches_are_warned():
    app, named = Cors(hello, [NAMED], authenticated=True), (b"origin", NAMED.encode())
    answer = call(app, LOCAL, named, method="POST")
    assert answer.cors[b"access-control-allow-origin"] == NAMED.encode()
    assert b"access-control-allow-credentials" not in answer.cors
    assert b"X-RateLimit-Remaining" in answer.cors[b"access-control-expose-headers"]
    for headers in ((named,), (EVIL,), ()):
        answer = call(app, LOCAL, *headers)
        assert [v for n, v in answer.headers if n == b"vary"] == [b"Accept", b"Origin"]
        assert (b"access-control-allow-origin" in answer.cors) == (headers == (named,))
    preflight = call(app, LOCAL, named, WANTED, method="OPTIONS")
    assert preflight.status == 204 and b"POST" in preflight.cors[b"access-control-allow-methods"]
    assert call(app, LOCAL, named, type="websocket").status == 200
    assert call(Cors(hello, [NAMED]), LOCAL, named, method="DELETE").status == 200  # open, and named
    for other in [
        b"https://APP.example.org",
        b"http://app.example.org",
        NAMED.encode() + b":443",
        NAMED.encode() + b".",
    ]:
        assert call(app, LOCAL, (b"origin", other), type="websocket").status == 403


def names_in(value: bytes) -> set[str]:
    return {name.strip().lower() for name in value.decode().split(",")}


def test_pages_may_send_and_read_what_clients_of_mcp_need():
    app, named = Cors(hello, [NAMED], authenticated=True), (b"origin", NAMED.encode())
    sent = names_in(call(app, LOCAL, named, WANTED, method="OPTIONS").cors[b"access-control-allow-headers"])
    assert {MCP_PROTOCOL_VERSION_HEADER, MCP_METHOD_HEADER, MCP_NAME_HEADER} <= sent
    assert {MCP_SESSION_ID_HEADER, LAST_EVENT_ID_HEADER, "traceparent", "authorization"} <= sent
    read = names_in(call(app, LOCAL, named).cors[b"access-control-expose-headers"])
    assert {MCP_SESSION_ID_HEADER, "retry-after", "www-authenticate"} <= read


def test_pages_may_read_all_that_a_response_says_of_its_request():
    one = Call("abcdefgh", "POST", "/ask")
    one.cache, one.age, one.trace_id = "HIT", 1.0, "5f3a9c01"
    one.reading = Reading(9, 8, 1.0, tokens_limit=5, tokens_remaining=4)
    told = {name.decode() for name, _ in call_headers(one)}
    assert len(told) == 13 and told <= {name.lower() for name in EXPOSED}


def test_any_origin_never_goes_with_credentials():
    with pytest.raises(InputError, match="never with credentials"):
        Cors(hello, ["*"], credentials=True)
    for wrong in [
        ["*", NAMED],
        ["null"],
        [NAMED + "/"],
        ["app.example.org"],
        ["https://*.example.org"],
        [""],
    ]:
        with pytest.raises(InputError):
            Cors(hello, wrong)
    answer = call(Cors(hello, ["*"]), LOCAL, EVIL)
    assert (
        answer.cors[b"access-control-allow-origin"] == b"*"
        and b"access-control-allow-credentials" not in answer.cors
    )
    assert call(Cors(hello, ["*"]), LOCAL).cors == {}
    named = call(Cors(hello, [NAMED], credentials=True), LOCAL, (b"origin", NAMED.encode()))
    assert named.cors[b"access-control-allow-credentials"] == b"true"
    assert named.cors[b"access-control-allow-origin"] == NAMED.encode()


def test_a_message_that_is_sent_again_is_not_changed():
    start = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}

    async def kept(scope, receive, send):
        await send(start)
        await send({"type": "http.response.body", "body": b""})

    first, second = (call(Cors(kept, [NAMED]), LOCAL, (b"origin", NAMED.encode())).headers for _ in range(2))
    assert first == second and start["headers"] == [(b"a", b"b")]


def test_the_scheme_counts_where_tls_ends_here():
    assert same_origin(b"https://rag.example.org", b"rag.example.org", "http")  # a proxy ends TLS
    assert same_origin(b"https://rag.example.org", b"rag.example.org:443", "https")
    assert not same_origin(b"http://rag.example.org", b"rag.example.org", "https")
    assert not same_origin(b"http://rag.example.org", b"rag.example.org", "wss")
    assert not same_origin(b"http://", b"", "http") and not same_origin(b"null", b"null", "http")


# bounds


async def count(scope, receive, send):
    "Answers how many bytes came."
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client is gone")
        size, more = size + len(message["body"]), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


LENGTH, CHUNKED = b"content-length", (b"transfer-encoding", b"chunked")
BAD_LENGTHS = [
    b"",
    b"-1",
    b"+1",
    b"1.0",
    b"0x1",
    b"1_000",
    b" 1",
    b"1 ",
    b"1,1",
    b"one",
    "١".encode(),
    b"9" * 5000,
]


@pytest.mark.parametrize("value", BAD_LENGTHS)
def test_a_malformed_length_is_refused(value):
    assert call(Bounds(count), (LENGTH, value), body=[piece(b"x", False)]).status == 400


def test_contradicting_lengths_are_refused():
    for headers in ([(LENGTH, b"1")] * 2, [(LENGTH, b"1"), (LENGTH, b"2")], [(LENGTH, b"1"), CHUNKED]):
        assert call(Bounds(count), *headers, body=[piece(b"x", False)]).status == 400


def test_a_body_that_says_it_is_too_large_is_refused_before_anything_is_read():
    async def never(scope, receive, send):
        raise AssertionError

    answer = call(Bounds(never, body_bytes=1000), (LENGTH, b"1001"))
    assert answer.status == 413 and (b"connection", b"close") in answer.headers
    assert (
        call(Bounds(count, body_bytes=1000), (LENGTH, b"1000"), body=[piece(b"x" * 1000, False)]).body
        == b"1000"
    )


@settings(max_examples=200, deadline=None)
@given(sizes=st.lists(st.integers(0, 400), min_size=1, max_size=8))
def test_a_body_is_read_up_to_the_bound_exactly(sizes):
    pieces = [piece(b"x" * size) for size in sizes] + [piece(b"", False)]
    answer = call(Bounds(count, body_bytes=1000), CHUNKED, body=pieces)
    assert (
        (answer.status, answer.body) == (200, str(sum(sizes)).encode())
        if sum(sizes) <= 1000
        else answer.status == 413
    )


def test_an_endless_body_takes_no_memory():
    async def receive():
        return piece(b"x" * 65_536)

    async def kept(scope, receive, send):
        body = []
        while (message := await receive())["type"] != "http.disconnect":
            body.append(message["body"])
            assert sum(map(len, body)) <= 1 << 20
        await send({"type": "http.response.start", "status": 200, "headers": []})

    told = []

    async def send(message):
        told.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": [CHUNKED]}
    tracemalloc.start()
    asyncio.run(Bounds(kept, body_bytes=1 << 20)(scope, receive, send))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told[0]["status"] == 413 and peak < 3 << 20


@pytest.mark.parametrize(
    "body", [[1.0], [piece(b"x"), 1.0], [*[piece(b"x"), 0.04] * 20]], ids=["silent", "stops", "trickles"]
)
def test_a_slow_body_has_a_deadline_for_the_whole_of_it(body):
    start = time.perf_counter()
    answer = call(Bounds(count, body_seconds=0.2), (LENGTH, b"1000"), body=[*body, piece(b"", False)])
    assert answer.status == 408 and time.perf_counter() - start < 0.6
    assert (b"connection", b"close") in answer.headers


def test_a_body_that_came_in_time_leaves_the_handler_its_own():
    async def waits(scope, receive, send):
        await count(scope, receive, lambda message: asyncio.sleep(0))
        assert (await receive())["type"] == "http.disconnect"  # long after the deadline
        await send({"type": "http.response.start", "status": 200, "headers": []})

    answer = call(Bounds(waits, body_seconds=0.05), (LENGTH, b"1"), body=[piece(b"x", False), 0.2])
    assert answer.status == 200


def framework() -> FastAPI:
    app = FastAPI()

    @app.post("/json")
    async def read(request: Request, data: dict):
        return len(data)

    @app.post("/raw")
    async def raw(request: Request):
        return len(await request.body())

    @app.get("/sleep")
    async def sleep():
        await asyncio.sleep(5)

    @app.get("/stubborn")
    async def stubborn():
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            return "done anyway"

    @app.get("/stream")
    async def stream():
        async def pieces():
            for n in range(5):
                await asyncio.sleep(0.1)
                yield str(n)

        return StreamingResponse(pieces())

    @app.get("/own")
    async def own():
        raise TimeoutError("of the handler")

    @app.websocket("/ws")
    async def ws(socket: WebSocket):
        await socket.accept()
        with suppress(WebSocketDisconnect):
            while True:
                await socket.send_text(str(len(await socket.receive_text())))

    return app


async def asked(app, method, path, **more):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.request(method, path, **more)


async def chunks(n, pause=0.0):
    for _ in range(n):
        await asyncio.sleep(pause)
        yield b" " * 100


@pytest.mark.parametrize("path", ["/json", "/raw"])
def test_a_framework_does_not_turn_a_refusal_into_its_own(path):
    app = Bounds(framework(), body_bytes=1000, body_seconds=0.2)
    kind = {"content-type": "application/json"}
    too_large = asyncio.run(asked(app, "POST", path, content=chunks(20), headers=kind))
    too_slow = asyncio.run(asked(app, "POST", path, content=chunks(20, 0.05), headers=kind))
    assert (too_large.status_code, too_slow.status_code) == (413, 408)
    assert too_large.headers["content-type"] == too_slow.headers["content-type"] == "application/problem+json"
    assert asyncio.run(asked(app, "POST", "/raw", content=chunks(10))).text == "1000"


@pytest.mark.parametrize("path", ["/sleep", "/stubborn"])
def test_a_late_handler_is_ended_and_the_client_not_asked_to_come_again(path):
    start = time.perf_counter()
    answer = asyncio.run(asked(Bounds(framework(), seconds=0.2), "GET", path))
    assert answer.status_code == 504 and "retry-after" not in answer.headers  # some of it may be done
    assert time.perf_counter() - start < 1


def test_an_answer_that_has_begun_is_not_cut_and_a_handlers_own_error_is_its_own():
    assert asyncio.run(asked(Bounds(framework(), seconds=0.2), "GET", "/stream")).text == "01234"
    assert asyncio.run(asked(Bounds(framework(), seconds=0.2), "GET", "/own")).status_code == 500

    async def fails(scope, receive, send):
        raise TimeoutError("of the handler")

    with pytest.raises(TimeoutError, match="of the handler"):
        call(Bounds(fails))


def test_who_is_cancelled_from_outside_is_cancelled():
    async def main():
        async def sleeps(scope, receive, send):
            await asyncio.sleep(5)

        scope = {"type": "http", "path": "/", "query_string": b"", "headers": []}
        task = asyncio.create_task(Bounds(sleeps)(scope, None, None))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


BOMBS = {"many": [(b"x", b"")] * 101, "large": [(b"cookie", b"x" * 20_000)], "names": [(b"x" * 20_000, b"")]}


@pytest.mark.parametrize("headers", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_header_bombs_are_refused(headers, kind):
    assert call(Bounds(hello), *headers, type=kind).status == (431 if kind == "http" else 403)


def test_a_long_target_is_refused():
    assert call(Bounds(hello), path="/" + "a" * 9000).status == 414
    assert call(Bounds(hello), query_string=b"a" * 9000).status == 414
    assert call(Bounds(hello), raw_path=b"/" + b"%61" * 3000, path="/" + "a" * 3000).status == 414


def test_a_socket_with_too_large_a_message_is_closed():
    with (
        TestClient(Bounds(framework(), body_bytes=1000)) as client,
        client.websocket_connect("/ws") as socket,
    ):
        socket.send_text("x" * 1000)
        assert socket.receive_text() == "1000"
        socket.send_text("é" * 501)  # 1002 bytes
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        assert closed.value.code == 1009


@pytest.mark.parametrize(
    "wrong", [{"body_bytes": 0}, {"seconds": 0}, {"seconds": float("nan")}, {"body_seconds": -1}]
)
def test_bounds_that_bound_nothing_are_refused(wrong):
    with pytest.raises(InputError):
        Bounds(hello, **wrong)


def test_lifespan_passes_all_guards():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    for guard in (HostCheck(app), Cors(app), Bounds(app)):
        asyncio.run(guard({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"] * 3


def test_guards_keep_nothing_of_requests():
    app = HostCheck(Cors(Bounds(hello)))
    headers = [LOCAL, *[(b"x-h", b"v")] * 8]
    call(app, *headers)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for n in range(500):
        call(app, *headers, (b"origin", f"https://{n}.example".encode()))
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 100_000


# over a socket


@pytest.fixture(scope="module")
def port():
    "A server on loopback with all guards."
    app = HostCheck(Cors(Bounds(framework(), body_bytes=1000, body_seconds=0.3, seconds=1)))
    config = uvicorn.Config(
        app, port=0, log_config=None, http="httptools", ws="websockets-sansio", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


def talk(port, *pieces, host="localhost", pause=0.0) -> bytes:
    "Everything that a server answers to these bytes, until it closes the connection."
    told = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        for data in pieces:
            with suppress(ConnectionError):
                s.sendall(data.replace(b"HOST", host.encode()))
            time.sleep(pause)
        with suppress(ConnectionError):
            while data := s.recv(65_536):
                told += data
    return told


POST = b"POST /raw HTTP/1.1\r\nHost: HOST\r\n"
CHUNK = b"64\r\n" + b"x" * 100 + b"\r\n"


def test_a_real_server_refuses_and_closes_the_connection(port):
    start = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    large = talk(port, start, CHUNK * 20)
    declared = talk(port, POST + b"Content-Length: 1001\r\n\r\n")
    slow = talk(port, start, *[CHUNK] * 8, pause=0.06)
    silent = talk(port, POST + b"Content-Length: 10\r\n\r\n")
    assert [a.split(b" ")[1] for a in (large, declared, slow, silent)] == [b"413", b"413", b"408", b"408"]
    assert all(
        a.count(b"HTTP/1.1") == 1 and b"connection: close" in a.lower()
        for a in (large, declared, slow, silent)
    )
    good = talk(
        port, start, CHUNK * 10, b"0\r\n\r\nGET / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"
    )
    assert good.startswith(b"HTTP/1.1 200") and b"\r\n\r\n1000HTTP/1.1 404" in good


def test_a_real_server_refuses_other_hosts_and_foreign_sockets(port):
    upgrade = b"GET /ws HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    upgrade += b"Sec-WebSocket-Version: 13\r\n"
    upgrade += b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    rebound = talk(port, POST + b"Content-Length: 0\r\nConnection: close\r\n\r\n", host="evil.example")
    assert rebound.startswith(b"HTTP/1.1 400") and b"problem+json" in rebound
    foreign = talk(port, upgrade + b"Origin: https://evil.example\r\n\r\n")
    assert foreign.startswith(b"HTTP/1.1 403") and b"problem+json" in foreign


# what every answer says


def test_headers_are_encoded_and_told_once():
    for headers in (SECURITY_HEADERS, PAGE_HEADERS, (HSTS,)):
        assert all(isinstance(part, bytes) and part.isascii() for pair in headers for part in pair)
        assert len({name for name, _ in headers}) == len(headers) and all(n == n.lower() for n, _ in headers)
    assert dict(SECURITY_HEADERS)[b"content-security-policy"] == b"default-src 'none'; frame-ancestors 'none'"


def test_nothing_of_an_answer_is_fetched_by_a_page_of_ours():
    policy = dict(PAGE_HEADERS)[b"content-security-policy"].decode()
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split("; ")}
    for name in (
        "default-src",
        "img-src",
        "connect-src",
        "form-action",
        "font-src",
        "script-src",
        "style-src",
    ):
        assert set(rules[name]) <= {"'self'", "data:", "'unsafe-inline'"}, name
    assert "'unsafe-inline'" not in rules["script-src"]
    assert rules["base-uri"] == rules["object-src"] == rules["frame-ancestors"] == ["'none'"]
    assert b"'nonce-ab+/='" in dict(page_headers("'self' 'nonce-ab+/='"))[b"content-security-policy"]
    for wrong in [
        "*",
        "https:",
        "https://cdn.example",
        "'self' data:",
        "'self';img-src *",
        "'self',",
        "'self'\r\nX: y",
        "",
    ]:
        with pytest.raises(InputError):
            page_headers(wrong)


# addresses

TRUSTED = Proxies(["10.0.0.0/8", "2001:db8:ffff::/48"])
STANDARD = Proxies(["10.0.0.0/8"], "forwarded")


def seen(peer, *lines, proxies=TRUSTED, name=None):
    headers = [(name or proxies.header, line.encode("latin-1")) for line in lines]
    return client_address({"type": "http", "client": peer and (peer, 5), "headers": headers}, proxies)


def test_without_a_proxy_no_header_counts():
    for proxies in (TRUSTED, STANDARD, Proxies()):
        for name in (b"x-forwarded-for", b"forwarded", b"x-real-ip"):
            assert (
                seen("203.0.113.9", "198.51.100.1", "for=198.51.100.1", proxies=proxies, name=name)
                == "203.0.113.9"
            )
    assert seen("10.0.0.1", "198.51.100.1", proxies=Proxies()) == "10.0.0.1"


def test_the_other_header_never_counts():
    for proxies, name in ((TRUSTED, b"forwarded"), (STANDARD, b"x-forwarded-for")):
        for line in ("198.51.100.1", "for=198.51.100.1"):
            assert seen("10.0.0.1", line, proxies=proxies, name=name) == "10.0.0.1"


JUNK = ["10.0.0.1", "unknown", "", " ", "::", "[", "x" * 99, "for=1.1.1.1", '"']
OURS = ("10.", "2001:db8:ffff")


@settings(max_examples=500, deadline=None)
@given(
    forged=st.lists(st.ip_addresses().map(str) | st.sampled_from(JUNK), max_size=40),
    lines=st.booleans(),
    hops=st.lists(st.sampled_from(["10.0.0.2", "10.9.9.9", "2001:db8:ffff::1"]), max_size=4),
    client=st.ip_addresses().map(str).filter(lambda a: not a.startswith(OURS)),
)
def test_whatever_a_client_writes_its_own_address_is_found(forged, lines, hops, client):
    added = ", ".join([client, *hops])
    whole = [*([", ".join(forged)] if forged else []), added] if lines else [", ".join([*forged, added])]
    found = seen("10.0.0.1", *whole)
    assert found == seen(client)  # what a direct connection from there would show


@settings(max_examples=300, deadline=None)
@given(
    forged=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40),
    client=st.ip_addresses(v=4).map(str).filter(lambda a: not a.startswith("10.")),
)
def test_the_standard_header_as_well(forged, client):
    quoted = forged.replace("\\", "\\\\").replace(
        '"', '\\"'
    )  # as a proxy quotes a Host that the client chose
    assert seen("10.0.0.1", f'for={client};host="x"', proxies=STANDARD) == client
    assert seen("10.0.0.1", forged, f"for={client}", proxies=STANDARD) == client
    assert seen("10.0.0.1", f'for={client};host="{quoted}"', proxies=STANDARD) in (client, "10.0.0.1")
    attack = f'for={client};host="{quoted}, for=198.51.100.1;a=b"'
    assert seen("10.0.0.1", attack, proxies=STANDARD) == "10.0.0.1"


NO_ADDRESS = ["", ",", "unknown", "_hidden", "203.0.113.999", "203.0.113.9:x", "[2001:db8::1", "2001:db8::1]"]
NO_ADDRESS += [
    "203.0.113.9 198.51.100.1",
    "fe80::1%eth0",
    "1",
    "0x7f.1",
    "[203.0.113.9",
    "a" * 100_000,
    ", " * 20_000,
]


@pytest.mark.parametrize("junk", NO_ADDRESS, ids=lambda text: repr(text[:12]))
def test_junk_ends_the_walk(junk):
    assert seen("10.0.0.1", f"198.51.100.1, {junk}, 10.0.0.2") == "10.0.0.2"
    assert seen("10.0.0.1", f"198.51.100.1, {junk}") == "10.0.0.1"


def test_spellings_of_one_address_are_one():
    for text in (
        "203.0.113.9",
        "203.0.113.9:4711",
        " 203.0.113.9\t",
        "::ffff:203.0.113.9",
        "[::ffff:203.0.113.9]:1",
    ):
        assert seen("10.0.0.1", text) == "203.0.113.9"
    assert seen("::ffff:203.0.113.9") == "203.0.113.9"
    assert seen("10.0.0.1", "2001:DB8:0:0::0001") == "2001:db8::1"


def test_a_socket_of_this_machine_is_a_proxy_only_if_said():
    assert seen(None, "203.0.113.9") == "unix"
    assert seen(None, "203.0.113.9", proxies=Proxies(["unix"])) == "203.0.113.9"
    assert seen("", "203.0.113.9", proxies=Proxies(["unix"])) == "203.0.113.9"


def test_proxies_that_make_no_sense_are_refused():
    for wrong in (["10.0.0.1/8"], ["proxy.example"], ["*"], [""]):
        with pytest.raises(InputError):
            Proxies(wrong)
    with pytest.raises(InputError):
        Proxies([], "x-real-ip")


@given(st.ip_addresses(v=6).filter(lambda a: not a.ipv4_mapped), st.integers(0, 2**64 - 1))
def test_addresses_of_one_home_are_counted_together(address, host):
    other = type(address)(int(address) >> 64 << 64 | host)
    if not other.ipv4_mapped:
        assert (
            limit_key(str(address))
            == limit_key(str(other))
            == limit_key(limit_key(str(address)).removesuffix("/64"))
        )
    far = type(address)(int(address) ^ 1 << 64)
    assert limit_key(str(far)) != limit_key(str(address))


@pytest.mark.parametrize("text", ["203.0.113.9", "unix", "", "not:an:address", "fe80::1%eth0", "testclient"])
def test_what_is_no_ipv6_is_counted_by_itself(text):
    assert limit_key(text) == text


def test_what_proxies_know_is_what_the_options_take():
    for good in ("unix", "unix, 10.0.0.0/8", "::1"):
        check_options(ServerSettings(proxies=good))
    for wrong in ("everyone", "10.0.0.1/8", "unix:"):  # the second has host bits: which is meant?
        with pytest.raises(InputError, match="proxies"):
            check_options(ServerSettings(proxies=wrong))
