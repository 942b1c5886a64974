"""The site builds whole, from the notebooks as they stand, and a browser shows it."""

import functools
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest
from conftest import NOTEBOOKS, ROOT, need
from lxml import html
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image, ImageStat

from liquid_ai._modidx import d as index
from tools.check_links import check

PAGES = {path.relative_to(ROOT / "nbs").with_suffix(".html").as_posix() for path in NOTEBOOKS}


def build(script: Path, output: Path) -> subprocess.CompletedProcess:
    run = [sys.executable, script, "--output", output]
    return subprocess.run(run, capture_output=True, text=True, encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = build(ROOT / "tools" / "build_docs.py", folder)
    assert done.returncode == 0, done.stderr
    (folder.parent / "warnings.txt").write_text(done.stderr)
    return folder


def test_build_has_no_warnings(site):
    assert (site.parent / "warnings.txt").read_text() == ""


def test_no_link_is_broken(site):
    faults = check(site)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("planted", "fault"),
    [
        ("<a href='b.html#two'>", None),
        ("<a href='https://example.org/#x'><a href='#'><a href='#one'><img src='b.html'>", None),
        ("<a href='c.html'>", "c.html leads nowhere"),
        ("<img src='c.png'>", "c.png leads nowhere"),
        ("<a href='../outside.html'>", "leads nowhere"),
        ("<a href='b.html#three'>", "b.html#three has no such anchor"),
        ("<a href='#two'>", "#two has no such anchor"),
        ("<p id='one'>", "stands 2 times"),
    ],
)
def test_planted_faults_are_found(tmp_path, planted, fault):
    folder = tmp_path / "site"
    folder.mkdir()
    (tmp_path / "outside.html").write_text("<title>outside</title>")
    (folder / "a.html").write_text(f"<title>a</title><p id='one'>{planted}")
    (folder / "b.html").write_text("<title>b</title><p id='two'>")
    assert [fault in line for line in check(folder)] == ([True] if fault else [])


def test_a_page_without_title_and_an_empty_site_are_found(tmp_path):
    assert "no pages" in check(tmp_path)[0]
    (tmp_path / "a.html").write_text("<title> </title>")
    assert check(tmp_path) == ["a.html: no title"]


def test_every_notebook_has_a_page_and_its_place_in_the_sidebar(site):
    sidebar = html.parse(site / "core.html").xpath("//*[@id='quarto-sidebar']//a/@href")
    assert {link for link in sidebar if link.endswith(".html")} == PAGES
    assert {p.relative_to(site).as_posix() for p in site.rglob("*.html")} == PAGES


def test_every_public_name_has_an_anchor(site):
    ids, missing = functools.cache(lambda page: html.parse(site / page).xpath("//@id")), []
    for module, names in index["syms"].items():
        for name, (link, _) in names.items():
            page, anchor = link.split("#")
            private = any(part.startswith("_") for part in name.removeprefix(f"{module}.").split("."))
            missing += [] if private or anchor in ids(page) else [name]
    assert index["syms"] and not missing


def test_parameters_are_told_in_a_table(site):
    text = " ".join(html.parse(site / "documents.html").xpath("string(//section[@id='digest'])").split())
    assert "digest(*parts: str | bytes) -> str" in text
    assert "returns str 16 hexadecimal digits" in text


def test_a_page_that_fails_stops_the_build_and_is_named(tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "nbs").mkdir()
    for name in ("settings.ini", "_quarto.yml", "tools/build_docs.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "nbs" / "_quarto.yml").symlink_to("../_quarto.yml")
    cells = [new_code_cell("#| default_exp nowhere\n#| export\n1")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "nbs" / "bad.ipynb")
    done = build(tmp_path / "tools" / "build_docs.py", tmp_path / "out")
    assert done.returncode == 1 and not (tmp_path / "out").exists()
    assert done.stderr.startswith("build_docs: nbs/bad.ipynb: ModuleNotFoundError")


def test_a_missing_program_skips_here_and_fails_in_ci(monkeypatch):
    for ci, outcome in (("", pytest.skip.Exception), ("true", pytest.fail.Exception)):
        monkeypatch.setenv("CI", ci)
        with pytest.raises(outcome, match="no-such-program is not installed"):
            need("no-such-program")


@pytest.fixture(scope="module")
def address(site):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    *(f"--disable-{x}" for x in ("gpu", "quic", "sync", "background-networking", "component-update")),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing is loaded from elsewhere
    "--enable-logging=stderr",
    "--virtual-time-budget=3000",
    "--window-size=1400,1000",
    "--dump-dom",
]


@pytest.mark.parametrize(("page", "dark"), [("index.html", 0), ("core.html", 0), ("core.html", 1)])
def test_a_browser_shows_the_page(site, address, tmp_path, page, dark):
    picture = tmp_path / "page.png"
    run = [need("chromium"), *CHROMIUM, f"--user-data-dir={tmp_path}", f"--screenshot={picture}"]
    run += [f"--blink-settings=preferredColorScheme={1 - dark}", f"{address}/{page}"]
    done = subprocess.run(run, capture_output=True, text=True, encoding="utf-8", timeout=60)
    title = html.parse(site / page).findtext(".//title")
    assert html.fromstring(done.stdout).findtext(".//title") == title
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    grey = ImageStat.Stat(Image.open(picture).convert("L"))
    assert grey.stddev[0] > 10  # words on the page
    assert (grey.mean[0] < 128) == bool(dark)
