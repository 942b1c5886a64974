"""The demo: from a model's first token to the screen, from start to first page, twenty chats at once."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from .report import ROOT, Figure, MissingData, bootstrap, median_of
from .serving import free_port

ASKED, STARTS, CHATS, ROUNDS = 40, 7, 20, 4
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WATCH = """() => {
  window.seen = null;
  new MutationObserver(() => {
    const told = document.querySelector('#la-live .la-draft');
    const found = told && told.textContent.match(/at(\\d{13}\\.\\d+)/);
    if (!found || window.seen !== null) return;
    window.seen = -1;
    requestAnimationFrame(() => requestAnimationFrame(() => {  // the frame with it has been drawn
      window.seen = performance.timeOrigin + performance.now() - parseFloat(found[1]);
    }));
  }).observe(document.body, {childList: true, subtree: true, characterData: true});
}"""


class Clock:
    "A language model whose first word is the time at which it says it, in milliseconds since 1970."

    name, context, runtime, why = "clock", 4_096, "scripted", "a benchmark"

    def count(self, messages):
        return sum(len(m["content"]) // 4 for m in messages)

    def stream(self, messages, max_tokens, stop=()):
        from liquid_ai.core import Generation, Usage

        words = [
            f"at{time.time() * 1e3:.3f}",
            *["Grey", "herons", "eat", "fish", "and", "frogs", "in", "quiet", "water."],
        ]
        for word in words:
            yield word + " "
            time.sleep(0.03)
        yield Generation("Grey herons eat fish and frogs.", Usage(self.count(messages), len(words)))

    def generate(self, messages, max_tokens, stop=()):
        *_, last = self.stream(messages, max_tokens, stop)
        return last

    def batch(self, conversations, max_tokens, stop=()):
        return [self.generate(messages, max_tokens, stop) for messages in conversations]

    def close(self):
        pass


def opened(folder: Path):
    "A small store whose model is the clock."
    from liquid_ai import RAG, Document
    from liquid_ai.generation.models import writer_fingerprint

    class Told(RAG):
        model = Clock()

    rag = Told.open(folder, generator="packaged", device="cpu", limit_concurrent=1, limit_requests=100_000)
    Told.model.fingerprint = writer_fingerprint(rag.settings)
    if not rag.store.generation:
        told = "Grey herons eat fish and frogs. They stand still for hours."
        rag.ingest(Document.of(told, "herons.txt"), progress=False)
    return rag


def main(folder: str, port: str) -> None:
    "The demo, until it is told to stop."
    from liquid_ai.demo.app import launch

    launch(opened(Path(folder)), port=int(port), quiet=True).block_thread()


@contextmanager
def app(folder: Path) -> Iterator[tuple[str, float]]:  # address; seconds until it answered
    "The demo in a process of its own."
    port, began = free_port(), time.perf_counter()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.demo", str(folder), str(port)], cwd=ROOT)
    try:
        while True:
            try:
                if httpx.get(url + "/").status_code == 200:
                    break
            except httpx.TransportError:
                if process.poll() is not None or time.perf_counter() - began > 120:
                    raise RuntimeError("the demo did not start") from None
            time.sleep(0.02)
        yield url, time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()


def first_tokens(url: str, times: int) -> list[float]:  # milliseconds
    "From the model's first word to the frame that has it, in Chromium; the first three are discarded."
    from playwright.sync_api import sync_playwright

    path, found = shutil.which("chromium"), []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = browser.new_page()
        page.goto(url)
        box = page.get_by_label("Question")
        for n in range(times + 3):
            page.evaluate(WATCH)
            box.fill(f"What do grey herons eat, asked for the time {n}?")
            page.keyboard.press("Enter")
            page.wait_for_function("window.seen > 0", timeout=60_000)
            found.append(page.evaluate("window.seen"))
            page.get_by_role("button", name="Ask", exact=True).wait_for(timeout=60_000)
        browser.close()
    return found[3:]


async def _asked(http: httpx.AsyncClient, asks: dict, client: int, n: int) -> float:  # seconds
    "Until the first word of an answer, which is read to its end."
    session, began, first = f"c{client}n{n}", time.perf_counter(), 0.0
    answered = False
    data = [f"What do herons of pond {client} eat in year {n}?", None, "hybrid", 5, "none", False]
    sent = {"data": data, "fn_index": asks["id"], "session_hash": session}
    (await http.post("/gradio_api/queue/join", json=sent)).raise_for_status()
    async with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as events:
        async for line in events.aiter_lines():
            if not first and "la-draft" in line:
                first = time.perf_counter() - began
            answered = answered or "la-answer" in line
            if '"process_completed"' in line:
                if not answered:
                    raise RuntimeError("a chat got no answer")
                return first
    raise RuntimeError("a chat was broken off")


async def chats(url: str, count: int, rounds: int) -> list[list[float]]:  # [chat][question] seconds
    "Chats at once, each with its next question as soon as it has an answer."
    limits = httpx.Limits(max_connections=4 * count)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as http:
        config = (await http.get("/config")).json()
        asks = next(d for d in config["dependencies"] if len(d["inputs"]) == 6)

        async def chat(client: int) -> list[float]:
            return [await _asked(http, asks, client, n) for n in range(rounds)]

        found = await asyncio.gather(*map(chat, range(count)), return_exceptions=True)
    return [f for f in found if not isinstance(f, BaseException)]


def measure(limit: int) -> dict[str, Figure]:
    "Starts, first tokens, and twenty chats; the model is scripted, so that only the demo is measured."
    if shutil.which("chromium") is None:
        raise MissingData("chromium is not installed: apt install chromium")
    asked, starts, rounds = (limit or ASKED), min(limit or STARTS, STARTS), min(limit or ROUNDS, ROUNDS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "store"
        opened(folder).close()
        took = []
        for _ in range(starts + 1):
            with app(folder) as (_, seconds):
                took.append(seconds)
        with app(folder) as (url, _):
            tokens = np.array(first_tokens(url, asked))
        with app(folder) as (url, _):
            asyncio.run(chats(url, 2, 1))
            waited = asyncio.run(chats(url, CHATS, rounds + 1))
    return figures(took[1:], tokens, waited)


def figures(took: list[float], tokens: np.ndarray, waited: list[list[float]]) -> dict[str, Figure]:
    "What is published."
    how = f"95 % bootstrap over {len(tokens)} questions"

    def token(share: int, target: str = "") -> Figure:
        interval = bootstrap(tokens, lambda a, axis=0: np.percentile(a, share, axis=axis))
        value = float(np.percentile(tokens, share))
        return Figure(value=value, unit="ms", interval=interval, interval_is=how, target=target)

    means = [float(np.mean(chat[1:])) for chat in waited]  # who came first in the first round, waited least
    ratio = max(means) / min(means) if means else None
    note = "each chat's mean wait for a first word, from its second question on"
    return {
        "demo, first token to screen, p50": token(50, "< 150"),
        "demo, first token to screen, p95": token(95),
        "demo, start to first page, models excluded": median_of(took, "s", "< 10"),
        f"demo, chats of {CHATS} that got all answers": Figure(value=len(waited), target=f">= {CHATS}"),
        "demo, longest mean wait / shortest": Figure(value=ratio, target="< 2", note=note),
        "demo, longest mean wait": Figure(value=max(means, default=None), unit="s", note=note),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
