"""Answers as they are written, by SSE and WebSocket; who leaves stops the model; places; swaps under load."""

import asyncio
import json
import logging
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace

import httpx
import pytest
import websockets
from fastapi import WebSocket
from served import QUESTION, Slow, events, is_problem, keys, opened, raw, running, served, service_in, until
from starlette.responses import StreamingResponse
from websockets.sync.client import connect

from liquid_ai import RAG, Document
from liquid_ai.core import InputError, ModelError
from liquid_ai.serving.app import authenticator_of, handlers, layered, service_of
from liquid_ai.serving.auth import revoke_key
from liquid_ai.serving.options import ServerSettings, check_options
from liquid_ai.serving.problems import refuse
from liquid_ai.serving.service import follow_adapter

LONG = {"seconds": 0.05, "words": 200}  # 10 s, where nobody stops it
QUESTIONS = [f"What do grey herons eat on day {n}?" for n in range(200)]


@pytest.fixture
def started(tmp_path):
    "Starts servers on sockets."
    stops = []

    def start(model=None, documents=None, options=None, **settings):
        rest = {} if documents is None else {"documents": documents}
        rag = opened(tmp_path / "store", model, **rest, **{"limit_requests": 10_000} | settings)
        app = served(rag, **options or {})
        context = running(app, ws="websockets-sansio", timeout_graceful_shutdown=5)
        s = context.__enter__()
        stops.append(context)
        s.rag, s.service, s.model = rag, service_in(app), model
        return s

    yield start
    for context in stops:
        context.__exit__(None, None, None)


def opened_socket(s, headers=None):
    return connect(
        f"ws://127.0.0.1:{s.port}/ws", additional_headers=headers, open_timeout=60, close_timeout=5
    )


def hear(ws, seconds=20.0) -> list[dict]:
    "Events up to the answer or the error."
    told = []
    while not told or told[-1]["event"] not in ("answer", "error"):
        told.append(json.loads(ws.recv(timeout=seconds)))
    return told


def say(ws, question=QUESTION, **body) -> None:
    ws.send(json.dumps({"question": question} | body))


def ask(s, question=QUESTION, path="/ask/simple", **rest) -> httpx.Response:
    return s.http.post(path, json={"question": question}, **rest)


def lines_of(s) -> list[str]:
    return [k for k, _ in events(ask(s, path="/ask/stream").text)]


# streams


@pytest.mark.parametrize("agent", [False, True])
def test_a_stream_tells_hits_then_tokens_then_the_answer(started, agent):
    s = started(Slow())
    r = ask(s, path=f"/ask/stream?agent={str(agent).lower()}")
    assert r.headers["content-type"].startswith("text/event-stream")
    told = events(r.text)
    kinds = [kind for kind, _ in told if kind != "step"]
    assert kinds[0] == "hits" and kinds[-1] == "answer" and kinds.count("answer") == 1
    assert set(kinds[1:-1]) == (set() if agent else {"token"})
    assert ("step" in [k for k, _ in told]) == agent
    written = "".join(d["text"] for k, d in told if k == "token").strip()
    assert written == ("" if agent else "Grey herons eat fish and frogs.")
    answer = told[-1][1]
    plain = ask(s, QUESTION, "/ask" if agent else "/ask/simple").json()
    assert answer["answer"] == plain["answer"] and answer["citations"] == plain["citations"]
    assert ("first_token" in answer["timings"]) != agent and answer["cache"]["kind"] == "miss"
    again = events(ask(s, path=f"/ask/stream?agent={str(agent).lower()}").text)
    assert again[-1][1]["cache"]["kind"] == "exact" and s.model.begun == 1


def test_tokens_come_as_they_are_written(started):
    s = started(Slow(seconds=0.1))
    seen, begun = [], time.monotonic()
    with s.http.stream("POST", "/ask/stream", json={"question": QUESTION}) as r:
        for line in r.iter_lines():
            if line.startswith("event: "):
                seen.append((line[7:], time.monotonic() - begun))
    tokens = [t for kind, t in seen if kind == "token"]
    assert len(tokens) >= 5 and tokens[-1] - tokens[0] > 0.3, seen
    assert tokens == sorted(tokens) and seen[-1][0] == "answer"


