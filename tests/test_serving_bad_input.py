"""Whatever is sent: a problem document or a closed connection, nothing given away; the server lives on."""

import json
import re
import socket
import threading
import time
from contextlib import suppress
from urllib.parse import quote

import httpx
import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import (
    QUESTION,
    Slow,
    gives_nothing_away,
    is_problem,
    keys,
    opened,
    raw,
    running,
    served,
    service_in,
)

JSON = {"content-type": "application/json"}
SECRET = "a secret of the tokens that is long enough"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    "A server without authentication, on a socket."
    folder = tmp_path_factory.mktemp("bad")
    rag = opened(folder / "store", Slow(), limit_requests=1_000_000)
    app = served(rag, body_seconds=1.5, folders=str(folder))
    with running(app, h11_max_incomplete_event_size=65_536) as s:
        s.service = service_in(app)
        yield s


@pytest.fixture(autouse=True)
def lives(request):
    "After each test the server answers, and nobody waits in it."
    yield
    if "world" in request.fixturenames:
        s = request.getfixturevalue("world")
        r = httpx.post(f"{s.url}/ask/simple", json={"question": QUESTION}, timeout=30)
        assert r.status_code == 200
        turns = s.service.places.turns
        end = time.monotonic() + 5
        while turns.busy and time.monotonic() < end:
            time.sleep(0.01)
        assert (turns.busy, turns.waiting) == (0, 0)


def refused(r: httpx.Response, *statuses: int) -> dict:
    told = is_problem(r)
    assert r.status_code in (statuses or (400, 404, 405, 413, 414, 415, 422, 431)), r.text
    assert len(r.content) < 20_000 and r.headers["x-request-id"]
    return told


# bodies

DEEP = 100_000
MALFORMED = [
    b"",
    b" ",
    b"{",
    b"nul",
    b"{'question': 'x'}",
    b'{"question": "x"',
    b'{"question": "x",}',
    b"\xff\xfe",
]
MALFORMED += [
    b"[" * DEEP,
    b'{"a":' * DEEP,
    b"[" * DEEP + b"]" * DEEP,
    b"\x00" * 100,
    b'{"question":"x"} trailing',
]
MALFORMED += [
    b'{"question": "a\nb"}',
    b'{"question": "\xed\xa0\x80"}',
    b'{"question": "\xc0\xaf"}',
    b"1e99999",
    b"-",
]
MALFORMED += [
    b'{"question": "x", "top_k": ' + b"9" * 10_000 + b"}",
    b'{"question": 0x10}',
    b'"\\ud800"',
    b"true",
]
WRONG = [
    "null",
    "[]",
    "1",
    '"x"',
    "{}",
    '{"question": null}',
    '{"question": 1}',
    '{"question": []}',
    '{"question": {}}',
]
WRONG += [
    '{"question": ""}',
    '{"question": " \\t\\n"}',
    '{"question": "\\u0000"}',
    '{"question": "\\ud800"}',
    "NaN",
]
WRONG += ['{"question": NaN}', '{"question": "x", "top_k": 0}', '{"question": "x", "top_k": -1}', "Infinity"]
WRONG += [
    '{"question": "x", "top_k": 1.5}',
    '{"question": "x", "top_k": "5"}',
    '{"question": "x", "top_k": true}',
]
WRONG += [
    '{"question": "x", "top_k": 1e3000}',
    '{"question": "x", "top_k": NaN}',
    '{"question": "x", "top_k": 1001}',
]
WRONG += [
    '{"question": "x", "top_k": -Infinity}',
    '{"question": "x", "mode": "psychic"}',
    '{"question": "x", "mode": 1}',
]
WRONG += [
    '{"question": "x", "where": []}',
    '{"question": "x", "where": {"a": null}}',
    '{"question": "x", "where": {"a": 1}}',
]
WRONG += [
    '{"question": "x", "where": {"a": {"$gt": 1}}}',
    '{"question": "x", "where": {"a": {"b": {"c": 1}}}}',
]
WRONG += [
    '{"question": "x", "where": {"\\ud800": 1}}',
    '{"question": "x", "\\ud800": 1}',
    '{"question": "x", "more": 1}',
]
WRONG += [
    '{"question": "x", "__proto__": {}}',
    '{"question": "x", "principals": ["root"]}',
    '{"Question": "x"}',
]
WRONG += [
    '{"question": "x", "question": ""}',
    '{"question": "' + "x" * 8_001 + '"}',
    '{"question": "x", "cache": 1}',
]


