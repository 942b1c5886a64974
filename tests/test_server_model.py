"""The server model against a real server on this machine: one that works, and all that may not."""

import email.utils
import gc
import gzip
import json
import re
import threading
import time
import tracemalloc
import warnings

import model_contract as contract
import openai_server as fake
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_contract import ASK, OTHERS, check_contract
from openai_server import Server, chunk

from liquid_ai.core import Generation, InputError, ModelError, Usage
from liquid_ai.generation import wire
from liquid_ai.generation.events import StopScanner
from liquid_ai.generation.packaged import packaged_torch_folder
from liquid_ai.generation.served import estimate_prompt
from liquid_ai.generation.server import ServerModel

KEY = "sk-secret-0123456789abcdef"
BACKOFF = wire.backoff


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    "Waits between attempts are short, except where a server asks for one."
    monkeypatch.setattr(wire, "backoff", lambda n: 0.001)


def connect(server: Server, **options) -> ServerModel:
    options = {"timeout": 5.0, "read_timeout": 5.0} | options
    return ServerModel(server.url, "tiny", **options)


def failure(reply, seconds: float = 3.0, error=ModelError, **options) -> tuple[str, int]:
    "The message of the error that `reply` leads to within `seconds`, and how often it was asked."
    with Server(reply) as server:
        model = connect(server, **({"timeout": seconds, "api_key": KEY} | options))
        start = time.monotonic()
        with pytest.raises(error) as caught:
            model.generate(ASK, 12)
        assert time.monotonic() - start < seconds + 0.5
        model.close()
        assert (
            server.url in str(caught.value) and "tiny" in str(caught.value) and KEY not in str(caught.value)
        )
        return str(caught.value), len(server.asked())


def test_it_keeps_the_contract():
    with Server() as server:
        model = connect(server, timeout=30)
        check_contract(model)
        assert model.context == fake.CONTEXT and model.notes == ()
        model.close()


def test_it_keeps_the_contract_where_the_server_knows_neither_stop_nor_usage_nor_counting():
    def chat(handler, body):
        fake.chat(handler, {k: v for k, v in body.items() if k not in ("stop", "stream_options")})

    with Server(chat, tokenize=fake.missing) as server:
        model = connect(server, timeout=30)
        # usage is estimated, so what it must be cannot be checked
        check_without_usage(model)
        assert [n.split(":")[0] for n in model.notes] == [
            "usage is estimated where the server tells none",
            "tokens are estimated, on the high side",
        ]
        model.close()


def check_without_usage(model):
    contract.check_stream(model, 12)
    contract.check_batch(model, 12)
    contract.check_stop(model, 12)
    contract.check_leaving(model, 12)
    contract.check_threads(model, 12)
    assert model.count(ASK) >= fake.count(ASK)
    with pytest.raises(InputError, match="do not fit"):
        model.generate([{"role": "user", "content": "word " * 2_000}], 12)


def test_what_is_sent():
    with Server() as server:
        model = connect(server, api_key=KEY, seed=7)
        model.generate(ASK, 12, stop=["a", "b", "c", "d", "e"])
        _, body, headers, _ = server.asked()[0]
        assert body == {
            "model": "tiny",
            "messages": ASK,
            "max_tokens": 12,
            "temperature": 0,
            "seed": 7,
            "stream": True,
            "stream_options": {"include_usage": True},
            "stop": ["a", "b", "c", "d"],
        }
        assert headers["Authorization"] == f"Bearer {KEY}" and headers["Accept-Encoding"] == "identity"
        assert KEY not in repr(model) + model.why + model.fingerprint
        model.close()


# What a server may do instead of answering. Each is an error that says what was wrong.


def raw(*parts: bytes, stay: float = 0.0):
    "A reply of exactly these bytes; the connection is cut afterwards."

    def reply(handler, body):
        for part in parts:
            handler.wfile.write(part)
        if stay:
            handler.gone(stay)
        handler.drop()

    return reply


def events(*pieces, end: bool = True):
    "A stream of these pieces, whole as far as HTTP is concerned."

    def reply(handler, body):
        handler.begin()
        for piece in pieces:
            handler.piece(piece)
        if end:
            handler.end()
        else:
            handler.drop()

    return reply


