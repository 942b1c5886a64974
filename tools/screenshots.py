"""Takes the pictures of the README, in Debian's Chromium: the demo in light and dark.

They land in nbs/images as WebP below 150 kB each, so that they can be kept in git. What they show is real:
the demo runs over Python's language reference with the packaged model.
"""

import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "nbs" / "images"
MOST = 150_000  # bytes of a picture
QUESTION = "What is the only operation on a function object?"
SIZE = {"width": 1280, "height": 860}


def keep(png: bytes, name: str) -> None:
    "Write a screenshot as WebP, as good as fits."
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for quality in range(90, 30, -10):
        packed = io.BytesIO()
        picture.save(packed, "WEBP", quality=quality, method=6)
        if packed.tell() < MOST:
            break
    (IMAGES / f"{name}.webp").write_bytes(packed.getvalue())
    print(f"{name}.webp  {packed.tell() / 1000:.0f} kB, quality {quality}")


@contextlib.contextmanager
def demo(folder: Path) -> Iterator[str]:
    "The demo over a fresh store; its address."
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    program = "from liquid_ai.cli import main; main()"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    store = str(folder / "store")
    filled = "from liquid_ai import quickstart; import sys; quickstart(sys.argv[1], progress=False).close()"
    subprocess.run([sys.executable, "-c", filled, store], check=True, env=env)
    run = [sys.executable, "-c", program, "demo", store, "--port", str(port)]
    with subprocess.Popen(run, env=env) as process:
        try:
            address, end = f"http://127.0.0.1:{port}/", time.monotonic() + 60
            while True:
                try:
                    urlopen(address, timeout=2).close()
                    break
                except OSError:
                    if time.monotonic() > end or process.poll() is not None:
                        raise
                    time.sleep(0.2)
            yield address
        finally:
            process.terminate()


def open_page(browser: Browser, address: str, scheme: str) -> Page:
    "A page in light or dark."
    context = browser.new_context(viewport=SIZE, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    return page


def chat(browser: Browser, address: str, scheme: str) -> None:
    "Ask, wait until the answer stands and its sources beside it, and look."
    page = open_page(browser, f"{address}?__theme={scheme}", scheme)
    box = page.get_by_role("textbox").first
    box.wait_for()
    box.fill(QUESTION)
    box.press("Enter")
    page.get_by_role("button", name="Helpful", exact=True).wait_for(timeout=120_000)  # the answer is whole
    page.locator("mark").first.wait_for()
    page.wait_for_timeout(1_500)  # until nothing moves
    keep(page.screenshot(), f"chat-{scheme}")


def main() -> None:
    with tempfile.TemporaryDirectory() as tmp, sync_playwright() as p:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        with demo(Path(tmp)) as address:
            for scheme in ("light", "dark"):
                chat(browser, address, scheme)
        browser.close()


if __name__ == "__main__":
    main()
