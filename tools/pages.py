"""Pages that are made of other files: changelog, papers, llms.txt. `nbs/*.py` print them at build."""

import ast
import json
import re
import tokenize
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
DEFS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Use:
    "A `Source:` in the code: which name says it, in which module, and what follows the word."

    module: str  # as in a path: evaluation/ranking
    name: str  # dotted; empty where it is a comment of the module
    text: str
    promise: str  # first sentence of the docstring

    @property
    def link(self) -> str:
        "Markdown. Private names have no place of their own on their page."
        public = self.name and not any(part.startswith("_") for part in self.name.split("."))
        anchor = f"#{self.name.lower()}" if public else ""
        shown = f"`{self.name}`" if public else self.module
        return f"[{shown}]({self.module}.ipynb{anchor})"


def _docstrings(node: ast.AST, outer: str = "") -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, DEFS):
            name = f"{outer}.{child.name}" if outer else child.name
            yield name, ast.get_docstring(child) or ""
            yield from _docstrings(child, name)


def uses(package: Path = ROOT / "liquid_ai") -> list[Use]:
    "Every `Source:` in docstrings and comments of the package."
    found = []
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package).with_suffix("").as_posix()
        code = path.read_text(encoding="utf-8")
        if "Source:" not in code:
            continue
        for name, doc in _docstrings(ast.parse(code)):
            if "Source:" in doc:
                first = re.split(r"\s(?:Raises|Source):|(?<=[.])\s", " ".join(doc.split()))[0]
                found.append(Use(module, name, " ".join(doc.split("Source:")[1].split()), first))
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.COMMENT and "Source:" in token.string:
                    found.append(Use(module, "", token.string.split("Source:")[1].strip(), ""))
    return found


def bibliography() -> dict[str, dict[str, list[str]]]:
    "Pattern to label, title, place and link, by kind: `tools/sources.toml`."
    return tomllib.loads((ROOT / "tools" / "sources.toml").read_text(encoding="utf-8"))


def papers() -> str:
    "Which paper or standard is followed where, as Markdown."
    told, found = [], uses()
    intro = {
        "papers": "## Papers and books\n\nOf several variants, the text beside the function says which.",
        "standards": "## Standards and formats\n\nWhat goes over a wire or into a file keeps to these.",
    }
    for kind, works in bibliography().items():
        rows = []
        for pattern, (label, title, place, link) in works.items():
            by_module = defaultdict(list)
            for use in found:
                if re.search(pattern, use.text):
                    by_module[use.module].append(use)
            work = f"[{title}]({link})" if link else f"*{title}*"
            where = "<br>".join(
                ", ".join(dict.fromkeys(use.link for use in group)) + f" in {module}"
                if any(use.link != f"[{module}]({module}.ipynb)" for use in group)
                else group[0].link
                for module, group in by_module.items()
            )
            rows.append(f"| {label} | {work}{f', {place}' if place else ''} | {where} |")
        rows = ["| who | what | followed by |", "|:---|:-----|:-----|", *sorted(rows, key=str.casefold)]
        told.append("\n".join([intro[kind], "", *rows]))
    return (
        f"{len(found)} places in the code name what they follow, under `Source:`. "
        "This page is made of them when the site is built.\n\n" + "\n\n".join(told)
    )


def changelog() -> str:
    "CHANGELOG.md for the site: without its heading, and with names as links."
    from nbdev.config import get_config
    from nbdev.doclinks import NbdevLookup

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").removeprefix("# Changelog\n").strip()
    cfg = get_config()
    linked = NbdevLookup().linkify(text)
    linked = linked.replace(f"({cfg.doc_host}{cfg.doc_baseurl}/", "(/")
    return re.sub(r" \(#(\d+)\)", rf" ([#\1]({cfg.git_url}/issues/\1))", linked)


def sections(nav: list, title: str = "") -> list[tuple[str, list[str]]]:
    "Title and pages of each section of the sidebar, in order; what stands beside sections has no title."
    found, loose = [], []
    for item in nav:
        if isinstance(item, dict) and "contents" in item:
            found += sections(item["contents"], item["section"])
        else:
            loose.append(item["href"] if isinstance(item, dict) else item)
    return [*([(title, loose)] if loose else []), *found]


def about(page: str) -> tuple[str, str]:
    "Title and promise of a page of `nbs/`."
    path = ROOT / "nbs" / page
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = next("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        head = re.match(r"# (.+)\n\n?> (.+)", text)
        return head[1], head[2]
    front = ast.get_docstring(ast.parse(path.with_name(f"{path.name}.py").read_text(encoding="utf-8")))
    meta = yaml.safe_load(front.strip("-\n "))
    return meta["title"], meta["description"]


def llms() -> str:
    "llms.txt: what the project is, and every page with a line that says what it is for."
    web = yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))["website"]
    lines = [f"# {web['title']}", "", f"> {web['description']}", ""]
    lines += [
        "The package is exported from notebooks; each page below is one of them, with examples, outputs",
        "and the reference of what it defines. `from liquid_ai import RAG` is where to begin; all of it",
        "runs offline on a CPU.",
        f"How to work in the repository: {web['repo-url']}/blob/main/AGENTS.md",
    ]
    for title, pages in sections(web["sidebar"]["contents"]):
        lines += ["", f"## {title or 'Start here'}", ""]
        for page in pages:
            name, promise = about(page)
            lines.append(f"- [{name}]({web['site-url']}/{Path(page).with_suffix('.html')}): {promise}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (ROOT / "llms.txt").write_text(llms(), encoding="utf-8")
