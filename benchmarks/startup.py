"""Seconds that fresh processes take: import, help, and an answer from a store that is there.

Files may be in the system's cache, bytecode is written: each first run is discarded."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from liquid_ai.ingestion.quickstart import questions
from liquid_ai.pipeline import quickstart

from .report import ROOT, Figure, median_of

IMPORT = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"
HEAVY = ("torch", "transformers", "openvino", "faiss", "sentence_transformers")
ANSWERABLE = "What does the pass statement do?"


def run(*command: str) -> tuple[float, subprocess.CompletedProcess]:
    "Seconds and outcome of a process that can write bytecode, as a user's can."
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    done = subprocess.run(command, env=env, capture_output=True, text=True, encoding="utf-8")
    return time.perf_counter() - start, done


def timed(command: list[str], repeats: int, target: str, abstained: bool | None = None) -> Figure:
    "Wall time of a command, the process and all; not measured where it does not do what it should."
    runs = [run(*command) for _ in range(repeats + 1)]
    for _, done in runs:
        note = f"failed with exit code {done.returncode}" if done.returncode else ""
        if not note and abstained is not None and json.loads(done.stdout)["abstained"] is not abstained:
            note = "it should have answered" if abstained is False else "it should have abstained"
        if note:
            return Figure(value=None, unit="s", target=target, note=note)
    return median_of([seconds for seconds, _ in runs[1:]], "s", target)


def imported(statement: str, repeats: int, target: str = "") -> Figure:
    "Seconds that an import takes, the start of Python left out."
    runs = [run(sys.executable, "-c", IMPORT.format(statement))[1].stdout for _ in range(repeats + 1)]
    return median_of([float(seconds) for seconds in runs[1:]], "s", target)


def measure(limit: int) -> dict[str, Figure]:
    "Import, help and answers."
    times, answers = (2, 1) if limit else (10, 5)
    listed = run(sys.executable, "-c", "import sys, liquid_ai; print(*sys.modules)")[1].stdout.split()
    figures = {
        "import liquid_ai": imported("import liquid_ai", times, "< 0.3"),
        "from liquid_ai import RAG": imported("from liquid_ai import RAG", times),
        "heavy modules after import liquid_ai": Figure(
            value=len(set(HEAVY) & set(listed)), target="== 0", note=f"of {', '.join(HEAVY)}"
        ),
    }
    program = shutil.which("liquid-ai", path=Path(sys.executable).parent)
    if program is None:
        missing = Figure(value=None, note="skipped: the command liquid-ai is not installed")
        return figures | {"liquid-ai --help": missing}
    figures["liquid-ai --help"] = timed([program, "--help"], times, "< 0.5")
    unanswerable = next(q.question for q in questions("test") if not q.answerable)
    with tempfile.TemporaryDirectory() as folder:
        options = ["--store", f"{folder}/store", "--generator", "packaged", "--json"]
        quickstart(Path(folder) / "store", progress=False).close()
        for question, abstained in ((ANSWERABLE, False), (unanswerable, True)):
            figure = timed([program, "ask", question, *options], answers, "< 12", abstained)
            what = "no answer" if abstained else "answer"
            figures[f"liquid-ai ask, cold, {what}"] = replace(figure, note=figure.note or question)
    return figures