DONE = (chunk(finish="stop"), "[DONE]")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
GARBAGE = {
    "HTML": (lambda h, b: h.json(b"<html>Welcome to nginx</html>", kind="text/html"), "text/html.*Welcome"),
    "JSON, not a stream": (lambda h, b: h.json({"choices": []}), "application/json where an event stream"),
    "no HTTP at all": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "dropped the connection"),
    "nothing": (raw(), "dropped the connection"),
    "not JSON": (events("{torn", *DONE), "not JSON"),
    "deep JSON": (events("[" * 100_000, *DONE), "not JSON"),
    "a huge number": (
        events('{"choices":[],"usage":{"prompt_tokens":' + "9" * 5_000 + "}}", *DONE),
        "not JSON",
    ),
    "invalid UTF-8": (events(b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n', *DONE), "not UTF-8"),
    "half a character": (events(chunk("\ud83d"), *DONE), "half a character"),
    "a list": (events([], *DONE), "an event as list"),
    "a string": (events('"text"', *DONE), "an event as str"),
    "null": (events("null", *DONE), "reports an error"),
    "choices: a dict": (events({"choices": {}}, *DONE), "choices as dict"),
    "a choice: a number": (events({"choices": [3]}, *DONE), "a choice as int"),
    "delta: a list": (events({"choices": [{"delta": ["x"]}]}, *DONE), "delta as list"),
    "content: a number": (events(chunk(3), *DONE), "content as int"),
    "content: true": (events(chunk(True), *DONE), "content as bool"),
    "finish_reason: a dict": (events(chunk("x", {}), *DONE), "finish_reason as dict"),
    "usage: a list": (events({**chunk("x"), "usage": []}, *DONE), "usage as list"),
    "usage of strings": (
        events({**chunk("x"), "usage": {"prompt_tokens": "7"}}, *DONE),
        "prompt_tokens as str",
    ),
    "choices: [] for ever": (events(*[{"choices": []}] * 3, "[DONE]"), "without a reason to finish"),
    "null content": (events(*[{"choices": [{"delta": {"content": None}}]}] * 3, *DONE), "no text at all"),
    "reasoning only": (
        events({"choices": [{"delta": {"reasoning_content": "Hm"}}]}, *DONE),
        "only reasoning",
    ),
    "tool calls": (events({"choices": [{"delta": {"tool_calls": [{"id": "1"}]}}]}, *DONE), "tool call"),
    "no end": (events(chunk("The")), "without a reason to finish after 3 characters"),
    "[DONE] too early": (events(chunk("The"), "[DONE]"), "without a reason to finish"),
    "filtered": (events(chunk("The"), chunk(finish="content_filter")), "'content_filter'.*not whole"),
    "aborted": (events(chunk("The"), chunk(finish="abort")), "'abort'.*not whole"),
    "an error in the stream": (
        events(chunk("The"), {"error": {"message": "out of memory"}}),
        "out of memory",
    ),
    "an error as llama.cpp told it": (events(b'error: {"message":"slot gone"}\n\n'), "slot gone"),
    "the key repeated": (events({"error": f"bad key {KEY}"}), r"bad key \*\*\*"),
    "dropped in the middle": (events(chunk("The"), end=False), "dropped the connection"),
    "dropped in an event": (raw(HEAD + b'data: {"choi'), "without a reason to finish"),
    "a shorter body than said": (
        raw(HEAD[:-2] + b"content-length: 900\r\n\r\ndata: {}"),
        "dropped the connection",
    ),
    "more tokens than asked for": (
        events(
            chunk("x"),
            chunk(finish="stop"),
            {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 99}},
        ),
        "wrote 99 tokens where 12",
    ),
    "compressed": (
        raw(HEAD[:-2] + b"content-encoding: gzip\r\n\r\n" + gzip.compress(b"0" * 1_000_000)),
        "compressed body",
    ),
    "a compressed error": (
        raw(b"HTTP/1.1 500 No\r\ncontent-encoding: gzip\r\n\r\n" + gzip.compress(b"0" * 1_000_000)),
        "compressed body",
    ),
    "a redirect": (
        lambda h, b: h.json({}, 307, location="http://elsewhere.invalid/"),
        "redirect to http://elsewhere",
    ),
    "no content": (lambda h, b: h.json({}, 204), "answered 204"),
}


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage_is_an_error_that_names_it(case):
    reply, told = GARBAGE[case]
    message, _ = failure(reply, retries=1)
    assert re.search(told, message), message


