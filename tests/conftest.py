"""What several test files share."""

import gc
import os
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(p for p in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
sys.path.insert(0, str(ROOT))  # for tools/, and for liquid_ai as it stands in this folder


# files of few tests that take long, so that none of them is begun last and then runs alone
LONGEST = [
    "training_qlora",
    "jupyterlab",
    "docs",
    "pipeline",
    "experiment",
    "mcp",
    "training_registry",
    "serving_workers",
]


def pytest_collection_modifyitems(items):
    "The order in which workers are given files."
    place = {f"test_{name}.py": n for n, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def need(tool: str) -> str:
    "The path of a program. Where it is missing the test is skipped, but fails where CI=true."
    if path := shutil.which(tool):
        return path
    missing = f"{tool} is not installed"
    return pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)


def keep_picture(page, name: str) -> None:
    "What a browser shows, for whoever looks at a run, where LIQUID_AI_SCREENSHOTS names a folder."
    if folder := os.environ.get("LIQUID_AI_SCREENSHOTS"):
        page.screenshot(path=ROOT / folder / f"{name}.png")


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    "The site, built once for all processes of a run; what the build warned of lies beside it."
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "docs"
    home.mkdir(exist_ok=True)
    with FileLock(home / "lock"):
        if not (home / "warnings.txt").exists():
            run = [sys.executable, ROOT / "tools" / "build_docs.py", "--output", home / "site"]
            env = {**os.environ, "PLANTED": "a word of the environment"}
            done = subprocess.run(run, capture_output=True, text=True, encoding="utf-8", env=env)
            assert done.returncode == 0, done.stderr
            (home / "warnings.txt").write_text(done.stderr, encoding="utf-8")
    return home / "site"


@pytest.fixture(autouse=True, scope="module")
def settled():
    "What is there when a file begins stays: each `gc.collect()` would walk all of it, for most of a second."
    gc.collect()
    gc.freeze()


@pytest.fixture
def nothing_loaded(monkeypatch):
    "No language model is in memory or chosen, before and after."
    from liquid_ai.generation import models

    monkeypatch.setattr(models, "_loaded", {})
    monkeypatch.setattr(models, "_alive", weakref.WeakValueDictionary())
    models._chosen.cache_clear()
    yield
    models._chosen.cache_clear()
