"""What an exact hit of the answer cache costs, from the question to the answer; stores interleaved."""

import itertools
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from liquid_ai.core import Answer, Chunk, Citation, Hit, Hits, Sentence, Settings, Signal, StreamEvent
from liquid_ai.generation.cache import Cache
from liquid_ai.generation.cache_entry import Key, cache_key

from .report import Figure, bootstrap

WARM_UP, QUESTIONS, CALLERS = 200, 500, 100
TARGETS = {"hit in memory": "< 100", "hit in SQLite": "< 500", "hit in local Redis": "< 1000"}
SIZE = "five hits of 1,000 characters, two citations"


def answer(question: str) -> Answer:
    "An answer of usual size, of no corpus."
    text = "A sentence of a passage, no two of them alike. "
    chunks = [
        Chunk(
            f"{question}-{i}",
            f"document {i}",
            f"{question} {i} {text * 25}"[:1_000],
            0,
            1_000,
            ("Part", "Section"),
            i + 1,
            f"{i}.md",
            "Title",
        )
        for i in range(5)
    ]
    signals = {arm: Signal(1, 0.5) for arm in ("dense", "sparse", "document")}
    hits = Hits(Hit(c, 0.9, i + 1, signals) for i, c in enumerate(chunks))
    cited = tuple(
        Citation(i + 1, c.id, c.document_id, 0, 46, c.text[:46], c.source) for i, c in enumerate(chunks[:2])
    )
    said = (Sentence(0, 46, 0.9, True, (1,)), Sentence(47, 93, 0.8, True, (2,)))
    return Answer(question, text * 2, cited, said, hits, 0.8, timings={"search": 5.0, "generate": 400.0})


def key(question: str) -> Key:
    "Its key, with filters, groups and all settings."
    versions = {
        "index": "store:42",
        "encoder": "e" * 16,
        "model": "m" * 16,
        "adapter": "",
        "prompt": "p" * 16,
    }
    about = {"where": {"kind": "topic"}, "principals": ("ann", "staff"), "parameters": Settings()}
    return cache_key(question, **versions, **about)


@contextmanager
def redis_server() -> Iterator[str]:
    "The address of a server that keeps nothing on disk; empty where the program is missing."
    program = shutil.which("redis-server")
    if program is None:
        yield ""
        return
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        for _ in range(500):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def generations() -> int:
    "How often `CALLERS` equal questions at once are generated."
    made, cache = [], Cache()

    def steps() -> Generator[StreamEvent, None, None]:
        time.sleep(0.3)
        made.append(1)
        yield StreamEvent("answer", answer=answer("equal"))

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(lambda _: cache.answer(key("equal"), steps), range(CALLERS)))
    return len(made)


def timed(variants: dict[str, Callable[[str], object]], questions: list[str]) -> dict[str, list[float]]:
    "Microseconds of each variant on each question, in changing order."
    taken, order = {name: [] for name in variants}, np.random.default_rng(0)
    asked = itertools.chain(itertools.islice(itertools.cycle(questions), WARM_UP), questions * 4)
    for n, question in enumerate(asked):
        for name in order.permutation(list(variants)).tolist():
            start = time.perf_counter()
            found = variants[name](question)
            spent = time.perf_counter() - start
            if found is None:
                raise RuntimeError(f"{name}: no hit for a question that was kept")
            if n >= WARM_UP:
                taken[name].append(spent * 1e6)
    return taken


def measure(limit: int) -> dict[str, Figure]:
    "p50 and p95 of a hit in each store, of a key alone, and the generations of equal questions."
    questions = [f"What is said of subject number {n}?" for n in range(limit or QUESTIONS)]
    with tempfile.TemporaryDirectory() as folder, redis_server() as address:
        places = {"hit in memory": "memory", "hit in SQLite": Path(folder) / "answers.db"}
        places |= {"hit in local Redis": address} if address else {}
        caches = {name: Cache(store, ttl=3_600) for name, store in places.items()}
        for cache, question in itertools.product(caches.values(), questions):
            cache.put(key(question), answer(question))
        variants = {name: lambda q, cache=cache: cache.get(key(q)) for name, cache in caches.items()}
        taken = timed(variants | {"key alone": key}, questions)
        for cache in caches.values():
            cache.close()
    figures = {}
    for (name, times), share in itertools.product(taken.items(), (50, 95)):

        def percentile(values, axis=None, share=share):
            return np.percentile(values, share, axis=axis)

        figures[f"p{share}, {name}"] = Figure(
            value=float(percentile(times)),
            unit="µs",
            interval=bootstrap(np.array(times), percentile),
            interval_is="95 % bootstrap",
            target=TARGETS.get(name, "") if share == 50 else "",
            note=SIZE if name in TARGETS and share == 50 else "",
        )
    if not address:
        figures["p50, hit in local Redis"] = Figure(
            value=None, unit="µs", target=TARGETS["hit in local Redis"], note="redis-server is not installed"
        )
    figures[f"generations of {CALLERS} equal questions at once"] = Figure(value=generations(), target="== 1")
    return figures