def test_a_stream_that_breaks_says_so_and_nothing_else(started, caplog):
    s = started(Slow(fails=True))
    r = ask(s, path="/ask/stream")
    told = events(r.text)
    assert [k for k, _ in told] == ["hits", "token", "token", "error"]
    assert told[-1][1]["status"] == 503 and told[-1][1]["request_id"] == r.headers["x-request-id"]
    assert told[-1][1]["retry_after"] > 0 if "retry_after" in told[-1][1] else True
    assert "/secret" not in r.text and "Traceback" not in r.text
    assert any(r.headers["x-request-id"] in c.getMessage() for c in caplog.records)
    assert ask(s, path="/ask/stream").status_code == 200  # it lives


@pytest.mark.parametrize("agent", ["false", "true"])
def test_a_stream_says_at_its_start_whether_its_answer_was_kept(started, agent):
    s = started(Slow(), options={"log": ""})
    path = f"/ask/stream?agent={agent}"
    first, again = ask(s, path=path), ask(s, path=path)
    assert first.headers["x-cache"] == "MISS" and "x-cache-age" not in first.headers
    assert again.headers["x-cache"] == "HIT" and int(again.headers["x-cache-age"]) >= 0
    assert events(again.text)[-1][1]["cache"]["kind"] == "exact"
    fresh = ask(s, path=path, headers={"Cache-Control": "no-store"})
    assert fresh.headers["x-cache"] == "BYPASS"
    renewed = ask(s, path=path, headers={"Cache-Control": "no-cache"})
    assert renewed.headers["x-cache"] == "MISS"
    assert "x-cache" not in ask(s, "", path).headers  # no answer at all


def test_an_unfit_question_is_a_problem_and_no_stream(started):
    s = started(Slow())
    assert is_problem(s.http.post("/ask/stream", json={"question": ""}))["status"] == 422
    for unfit in ({"question": "\0"}, {"question": "x", "where": {"nothing": 1}}):
        assert is_problem(s.http.post("/ask/stream", json=unfit))["status"] == 422
    assert is_problem(s.http.post("/ask/stream?agent=perhaps", json={"question": "x"}))["status"] == 422


def test_who_leaves_a_stream_stops_the_model(started):
    s = started(Slow(**LONG))
    with s.http.stream("POST", "/ask/stream", json={"question": QUESTION}) as r:
        for line in r.iter_lines():
            if line == "event: token":
                break
    assert until(lambda: s.model.left == 1 and s.model.busy == 0, 3), vars(s.model)
    assert s.model.said < 60 and not s.model.ended
    assert until(lambda: s.http.get("/status").json()["answering"] == 0, 3)


