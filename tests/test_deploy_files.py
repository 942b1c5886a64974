"""What deploy/ starts is what there is: settings, commands, mounts, users, networks, two Redis servers."""

import configparser
import fnmatch
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml
from conftest import ROOT, need

from liquid_ai.core import Document, InputError, Settings
from liquid_ai.serving.options import ServerSettings
from liquid_ai.serving.rules import RULES

DEPLOY = ROOT / "deploy"
DOCKERFILES = sorted(DEPLOY.glob("Dockerfile*"))
UNITS = [DEPLOY / "liquid-ai.service", DEPLOY / "liquid-ai-tls.conf"]
VERSION = configparser.ConfigParser()
VERSION.read(ROOT / "settings.ini", encoding="utf-8")
VERSION = VERSION["DEFAULT"]["version"]
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*")
SECRET = re.compile(r"(?i)(password|passwd|secret|token|api_?key|private_?key)")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def example() -> dict[str, str]:
    lines = [line for line in read(DEPLOY / ".env.example").splitlines() if line and line[0] != "#"]
    return dict(line.split("=", 1) for line in lines)


FILLED = {name: value or "0a1b2c" for name, value in example().items()}
FILLED |= {"SERVER_NAMES": "", "PROXIES": ""}
VARIABLE = re.compile(r"\$(\$)|\$\{(\w+)(?::([-?])([^}]*))?\}")


def filled(value, env=FILLED):
    "A value of a compose file with its variables, as Compose puts them in."
    if isinstance(value, dict):
        return {k: filled(v, env) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, env) for v in value]
    if not isinstance(value, str):
        return value

    def put(m: re.Match) -> str:
        if m[1]:
            return "$"
        found = env.get(m[2], "")
        if not found and m[3] == "?":
            raise KeyError(m[2])
        return found or (m[4] if m[3] == "-" else "")

    return VARIABLE.sub(put, value)


RAW = yaml.safe_load(read(DEPLOY / "compose.yml"))
COMPOSE = filled(RAW)
SERVICES = COMPOSE["services"]
STARTED = {name: s for name, s in SERVICES.items() if "profiles" not in s}


def parsed(words: list[str]) -> None:
    "Raises where `liquid-ai` would not understand its arguments; runs nothing."
    from liquid_ai.cli.app import app

    command, context = typer.main.get_command(app), None
    while hasattr(command, "resolve_command"):
        context = command.make_context("liquid-ai", list(words), parent=context, resilient_parsing=True)
        _, command, words = command.resolve_command(context, words)
    command.make_context("liquid-ai", list(words), parent=context)


# Variables


def test_every_variable_is_in_the_example_and_used():
    used = {m[2] for path in DEPLOY.glob("compose*.yml") for m in VARIABLE.finditer(read(path)) if m[2]}
    assert used == set(example())
    assert {name for name, value in example().items() if SECRET.search(name) and value} == set()


@pytest.mark.parametrize("name", [n for n in example() if SECRET.search(n)])
def test_nothing_starts_without_its_secret(name):
    with pytest.raises(KeyError, match=name):
        filled(RAW, FILLED | {name: ""})


def dockerfile(text: str) -> list[tuple[str, str]]:
    "Instructions with their arguments."
    joined = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text))
    return [tuple((line.strip().split(None, 1) + [""])[:2]) for line in joined.splitlines() if line.strip()]


def unit(path: Path) -> list[tuple[str, str]]:
    lines = [line.strip() for line in read(path).splitlines()]
    return [tuple(line.split("=", 1)) for line in lines if "=" in line and line[0] not in "#;["]


def environments() -> dict[str, dict[str, str]]:
    "By file: what it sets."
    found = {}
    for path in DOCKERFILES:
        words = [w for name, rest in dockerfile(read(path)) if name == "ENV" for w in shlex.split(rest)]
        found[path.name] = dict(w.split("=", 1) for w in words)
    for path in UNITS:
        words = [w for name, rest in unit(path) if name == "Environment" for w in shlex.split(rest)]
        found[path.name] = dict(w.split("=", 1) for w in words)
    for path in DEPLOY.glob("compose*.yml"):
        for name, service in filled(yaml.safe_load(read(path)))["services"].items():
            found[f"{path.name} {name}"] = service.get("environment", {})
    readme = re.findall(r"\b(LIQUID_AI_\w+)=([^\s`…]+)", read(DEPLOY / "README.md"))
    return found | {"README.md": dict(readme)}


