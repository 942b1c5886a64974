"""What several test files share."""

import gc
import os
import shutil
import sys
import weakref
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(p for p in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
sys.path.insert(0, str(ROOT))  # for tools/, and for liquid_ai as it stands in this folder


def need(tool: str) -> str:
    "The path of a program. Where it is missing the test is skipped, but fails where CI=true."
    if path := shutil.which(tool):
        return path
    missing = f"{tool} is not installed"
    return pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)


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
