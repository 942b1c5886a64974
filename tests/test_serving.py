"""The server as a whole: the faults of the reference system, the headers of every response, what is kept."""

import asyncio
import json
import subprocess
import sys
import threading
import time
import tracemalloc
from itertools import pairwise

import httpx
import pytest
from served import QUESTION, Local, Slow, is_problem, keys, opened, raw, running, served, service_in, until

from liquid_ai import Document
from liquid_ai.core import InputError
from liquid_ai.serving.client import Client
from liquid_ai.serving.options import ServerSettings

EVERY = ["x-request-id", "x-response-time", "x-ratelimit-limit", "x-content-type-options"]
EVERY += ["content-security-policy"]
RATES = ["limit", "remaining", "reset"]


def has_every_header(response: httpx.Response) -> None:
    "What is on any response."
    for name in EVERY:
        assert len(response.headers.get_list(name)) == 1, (name, response.request.url, response.headers)
    for name in RATES:
        assert response.headers[f"x-ratelimit-{name}"] == response.headers[f"ratelimit-{name}"]
        assert int(response.headers[f"ratelimit-{name}"]) >= 0
    assert float(response.headers["x-response-time"].removesuffix("ms")) >= 0
    assert response.headers.get("x-cache") in (None, "HIT", "MISS", "BYPASS")
    assert ("x-cache-age" in response.headers) == (response.headers.get("x-cache") == "HIT")


@pytest.fixture
def made(tmp_path):
    "Makes servers over a tiny store that are called without a socket."
    clients = []

    def make(model=None, options=None, **settings):
        rag = opened(tmp_path / "store", model or Slow(), **{"limit_requests": 1_000} | settings)
        app = served(rag, **options or {})
        client = Local(app)
        client.app, client.service, client.rag = app, service_in(app), rag
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
        client.rag.close()


def ask(client, question=QUESTION, path="/ask/simple", headers=None, **body) -> httpx.Response:
    return client.post(path, json={"question": question} | body, headers=headers)


# the faults of the reference system


def test_who_asks_too_often_is_told_when_to_come_again_and_never_500(made):
    client = made(limit_requests=3, limit_seconds=60)
    answers = [ask(client) for _ in range(8)]
    assert [r.status_code for r in answers] == [200] * 3 + [429] * 5
    for r in answers[3:]:
        told = is_problem(r)
        assert told["status"] == 429 and 1 <= int(r.headers["retry-after"]) <= 60
        assert r.headers.get_list("retry-after") == [r.headers["retry-after"]]
        assert r.headers["x-ratelimit-remaining"] == "0" and "x-cache" not in r.headers
    for r in answers:
        has_every_header(r)
    assert [int(r.headers["x-ratelimit-remaining"]) for r in answers[:3]] == [2, 1, 0]
    assert client.get("/status").status_code == client.get("/health/live").status_code == 200


def test_the_wait_that_is_told_suffices(made):
    client = made(limit_requests=2, limit_seconds=2)
    while (r := ask(client)).status_code == 200:
        pass
    time.sleep(int(r.headers["retry-after"]) + 0.05)
    assert ask(client).status_code == 200


def test_kept_answers_are_counted_and_logged_and_replay_nothing_of_the_first(made, tmp_path):
    log = tmp_path / "log"
    client = made(limit_requests=10, options={"log": str(log)})
    answers = [ask(client, headers={"X-Request-ID": f"client-{n}"}) for n in range(4)]
    assert [r.headers["x-cache"] for r in answers] == ["MISS", "HIT", "HIT", "HIT"]
    assert [r.headers["x-ratelimit-remaining"] for r in answers] == ["9", "8", "7", "6"]
    assert [r.headers["x-request-id"] for r in answers] == [f"client-{n}" for n in range(4)]
    unnamed = [ask(client).headers["x-request-id"] for _ in range(3)]
    assert len(set(unnamed)) == 3
    first, again = (r.json() for r in answers[:2])
    assert {k: v for k, v in again.items() if k not in ("cache", "timings")} == {
        k: v for k, v in first.items() if k not in ("cache", "timings")
    }
    assert (first["cache"]["kind"], again["cache"]["kind"]) == ("miss", "exact")
    assert again["timings"]["total"] < 50
    lines = []

    def told():
        client.service.log.flush()
        lines[:] = map(json.loads, log.read_text().splitlines() if log.exists() else [])
        return len(lines) == 7

    assert until(told), lines
    assert [line.get("cache") for line in lines] == ["MISS"] + ["HIT"] * 6
    assert [line["request_id"] for line in lines] == [f"client-{n}" for n in range(4)] + unnamed
    assert all(line["status"] == 200 and line["bytes"] > 100 for line in lines)