@pytest.mark.parametrize("where", environments())
def test_every_setting_is_one_that_the_program_has(where):
    set_here = environments()[where]
    assert all(isinstance(value, str) for value in set_here.values()), "YAML would make another text of it"
    Settings.load(set_here)
    ServerSettings.load(set_here)
    assert where != "compose.yml server" or len(set_here) > 12
    for name in set_here:
        with pytest.raises(InputError):  # what would go unnoticed here is found
            for kind in (Settings, ServerSettings):
                kind.load({f"{name}X": "1"} if name.startswith("LIQUID_AI_") else {"LIQUID_AI_X": "1"})


def test_readme_names_only_settings_that_there_are():
    known = {f"{kind.PREFIX}{f.upper()}" for kind in (Settings, ServerSettings) for f in fields_of(kind)}
    known |= {
        f"LIQUID_AI_{name}" for name in ("CACHE", "AUDIT_SECRET", "CACHE_SECRET", "TOKEN_KEY", "API_KEY")
    }
    for path in (DEPLOY / "README.md", *UNITS, DEPLOY / "compose.yml", DEPLOY / ".env.example"):
        named = set(re.findall(r"\bLIQUID_AI_[A-Z_]+", read(path)))
        assert named <= known, path.name


def fields_of(kind: type) -> list[str]:
    import dataclasses

    return [f.name for f in dataclasses.fields(kind)]


def in_server() -> dict[str, str]:
    "What the server of compose.yml finds in its environment."
    return environments()["Dockerfile"] | SERVICES["server"]["environment"]


def test_settings_fit_each_other():
    set_here = in_server()
    options, settings = ServerSettings.load(set_here), Settings.load(set_here)
    limits = SERVICES["server"]["deploy"]["resources"]["limits"]
    assert options.workers * settings.threads <= float(limits["cpus"])
    assert options.workers * 0.9 + 1 <= float(limits["memory"].removesuffix("g"))
    grace = float(SERVICES["server"]["stop_grace_period"].removesuffix("s"))
    assert grace >= options.drain_seconds + 10
    for url, service in ((settings.limit_storage, "limits"), (settings.answer_cache, "answers")):
        assert re.fullmatch(rf"redis://:{FILLED['REDIS_PASSWORD']}@{service}:6379/0", url)
    assert options.keys and not options.insecure and set_here["LIQUID_AI_CACHE_SECRET"]


# Compose


def sources(service: dict) -> Iterator[tuple[str, str]]:
    for mount in service.get("volumes", ()):
        source, target, *_ = mount.split(":")
        yield source, target


def test_every_mount_is_there():
    volumes, own = set(), read(DEPLOY / ".gitignore").split()
    files = {source for s in SERVICES.values() for source, _ in sources(s) if source[0] in "./"}
    files |= {secret["file"] for secret in COMPOSE["secrets"].values()}
    for name in files:
        mine = any(name.removeprefix("./").startswith(i.rstrip("/")) for i in own)  # of who runs it
        assert (DEPLOY / name).exists() or (
            mine and name.removeprefix("./") in read(DEPLOY / "README.md") + read(DEPLOY / ".env.example")
        )
    for service in SERVICES.values():
        volumes |= {source for source, _ in sources(service) if source[0] not in "./"}
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
    assert volumes == set(COMPOSE["volumes"])
    assert {".env", "secrets/"} <= set(own)


def test_images_are_pinned():
    for name, service in SERVICES.items():
        assert PINNED.fullmatch(service["image"]) and "latest" not in service["image"], name
        if "build" in service:
            assert service["image"].endswith(f":{VERSION}"), "TAG is the version of settings.ini"
            build = service["build"]
            text = read(DEPLOY / build["context"] / build["dockerfile"])
            assert re.search(rf"(?m)^FROM .* AS {build['target']}$", text)
    assert not PINNED.fullmatch("redis:8") and not PINNED.fullmatch("redis:latest")