@pytest.mark.parametrize("path", ["/ask", "/ask/simple", "/ask/stream", "/search"])
def test_malformed_and_unfit_questions(world, path):
    for body in [*MALFORMED, *map(str.encode, WRONG)]:
        r = world.http.post(path, content=body, headers=JSON)
        told = refused(r, 400, 422)
        assert "\\ud800" not in told["detail"]


DOCUMENTS = [
    "null",
    "[]",
    "{}",
    '{"documents": []}',
    '{"documents": {}}',
    '{"documents": [1]}',
    '{"documents": [{}]}',
]
FACTS = [
    '"text": ""',
    '"text": null',
    '"text": 1',
    '"text": "\\ud800"',
    '"source": ""',
    '"source": "\\ud800"',
]
FACTS += [
    '"source": "' + "s" * 2_001 + '"',
    '"title": "' + "t" * 501 + '"',
    '"meta": []',
    '"meta": {"a": null}',
]
FACTS += [
    '"meta": {"a": {"b": 1}}',
    '"meta": {"a": [[1]]}',
    '"meta": {"\\ud800": 1}',
    '"meta": {"a": "\\ud800"}',
]
FACTS += [
    '"access": "ann"',
    '"access": [""]',
    '"access": [1]',
    '"access": ["\\ud800"]',
    '"id": "x"',
    '"tenant": "evil"',
]
FACTS += [
    '"meta": {"a": ' + "9" * 6_000 + "}",
    '"mime": 1',
    '"mime": "' + "m" * 201 + '"',
    '"access": [null]',
]


def test_unfit_documents(world):
    before = world.service.rag.store.counts()
    for body in [*DOCUMENTS, *('{"documents": [{"text": "x", "source": "s", ' + f + "}]}" for f in FACTS)]:
        refused(world.http.post("/documents", content=body.encode(), headers=JSON), 400, 422)
    for body in MALFORMED:
        refused(world.http.post("/documents", content=body, headers=JSON), 400, 422)
    good = {"text": "x", "source": "good"}
    refused(
        world.http.post("/documents", json={"documents": [good, good | {"text": ""}]}), 422
    )  # all or nothing
    refused(world.http.post("/documents", json={"documents": [good] * 1_001}), 422)
    assert world.service.rag.store.counts() == before


STRANGE = [
    "NaN",
    "Infinity",
    "-0.0",
    "1e308",
    "123456789012345678901234567890",
    "[]",
    '["", true, 1]',
    '"\\u0000"',
]


def test_strange_but_fit_documents_are_read_back_as_they_were(world):
    for n, value in enumerate(STRANGE):
        text = "\u202eevil\u2066 \U0001f9a9 \x00\x1b[31m \ufeff \ufffe e\u0301 heron " + "\u0301" * 100
        document = f'{{"text": {json.dumps(text)}, "source": "\\u0000/../{n}", "meta": {{"a": {value}}}}}'
        r = world.http.post("/documents", content=f'{{"documents": [{document}]}}'.encode(), headers=JSON)
        assert r.status_code in (200, 422), (value, r.text)
        if r.status_code == 422:
            refused(r)
            continue
        id = r.json()["documents"][0]["document_id"]
        told = world.http.get(f"/documents/{id}").json()
        assert told["text"] == text and told["source"] == f"\x00/../{n}"
        assert world.http.post("/search", json={"question": "heron", "where": {"a": 1}}).status_code == 200
        assert world.http.delete(f"/documents/{id}").status_code == 204


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["question", "top_k", "mode", "where", "passages", "documents", "trace_id", "rating", "name", "x"]
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
@given(
    path=st.sampled_from(
        ["/ask", "/ask/simple", "/ask/stream", "/search", "/documents", "/feedback", "/adapter"]
    ),
    body=st.one_of(VALUES, st.dictionaries(KEYS, VALUES, max_size=5)),
    cut=st.integers(0, 3),
)
def test_any_json_is_answered(world, path, body, cut):
    data = json.dumps(body).encode()
    data = data[: len(data) // 2] if cut == 0 else data
    method = "PUT" if path == "/adapter" else "POST"
    r = world.http.request(method, path, content=data, headers=JSON)
    gives_nothing_away(r.text)
    if r.status_code != 200:
        refused(r, 400, 404, 422)


TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=",
]
TYPES += [
    "application/xml",
    "application/json; charset=utf-16",
    "application/octet-stream",
    "a",
    "",
    "/",
    ";;;",
]
TYPES += [
    "multipart/form-data; boundary=" + "b" * 500,
    "image/png",
    "application/problem+json",
    "text/html; charset=x",
]


