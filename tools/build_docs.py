"""Builds the site into _docs: nbdev prepares the notebooks, smalldocs renders them; Quarto is not needed."""

import argparse
import ast
import base64
import contextlib
import functools
import html
import importlib
import inspect
import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from execnb.nbio import mk_cell, read_nb, write_nb
from nbdev.config import get_config
from nbdev.processors import FilterDefaults, Processor, add_show_docs, exec_show_docs
from nbdev.serve import _is_qpy
from nbdev.serve_drv import exec_scr
from smalldocs import api
from smalldocs.config import BuildError, ConfigError, load
from smalldocs.site import Site

ROOT = Path(__file__).resolve().parent.parent
PROPERTIES = (property, functools.cached_property)
READABLE = {  # pattern to replacement, in the pages that smalldocs wrote
    r'<i class="(bi[^"]*)" role="img">': r'<i class="\1" aria-hidden="true">',
    # what opens a section of the sidebar is a button, and the keyboard reaches it
    r'data-bs-target="(#[^"]+)" role="navigation"': r'data-bs-target="\1" href="\1" role="button"',
    r"(<body[^>]*>)": r'\1<a class="skip-link" href="#quarto-document-content">Skip to the text</a>',
    r'<(link|script)[^>]*"https://cdn\.jsdelivr\.net/npm/katex[^>]*>(</script>)?': "",  # see `formula`
    r"</body>": """<script>
for (const box of document.querySelectorAll("pre, .sd-table, .cell-output-display"))
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;  // what scrolls is reached by keyboard
</script></body>""",
}
# without this, fastcore gives the comment on `**kwargs` to the return value
api.docments = functools.partial(api.docments, args_kwargs=True)


def source_url(symbol) -> str:
    cfg, file = get_config(), Path(inspect.getsourcefile(symbol)).resolve().relative_to(ROOT)
    return f"{cfg.git_url}/blob/{cfg.branch}/{file.as_posix()}#L{api.line_of(symbol)}"


def entry(symbol, level: int) -> str:
    "Markdown: a heading with the id that nbdev links to, signature, docstring, and the comments as a table."
    is_property = isinstance(symbol, PROPERTIES)
    symbol = getattr(symbol, "fget", None) or getattr(symbol, "func", symbol)
    heading, *rest = api.entry(symbol, level).split("\n\n")
    if is_property:
        kind = api.type_text(inspect.signature(symbol).return_annotation, inspect.getmodule(symbol))
        rest = [f"```python\n{symbol.__qualname__}: {kind}\n```", api.doc(symbol)]
    elif not any(d.docment for d in api.safe_docments(symbol).values()):
        rest = [part for part in rest if not part.startswith("| Parameter |")]
    link = f"[source]({source_url(symbol)}){{.source-link}}"
    return "\n\n".join([f"{heading} {{#{symbol.__qualname__.lower()}}}", link, *rest])


def entries(symbol) -> str:
    "A function; or a class, then its public methods and properties, in the order of the source."
    own = vars(symbol).items() if inspect.isclass(symbol) else ()
    members = [api.unwrapped(value) for name, value in own if not name.startswith("_")]
    members = [m for m in members if inspect.isfunction(m) or isinstance(m, PROPERTIES)]
    return "\n\n".join([entry(symbol, 3), *(entry(m, 4) for m in members)])


class reference(Processor):
    """Puts the reference after each export cell, from the exported module: nothing is run. nbdev's own has no
    tables, loses generics and the comments on fields, and shows the names of a cell in reverse."""

    def begin(self):
        cells, taken = self.nb.cells, set()
        module = next((c.directives_["default_exp"][0] for c in cells if "default_exp" in c.directives_), "")
        for i, cell in reversed(list(enumerate(cells))):
            if not {"export", "exports"} & cell.directives_.keys() or "hide" in cell.directives_:
                continue
            code = importlib.import_module(f"{get_config().lib_name}.{module}")
            defs = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            names = [node.name for node in ast.parse(cell.source).body if isinstance(node, defs)]
            text = "\n\n".join(entries(api.unwrapped(getattr(code, n))) for n in names if n[0] != "_")
            taken |= {n.lower() for n in names}
            if text:
                cells.insert(i + 1, mk_cell(text, "markdown"))
                cells[i + 1].update(has_sd=True, directives_={})

        def about(heading: re.Match) -> str:  # "Settings" must not take the id of the class
            slug = heading[1].lower()
            return f"{heading[0]} {{#about-{slug}}}" if slug in taken else heading[0]

        for cell in cells:
            if cell.cell_type == "markdown" and not cell.get("has_sd"):
                cell.source = re.sub(r"^#+ (\w+)$", about, cell.source, flags=re.M)


def for_this_site(cell) -> None:
    "Links to our own pages stay on the site that is read; `output-file` only matters to numbered notebooks."
    if cell.cell_type == "markdown":
        cfg = get_config()
        cell.source = cell.source.replace(f"({cfg.doc_host}{cfg.doc_baseurl}/", "(/")
    elif cell.cell_type == "raw":
        cell.source = re.sub(r"^output-file: .*\n", "", cell.source, flags=re.M)


