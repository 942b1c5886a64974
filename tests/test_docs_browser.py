"""The site as readers meet it, in Debian's Chromium: pages, search, light, dark, phones, screen readers."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import keep_picture, need
from playwright.sync_api import sync_playwright

KINDS = ["index.html", "tutorials/first_answer.html", "settings.html", "papers.html"]
SAMPLE = [
    *KINDS,
    "changelog.html",
    "core.html",
    "pipeline.html",
    "agent.html",
    "explanations/threat_model.html",
    "explanations/governance.html",
    "indexing/store.html",
    "ingestion/parse.html",
    "retrieval/fuse.html",
    "generation/flight.html",
    "evaluation/significance.html",
    "training/qlora.html",
    "serving/app.html",
    "metrics/monitor.html",
    "cli/app.html",
]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def address(site):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    path = need("chromium")
    with sync_playwright() as p:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = p.chromium.launch(executable_path=path, args=flags)
        yield started
        started.close()


@pytest.fixture
def page(browser, address):
    "A page that notes what goes wrong on it, in `page.faults`."
    context = browser.new_context(viewport=DESK, base_url=address)
    page = context.new_page()
    page.faults = []
    page.on("console", lambda m: page.faults.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: page.faults.append(str(e)))
    page.on("response", lambda r: page.faults.append(f"{r.status} {r.url}") if r.status >= 400 else None)

    def stay_here(route):
        page.faults.append(f"asks another host: {route.request.url}")
        route.abort()

    context.route(lambda url: not url.startswith((address, "data:", "blob:")), stay_here)
    yield page
    context.close()


def wider(page) -> int:
    "Pixels by which the page is wider than its window."
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def resize(page, size: dict) -> None:
    "Give the window another size, and wait until it has it."
    page.set_viewport_size(size)
    page.wait_for_function("width => innerWidth == width", arg=size["width"], polling=10)


def look(page, name: str) -> list[str]:
    "Open a page at both widths: what went wrong."
    page.faults.clear()
    page.set_viewport_size(DESK)
    page.goto(f"/{name}", wait_until="load")
    found = [] if page.locator("main h1").first.is_visible() else ["no heading"]
    found += ["wider than a desk"] if wider(page) > 0 else []
    resize(page, PHONE)
    found += [f"{wider(page)} px wider than a phone"] if wider(page) > 0 else []
    return [f"{name}: {fault}" for fault in (*found, *page.faults)]


def test_pages_open_without_errors_at_both_widths_and_ask_nobody_else(page):
    assert [fault for name in SAMPLE for fault in look(page, name)] == []


@pytest.mark.slow
def test_all_pages_open_without_errors_at_both_widths_and_ask_nobody_else(page, site):
    names = [p.relative_to(site).as_posix() for p in sorted(site.rglob("*.html"))]
    assert len(names) > 200 and [fault for name in names for fault in look(page, name)] == []


@pytest.mark.parametrize(
    ("planted", "fault"),
    [
        ("<h1>a</h1><script>console.error('oh')</script>", "oh"),
        ("<h1>a</h1><script>nothing.there</script>", "nothing is not defined"),
        ("<h1>a</h1><img src='gone.png'>", "404"),
        ("<h1>a</h1><img src='https://example.org/a.png'>", "asks another host"),
        ("<h1>a</h1><p style='width: 600px'>x", "wider than a phone"),
        ("<p>a</p>", "no heading"),
    ],
)
def test_planted_faults_are_seen(page, address, planted, fault):
    body = f"<!doctype html><meta name=viewport content='width=device-width'><main>{planted}</main>"
    page.route("**/planted.html", lambda route: route.fulfill(body=body, content_type="text/html"))
    page.set_default_timeout(1_000)
    assert any(fault in line for line in look(page, "planted.html"))


def test_search_finds_a_function_and_leads_to_it(page):
    page.goto("/index.html")
    page.keyboard.press("/")
    page.keyboard.type("reciprocal_rank_fusion")
    # results come with each key: the first must be that of the whole word
    page.locator(".search-result:first-of-type", has_text="reciprocal_rank_fusion").first.wait_for()
    page.wait_for_timeout(500)
    keep_picture(page, "site-search")
    page.keyboard.press("Enter")
    page.wait_for_url("**/retrieval/fuse.html#reciprocal_rank_fusion")
    assert page.locator("#reciprocal_rank_fusion").is_visible() and page.faults == []


def test_search_says_that_nothing_was_found(page):
    page.goto("/index.html")
    page.get_by_role("searchbox").fill("xylophonist zzyzx qqq")
    page.get_by_text("No results").wait_for()
    assert not page.locator(".search-result").count() and page.faults == []


def darkness(page) -> bool:
    "Whether the ground of the page is dark; it is told in rgb()."
    return page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).every(v => v < 64)"
    )


def test_dark_follows_the_system_and_a_choice_stays(page):
    page.goto("/core.html")
    assert not darkness(page)
    keep_picture(page, "site-module-light")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.classList.contains('quarto-dark')")
    assert darkness(page)
    keep_picture(page, "site-module-dark")
    page.get_by_title("Toggle dark mode").click()
    page.wait_for_function("!document.documentElement.classList.contains('quarto-dark')")
    page.goto("/pipeline.html")
    assert not darkness(page)


def test_diagrams_are_there_and_follow_the_scheme(page):
    page.goto("/core.html")
    picture = page.get_by_role("img", name="A path becomes a Document")
    assert picture.evaluate("i => i.complete && i.naturalWidth > 300")
    picture.scroll_into_view_if_needed()
    light = picture.screenshot()
    page.get_by_title("Toggle dark mode").click()
    page.wait_for_function("document.documentElement.classList.contains('quarto-dark')")
    page.wait_for_timeout(100)
    assert picture.screenshot() != light
    assert page.evaluate("getComputedStyle(document.querySelector('main img')).colorScheme") == "dark"


def test_a_phone_has_the_menu_and_the_pages(page):
    page.set_viewport_size(PHONE)
    page.goto("/tutorials/first_answer.html")
    keep_picture(page, "site-tutorial-phone")
    sidebar = page.locator("#quarto-sidebar")
    page.get_by_label("Toggle sidebar navigation").click()
    sidebar.get_by_role("link", name="An experiment").click()
    page.wait_for_url("**/experiment.html")
    assert page.faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page, scheme):
    page.emulate_media(color_scheme=scheme)
    found = []
    for name in KINDS if scheme == "light" else KINDS[:2]:
        page.goto(f"/{name}")
        page.wait_for_timeout(150)  # the theme is read after the load
        keep_picture(page, f"site-{name.removesuffix('.html').replace('/', '-')}-{scheme}")
        for fault in Axe().run(page).response["violations"]:
            if fault["impact"] in ("serious", "critical"):
                where = [node["html"][:120] for node in fault["nodes"][:3]]
                found.append(f"{name}: {fault['id']} × {len(fault['nodes'])}: {where}")
    assert not found, "\n".join(found)


def test_keyboard_reaches_the_text_at_once(page):
    page.goto("/core.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the text"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#quarto-document-content"
