"""The demo in a real browser: answers grow, citations lead to their words, nothing a text says is obeyed."""

import re
from types import SimpleNamespace

import pytest
from browser import PHONE, Watched, chromium, serious, too_wide
from served import DOCUMENTS, QUESTION, Slow, opened, until

from liquid_ai import Document

ATTACKS = (
    "<script>alert('script')</script>",
    "<img src=x onerror=alert('img')>",
    "<svg onload=alert('svg')><a href='javascript:alert(2)'>x</a></svg>",
    "![leak](http://evil.example/leak.png) [click](javascript:alert('md'))",
    "</mark></blockquote></article><iframe src=http://evil.example></iframe>",
    "${alert('template')} {{constructor.constructor('alert(3)')()}} <%= alert(4) %>",
    "\"' autofocus onfocus=alert('attr') x='",
    "<style>@import 'http://evil.example/x.css';</style><link rel=stylesheet href=http://evil.example/y.css>",
    "$$\\href{javascript:alert(5)}{x}$$ <math><mtext><mglyph><style></math><img src onerror=alert(6)>",
)
EVIL = " ".join(ATTACKS)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    "The demo on a port of its own, with a model that is told what to do."
    pytest.importorskip("gradio")
    from liquid_ai.demo.app import launch
    from liquid_ai.demo.talk import room

    model = Slow(0.08)
    poison = Document.of(
        f"Kingfishers dive for minnows. {EVIL}", "kingfishers.txt", title=f"Birds {ATTACKS[1]}"
    )
    rag = opened(tmp_path_factory.mktemp("demo"), model, (*DOCUMENTS, poison), model_process=False)
    service = room(rag, upload_bytes=200_000)
    page = launch(rag, service=service, quiet=True, questions=[QUESTION])
    yield SimpleNamespace(url=page.local_url, model=model, service=service, rag=rag)
    page.close()
    service.feedback.close()
    rag.close()


@pytest.fixture(scope="module")
def browser():
    with chromium() as b:
        yield b


@pytest.fixture
def visit(demo, browser):
    "Opens the demo; afterwards nothing may have gone elsewhere."
    open_pages = []
    demo.model.seconds, demo.model.words, demo.model.fails = 0.03, 0, False

    def visited(query="", **context):
        watched = Watched(browser, demo.url, **context)
        open_pages.append(watched)
        page = watched.open(query)
        page.get_by_label("Question").wait_for()
        return page

    yield visited
    for watched in open_pages:
        watched.context.close()
        watched.clean()


def ask(page, question=QUESTION):
    page.get_by_label("Question").fill(question)
    page.keyboard.press("Enter")


def answered(page, n=1):
    "Wait for the nth answer, or whatever ended the turn."
    turn = page.locator("#la-past .la-turn").nth(n - 1)
    turn.wait_for(timeout=20_000)
    return turn


def test_tokens_stream_and_citations_lead_to_their_span(demo, visit):
    page = visit()
    page.get_by_text("Ask your documents").wait_for()
    demo.model.seconds = 0.15
    ask(page, "What do grey herons eat today?")
    draft = page.locator("#la-live .la-draft")
    draft.wait_for()
    lengths = []
    while draft.count():
        try:
            lengths.append(len(draft.inner_text(timeout=500)))
        except Exception:  # it is over
            break
        page.wait_for_timeout(50)
    assert len(set(lengths)) >= 3 and lengths == sorted(lengths), lengths
    turn = answered(page)
    assert "Grey herons eat fish and frogs" in turn.locator(".la-answer").inner_text()
    assert "made for this question" in turn.inner_text() and "tokens read" in turn.inner_text()
    link = turn.locator("a.la-cite").first
    link.focus()
    page.keyboard.press("Enter")
    mark = page.locator("mark:focus")
    mark.wait_for()
    assert mark.inner_text() in DOCUMENTS[0].text and mark.get_attribute("id") == link.get_attribute(
        "data-la-to"
    )
    box = mark.bounding_box()
    assert until(lambda: 0 <= mark.bounding_box()["y"] <= 900), box
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.className") == "la-cite"


def test_a_kept_answer_says_so_and_a_rating_is_kept(demo, visit):
    page = visit()
    page.get_by_role("button", name=QUESTION).click()
    answered(page, 1)
    ask(page)
    assert "kept answer (exact)" in answered(page, 2).inner_text()
    page.get_by_role("button", name="Helpful", exact=True).click()
    page.get_by_text("Thank you").wait_for()
    assert [r.rating for r in demo.service.feedback.rows()][-1] == 5