def test_who_can_reach_whom():
    published = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}
    assert set(published) == {"server", "grafana"}
    for ports in published.values():
        assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)
    assert COMPOSE["networks"]["back"]["internal"] is True
    assert {name for name, s in STARTED.items() if "front" in s["networks"]} == set(published)
    assert all("back" in s["networks"] for s in STARTED.values())
    tools = set(SERVICES) - set(STARTED)
    assert tools == {"keys", "ingest"} and all(SERVICES[t]["network_mode"] == "none" for t in tools)


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_bounded(name):
    s = SERVICES[name]
    assert s["cap_drop"] == ["ALL"] and s["security_opt"] == ["no-new-privileges:true"]
    assert not s.get("privileged") and "cap_add" not in s
    assert s["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert s.get("read_only") or name == "grafana"
    assert name not in STARTED or (s["restart"] == "unless-stopped" and s["logging"]["options"]["max-size"])
    owned = s.get("user", "0:0") if "build" not in s else "by the image"
    assert not owned.startswith("0:"), "root"


def test_grafana_asks_who_comes_and_calls_nobody():
    env = SERVICES["grafana"]["environment"]
    assert env["GF_AUTH_ANONYMOUS_ENABLED"] == env["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert env["GF_ANALYTICS_REPORTING_ENABLED"] == env["GF_ANALYTICS_CHECK_FOR_UPDATES"] == "false"
    boards = yaml.safe_load(read(DEPLOY / "grafana/provisioning/dashboards/liquid_ai.yml"))
    assert boards["providers"][0]["options"]["path"] in {target for _, target in sources(SERVICES["grafana"])}
    [source] = yaml.safe_load(read(DEPLOY / "grafana/provisioning/datasources/prometheus.yml"))["datasources"]
    assert source["url"] == "http://prometheus:9090" and "prometheus" in SERVICES


def test_prometheus_reads_the_same_as_without_containers():
    plain, contained = (yaml.safe_load(read(DEPLOY / f"prometheus{x}.yml")) for x in ("", ".compose"))
    [job] = contained["scrape_configs"]
    secret = job.pop("authorization")["credentials_file"]
    assert secret == "/run/secrets/" + SERVICES["prometheus"]["secrets"][0]
    [target] = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in SERVICES["server"]["environment"]["LIQUID_AI_SERVE_HOSTS"].split(",")
    assert ("EXPOSE", port) in dockerfile(read(DOCKERFILES[0])) and host in SERVICES
    job["static_configs"] = plain["scrape_configs"][0]["static_configs"]
    assert contained == plain
    mounted = dict(map(reversed, sources(SERVICES["prometheus"])))
    assert mounted["/etc/prometheus/alerts.yml"] == "./alerts.yml"
    config = SERVICES["prometheus"]["command"][0].removeprefix("--config.file=")
    assert mounted[config] == "./prometheus.compose.yml"


@pytest.mark.parametrize("path", [DEPLOY / "compose.yml", DEPLOY / "compose.gpu.yml"], ids=lambda p: p.name)
def test_no_secret_is_written_down(path):
    for name, service in yaml.safe_load(read(path))["services"].items():
        for key, value in service.get("environment", {}).items():
            if SECRET.search(key) or re.search(r"://[^/@]*:[^/@]*@", value):
                assert VARIABLE.search(value), f"{name} {key}"


def test_the_gpu_file_only_changes_what_is_there():
    more = yaml.safe_load(read(DEPLOY / "compose.gpu.yml"))
    assert set(more["services"]) == {
        name for name, s in SERVICES.items() if s["image"].startswith("liquid_ai:")
    }
    assert set(more["volumes"]) <= set(COMPOSE["volumes"])
    assert all(s["build"]["dockerfile"] == "deploy/Dockerfile.gpu" for s in more["services"].values())


def test_mlflow_knows_its_options():
    from mlflow.cli import server

    words = SERVICES["mlflow"]["command"]
    known = {option for p in server.params for option in (*p.opts, *p.secondary_opts)}
    assert words[:2] == ["mlflow", "server"] and {w.split("=")[0] for w in words[2:]} <= known
    traced = SERVICES["server"]["environment"]["LIQUID_AI_SERVE_TRACE_MLFLOW"].removeprefix("http://")
    [hosts] = [w.split("=")[1].split(",") for w in words if w.startswith("--allowed-hosts")]
    assert traced in hosts  # else MLflow refuses it as a forged name


# Images


def ignored(name: str, text: str) -> bool:
    "Whether .dockerignore keeps a path out. Patterns here are a name at the top, or `**/` and a name."
    kept_out, parts = False, Path(name).parts
    for line in text.splitlines():
        pattern = line.strip().removeprefix("!")
        if pattern and pattern[0] != "#":
            assert "/" not in pattern.removeprefix("**/")
            looked_at = parts if pattern.startswith("**/") else parts[:1]
            if any(fnmatch.fnmatchcase(part, pattern.removeprefix("**/")) for part in looked_at):
                kept_out = not line.startswith("!")
    return kept_out


def test_what_goes_into_an_image():
    text = read(ROOT / ".dockerignore")
    out = [
        ".git/config",
        ".venv/bin/python",
        "store/store.db",
        "deploy/.env",
        "deploy/secrets/prometheus.key",
    ]
    out += ["nbs/core.ipynb", "benchmarks/results/x.json", "tests/data/x", "mlruns/0", ".env", "keys.json"]
    out += ["liquid_ai/__pycache__/core.pyc", "liquid_ai/serving/.ipynb_checkpoints/a.py", "liquid_ai/a.pyc"]
    assert [name for name in out if not ignored(name, text)] == []
    for path in DOCKERFILES:
        for name in copied(read(path)):
            assert (ROOT / name).exists() and not ignored(name, text), f"{path.name} copies {name}"
    assert not ignored("liquid_ai/data/lexicon.json.gz", text)
    assert not ignored(".git/config", "*.md")


def copied(text: str) -> list[str]:
    words = [rest.split() for name, rest in dockerfile(text) if name == "COPY" and "--from" not in rest]
    return [source for w in words for source in w[:-1] if not source.startswith("--")]


def image_faults(text: str) -> list[str]:
    "What in a Dockerfile breaks the rules."
    steps = dockerfile(text)
    stages = [rest.split()[-1] for name, rest in steps if name == "FROM"]
    last = steps[max(i for i, (name, _) in enumerate(steps) if name == "FROM") :]
    users = [rest for name, rest in last if name == "USER"]
    bases = [rest.split()[0] for name, rest in steps if name == "FROM"]
    env = [w for name, rest in steps if name in ("ENV", "ARG") for w in shlex.split(rest)]
    fetched = [rest for name, rest in steps if name == "RUN" and "apt-get install" in rest]
    rules = {
        "runs as root": users and re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]),
        "ADD, where COPY fetches nothing": not any(name == "ADD" for name, _ in steps),
        "a base is not pinned": all(base in stages or PINNED.fullmatch(base) for base in bases),
        "a secret is built in": not any(SECRET.search(w.split("=")[0]) for w in env),
        "a pipe to a shell": not re.search(r"(curl|wget)[^\n]*\|\s*(ba)?sh", text),
        "pip without constraints": not re.search(r"pip install (?!--constraint|--no-deps|'[\w-]+==)", text),
        "lists of apt are kept": all("rm -rf /var/lib/apt/lists/*" in rest for rest in fetched),
        "apt brings what is only recommended": all("--no-install-recommends" in rest for rest in fetched),
        "no health check": any(name == "HEALTHCHECK" for name, _ in last),
        "no port": ("EXPOSE", "8000") in last,
        "fewer than three stages": len(stages) >= 3,
    }  # fmt: skip
    return [fault for fault, kept in rules.items() if not kept]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda p: p.name)
