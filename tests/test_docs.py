"""The site builds whole, from the notebooks as they stand, and Quarto could read what it is built from."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import NOTEBOOKS, ROOT, need
from lxml import html
from nbformat.v4 import new_code_cell, new_notebook

from liquid_ai._modidx import d as index
from tools import diagrams, pages
from tools.check_links import check

PRINTED = sorted((ROOT / "nbs").rglob("*.qmd.py"))  # pages that a script prints when the site is built
PAGES = {path.relative_to(ROOT / "nbs").with_suffix(".html").as_posix() for path in NOTEBOOKS}
PAGES |= {path.relative_to(ROOT / "nbs").as_posix().removesuffix(".qmd.py") + ".html" for path in PRINTED}


def build(script: Path, output: Path) -> subprocess.CompletedProcess:
    run = [sys.executable, script, "--output", output]
    return subprocess.run(run, capture_output=True, text=True, encoding="utf-8")


def test_build_has_no_warnings(site):
    assert (site.parent / "warnings.txt").read_text() == ""


def test_nothing_of_the_machine_that_builds_is_told(site):
    text = "".join(
        p.read_text(encoding="utf-8")
        for p in sorted(site.rglob("*"))
        if p.suffix in (".html", ".md", ".json")
    )
    assert str(ROOT) not in text and "a word of the environment" not in text
    assert (
        "environ: Mapping[str, str] = os.environ"
        in html.parse(site / "settings.html").getroot().text_content()
    )


def test_formulas_are_pictures_that_say_their_source(site):
    page = html.parse(site / "indexing" / "sparse.html")
    shown = page.xpath("//img[@class='formula']/@alt")
    assert any(tex.startswith(r"\sum_{w} \ln") for tex in shown) and not page.xpath(
        "//*[contains(@src, 'katex')]"
    )


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


# What the site says of the code


def test_every_source_is_in_the_bibliography_and_nothing_else_is():
    works = [pattern for kind in pages.bibliography().values() for pattern in kind]
    texts = [use.text for use in pages.uses()]
    unknown = [t for t in texts if not any(re.search(w, t) for w in works)]
    assert len(texts) > 80 and not unknown, f"add to tools/sources.toml: {unknown}"
    assert [w for w in works if not any(re.search(w, t) for t in texts)] == []


def test_sources_are_found_in_docstrings_and_comments(tmp_path):
    (tmp_path / "room").mkdir()
    lines = [
        "class A:",
        '    "One. Source: X 1999."',
        "    def _b(self):",
        "        '''Two. Raises: `E`. Source: Y,",
        "        in two lines.'''",
        "c = 1  # Source: Z",
        "d = 'Source: of a river'",
    ]
    (tmp_path / "room" / "a.py").write_text("\n".join(lines))
    found = [(use.name, use.text, use.link) for use in pages.uses(tmp_path)]
    assert found == [
        ("A", "X 1999.", "[`A`](room/a.ipynb#a)"),
        ("A._b", "Y, in two lines.", "[room/a](room/a.ipynb)"),
        ("", "Z", "[room/a](room/a.ipynb)"),
    ]


def test_a_paper_leads_to_the_function_that_follows_it(site):
    table = html.parse(site / "papers.html").xpath("//tr[td[1]='Cormack, Clarke, Büttcher 2009']")[0]
    assert "retrieval/fuse.html#reciprocal_rank_fusion" in table.xpath(".//a/@href")


def test_the_changelog_is_a_page(site):
    told = " ".join(html.parse(site / "changelog.html").getroot().text_content().split())
    last = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").strip().splitlines()[-1]
    assert re.sub(r"[`*]| \(#\d+\)$", "", last).split(":")[0].strip() in told


def test_llms_txt_is_fresh_and_has_every_page():
    text = (ROOT / "llms.txt").read_text(encoding="utf-8")
    assert text == pages.llms(), "run `make readme`"
    assert len(re.findall(r"^- \[.+\]\(https://\S+\.html\): \S.{10,}$", text, re.M)) == len(PAGES)


def test_llms_txt_of_the_site_leads_to_markdown(site):
    links = re.findall(
        r"\]\(https://liquid-ai\.github\.io/liquid_ai/(\S+)\):", (site / "llms.txt").read_text("utf-8")
    )
    assert len(links) == len(PAGES)
    assert [
        link for link in links if not (link.endswith(".llms.md") and (site / link).read_text("utf-8"))
    ] == []


def test_diagrams_are_drawn_from_what_lies_beside_them():
    assert len(list(diagrams.IMAGES.glob("*.mmd"))) >= 4 and diagrams.stale() == [], "run `make diagrams`"


def test_pictures_are_small_and_used():
    texts = [p.read_text(encoding="utf-8") for p in (*NOTEBOOKS, ROOT / "_quarto.yml")]
    for path in diagrams.IMAGES.iterdir():
        assert path.stat().st_size < 150_000, path.name
        assert path.suffix == ".mmd" or any(f"images/{path.name}" in t for t in texts), (
            f"{path.name} is not used"
        )


# Quarto reads the same files. It is not here, so this looks for what is known to go wrong there


def markdown_cells() -> list[tuple[str, str]]:
    cells = [(p, c) for p in NOTEBOOKS for c in nbformat.read(p, as_version=4).cells]
    return [(str(p.relative_to(ROOT)), c.source) for p, c in cells if c.cell_type == "markdown"]


def test_quarto_yml_has_only_keys_that_quarto_and_smalldocs_know():
    from smalldocs.config import KNOWN, check_keys, load

    config = yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))
    assert load(ROOT / "nbs").warnings == []
    assert check_keys(config, KNOWN, "") == [] and config.keys() == {"project", "format", "website"}
    assert "llms-txt" not in config["website"]  # smalldocs alone knows it


def test_notebooks_have_no_syntax_that_one_of_the_two_does_not_read():
    texts = [(p, re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)) for p, text in markdown_cells()]
    assert [p for p, text in texts if re.search(r"@(fig|tbl|sec|eq|lst)-", text)] == []
    assert [
        p for p, text in markdown_cells() if re.search(r"^```\s*\{?mermaid", text, re.M)
    ] == []  # a script from elsewhere


def test_nbdev_prints_the_same_pages_for_quarto(tmp_path):
    from nbdev.serve import _proc_file
    from nbdev.serve_drv import exec_scr

    for script in (*PRINTED, ROOT / "nbs" / "llms.txt.py"):
        source, target, front = _proc_file(script, tmp_path, ROOT / "nbs")
        exec_scr(source, target, front)
        text = target.read_text(encoding="utf-8")
        assert len(text.splitlines()) > 50 and (text.startswith("---\ntitle: ") or target.name == "llms.txt")


def test_a_script_that_fails_stops_the_build_and_is_named(tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "nbs").mkdir()
    for name in ("settings.ini", "_quarto.yml", "tools/build_docs.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "nbs" / "_quarto.yml").symlink_to("../_quarto.yml")
    (tmp_path / "nbs" / "bad.qmd.py").write_text('"""---\ntitle: bad\n---"""\n1 / 0\n')
    done = build(tmp_path / "tools" / "build_docs.py", tmp_path / "out")
    assert done.returncode == 1 and not (tmp_path / "out").exists()
    assert done.stderr.startswith("build_docs: nbs/bad.qmd.py: ZeroDivisionError")