def test_no_half_answer_is_passed_off_as_whole():
    with Server(events(chunk("The"), chunk(" quick"), end=False)) as server:
        model, got = connect(server), []
        with pytest.raises(ModelError, match="dropped the connection"):
            model.generate(ASK, 12)
        with pytest.raises(ModelError, match="dropped"):
            for piece in model.stream(ASK, 12):
                got.append(piece)
        assert got == ["The", " quick"] and len(server.asked()) == 2  # never again once there was text
        with pytest.raises(ModelError, match="dropped"):
            model.batch([ASK, ASK], 12)
        model.close()


# Servers that take their time.


def test_a_server_that_never_answers():
    message, asked = failure(lambda h, b: h.gone(9), read_timeout=0.4)
    assert "silent for longer than read_timeout" in message and asked == 1
    message, asked = failure(lambda h, b: h.gone(9), seconds=0.5)
    assert "no whole answer within 0.5 s" in message and asked == 1


def test_a_server_that_stops_in_the_middle():
    def reply(handler, body):
        handler.begin()
        handler.piece(chunk("The"))
        handler.gone(9)

    assert "silent for longer" in failure(reply, read_timeout=0.4)[0]
    assert "no whole answer" in failure(reply, seconds=0.5)[0]


def dribble(byte: bytes, start: bytes = b""):
    "A byte every 20 ms: no silence is long enough for a read timeout."

    def reply(handler, body):
        handler.wfile.write(start)
        while not handler.server.left.is_set():
            handler.wfile.write(byte)
            time.sleep(0.02)

    return reply


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\nx: ", HEAD, HEAD + b"data: ", b"HTTP/1.1 500 No\r\n\r\n"]
)
def test_a_server_that_dribbles_meets_the_deadline(start):
    assert "no whole answer within 0.6 s" in failure(dribble(b"x", start), seconds=0.6, read_timeout=0.3)[0]


def test_comments_keep_no_stream_alive_for_ever():
    assert "no whole answer" in failure(dribble(b": ping\n\n", HEAD), seconds=0.6, read_timeout=0.3)[0]


def flood(piece: bytes, start: bytes = HEAD):
    def reply(handler, body):
        handler.wfile.write(start)
        while True:
            handler.wfile.write(piece)

    return reply


FLOODS = {
    "an endless line": (flood(b"x" * 65_536, HEAD + b"data: "), "line longer than 262,144 bytes"),
    "an endless stream": (
        flood(json.dumps(chunk("word ")).encode().join([b"data: ", b"\n\n"])),
        "sent more than",
    ),
    "endless comments": (flood(b": ping\n\n" * 1_000), "sent more than"),
    "an endless event": (flood(b"data: x\n" * 1_000), "sent more than"),
    "an endless error": (flood(b"x" * 65_536, b"HTTP/1.1 400 No\r\n\r\n"), "more than 1,048,576 bytes"),
    "an endless header": (flood(b"x" * 65_536, b"HTTP/1.1 200 OK\r\nx: "), "dropped the connection"),
}


@pytest.mark.parametrize("case", FLOODS)
def test_a_flood_ends_early_and_in_bounded_memory(case):
    reply, told = FLOODS[case]
    tracemalloc.start()
    message, _ = failure(reply, seconds=10.0, retries=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told in message
    assert peak < 24_000_000  # bytes, of the server and its thread too


def test_a_slow_reader_makes_the_server_wait():
    sent = []

    def reply(handler, body):
        handler.begin()
        for _ in range(4_000):
            handler.piece({**chunk("word "), "padding": "x" * 2_000})
            sent.append(1)
        handler.piece(chunk(finish="stop"))
        handler.end()

    with Server(reply) as server:
        model = connect(server, timeout=30)
        stream = model.stream(ASK, 2_000, stop=())
        next(stream)
        time.sleep(1.0)
        assert len(sent) < 4_000  # what fits the sockets' buffers
        stream.close()
        assert server.left.wait(20)
        model.close()


# Statuses: what is tried again, and when.


def status_first(*statuses: int, **headers):
    "These statuses, one for each request; a good answer afterwards."

    def reply(handler, body):
        n = len(handler.server.asked()) - 1
        if n < len(statuses):
            handler.json({"error": {"message": f"told {n}"}}, statuses[n], **headers)
        else:
            fake.chat(handler, body)

    return reply


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(status):
    with Server(status_first(status, status)) as server:
        model = connect(server, retries=2)
        assert model.generate(ASK, 12).text and len(server.asked()) == 3
        model.close()
    message, asked = failure(status_first(*[status] * 9), retries=2)
    assert asked == 3 and f"answered {status}: told 2" in message and "tried 3 times" in message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 422, 501, 505, 302])
