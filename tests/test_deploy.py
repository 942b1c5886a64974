"""What the dashboard and the rules ask for is what the monitor tells."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from prometheus_client.parser import text_string_to_metric_families

from liquid_ai.core import Event, Usage
from liquid_ai.metrics.instruments import CACHE, STAGES, STATUSES, VALUES
from liquid_ai.metrics.monitor import Monitor
from liquid_ai.serving.rules import KINDS

DEPLOY = ROOT / "deploy"
NAME = re.compile(r"\bliquid_ai_\w+")
LABELS = re.compile(r"(liquid_ai_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, set[str]]]:
    "Every sample that a server's monitor can show, with the values of its labels."
    monitor = Monitor(1.0, 1.0, kinds=KINDS)
    monitor.observe(Event("index", "ok", values=dict.fromkeys(VALUES, 1.0)))
    times = {"total": 1.0, "first_token": 1.0, **dict.fromkeys(STAGES, 1.0)}
    for kind in KINDS:
        for status in STATUSES:
            monitor.observe(Event(kind, status, times, Usage(1, 1), "miss", confidence=0.5))
    for cache in CACHE:
        monitor.observe(Event("ask", "ok", {}, Usage(1, 1), cache))
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(monitor.text().decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def rules() -> list[dict]:
    groups = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict:
    return json.loads((DEPLOY / "grafana" / "dashboards" / "liquid_ai.json").read_text(encoding="utf-8"))


def expressions() -> list[str]:
    "Everything that Prometheus is asked."
    asked = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    return [*asked, *[rule["expr"] for rule in rules()], dashboard()["templating"]["list"][0]["definition"]]


def faults(asked: list[str], told: dict) -> list[str]:
    "Names that nobody tells, and label values that never occur."
    found = [f"{name} is told by nobody" for text in asked for name in NAME.findall(text) if name not in told]
    for text in asked:
        for name, inside in LABELS.findall(text):
            for label, how, value in MATCHER.findall(inside):
                if label == "instance" or name not in told:
                    continue
                values = told[name].get(label, set())
                wanted = value.split("|") if how == "=~" else [value]
                found += [f"{name}: no {label} is {want!r}" for want in wanted if want not in values]
    return found


def test_every_name_and_label_is_one_that_the_monitor_tells(told):
    assert len(expressions()) > 30
    assert faults(expressions(), told) == []


@pytest.mark.parametrize(
    ("planted", "fault"),
    [
        ("rate(liquid_ai_request_total[5m])", "liquid_ai_request_total is told by nobody"),
        ("liquid_ai_requests_total{status='x'}", None),
        ('liquid_ai_requests_total{status="failed"}', "no status is 'failed'"),
        ('liquid_ai_cache_requests_total{result=~"exact|fuzzy"}', "no result is 'fuzzy'"),
        ('liquid_ai_requests_total{state="ok"}', "no state is 'ok'"),
        ('liquid_ai_requests_total{status="ok",kind=~"ask|chat"}', "no kind is 'chat'"),
    ],
)
def test_planted_faults_are_found(told, planted, fault):
    found = faults([planted], told)
    assert (fault is None and not found) or any(fault in line for line in found)


def test_everything_told_is_looked_at(told):
    "A metric that no panel and no rule shows is one that nobody misses."
    shown = {name for text in expressions() for name in NAME.findall(text)}
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in told}
    unseen = {f for f in families if not any(s.startswith(f) for s in shown)}
    assert unseen == {"liquid_ai_start_timestamp_seconds", "liquid_ai_index_updated_timestamp_seconds"}


def test_rules_are_well_formed():
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) == 8
    for rule in rules():
        assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smhd]", rule["for"])
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]
        for text in (rule["expr"], *rule["annotations"].values()):
            assert all(text.count(a) == text.count(b) for a, b in ("()", "[]", "{}"))


def test_what_is_told_is_alerted_on():
    asked = " ".join(rule["expr"] for rule in rules())
    for what in (
        'status="error"',
        "0.99",
        "queue_waiting",
        'status="abstained"',
        "cache_requests",
        "index_age",
        "up{",
    ):
        assert what in asked


def test_panels_have_their_place():
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken and place["x"] + place["w"] <= 24
        taken |= cells


def test_files_name_each_other():
    prometheus = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    assert all((DEPLOY / name).is_file() for name in prometheus["rule_files"])
    [job] = prometheus["scrape_configs"]
    assert job["metrics_path"] == "/metrics" and f'job="{job["job_name"]}"' in rules()[0]["expr"]
    provisioning = DEPLOY / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text(encoding="utf-8"))
    [source] = sources["datasources"]
    used = re.findall(r'"uid": "([^"]+)"', json.dumps(dashboard()))
    assert set(used) == {source["uid"], dashboard()["uid"]}
    boards = yaml.safe_load((provisioning / "dashboards" / "liquid_ai.yml").read_text(encoding="utf-8"))
    assert Path(boards["providers"][0]["options"]["path"]).name == "dashboards"


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
@pytest.mark.parametrize("check", [("rules", "alerts.yml"), ("config", "prometheus.yml")])
def test_promtool_accepts_them(check):
    run = ["promtool", "check", check[0], str(DEPLOY / check[1])]
    done = subprocess.run(run, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_accepts_the_page():
    monitor = Monitor(1.0, 1.0)
    monitor.observe(Event("ask", "ok", {"total": 1.0}, Usage(1, 1), "exact", confidence=0.5))
    done = subprocess.run(["promtool", "check", "metrics"], input=monitor.text(), capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