def test_hits_are_counted_in_stats_and_metrics(made):
    client = made(options={"price_in": 1.0, "price_out": 2.0})
    for _ in range(4):
        ask(client)
    ask(client, "Who built the iron bridge?")
    assert until(lambda: client.get("/stats").json()["kept_responses"]["hits"] == 3)
    stats = client.get("/stats").json()
    assert stats["kept_responses"]["entries"] == 2
    as_json = client.get("/metrics", headers={"Accept": "application/json"}).json()
    assert as_json.keys() == stats.keys()
    text = client.get("/metrics").text
    told = {
        line.split(" ")[0]: float(line.split(" ")[1]) for line in text.splitlines() if line and line[0] != "#"
    }
    hits = [v for k, v in told.items() if "cache" in k and 'exact"' in k and "_total{" in k]
    assert 3.0 in hits, [k for k in told if "cache" in k]
    assert str(stats).count("hit_rate") >= 1


def test_stats_show_total_errors_and_times_of_the_last_thousand(made):
    client = made()
    before = client.get("/stats").json()
    for _ in range(5):
        client.post("/search", json={"question": "herons"})
    client.post("/search", json={"question": ""})
    after = client.get("/stats").json()

    def number(told, name):
        found = [told] if name in told else [v for v in told.values() if isinstance(v, dict) and name in v]
        return found[0][name]

    assert number(after, "total_requests") - number(before, "total_requests") >= 6
    assert 0 < number(after, "error_rate") < 1


def test_a_generation_under_way_holds_up_nobody(tmp_path):
    model = Slow(seconds=0.15, words=14)
    app = served(opened(tmp_path / "store", model))
    with running(app) as s:
        asked = []
        work = threading.Thread(target=lambda: asked.append(ask(s.http)))
        work.start()
        assert until(lambda: model.busy == 1)
        took, n = [], 0
        while not asked and n < 1_000:
            began, n = time.perf_counter(), n + 1
            r = httpx.get(f"{s.url}/status", timeout=60) if n % 10 == 0 else s.http.get("/status")
            took.append(time.perf_counter() - began)
            assert r.status_code == 200
            if len(took) == 3:
                assert r.json()["answering"] == 1
            time.sleep(0.01)
        work.join()
    assert asked[0].status_code == 200 and len(took) > 30
    assert sorted(took)[int(len(took) * 0.9)] < 0.1, max(took)


def test_equal_questions_at_once_are_answered_once(tmp_path):
    model = Slow(seconds=0.05)
    with running(served(opened(tmp_path / "store", model))) as s:
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(ask(s.http))) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert [r.status_code for r in answers] == [200] * 8 and model.begun == 1
    assert len({r.json()["answer"] for r in answers}) == 1


def test_the_model_is_loaded_once(tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from served import *\n"
        "from liquid_ai.generation import models\n"
        "loads, real = [], models._load\n"
        "models._load = lambda settings: loads.append(1) or real(settings)\n"
        "client = Local(served(opened(Path(sys.argv[2]))))\n"
        "for path in ['/ask', '/ask/simple', '/ask/stream']:\n"
        "    for where in ['herons eat', 'bridge cost']:\n"
        "        body = {'question': f'What do {where} at {path[1:]}?'}\n"
        "        r = client.post(path, json=body, headers={'Cache-Control': 'no-store'})\n"
        "        assert r.status_code == 200\n"
        "print('loads', len(loads))\n"
    )
    run = [sys.executable, "-c", program, str(__file__).rpartition("/")[0], str(tmp_path / "store")]
    told = subprocess.run(run, capture_output=True, text=True, timeout=100)
    assert "loads 1\n" in told.stdout, told.stdout + told.stderr


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_pages_of_other_sites_get_nothing_on_an_open_server(made, method):
    client, evil = made(), {"Origin": "https://evil.example"}
    r = client.request(method, "/ask/simple", json={"question": QUESTION}, headers=evil)
    assert is_problem(r)["status"] == 403
    has_every_header(r)
    wish = evil | {"Access-Control-Request-Method": method}
    for r in (client.options("/ask", headers=wish), client.get("/status", headers=evil)):
        assert not [name for name in r.headers if name.startswith("access-control-")]