def test_what_will_not_pass_is_not(status):
    message, asked = failure(status_first(*[status] * 9), retries=2)
    assert asked == 1 and f"answered {status}" in message
    assert (status not in (401, 403)) or "check api_key" in message


def test_a_connection_that_fails_is_tried_again():
    def reply(handler, body):
        fake.chat(handler, body) if len(handler.server.asked()) > 2 else handler.drop()

    with Server(reply) as server:
        model = connect(server, retries=2)
        assert model.generate(ASK, 12).text and len(server.asked()) == 3
        model.close()


def test_after_the_first_role_event_too_since_it_holds_no_text():
    def reply(handler, body):
        if len(handler.server.asked()) > 1:
            return fake.chat(handler, body)
        handler.begin()
        handler.piece(chunk(""))
        return handler.drop()

    with Server(reply) as server:
        model = connect(server, retries=1)
        assert list(model.stream(ASK, 12))[-1] == model.generate(ASK, 12)
        model.close()


@pytest.mark.parametrize("form", ["seconds", "date", "skewed"])
def test_retry_after_is_waited_for(form):
    now = time.time()
    headers = {
        "seconds": {"retry_after": "1"},
        "date": {"retry_after": email.utils.formatdate(now + 2, usegmt=True)},
        # an hour ahead of this machine, as is its Retry-After: the difference counts
        "skewed": {"retry_after": email.utils.formatdate(now + 3_601, usegmt=True)},
    }[form]

    def reply(handler, body):
        if form == "skewed":
            handler.date_time_string = lambda *a: email.utils.formatdate(now + 3_600, usegmt=True)
        status_first(429, **headers)(handler, body)

    with Server(reply) as server:
        model = connect(server, retries=1)
        assert model.generate(ASK, 12).text
        (*_, first), (*_, second) = server.asked()
        assert 0.9 < second - first < 2.6
        model.close()


@pytest.mark.parametrize(
    "form", [str, lambda s: email.utils.formatdate(time.time() + s, usegmt=True)], ids=["seconds", "date"]
)
def test_a_wait_beyond_the_deadline_is_an_error_at_once(form):
    start = time.monotonic()
    message, asked = failure(status_first(*[429] * 9, retry_after=form(3_600)), retries=5)
    assert asked == 1 and "asks to wait 3" in message and time.monotonic() - start < 2


def test_retries_are_spread_by_jitter():
    ceilings = [0.5, 1, 2, 4, 8, 16, 20, 20]
    drawn = [[BACKOFF(n) for _ in range(400)] for n in range(len(ceilings))]
    for ceiling, values in zip(ceilings, drawn, strict=True):
        assert 0 <= min(values) < ceiling * 0.1 and ceiling * 0.9 < max(values) <= ceiling


# What a server does not know.


@pytest.mark.parametrize("field", ["stream_options", "seed"])
def test_a_field_that_is_refused_by_name_is_left_out(field):
    def reply(handler, body):
        if field in body:
            return handler.json({"detail": f"extra fields not permitted: {field}"}, 400)
        return fake.chat(handler, body)

    with Server(reply) as server:
        model = connect(server)
        answers = [model.generate(ASK, 12) for _ in range(3)]
        assert answers[0] == answers[1] == answers[2] and answers[0].text
        assert len(server.asked()) == 4  # refused once
        assert f"the server does not know {field}" in model.notes
        exact = field == "seed"
        assert (answers[0].usage.prompt_tokens == fake.count(ASK)) == exact
        assert exact or "usage is estimated where the server tells none" in model.notes
        model.close()


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            400,
            {"error": {"message": "request (9412 tokens) exceeds the available context size (8192 tokens)"}},
        ),
        (400, {"error": {"message": "This model's maximum context length is 4096 tokens.", "code": 400}}),
    ],
)
def test_what_the_server_finds_too_long_is_the_askers_to_mend(status, told):
    message, asked = failure(lambda h, b: h.json(told, status), error=InputError)
    assert asked == 1 and "context" in message