@pytest.mark.parametrize("kind", TYPES)
def test_wrong_types_of_content(world, kind):
    for path in ("/ask", "/search", "/documents", "/documents/files", "/feedback"):
        for data in (b"question=x", b"\x00\x01\x02", b'[{"question": "x"}]', b"--b\r\n\r\n"):
            refused(world.http.post(path, content=data, headers={"content-type": kind}), 400, 415, 422)
    r = world.http.post("/search", content=b'{"question": "x"}', headers={"content-type": kind})
    assert r.status_code in (200, 400, 415, 422)


FILES = [
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\x.txt",
    "x\x00.txt",
    ".",
    "..",
    "~",
    "CON",
    "x.pdf",
    "x.docx",
    "x.exe",
]
FILES += [
    "x.ipynb",
    "x.html",
    "x.xlsx",
    "x.zip",
    "a" * 400 + ".txt",
    "é" * 200 + ".md",
    "x.t\u202ext",
    ".txt",
    "x.py",
]
CONTENT = [
    b"",
    b"\x00" * 100,
    b"\xff\xfe\x00\xd8",
    b"%PDF-1.7 broken",
    b"PK\x03\x04 broken",
    b"{",
    b"<html>" * 5_000,
]
CONTENT += [b"\xef\xbb\xbftext", b"MZ\x90", b"GIF89a", b"\x1f\x8b\x08", b"a" * 300_000]


@pytest.mark.parametrize("content", CONTENT, ids=lambda c: repr(c[:8]))
def test_hostile_files(world, content):
    for name in FILES:
        r = world.http.post("/documents/files", files=[("files", (name, content))])
        gives_nothing_away(r.text.replace(json.dumps(name)[1:-1], ""))
        if r.status_code != 200:
            refused(r, 400, 422)
            continue
        for file in r.json()["documents"]:
            assert "/" not in file["source"] and "liquid_ai-" not in r.text and len(file["reason"]) < 500
            if file["document_id"]:
                assert world.http.delete(f"/documents/{file['document_id']}").status_code == 204


def test_bodies_that_are_too_large(world):
    big = b'{"question": "' + b"x" * 1_000_000 + b'"}'
    for path in ("/ask", "/ask/simple", "/ask/stream", "/search", "/feedback"):
        refused(world.http.post(path, content=big, headers=JSON), 413)

    def endless():
        for _ in range(200):
            yield b" " * 10_000

    refused(httpx.post(f"{world.url}/ask", content=endless(), headers=JSON, timeout=10), 413)
    head = "POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += "Content-Length: {}\r\n\r\n"
    for size in ("99999999999", "9" * 17):
        told = raw(world.port, head.format(size).encode(), 3)
        assert told.startswith(b"HTTP/1.1 413") and b"connection: close" in told.lower()


