"""Workflows, and the pages for whoever works here, say what is so."""

import configparser
import re

import pytest
import yaml
from conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SETTINGS = configparser.ConfigParser(delimiters=["="])
SETTINGS.read(ROOT / "settings.ini", encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
CLASSIFIED = re.findall(r"Python :: (3\.\d+)", (ROOT / "setup.py").read_text(encoding="utf-8"))
PAGES = ["AGENTS.md", "CONTRIBUTING.md", "SECURITY.md", "README.md"]


def workflow(name: str) -> dict:
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))


def steps(name: str) -> list[dict]:
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_may_do_little_and_ends(path):
    flow = workflow(path.name)
    assert flow["permissions"] == {"contents": "read"} and "group" in flow["concurrency"]
    for name, job in flow["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        assert set(job.get("permissions", {})) <= {"pages", "id-token"}, name
        for step in job["steps"]:
            if "uses" in step:  # a commit, not a tag that may be moved
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]), step
            assert "${{" not in step.get("run", ""), "what a branch is called must not become a command"
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_each_pin_says_its_version():
    lines = [
        line for p in WORKFLOWS for line in p.read_text(encoding="utf-8").splitlines() if "uses:" in line
    ]
    assert len(lines) > 8 and [line for line in lines if not re.search(r" # v\d+\.\d+\.\d+$", line)] == []
    pins = {tuple(re.search(r"uses: (\S+)@(\S+) # (\S+)", line).groups()) for line in lines}
    assert len(pins) == len({name for name, *_ in pins}), "one version of an action everywhere"


def test_tests_run_on_every_python_that_is_promised():
    pythons = workflow("tests.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert pythons == CLASSIFIED == workflow("release.yml")["jobs"]["try"]["strategy"]["matrix"]["python"]
    assert pythons[0] == SETTINGS["DEFAULT"]["min_python"]
    assert ".ci/run" in [step.get("run") for step in steps("tests.yml")]
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111 and "\nmake test\n" in script.read_text(encoding="utf-8")


def test_commands_that_workflows_and_pages_name_exist():
    runs = [s["run"] for p in WORKFLOWS for s in steps(p.name) if "run" in s]
    texts = [*runs, *((ROOT / page).read_text(encoding="utf-8") for page in PAGES)]
    named = {n for text in texts for n in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.M)}
    assert {"test", "docs", "demo"} <= named <= TARGETS
    commands = {n for text in runs for n in re.findall(r"bin/liquid-ai ([a-z]\w*)", text)}
    from liquid_ai.cli.app import app

    known = {c.name or c.callback.__name__ for c in app.registered_commands}
    known |= {g.name or g.typer_instance.info.name for g in app.registered_groups}
    assert commands == {"models", "quickstart"} and commands <= known


def test_the_site_is_published_from_where_it_is_built():
    told = [s["with"]["path"] for s in steps("pages.yml") if "upload-pages-artifact" in s.get("uses", "")]
    quarto = yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))
    assert told == [SETTINGS["DEFAULT"]["doc_path"]] == [quarto["project"]["output-dir"]]
    jobs = workflow("pages.yml")["jobs"]
    assert [set(j.get("permissions", {})) for j in jobs.values()] == [set(), {"pages", "id-token"}]


def test_a_release_is_tried_as_it_is_published():
    jobs = workflow("release.yml")["jobs"]
    assert jobs["try"]["needs"] == "build" and jobs["publish"]["needs"] == "try"
    assert set(jobs["publish"]["permissions"]) == {"id-token"} and "environment" in jobs["publish"]
    check = next(s["run"] for s in jobs["build"]["steps"] if "settings.ini" in s.get("run", ""))
    version = re.search(r"s/(.+?)//p", check)[1]
    found = [
        re.sub(version, "", line)
        for line in (ROOT / "settings.ini").read_text(encoding="utf-8").splitlines()
        if re.match(version, line)
    ]
    assert found == [SETTINGS["DEFAULT"]["version"]]


@pytest.mark.parametrize("name", PAGES)
def test_links_of_root_pages_lead_somewhere(name):
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", (ROOT / name).read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_agents_page_names_folders_that_are_there():
    text = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    folders = [p for p in re.findall(r"`([\w./-]+/)`", text) if "/" not in p[:-1]]
    assert {"nbs/", "tests/", "benchmarks/"} <= set(folders)
    assert [f for f in folders if not (ROOT / f).is_dir()] == []
    assert len(text.splitlines()) < 90, "one page"


def test_types_are_shipped():
    assert (ROOT / "liquid_ai" / "py.typed").exists()
    assert "py.typed" in (ROOT / "setup.py").read_text(encoding="utf-8")