def test_the_list_of_models_is_checked():
    with Server() as server:
        with pytest.raises(ModelError, match="does not serve 'large'; it lists: tiny"):
            ServerModel(server.url, "large")
        server.routes["/v1/models"] = lambda h, b: h.json(b"<html>", kind="text/html")
        with pytest.raises(ModelError, match="something else than a list: <html>"):
            connect(server)
        server.routes["/v1/models"] = lambda h, b: h.json({"detail": f"bad {KEY}"}, 401)
        with pytest.raises(ModelError, match=r"answered 401: bad \*\*\* \(check api_key\)"):
            connect(server, api_key=KEY)
        for unlisted in (fake.missing, lambda h, b: h.json({"data": []})):
            server.routes["/v1/models"] = unlisted
            model = connect(server)
            assert model.generate(ASK, 12).text and any("lists no models" in n for n in model.notes)
            model.close()


@pytest.mark.parametrize(
    ("entry", "props", "wanted", "context"),
    [
        ({"max_model_len": 8_192}, {}, 0, 8_192),
        ({"max_model_len": 8_192}, {}, 1_000, 1_000),
        ({"max_model_len": 8_192}, {}, 99_999, 8_192),
        ({"owned_by": "llamacpp", "meta": {"n_ctx_train": 32_768}}, {}, 0, 32_768),
        ({"owned_by": "llamacpp", "meta": {"n_ctx_train": 32_768}}, {"n_ctx": 512}, 0, 512),
        ({"max_model_len": "8192", "meta": []}, {}, 0, 4_096),
        ({"max_model_len": -1}, {}, 0, 4_096),
        ({}, {}, 700, 700),
    ],
)
def test_the_context_is_what_the_server_really_gives(entry, props, wanted, context):
    with Server(props=lambda h, b: h.json({"default_generation_settings": props})) as server:
        server.routes["/v1/models"] = lambda h, b: h.json({"data": [{"id": "tiny", **entry}]})
        model = connect(server, context=wanted)
        assert model.context == context
        assert any("4,096 tokens assumed" in n for n in model.notes) == (context == 4_096)
        model.close()


def test_llama_cpp_counts_by_its_template():
    def template(handler, body):
        handler.json({"prompt": " ".join(f"<s> {m['role']} {m['content']}" for m in body["messages"])})

    def tokenize(handler, body):
        handler.json({"tokens": list(range(len(body.get("content", "").split())))})

    with Server(tokenize=tokenize, **{"apply-template": template}) as server:
        model = connect(server)
        assert model.count(ASK) == sum(2 + len(m["content"].split()) for m in ASK)
        assert model.count(ASK[1:]) < model.count(ASK) and model.notes == ()
        assert server.asked("/tokenize")[-1][1]["add_special"] is True
        model.close()


@pytest.mark.parametrize(
    "told", [b"<html>", {"count": "7"}, {"count": -0}, {"tokens": 3}, [], {"count": True}]
)
def test_a_count_that_is_none_is_replaced_by_an_estimate(told):
    with Server(tokenize=lambda h, b: h.json(told)) as server:
        model = connect(server)
        assert model.count(ASK) == estimate_prompt(ASK)
        assert any("tokens are estimated" in n for n in model.notes)
        model.close()


TEXTS = {
    "German": "Die Überfahrt dauert künftig länger, weil die Brücke über den Fluss erneuert wird. ",
    "Russian": "Вчера компания объявила, что переправа займет больше времени. ",
    "Chinese": "昨天公司宣布，由于桥梁正在维修，过河时间将会更长。",
    "code": "for i in range(10):\n    if xs[i] != None and f(x) == g(y):\n        return {'a': [1, 2, 3]}\n",
    "numbers": "3.14159 2,718,281 0xDEADBEEF 8f14e45fceea167a 2026-11-25T18:02:11Z ",
    "capitals": "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG. ",
    "emoji": "👩‍👩‍👧 wow 🎉 ",
}


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(packaged_torch_folder() / "tokenizer.json"))


@pytest.mark.parametrize("kind", TEXTS)
def test_the_estimate_errs_on_the_high_side(kind, tokenizer):
    text = TEXTS[kind] * 5
    assert estimate_prompt([{"role": "user", "content": text}]) >= len(tokenizer.encode(text).ids)


# Fingerprints.