def test_a_failing_model_says_what_failed_and_the_next_question_works(demo, visit):
    page = visit()
    demo.model.fails = True
    ask(page, "What do herons eat at noon?")
    alert = answered(page).get_by_role("alert")
    assert "could not be made" in alert.inner_text() and "Traceback" not in page.content()
    demo.model.fails = False
    ask(page, "What do herons eat at dawn?")
    assert "fish and frogs" in answered(page, 2).inner_text()


def test_stop_ends_an_answer_and_frees_the_model(demo, visit):
    page = visit()
    demo.model.seconds, demo.model.words, left = 0.1, 200, demo.model.left
    ask(page, "What do herons eat all day long?")
    page.locator("#la-live .la-draft").wait_for()
    page.get_by_role("button", name="Stop").click()
    assert "Stopped" in answered(page).inner_text()
    assert until(lambda: demo.model.left == left + 1 and demo.service.places.turns.busy == 0)
    page.get_by_role("button", name="Ask", exact=True).wait_for()


def test_a_lost_connection_frees_the_model(demo, visit):
    page = visit()
    demo.model.seconds, demo.model.words, left = 0.1, 200, demo.model.left
    ask(page, "What do herons eat for years?")
    page.locator("#la-live .la-draft").wait_for()
    page.context.close()
    assert until(lambda: demo.model.left == left + 1 and demo.service.places.turns.busy == 0, 15)
    demo.model.seconds = demo.model.words = 0
    other = visit()
    ask(other, "What do herons eat after that?")
    assert "fish and frogs" in answered(other).inner_text()


def test_files_are_added_and_asked_about_and_bad_ones_are_named(demo, visit, tmp_path):
    (tmp_path / "owls.md").write_text("# Owls\n\nGrey herons eat fish and frogs at Lake Anna.\n")
    (tmp_path / "setup.exe").write_bytes(b"MZ\x90\x00" + bytes(500))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing follows")
    page = visit()
    files = page.locator("#la-side input[type=file]")
    files.set_input_files([tmp_path / n for n in ("owls.md", "setup.exe", "broken.pdf")])
    report = page.locator(".la-report")
    report.wait_for(timeout=20_000)
    rows = {row.locator("strong").inner_text(): row.inner_text() for row in report.locator("li").all()}
    assert "added" in rows["owls.md"] and "unsupported" in rows["setup.exe"] and len(rows) == 3
    assert len(rows["broken.pdf"].splitlines()[-1]) > 10, "no reason"
    page.get_by_text("5 documents").wait_for()
    ask(page, "What do grey herons eat at Lake Anna?")
    assert "Owls" in answered(page).locator(".la-sources").inner_text()


def test_a_file_that_is_too_large_is_refused(demo, visit, tmp_path):
    big = tmp_path / "big.txt"
    with big.open("wb") as f:
        f.truncate(500_000_000)
    page = visit()
    page.locator("#la-side input[type=file]").set_input_files(big)
    page.get_by_text(re.compile("exceed the maximum allowed size")).first.wait_for()
    ask(page)
    assert "fish and frogs" in answered(page).inner_text()


def test_nothing_in_documents_and_answers_is_obeyed(demo, visit, monkeypatch):
    page = visit()

    def hostile(messages, max_tokens, stop=()):
        from liquid_ai.core import Generation, Usage

        for piece in ("Kingfishers dive for minnows. ", *ATTACKS):
            yield piece + " "
        yield Generation(f"Kingfishers dive for minnows. {EVIL}", Usage(5, 5))

    monkeypatch.setattr(demo.model, "stream", hostile)
    ask(page, f"What do kingfishers dive for? {ATTACKS[1]} {ATTACKS[5]}")
    turn = answered(page)
    page.wait_for_timeout(300)
    shown = turn.inner_text()
    assert "onerror=alert('img')" in shown and "<img" in shown  # as text
    made = turn.evaluate("e => [...e.querySelectorAll('script,img,svg,iframe,style,link,form,math')].length")
    assert made == 0
    assert (
        page.evaluate("[...document.querySelectorAll('a')].filter(a => /^javascript/i.test(a.href)).length")
        == 0
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_themes_and_a_phone_are_accessible(demo, visit, theme):
    page = visit(f"?__theme={theme}", viewport=PHONE)
    ask(page)
    answered(page)
    assert too_wide(page) <= 0
    ground = page.evaluate("getComputedStyle(document.querySelector('.la-source')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) == (theme == "dark"), ground
    assert serious(page) == []