def test_dockerfiles_keep_the_rules(path):
    assert image_faults(read(path)) == []


PLANTED = {
    "runs as root": ("USER 10001:10001\nWORKDIR /var/lib/liquid_ai", "WORKDIR /var/lib/liquid_ai"),
    "ADD, where COPY fetches nothing": ("COPY liquid_ai", "ADD https://example.org/a.tgz"),
    "a base is not pinned": ("-slim-bookworm AS base", "-slim-bookworm AS base\nFROM python:3 AS other"),
    "a secret is built in": ("ARG MODEL=packaged", "ARG HUB_TOKEN=x"),
    "a pipe to a shell": ("WORKDIR /src", "RUN curl https://example.org/x | sh"),
    "pip without constraints": ("--constraint constraints.txt --extra", "--extra"),
    "no health check": ("HEALTHCHECK", "LABEL a"),
    "no port": ("EXPOSE 8000", "EXPOSE 80"),
    "lists of apt are kept": ("WORKDIR /src", "RUN apt-get install --no-install-recommends git"),
    "apt brings what is only recommended": (
        "WORKDIR /src",
        "RUN apt-get install git && rm -rf /var/lib/apt/lists/*",
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_found(fault):
    text = read(DEPLOY / "Dockerfile")
    old, new = PLANTED[fault]
    assert old in text and image_faults(text.replace(old, new)) == [fault]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda p: p.name)
def test_images_start_the_server(path):
    last = dict(dockerfile(read(path)))  # the last of each kind
    words = json.loads(last["ENTRYPOINT"]) + json.loads(last["CMD"])
    assert words[:2] == ["liquid-ai", "serve"]
    parsed(words[1:])
    parsed(SERVICES["ingest"]["command"])
    parsed([*SERVICES["keys"]["entrypoint"][1:], *SERVICES["keys"]["command"]])
    pulled = re.findall(r"liquid-ai (models pull|ingest) ([^&\n]+)", read(path))
    assert [how for how, _ in pulled] == ["models pull", "ingest"]
    for how, rest in pulled:
        parsed([*how.split(), *shlex.split(rest)])
    asked = re.search(r"'GET', '([^']+)'", last["HEALTHCHECK"])[1]
    assert RULES["GET", asked].scope == ""  # it has no key


def test_arguments_that_do_not_exist_are_found():
    with pytest.raises(Exception, match="--stor"):
        parsed(["serve", "--stor", "x"])


def test_readme_commands_are_understood():
    blocks = re.findall(r"```sh\n(.*?)```", read(DEPLOY / "README.md"), re.S)
    text = re.sub(r"\s#.*", "", "\n".join(blocks))
    called = re.findall(r"bin/liquid-ai ([^\n&|>]+)", text)
    called += [f"keys {rest}" for rest in re.findall(r"compose run --rm (?:-T )?keys ([^\n&|>]+)", text)]
    assert len(called) == 5
    for words in called:
        parsed(shlex.split(words))
    assert set(re.findall(r"compose run --rm (?:-T )?(\w+)", text)) == set(SERVICES) - set(STARTED)
    for name in re.findall(r"`([\w./-]+\.(?:yml|conf|service|gpu))`", read(DEPLOY / "README.md")):
        assert (DEPLOY / name).exists() or name == "compose.override.yml", name


# systemd


def test_the_unit_says_what_it_should():
    found = unit(UNITS[0])
    said = dict(found)
    start = shlex.split(said["ExecStart"])
    parsed(start[1:])
    options = ServerSettings.load(environments()["liquid-ai.service"])
    assert float(said["TimeoutStopSec"]) >= options.drain_seconds + 10
    assert said["ProtectSystem"] == "strict" and said["NoNewPrivileges"] == "yes"
    assert said["KillSignal"] == "SIGTERM" and said["Restart"] == "on-failure" and said["MemoryMax"]
    assert said["User"] not in ("", "root") and said["CapabilityBoundingSet"] == ""
    written = [options.audit, start[start.index("--store") + 1]]
    assert all(Path(p).is_relative_to(f"/var/lib/{said['StateDirectory']}") for p in written)
    assert not Path(options.keys).is_relative_to("/var"), "what it can write it can forge"
    sections = re.findall(r"(?m)^\[(\w+)\]$", read(UNITS[0]))
    assert sections == ["Unit", "Service", "Install"]
    more = unit(UNITS[1])
    loaded = {value.split(":")[0] for name, value in more if name == "LoadCredential"}
    assert set(re.findall(r"%d/(\w+)", read(UNITS[1]))) == loaded == {"certificate", "private_key"}


def verified(tmp_path: Path, text: str) -> subprocess.CompletedProcess:
    path = tmp_path / "liquid-ai.service"
    path.write_text(text.replace("/opt/liquid_ai/bin/liquid-ai", sys.executable), encoding="utf-8")
    drop_in = tmp_path / "liquid-ai.service.d"
    drop_in.mkdir(exist_ok=True)
    shutil.copy(UNITS[1], drop_in / "tls.conf")
    run = ["systemd-analyze", "verify", "--man=no", str(path)]
    return subprocess.run(run, capture_output=True, text=True, env=dict(os.environ))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path):
    done = verified(tmp_path, read(UNITS[0]))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    wrong = verified(tmp_path, read(UNITS[0]).replace("ProtectSystem=strict", "ProtectSystm=strict"))
    assert "ProtectSystm" in wrong.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_unit_exposes_little():
    run = ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", str(UNITS[0])]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-200:]  # 2.5 of 10


