"""The manifests are valid by Kubernetes' schemas, and name what the program has: paths, settings, metrics."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from test_deploy import faults, told  # noqa: F401 - a fixture
from test_deploy_files import COMPOSE, PINNED, SECRET, dockerfile, fields_of, parsed, read

from liquid_ai.core import InputError, Settings
from liquid_ai.serving.options import ServerSettings
from liquid_ai.serving.rules import RULES

HOME = ROOT / "deploy" / "kubernetes"
KUSTOM = yaml.safe_load(read(HOME / "kustomization.yaml"))
APART = {"kustomization.yaml", "keda.yaml", "prometheus.yaml", "prometheus-adapter.yaml"}  # of other programs
VERSIONS = ("1.30", "latest")


def documents(name: str) -> list[dict]:
    return [d for d in yaml.safe_load_all(read(HOME / name)) if d]


APPLIED = [d for name in KUSTOM["resources"] for d in documents(name)]


def one(kind: str, name: str) -> dict:
    [found] = [d for d in APPLIED if d["kind"] == kind and d["metadata"]["name"] == name]
    return found


def template(d: dict) -> dict:
    "The pod of a Deployment or CronJob."
    return (d["spec"]["jobTemplate"]["spec"] if d["kind"] == "CronJob" else d["spec"])["template"]


PODS = {d["metadata"]["name"]: template(d) for d in APPLIED if d["kind"] in ("Deployment", "CronJob")}
CONTAINERS = {
    f"{pod} {c['name']}": (PODS[pod]["spec"], c)
    for pod in PODS
    for c in [*PODS[pod]["spec"].get("initContainers", ()), *PODS[pod]["spec"]["containers"]]
}
SERVER = PODS["liquid-ai"]["spec"]
[SERVES] = SERVER["containers"]


def settings_env() -> dict[str, str]:
    lines = [line for line in read(HOME / "settings.env").splitlines() if line and line[0] != "#"]
    return dict(line.split("=", 1) for line in lines)


def environment(container: dict) -> dict[str, str]:
    "What a container of the image finds in its environment; secrets are `0a1b2c`."
    words = [rest for name, rest in dockerfile(read(ROOT / "deploy" / "Dockerfile")) if name == "ENV"]
    found = dict(w.split("=", 1) for rest in words for w in rest.split())
    found |= settings_env() if container.get("envFrom") else {}
    for e in container.get("env", ()):
        value = e.get("value", "0a1b2c" if "secretKeyRef" in str(e) else "10.0.0.7")
        found[e["name"]] = re.sub(r"\$\((\w+)\)", lambda m: found[m[1]], value)
    return found


# By schema


def schema_faults(d: dict, version: str) -> list[str]:
    import kubernetes_validate

    version = kubernetes_validate.latest_version() if version == "latest" else version
    try:
        kubernetes_validate.validate(d, version, strict=True)
    except kubernetes_validate.ValidationError as e:
        return [str(e)]
    return []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("d", APPLIED, ids=lambda d: f"{d['kind']}-{d['metadata']['name']}")
def test_manifests_are_valid(d, version):
    assert schema_faults(d, version) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.template.spec.containers.0.livenessProbe.httpGet.pathh", "/"),
        ("spec.template.spec.containers.0.ports.0.containerPort", "8000"),
        ("spec.template.spec.terminationGracePeriod", 60),
        ("spec.strategy.rollingUpdate.maxSurge", True),
        ("spec.template.spec.volumes.0.persistentVolumeClaim", {"readOnly": True}),
    ],
)
def test_planted_faults_are_found_by_schema(path, value):
    d = json.loads(json.dumps(one("Deployment", "liquid-ai")))
    *way, last = path.split(".")
    at = d
    for step in way:
        at = at[int(step) if step.isdigit() else step]
    at[last] = value
    assert schema_faults(d, "latest")


def test_every_file_is_applied_or_of_another_program():
    assert {p.name for p in HOME.glob("*.yaml")} == {*KUSTOM["resources"], *APART}
    named = {name for c in KUSTOM["configMapGenerator"] for name in (*c.get("envs", ()), *c.get("files", ()))}
    assert named == {p.name for p in HOME.iterdir() if p.suffix in (".env", ".sh")}
    for d in APPLIED:
        assert "namespace" not in d["metadata"]
    for name in [p.name for p in HOME.glob("*.yaml")]:
        assert not re.search(r"(?m)(^|\s)<<:|[:-] [&*]\w", read(HOME / name)), (
            "no anchors: kustomize edits each"
        )


# Names that lead somewhere


def test_what_is_referred_to_is_there():
    made = {c["name"] for c in KUSTOM["configMapGenerator"]}
    claims = {d["metadata"]["name"] for d in APPLIED if d["kind"] == "PersistentVolumeClaim"}
    secrets, used = set(), set()
    for pod in PODS.values():
        spec = pod["spec"]
        for v in spec.get("volumes", ()):
            if "persistentVolumeClaim" in v:
                used.add(v["persistentVolumeClaim"]["claimName"])
            if "configMap" in v:
                assert v["configMap"]["name"] in made
            if "secret" in v:
                secrets.add((v["secret"]["secretName"], "keys.json"))
    for spec, c in CONTAINERS.values():
        volumes = {v["name"] for v in spec["volumes"]}
        assert {m["name"] for m in c.get("volumeMounts", ())} <= volumes
        assert all(f["configMapRef"]["name"] in made for f in c.get("envFrom", ()))
        for e in c.get("env", ()):
            if ref := e.get("valueFrom", {}).get("secretKeyRef"):
                secrets.add((ref["name"], ref["key"]))
    assert used == claims
    readme = read(HOME / "README.md")
    for name, key in secrets:
        made_there = re.search(rf"create secret generic {name} (?:[^\n]|\\\n)*{re.escape(key)}=", readme)
        assert made_there, f"README.md does not say how to make {key} of {name}"


def test_services_and_policies_find_their_pods():
    labels = [pod["metadata"]["labels"] for pod in PODS.values()]

    def chosen(selector: dict) -> list[dict]:
        return [own for own in labels if selector.items() <= own.items()]

    for d in APPLIED:
        spec = d["spec"]
        if d["kind"] == "Service":
            [pod] = chosen(spec["selector"])
            [port] = spec["ports"]
            ports = [
                p
                for t in PODS.values()
                if t["metadata"]["labels"] == pod
                for p in t["spec"]["containers"][0]["ports"]
            ]
            assert port["targetPort"] in [p["name"] for p in ports]
            assert port["port"] in [p["containerPort"] for p in ports]
        if d["kind"] == "Deployment":
            assert chosen(spec["selector"]["matchLabels"]) == [spec["template"]["metadata"]["labels"]]
            for s in spec["template"]["spec"].get("topologySpreadConstraints", ()):
                assert chosen(s["labelSelector"]["matchLabels"]) == [spec["template"]["metadata"]["labels"]]
        if d["kind"] == "PodDisruptionBudget":
            assert chosen(spec["selector"]["matchLabels"]) == [PODS["liquid-ai"]["metadata"]["labels"]]
    policies = [d["spec"] for d in APPLIED if d["kind"] == "NetworkPolicy"]
    for own in labels:
        [policy] = [p for p in policies if p["podSelector"]["matchLabels"].items() <= own.items()]
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        for rule in (*policy.get("egress", ()), *policy.get("ingress", ())):
            for peer in (*rule.get("to", ()), *rule.get("from", ())):
                assert "podSelector" not in peer or chosen(peer["podSelector"]["matchLabels"])
    for name in ("autoscale.yaml", "keda.yaml"):
        [d] = documents(name)
        to = d["spec"]["scaleTargetRef"]
        assert one(to["kind"], to["name"])["apiVersion"] == to["apiVersion"]
        assert "replicas" not in one(to["kind"], to["name"])["spec"], "applying would undo the scaling"


# Who they run as


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_are_bounded(name):
    spec, c = CONTAINERS[name]
    who, own = spec["securityContext"], c["securityContext"]
    assert who["runAsNonRoot"] is True and who["runAsUser"] > 0 and who["runAsGroup"] > 0
    assert who["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert c["resources"]["limits"].keys() >= {"cpu", "memory"} <= c["resources"]["requests"].keys()
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False, "LIQUID_AI_PORT=tcp://… would be taken for a setting"
    assert all("sizeLimit" in v["emptyDir"] for v in spec["volumes"] if "emptyDir" in v)
    assert PINNED.fullmatch(c["image"])


def test_the_variables_of_a_service_would_stop_the_server():
    "Why service links are off."
    made = {"LIQUID_AI_PORT": "tcp://10.0.0.1:8000", "LIQUID_AI_SERVICE_HOST": "10.0.0.1"}
    for name, value in made.items():
        with pytest.raises(InputError):
            Settings.load({name: value})


def test_pods_of_the_image_run_as_its_user():
    users = [rest for name, rest in dockerfile(read(ROOT / "deploy" / "Dockerfile")) if name == "USER"]
    [version] = [i["newTag"] for i in KUSTOM["images"] if i["name"] == "liquid_ai"]
    for spec, c in CONTAINERS.values():
        if c["image"].startswith("liquid_ai:"):
            who = spec["securityContext"]
            assert (
                f"{who['runAsUser']}:{who['runAsGroup']}" == users[-1] and who["fsGroup"] == who["runAsGroup"]
            )
            assert c["image"] == f"liquid_ai:{version}" == COMPOSE["services"]["server"]["image"]
        else:
            assert c["image"] == COMPOSE["services"]["limits"]["image"]
            assert f"{spec['securityContext']['runAsUser']}:999" == COMPOSE["services"]["limits"]["user"]


def test_no_secret_is_written_down():
    for path in HOME.iterdir():
        for line in read(path).splitlines():
            assert not re.search(r"(?i)(password|secret|token)\w*[:=] *['\"]?[0-9a-zA-Z+/]{12,}", line), (
                path.name
            )
    for _, c in CONTAINERS.values():
        for e in c.get("env", ()):
            if SECRET.search(e["name"]) or e["name"] == "REDISCLI_AUTH":
                assert "secretKeyRef" in e["valueFrom"], e["name"]
    assert not any(d["kind"] == "Secret" for d in APPLIED)


# What the program has


OF_IMAGE = [name for name, (_, c) in CONTAINERS.items() if c["image"].startswith("liquid_ai:")]


@pytest.mark.parametrize("name", OF_IMAGE)
def test_every_setting_is_one_that_the_program_has(name):
    env = environment(CONTAINERS[name][1])
    Settings.load(env)
    ServerSettings.load(env)
    known = {f"{kind.PREFIX}{f.upper()}" for kind in (Settings, ServerSettings) for f in fields_of(kind)}
    known |= {"LIQUID_AI_CACHE", "LIQUID_AI_CACHE_SECRET"}
    assert {e for e in env if e.startswith("LIQUID_AI")} <= known


def test_settings_fit_each_other():
    env = environment(SERVES)
    options, settings = ServerSettings.load(env), Settings.load(env)
    requests, limits = SERVES["resources"]["requests"], SERVES["resources"]["limits"]
    assert options.workers * settings.threads == float(requests["cpu"]) == float(limits["cpu"])
    assert options.workers * 2_429e6 <= int(requests["memory"].removesuffix("Mi")) << 20
    stopping = int(SERVES["lifecycle"]["preStop"]["exec"]["command"][1])
    assert SERVER["terminationGracePeriodSeconds"] >= stopping + options.drain_seconds + 10
    for url, name in ((settings.limit_storage, "limits"), (settings.answer_cache, "answers")):
        [port] = one("Service", f"liquid-ai-{name}")["spec"]["ports"]
        assert url == f"redis://:0a1b2c@liquid-ai-{name}:{port['port']}/0"
    hosts = options.hosts.split(",")
    assert one("Service", "liquid-ai")["metadata"]["name"] in hosts and env["POD_IP"] in hosts
    assert options.feedback == "none" and not options.audit, "both are files of one server"
    keys = {m["mountPath"]: m for m in SERVES["volumeMounts"]}[str(Path(options.keys).parent)]
    assert keys["readOnly"] and "subPath" not in keys, "what is mounted by subPath is never renewed"
    assert env["LIQUID_AI_CACHE"] in [m["mountPath"] for m in SERVES["volumeMounts"]]


def test_probes_ask_what_there_is():
    [port] = SERVES["ports"]
    assert ("EXPOSE", str(port["containerPort"])) in dockerfile(read(ROOT / "deploy" / "Dockerfile"))
    assert ServerSettings.load(environment(SERVES)).port == port["containerPort"]
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        get = SERVES[kind]["httpGet"]
        assert get["port"] == port["name"]
        assert RULES["GET", get["path"]].scope == "", "the kubelet has no key"
    assert SERVES["livenessProbe"]["httpGet"]["path"] != SERVES["readinessProbe"]["httpGet"]["path"]
    startup = SERVES["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 120


def test_commands_are_understood():
    for _, c in CONTAINERS.values():
        if c.get("args") and c["image"].startswith("liquid_ai:"):
            parsed(c["args"])
    redis = COMPOSE["services"]["limits"]["command"]
    for name in ("limits", "answers"):
        c = PODS[f"liquid-ai-{name}"]["spec"]["containers"][0]
        assert c["command"] == redis
        env = {e["name"]: e.get("value") for e in c["env"]}
        assert env == {**COMPOSE["services"][name]["environment"], "REDISCLI_AUTH": None}
    store = SERVES["args"][SERVES["args"].index("--store") + 1]
    mounts = {m["mountPath"]: m for m in SERVES["volumeMounts"]}
    assert mounts[str(Path(store).parent)]["readOnly"], "the store is a copy"


def test_readme_says_what_there_is():
    text = read(HOME / "README.md")
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        for words in re.findall(r"(?m)^(?:docker run .* liquid_ai:\S+|.*\bliquid-ai) (keys [^\n|>]+)", block):
            parsed(words.split())
    for name in re.findall(r"`([\w./-]+\.(?:yaml|env|sh))`", text):
        assert (HOME / name).exists(), name
    assert {p.name for p in HOME.iterdir()} - {"README.md"} <= set(re.findall(r"[\w-]+\.\w+", text))


# By how many wait


def test_scaling_asks_for_a_metric_that_there_is(told):  # noqa: F811
    [hpa], [keda] = documents("autoscale.yaml"), documents("keda.yaml")
    [metric] = hpa["spec"]["metrics"]
    [trigger] = keda["spec"]["triggers"]
    [rule] = yaml.safe_load(read(HOME / "prometheus-adapter.yaml"))["rules"]
    name = metric["pods"]["metric"]["name"]
    assert faults([name, trigger["metadata"]["query"]], told) == []
    assert rule["seriesQuery"].startswith(f"{name}{{") and name in trigger["metadata"]["query"]
    assert (
        rule["resources"]["overrides"].keys()
        == {"namespace", "pod"}
        <= set(re.findall(r"\w+", rule["seriesQuery"]))
    )
    for mark in ("<<.Series>>", "<<.LabelMatchers>>", "<<.GroupBy>>"):
        assert mark in rule["metricsQuery"]
    assert trigger["metadata"]["threshold"] == metric["pods"]["target"]["averageValue"]
    spec = keda["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (
        hpa["spec"]["minReplicas"],
        hpa["spec"]["maxReplicas"],
    )
    assert keda["apiVersion"] == "keda.sh/v1alpha1" and trigger["type"] == "prometheus"
    assert hpa["spec"]["minReplicas"] >= 2, "one may be taken away (PodDisruptionBudget)"
    wanted = float(metric["pods"]["target"]["averageValue"])
    assert wanted < Settings.load(environment(SERVES)).limit_queue, "it grows before it refuses"


def test_prometheus_finds_the_pods():
    [job] = yaml.safe_load(read(HOME / "prometheus.yaml"))["scrape_configs"]
    assert RULES["GET", job["metrics_path"]].scope == "admin" and "credentials_file" in job["authorization"]
    keep = [r for r in job["relabel_configs"] if r.get("action") == "keep"]
    labels = PODS["liquid-ai"]["metadata"]["labels"]
    wanted = {f"__meta_kubernetes_pod_label_{re.sub('[^a-zA-Z0-9]', '_', k)}": v for k, v in labels.items()}
    assert dict(zip(keep[0]["source_labels"], keep[0]["regex"].split(";"), strict=True)) == wanted
    assert keep[1]["regex"] == SERVES["ports"][0]["name"]
    assert {r["target_label"] for r in job["relabel_configs"] if "target_label" in r} == {"namespace", "pod"}


# A copy is published


def publish(folder: Path) -> None:
    "Runs the script of the job, with the paths of this machine."
    program = folder / "bin" / "liquid-ai"
    program.parent.mkdir(exist_ok=True)
    run = "from liquid_ai.cli import main; raise SystemExit(main())"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{run}' \"$@\"\n")
    program.chmod(0o755)
    text = read(HOME / "publish.sh").replace("/published", str(folder / "published"))
    text = text.replace("/state", str(folder / "state"))
    env = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", text], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("sh") or sys.platform != "linux", reason="a script of the image")
def test_a_copy_is_published_and_the_last_three_stay(tmp_path):
    from liquid_ai.indexing.store import Store

    Store(tmp_path / "state" / "store").close()
    (tmp_path / "published").mkdir()
    made = []
    for _ in range(4):
        publish(tmp_path)
        made.append((tmp_path / "published" / "current").resolve())
        time.sleep(1.1)  # its name has seconds
    assert len(set(made)) == 4 and [p.exists() for p in made] == [False, True, True, True]
    found = Store(tmp_path / "published" / "current", create=False)
    assert found.generation == 0
    found.close()
    assert sorted(p.name for p in (tmp_path / "published").iterdir()) == sorted(
        ["current", *(p.name for p in made[1:])]
    )