def test_pages_that_are_named_may_call_without_credentials_of_the_browser(made):
    client = made(options={"origins": "https://app.example.org"})
    page = {"Origin": "https://app.example.org"}
    r = ask(client, headers=page)
    assert r.status_code == 200 and r.headers["access-control-allow-origin"] == page["Origin"]
    assert "access-control-allow-credentials" not in r.headers
    r = client.options("/ask", headers=page | {"Access-Control-Request-Method": "POST"})
    assert r.status_code == 204 and not r.content
    has_every_header(r)
    assert ask(client, headers={"Origin": "https://app.example.org.evil.example"}).status_code == 403


OPEN = ["/health/live", "/health/ready"]
CLOSED = [("POST", "/ask"), ("POST", "/ask/simple"), ("POST", "/ask/stream"), ("POST", "/search")]
CLOSED += [
    ("POST", "/documents"),
    ("POST", "/documents/files"),
    ("DELETE", "/documents/x"),
    ("POST", "/sync"),
]
CLOSED += [("GET", "/documents/x"), ("POST", "/feedback"), ("GET", "/status"), ("GET", "/stats")]
CLOSED += [("GET", "/metrics"), ("GET", "/health"), ("GET", "/adapter"), ("PUT", "/adapter")]
CLOSED += [("GET", "/nowhere"), ("BREW", "/ask"), ("HEAD", "/stats"), ("HEAD", "/documents/x")]
ABOUT = [
    "/",
    "/docs",
    "/docs-start.js",
    "/docs/swagger-ui.css",
    "/docs/swagger-ui-bundle.js",
    "/openapi.json",
]


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    "A server that asks who comes, and the headers of each person."
    folder = tmp_path_factory.mktemp("closed")
    path, who = keys(folder)
    rag = opened(folder / "store", Slow(), limit_requests=100_000)
    client = Local(served(rag, keys=path))
    yield client, who
    client.close()
    rag.close()


def test_without_a_key_there_is_liveness_alone(closed):
    client, _ = closed
    for path in OPEN:
        r = client.get(path)
        assert r.status_code == 200
        has_every_header(r)
    for wrong in ({}, {"Authorization": "Bearer lai_0_x"}, {"Authorization": "Basic YTpi"}):
        for method, path in CLOSED:
            r = client.request(method, path, json={"question": QUESTION}, headers=wrong)
            assert r.status_code == 401 if method == "HEAD" else is_problem(r)["status"] == 401, (
                method,
                path,
            )
            assert r.headers["www-authenticate"].startswith("Bearer ")
            has_every_header(r)


def test_what_tells_how_the_server_is_used_is_open_and_tells_nothing_else(closed):
    client, who = closed
    for path in ABOUT:
        r = client.get(path)
        assert r.status_code == 200, path
        assert r.content == client.get(path, headers=who["root"]).content  # the same for everybody
        assert int(r.headers["x-ratelimit-remaining"]) < 100_000  # and counted
        has_every_header(r)
        for word in ("herons", "canteen", "acme"):
            assert path == "/openapi.json" or word not in r.text.lower(), (path, word)
    told = client.get("/").json()
    assert told["name"] == "liquid_ai" and told["version"]
    assert all(client.get(f"/{link}").status_code == 200 for link in told["links"].values())
    for path in ("/docs/../stats", "/docs/%2e%2e/stats", "/docs/x", "/docs//stats", "/docs/..%2fstats"):
        r = client.get(path)
        assert r.status_code in (401, 404) and "documents" not in r.text, path


@pytest.mark.parametrize("who", ["root", None])
def test_head_answers_as_get_does_without_a_body(closed, who):
    client, people = closed
    headers = people.get(who, {})
    paths = [*OPEN, *ABOUT, "/status", "/stats", "/health", "/metrics", "/adapter", "/v1/models"]
    for path in [*paths, "/documents/nosuch", "/nowhere", "/ask", "/documents"]:
        got, head = client.get(path, headers=headers), client.head(path, headers=headers)
        assert head.status_code == got.status_code and head.content == b"", path
        for name in ("content-type", "content-security-policy", "allow", "www-authenticate"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)
        if path in ABOUT:
            assert head.headers["content-length"] == str(len(got.content))
        has_every_header(head)