def test_the_fingerprint_follows_what_the_server_says():
    with Server() as server:
        prints = {}
        for case, entry in {
            "first": {"max_model_len": 512, "created": 1},
            "again": {"max_model_len": 512, "created": 2, "permission": [{"id": "random"}]},
            "longer": {"max_model_len": 600},
            "adapter": {"max_model_len": 512, "root": "other"},
        }.items():
            server.routes["/v1/models"] = lambda h, b, e=entry: h.json(
                {"data": [{"id": "tiny", "owned_by": "vllm", **e}]}
            )
            prints[case] = connect(server).fingerprint
        prints["seed"] = connect(server, seed=1).fingerprint
        server.routes["/version"] = lambda handler, body: handler.json({"version": "0.2"})
        prints["upgraded"] = connect(server).fingerprint
        assert prints["first"] == prints["again"] and len(set(prints.values())) == len(prints) - 1
        server.routes["/v1/models"] = lambda h, b: h.json(
            {"data": [{"id": "tiny:latest", "owned_by": "library"}]}
        )
        digests = []
        for digest in ("aa", "bb"):
            told = {"models": [{"name": "tiny:latest", "digest": digest}]}
            server.routes["/api/tags"] = lambda h, b, told=told: h.json(told)
            digests.append(connect(server).fingerprint)
        assert digests[0] != digests[1]
    gc.collect()


def test_a_system_fingerprint_that_changes_is_noticed():
    def reply(handler, body):
        system = "fp_b" if len(handler.server.asked()) > 2 else "fp_a"
        events(chunk("x", system_fingerprint=system), chunk(finish="stop"))(handler, body)

    with Server(reply) as server:
        model = connect(server)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.generate(ASK, 12)
            first = model.fingerprint
            model.generate(ASK, 12)
        assert model.fingerprint == first and model.notes == (
            "usage is estimated where the server tells none",
        )
        with pytest.warns(UserWarning, match="system_fingerprint changed from fp_a to fp_b"):
            model.generate(ASK, 12)
        assert model.fingerprint != first and "changed from fp_a to fp_b" in model.why
        model.close()


# Leaving, threads, batches.


def test_closing_a_stream_closes_the_connection():
    def reply(handler, body):
        handler.begin()
        handler.piece(chunk("The"))
        handler.gone(9)

    with Server(reply) as server:
        model = connect(server, timeout=20, read_timeout=20)
        stream = model.stream(ASK, 12)
        assert next(stream) == "The"
        start = time.monotonic()
        stream.close()
        assert server.left.wait(8) and time.monotonic() - start < 8  # it would have gone on for 9 s
        server.left.clear()
        stream = model.stream(ASK, 12)
        next(stream)
        del stream
        gc.collect()
        assert server.left.wait(8)
        model.close()


def test_a_stop_string_found_here_closes_the_connection():
    def reply(handler, body):
        handler.begin()
        handler.piece(chunk("One.\n\nTwo"))
        handler.gone(9)

    with Server(reply) as server:
        model = connect(server)
        assert list(model.stream(ASK, 12, stop=["\n\n"]))[0] == "One."
        assert server.left.wait(8)
        model.close()


def test_closing_the_model_ends_what_is_under_way():
    with Server(lambda h, b: h.gone(9)) as server:
        model, told = connect(server, timeout=20, read_timeout=20), []

        def ask():
            try:
                model.generate(ASK, 12)
            except ModelError as e:
                told.append(str(e))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        while len(server.asked()) < 3:
            time.sleep(0.01)
        model.close()
        model.close()
        for thread in threads:
            thread.join(5)
        assert len(told) == 3 and all("closed" in t or "dropped" in t for t in told)
        assert server.left.wait(8)
        for call in (model.generate, lambda m, n: next(model.stream(m, n)), lambda m, n: model.batch([m], n)):
            with pytest.raises(ModelError, match="is closed"):
                call(ASK, 12)


def test_a_model_that_is_forgotten_ends_its_thread():
    def threads():
        return sum(t.name == "ServerModel" for t in threading.enumerate())

    gc.collect()
    time.sleep(0.1)
    with Server() as server:
        before, model = threads(), connect(server)
        assert threads() == before + 1
        del model
        gc.collect()
        deadline = time.monotonic() + 3
        while threads() > before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert threads() == before
        with pytest.raises(ModelError):
            ServerModel(server.url, "large")
        assert threads() == before


