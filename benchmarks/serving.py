"""What the server adds to a bare route, over loopback from a second process; variants interleaved."""

import itertools
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from .report import ROOT, Figure, MissingData, bootstrap

ROUNDS, SECONDS = 12, 2  # of each variant
SCRIPT = """
local key, fresh, n = os.getenv("KEY"), os.getenv("FRESH"), 0  -- fresh: a name that no other run has
wrk.method, wrk.headers["Content-Type"] = "POST", "application/json"
wrk.headers["Authorization"] = "Bearer " .. key
wrk.body = '{"question":"What does the heron eat?"}'
function request()
  if fresh then
    n = n + 1
    return wrk.format(nil, nil, nil, '{"question":"What does heron ' .. fresh .. n .. ' eat?"}')
  end
  return wrk.format()
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('FOUND {"p50": %.1f, "p99": %.1f, "requests": %d, "us": %d, "failed": %d}\\n',
    latency:percentile(50), latency:percentile(99), summary.requests, summary.duration,
    e.status + e.connect + e.read + e.write + e.timeout))
end
"""
SERVERS = ("starlette", "fastapi", "stacked", "layers", "whole", "crowded")
VARIANTS = {  # server, whether each question is a new one
    "bare Starlette": ("starlette", False),
    "bare FastAPI": ("fastapi", False),
    "BaseHTTPMiddleware": ("stacked", False),
    "miss, five layers": ("layers", True),
    "miss": ("whole", True),
    "hit": ("whole", False),
    "hit, crowded": ("crowded", False),
    "miss, crowded": ("crowded", True),
}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def server(name: str, folder: Path) -> Iterator[tuple[int, str]]:  # port, key
    "A server of `serving_apps`, ready."
    port, key = free_port(), folder / f"{name}.key"
    command = [sys.executable, "-m", "benchmarks.serving_apps", name, str(port), str(key)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        for _ in range(1_200):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                raise RuntimeError(f"the server {name} did not start")
            time.sleep(0.05)
        yield port, key.read_text() if key.exists() else "none"
    finally:
        process.terminate()
        process.wait()


def load(port: int, key: str, fresh: bool, script: Path) -> dict[str, float]:
    "One connection at full speed: p50, p99 in µs, requests/s. Raises: `RuntimeError` where one failed."
    command = ["wrk", "-t1", "-c1", f"-d{SECONDS}", "-s", str(script), f"http://127.0.0.1:{port}/ask/simple"]
    environ = {"KEY": key} | ({"FRESH": f"{time.time_ns()}-"} if fresh else {})
    run = subprocess.run(command, capture_output=True, text=True, env=environ, check=True)
    found = json.loads(run.stdout.partition("FOUND ")[2].splitlines()[0])
    if found["failed"]:
        raise RuntimeError(f"{found['failed']} requests failed: {run.stdout}")
    return found | {"rate": found["requests"] / found["us"] * 1e6}


def measure(limit: int) -> dict[str, Figure]:
    "The cost of all layers on a miss and on a hit; rounds in changing order, the first discarded."
    if shutil.which("wrk") is None:
        raise MissingData("wrk is not installed: apt install wrk")
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    order = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        (script := folder / "load.lua").write_text(SCRIPT)
        running = {s: stack.enter_context(server(s, folder)) for s in SERVERS}
        for n in range((limit or ROUNDS) + 1):
            for variant in order.permutation(list(VARIANTS)).tolist():
                which, fresh = VARIANTS[variant]
                found = load(*running[which], fresh, script)
                if n:
                    taken[variant].append(found)
    return figures(taken)


def figures(taken: dict[str, list[dict[str, float]]]) -> dict[str, Figure]:
    "Medians over rounds, and differences within rounds."
    told = {}
    for variant, share in itertools.product(taken, ("p50", "p99")):
        told[f"server, {share}, {variant}"] = _figure([r[share] for r in taken[variant]], "µs")
    pairs = {
        "p50, added on a miss by id, log, auth, limit, cache": (
            "miss, five layers",
            "bare FastAPI",
            "p50",
            "< 60",
        ),
        "p99, added on a miss by id, log, auth, limit, cache": (
            "miss, five layers",
            "bare FastAPI",
            "p99",
            "< 300",
        ),
        "p50, added on a miss with host, origin and body guards": ("miss", "bare FastAPI", "p50", ""),
        "p99, added on a miss with host, origin and body guards": ("miss", "bare FastAPI", "p99", ""),
        "p50, added by BaseHTTPMiddleware": ("BaseHTTPMiddleware", "bare FastAPI", "p50", ""),
        "p99, added by BaseHTTPMiddleware": ("BaseHTTPMiddleware", "bare FastAPI", "p99", ""),
        "p50, hit less bare FastAPI": ("hit", "bare FastAPI", "p50", "< 0"),
        "p50, hit with 100,000 entries and clients, less with few": ("hit, crowded", "hit", "p50", ""),
        "p50, miss with 100,000 entries and clients, less with few": ("miss, crowded", "miss", "p50", ""),
    }
    for name, (a, b, share, target) in pairs.items():
        apart = [x[share] - y[share] for x, y in zip(taken[a], taken[b], strict=True)]
        told[f"server, {name}"] = _figure(apart, "µs", target)
    rates = [x["rate"] / y["rate"] for x, y in zip(taken["hit"], taken["bare Starlette"], strict=True)]
    told["server, requests/s of a hit, of bare Starlette's"] = _figure(rates, "", ">= 0.4")
    return told


def _figure(values: list[float], unit: str, target: str = "") -> Figure:
    interval = bootstrap(np.array(values), np.median)
    how = f"95 % bootstrap over {len(values)} rounds"
    return Figure(
        value=float(np.median(values)), unit=unit, interval=interval, interval_is=how, target=target
    )
