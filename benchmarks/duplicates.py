"""Planted near-duplicates among SciFact's abstracts: how many are found, and how fast."""

import json
import random
import time

from liquid_ai.ingestion.duplicates import Signed, near_duplicates, signature

from .data import folder_of
from .report import Figure

WAYS = ("words", "end", "start", "header", "footer", "spaces")
PLANTED, MANY = 1_200, 100_000


def disturbed(text: str, way: str, rng: random.Random) -> str:
    "A near copy of `text`."
    words = text.split()
    if way == "words":
        for _ in range(max(1, len(words) // 60)):
            words[rng.randrange(len(words))] = rng.choice(words)
    words = words[: len(words) * 9 // 10] if way == "end" else words
    words = words[len(words) // 12 :] if way == "start" else words
    header = "INTERNAL. Printed on Monday by the office.\n\n" if way == "header" else ""
    footer = "\n\nAll rights reserved. Page 1 of 1." if way == "footer" else ""
    return header + ("\n\t " if way == "spaces" else " ").join(words) + footer


def found_in(texts: dict[str, str], similarity: float) -> tuple[dict, float, float]:
    "Copies, seconds of processor time for the signatures, and for the search."
    started = time.process_time()
    signed = [Signed(name, name, signature(text)) for name, text in texts.items()]
    signing = time.process_time()
    found = near_duplicates(signed, similarity, texts.__getitem__)
    return found, signing - started, time.process_time() - signing


def measure(limit: int) -> dict[str, Figure]:
    "Precision and recall at a similarity of 0.8, and seconds for 100,000 short texts."
    rng = random.Random(0)
    rows = map(json.loads, (folder_of("scifact") / "corpus.jsonl").read_text("utf-8").splitlines())
    texts = {row["_id"]: row["text"] for row in rows}
    texts = dict(list(texts.items())[: limit or None])
    long = [name for name, text in texts.items() if len(text.split()) >= 60]
    chosen = rng.sample(long, min(PLANTED, len(long)))
    planted = {f"{name}~{i % 6}": disturbed(texts[name], WAYS[i % 6], rng) for i, name in enumerate(chosen)}
    found, *_ = found_in(texts | planted, 0.8)
    right = sum(name in planted and copy.of == name.partition("~")[0] for name, copy in found.items())
    vocabulary = sorted({word for text in texts.values() for word in text.split()})
    many = {str(i): " ".join(rng.choices(vocabulary, k=rng.randint(40, 160))) for i in range(limit or MANY)}
    _, signing, searching = found_in(many, 0.8)
    note = f"{len(planted)} copies planted among {len(texts)} abstracts, in six ways"
    return {
        "precision": Figure(value=right / max(1, len(found)), target=">= 0.95", note=note),
        "recall": Figure(value=right / len(planted), target=">= 0.95", note=note),
        "signatures of short texts": Figure(
            value=signing, unit="s", note=f"{len(many):,} texts of 40 to 160 words"
        ),
        "search among short texts": Figure(
            value=searching, unit="s", target="< 60", note=f"{len(many):,} texts"
        ),
    }
