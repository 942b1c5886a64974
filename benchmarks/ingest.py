"""Files: how much of them is read, how fast they can be searched, beside two libraries, and a million chunks.

Conversion is measured against reference conversions in Markdown. From files to a store that can be searched,
the systems have the same files and the same encoder, each in a process of its own; what each is made of, and
what stands in for a hosted model, is said in `peers/ingest_systems.py`. A million chunks are short, and
encoded by hashes of their words."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from liquid_ai.indexing.embed import packaged_spec
from liquid_ai.ingestion.load import load_each

from . import million
from .conversion import cells, recall, references, words
from .peers import MAKE, OURS, PYTHON, System
from .peers.ingest_systems import SUFFIXES, SYSTEMS
from .report import ROOT, Figure, bootstrap, median_of

ROUNDS = 3
PEERS = [name for name in SYSTEMS if not name.startswith(OURS)]
SIZES = {"same size": True, "defaults": False}  # of chunks: 254 tokens without overlap, or what each has
CHUNKS, GIVE_UP = 1_000_000, 1_800.0  # seconds


def measure(limit: int) -> dict[str, Figure]:
    "Conversion, end to end, and a million chunks; `limit`: files of each format, and thousands of chunks."
    return converted(limit) | end_to_end(limit) | many_chunks(limit)


def few(files: list[tuple], limit: int, kind: Callable) -> list[tuple]:
    "The first `limit` of each kind, which is told from the path; 0: all."
    groups = (list(group) for _, group in itertools.groupby(sorted(files, key=kind), key=kind))
    return [file for group in groups for file in group[: limit or None]]


@dataclass(slots=True)
class Format:
    "What became of the words and table cells of the files in one folder."

    recalls: dict[str, float] = field(default_factory=dict)  # of words, by file
    cells: list[tuple[int, int]] = field(default_factory=list)  # found, wanted; of files with tables

    def add(self, name: str, text: str, reference: str) -> None:
        "One file. A reference without words, or without tables, says nothing about them."
        share = recall(words(text), words(reference))
        if share is not None:
            self.recalls[name] = share
        if wanted := cells(reference):
            self.cells.append(((cells(text) & wanted).total(), wanted.total()))

    def figures(self, name: str, note: str) -> Iterator[tuple[str, Figure]]:
        "Median and tenth percentile of word recall, and cell recall over all its tables."
        if self.recalls:
            values = np.array(list(self.recalls.values()))
            worst = min(self.recalls, key=self.recalls.__getitem__)
            least = f"{len(values)} files, least {self.recalls[worst]:.3f} of {worst}{note}"
            yield (
                f"word recall, {name}, median",
                _with_interval(values, np.median, ">= 0.90", least),
            )
            tenth = float(np.percentile(values, 10))
            yield f"word recall, {name}, tenth percentile", Figure(value=tenth, target=">= 0.70")
        if self.cells:
            about = f"{sum(w for _, w in self.cells):,} cells of {len(self.cells)} files{note}"
            yield (
                f"cell recall, {name}, pooled",
                _with_interval(np.array(self.cells), _pooled, ">= 0.85", about),
            )


def _pooled(found_wanted: np.ndarray, axis: int = 0) -> np.ndarray:
    both = found_wanted.sum(axis=axis)
    return both[..., 0] / both[..., 1]


def _with_interval(values: np.ndarray, statistic: Callable, target: str, note: str) -> Figure:
    "Over files, where there is more than one."
    interval = bootstrap(values, statistic) if len(values) > 1 else None
    return Figure(
        value=float(statistic(values, axis=0)),
        interval=interval,
        interval_is="95 % bootstrap over files" if interval else "",
        target=target,
        note=note,
    )


def converted(limit: int) -> dict[str, Figure]:
    "Every file of the shared documents: its row, and its words and cells beside its reference."
    files = few(list(references()), limit, lambda file: file[0].parent.parent.name)
    formats, statuses, raised, rows, slow = defaultdict(Format), Counter(), [], 0, (0.0, "")
    start = time.perf_counter()
    for path, reference in files:
        began, text = time.perf_counter(), ""
        try:
            loaded = list(load_each(path))
        except Exception as e:
            raised.append(f"{path.name}: {type(e).__name__}")
            loaded = []
        slow = max(slow, (time.perf_counter() - began, path.name))
        if loaded:  # what is inside it comes before the file itself
            rows += loaded[-1].row.path == str(path)
            statuses[loaded[-1].row.status] += 1
            text = loaded[-1].document.text if loaded[-1].document else ""
        if reference is not None:
            formats[path.parent.parent.name].add(path.name, text, reference.read_text("utf-8"))
    taken, told = time.perf_counter() - start, ", ".join(f"{n} {s}" for s, n in statuses.most_common())
    figures = {
        "files given": Figure(value=len(files)),
        "files without a row": Figure(value=len(files) - rows, target="== 0", note=told),
        "files that raised": Figure(value=len(raised), target="== 0", note="; ".join(raised)),
        "conversion of all": Figure(value=taken, unit="s", note=f"longest {slow[0]:.1f} s, {slow[1]}"),
    }
    ocr = f"; read by tesseract, which is {'' if shutil.which('tesseract') else 'not '}installed"
    for name, found in sorted(formats.items()):
        figures |= dict(found.figures(name, ocr if name == "ocr" else ""))
    return figures


def end_to_end(limit: int) -> dict[str, Figure]:
    "From files to a store on disk that can be searched: chunks and characters a second of each system."
    paths = [(path, None) for path, _ in references() if path.suffix in SUFFIXES]
    paths = [path for path, _ in few(paths, limit, lambda file: file[0].suffix)]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        systems, missing = _started(Path(name), stack.callback)
        everyone, folder = _readable_by_all(systems, paths), Path(name) / "files"
        for path in everyone:
            place = folder / path.parent.parent.name
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        kinds = Counter(path.suffix for path in everyone)
        about = f"{len(everyone)} of {len(paths)} files, which all can read"
        told = f"{about}: {', '.join(f'{n} {kind[1:]}' for kind, n in kinds.most_common())}"
        for system, size in itertools.product(
            systems.values(), SIZES.values()
        ):  # warms up, lazy imports done
            _taken_in(system, folder, size, Path(name))
        figures = {"files, end to end": Figure(value=len(everyone), note=told)}
        for size, same in SIZES.items():
            runs = _in_turns(systems, folder, same, Path(name))
            figures |= _speeds(runs, systems, size) | _ratios(runs, size)
    return figures | missing


def _started(folder: Path, closing: Callable) -> tuple[dict[str, System], dict[str, Figure]]:
    "Every system that can be started, and a missing ratio for each that cannot."
    systems, missing, model = {}, {}, packaged_spec().folder
    for name in SYSTEMS:
        try:
            if name in PEERS and not PYTHON.exists():
                raise RuntimeError(f"not installed; run: {MAKE}")
            systems[name] = System(name, folder, "ingest_systems.py", model)
            closing(systems[name].close)
        except RuntimeError as e:
            ratio = f"chunks/s, same size, {OURS} / {name}"
            missing[ratio] = Figure(value=None, unit="times", target=">= 3.5", note=str(e))
    return systems, missing


def _readable_by_all(systems: Mapping[str, System], paths: list[Path]) -> list[Path]:
    "The files in which each system finds text."
    asked = {"files": [str(path) for path in paths]}
    readable = [set(system.tell(asked)["readable"]) for system in systems.values()]
    return [path for path in paths if all(str(path) in those for those in readable)]


def _taken_in(system: System, folder: Path, same: bool, where: Path) -> dict:
    "One run, into a store that is thrown away."
    with tempfile.TemporaryDirectory(dir=where) as store:
        run = system.tell({"folder": str(folder), "store": f"{store}/store", "same": same})
    assert run["hits"], "nothing can be found in the store"
    return run | {"seconds": sum(run["stages"].values())}


def _in_turns(
    systems: Mapping[str, System], folder: Path, same: bool, where: Path
) -> dict[str, list[dict]]:  # a run a round
    "Each system once a round, in an order of chance."
    runs, rng = {name: [] for name in systems}, np.random.default_rng(0)
    for _ in range(ROUNDS):
        for name in rng.permutation(list(systems)).tolist():
            time.sleep(1)  # threads of the system before stop waiting for work
            runs[name].append(_taken_in(systems[name], folder, same, where))
    return runs


def _speeds(runs: Mapping[str, list[dict]], systems: Mapping[str, System], size: str) -> dict[str, Figure]:
    "Chunks and characters a second, with where the time went."
    figures = {}
    for name, of in runs.items():
        last = of[-1]
        stages = ", ".join(f"{stage} {s:.1f} s" for stage, s in last["stages"].items())
        made = f"{last['chunks']:,} chunks of {last['characters']:,} characters read; {stages}"
        figures[f"chunks/s, {size}, {name}"] = _per_second(of, "chunks", f"{made}. {systems[name].about}")
        figures[f"characters/s, {size}, {name}"] = _per_second(of, "characters")
    return figures


def _per_second(of: list[dict], what: str, note: str = "") -> Figure:
    return median_of([run[what] / run["seconds"] for run in of], f"{what}/s", note=note)


def _ratios(runs: Mapping[str, list[dict]], size: str) -> dict[str, Figure]:
    "How many times as fast as each of the others we are: by chunks, by characters, and over the same files."
    figures = {}
    for peer in [name for name in runs if name in PEERS]:
        for what, target in (("chunks", ">= 3.5"), ("characters", ""), ("files", "")):
            ours, theirs = (
                np.array([(run | {"files": 1})[what] / run["seconds"] for run in runs[name]])
                for name in (OURS, peer)
            )
            ratios = ours / theirs
            figures[f"{what}/s, {size}, {OURS} / {peer}"] = Figure(
                value=float(np.median(ours) / np.median(theirs)),
                unit="times",
                interval=(float(ratios.min()), float(ratios.max())),
                interval_is=f"range of {ROUNDS} rounds",
                target=target if SIZES[size] else "",
                values=tuple(ratios.tolist()),
            )
    return figures


def many_chunks(limit: int) -> dict[str, Figure]:
    "A million short chunks synced by a fresh process; then again, with nothing new and with one edit."
    chunks = limit * million.PARAGRAPHS if limit else CHUNKS
    with tempfile.TemporaryDirectory() as name:
        docs = Path(name) / "docs"
        docs.mkdir()
        million.make(docs, chunks)
        size = sum(file.stat().st_size for file in docs.iterdir())
        steps, most, problem = _watched(Path(name))
    names = {"whole": "first sync", "unchanged": "sync of the unchanged", "edited": "sync after one edit"}
    if len(steps) < len(names):
        return {f"{chunks:,} chunks, peak memory": Figure(value=None, unit="GB", target="< 4", note=problem)}
    whole, unchanged, edited = (steps[step] for step in names)
    told = f"{whole['files']:,} files of {size / 1e6:,.0f} MB, a store of {whole['disk'] / 1e6:,.0f} MB"
    found = {f"{names[step]}": Figure(value=of["seconds"], unit="s") for step, of in steps.items()}
    found |= {
        "in the store": Figure(value=whole["chunks"], target=f"== {chunks}", note=told),
        "peak memory": Figure(
            value=edited["peak"] / 1e9,
            unit="GB",
            target="< 4",
            note=f"of the process, over all three syncs; {whole['peak'] / 1e9:.2f} GB after the first",
        ),
        "peak memory with its workers": Figure(
            value=max(most, edited["peak"]) / 1e9,
            unit="GB",
            target="< 4",
            note="sum of resident sets, looked at 5 times a second",
        ),
        "embedded when unchanged": Figure(value=unchanged["embedded"], target="== 0"),
        "files written when unchanged": Figure(
            value=unchanged["written"], target="== 0", note="by size and time"
        ),
        "embedded after one edit": Figure(value=edited["embedded"], note="one paragraph of one file"),
    }
    return {f"{chunks:,} chunks, {key}": figure for key, figure in found.items()}


def _watched(folder: Path) -> tuple[dict[str, dict], int, str]:  # steps, bytes at most, what went wrong
    "Runs `million` and looks at the memory of it and its workers."
    steps, most, until = {}, 0, time.monotonic() + GIVE_UP
    with (folder / "log").open("w+") as log, (folder / "steps").open("w+") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.million", folder],
            stdout=out,
            stderr=log,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(psutil.NoSuchProcess):
                whole = psutil.Process(process.pid)
                family = [whole, *whole.children(recursive=True)]
                most = max(most, sum(member.memory_info().rss for member in family))
            time.sleep(0.2)
        if late := process.poll() is None:
            process.kill()
        code = process.wait()
        out.seek(0)
        log.seek(0)
        for line in out:
            step = json.loads(line)
            steps[step["step"]] = step
        said = log.read().strip().splitlines()
    why = f"given up after {GIVE_UP:,.0f} s" if late else f"exit code {code}: {said[-1] if said else ''}"
    return steps, most, why if late or code else ""