def told(cell) -> None:
    "A plot is told to whoever does not see it, by its titles and labels in the code that drew it."
    pictures = [o for o in cell.get("outputs", []) if any(m.startswith("image/") for m in o.get("data", {}))]
    if cell.cell_type == "code" and pictures and "fig-alt" not in cell.source:
        words = re.findall(r"(?:title|[xy]label)\w*\s*[(=]\s*f?[\"']([^\"']+)", cell.source)
        words = [re.sub(r"[\\{}$]|\\n", " ", w).strip() for w in words]
        alt = "; ".join(dict.fromkeys(w for w in words if w)) or "the text beside it says what it shows"
        cell.source = f'#| fig-alt: "A plot: {alt}"\n{cell.source}'


class Pages(FilterDefaults):
    "nbdev's processors, with our reference in place of its two."

    def base_procs(self):
        procs = [
            reference if p is add_show_docs else p for p in super().base_procs() if p is not exec_show_docs
        ]
        return [*procs, for_this_site, told]


def printed_pages(work: Path) -> None:
    "Pages that a script prints, `NAME.qmd.py` and `NAME.txt.py`, as `nbdev_docs` makes them too."
    for script in sorted(work.rglob("*.py")):
        if (front := _is_qpy(script)) is None:
            continue
        try:
            exec_scr(script, script.with_suffix(""), front.strip())
        except Exception as e:
            raise BuildError(f"nbs/{script.relative_to(work)}: {type(e).__name__}: {e}") from e
        script.unlink()


def formula(found: re.Match) -> str:
    "A formula as a picture, in the size of the text around it: no script has to come from elsewhere."
    from matplotlib import rc_context
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import math_to_image

    display, tex, size = found[1] == "display", html.unescape(found[2]).strip(), 10
    drawn = io.BytesIO()
    with rc_context({"svg.hashsalt": "formula"}):
        letters = FontProperties(size=size, math_fontfamily="stix")
        depth = math_to_image(f"${tex}$", drawn, letters, dpi=72, format="svg")
    svg = re.sub(rb"<metadata>.*?</metadata>", b"", drawn.getvalue(), flags=re.S)
    height = float(re.search(rb'height="([\d.]+)pt"', svg)[1])
    style = f"height:{height / size:.2f}em;vertical-align:{-depth / size:.2f}em"
    source = base64.b64encode(svg).decode("ascii")
    told = f'alt="{html.escape(tex)}" style="{style}" src="data:image/svg+xml;base64,{source}"'
    image = f'<img class="formula" {told}>'
    return f'<span class="math {found[1]}">{image}</span>' if display else image


def finish(site: Path) -> None:
    "What smalldocs leaves open: what a screen reader and the keyboard need, and nothing from another host."
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for old, new in READABLE.items():
            text = re.sub(old, new, text)
        text = re.sub(
            r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', formula, text, flags=re.S
        )
        page.write_text(text, encoding="utf-8")
    for theme in site.glob(
        "site_libs/themes/*.css"
    ):  # its letters come from elsewhere; the reader's own do as well
        text = re.sub(r"@import url\([^)]*\);", "", theme.read_text(encoding="utf-8"))
        theme.write_text(text, encoding="utf-8")


def build(output: Path) -> list[str]:
    "Build the site into `output`, which is emptied first; returns the warnings of smalldocs."
    # a default of `os.environ` must not tell what is in it
    type(os.environ).__repr__ = lambda self: "os.environ"
    with tempfile.TemporaryDirectory() as tmp, contextlib.chdir(ROOT):
        work = Path(tmp) / "nbs"
        shutil.copytree("nbs", work, ignore=shutil.ignore_patterns(".*"))
        for path in sorted(work.rglob("*.ipynb")):
            try:
                nb = read_nb(path)
                Pages()(nb)
                write_nb(nb, path)
            except Exception as e:
                raise BuildError(f"nbs/{path.relative_to(work)}: {type(e).__name__}: {e}") from e
        printed_pages(work)
        project = load(work)
        project.website["llms-txt"] = (
            True  # a copy of each page in Markdown; Quarto does not know the key yet
        )
        site = Site(project, quiet=True)
        site.out = output
        site.build()
        finish(output)
        # smalldocs wrote one of its own; ours says what each page is for, and leads to the copies too
        index = (work / "llms.txt").read_text(encoding="utf-8")
        (output / "llms.txt").write_text(re.sub(r"\.html\):", ".llms.md):", index), encoding="utf-8")
        return site.warnings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=ROOT / "_docs", help="folder of the site: _docs by default"
    )
    output = parser.parse_args().output.resolve()
    sys.path.insert(0, str(ROOT))
    try:
        warnings = build(output)
    except (BuildError, ConfigError) as e:
        sys.exit(f"build_docs: {e}")
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"The site is in {output}: open index.html, or serve it with `python -m http.server --directory`.")


if __name__ == "__main__":
    main()
