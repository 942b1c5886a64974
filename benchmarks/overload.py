"""Twice as many questions as can be answered: what is refused, what is answered, what it costs."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil

from liquid_ai.ingestion.quickstart import questions
from liquid_ai.pipeline import quickstart

from .report import ROOT, Figure, bootstrap
from .serving import free_port

MINUTES, WARM_UP, CALIBRATION = 10, 60, 30  # seconds the latter two
FRESH = {"Cache-Control": "no-store"}  # each question is answered anew


@dataclass(slots=True)
class Seen:
    "What came back, and what the server took."

    statuses: list[int] = field(default_factory=list)
    without_retry: int = 0  # refusals that do not say when to come again
    incomplete: int = 0  # accepted, and no whole answer
    took: list[float] = field(default_factory=list)  # seconds, of answers
    looks: list[float] = field(default_factory=list)  # milliseconds, of `/status`
    memory: list[tuple[float, float]] = field(
        default_factory=list
    )  # when (seconds), resident bytes, model too


@contextlib.contextmanager
def running(folder: Path):
    "A server over the quickstart corpus, with the packaged model; its process and address."
    quickstart(folder / "store", progress=False).close()
    port, env = free_port(), dict(os.environ)
    env |= {"LIQUID_AI_LIMIT_REQUESTS": "1000000", "LIQUID_AI_GENERATOR": "packaged"}
    env |= {"LIQUID_AI_SERVE_LOG": str(folder / "requests.jsonl"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "from liquid_ai.cli import main; raise SystemExit(main())", "serve"]
    command += ["--store", str(folder / "store"), "--port", str(port)]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{address}/health/ready").status_code == 200:
                    break
            time.sleep(0.1)
        yield psutil.Process(process.pid), address
    finally:
        process.terminate()
        process.wait(timeout=90)


async def ask(client: httpx.AsyncClient, question: str, seen: Seen) -> None:
    "One question, and what became of it."
    start = time.perf_counter()
    response = await client.post("/ask/simple", json={"question": question}, headers=FRESH)
    seen.statuses.append(response.status_code)
    if response.status_code == 200:
        seen.took.append(time.perf_counter() - start)
        seen.incomplete += not (response.json()["answer"] and response.json()["trace_id"])
    else:
        seen.without_retry += "retry-after" not in response.headers


async def capacity(client: httpx.AsyncClient, asked: list[str], seconds: float) -> float:  # answers/s
    "What the server answers when it is never without a question, and never with a queue."
    end, done = time.perf_counter() + seconds, 0

    async def one(n: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await ask(client, asked[n % len(asked)], Seen())
            done, n = done + 1, n + 2

    await asyncio.gather(one(0), one(1))
    return done / seconds


async def watch(client: httpx.AsyncClient, process: psutil.Process, seen: Seen) -> None:
    "The time of `/status` and the memory of the server, over and over."
    while True:
        start = time.perf_counter()
        (await client.get("/status")).raise_for_status()
        seen.looks.append((time.perf_counter() - start) * 1e3)
        resident = sum(p.memory_info().rss for p in [process, *process.children(recursive=True)])
        seen.memory.append((time.perf_counter(), float(resident)))
        await asyncio.sleep(0.05)


async def overload(process: psutil.Process, address: str, minutes: float) -> tuple[float, Seen]:
    "Questions at random moments, twice as many as can be answered."
    asked, seen = [q.question for q in questions("dev")], Seen()
    no_bound = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=300, limits=no_bound) as client:
        await capacity(client, asked, 5)
        rate = await capacity(client, asked, CALIBRATION)
        watching = asyncio.create_task(watch(client, process, seen))
        random, end, tasks, n = np.random.default_rng(0), time.perf_counter() + minutes * 60, [], 0
        while time.perf_counter() < end:
            tasks.append(asyncio.create_task(ask(client, asked[n % len(asked)], seen)))
            n += 1
            await asyncio.sleep(random.exponential(1 / (2 * rate)))
        await asyncio.gather(*tasks)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return rate, seen


def measure(limit: int) -> dict[str, Figure]:
    "Ten minutes, or `limit` of them."
    minutes = limit or MINUTES
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (process, address):
        rate, seen = asyncio.run(overload(process, address, minutes))
    return figures(rate, seen, minutes)


def figures(rate: float, seen: Seen, minutes: float) -> dict[str, Figure]:
    statuses, looks = np.array(seen.statuses), np.array(seen.looks)
    began = seen.memory[0][0] + min(WARM_UP, minutes * 30)
    memory = np.array([m for at, m in seen.memory if at >= began])
    usual = float(np.median(memory))
    p99 = float(np.percentile(looks, 99))
    others = int(np.sum((statuses != 200) & (statuses != 503)))

    def percentile(values, axis=None):
        return np.percentile(values, 99, axis=axis)

    return {
        "overload, capacity": Figure(value=rate, unit="answers/s", note="two questions at a time"),
        "overload, asked": Figure(value=len(statuses), note=f"in {minutes} minutes, at twice the capacity"),
        "overload, answered": Figure(value=int(np.sum(statuses == 200))),
        "overload, refused with 503": Figure(value=int(np.sum(statuses == 503))),
        "overload, other statuses": Figure(value=others, target="< 1"),
        "overload, refusals without Retry-After": Figure(value=seen.without_retry, target="< 1"),
        "overload, accepted and not answered": Figure(value=seen.incomplete, target="< 1"),
        "overload, median time of an answer": Figure(value=float(np.median(seen.took)), unit="s"),
        "overload, memory, highest over median": Figure(
            value=float(memory.max() / usual - 1) * 100, unit="%", target="< 5", note=f"{usual / 1e6:,.0f} MB"
        ),
        "overload, memory, median over lowest": Figure(
            value=float(1 - memory.min() / usual) * 100, unit="%", target="< 5"
        ),
        "overload, p99 of /status": Figure(
            value=p99,
            unit="ms",
            interval=bootstrap(looks, percentile, 500),
            interval_is="95 % bootstrap",
            target="< 50",
            note="while answers are made",
        ),
    }
