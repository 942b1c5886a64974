"""The system's Chromium on pages of ours: what they load from elsewhere, what they say, who can use them."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from conftest import need

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PHONE = {"width": 390, "height": 844}


@contextmanager
def chromium() -> Iterator:
    "A browser."
    sync = __import__("pytest").importorskip("playwright.sync_api")
    path = need("chromium")
    with sync.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    "A page, and what it did that it should not."

    def __init__(self, browser, url: str, **context):
        self.url = url
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | context)
        self.page = self.context.new_page()
        self.foreign, self.dialogs, self.faults = [], [], []
        own = urlsplit(url).netloc
        self.page.on(
            "request",
            lambda r: (
                self.foreign.append(r.url)
                if urlsplit(r.url).netloc not in (own, "") and not r.url.startswith(("data:", "blob:"))
                else None
            ),
        )
        self.page.on("dialog", lambda d: (self.dialogs.append(d.message), d.dismiss()))
        self.page.on("console", lambda m: self.faults.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.faults.append(str(e)))

    def open(self, query: str = ""):
        self.page.goto(self.url + query)
        return self.page

    def clean(self) -> None:
        "Nothing was fetched from elsewhere, no dialog came up, and the console is silent."
        assert not self.foreign and not self.dialogs and not self.faults, (
            self.foreign,
            self.dialogs,
            self.faults,
        )


def too_wide(page) -> int:
    "Pixels by which a page is wider than its window."
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def serious(page, within: str | None = None) -> list[str]:
    "Serious and critical faults that axe-core finds."
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=within).response["violations"]
    return [
        f"{v['id']}: {v['help']}: {[n['html'][:200] for n in v['nodes'][:3]]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