def test_each_scope_opens_its_own_paths(closed):
    client, who = closed
    needed = {"/sync": "root", "/stats": "root", "/metrics": "root", "/adapter": "root", "/health": "root"}
    for method, path in CLOSED:
        for name, may in {"bob": "ask", "ann": "ask write", "watcher": "admin", "root": "all"}.items():
            r = client.request(method, path, json={}, headers=who[name])
            wanted = "admin" if path in needed else "write" if path.startswith("/documents") else "ask"
            wanted = "ask" if method in ("GET", "HEAD") and path == "/documents/x" else wanted
            refused = may != "all" and wanted not in may
            assert (r.status_code == 403) == refused, (method, path, name, r.text)
            if refused:
                assert 'error="insufficient_scope"' in r.headers["www-authenticate"]
                has_every_header(r)


def test_a_server_that_others_reach_is_not_started_without_keys(tmp_path):
    with opened(tmp_path / "store", Slow()) as rag:
        for host in ("0.0.0.0", "::", "192.0.2.7", "rag.example.org"):
            with pytest.raises(InputError, match="--insecure"):
                served(rag, host=host)
        served(rag, host="0.0.0.0", insecure=True)


async def _one(app, n: int, told: dict) -> None:
    ip = f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/nowhere",
        "raw_path": b"/nowhere",
        "query_string": b"",
    }
    scope |= {"headers": [(b"host", b"127.0.0.1")], "client": (ip, 1), "scheme": "http", "asgi": {}}
    scope |= {"root_path": "", "http_version": "1.1", "server": ("127.0.0.1", 80)}

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.start":
            told[message["status"]] = told.get(message["status"], 0) + 1

    await app(scope, receive, send)


