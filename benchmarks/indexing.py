"""Documents a second through `RAG.ingest` on SciFact: from texts to a committed store, encoder loaded."""

import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from liquid_ai.core import Document
from liquid_ai.indexing import embed, store
from liquid_ai.ingestion import ingest as ingestion
from liquid_ai.pipeline import RAG

from .data import collection
from .report import Figure, median_of

REPEATS = 3
PEERS_TOKENS = 254  # all that peers read of a document: MiniLM's window less its two special tokens


def truncated(documents: list[Document], encoder) -> list[Document]:
    "Each document up to its 254th token."
    spans = encoder.token_spans([d.text for d in documents])
    ends = [int(s[min(len(s), PEERS_TOKENS) - 1, 1]) for s in spans]
    return [replace(d, text=d.text[:end]) for d, end in zip(documents, ends, strict=True)]


def ingest(documents: list[Document], headings: bool = True) -> tuple[float, int]:  # seconds, chunks
    "Make a store and fill it."
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with RAG.open(Path(folder) / "store", headings=headings) as rag:
            rag.ingest(documents, progress=False)
            seconds = time.perf_counter() - start
            return seconds, rag.info()["chunks"]


@contextmanager
def stages() -> Iterator[Counter]:
    "Context: seconds by stage, each without the stages that it calls."
    spent, inner = Counter(), [0.0]

    def timed(function, stage):
        def call(*args, **options):
            inner.append(0.0)
            start = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                whole = time.perf_counter() - start
                spent[stage] += whole - inner.pop()
                inner[-1] += whole

        return call

    watched = [
        (ingestion, "split", "cut"),
        (embed.Tokens, "spans", "tokenise to cut"),
        (embed.Tokens, "ids", "tokenise to embed"),
        (embed.OpenVINOEncoder, "encode", "embed"),
        (embed.TorchEncoder, "encode", "embed"),
        (store.BM25Index, "build", "BM25"),
        (ingestion, "commit", "write"),
        (RAG, "ingest", "other"),
    ]
    with ExitStack() as stack:
        for owner, name, stage in watched:
            stack.enter_context(patch.object(owner, name, timed(getattr(owner, name), stage)))
        yield spent


def measure(limit: int) -> dict[str, Figure]:
    "Speed without loss and truncated, and where the time goes."
    documents, figures = collection("scifact", limit=limit).documents, {}
    with tempfile.TemporaryDirectory() as folder, RAG.open(Path(folder) / "store") as rag:
        encoder = rag.encoder
    encoder.encode([d.text for d in documents[:64]])
    variants = {
        "without loss": (documents, True, ">= 75"),
        "truncated to 256 tokens": (truncated(documents, encoder), False, ">= 95"),  # one chunk each
    }
    seconds = {name: [] for name in variants}
    chunks = {}
    for _, (name, (texts, headings, _)) in itertools.product(range(REPEATS), variants.items()):  # interleaved
        taken, chunks[name] = ingest(texts, headings)
        seconds[name].append(taken)
    assert chunks["truncated to 256 tokens"] == len(documents)
    for name, (*_, target) in variants.items():
        speeds = [len(documents) / s for s in seconds[name]]
        figures[f"indexing, {name}"] = median_of(speeds, "documents/s", target, f"{chunks[name]:,} chunks")
    with stages() as spent:
        ingest(documents)
    for stage, s in spent.most_common():
        share = f"{s / spent.total():.1%} of one profiled run without loss"
        figures[f"time to {stage}" if " " in stage else f"time: {stage}"] = Figure(
            value=s, unit="s", note=share
        )
    return figures
