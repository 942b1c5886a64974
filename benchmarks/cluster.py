"""Bulk work on Ray: how much faster two cores are than one, and what the driver holds in memory.

`python -m benchmarks.cluster FOLDER` is the driver whose memory is measured: FOLDER has `docs`."""

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from liquid_ai.cluster import Stage, beside, on_ray, spread
from liquid_ai.core import Settings
from liquid_ai.indexing.embed import load_encoder
from liquid_ai.indexing.store import Store, open_snapshot
from liquid_ai.ingestion.ingest import ingest
from liquid_ai.ingestion.on_ray import spreading

from . import million
from .data import collection
from .report import ROOT, Figure

FILES, ROUNDS = 900, 3  # on fewer the start of workers, some ten seconds, is most of the noise
SIZES = (10_000, 100_000, 1_000_000)


def measure(limit: int) -> dict[str, Figure]:
    "`limit`: files of a round, and thousands of chunks at most."
    return faster(limit or FILES) | driver_memory(limit * 1_000)


def faster(files: int) -> dict[str, Figure]:
    "Abstracts as files, to a store: by one thread of this process, and by Ray on two cores."
    few = files // 6
    with tempfile.TemporaryDirectory() as name:
        docs = [Path(name) / "all", Path(name) / "few"]
        for folder in docs:
            folder.mkdir()
        for n, document in enumerate(collection("scifact").documents[:files]):
            for folder in docs[: 1 + (n < few)]:
                (folder / f"{n:04}.txt").write_text(document.text, "utf-8")
        here, ray = Settings(threads=1), Settings(executor="ray")
        make = partial(load_encoder, here)
        make().encode(["warm"] * 3)
        started = time.perf_counter()
        list(spread(["warm"], [Stage(lambda: list)], ray))  # its own helpers start with the first work
        begun = time.perf_counter() - started
        whole: dict[str, list[float]] = {"one core": [], "Ray on two cores": []}
        rates: dict[str, list[float]] = {who: [] for who in whole}
        for n in range(ROUNDS):
            found = {}
            for who in whole:
                settings, seconds = here if who == "one core" else ray, []
                for folder in docs:
                    store, start = Store(Path(name) / f"{who} {n} {folder.name}"), time.perf_counter()
                    _take_in(store, folder, settings, make)
                    seconds.append(time.perf_counter() - start)
                    if folder.name == "all":
                        snapshot = open_snapshot(store)
                        found[who] = snapshot.chunks(range(len(snapshot))), np.array(snapshot.vectors)
                    store.close()
                whole[who].append(seconds[0])
                rates[who].append((files - few) / (seconds[0] - seconds[1]))
    (chunks, vectors), (others, their) = found.values()
    told = f"{files} files, {len(chunks):,} chunks; to start Ray and its helpers took {begun:.1f} s"
    told += " and is not counted, to start its workers is"
    figures = {
        f"{what}, {who}": Figure(value=float(np.median(s)), unit=unit, values=tuple(s))
        for what, unit, of in (("files to store", "s", whole), ("a file more, files a second", "", rates))
        for who, s in of.items()
    }
    more = [b / a for a, b in zip(*rates.values(), strict=True)]
    ended = [a / b for a, b in zip(*whole.values(), strict=True)]
    about = f"by the time that {files} files take more than {few}: without what it takes to start workers"
    return figures | {
        "Ray on two cores / one core, files a second": _ratio(more, about, ">= 1.6"),
        "Ray on two cores / one core, from beginning to end": _ratio(ended, told),
        "chunks that differ": Figure(
            value=sum(a != b for a, b in zip(chunks, others, strict=True)), target="== 0"
        ),
        "vectors, largest difference": Figure(value=float(np.abs(vectors - their).max()), target="< 0.00001"),
    }


def _take_in(store: Store, docs: Path, settings: Settings, make) -> None:
    if not on_ray(settings):
        ingest(store, make(), [docs], settings, progress=False)
        return
    with spreading(store, make(), settings, make) as work:
        ingest(store, work.encoder, [docs], settings, progress=False, work=work)


def _ratio(of_rounds: list[float], note: str, target: str = "") -> Figure:
    return Figure(
        value=float(np.median(of_rounds)),
        unit="times",
        interval=(min(of_rounds), max(of_rounds)),
        interval_is=f"range of {ROUNDS} rounds",
        target=target,
        values=tuple(of_rounds),
        note=note,
    )


def driver_memory(most: int) -> dict[str, Figure]:
    "The driver's peak for stores of three sizes; the encoder hashes words."
    peaks, figures = {}, {}
    for chunks in SIZES:
        if most and chunks > most:
            continue
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "docs").mkdir()
            million.make(Path(name) / "docs", chunks)
            command = [sys.executable, "-m", "benchmarks.cluster", name]
            run = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
            )
        if run.returncode:
            said = run.stderr.strip().splitlines()
            figures[f"driver, {chunks:,} chunks"] = Figure(
                value=None, unit="MB", note=said[-1] if said else ""
            )
            continue
        found = json.loads(run.stdout.strip().splitlines()[-1])
        peaks[chunks] = found["driver"]
        told = f"{found['seconds']:.0f} s; who gathers and indexes beside it: {found['writer'] / 1e6:,.0f} MB"
        figures[f"driver, {chunks:,} chunks"] = Figure(value=found["driver"] / 1e6, unit="MB", note=told)
        assert found["chunks"] == chunks
    if len(peaks) > 1:
        growth = peaks[max(peaks)] / peaks[min(peaks)]
        about = f"{max(peaks):,} to {min(peaks):,} chunks"
        figures["driver, growth of its memory"] = Figure(
            value=growth, unit="times", target="<= 1.1", note=about
        )
    return figures


def _gather(folder: Path, tell) -> tuple[int, int]:
    "Beside the driver: how many chunks there are, and the peak of this process."
    settings, encoder = Settings(executor="ray", chunk_tokens=18, headings=False), million.Hashing()
    store = Store(folder / "store")
    with spreading(store, encoder, settings, million.Hashing) as work:
        ingest(store, work.encoder, [folder / "docs"], settings, False, seen=lambda *_: tell(1), work=work)
    chunks = store.counts()["chunks"]
    store.close()
    return chunks, million.peak()


def _drive(folder: Path) -> None:
    start = time.perf_counter()
    chunks, writer = beside(partial(_gather, folder), Settings(executor="ray"))
    taken = time.perf_counter() - start
    print(json.dumps({"chunks": chunks, "writer": writer, "driver": million.peak(), "seconds": taken}))


if __name__ == "__main__":
    _drive(Path(sys.argv[1]))
