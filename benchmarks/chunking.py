"""What chunks of other sizes and other cuts find in whole SQuAD articles (dev), and what an edit moves."""

import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from liquid_ai.core import Document, Hits, Settings
from liquid_ai.indexing.embed import load_encoder
from liquid_ai.ingestion.chunk import split
from liquid_ai.ingestion.quickstart import corpus
from liquid_ai.pipeline import RAG

from .data import folder_of
from .report import Figure, bootstrap

VARIANTS = {
    "the defaults": {},
    "chunks of 96": {"chunk_tokens": 96},
    "chunks of 96, read with 1,000 characters": {"chunk_tokens": 96, "parent_chars": 1_000},
    "chunks of 96, read with 2,000 characters": {"chunk_tokens": 96, "parent_chars": 2_000},
    "stable cuts": {"chunking": "stable"},
}
QUESTIONS, BUDGETS = 1_500, (2_000, 4_000)  # a hit may have 1,500 characters: less would measure its size
WAYS = ("tokens", "headings", "stable")
Asked = tuple[str, str, int, int]  # question, source, and where its answer stands


def articles() -> tuple[list[Document], list[Asked]]:
    "The articles, put together from their paragraphs."
    documents, asked = [], []
    for article in json.loads((folder_of("squad") / "dev-v1.1.json").read_text("utf-8"))["data"]:
        text, title = "", article["title"]
        for paragraph in article["paragraphs"]:
            for q in paragraph["qas"]:
                answer = q["answers"][0]
                start = len(text) + answer["answer_start"]
                asked.append((q["question"], title, start, start + len(answer["text"])))
            text += paragraph["context"] + "\n\n"
        documents.append(Document.of(text, title, title=title.replace("_", " ")))
    return documents, asked


def read_until(hits: Hits, asked: Asked) -> float:
    "How many characters are read, best hit first, until the answer has been read."
    read = 0
    for hit in hits:
        read += len(hit.chunk.text)
        if hit.chunk.source == asked[1] and hit.chunk.start <= asked[2] and asked[3] <= hit.chunk.end:
            return read
    return float("inf")


def answers(limit: int) -> dict[str, Figure]:
    "The share of questions whose answer stands in the first characters that are read."
    documents, asked = articles()
    documents = documents[: limit or len(documents)]
    here = {d.source for d in documents}
    asked = [a for a in asked if a[1] in here]
    asked = random.Random(0).sample(asked, min(QUESTIONS, len(asked)))
    figures, base = {}, None
    for name, changes in VARIANTS.items():
        settings = replace(Settings(top_k=30), **changes)
        with tempfile.TemporaryDirectory() as folder, RAG.open(Path(folder) / "store", settings) as rag:
            report = rag.ingest(documents, progress=False)
            found = rag.search_many([question for question, *_ in asked])
        read = np.array([read_until(h, a) for h, a in zip(found, asked, strict=True)])
        base = read if base is None else base
        figures[f"chunks, {name}"] = Figure(value=sum(row.chunks for row in report.rows))
        for budget in BUDGETS:
            within, against = (read <= budget).astype(float), (base <= budget).astype(float)
            title = f"answers within {budget:,} characters"
            figures[f"{title}, {name}"] = Figure(
                value=float(within.mean()), interval=bootstrap(within), interval_is="95 % bootstrap"
            )
            if read is not base:
                interval = bootstrap(within - against)
                verdict = "tie" if interval[0] <= 0 <= interval[1] else "differs"
                figures[f"{title} minus the defaults', {name}"] = Figure(
                    value=float((within - against).mean()),
                    interval=interval,
                    interval_is="95 % paired bootstrap",
                    note=verdict,
                )
    return figures


def moved(cut: Callable[[str], list[str]], text: str) -> list[int]:
    "Chunks with new text after each of twelve edits: a paragraph added somewhere."
    before, edits = set(cut(text)), []
    places = [
        0,
        *(at + 2 for at in range(len(text) - 2) if text[at : at + 2] == "\n\n" != text[at + 1 : at + 3]),
    ]
    for i in range(12):
        at = places[(len(places) - 1) * i // 11]
        after = f"{text[:at]}A remark that was missing until today.\n\n{text[at:]}"
        edits.append(len(set(cut(after)) - before))
    return edits


def locality(limit: int) -> dict[str, Figure]:
    "What an edit of a long topic of Python's documentation makes anew, for each way of cutting."
    encoder, figures = load_encoder(), {}
    texts = [d.text for d in corpus() if len(d.text) > 15_000][: limit or None]
    for way in WAYS:

        def cut(text: str, way: str = way) -> list[str]:
            [chunks] = split([Document.of(text, "d")], encoder, chunking=way)
            return [c.encoded for c in chunks]

        edits = np.array([n for text in texts for n in moved(cut, text)], float)
        figures[f"chunks changed by an edit, {way}"] = Figure(
            value=float(edits.mean()),
            interval=bootstrap(edits),
            interval_is="95 % bootstrap",
            note=f"at most {edits.max():.0f}; {len(edits)} edits of {len(texts)} topics, "
            f"{sum(len(cut(text)) for text in texts)} chunks",
        )
    return figures


def measure(limit: int) -> dict[str, Figure]:
    "Answers within a number of characters, chunks, and chunks that an edit changes."
    return answers(limit) | locality(limit)
