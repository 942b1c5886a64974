"""Hybrid search on SciFact, from question to ten documents, beside four libraries: time, and nDCG@10.

The same encoder and documents, each system in a process of its own, all asked in turns. The other libraries
are no dependencies of this project; they live in an environment of their own, made by hand."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from liquid_ai.core import Settings
from liquid_ai.evaluation.collections import Collection
from liquid_ai.evaluation.compare import compare
from liquid_ai.evaluation.ranking import Run, evaluate
from liquid_ai.indexing.embed import load_encoder, packaged_spec

from ..data import collection
from ..report import ROOT, Figure, MissingData
from ..turns import BLOCK, in_turns, p50, p50_ratio
from .systems import SYSTEMS

OURS, WARM_UP = "liquid_ai", 40
PYTHON = ROOT / ".venv-peers" / ("Scripts" if os.name == "nt" else "bin") / "python"
MAKE = (
    "python3 -m venv .venv-peers && .venv-peers/bin/pip install torch==2.13.0 && "
    ".venv-peers/bin/pip install -r benchmarks/peers/requirements.txt"
)
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",  # as the libraries ask for, in a process that has forked
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "LANGSMITH_TRACING": "false",
}


def write_corpus(data: Collection, folder: Path) -> None:
    "The documents and their vectors, in float32, for systems that take them ready-made."
    texts, spec = [d.text for d in data.documents], packaged_spec()
    corpus = {"ids": [d.source for d in data.documents], "texts": texts, "model": str(spec.folder)}
    (folder / "corpus.json").write_text(json.dumps(corpus), "utf-8")
    np.save(folder / "vectors.npy", load_encoder(Settings(precision="float32")).encode(texts))


class System:
    "A process that answers."

    def __init__(
        self,
        name: str,
        folder: Path,  # for its log
        script: str = "systems.py",
        given: str | Path = "",  # to the script; empty: `folder`
    ):
        python, path = (sys.executable, str(ROOT)) if name.startswith(OURS) else (PYTHON, "")
        self.log, self.found = folder / f"{name}.log", {}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [python, Path(__file__).with_name(script), name, given or folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env=os.environ | OFFLINE | {"PYTHONPATH": path},
            )
        ready = self.read()
        self.about = f"{ready['about']} {', '.join(f'{k} {v}' for k, v in ready['versions'].items())}"

    def read(self) -> dict:
        "Its next line. Raises: `RuntimeError` with the last words of a process that ended."
        line = self.process.stdout.readline()
        if not line:
            said = self.log.read_text("utf-8", errors="replace").strip().splitlines()
            raise RuntimeError(said[-1] if said else f"exit code {self.process.wait()}")
        return json.loads(line)

    def tell(self, what: str | dict) -> dict:
        "Its answer. Raises: `RuntimeError`."
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(what), file=self.process.stdin, flush=True)
        return self.read()

    def ask(self, question: str) -> float:  # milliseconds, by its own clock
        "Asks, and keeps the documents found."
        answer = self.tell(question)
        self.found[question] = answer["ids"]
        return answer["ms"]

    def close(self) -> None:
        "Ends the process."
        self.process.stdin.close()
        self.process.wait(timeout=60)


def started(
    folder: Path, closing: Callable
) -> tuple[dict[str, System], dict[str, Figure]]:  # and what is missing
    "Every system with its index made, one after the other."
    systems, missing = {}, {}
    for name in SYSTEMS:
        try:
            systems[name] = System(name, folder)
            closing(systems[name].close)
        except RuntimeError as e:
            target = "" if name.startswith(OURS) else ">= 3"
            missing[f"search, {name} / {OURS}"] = Figure(value=None, unit="times", target=target, note=str(e))
    return systems, missing


def speed(systems: dict[str, System], data: Collection) -> dict[str, Figure]:
    "p50 of each, and how many times ours that is: in turns of several questions, and of one."
    asked = {name: system.ask for name, system in systems.items()}
    in_turns(asked, [d.title for d in data.documents[:WARM_UP]])
    questions = list(data.queries.values())
    taken = in_turns(asked, questions)
    cold = in_turns(asked, questions, block=1, rest=0.02)
    figures = {f"search p50, {name}": p50(ms, note=systems[name].about) for name, ms in taken.items()}
    warm_note, cold_note = (
        f"in turns of {BLOCK} questions",
        "in turns of one question: cold caches for everyone",
    )
    for name in [n for n in taken if n != OURS]:
        target, ratio = "" if name.startswith(OURS) else ">= 3", f"search, {name} / {OURS}"
        figures[ratio] = p50_ratio(taken[name], taken[OURS], target, note=warm_note)
        figures[f"{ratio}, cold"] = p50_ratio(cold[name], cold[OURS], block=1, note=cold_note)
    return figures


def quality(systems: dict[str, System], data: Collection) -> dict[str, Figure]:
    "nDCG@10 of each, and by how much it differs from ours."
    scores = {}
    for name, system in systems.items():
        run = Run(name, {q: system.found[text] for q, text in data.queries.items()})
        scored = evaluate(run, data.qrels, ["nDCG@10"])
        scores[name] = dict(zip(scored.queries, scored["nDCG@10"].tolist(), strict=True))
    compared = compare(scores, baseline=OURS, metric="nDCG@10")
    figures = {
        f"nDCG@10, {s.name}": Figure(value=s.mean, interval=s.interval, interval_is="95 % bootstrap")
        for s in compared.systems
    }
    for c in compared.contrasts:
        figures[f"nDCG@10, {c.system} minus {OURS}"] = Figure(
            value=c.difference,
            interval=c.interval,
            interval_is="95 % paired bootstrap",
            note=f"{c.verdict}: p = {c.p_holm:.2g}, paired randomisation test, Holm correction",
        )
    return figures


def measure(limit: int) -> dict[str, Figure]:
    "Speed and quality of every system that can be started."
    if not PYTHON.exists():
        raise MissingData(f"the other libraries are not installed; run: {MAKE}")
    data = collection("scifact", limit=limit)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        write_corpus(data, Path(name))
        systems, missing = started(Path(name), stack.callback)
        return speed(systems, data) | missing | quality(systems, data)
