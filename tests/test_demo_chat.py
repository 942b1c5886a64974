"""The chat without a browser: text stays text, twenty share one model in turn, keys hold, a Space starts."""

import asyncio
import html
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import httpx
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from served import PEOPLE, QUESTION, Slow, gives_nothing_away, keys, opened, running, until

from liquid_ai import Document
from liquid_ai.cli import main
from liquid_ai.core import Answer, CacheInfo, Chunk, Citation, Hit, Hits, InputError, Sentence
from liquid_ai.demo.chat import Desk, upload
from liquid_ai.demo.parts import in_turn
from liquid_ai.demo.show import answer_html, badges_html, notice_html, report_html, sources_html
from liquid_ai.demo.talk import Choice, Talk, Visitor, respond, room, turn_html
from liquid_ai.generation.limit import Limiter
from liquid_ai.ingestion.load import FileRow
from liquid_ai.serving.app import authenticator_of, handlers, layered, service_of
from liquid_ai.serving.options import ServerSettings

TAGS = {"div", "p", "span", "a", "section", "ol", "ul", "li", "strong", "blockquote", "mark", "details"}
TAGS |= {"summary", "table", "thead", "tbody", "tr", "th", "td", "article", "h3"}
HOSTILE = st.text(st.sampled_from("<>&\"'=/`{}[]()! \n\u202e\x00abc123$"), max_size=60) | st.sampled_from(
    ["<script>alert(1)</script>", "'><img src=x onerror=alert(1)>", "![x](http://e.example/i.png)", "[1] [2]"]
)