def test_a_body_that_is_slow_is_refused_and_one_that_ends_early_is_let_go_of(world):
    head = b"POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"Content-Length: 20\r\n\r\n"
    began = time.monotonic()
    told = raw(world.port, head + b'{"que', 6)
    assert told.startswith(b"HTTP/1.1 408") and 1 < time.monotonic() - began < 5
    assert raw(world.port, head + b'{"que', 3, close=True)[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 408")


def test_slow_clients_hold_up_nobody(world):
    "Two hundred that send a byte now and then; others are answered meanwhile."
    many = [socket.create_connection(("127.0.0.1", world.port)) for _ in range(200)]
    try:
        for n, c in enumerate(many):
            c.sendall(b"GET /status HTTP/1.1\r\nHost: loc" if n % 2 else b"P")
        took = []
        for _ in range(20):
            began = time.monotonic()
            assert httpx.get(f"{world.url}/status", timeout=10).status_code == 200
            took.append(time.monotonic() - began)
            for c in many[:20]:
                with suppress(OSError):
                    c.sendall(b"a")
        assert sorted(took)[10] < 0.5
    finally:
        for c in many:
            c.close()


# paths

TRICKS = [
    "..",
    ".",
    "%2e%2e",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5cx",
    "%00",
    "x%00.txt",
    "%0d%0aX-Evil:%201",
]
TRICKS += [
    "%ff%fe",
    "%c0%ae%c0%ae",
    "%ed%a0%80",
    "%F0%9F%98%80",
    "a%2Fb",
    "%252e%252e",
    "%",
    "%2",
    "%zz",
    "*",
    "~root",
]
TRICKS += [
    "a" * 4_000,
    quote("е" * 500),
    "%20",
    "null",
    "undefined",
    "0",
    "-1",
    "' OR 1=1 --".replace(" ", "%20"),
]
TRICKS += [
    "{document_id}",
    "%7Bx%7D",
    "${jndi:ldap:}",
    "<script>",
    "x;y=1",
    "x,y",
    "@",
    "%e2%80%ae",
    "e%CC%81",
    "%C3%A9",
]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "POST", "HEAD", "PATCH"])
def test_tricks_in_paths(world, method):
    for trick in TRICKS:
        for path in (f"/documents/{trick}", f"/documents/x/{trick}", f"/docs/{trick}", f"/{trick}"):
            request = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            told = raw(world.port, request.encode("latin-1", "replace"), 3)
            head, _, body = told.partition(b"\r\n\r\n")
            assert told[:9] == b"HTTP/1.1 ", (path, told)
            status = int(told[9:12])
            assert status in (400, 404, 405, 414) or "document_id" in path, (path, told[:400])
            assert b"x-evil" not in head.lower() and b"root:" not in body
            if status != 400 and method != "HEAD":
                assert json.loads(body)["status"] == status
                gives_nothing_away(body.decode())


def test_queries_are_no_path_and_break_nothing(world):
    for query in (
        "?" * 100,
        "a=" + "b" * 7_000,
        "agent=true&agent=maybe",
        "%00",
        "%ff",
        "a[]=1&a[b]=2",
        "&&&==",
    ):
        assert world.http.get(f"/status?{query}").status_code == 200
    refused(world.http.get("/status?" + "a" * 9_000), 414)
    r = world.http.post("/ask/simple?x=1", json={"question": QUESTION})
    assert r.status_code == 200


# headers


def test_bombs_of_headers(world):
    refused(world.http.get("/status", headers=[(f"x-{n}", "1") for n in range(150)]), 431)
    refused(world.http.get("/status", headers={"x-long": "a" * 20_000}), 431)
    for bomb in (
        b"X-A: " + b"a" * 200_000,
        b"\r\n".join(b"X-%d: 1" % n for n in range(20_000)),
        b"a" * 100_000,
    ):
        told = raw(world.port, b"GET /status HTTP/1.1\r\nHost: localhost\r\n" + bomb + b"\r\n\r\n", 3)
        assert told == b"" or told[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431"), told[:200]
        assert b"Traceback" not in told


def test_strange_headers_are_taken_or_refused_and_never_reflected(world):
    for name in (
        "Accept",
        "Cookie",
        "Range",
        "If-None-Match",
        "Expect",
        "X-Request-ID",
        "Traceparent",
        "Forwarded",
    ):
        for value in (
            b"\xff\xfe",
            b"a" * 5_000,
            b"<script>alert(1)</script>",
            b"'\"`$(id)",
            b"\x01\x02",
            b",,,,",
        ):
            request = b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            told = raw(world.port, request + name.encode() + b": " + value + b"\r\n\r\n", 3)
            assert told[:12] in (b"HTTP/1.1 200", b"HTTP/1.1 400", b"HTTP/1.1 417", b""), (name, told[:100])
            assert value not in told or value == b",,,,"


# HTTP that is broken or ambiguous: smuggling

BODY = b'{"question":"x"}'
INNER = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(*headers: bytes, body: bytes = BODY) -> bytes:
    lines = [b"POST /search HTTP/1.1", b"Host: localhost", b"Content-Type: application/json", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


SMUGGLES = {
    "length and chunks": post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + INNER),
    "chunks and length": post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n" + INNER),
    "two lengths": post(b"Content-Length: 16", b"Content-Length: 0", body=BODY + INNER),
    "two equal lengths": post(b"Content-Length: 16", b"Content-Length: 16", body=BODY + INNER),
    "a list of lengths": post(b"Content-Length: 16, 0", body=BODY + INNER),
    "a negative length": post(b"Content-Length: -1"),
    "a length with a plus": post(b"Content-Length: +16"),
    "a hexadecimal length": post(b"Content-Length: 0x10"),
    "an empty length": post(b"Content-Length: "),
    "a length too large": post(b"Content-Length: 99999999999999999999999999"),
    "a length of other digits": post("Content-Length: \u0661\u0666".encode()),
    "a folded header": post(
        b"X-A: 1", b" Transfer-Encoding: chunked", b"Content-Length: 16", body=BODY + INNER
    ),
    "a folded length": post(b"Content-Length:", b" 16", body=BODY + INNER),
    "space before the colon": post(b"Transfer-Encoding : chunked", b"Content-Length: 16", body=BODY + INNER),
    "an unknown coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + INNER),
    "two codings": post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + INNER),
    "doubled chunked": post(
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n" + INNER
    ),
    "a chunk size that is none": post(b"Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n" + INNER),
    "a negative chunk": post(b"Transfer-Encoding: chunked", body=b"-1\r\n{}\r\n0\r\n\r\n" + INNER),
    "a chunk that is too large": post(
        b"Transfer-Encoding: chunked", body=b"ffffffffffffffffff\r\n{}\r\n" + INNER
    ),
    "a chunk of a wrong size": post(b"Transfer-Encoding: chunked", body=b"3\r\n{}xxxx\r\n0\r\n\r\n" + INNER),
    "bare line feeds": b"POST /search HTTP/1.1\nHost: localhost\nContent-Length: 16\n\n" + BODY + INNER,
    "a NUL in a header": post(b"X-A: a\x00b", b"Content-Length: 16"),
    "a name that is none": post(b"X A: 1", b"Content-Length: 16"),
    "no version": b"GET /status\r\n\r\n",
    "an old version": b"GET /status HTTP/0.9\r\n\r\n",
    "a new version": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    "no host": b"GET /status HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "a whole address": b"GET http://evil.example/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "garbage": bytes(range(256)) * 20,
    "nothing": b"\r\n" * 50,
}