# Two Redis servers, started as compose starts them


class Contained:
    "A Redis server of compose.yml on a port of this machine."

    def __init__(self, name: str, port: int, **changes: str):
        service = SERVICES[name]
        env = {k: v for k, v in os.environ.items() if k == "PATH"} | service["environment"] | changes
        *shell, script = service["command"]
        words = script.replace("redis-server - ", f"redis-server - --bind 127.0.0.1 --port {port} ")
        self.url = f"redis://:{FILLED['REDIS_PASSWORD']}@127.0.0.1:{port}/0"
        self.process = subprocess.Popen([*shell, words], env=env, stdout=subprocess.DEVNULL)
        self.client = __import__("redis").Redis.from_url(self.url)
        for _ in range(200):
            try:
                if self.client.ping():
                    return
            except Exception:
                time.sleep(0.05)
        self.close()
        raise RuntimeError(f"the command of {name} starts no server")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def redis_of(tmp_path, monkeypatch):
    need("redis-server")
    monkeypatch.chdir(tmp_path)
    started = []

    def start(name: str, **changes: str) -> Contained:
        started.append(Contained(name, free_port(), **changes))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.mark.parametrize("name", ["limits", "answers"])
def test_redis_asks_for_the_password_and_keeps_nothing_on_disk(redis_of, tmp_path, name):
    import redis

    server = redis_of(name)
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(re.sub(":[^:@]+@", "", server.url)).ping()
    told = server.client.config_get()
    bytes_ = int(SERVICES[name]["environment"]["MAXMEMORY"].removesuffix("mb")) << 20
    assert int(told["maxmemory"]) == bytes_ and told["save"] == "" and told["appendonly"] == "no"
    assert told["maxmemory-policy"] == SERVICES[name]["environment"]["POLICY"]
    limit = SERVICES[name]["deploy"]["resources"]["limits"]["memory"].removesuffix("m")
    assert bytes_ <= int(limit) << 19, "half of its memory is for copies and buffers"
    seen = Path(f"/proc/{server.process.pid}/cmdline")
    assert not seen.exists() or FILLED["REDIS_PASSWORD"] not in seen.read_text()
    server.close()
    assert list(tmp_path.iterdir()) == []