class Seen(HTMLParser):
    "The tags and attributes of a page, and its text."

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.attributes, self.text = set(), [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def told_of(text: str) -> Answer:
    "An answer in which `text` stands wherever text can stand."
    chunk = Chunk(text or "c", "d", f"{text}quote{text}", 0, 2 * len(text) + 5, (text,), 3, text, text)
    start = len(text)
    cited = (Citation(1, chunk.id, "d", start, start + 5, "quote", text, text, 3, True),)
    said = f"{text} [1] {text}"
    sentences = (Sentence(0, len(said), 0.1, False, (1,)),)
    more = {"timings": {text or "t": 3.0, "total": 5.0}, "cache": CacheInfo("semantic", 3.0, 0.9)}
    return Answer(
        text, said, cited, sentences, Hits([Hit(chunk, 1.0, 1)]), 0.5, False, text, trace_id=text, **more
    )


@settings(max_examples=150, deadline=None)
@given(HOSTILE)
def test_whatever_a_text_holds_it_is_shown_as_text(text):
    answer = told_of(text)
    row = FileRow(text, "failed", text)
    parts = [answer_html(answer), sources_html(answer), badges_html(answer), notice_html("error", text)]
    parts += [report_html([row]), turn_html(text, "", "", text)]
    for page in parts:
        seen = Seen(page)
        assert seen.tags <= TAGS
        for name, value in seen.attributes:
            assert not name.startswith("on") and name != "src"
            assert name != "href" or re.fullmatch(r"#la-\w+-\d+", value)
    plain = "".join(c for c in text if c not in "\u202e\x00\n")
    shown = Seen(turn_html(text, "")).text.replace("\\u202e", "").replace("\\u0000", "").replace("\n", "")
    assert plain in shown
    assert html.unescape(answer_html(answer)).count("<script") <= text.count("<script") * 4


def test_every_mark_leads_to_one_span(tmp_path):
    with opened(tmp_path, Slow()) as rag:
        answer = rag.ask(QUESTION)
        links = re.findall(r'data-la-to="([^"]+)"', answer_html(answer))
        spans = re.findall(r'<mark id="([^"]+)"', sources_html(answer, rag))
        assert links and set(links) <= set(spans) and len(spans) == len(set(spans))


def test_twenty_at_once_share_one_model_in_turn(tmp_path):
    rag = opened(
        tmp_path, model := Slow(0.005), limit_concurrent=1, answer_cache="none", limit_requests=1_000
    )
    service, order = room(rag), []

    async def one(n: int) -> float:
        began = time.perf_counter()
        async for view in respond(
            service, Visitor(client=f"10.0.0.{n}"), f"{QUESTION} {n}", Talk(), Choice()
        ):
            if view.talk is not None:
                assert "fish and frogs" in view.talk.html()
        order.append(n)
        return time.perf_counter() - began

    async def all_at_once():
        jobs = []
        for n in range(20):
            jobs.append(asyncio.create_task(one(n)))
            await asyncio.sleep(0.01)
        return await asyncio.gather(*jobs)

    seconds = asyncio.run(all_at_once())
    assert len(seconds) == 20 and model.most == 1 and model.ended == 20
    apart = max(abs(at - n) for at, n in enumerate(order))
    assert apart <= 2, order  # nobody is overtaken by more than what two threads make of it
    assert service.places.turns.busy == service.places.turns.waiting == 0
    rag.close()


def test_a_failure_says_what_it_may_and_leaves_the_rest(tmp_path):
    rag = opened(tmp_path, model := Slow(fails=True))
    service = room(rag)

    def asked(frank: bool, question=QUESTION) -> str:
        async def last():
            seen = [v async for v in respond(service, Visitor(frank=frank), question, Talk(), Choice())]
            return seen[-1].talk.html()

        return asyncio.run(last())

    assert "/secret/folder" in asked(True)
    gives_nothing_away(asked(False))
    model.fails = False
    assert "fish and frogs" in asked(False)
    rag.close()


# the server's own door


def keyed(tmp_path, with_keys=True, limit=100_000, **options):
    "The whole server with the demo in it; its service."
    pytest.importorskip("gradio")
    from liquid_ai.demo.app import mount

    path, headers = keys(tmp_path)
    documents = (
        Document.of("Grey herons eat fish and frogs.", "herons.txt"),
        Document.of("Grey herons eat the secret trout of Acme.", "acme.txt", access=("acme/",)),
    )
    rag = opened(tmp_path / "store", Slow(), documents, limit_requests=limit)
    chosen = ServerSettings(
        **{"log": "", "keys": path if with_keys else "", "upload_bytes": 300_000} | options
    )
    service, authenticator = service_of(rag, chosen), authenticator_of(chosen)
    api = handlers(service)
    mount(api, rag, "/demo/", service, authenticator)
    return layered(api, service, authenticator), service, headers


def ask_over(http: httpx.Client, question: str, config=None) -> str:
    "Ask as the page does; what the page was told."
    return press(http, [question, None, "hybrid", 5, "none", True], config)


def press(http: httpx.Client, data: list, config=None) -> str:
    "Send what the button with so many fields sends; what the page was told."
    config = config or http.get("/demo/config").raise_for_status().json()
    asks = next(d for d in config["dependencies"] if len(d["inputs"]) == len(data))
    sent = {"data": data, "fn_index": asks["id"], "session_hash": f"s{time.time_ns()}", "trigger_id": None}
    http.post("/demo/gradio_api/queue/join", json=sent).raise_for_status()
    told = ""
    with http.stream("GET", f"/demo/gradio_api/queue/data?session_hash={sent['session_hash']}") as events:
        for line in events.iter_lines():
            told += line
            if "process_completed" in line or "close_stream" in line:
                return told
    return told


def test_an_open_server_has_an_open_demo(tmp_path):
    app, service, _ = keyed(tmp_path, with_keys=False)
    with running(app) as it:
        page = it.http.get("/demo/")
        assert page.status_code == 200 and "gradio" in page.text
        policy = page.headers["content-security-policy"]
        assert "sha256-" in policy and "script-src 'self' 'unsafe-inline'" not in policy
        assert it.http.get("/demo").headers["location"].endswith("demo/")
        assert it.http.get("/demo/", headers={"Host": "evil.example"}).status_code == 400
        foreign = {"Origin": "https://evil.example"}
        assert it.http.post("/demo/gradio_api/queue/join", json={}, headers=foreign).status_code == 403
        big = {"files": ("big.txt", bytes(400_000))}
        assert it.http.post("/demo/gradio_api/upload", files=big).status_code == 413
        told = ask_over(it.http, QUESTION)
        assert "fish and frogs" in told and "secret trout" not in told
        service.rag.writer.fails = True
        told = ask_over(it.http, f"{QUESTION} Again?")
        assert "could not be made" in told and "/secret" not in told and "Traceback" not in told


def test_whatever_makes_answers_counts(tmp_path):
    app, service, _ = keyed(tmp_path, with_keys=False, limit=4)
    side = ["hybrid", 3, "none", 8, "flag", service.rag.settings.generator]
    with running(app) as it:
        config = it.http.get("/demo/config").json()
        assert "Answer B" in press(it.http, [QUESTION, *side, *side], config)  # two questions
        assert "herons.txt" in press(it.http, [QUESTION, "hybrid", 5], config)  # one
        begun = service.rag.writer.begun
        assert "Answer B" not in press(it.http, [QUESTION, *side, *side], config)  # the fourth, and one more
        assert "herons.txt" not in press(it.http, [QUESTION, "hybrid", 5], config)
        assert "fish and frogs" not in ask_over(it.http, QUESTION, config)
        assert service.rag.writer.begun == begun


def test_where_the_server_asks_for_keys_so_does_the_demo(tmp_path):
    app, _, headers = keyed(tmp_path)
    with running(app) as it:
        assert it.http.get("/demo/config").status_code == 401
        assert it.http.post("/demo/gradio_api/queue/join", json={"data": []}).status_code == 401
        secret = {name: h["Authorization"].removeprefix("Bearer ") for name, h in headers.items()}
        for name, key in (
            ("acme/ann", secret["bob"]),
            ("ann", secret["ann"]),
            ("acme/ann", "lai_guess"),
            ("", ""),
        ):
            assert it.http.post("/demo/login", data={"username": name, "password": key}).status_code in (
                400,
                422,
            )
        assert it.http.get("/demo/config").status_code == 401
        login = {"username": "acme/ann", "password": secret["ann"]}
        assert it.http.post("/demo/login", data=login).status_code == 200
        told = ask_over(it.http, QUESTION)
        assert "secret trout" in told  # what ann may read
        tabs = [
            c["props"].get("label")
            for c in it.http.get("/demo/config").json()["components"]
            if c["type"] == "tabitem"
        ]
        assert tabs == ["Chat"]
        it.http.cookies.clear()
        login = {"username": "evil/eve", "password": secret["eve"]}
        assert it.http.post("/demo/login", data=login).status_code == 200
        assert "secret trout" not in ask_over(it.http, QUESTION)


def test_a_revoked_key_asks_no_more(tmp_path):
    from liquid_ai.serving.auth import revoke_key

    app, service, headers = keyed(tmp_path)
    with running(app) as it:
        login = {"username": "acme/bob", "password": headers["bob"]["Authorization"].removeprefix("Bearer ")}
        assert it.http.post("/demo/login", data=login).status_code == 200
        assert "fish and frogs" in ask_over(it.http, QUESTION)
        revoke_key(service.options.keys, login["password"].split("_")[1])
        time.sleep(1.1)
        config = it.http.get("/demo/config").json()
        assert "fish and frogs" not in ask_over(it.http, QUESTION, config)
        assert it.http.get("/demo/config").status_code == 401  # the page asks for a key again


def test_who_came_with_an_old_key_is_not_who_comes_with_the_new_one(tmp_path):
    from liquid_ai.serving.auth import add_key, new_key, revoke_key

    app, service, headers = keyed(tmp_path)
    old = headers["bob"]["Authorization"].removeprefix("Bearer ")
    with running(app) as it, httpx.Client(base_url=it.url, timeout=60) as other:
        login = {"username": "acme/bob", "password": old}
        assert it.http.post("/demo/login", data=login).status_code == 200
        config = it.http.get("/demo/config").json()
        revoke_key(service.options.keys, old.split("_")[1])
        fresh, row = new_key("bob", *PEOPLE["bob"])
        add_key(service.options.keys, row)
        time.sleep(1.1)
        assert other.post("/demo/login", data=login | {"password": fresh}).status_code == 200
        assert "fish and frogs" in ask_over(other, QUESTION)
        assert it.http.get("/demo/config").status_code == 401
        with pytest.raises(httpx.HTTPStatusError):
            ask_over(it.http, QUESTION, config)


def test_the_demo_needs_one_process(capsys, tmp_path):
    opened(tmp_path / "store", Slow()).close()
    assert main(["serve", "--store", str(tmp_path / "store"), "--workers", "2", "--demo"]) == 2
    assert "one process" in capsys.readouterr().err


def test_a_visitor_cannot_take_the_place_of_a_document(tmp_path):
    rag = opened(tmp_path / "store", Slow())
    desk = Desk(room(rag))
    (tmp_path / "herons.txt").write_text("Grey herons eat nothing but stones.")
    request = SimpleNamespace(request=SimpleNamespace(scope={}), client=None, username=None, session_hash="s")

    async def brought():
        return [view async for view in upload(desk, [str(tmp_path / "herons.txt")], request)][-1]

    assert "added" in asyncio.run(brought())
    texts = {f["source"] for f in rag.snapshot().facts.values()}
    assert {"herons.txt", "upload:herons.txt"} <= texts
    before = rag.store.counts()["documents"]
    assert "added" in asyncio.run(brought()) and rag.store.counts()["documents"] == before  # the same
    (tmp_path / "herons.txt").write_text("Grey herons dream of lakes.")  # another visitor's, of that name
    assert "added" in asyncio.run(brought()) and rag.store.counts()["documents"] == before + 1
    rag.close()


def test_a_place_at_the_model_is_held_until_the_work_has_ended():
    at_once, most, limiter = [], [], Limiter(concurrent=1)

    def work():
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.2)
        at_once.pop()

    async def leaving():
        for _ in range(4):
            task = asyncio.create_task(in_turn(limiter, work))
            await asyncio.sleep(0.05)
            task.cancel()
        await in_turn(limiter, work)

    asyncio.run(leaving())
    assert max(most) == 1 and not at_once


