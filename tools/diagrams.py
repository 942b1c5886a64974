"""Draws `nbs/images/*.mmd` as SVG, in a browser: `python tools/diagrams.py`.

Notebooks show the pictures, so that a diagram is there without a network, on GitHub, in JupyterLab and on the
site, in light and in dark. Mermaid comes with Gradio. Each SVG names the hash of what it was drawn from.
"""

import functools
import hashlib
import re
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

IMAGES = Path(__file__).resolve().parent.parent / "nbs" / "images"
# an image follows the colour scheme of the element that shows it
STYLE = """<style>
text, tspan { fill: #1f2328; }
.node rect, .node path, .node polygon, .node circle { fill: #e6f4f5 !important; stroke: #0e7c86 !important; }
.cluster rect { fill: none !important; stroke: #8aa4a7 !important; }
.edgeLabel rect, .edgeLabel .background { fill: #fff !important; opacity: 1 !important; }
.flowchart-link { stroke: #52646b !important; }
.marker { fill: #52646b !important; stroke: #52646b !important; }
@media (prefers-color-scheme: dark) {
  text, tspan { fill: #e6edf0 !important; }
  .node :is(rect, path, polygon, circle) { fill: #12383d !important; stroke: #4fb8c2 !important; }
  .edgeLabel rect, .edgeLabel .background { fill: #222 !important; }
  .flowchart-link { stroke: #9fb3b8 !important; }
  .marker { fill: #9fb3b8 !important; stroke: #9fb3b8 !important; }
}
</style>"""
PAGE = """async ([module, name, code]) => {
  const mermaid = (await import(module)).default;
  const flowchart = {htmlLabels: false, rankSpacing: 24, nodeSpacing: 24, padding: 9};
  mermaid.initialize({startOnLoad: false, theme: "base", htmlLabels: false, flowchart,
                      themeVariables: {fontFamily: "system-ui, sans-serif", fontSize: "15px"}});
  return (await mermaid.render(name, code)).svg;
}"""


def mark(code: str) -> str:
    "What an SVG says of the code that it was drawn from."
    return f"<!-- drawn from {hashlib.sha256(code.encode()).hexdigest()[:16]} by tools/diagrams.py -->"


def stale() -> list[str]:
    "Diagrams whose picture is missing or was drawn from something else."
    pairs = [(path, path.with_suffix(".svg")) for path in sorted(IMAGES.glob("*.mmd"))]
    return [
        path.name
        for path, svg in pairs
        if not svg.exists() or mark(path.read_text(encoding="utf-8")) not in svg.read_text(encoding="utf-8")
    ]


def draw() -> None:
    "Draw all of them."
    import gradio
    from playwright.sync_api import sync_playwright

    assets = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
    module = next(assets.glob("mermaid.core-*.js")).name

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            if self.path == "/empty.html":
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"<!doctype html><title>empty</title><div id=root></div>")
            else:
                super().do_GET()

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=assets)) as server,
        sync_playwright() as p,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = p.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/empty.html")
        for path in sorted(IMAGES.glob("*.mmd")):
            code = path.read_text(encoding="utf-8")
            svg = page.evaluate(PAGE, [f"/{module}", path.stem, code])
            width, height = map(float, re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', svg).groups())
            svg = svg.replace('width="100%"', f'width="{width:.0f}" height="{height:.0f}"', 1)
            svg = svg.replace("</svg>", f"{STYLE}</svg>", 1) if svg.count("</svg>") == 1 else svg
            path.with_suffix(".svg").write_text(f"{mark(code)}\n{svg}\n", encoding="utf-8")
            print(path.with_suffix(".svg").name, f"{width:.0f} × {height:.0f}")
        browser.close()
        server.shutdown()


if __name__ == "__main__":
    draw()