def test_full_limits_refuse_and_forget_nobody(redis_of):
    from liquid_ai.generation.quota import LimitDown, Rates
    from liquid_ai.generation.redis_quota import RedisQuota

    server = redis_of("limits", MAXMEMORY="3mb")
    quota = RedisQuota(Rates(3, 60.0), server.url)
    try:
        admitted = 0
        with pytest.raises(LimitDown):
            for n in range(50_000):
                quota.admit(f"client {n}")
                admitted += 1
        assert admitted > 1_000
        time.sleep(1.1)  # it is tried again after a second
        assert {quota.read(f"client {n}").remaining for n in range(0, admitted, 50)} == {2}
        assert server.client.info("stats")["evicted_keys"] == 0
    finally:
        quota.close()


def about(n: int):
    "An answer to keep, that was read from one of twenty documents."
    from liquid_ai.core import Answer, Citation
    from liquid_ai.generation.cache_entry import Entry

    cited = Citation(1, "chunk", f"document {n % 20}", 0, 5, "words", "a.md", "a")
    return Entry(f"{n:064x}", time.time(), Answer("q", f"{n} " * 500, citations=(cited,)))


def test_full_answers_make_room_and_forget_finds_every_one(redis_of):
    from liquid_ai.generation.cache_redis import RedisStore

    server = redis_of("answers", MAXMEMORY="4mb")
    store = RedisStore(server.url)
    try:
        stored = 0
        for n in range(2_000):
            entry = about(n)
            stored += store.set(entry)
        assert stored == 2_000 and store.get(entry.key) is not None
        assert server.client.info("stats")["evicted_keys"] > 500
        left = store.stats()["entries"]
        assert 100 < left < 1_500
        found = sum(store.forget(f"document {d}") for d in range(20))
        assert 0.9 * left < found <= left  # to answer, the server lets go of some more
        assert store.stats()["entries"] == 0
    finally:
        store.close()


# The server, on both, with the settings of compose.yml