SLOW = {"a chunk that is too large"}  # waited for, as long as a body may take
FIT = {  # what is no error by the standard, or harmless: the statuses
    "httptools": {"a whole address": [200], "an asterisk": [404], "nothing": []},
    "h11": {
        "two equal lengths": [200, 404],  # RFC 9110, 8.6: they may be taken for one
        "a folded header": [200, 404],  # RFC 9112, 5.2: or taken for a space
        "a folded length": [200, 404],
        "bare line feeds": [422, 404],  # RFC 9112, 2.2
        "a whole address": [404],
        "a tunnel": [404],
        "an asterisk": [404],
        "a new version": [400, 400],
    },
}


@pytest.mark.parametrize("http", ["httptools", "h11"])
def test_ambiguous_requests_are_refused_and_nothing_is_smuggled(tmp_path, http, caplog):
    rag = opened(tmp_path / "store", Slow(), limit_requests=1_000_000)
    log, found = tmp_path / "log", {}
    with running(served(rag, log=str(log), body_seconds=1.0), http=http) as s:
        with ThreadPoolExecutor(8) as pool:
            all_told = dict(zip(SMUGGLES, pool.map(lambda data: raw(s.port, data, 3), SMUGGLES.values()), strict=True))
        for name, told in all_told.items():
            assert b"Traceback" not in told and b".py" not in told, name
            found[name] = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", told)]
        assert s.http.post("/search", json={"question": "fish"}).status_code == 200
    wrong = {
        n: f for n, f in found.items() if f != FIT[http].get(n, [400]) and not (n in SLOW and f == [408])
    }
    assert not wrong, wrong
    seen = [json.loads(line)["path"] for line in log.read_text().splitlines()]
    assert seen.count("/smuggled") == sum(f[1:] == [404] for f in FIT[http].values()), seen
    assert not [r.getMessage() for r in caplog.records if r.exc_info]


@settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
@given(
    st.lists(
        st.sampled_from([*SMUGGLES.values(), INNER, BODY, b"\r\n", b"\x00", b"GET /status HTTP/1.1\r\n"]),
        max_size=4,
    )
)
def test_any_bytes_on_a_connection(world, parts):
    told = raw(world.port, b"".join(parts), 0.3, close=True)
    assert b"Traceback" not in told and b"site-packages" not in told


# who asks


def status_of(s, name: str, value: str) -> int:
    "Of a search, with a header that no library would send."
    head = (
        f"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{name}: {value}\r\n"
    )
    told = raw(s.port, (head + "Content-Length: 16\r\nConnection: close\r\n\r\n").encode("latin-1") + BODY, 3)
    return int(told[9:12])