def test_many_threads_share_one_model():
    asks = [[{"role": "user", "content": f"Question {n} of many."}] for n in range(40)]
    with Server() as server:
        model, got = connect(server, timeout=30), {}
        wanted = [Generation("".join(fake.sentence(a)[:8]), Usage(fake.count(a), 8), False) for a in asks]

        def ask(n):
            whole = model.generate(asks[n], 8)
            *pieces, last = model.stream(asks[n], 8)
            got[n] = {whole, last} if "".join(pieces) == last.text else None

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(asks))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert [got[n] for n in range(len(asks))] == [{w} for w in wanted]
        model.close()


def test_a_batch_runs_side_by_side_in_bounds_and_keeps_its_order():
    def reply(handler, body):
        time.sleep(0.1 if "rain" in str(body) else 0.03)  # the first is the slowest
        fake.chat(handler, body)

    with Server(reply) as server:
        model = connect(server, parallel=3)
        asks = OTHERS * 4
        answers = model.batch(asks, 6)
        assert [a.text for a in answers] == ["".join(fake.sentence(a)[:6]) for a in asks]
        assert 2 <= server.most <= 3
        model.close()


def test_one_error_ends_a_batch():
    def reply(handler, body):
        if "iron" in str(body):
            return handler.json({"error": "no iron"}, 400)
        return handler.gone(9)

    with Server(reply) as server:
        model, start = connect(server, timeout=20, read_timeout=20), time.monotonic()
        with pytest.raises(ModelError, match="no iron"):
            model.batch(OTHERS, 12)
        assert server.left.wait(8) and time.monotonic() - start < 8
        with pytest.raises(InputError, match="do not fit"):
            model.batch([ASK, [{"role": "user", "content": "word " * 3_000}]], 12)
        assert len(server.asked()) <= len(OTHERS)  # what does not fit stops all before any is asked
        model.close()


# Arguments.


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"url": "localhost:8000"}, "looks like"),
        ({"url": "ftp://host/v1"}, "looks like"),
        ({"url": "http://host:port/v1"}, "looks like"),
        ({"url": "http://ann:pw@host/v1"}, "use api_key"),
        ({"api_key": f"{KEY}\n"}, "api_key holds"),
        ({"api_key": "schlüssel"}, "api_key holds"),
        ({"timeout": 0}, "positive"),
        ({"retries": -1}, "not negative"),
    ],
)
def test_what_cannot_be_used_is_refused(change, told):
    with pytest.raises(InputError, match=told) as caught:
        ServerModel(**({"url": "http://127.0.0.1:9", "model": "tiny"} | change))
    assert KEY not in str(caught.value) and "pw" not in str(caught.value)


def test_messages_that_cannot_be_sent_are_refused():
    with Server() as server:
        model = connect(server)
        for messages in (
            [],
            [{"role": "user"}],
            [{"role": "user", "content": None}],
            [{"content": "x", "role": 1}],
        ):
            with pytest.raises(InputError):
                model.generate(messages, 12)
        with pytest.raises(InputError, match="half a character"):
            model.generate([{"role": "user", "content": "\ud83d"}], 12)
        with pytest.raises(InputError, match="stop string"):
            model.generate(ASK, 12, stop=[""])
        assert not server.asked()
        model.close()


def test_nobody_there():
    with Server() as server:
        url = server.url
    start = time.monotonic()
    with pytest.raises(ModelError, match=r"cannot be reached .* is it running.*tried 3 times"):
        ServerModel(url, "tiny", timeout=3)
    assert time.monotonic() - start < 3


def test_proxies_and_netrc_are_not_read(monkeypatch, tmp_path):
    with Server() as server:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login ann password secret\n")
        monkeypatch.setenv("NETRC", str(netrc))
        model = connect(server)
        assert model.generate(ASK, 12).text
        assert not any("Authorization" in headers for _, _, headers, _ in server.seen)
        model.close()


@settings(max_examples=300, deadline=None)
@given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3), st.data())
def test_stop_strings_do_not_depend_on_how_the_text_is_cut(text, stops, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    scanner, out = StopScanner(stops), ""
    for piece in pieces:
        out += scanner.push(piece)
        if scanner.found:
            break
    # the reference: the first prefix of the text that ends with a stop string
    ends = [n for n in range(len(text) + 1) if any(text[:n].endswith(s) for s in stops)]
    if ends:
        first = max((s for s in stops if text[: ends[0]].endswith(s)), key=len)
        assert scanner.found and out == text[: ends[0] - len(first)]
    else:
        assert not scanner.found and out + scanner.held == text