# the folder that is a demo


def test_an_exported_demo_starts(tmp_path):
    pytest.importorskip("gradio")
    assert main(["demo", "--export", str(tmp_path / "space")]) == 0
    (tmp_path / "space" / "documents").mkdir()
    (tmp_path / "space" / "documents" / "herons.txt").write_text("Grey herons eat fish and frogs.")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    environ = os.environ | {"GRADIO_SERVER_PORT": str(port), "LIQUID_AI_GENERATOR": "packaged"}
    environ |= {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "app.py"]
    process = subprocess.Popen(
        command, cwd=tmp_path / "space", env=environ, stdout=subprocess.PIPE, text=True
    )
    try:

        def there() -> bool:
            assert process.poll() is None, process.stdout.read()
            try:
                return httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
            except httpx.HTTPError:
                return False

        assert until(there, 60)
    finally:
        process.terminate()
        process.wait(20)
    front = (tmp_path / "space" / "README.md").read_text().split("---")[1]
    facts = dict(line.split(": ", 1) for line in front.strip().splitlines())
    assert facts["sdk"] == "gradio" and facts["app_file"] == "app.py"


def test_what_is_no_password_or_name_is_said(tmp_path):
    assert main(["demo", "--auth", "ann:"]) == 2
    assert main(["demo", "--export", str(tmp_path), "--title", "x: y"]) == 2
    with opened(tmp_path / "store", Slow()) as rag:
        pytest.importorskip("gradio")
        from liquid_ai.demo.app import launch, mount

        with pytest.raises(InputError, match="not empty"):
            launch(rag, auth=("ann", ""))
        with pytest.raises(InputError, match="give one as"):
            mount(None, rag, "demo")
        service = room(rag)
        service.options = replace(service.options, keys="keys.json")
        with pytest.raises(InputError, match="asks for keys"):
            mount(None, rag, service=service)