def test_forged_addresses_without_and_with_a_proxy(tmp_path):
    forged = [{"X-Forwarded-For": f"203.0.113.{n}"} for n in range(8)]
    forged += [{"Forwarded": f"for=203.0.113.{n}"} for n in range(8)]
    forged += [{"X-Real-IP": "203.0.113.9"}, {"X-Forwarded-For": "none"}, {"X-Forwarded-For": "a" * 5_000}]
    with running(served(opened(tmp_path / "one", Slow(), limit_requests=5))) as s:
        codes = [s.http.post("/search", json={"question": "x"}, headers=h).status_code for h in forged]
        assert codes == [200] * 5 + [429] * (len(forged) - 5)  # all are one client
    log = tmp_path / "log"
    options = {"proxies": "127.0.0.1/32", "log": str(log)}
    with running(served(opened(tmp_path / "two", Slow(), limit_requests=2), **options)) as s:

        def codes(*headers):
            return [s.http.post("/search", json={"question": "x"}, headers=h).status_code for h in headers]

        one = {"X-Forwarded-For": "203.0.113.1"}
        assert codes(one, one, one) == [200, 200, 429]
        assert codes({"X-Forwarded-For": "203.0.113.2"}) == [200]
        lies = [
            {"X-Forwarded-For": f"198.51.100.{n}, 203.0.113.3"} for n in range(4)
        ]  # the proxy adds the last
        assert codes(*lies) == [200, 200, 429, 429]
        assert codes(*[{"X-Forwarded-For": f"2001:db8::{n:x}"} for n in range(4)]) == [
            200,
            200,
            429,
            429,
        ]  # one /64
        for bad in ("unknown", "\x00", ",,,", "1.2.3.4.5", "a" * 5_000, "127.0.0.1"):
            assert status_of(s, "X-Forwarded-For", bad) in (200, 400, 429), bad
    clients = {json.loads(line)["client"] for line in log.read_text().splitlines()}
    assert clients == {
        "203.0.113.1",
        "203.0.113.2",
        "203.0.113.3",
        "127.0.0.1",
        *(f"2001:db8::{n:x}" for n in range(1, 4)),
        "2001:db8::",
    }


def token(secret=SECRET, algorithm="HS256", **claims) -> dict[str, str]:
    told = {
        "sub": "ann",
        "tenant": "acme",
        "scope": "ask",
        "exp": time.time() + 60,
        "iss": "us",
        "aud": "rag",
    } | claims
    told = {k: v for k, v in told.items() if v is not None}
    return {"Authorization": f"Bearer {jwt.encode(told, secret, algorithm)}"}


BAD_TOKENS = [
    {"exp": 1},
    {"exp": None},
    {"exp": "9999999999"},
    {"exp": True},
    {"iss": "them"},
    {"aud": "other"},
    {"iss": None},
]
BAD_TOKENS += [
    {"sub": None},
    {"sub": ""},
    {"sub": 1},
    {"tenant": ""},
    {"tenant": "a/b"},
    {"tenant": 5},
    {"scope": ["ask"]},
]
BAD_TOKENS += [
    {"nbf": 9_999_999_999},
    {"principals": "ann"},
    {"groups": ["a/b"]},
    {"groups": ["x"] * 300},
    {"exp": 1e400},
]


