"""Several servers of one model: even load, failover before the first word and no doubled text after it."""

import re
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from conftest import ROOT
from openai_server import CONTEXT, Server, chat, chunk, sentence, tokenize

from liquid_ai.core import InputError, ModelError, Settings
from liquid_ai.generation import wire
from liquid_ai.generation.models import load_model, model_fingerprint
from liquid_ai.generation.server import ServerModel
from liquid_ai.generation.wire import server_roots

RUN = """
import sys, time
sys.path.insert(0, "tests")
import openai_server
from openai_server import Server, chunk, sentence

def slow(handler, body):
    words = sentence(body["messages"])
    handler.begin()
    for word in words[: body["max_tokens"]]:
        handler.piece(chunk(word))
        time.sleep(0.004)
    handler.piece(chunk(finish="stop"))
    handler.piece("[DONE]")
    handler.end()

server = Server(slow, port=int(sys.argv[1]))
print(server.server_port, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    "Waits before a retry are short."
    real = wire.backoff
    monkeypatch.setattr(wire, "backoff", lambda attempt: real(attempt) / 50)


@contextmanager
def process(port: int = 0):
    "A server that can be killed: its process and port."
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield run, int(run.stdout.readline())
    finally:
        run.kill()
        run.wait()


@contextmanager
def model_of(*servers: Server | str, **options):
    urls = ",".join(s if isinstance(s, str) else f"{s.url}/v1" for s in servers)
    made = ServerModel(
        urls, "tiny", **{"timeout": 20.0, "connect_timeout": 1.0, "read_timeout": 1.0} | options
    )
    try:
        yield made
    finally:
        made.close()


def question(n: int = 0) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"question {n}"}]


def wanted(n: int = 0, words: int = 8) -> str:
    return "".join(sentence(question(n))[:words])


def until(true, seconds: float = 30.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def test_load_is_even_and_every_answer_right():
    with Server() as a, Server() as b, Server() as c, model_of(a, b, c) as model:
        for n in range(9):  # one after the other, none under way: in turn
            assert model.generate(question(n), 8).text == wanted(n)
        assert [len(s.asked()) for s in (a, b, c)] == [3, 3, 3]
        found = model.batch([question(n) for n in range(60)], 8)
        assert [g.text for g in found] == [wanted(n) for n in range(60)]
        assert all(16 <= len(s.asked()) <= 30 for s in (a, b, c)), [len(s.asked()) for s in (a, b, c)]
        assert [(e.busy, e.why) for e in model.endpoints] == [(0, "")] * 3


def test_the_one_with_least_to_do_is_asked():
    held = threading.Event()

    def slow(handler, body):
        held.wait(20)
        chat(handler, body)

    with (
        Server(slow) as a,
        Server() as b,
        model_of(a, b, read_timeout=30.0) as model,
        ThreadPoolExecutor(2) as pool,
    ):
        first = pool.submit(model.generate, question(), 8)
        until(lambda: len(a.asked()) == 1)
        for n in range(5):
            assert model.generate(question(n), 8).text == wanted(n)
        assert len(b.asked()) == 5 and [e.busy for e in model.endpoints] == [1, 0]
        held.set()
        assert first.result(20).text == wanted()


def test_one_of_two_is_killed_under_load_and_no_request_is_lost():
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (one, port), (_, other) = (stack.enter_context(process()) for _ in range(2))
        model = stack.enter_context(model_of(*(f"http://127.0.0.1:{p}/v1" for p in (port, other))))
        seen, over = [], threading.Event()

        def go_on(who: int) -> None:
            n = who
            while not over.is_set():
                said, n, began = [], n + 8, time.monotonic()
                try:
                    for piece in model.stream(question(n), 20):
                        said.append(piece)
                    right = "".join(said[:-1]) == said[-1].text == wanted(n, 20)
                    seen.append((began, time.monotonic(), "right" if right else "wrong"))
                except ModelError as e:
                    whole = "".join(said) == wanted(n, 20)[: len("".join(said))]
                    told = f"127.0.0.1:{port} dropped the connection" in str(e)
                    seen.append(
                        (began, time.monotonic(), "broken off" if said and whole and told else "lost")
                    )

        with ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(go_on, who) for who in range(8)]
            try:
                until(lambda: len(seen) > 40)
                assert [e.busy for e in model.endpoints] == [4, 4]
                one.kill(), one.wait()
                gone = time.monotonic()
                until(lambda: sum(began > gone for began, *_ in list(seen)) > 60)
                assert [bool(e.why) for e in model.endpoints] == [True, False]
                stack.enter_context(process(port))
                until(lambda: not any(e.why for e in model.endpoints))
                back = time.monotonic()
                until(lambda: sum(began > back for began, *_ in list(seen)) > 60)
                until(lambda: [e.busy for e in model.endpoints] == [4, 4])
            finally:
                over.set()
        for job in jobs:
            job.result()
        told = Counter(outcome for *_, outcome in seen)
        assert told["lost"] == told["wrong"] == 0 and told["broken off"] <= 8, told
        struck = [outcome for began, end, outcome in seen if began > gone]
        assert set(struck) == {"right"}  # whoever came after the kill noticed nothing
        slowest = max(end - began for began, end, _ in seen)
        print(f"{told}; slowest {slowest:.2f} s")
        assert slowest < 5


def broken(status: int):
    return lambda handler, body: handler.json({"error": "overloaded"}, status)


def silent(handler, body):
    handler.gone(10)


def first_role_then_gone(handler, body):
    handler.begin()
    handler.piece(chunk(""))
    handler.drop()


@pytest.mark.parametrize("bad", [broken(500), broken(503), broken(429), silent, first_role_then_gone])
def test_what_fails_before_its_first_word_is_answered_by_the_next(bad):
    with Server(bad) as a, Server() as b, model_of(a, b) as model:
        began = time.monotonic()
        for n in range(4):
            assert model.generate(question(n), 8).text == wanted(n)
        assert time.monotonic() - began < 4 and len(b.asked()) == 4
        assert len(a.asked()) in (1, 2)  # it is left out at once
        assert model.endpoints[0].why and not model.endpoints[1].why


def test_what_has_begun_to_speak_is_not_said_twice():
    def dies(handler, body):
        handler.begin()
        handler.piece(chunk("the quick"))
        handler.drop()

    with Server(dies) as a, Server() as b, model_of(a, b) as model:
        pieces = model.stream(question(), 8)
        assert next(pieces) == "the quick"
        with pytest.raises(ModelError, match=f"tiny at {a.url} dropped the connection"):
            next(pieces)
        assert len(b.asked()) == 0 and model.endpoints[0].why
        assert model.generate(question(), 8).text == wanted()


def test_a_refusal_is_the_same_everywhere_and_is_not_passed_on():
    def refuses(handler, body):
        handler.json({"error": {"message": "maximum context length is 10 tokens"}}, 400)

    with Server(refuses) as a, Server(refuses) as b, model_of(a, b) as model:
        with pytest.raises(InputError, match=f"tiny at {a.url} answered 400"):
            model.generate(question(), 8)
        assert len(a.asked()) == 1 and not b.asked() and not any(e.why for e in model.endpoints)


def test_pauses_grow_and_who_is_back_is_taken_in_again():
    state = {"works": False}

    def moody(handler, body):
        chat(handler, body) if state["works"] else handler.json({"error": "down"}, 503)

    with Server(moody) as a, Server() as b, model_of(a, b) as model:
        until_tried = time.monotonic() + 8
        n = 0
        while time.monotonic() < until_tried:
            assert model.generate(question(n), 8).text == wanted(n)
            n += 1
            time.sleep(0.02)
        times = [when for *_, when in a.asked()]
        gaps = [y - x for x, y in zip(times, times[1:], strict=False)]
        assert 2 <= len(gaps) <= 3 and all(x < y for x, y in zip(gaps, gaps[1:], strict=False)), gaps
        assert gaps[0] > 0.9
        state["works"] = True
        before = len(a.asked())

        def asked() -> bool:
            model.generate(question(), 8)
            return len(a.asked()) > before + 3 and not model.endpoints[0].why

        until(asked)


def test_where_all_are_gone_one_error_names_each_and_why():
    with Server(broken(503)) as a, Server(silent) as b, model_of(a, b, retries=0) as model:
        began = time.monotonic()
        with pytest.raises(ModelError) as told:
            model.generate(question(), 8)
        assert time.monotonic() - began < 5
        for part in ("none of its 2 servers", f"{a.url} answered 503", f"{b.url} was silent"):
            assert part in str(told.value)
    began = time.monotonic()
    with pytest.raises(
        ModelError, match=r"none of its 2 servers: http://127.0.0.1:1 cannot.*; http://127.0.0.1:2 cannot"
    ):
        ServerModel("http://127.0.0.1:1/v1,http://127.0.0.1:2/v1", "tiny", retries=1)
    assert time.monotonic() - began < 5


def test_one_that_is_gone_from_the_start_is_told_and_comes_later():
    with Server() as a, ExitStack() as stack:
        with process() as (_, port):
            pass
        late = f"http://127.0.0.1:{port}"
        model = stack.enter_context(model_of(a, f"{late}/v1"))
        assert f"{late} is left out: cannot be reached" in model.why
        assert model.generate(question(), 8).text == wanted()
        stack.enter_context(process(port))

        def there() -> bool:
            assert model.generate(question(), 8).text == wanted()
            return not model.endpoints[1].why

        until(there)


def listing(**facts):
    entry = {"id": "tiny", "owned_by": "vllm", "max_model_len": CONTEXT} | facts
    return {"v1/models": lambda handler, body: handler.json({"data": [entry]})}


def test_servers_of_different_models_are_an_error_that_says_which():
    with Server() as a, Server(**listing(max_model_len=999)) as b, Server(**listing(id="other")) as c:
        told = f"tiny at {b.url} serves another model than {a.url}: max_model_len 999 here, {CONTEXT} there"
        with pytest.raises(ModelError, match=re.escape(told)):
            ServerModel(f"{a.url},{b.url}", "tiny")
        with pytest.raises(
            ModelError, match=re.escape(f"tiny at {c.url} does not serve 'tiny'; it lists: other")
        ):
            ServerModel(f"{a.url},{c.url}", "tiny")


def test_one_that_comes_back_with_another_model_stays_out():
    facts = {}
    state = {"works": True}

    def models(handler, body):
        handler.json({"data": [{"id": "tiny", "owned_by": "vllm", "max_model_len": CONTEXT} | facts]})

    def moody(handler, body):
        chat(handler, body) if state["works"] else handler.json({"error": "down"}, 503)

    with Server(moody, **{"v1/models": models}) as a, Server() as b, model_of(a, b) as model:
        model.generate(question(), 8)
        facts["root"], state["works"] = "other weights", False
        model.generate(question(), 8), model.generate(question(), 8)
        state["works"], before = True, len(a.asked())

        def seen() -> bool:
            assert model.generate(question(), 8).text == wanted()
            return "another model now: root other weights here" in model.endpoints[0].why

        until(seen)
        assert len(a.asked()) == before


def system(name: list[str]):
    def told(handler, body):
        handler.begin()
        handler.piece(chunk("", system_fingerprint=name[0]))
        handler.piece(chunk(wanted(), system_fingerprint=name[0]))
        handler.piece(chunk(finish="stop", system_fingerprint=name[0]))
        handler.piece("[DONE]")
        handler.end()

    return told


def test_system_fingerprints_are_compared_too():
    one, two = ["build 1"], ["build 1"]
    with Server(system(one)) as a, Server(system(two)) as b, model_of(a, b) as model:
        for _ in range(4):
            model.generate(question(), 8)
        print1 = model.fingerprint
        two[0] = "build 2"
        for _ in range(4):
            model.generate(question(), 8)
        assert "system_fingerprint build 2, the others with build 1" in model.endpoints[1].why
        assert model.fingerprint == print1 and len(a.asked()) == 6
        one[0] = "build 2"  # both are new: that is told, and they are used together
        with pytest.warns(UserWarning, match="changed from build 1 to build 2"):
            model.generate(question(), 8)
        assert model.fingerprint != print1

        def both() -> bool:
            model.generate(question(), 8)
            return not any(e.why for e in model.endpoints)

        until(both)


def test_counts_too_go_to_whoever_is_there():
    def down(handler, body):
        handler.json({}, 503)

    with Server(tokenize=down) as a, Server(tokenize=tokenize) as b, model_of(a, b) as model:
        assert model.count(question()) == 5 and model.count(question()) == 5
        assert len(b.asked("/tokenize")) == 2


def test_settings_name_several():
    with Server() as a, Server() as b:
        settings = Settings(server=f"{a.url}/v1, {b.url}", generator="tiny")
        model = load_model(settings)
        try:
            assert model.generate(question(), 8).text == wanted() and len(model.endpoints) == 2
            swapped = Settings(server=f"{b.url}, {a.url}/v1", generator="tiny")
            assert model_fingerprint(Settings(server=f"{a.url}", generator="tiny")) != model_fingerprint(
                swapped
            )
        finally:
            model.close()


@pytest.mark.parametrize(
    "urls", ["http://a,", ",", "http://a,,http://b", "http://a, http://a/v1/", "http://a,ftp://b"]
)
def test_a_list_that_is_none_is_refused(urls):
    with pytest.raises(InputError):
        server_roots(urls)


def test_no_key_is_told():
    with (
        Server(broken(503)) as a,
        Server(broken(503)) as b,
        model_of(a, b, api_key="s3cret", retries=0) as model,
    ):
        with pytest.raises(ModelError) as told:
            model.generate(question(), 8)
        assert "s3cret" not in str(told.value) + repr(model) + model.why
        assert all(s.asked()[0][2]["Authorization"] == "Bearer s3cret" for s in (a, b))
