"""Seconds that fresh processes take: import, help, and an answer from a store that is there.

Files may be in the system's cache, bytecode is written: each first run is discarded."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from liquid_ai.ingestion.quickstart import questions
from liquid_ai.pipeline import quickstart

from .report import ROOT, Figure, median_of

IMPORT = "import time; t = time.perf_counter(); import liquid_ai; print(time.perf_counter() - t)"
HEAVY = ("torch", "transformers", "openvino", "faiss", "sentence_transformers")
ANSWERABLE = "What does the pass statement do?"


def run(*command: str) -> tuple[float, subprocess.CompletedProcess]:
    "Seconds and outcome of a process that can write bytecode, as a user's can."
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    done = subprocess.run(command, env=env, capture_output=True, text=True, encoding="utf-8")
    return time.perf_counter() - start, done


def timed(command: list[str], repeats: int, target: str) -> Figure:
    "Wall time of a command, the process and all; not measured where it fails."
    runs = [run(*command) for _ in range(repeats + 1)]
    if codes := {done.returncode for _, done in runs} - {0}:
        return Figure(value=None, unit="s", target=target, note=f"failed with exit code {max(codes)}")
    return median_of([seconds for seconds, _ in runs[1:]], "s", target)


def measure(limit: int) -> dict[str, Figure]:
    "Import, help and answers."
    times, answers = (2, 1) if limit else (10, 5)
    imports = [float(run(sys.executable, "-c", IMPORT)[1].stdout) for _ in range(times + 1)][1:]
    listed = run(sys.executable, "-c", "import sys, liquid_ai; print(*sys.modules)")[1].stdout.split()
    figures = {
        "import liquid_ai": median_of(imports, "s", "< 0.3"),
        "heavy modules after import liquid_ai": Figure(
            value=len(set(HEAVY) & set(listed)), target="== 0", note=f"of {', '.join(HEAVY)}"
        ),
    }
    program = shutil.which("liquid-ai", path=Path(sys.executable).parent)
    if program is None or not (ROOT / "liquid_ai" / "cli.py").exists():
        figures["liquid-ai --help"] = Figure(
            value=None, note="skipped: the command liquid-ai is not installed"
        )
        return figures
    figures["liquid-ai --help"] = timed([program, "--help"], times, "< 0.5")
    unanswerable = next(q.question for q in questions("test") if not q.answerable)
    with tempfile.TemporaryDirectory() as folder:
        quickstart(Path(folder) / "store", progress=False).close()
        for question, abstained in ((ANSWERABLE, False), (unanswerable, True)):
            command = [
                program,
                "ask",
                question,
                "--store",
                f"{folder}/store",
                "--generator",
                "packaged",
                "--json",
            ]
            kind = "abstains" if abstained else "answers"
            figures[f"liquid-ai ask, cold, {kind}"] = timed(command, answers, "< 12")
            answer = json.loads(run(*command)[1].stdout)
            figures[f"liquid-ai ask, {kind} as it should"] = Figure(
                value=int(answer.get("abstained") is abstained), target="== 1", note=question
            )
    return figures