@pytest.mark.parametrize("path", ["/ask", "/ask/simple"])
def test_who_leaves_without_waiting_for_the_answer_stops_the_model(started, path):
    s = started(Slow(**LONG))
    body = json.dumps({"question": QUESTION}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", s.port)) as c:
        c.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert until(lambda: s.model.said > 1)
    assert until(lambda: s.model.left == 1 and s.model.busy == 0, 3), vars(s.model)
    assert s.model.said < 60
    assert until(lambda: s.http.get("/status").json()["answering"] == 0, 3)


def test_of_two_with_one_question_who_stays_gets_the_answer(started):
    s = started(Slow(seconds=0.05, words=30))
    answers = []
    stays = threading.Thread(target=lambda: answers.append(ask(s)))
    with s.http.stream("POST", "/ask/stream", json={"question": QUESTION}) as r:
        for line in r.iter_lines():
            if line == "event: token":
                stays.start()
                assert until(lambda: s.http.get("/status").json()["answering"] == 2)
                break
    stays.join()
    assert answers[0].status_code == 200 and (s.model.begun, s.model.ended) == (1, 1)


def test_a_question_that_takes_too_long_ends(started):
    s = started(Slow(**LONG), options={"request_seconds": 0.8})
    began = time.monotonic()
    r = ask(s)
    assert is_problem(r)["status"] == 504 and time.monotonic() - began < 5
    assert [k for k, _ in events(ask(s, path="/ask/stream").text)][-1] == "error"
    assert until(lambda: s.model.busy == 0, 3) and s.model.ended == 0


# WebSocket


def test_a_socket_answers_one_question_after_the_other(started):
    s = started(Slow())
    with opened_socket(s) as ws:
        for n, question in enumerate([QUESTION, "Who built the iron bridge?", QUESTION]):
            say(ws, question)
            told = hear(ws)
            assert [e["event"] for e in told if e["event"] != "token"] == (
                ["hits", "answer"] if n < 2 else [e["event"] for e in told if e["event"] != "token"]
            )
            assert told[-1]["data"]["question"] == question
        assert told[-1]["data"]["cache"]["kind"] == "exact"


def test_who_closes_a_socket_stops_the_model(started):
    s = started(Slow(**LONG))
    for leave in (lambda ws: ws.close(), lambda ws: ws.socket.shutdown(socket.SHUT_RDWR)):
        before = s.model.left
        ws = opened_socket(s)
        say(ws)
        assert until(lambda: s.model.busy == 1)
        with suppress(OSError):
            leave(ws)
        assert until(lambda b=before: s.model.left == b + 1 and s.model.busy == 0, 5), vars(s.model)
        with suppress(Exception):
            ws.close()


def test_cancel_stops_and_the_socket_goes_on(started):
    s = started(Slow(**LONG))
    with opened_socket(s) as ws:
        say(ws)
        while json.loads(ws.recv(timeout=60))["event"] != "token":
            pass
        ws.send('{"cancel": true}')
        assert until(lambda: s.model.left == 1 and s.model.busy == 0, 3)
        s.model.seconds, s.model.words = 0.0, 6
        say(ws, "Who built the iron bridge?")
        told = hear(ws)
        assert told[-1]["data"]["question"] == "Who built the iron bridge?"
        ws.send('{"cancel": true}')  # nothing is under way: no harm
        say(ws, "When does the canteen open?")
        told = hear(ws)
        if told[-1]["event"] == "error":
            told = hear(ws)
        assert told[-1]["data"]["question"] == "When does the canteen open?"


def test_the_next_question_calls_off_the_former(started):
    s = started(Slow(**LONG))
    with opened_socket(s) as ws:
        say(ws, "What do grey herons eat in winter?")
        while json.loads(ws.recv(timeout=60))["event"] != "token":
            pass
        s.model.seconds, s.model.words = 0.0, 6
        say(ws, "Who built the iron bridge?")
        told = hear(ws)
        assert told[-1]["event"] == "answer" and told[-1]["data"]["question"] == "Who built the iron bridge?"
        assert until(lambda: s.model.left == 1 and s.model.busy == 0, 3)
    # several at once: only the last is answered
    with opened_socket(s) as ws:
        s.model.seconds, s.model.words = 0.05, 6
        for q in QUESTIONS[:5]:
            say(ws, q)
        answers = []
        with suppress(TimeoutError):
            while True:
                answers += [e["data"]["question"] for e in hear(ws, 2) if e["event"] == "answer"]
        assert answers[-1] == QUESTIONS[4] and len(answers) <= 2


HOSTILE = [
    "",
    "{",
    "[]",
    "null",
    "1",
    '"x"',
    "{}",
    '{"question":1}',
    '{"question":""}',
    '{"question":"x","a":1}',
]
HOSTILE += [
    "[" * 50_000,
    '{"a":' * 20_000,
    '{"question":"x","top_k":' + "9" * 5_000 + "}",
    "\x00",
    "\ufeff{}",
]
HOSTILE += ['{"question":"\\ud800"}', '{"question":NaN}', '{"question":"' + "x" * 9_000 + '"}', "not json"]
HOSTILE += ['{"question":"x","where":{"a":{"b":{"c":1}}}}', '{"question":"x","where":[]}', '{"cancel": "x", ']
HOSTILE += ['{"question":"x","where":{"nothing":1}}', '{"question":"x","mode":"psychic"}', '{"\\ud800":1}']


def test_hostile_messages_are_told_what_is_wrong_and_the_socket_lives(started):
    s = started(Slow())
    with opened_socket(s) as ws:
        for message in HOSTILE:
            ws.send(message)
            [told] = hear(ws)
            assert told["event"] == "error" and told["data"]["status"] == 422, (message[:40], told)
            text = json.dumps(told)
            assert "Traceback" not in text and ".py" not in text and len(text) < 5_000
        say(ws)
        assert hear(ws)[-1]["event"] == "answer"


def test_an_empty_message_is_told_so_while_an_answer_is_under_way(started):
    s = started(Slow(seconds=0.05, words=40))
    with opened_socket(s) as ws:
        say(ws)
        assert until(lambda: s.model.busy == 1)
        ws.send("")
        assert hear(ws)[-1]["event"] == "error"


def test_bytes_and_huge_messages_close_the_socket_with_a_reason(started):
    s = started(Slow())
    for message, codes in [
        (b"\x00\x01", {1003}),
        ("x" * 1_500_000, {1009}),
        ("x" * 30_000_000, {1009, None}),
    ]:
        ws = opened_socket(s)
        with suppress(websockets.exceptions.ConnectionClosed, OSError):
            ws.send(message)
        with pytest.raises((websockets.exceptions.ConnectionClosed, OSError)) as found:
            for _ in range(10):
                ws.recv(timeout=60)
        got = getattr(getattr(found.value, "rcvd", None), "code", None)
        assert got in codes, (str(message)[:10], found.value)
    assert ask(s).status_code == 200


def test_broken_frames_and_foreign_upgrades_harm_nobody(started):
    s = started(Slow())
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    head = f"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n"
    for rest in (
        b"Sec-WebSocket-Version: 13\r\n\r\n" + b"\xff" * 200,
        b"Sec-WebSocket-Version: 13\r\n\r\n\x81\x05hello",  # not masked
        b"Sec-WebSocket-Version: 13\r\n\r\n\x81\xff" + b"\xff" * 12,  # 2^64 bytes
        b"Sec-WebSocket-Version: 99\r\n\r\n",
        b"\r\n",
    ):
        told = raw(s.port, head.encode() + rest, 3, close=True)
        assert b"Traceback" not in told and told[:9] == b"HTTP/1.1 "
    for path in ("/no", "/ask", "/ws/"):
        with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{s.port}{path}")
        assert refused.value.response.status_code in (403, 404)
    assert ask(s).status_code == 200


def test_each_question_counts_and_more_than_the_share_are_refused(started):
    s = started(Slow(), limit_requests=4)
    with opened_socket(s) as ws:  # opening counts as one
        for n in range(6):
            say(ws, QUESTIONS[n % 2])
            told = hear(ws)[-1]
            assert told["event"] == ("answer" if n < 3 else "error"), n
        assert told["data"]["status"] == 429 and told["data"]["retry_after"] >= 1
        ws.send("{")
        assert hear(ws)[-1]["data"]["status"] == 429  # what cannot be read counts, too
    assert ask(s).status_code == 429
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        opened_socket(s)
    assert refused.value.response.status_code == 429 and refused.value.response.headers["retry-after"]


def test_tokens_of_a_socket_count_against_its_share(started):
    s = started(Slow(), limit_tokens=600)
    with opened_socket(s) as ws:
        statuses = []
        for q in QUESTIONS[:12]:
            say(ws, q)
            last = hear(ws)[-1]
            statuses.append(last["data"].get("status", 200))
    assert statuses[0] == 200 and statuses[-1] == 429, statuses
    assert statuses == sorted(statuses)


def test_a_mistake_in_a_pipeline_is_told_on_a_socket(started, monkeypatch, caplog):
    s = started(Slow())

    def broken(*_, **__):
        raise RuntimeError("in /secret/folder")

    monkeypatch.setattr(type(s.rag), "kept", broken)
    with opened_socket(s) as ws:
        say(ws)
        [told] = hear(ws)
        assert told["data"]["status"] == 500 and "/secret" not in json.dumps(told)
        assert any(told["data"]["request_id"] in c.getMessage() and c.exc_info for c in caplog.records)


def test_a_page_of_another_site_opens_no_socket(started):
    s = started(Slow())
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
            opened_socket(s, headers)
        assert refused.value.response.status_code in (400, 403)
        told = json.loads(refused.value.response.body)
        assert told["status"] == refused.value.response.status_code
    with opened_socket(s, {"Origin": f"http://127.0.0.1:{s.port}"}) as ws:
        say(ws)
        assert hear(ws)[-1]["event"] == "answer"


def test_a_socket_needs_a_key_and_one_that_is_revoked_is_over(started, tmp_path):
    path, who = keys(tmp_path)
    secret = Document.of("The merger with Umbra costs nine million.", "merger", access=("acme/sales",))
    s = started(Slow(), options={"keys": path}, documents=[secret])
    for wrong in (None, {"Authorization": "Bearer lai_0_x"}, who["watcher"]):
        with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
            opened_socket(s, wrong)
        status = refused.value.response.status_code
        assert status == (403 if wrong == who["watcher"] else 401)
        assert "www-authenticate" in refused.value.response.headers
    with opened_socket(s, who["ann"]) as ann, opened_socket(s, who["eve"]) as eve:
        for ws, knows in ((ann, True), (eve, False)):
            say(ws, "What does the merger with Umbra cost?")
            assert ("million" in json.dumps(hear(ws))) == knows
        id = who["ann"]["Authorization"].removeprefix("Bearer lai_").partition("_")[0]
        revoke_key(path, id)
        time.sleep(1.5)  # the file is looked at once a second
        say(ann)
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            hear(ann)
        assert closed.value.rcvd.code == 1008
        say(eve)
        assert hear(eve)[-1]["event"] == "answer"


# places


def test_at_capacity_who_would_wait_too_long_is_told_and_kept_answers_are_served(started):
    s = started(Slow(), options={"wait_seconds": 0.2}, limit_concurrent=1, limit_queue=2)
    assert ask(s).headers["x-cache"] == "MISS"
    s.model.seconds, s.model.words = 0.05, 60
    work = threading.Thread(target=lambda: ask(s, QUESTIONS[0]))
    work.start()
    assert until(lambda: s.model.busy == 1)
    for path in ("/ask", "/ask/simple", "/ask/stream"):
        r = ask(s, QUESTIONS[1], path)
        assert is_problem(r)["status"] == 503 and int(r.headers["retry-after"]) >= 1
        assert r.headers["x-ratelimit-remaining"]
    assert ask(s).headers["x-cache"] == "HIT"
    assert ask(s, "what do grey  herons eat").headers["x-cache"] == "HIT"  # by the answer cache: no place
    assert s.http.post("/search", json={"question": "fish"}).status_code == 200
    assert s.http.get("/status").json()["answering"] == 1
    work.join()
    assert s.model.most == 1


def test_who_can_wait_gets_a_place_in_turn(started):
    s = started(Slow(seconds=0.03), options={"wait_seconds": 30}, limit_concurrent=2, limit_queue=50)
    answers = []
    threads = [
        threading.Thread(
            target=lambda q=q: answers.append(
                httpx.post(f"{s.url}/ask/simple", json={"question": q}, timeout=60)
            )
        )
        for q in QUESTIONS[:16]
    ]
    for t in threads:
        t.start()
    assert until(lambda: s.http.get("/status").json()["waiting"] > 5)
    for t in threads:
        t.join()
    assert {r.status_code for r in answers} == {200} and s.model.most == 2


def test_who_leaves_the_queue_leaves_no_place_behind(started):
    s = started(
        Slow(seconds=0.05, words=20), options={"wait_seconds": 30}, limit_concurrent=1, limit_queue=50
    )
    work = threading.Thread(target=lambda: ask(s, QUESTIONS[0]))
    work.start()
    assert until(lambda: s.model.busy == 1)
    for q in QUESTIONS[1:10]:
        with suppress(httpx.ReadTimeout):
            httpx.post(f"{s.url}/ask/simple", json={"question": q}, timeout=0.05)
    work.join()
    assert until(lambda: s.http.get("/status").json()["waiting"] == 0)
    assert ask(s, QUESTIONS[20]).status_code == 200
    facts = s.http.get("/status").json()
    assert (facts["answering"], facts["waiting"]) == (0, 0) and s.model.begun <= 3


@pytest.mark.parametrize("body", [{}, {"agent": True}, {"cache": False}], ids=["flight", "agent", "no cache"])
def test_many_who_leave_at_once_set_no_more_steps_going_than_there_are_places(started, body):
    s = started(
        Slow(seconds=1.0), options={"wait_seconds": 60}, limit_concurrent=2, limit_queue=100
    )  # a step of it takes a second, and nobody can stop it within
    path = "/ask" if body.get("agent") else "/ask/simple"
    cache = "Cache-Control: no-store\r\n" if "cache" in body else ""
    highest = 0

    def come(question):
        data = json.dumps({"question": question}).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{cache}"
        c = socket.create_connection(("127.0.0.1", s.port))
        c.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        return c

    for wave in range(4):  # each wave comes while the steps of the one before go on
        sockets = [come(q) for q in QUESTIONS[10 * wave : 10 * wave + 10]]
        assert until(lambda: s.model.busy >= 2 and s.service.places.turns.waiting >= 8, 20), vars(s.model)
        for c in sockets:
            c.close()
        assert until(lambda: s.service.places.turns.waiting == 0)
        flying = [t for t in threading.enumerate() if t.name.startswith("generation")]
        highest = max(highest, len(flying))
    began = time.monotonic()
    s.model.seconds = 0.0
    assert ask(s).status_code == 200
    assert time.monotonic() - began < 4
    assert s.model.most <= 2, vars(s.model)
    assert highest <= 2 + 2, highest  # a thread is there for a moment after its last step
    assert until(lambda: s.model.busy == 0 and s.http.get("/status").json()["answering"] == 0, 5)


def test_a_flood_over_capacity_meets_200_429_and_503_alone(started):
    s = started(
        Slow(seconds=0.01),
        options={"wait_seconds": 0.3},
        limit_concurrent=1,
        limit_queue=4,
        limit_requests=60,
    )
    statuses, retry = [], []

    async def flood():
        async with httpx.AsyncClient(base_url=str(s.url), timeout=60) as http:

            async def one(n):
                r = await http.post(("/ask", "/ask/simple")[n % 2], json={"question": QUESTIONS[n]})
                statuses.append(r.status_code)
                if r.status_code in (429, 503):
                    retry.append(int(r.headers["retry-after"]))

            await asyncio.gather(*map(one, range(100)))

    asyncio.run(flood())
    assert set(statuses) <= {200, 429, 503} and statuses.count(429) == 40
    assert statuses.count(503) and statuses.count(200) >= 1
    assert len(retry) == len(statuses) - statuses.count(200) and min(retry) >= 1


# what changes while requests come


@contextmanager
def flooded(s, questions, path="/ask/simple"):
    "Asks all the time from four threads; what came."
    told, stop = [], threading.Event()
    more = {"passages": True} if path != "/search" else {}

    def run(n):
        with httpx.Client(base_url=str(s.url), timeout=60) as http:
            while not stop.is_set():
                n += 4
                told.append(http.post(path, json={"question": questions[n % len(questions)]} | more))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    try:
        yield told
    finally:
        stop.set()
        for t in threads:
            t.join()


@pytest.mark.parametrize("path", ["/ask/simple", "/search"])
def test_the_index_changes_under_load_without_a_failed_request(started, path):
    s = started(Slow(), options={"wait_seconds": 60}, limit_queue=1_000, limit_requests=1_000_000)
    with flooded(s, QUESTIONS[:10], path) as told:
        for n in range(12):
            document = {"text": f"Grey herons eat newts on day {n}.", "source": f"new-{n % 3}"}
            r = s.http.post("/documents", json={"documents": [document]})
            assert r.status_code == 200, r.text
            search = {"question": "newts on a day", "top_k": 50}
            assert f"day {n}." in s.http.post("/search", json=search).text  # at once
            if n % 4 == 3:
                id = r.json()["documents"][0]["document_id"]
                assert s.http.delete(f"/documents/{id}").status_code == 204
                assert f"day {n}." not in s.http.post("/search", json=search).text
    assert {r.status_code for r in told} == {200} and len(told) > 10
    for r in told if path == "/ask/simple" else ():
        shown = {p["chunk_id"] for p in r.json()["passages"]}
        assert {c["chunk_id"] for c in r.json()["citations"]} <= shown


def test_another_process_changes_the_index_without_a_failed_request(started, tmp_path):
    s = started(Slow(), options={"wait_seconds": 60}, limit_requests=1_000_000)
    with flooded(s, QUESTIONS[:5]) as told, RAG.open(tmp_path / "store", generator="packaged") as other:
        for n in range(5):
            other.ingest(Document.of(f"Grey herons eat newts on day {n}.", "new"), progress=False)
        assert until(lambda: told and told[-1].json()["versions"]["index"] == "6")
    assert {r.status_code for r in told} == {200}
    assert len({r.json()["versions"]["index"] for r in told}) > 1


@pytest.fixture(scope="module")
def small_model(tmp_path_factory):
    "A tiny LFM2 and two adapters for it."
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from liquid_ai.generation.model_folder import random_lfm2

    home = tmp_path_factory.mktemp("small")
    tiny = random_lfm2(home / "tiny-lfm2")
    (home / "adapters").mkdir()
    for seed, (name, targets) in enumerate([("law", ["q_proj", "w1"]), ("tax", ["in_proj", "w2"])]):
        torch.manual_seed(seed)
        base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
        config = LoraConfig(r=4, target_modules=targets, init_lora_weights=False)
        get_peft_model(base, config).save_pretrained(home / "adapters" / name)
    return home


def test_the_adapter_changes_under_load_without_a_failed_request(started, small_model, nothing_loaded):
    folder = str(small_model / "adapters")
    s = started(
        generator=str(small_model / "tiny-lfm2"),
        options={"adapters": folder, "wait_seconds": 60},
        limit_queue=1_000,
        limit_requests=1_000_000,
        min_confidence=0.0,
    )
    assert s.http.get("/adapter").json() == {"name": "", "available": ["law", "tax"]}
    first = ask(s).json()["versions"]["weights"]
    assert ask(s).headers["x-cache"] == "HIT"
    seen = {}
    with flooded(s, QUESTIONS[:6]) as told:
        for name in ("law", "tax", "law", "", "tax"):
            r = s.http.put("/adapter", json={"name": name})
            assert r.status_code == 200 and r.json()["name"] == name, r.text
            weights = ask(s).json()["versions"]["weights"]
            assert seen.setdefault(name, weights) == weights
            time.sleep(0.2)
    assert {r.status_code for r in told} == {200} and len(told) > 10
    assert len(set(seen.values())) == 3 and seen[""] == first
    assert {r.json()["versions"]["weights"] for r in told} <= set(seen.values())
    for wrong in ("no", "../tiny-lfm2", "..", "/etc", "law/", "law\x00", "."):
        r = s.http.put("/adapter", json={"name": wrong})
        assert is_problem(r)["status"] == 404, wrong
        assert folder not in r.text
    (small_model / "adapters" / "bad").mkdir()
    (small_model / "adapters" / "bad" / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    r = s.http.put("/adapter", json={"name": "bad"})
    assert 400 <= r.status_code < 600
    is_problem(r)
    assert str(small_model) not in r.text
    assert s.http.get("/adapter").json()["name"] == "tax" and ask(s).status_code == 200


# mistakes of ours


class Mistake(Exception):
    "What nobody expects."


def mistaken(api) -> None:
    "Handlers that break before, in and instead of their answer."

    @api.get("/at-once")
    def at_once():
        raise Mistake("of ours")

    @api.get("/halfway")
    async def halfway(known: bool = False):
        async def body():
            yield b"half"
            await asyncio.sleep(0.01)
            raise ModelError("of ours") if known else Mistake("of ours")

        return StreamingResponse(body())

    @api.websocket("/socket")
    async def socket(one: WebSocket, known: bool = False):
        await one.accept()
        raise ModelError("of ours") if known else Mistake("of ours")


def test_a_mistake_is_logged_once_with_its_trace_and_the_id_of_its_request(tmp_path, caplog):
    options = ServerSettings(log="")
    service = service_of(opened(tmp_path / "store", Slow()), options)
    api = handlers(service)
    mistaken(api)
    app = layered(api, service, authenticator_of(options))

    def logged(id: str) -> None:
        assert until(lambda: caplog.records, 3)
        time.sleep(0.1)  # for a second one
        [record] = caplog.records
        text = logging.Formatter().format(record)
        assert record.levelname == "ERROR" and "Traceback" in text and id in text, text
        caplog.clear()

    with running(app, ws="websockets-sansio") as s:
        caplog.clear()
        r = s.http.get("/at-once", headers={"X-Request-ID": "at-once-1"})
        assert is_problem(r)["status"] == 500
        logged("at-once-1")
        for n, query in enumerate(("", "?known=true")):
            with pytest.raises(httpx.RemoteProtocolError):  # no whole answer: the connection is broken off
                s.http.get(f"/halfway{query}", headers={"X-Request-ID": f"halfway-{n}"})
            logged(f"halfway-{n}")
            own = {"X-Request-ID": f"socket-{n}"}
            with connect(f"ws://127.0.0.1:{s.port}/socket{query}", additional_headers=own) as ws:
                with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
                    ws.recv(timeout=5)
                assert closed.value.rcvd.code == 1011
            logged(f"socket-{n}")


# how many at once


def test_a_full_server_says_so_at_once_and_can_be_watched(started):
    s = started(Slow(**LONG), options={"connections": 2}, limit_concurrent=8)
    asked = {"question": QUESTION}
    with s.http.stream("POST", "/ask/stream", json=asked) as stream, opened_socket(s) as ws:
        lines = stream.iter_lines()
        assert next(lines) == "event: hits"
        began = time.monotonic()
        for r in (
            ask(s),
            s.http.get("/v1/models"),
            s.http.post("/documents", content=b"x" * 100_000),
            s.http.get("/nowhere"),
        ):
            assert r.status_code == 503, (r.url, r.text)
            assert "under way" in r.text, r.text
            assert r.headers["retry-after"] == "1" and r.headers["x-request-id"]
        with pytest.raises(websockets.exceptions.InvalidStatus) as refused, opened_socket(s):
            pass
        assert refused.value.response.status_code == 503
        assert time.monotonic() - began < 2
        for path in ("/health/live", "/health/ready", "/status", "/health", "/metrics"):
            assert s.http.get(path).status_code == 200, path
        say(ws, "")  # who is in stays in
        assert hear(ws)[-1]["data"]["status"] == 422
    assert until(lambda: s.http.post("/search", json=asked).status_code == 200, 5)  # they have left
    for _ in range(5):  # and each that is over is counted down, also those that were refused
        assert s.http.post("/search", json=asked).status_code == 200
        assert s.http.post("/search", json={}).status_code == 422


def test_a_burst_beyond_the_bound_is_refused_and_everybody_else_answered(started):
    s = started(Slow(seconds=0.05, words=6), options={"connections": 4}, limit_concurrent=4)

    async def burst():
        async with httpx.AsyncClient(base_url=str(s.url), timeout=30) as http:
            return await asyncio.gather(
                *(http.post("/ask/simple", json={"question": q}) for q in QUESTIONS[:24])
            )

    told = [r.status_code for r in asyncio.run(burst())]
    assert set(told) == {200, 503} and told.count(200) >= 4
    assert s.model.most <= 4 and ask(s).status_code == 200


def test_no_room_for_anybody_is_no_setting():
    with pytest.raises(InputError, match="connections=0"):
        check_options(ServerSettings(connections=0))


def test_an_answer_its_header_its_trace_and_its_feedback_have_one_id(tmp_path):
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from liquid_ai.metrics.trace import Tracer

    exported = InMemorySpanExporter()
    app = served(opened(tmp_path / "traced", Slow()))
    service = service_in(app)
    service.tracer = Tracer(exporters=[exported])
    parent = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    with running(app) as server:
        first = server.http.post("/ask/simple", json={"question": QUESTION})
        again = server.http.post("/ask/simple", json={"question": QUESTION})
        told = first.json()["trace_id"]
        assert first.headers["x-trace-id"] == told == again.headers["x-trace-id"] == again.json()["trace_id"]
        assert server.http.post("/feedback", json={"trace_id": told, "rating": "up"}).status_code == 200
        called = server.http.post(
            "/ask/simple",
            json={"question": QUESTION},
            headers={"traceparent": parent, "Cache-Control": "no-store"},
        )
        assert called.headers["x-trace-id"] == "ab" * 16
        own = {"trace_id": called.json()["trace_id"], "rating": "down"}
        assert server.http.post("/feedback", json=own).status_code == 200
        service.tracer.flush()
    found = {f"{span.context.trace_id:032x}" for span in exported.get_finished_spans()}
    assert found == {told, "ab" * 16}


def test_a_client_has_a_bounded_number_of_sockets(tmp_path):
    path, who = keys(tmp_path)
    app = served(opened(tmp_path / "store", Slow(), limit_requests=10_000), keys=path, sockets=3)
    with running(app, ws="websockets-sansio", timeout_graceful_shutdown=5) as s:
        kept = [opened_socket(s, who["ann"]) for _ in range(3)]
        for _ in range(3):
            with pytest.raises(websockets.exceptions.InvalidStatus) as refused, opened_socket(s, who["ann"]):
                pass
            response = refused.value.response
            assert response.status_code == 503 and response.headers["retry-after"]
            assert b"3 WebSockets" in response.body
        assert ask(s, headers=who["ann"]).status_code == 200  # nothing else is refused
        with opened_socket(s, who["bob"]) as ws:  # nor anybody else
            say(ws)
            assert hear(ws)[-1]["event"] == "answer"
        kept.pop().close()
        with opened_socket(s, who["ann"]) as ws:
            say(ws)
            assert hear(ws)[-1]["event"] == "answer"
        for ws in kept:
            ws.close()
    layer = app
    while not hasattr(layer, "open"):
        layer = getattr(layer, "app", None) or layer.small
    assert not layer.open  # nobody is remembered who has none open
    with pytest.raises(InputError, match="sockets=0"):
        check_options(ServerSettings(sockets=0))


def test_a_server_without_http_answers_to_sockets_closes_with_1013_and_words():
    sent, scope = [], {"type": "websocket", "path": "/ws", "extensions": {}}

    async def send(message):
        sent.append(message)

    words = "this client has 8 WebSockets open: close one, or use it" + " \u00e9" * 99
    asyncio.run(refuse(scope, None, send, 503, "", words))
    [close] = sent
    assert close["type"] == "websocket.close" and close["code"] == 1013
    assert close["reason"].startswith("this client has 8") and len(close["reason"].encode()) <= 123


def test_a_choice_left_behind_does_not_take_the_adapter_off_that_the_settings_name(tmp_path):
    rag = opened(tmp_path / "store", Slow())
    rag.settings = replace(rag.settings, adapter="/adapters/one")
    (rag.store.folder / "adapter.txt").write_text("")
    service = service_in(served(rag))
    asyncio.run(follow_adapter(service))
    assert rag.settings.adapter == "/adapters/one" and service.epoch == 0
