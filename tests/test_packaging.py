"""What settings.ini asks for, constraints.txt pins, and this environment has are one and the same."""

import runpy
from importlib import metadata

import pytest
import setuptools
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

LINES = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PINNED = {canonicalize_name(r.name): r.specifier for r in map(Requirement, LINES)}


@pytest.fixture(scope="module")
def asked() -> dict[str, list[str]]:
    "Requirements by extra, as setup.py hands them to pip; those of the package itself under an empty name."
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(setuptools, "setup", lambda **given: told.append(given))
        told = []
        runpy.run_path(str(ROOT / "setup.py"))
    return {"": told[0]["install_requires"], **told[0]["extras_require"]}


def applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def tree(requirements: list[str]) -> dict[str, str]:
    "Name and version of every distribution that is installed here because of `requirements`."
    found, seen, todo = {}, set(), [r for r in map(Requirement, requirements) if applies(r)]
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        for extra in {(name, e) for e in ("", *wanted.extras)} - seen:
            seen.add(extra)
            try:
                dist = metadata.distribution(name)
            except metadata.PackageNotFoundError:  # an optional dependency, or one of another platform
                continue
            found[name] = dist.version
            todo += [r for r in map(Requirement, dist.requires or []) if applies(r, extra[1])]
    return found


def unpinned(installed: dict[str, str], pinned: dict[str, SpecifierSet]) -> list[str]:
    "What is installed in another version than the pinned one; `2.13.0+cpu` counts as `2.13.0`."
    return [f"{n}=={v}" for n, v in installed.items() if n not in pinned or v not in pinned[n]]


def test_constraints_are_exact_and_stand_once():
    assert all(len(s) == 1 and next(iter(s)).operator == "==" for s in PINNED.values())
    assert len(PINNED) == len(LINES)


def test_every_requirement_is_pinned(asked):
    names = {
        canonicalize_name(Requirement(r).name) for extra in asked if extra != "gpu" for r in asked[extra]
    }
    assert len(names) > 30 and names - PINNED.keys() == set()


def test_what_is_installed_is_pinned(asked):
    installed = tree(asked[""] + asked["dev"])
    assert len(installed) > 50 and unpinned(installed, PINNED) == []


def test_a_wrong_or_missing_pin_is_found():
    pinned = {"torch": SpecifierSet("==2.13.0"), "numpy": SpecifierSet("==2.4.6")}
    installed = {"torch": "2.13.0+cpu", "numpy": "2.4.5", "faiss-cpu": "1.15.1"}
    assert unpinned(installed, pinned) == ["numpy==2.4.5", "faiss-cpu==1.15.1"]


def test_the_tree_reaches_what_others_bring(asked):
    assert {"sentence-transformers", "huggingface-hub", "traitlets"} <= tree(asked[""] + asked["dev"]).keys()


def test_torch_is_pinned_for_every_machine():
    assert "torch==2.13.0" in LINES


def test_gpu_stays_out_of_all(asked):
    assert set(asked["gpu"]) and not set(asked["gpu"]) & set(asked["all"])
    others = asked.keys() - {"", "all", "gpu"}
    assert set(asked["all"]) == {r for extra in others for r in asked[extra]}


@pytest.mark.parametrize("bound", ["nbdev>=2.4.14,<3", "fastcore>=1.12,<2", "execnb<0.2", "ghapi<2"])
def test_development_tools_are_bounded(asked, bound):
    assert Requirement(bound) in map(Requirement, asked["dev"])
