"""Writes README.md from nbs/index.ipynb: what a reader of the notebook sees, in GitHub's Markdown."""

import re
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
HIDDEN = {"hide", "default_exp", "export", "exporti", "include: false"}


def shown(cell) -> bool:
    "Whether a reader sees `cell`; takes the `#|` directives, and what they hide, out of it."
    lines = cell.source.splitlines()
    directives = {line[2:].strip() for line in lines if line.startswith("#|")}
    if cell.cell_type == "raw" or any(d in HIDDEN or d.split()[0] in HIDDEN for d in directives if d):
        return False
    if cell.cell_type == "code":
        code = "\n".join(line for line in lines if not line.startswith("#|")).strip()
        cell.source = "" if "echo: false" in directives else code
        outputs = [] if "output: false" in directives else cell.outputs
        cell.outputs = [o for o in outputs if o.get("name") != "stderr"]
    return True


def readme(notebook: Path = ROOT / "nbs" / "index.ipynb") -> str:
    "The notebook as Markdown: shown code and text outputs; links to other notebooks start at the root."
    nb = nbformat.read(notebook, as_version=4)
    nb.metadata["language_info"] = {"name": "python"}
    nb.cells = [cell for cell in nb.cells if shown(cell)]
    config = Config({"NbConvertBase": {"display_data_priority": ["text/markdown", "text/plain"]}})
    text, _ = MarkdownExporter(config=config).from_notebook_node(nb)
    text = re.sub(r"\]\((?![a-z]+:|[#/])([^)]+\.(?:ipynb|svg|webp))", r"](nbs/\1", text)
    text = re.sub(r"```python\s*```", "", text)
    return re.sub(r"[ \t]+$", "", re.sub(r"\n{3,}", "\n\n", text), flags=re.M).strip() + "\n"


if __name__ == "__main__":
    (ROOT / "README.md").write_text(readme(), encoding="utf-8")