class Served:
    "The server of compose.yml in a folder of this machine."

    def __init__(self, home: Path, limits: str, answers: str):
        self.port, self.home = free_port(), home
        moved = {"/var/lib/liquid_ai": str(home / "state"), "/etc/liquid_ai": str(home / "keys")}
        here = ("LIQUID_AI_CACHE", "LIQUID_AI_SERVE_TRACE_MLFLOW")  # models of this machine, and no MLflow
        env = {k: _moved(v, moved) for k, v in in_server().items() if k[:9] == "LIQUID_AI" and k not in here}
        env |= {"LIQUID_AI_LIMIT_STORAGE": limits, "LIQUID_AI_ANSWER_CACHE": answers}
        env |= {"LIQUID_AI_SERVE_WORKERS": "2", "LIQUID_AI_SERVE_PORT": str(self.port)}
        env |= {"LIQUID_AI_SERVE_FOLDERS": str(home / "documents"), "LIQUID_AI_GENERATOR": "packaged"}
        self.env = dict(os.environ) | env | {"PYTHONPATH": str(ROOT)}
        self.log = (home / "log").open("w+")
        words = json.loads(dict(dockerfile(read(DEPLOY / "Dockerfile")))["CMD"])
        self.process = self.start(*(_moved(w, moved) for w in words), stdout=self.log, stderr=self.log)

    def start(self, *words: str, **streams) -> subprocess.Popen:
        run = [sys.executable, "-c", "from liquid_ai.cli import main; raise SystemExit(main())", *words]
        return subprocess.Popen(run, env=self.env, cwd=self.home, **streams)

    def ask(self, method: str, path: str, body=None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {k.replace("_", "-"): v for k, v in headers.items()} | {"content-type": "application/json"}
        c.request(method, path, None if body is None else json.dumps(body), headers)
        found = c.getresponse()
        return found.status, {k.lower(): v for k, v in found.getheaders()}, found.read()


def _moved(text: str, places: dict[str, str]) -> str:
    for old, new in places.items():
        text = text.replace(old, new)
    return text


@pytest.fixture
def served(redis_of, tmp_path):
    from liquid_ai.pipeline import RAG
    from liquid_ai.serving.keys import add_key, new_key

    with RAG.open(tmp_path / "state" / "store", generator="packaged") as rag:
        rag.ingest(Document.of("Herons eat fish and frogs.", "heron.txt"), progress=False)
    keys = {}
    for name in ("ask", "admin"):
        keys[name], kept = new_key(name, scopes=(name,))
        add_key(tmp_path / "keys" / "keys.json", kept)
    server = Served(tmp_path, redis_of("limits").url, redis_of("answers").url)
    server.keys = keys
    try:
        for _ in range(600):
            try:
                if server.ask("GET", "/health/ready")[0] == 200:
                    break
            except OSError:
                assert server.process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.1)
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.log.close()


@pytest.mark.slow
def test_the_server_of_compose_serves(served):
    check = json.loads(dict(dockerfile(read(DEPLOY / "Dockerfile")))["HEALTHCHECK"].split("CMD ", 1)[1])
    healthy = [sys.executable, *check[1:-1], check[-1].replace("8000", str(served.port))]
    assert subprocess.run(healthy).returncode == 0
    asks, watches = ({"authorization": f"Bearer {served.keys[name]}"} for name in ("ask", "admin"))
    question = {"question": "What do herons eat?"}
    assert served.ask("POST", "/ask", question)[0] == 401
    left, found = [], []
    for _ in range(8):
        status, headers, body = served.ask("POST", "/ask", question, **asks)
        assert status == 200 and "fish and frogs" in json.loads(body)["answer"]
        left.append(int(headers["x-ratelimit-remaining"]))
        found.append(headers["x-cache"])
    assert left == list(range(99, 91, -1)), "two workers count together"
    assert found == ["MISS", *["HIT"] * 7], "and share their answers"
    target = yaml.safe_load(read(DEPLOY / "prometheus.compose.yml"))["scrape_configs"][0]["static_configs"]
    host = {"host": target[0]["targets"][0]}
    assert served.ask("GET", "/metrics", **asks, **host)[0] == 403
    status, _, page = served.ask("GET", "/metrics", **watches, **host)
    assert status == 200 and b"liquid_ai_requests_total" in page
    assert served.ask("GET", "/health", host="answers.example.org")[0] == 400
    assert subprocess.run(healthy[:-1] + [healthy[-1].replace("/health/live", "/ask")]).returncode == 1
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(float(SERVICES["server"]["stop_grace_period"].removesuffix("s"))) == 0
