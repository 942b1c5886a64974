"""A fresh process that syncs a folder: how much memory it took, and what the syncs after it cost.

`python -m benchmarks.million FOLDER`: FOLDER has `docs`, filled by `make`; a line of JSON a step."""

import json
import re
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from liquid_ai.core import Settings
from liquid_ai.indexing.encoder_spec import unit_rows
from liquid_ai.indexing.store import Store
from liquid_ai.ingestion.load import IngestReport
from liquid_ai.ingestion.sync import sync

WORDS, PARAGRAPHS = 14, 1_000  # of a paragraph, and of a file
SETTINGS = Settings(chunk_tokens=18, headings=False)  # one chunk a paragraph
_WORD = re.compile(r"\S+")


class Hashing:
    "Encodes a text as the counts of its words' hashes, in no time."

    name, fingerprint, dimensions, max_tokens = "hashing", "crc32", 64, 64

    def token_spans(self, texts: Sequence[str]) -> list[np.ndarray]:
        found = ([m.span() for m in _WORD.finditer(text)] for text in texts)
        return [np.array(spans, np.int64).reshape(-1, 2) for spans in found]

    def encode(self, texts: Sequence[str], kind: str = "document", progress: bool = False) -> np.ndarray:
        counts = np.zeros((len(texts), self.dimensions), np.float32)
        for n, text in enumerate(texts):
            hashes = [zlib.crc32(word) % self.dimensions for word in text.encode().split()]
            counts[n] = np.bincount(hashes, minlength=self.dimensions)
        return unit_rows(counts)


def make(folder: Path, chunks: int) -> None:
    "Write Markdown files of paragraphs whose words are as frequent as those of a language (Zipf)."
    rng, words = np.random.default_rng(0), np.array([f"w{n}" for n in range(50_000)])
    for start in range(0, chunks, PARAGRAPHS):
        ranks = (rng.pareto(1.0, (min(PARAGRAPHS, chunks - start), WORDS)) * 20).clip(max=len(words) - 1)
        text = "\n\n".join(f"{' '.join(row)}." for row in words[ranks.astype(int)])
        (folder / f"{start // PARAGRAPHS:05}.md").write_text(text, "utf-8")


def peak() -> int:  # bytes
    "The most memory that this process has had; `ru_maxrss` would count its parent's, before `exec`."
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text())[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    "Size and time of every file."
    return {str(f): ((s := f.stat()).st_size, s.st_mtime_ns) for f in folder.rglob("*") if f.is_file()}


def steps(folder: Path) -> Iterator[dict]:
    "All of it, nothing new, and one paragraph edited in one file."
    docs, store = folder / "docs", Store(folder / "store")

    def look() -> IngestReport:
        return sync(store, Hashing(), [docs], SETTINGS, progress=False)

    def edit() -> None:
        file = min(docs.iterdir())
        text = file.read_text("utf-8").split("\n\n")
        text[len(text) // 2] = " ".join(["edited"] * WORDS)
        file.write_text("\n\n".join(text), "utf-8")

    for name, change in (("whole", None), ("unchanged", None), ("edited", edit)):
        if change:
            change()
        before, start = _state(store.folder), time.perf_counter()
        report = look()
        taken, after = time.perf_counter() - start, _state(store.folder)
        written = len(before.items() ^ after.items())
        yield {
            "step": name,
            "seconds": taken,
            "embedded": report.embedded,
            "written": written,
            "chunks": store.counts()["chunks"],
            "files": len(report.rows),
            "peak": peak(),
            "disk": sum(size for size, _ in after.values()),
        }
    store.close()


if __name__ == "__main__":
    for step in steps(Path(sys.argv[1])):
        print(json.dumps(step), flush=True)