@pytest.mark.parametrize("clients", [2_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_addresses(tmp_path, clients):
    rag = opened(tmp_path / "store", Slow(), limit_requests=5, limit_seconds=1)
    app = served(rag)

    async def visit(start: int, end: int, told: dict) -> None:
        for n in range(start, end):
            await _one(app, n, told)

    told: dict[int, int] = {}
    tracemalloc.start()  # before: what is kept of 4,096 addresses is replaced by as much
    try:
        asyncio.run(visit(0, 5_000, told))
        time.sleep(1.1)  # the window of those who came is over
        before, sizes = tracemalloc.get_traced_memory()[0], []
        for part in range(2):
            step = clients // 2
            asyncio.run(visit(5_000 + part * step, 5_000 + (part + 1) * step, told))
            time.sleep(1.1)
            asyncio.run(visit(0, 1_500, told))  # others come, and what is over is let go of
            sizes.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
        rag.close()
    assert set(told) <= {404, 429} and told[404] >= clients
    assert max(sizes) < 8_000_000, sizes
    assert sizes[-1] - sizes[0] < 300_000 + 5 * clients, sizes  # an entry in a table is 100 bytes and more


# headers on every kind of response


def test_every_kind_of_response_has_every_header(made):
    client = made()
    kinds = {
        "miss": ask(client),
        "hit": ask(client),
        "bypass": ask(client, headers={"Cache-Control": "no-store"}),
        "agent": ask(client, path="/ask"),
        "stream": ask(client, path="/ask/stream"),
        "search": client.post("/search", json={"question": "fish"}),
        "malformed": client.post("/ask", content=b"{", headers={"content-type": "application/json"}),
        "unfit": client.post("/ask", json={}),
        "not there": client.get("/nowhere"),
        "not allowed": client.get("/ask"),
        "head": client.head("/nowhere"),
        "options": client.options("/ask"),
        "status": client.get("/status"),
        "metrics": client.get("/metrics"),
        "docs": client.get("/docs"),
        "a file": client.get("/docs/swagger-ui.css"),
        "no host": client.get("/status", headers={"Host": "evil.example"}),
        "too large": client.post("/ask", content=b" " * 1_000_001),
        "too long": client.get("/" + "a" * 9_000),
        "no such document": client.get("/documents/0000000000000000"),
        "nothing kept": ask(client, "Who?", headers={"Cache-Control": "only-if-cached"}),
    }
    wanted = {"malformed": 400, "unfit": 422, "not there": 404, "not allowed": 405, "head": 404}
    wanted |= {"options": 405, "no host": 400, "too large": 413, "too long": 414, "no such document": 404}
    wanted |= {"nothing kept": 504}
    for kind, r in kinds.items():
        assert r.status_code == wanted.get(kind, 200), (kind, r.text)
        has_every_header(r)
        if kind in wanted and kind != "head":
            is_problem(r)
    caches = {kind: r.headers["x-cache"] for kind, r in kinds.items() if "x-cache" in r.headers}
    assert {k: caches.get(k) for k in ("miss", "hit", "bypass")} == {
        "miss": "MISS",
        "hit": "HIT",
        "bypass": "BYPASS",
    }
    assert "x-cache" not in kinds["search"].headers
    assert kinds["miss"].headers["x-trace-id"] == kinds["miss"].json()["trace_id"]
    assert kinds["not allowed"].headers["allow"] == "POST"
    assert (
        kinds["docs"].headers["content-security-policy"] != kinds["miss"].headers["content-security-policy"]
    )


def test_allow_names_every_method_of_a_path(made):
    client = made()
    assert client.post("/documents/x").headers["allow"] == "DELETE, GET, HEAD"
    assert client.delete("/adapter").headers["allow"] == "GET, HEAD, PUT"


def test_a_mistake_of_the_server_is_a_problem_with_every_header_and_the_connection_lives(
    tmp_path, monkeypatch, caplog
):
    rag = opened(tmp_path / "store", Slow())
    app = served(rag)
    monkeypatch.setattr(type(rag), "search", lambda *_, **__: 1 / 0)
    with running(app) as s:
        for _ in range(2):
            r = s.http.post("/search", json={"question": "x"})
            told = is_problem(r)
            assert r.status_code == 500 and "id of this request" in told["detail"]
            has_every_header(r)
            assert "division" not in r.text
        assert "connection" not in r.headers
    traces = [record for record in caplog.records if record.exc_info]
    assert len(traces) == 2 and r.headers["x-request-id"] in traces[1].getMessage()


def test_a_model_that_breaks_is_503_and_its_reason_stays_in_the_log(made, caplog):
    client = made(Slow(fails=True))
    for path in ("/ask/simple", "/ask"):
        r = ask(client, path=path)
        assert is_problem(r)["status"] == 503 and int(r.headers["retry-after"]) > 0
        has_every_header(r)
        assert any(
            r.headers["x-request-id"] in c.getMessage() and "/secret/folder" in c.getMessage()
            for c in caplog.records
        )


def test_the_id_of_a_client_is_taken_where_it_looks_like_one(made):
    client = made()
    for good in ("0f8fad5b-d9cb-469f-a165-70867728950e", "a" * 8, "A.b_c~d-9" * 7):
        assert client.get("/status", headers={"X-Request-ID": good}).headers["x-request-id"] == good
    for bad in ("short", "a" * 65, "has space", "ü" * 9, "a\tb" * 4, "<script>alert", "{}{}{}{}{}"):
        r = client.get("/status", headers={"X-Request-ID": bad.encode()})
        assert r.headers["x-request-id"] != bad and len(r.headers["x-request-id"]) == 20


# what a request wants of the cache


def kinds_of(client, *wishes, **body) -> list[str]:
    return [
        ask(client, headers={"Cache-Control": wish} if wish else None, **body).headers["x-cache"]
        for wish in wishes
    ]


def test_no_store_neither_reads_nor_keeps(made):
    model = Slow()
    client = made(model)
    assert kinds_of(client, "no-store", "no-store", "", "no-store", "") == [
        "BYPASS",
        "BYPASS",
        "MISS",
        "BYPASS",
        "HIT",
    ]
    assert model.begun == 4
    assert kinds_of(client, "No-Store, max-age=100") == ["BYPASS"]


def test_no_cache_makes_it_anew_and_keeps_it(made):
    model = Slow()
    client = made(model)
    first = ask(client)
    again = ask(client, headers={"Cache-Control": "no-cache"})
    third = ask(client)
    assert [r.headers["x-cache"] for r in (first, again, third)] == ["MISS", "MISS", "HIT"]
    assert model.begun == 2
    assert third.json()["trace_id"] == again.json()["trace_id"] != first.json()["trace_id"]


def test_max_age_is_the_oldest_that_will_do(made):
    model = Slow()
    client = made(model)
    assert kinds_of(client, "", "max-age=60", "max-age=1") == ["MISS", "HIT", "HIT"]
    time.sleep(1.1)
    assert kinds_of(client, "max-age=60", "max-age=1", "max-age=1", "max-age=0") == [
        "HIT",
        "MISS",
        "HIT",
        "MISS",
    ]
    assert model.begun == 3


def test_only_if_cached_asks_no_model(made):
    model = Slow()
    client = made(model)
    alone = {"Cache-Control": "only-if-cached"}
    for path in ("/ask/simple", "/ask", "/ask/stream"):
        r = ask(client, path=path, headers=alone)
        assert is_problem(r)["status"] == 504
    assert model.begun == 0
    ask(client)
    assert ask(client, headers=alone).headers["x-cache"] == "HIT"
    too_old = {"Cache-Control": "only-if-cached, max-age=0"}
    assert ask(client, headers=too_old).status_code == 504 and model.begun == 1


MALFORMED = ["max-age", "max-age=", "max-age=-1", "max-age=x", "max-age=1.5", "max-age=١", "=", ",,,", "\x00"]
MALFORMED += ["no store", "no-storex", "max-age=" + "9" * 5_000, "max-stale=5", "private", "a" * 10_000]


@pytest.mark.parametrize("wish", MALFORMED, ids=lambda w: w[:12])
def test_a_malformed_wish_is_none(made, wish):
    client = made()
    ask(client)
    r = ask(client, headers={"Cache-Control": wish.encode()})
    assert (r.status_code, r.headers["x-cache"]) == (200, "HIT")


def test_two_headers_of_wishes_count_as_one(made):
    model = Slow()
    client = made(model)
    ask(client)
    for both in (["no-store", "max-age=60"], ["max-age=60", "no-store"]):
        r = ask(client, headers=[("Cache-Control", wish) for wish in both])
        assert r.headers["x-cache"] == "BYPASS"
    assert model.begun == 3


def test_streams_honour_it_too(made):
    model = Slow()
    client = made(model)
    for wish, begun in [("no-store", 1), ("no-store", 2), ("", 3), ("", 3), ("no-cache", 4)]:
        ask(client, path="/ask/stream", headers={"Cache-Control": wish} if wish else None)
        assert model.begun == begun, wish


# what is kept, and for whom


def test_the_age_of_a_kept_answer_is_told_as_it_is(made):
    client = made()
    ask(client)
    began = time.time()
    time.sleep(2.2)
    r = ask(client)
    passed = time.time() - began
    assert r.headers["x-cache-age"] == "2"
    assert passed - 0.3 < r.json()["cache"]["age"] < passed + 0.7
    other = ask(client, "  what do grey   herons eat ")  # not the same bytes: the answer cache knows it
    assert other.headers["x-cache"] == "HIT" and int(other.headers["x-cache-age"]) >= 2
    third = ask(client, "  what do grey   herons eat ")
    assert (
        float(third.json()["cache"]["age"]) >= 2
    )  # counted from when it was made, not from when it was found


def test_a_kept_answer_expires(made):
    model = Slow()
    client = made(model, cache_seconds=1)
    assert kinds_of(client, "", "") == ["MISS", "HIT"]
    time.sleep(1.1)
    assert kinds_of(client, "", "") == ["MISS", "HIT"] and model.begun == 2


def test_without_a_cache_nothing_is_kept(made):
    model = Slow()
    client = made(model, answer_cache="none")
    assert kinds_of(client, "", "") == ["MISS", "MISS"] and model.begun == 2
    assert client.get("/status").json()["kept_responses"] == 0


def test_another_spelling_is_found_in_the_answer_cache(made):
    model = Slow()
    client = made(model)
    first = ask(client).json()
    for other in ("what do grey herons eat", "What  do grey herons eat?", " what do  grey herons eat? "):
        r = ask(client, other)
        assert r.headers["x-cache"] == "HIT" and r.json()["question"].split() == other.split()
        assert r.json()["answer"] == first["answer"]
    assert model.begun == 1
    for other in ("What don't grey herons eat?", "What do blue herons eat?"):
        assert ask(client, other).headers["x-cache"] == "MISS"


def test_different_bodies_and_paths_are_different_questions(made):
    client = made()
    for body in ({}, {"top_k": 1}, {"mode": "sparse"}, {"where": {"source": "herons.txt"}}):
        assert kinds_of(client, "", "", **body) == ["MISS", "HIT"], body
    assert ask(client, passages=True).json()["passages"] and ask(client).json()["passages"] is None
    assert ask(client, path="/ask").headers["x-cache"] in ("HIT", "MISS")
    assert "steps" in ask(client, path="/ask").json()


def test_a_change_of_the_store_ends_what_was_kept(made):
    client = made()
    new = {"documents": [{"text": "Grey herons eat voles, too.", "source": "new.txt"}]}
    assert kinds_of(client, "", "") == ["MISS", "HIT"]
    posted = client.post("/documents", json=new).json()["documents"][0]
    r = ask(client, passages=True)
    assert r.headers["x-cache"] == "MISS" and "voles" in r.text
    assert ask(client, passages=True).headers["x-cache"] == "HIT"
    new["documents"][0]["text"] = "Grey herons eat newts, too."
    client.post("/documents", json=new)
    r = ask(client, passages=True)
    assert r.headers["x-cache"] == "MISS" and "newts" in r.text and "voles" not in r.text
    assert ask(client, passages=True).headers["x-cache"] == "HIT"
    assert client.delete(f"/documents/{posted['document_id']}").status_code == 204
    r = ask(client, passages=True)
    assert r.headers["x-cache"] == "MISS" and "newts" not in r.text


def test_a_change_by_another_process_ends_it_as_well(made, tmp_path):
    client = made()
    assert kinds_of(client, "", "") == ["MISS", "HIT"]
    program = (
        "import sys; from liquid_ai import RAG, Document\n"
        "with RAG.open(sys.argv[1], generator='packaged') as rag:\n"
        "    rag.ingest(Document.of('Grey herons eat newts.', 'newts.txt'), progress=False)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "store")], check=True, timeout=60)
    r = ask(client, passages=True)
    assert r.headers["x-cache"] == "MISS" and "newts" in r.text
    with opened(tmp_path / "store", Slow()) as other:
        other.remove(Document.of("", "newts.txt").id)
    r = ask(client, passages=True)
    assert r.headers["x-cache"] == "MISS" and "newts" not in r.text


def test_an_answer_made_while_the_store_changed_is_not_kept_for_the_new_one(tmp_path):
    model = Slow(seconds=0.1)
    with running(served(opened(tmp_path / "store", model))) as s:
        found = []
        work = threading.Thread(target=lambda: found.append(ask(s.http)))
        work.start()
        assert until(lambda: model.busy == 1)
        new = {"documents": [{"text": "Grey herons eat voles, too.", "source": "new.txt"}]}
        assert s.http.post("/documents", json=new).status_code == 200
        work.join()
        assert found[0].status_code == 200 and found[0].json()["versions"]["index"] == "1"
        r = ask(s.http)
        assert r.headers["x-cache"] == "MISS" and r.json()["versions"]["index"] == "2"


def test_nobody_is_given_what_was_made_for_others(closed):
    client, who = closed
    secret = {"text": "The merger with Umbra costs nine million.", "source": "merger", "access": ["sales"]}
    assert client.post("/documents", json={"documents": [secret]}, headers=who["ann"]).status_code == 200
    question = "What does the merger with Umbra cost?"
    assert "nine million" in ask(client, question, headers=who["ann"]).text
    assert ask(client, question, headers=who["ann"]).headers["x-cache"] == "HIT"
    for name in ("bob", "eve", "house"):
        r = ask(client, question, headers=who[name], passages=False)
        assert r.headers["x-cache"] == "MISS" and "million" not in r.text, name
        r = ask(client, question, headers=who[name])
        assert r.headers["x-cache"] == "HIT" and "million" not in r.text, name
        alone = who[name] | {"Cache-Control": "only-if-cached"}
        assert ask(client, question + " ", headers=alone).status_code in (200, 504)


def test_kept_responses_are_bounded(made):
    client = made(cache_entries=10, cache_bytes=1_000_000)
    for n in range(25):
        ask(client, f"What do grey herons eat on day {n}?")
    facts = client.get("/stats").json()["kept_responses"]
    assert facts["entries"] <= 10 and facts["bytes"] <= 1_000_000


# real sockets


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    rag = opened(tmp_path_factory.mktemp("live") / "store", Slow(), limit_requests=100_000)
    with running(served(rag)) as s:
        yield s


def test_head_and_errors_on_a_socket_leave_the_connection_whole(live):
    data = b"HEAD /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
    data += b"HEAD /docs HTTP/1.1\r\nHost: localhost\r\n\r\n"
    data += b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
    data += b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    told = raw(live.port, data)
    head, rest = told.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 404") and b"x-request-id" in head
    page, rest = rest.split(b"\r\n\r\n", 1)
    assert page.startswith(b"HTTP/1.1 200") and b"text/html" in page
    assert rest.startswith(b"HTTP/1.1 404") and rest.count(b"HTTP/1.1") == 2 and b'"running"' in rest


def test_kept_answers_keep_a_connection_alive(live):
    ask(live.http)
    before = live.http.get("/stats").json()["kept_responses"]["hits"]
    times = []
    for _ in range(200):
        times.append(time.perf_counter())
        r = ask(live.http)
        assert r.headers["x-cache"] == "HIT" and r.headers["content-length"] == str(len(r.content))
    assert live.http.get("/stats").json()["kept_responses"]["hits"] == before + 200
    assert sorted(b - a for a, b in pairwise(times))[100] < 0.02


def test_a_server_that_stops_lets_requests_under_way_finish(tmp_path):
    model = Slow(seconds=0.1, words=14)
    answers = []
    with running(served(opened(tmp_path / "store", model))) as s:
        work = threading.Thread(target=lambda: answers.append(ask(s.http)))
        work.start()
        assert until(lambda: model.busy == 1)
        s.server.should_exit = True
        work.join(20)
    assert answers[0].status_code == 200 and answers[0].json()["answer"]


def test_unknown_options_are_refused():
    with pytest.raises(InputError):
        ServerSettings.load({"LIQUID_AI_SERVE_PROT": "1"})


# what is read can be posted again


def test_a_document_that_is_read_and_posted_again_is_for_the_same_people(made, tmp_path):
    path, people = keys(tmp_path)
    s = made(options={"keys": path})

    def post(who, **document):
        r = s.post("/documents", json={"documents": [document]}, headers=people[who])
        assert r.status_code == 200, r.text
        return r.json()["documents"][0]["document_id"]

    def kept(id):
        return s.rag.snapshot().document(id).access

    def read(who, id):
        return s.get(f"/documents/{id}", headers=people[who]).json()

    def again(who, id):
        told = read(who, id)
        names = ("text", "source", "title", "mime", "meta", "access")
        assert post(who, **{name: told[name] for name in names}) == id and kept(id)
        return told["access"]

    herons = {"text": "Grey herons eat eels.", "source": "eels"}
    for access, told, stored in (
        ([], [], ("acme/",)),
        (["ann", "bob"], ["ann", "bob"], ("acme/ann", "acme/bob")),
        (["acme/", "ann"], ["acme/", "ann"], ("acme/", "acme/ann")),
        (["acme/ann"], ["ann"], ("acme/ann",)),
    ):
        id = post("ann", **herons, access=access)
        assert (kept(id), again("ann", id), kept(id)) == (stored, told, stored)
    id = post("ann", **herons, access=["ann", "sales", "bob"])
    assert read("bob", id)["access"] == ["bob"]  # who may not change it learns nothing of others
    shared = {"text": "Grey herons eat frogs.", "source": "frogs"}
    id = post("house", **shared, access=["acme/", "evil/eve"])
    assert read("bob", id)["access"] == read("ann", id)["access"] == []
    assert read("eve", id)["access"] == ["eve"] and kept(id) == ("acme/", "evil/eve")


def test_a_client_reads_and_adds_a_document_with_its_access(made, tmp_path):
    path, people = keys(tmp_path)
    app = made(options={"keys": path}).app
    with running(app) as s:
        key = people["ann"]["Authorization"].removeprefix("Bearer ")
        with Client(str(s.url), key) as client:
            own = Document.of("Grey herons eat eels.", "eels", access=("ann", "sales"))
            [added] = client.add(own).documents
            got = client.document(added.document_id)
            assert got.access == own.access
            client.add(got)
            assert client.document(added.document_id) == got
