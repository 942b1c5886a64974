"""Imports run one way through the rooms of the design, and nothing heavy is loaded before it is used."""

import ast
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
from conftest import ROOT

LADDER = [["errors"], ["settings"], ["devices", "documents"], ["core"], ["cluster"], ["indexing"]]
LADDER += [["ingestion", "retrieval"], ["migrate"], ["corpus", "generation"]]
LADDER += [["pipeline"], ["agent"]]
LADDER += [["evaluation"], ["training"], ["serving"], ["demo"], ["cli"]]
MAY_IMPORT = {room: {*chain(*LADDER[:i])} for i, rung in enumerate(LADDER) for room in rung}
# fed with events by those who serve and show; what is below does not know that it is measured
MAY_IMPORT["metrics"] = {"core"}
for above in ("serving", "demo", "cli"):
    MAY_IMPORT[above].add("metrics")
HEAVY = {"torch", "transformers", "openvino", "faiss", "sentence_transformers", "mlflow", "gradio", "ray"}


def imported(node: ast.AST, package: list[str]) -> list[str]:
    "Full names that an import statement names; `package` is where the statement stands."
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else []
        module = ".".join([*above, *filter(None, [node.module])])
        return [f"{module}.{alias.name}" for alias in node.names]
    return []


def upward(package: Path) -> list[str]:
    "Every import in the folder `package`, at the top or inside a function, from a room that is not below."
    faults = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        room = parts[1]
        if room.startswith("_"):  # __init__ shows the package to its user, _modidx is nbdev's
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in imported(node, list(parts[:-1])):
                top, _, rest = name.partition(".")
                other = rest.partition(".")[0]
                if top == package.name and other not in {room, "__version__"} | MAY_IMPORT.get(room, set()):
                    faults.append(f"{path.relative_to(package.parent)}:{node.lineno}: imports {name}")
    return faults


def loaded(code: str) -> set[str]:
    "The heavy modules that a fresh interpreter holds after running `code`."
    run = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return HEAVY & set(done.stdout.split())


def test_imports_run_one_way():
    assert upward(ROOT / "liquid_ai") == []


def test_every_room_has_its_place():
    modules = (ROOT / "liquid_ai").rglob("*.py")
    rooms = {path.relative_to(ROOT / "liquid_ai").with_suffix("").parts[0] for path in modules}
    assert {room for room in rooms if room[0] != "_"} <= MAY_IMPORT.keys()


@pytest.mark.parametrize(
    ("path", "code", "allowed"),
    [
        ("core.py", "import liquid_ai.indexing.dense", False),
        ("core.py", "from liquid_ai import pipeline", False),
        ("indexing/dense.py", "from ..retrieval.search import search", False),
        ("indexing/dense.py", "def f():\n    from .. import cli", False),
        ("ingestion/chunk.py", "from ..retrieval import search", False),
        ("retrieval/search.py", "from liquid_ai.ingestion.chunk import split", False),
        ("metrics/monitor.py", "from ..pipeline import RAG", False),
        ("pipeline.py", "from .metrics import monitor", False),
        ("cellar.py", "from .core import Hit", False),
        ("indexing/dense.py", "import faiss\nfrom ..core import Hit\nfrom .embed import Encoder", True),
        ("serving/app.py", "from ..metrics import monitor\nfrom ..pipeline import RAG", True),
        ("cli.py", "from liquid_ai import __version__, pipeline", True),
        ("__init__.py", "from .pipeline import RAG", True),
    ],
)
def test_planted_imports_are_judged(tmp_path, path, code, allowed):
    module = tmp_path / "liquid_ai" / path
    module.parent.mkdir(parents=True)
    module.write_text(code)
    assert (upward(tmp_path / "liquid_ai") == []) == allowed


def test_import_of_the_package_loads_nothing_heavy():
    assert loaded("import liquid_ai") == set()


def test_import_of_every_module_loads_nothing_heavy():
    modules = [p.relative_to(ROOT).with_suffix("") for p in sorted((ROOT / "liquid_ai").rglob("*.py"))]
    names = [".".join(m.parts).removesuffix(".__init__") for m in modules if m.name != "__main__"]
    assert loaded("\n".join(f"import {name}" for name in names)) == set()


def test_what_is_loaded_is_seen():
    code = "import sys, types; sys.modules['gradio'] = types.ModuleType('gradio')"
    assert loaded(code) == {"gradio"}
