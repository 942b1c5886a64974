"""The packaged encoder before and after tuning on the training claims of SciFact, on its test claims."""

import tempfile
from pathlib import Path

from liquid_ai.core import Encoder, Settings
from liquid_ai.evaluation.collections import Collection
from liquid_ai.indexing.embed import load_encoder
from liquid_ai.ingestion.chunk import split
from liquid_ai.training.encoder import (
    EncoderOptions,
    EncoderPair,
    compare_encoders,
    tune_encoder,
    with_negatives,
)

from .ablation import figures_of
from .data import collection
from .report import Figure


def pairs_of(train: Collection, test: Collection, encoder: Encoder) -> list[EncoderPair]:
    "Each training claim with the nearest passage of each of its abstracts; none that a test claim needs."
    held = {d for grades in test.qrels.grades.values() for d in grades}
    chunks = [c for own in split(train.documents, encoder) for c in own]
    source = {d.id: d.source for d in train.documents}
    by_source: dict[str, list[str]] = {}
    for c in chunks:
        by_source.setdefault(source[c.document_id], []).append(c.encoded)
    pairs = []
    for query, grades in train.qrels.grades.items():
        claim = train.queries[query]
        vector = encoder.encode([claim], "query")[0]
        for document in grades.keys() - held:
            texts = by_source[document]
            best = texts[int((encoder.encode(texts, "document") @ vector).argmax())]
            pairs.append(EncoderPair(claim, best, (), document))
    passages = {c.encoded: source[c.document_id] for c in chunks if source[c.document_id] not in held}
    return with_negatives(sorted(pairs, key=lambda p: (p.question, p.document)), passages, encoder, most=1)


def measure(limit: int) -> dict[str, Figure]:
    "nDCG@10 before and after, and the paired difference."
    train, test = (collection("scifact", split=part, limit=limit) for part in ("train", "test"))
    pairs = pairs_of(train, test, load_encoder(Settings()))
    with tempfile.TemporaryDirectory() as home:
        options = EncoderOptions(epochs=1, batch=32, learning_rate=2e-5, max_tokens=256)
        tuned = tune_encoder(pairs, Path(home) / "tuned", options=options, progress=False)
        encoders = {"before": "packaged", "after": str(tuned.folder)}
        found = compare_encoders(encoders, test, cache=Path(home) / "stores")
    figures = {name.replace("the defaults'", "that before"): f for name, f in figures_of(found).items()}
    figures["pairs that were learnt from"] = Figure(
        value=len(pairs), note="none of an abstract that the test needs"
    )
    figures["loss, first step"] = Figure(value=tuned.history[0]["loss"], unit="nats")
    figures["loss, last step"] = Figure(value=tuned.history[-1]["loss"], unit="nats")
    return figures