def test_expired_foreign_and_forged_tokens(tmp_path, monkeypatch):
    monkeypatch.setenv("LIQUID_AI_TOKEN_KEY", SECRET)
    path, who = keys(tmp_path)
    options = {"token_algorithms": "HS256", "token_issuer": "us", "token_audience": "rag", "keys": path}
    rag = opened(tmp_path / "store", Slow(), limit_requests=100_000)
    with running(served(rag, **options)) as s:

        def code(headers, path="/search") -> int:
            r = s.http.post(path, json={"question": "x"}, headers=headers)
            if r.status_code != 200:
                refused(r, 401, 403)
                assert r.headers["www-authenticate"].startswith("Bearer")
                for part in headers.get("Authorization", "").split()[1:]:
                    assert len(part) < 20 or part not in r.text + str(r.headers)
            return r.status_code

        good = token()
        assert (
            code(good) == code(who["ann"]) == 200
            and code(token(scope="admin")) == code(token(scope="")) == 403
        )
        for claims in BAD_TOKENS:
            with suppress(jwt.PyJWTError, TypeError, ValueError):
                bad = token(**claims)
                assert code(bad) == 401, claims
        assert code(token("another secret that is long enough, too")) == 401
        assert code(token(algorithm="HS512")) == 401
        head, body, sign = good["Authorization"].removeprefix("Bearer ").split(".")
        none = jwt.utils.base64url_encode(b'{"alg":"none","typ":"JWT"}').decode()
        other = jwt.utils.base64url_encode(b'{"sub":"root","scope":"admin","exp":9999999999}').decode()
        for forged in (
            f"{none}.{body}.",
            f"{none}.{body}.{sign}",
            f"{head}.{other}.{sign}",
            f"{head}.{body}.{sign[:-2]}",
            f"{head}.{body}",
        ):
            assert code({"Authorization": f"Bearer {forged}"}) == 401
        key = who["ann"]["Authorization"]
        for bad in (
            "",
            "Bearer",
            "Bearer ",
            "bearer  x",
            "Basic YTpi",
            key[:-1],
            key + "x",
            key.upper(),
            f"{key} {key}",
            "Bearer " + "a" * 12_000,
            f"Bearer {key}",
        ):
            assert status_of(s, "Authorization", bad) in (401, 431), bad[:40]
        doubled = [("Authorization", key), ("Authorization", good["Authorization"])]
        assert s.http.post("/search", json={"question": "x"}, headers=doubled).status_code == 401
        soon = token(exp=time.time() + 2)
        assert code(soon) == 200
        rules = s.http.get("/health/live")
        assert rules.status_code == 200


def test_guessing_keys_is_limited(tmp_path):
    path, who = keys(tmp_path)
    rag = opened(tmp_path / "store", Slow(), limit_requests=10)
    with running(served(rag, keys=path)) as s:
        guesses = [{"Authorization": f"Bearer lai_{n:012x}_{'x' * 43}"} for n in range(30)]
        codes = [s.http.post("/search", json={"question": "x"}, headers=h).status_code for h in guesses]
        assert codes == [401] * 10 + [429] * 20
        assert (
            s.http.post("/search", json={"question": "x"}, headers=who["ann"]).status_code == 200
        )  # not by address


def test_many_at_once_with_anything(world):
    "Good and bad requests from many threads; each gets what it would get alone."
    failures = []

    def work(n):
        with httpx.Client(base_url=str(world.url), timeout=30) as http:
            for k in range(12):
                kind = (n + k) % 4
                if kind == 0:
                    ok = http.post("/search", json={"question": f"fish {n}"}).status_code == 200
                elif kind == 1:
                    ok = http.post("/ask", content=MALFORMED[k % 8], headers=JSON).status_code in (400, 422)
                elif kind == 2:
                    ok = http.get(f"/documents/{n}-{k}").status_code == 404
                else:
                    raw(world.port, [*SMUGGLES.values()][(n * 12 + k) % len(SMUGGLES)], 0.2, close=True)
                    ok = True
                if not ok:
                    failures.append((n, k))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_headers_without_an_end_are_stopped_before_they_fill_the_memory(tmp_path):
    from liquid_ai.serving import run

    app = served(opened(tmp_path / "endless", Slow()))
    with running(app, http=run.BoundedHttp) as server:
        with socket.create_connection(("127.0.0.1", server.port), 10) as s:
            s.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            sent = 0
            with suppress(ConnectionError):
                for n in range(20_000):
                    s.sendall(b"X-%d: %s\r\n" % (n, b"a" * 1_000))
                    sent += 1_000
            assert sent < 10_000_000  # it does not go on taking them
        assert server.http.get("/health/live").status_code == 200


def test_headers_that_come_drop_by_drop_end_the_connection(tmp_path, monkeypatch):
    from liquid_ai.serving import run

    monkeypatch.setattr(run, "_HEAD_SECONDS", 0.5)
    app = served(opened(tmp_path / "slow", Slow()))
    with running(app, http=run.BoundedHttp) as server:
        for first in (b"", b"GET /health/live HTTP/1.1\r\nHost: 127"):
            with socket.create_connection(("127.0.0.1", server.port), 10) as s:
                s.sendall(first)
                assert s.recv(100) == b""  # closed, and not after the ten seconds of this socket
        for _ in range(2):
            assert server.http.get("/health/live").status_code == 200
