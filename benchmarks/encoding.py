"""Our encoder against sentence-transformers, the same model, texts and threads: speed, and what it costs."""

import time
from collections.abc import Callable

import numpy as np

from liquid_ai.core import ModelError, Settings, thread_count
from liquid_ai.evaluation.collections import Collection
from liquid_ai.evaluation.compare import Comparison, compare
from liquid_ai.evaluation.ranking import Run, evaluate
from liquid_ai.indexing.assets import quiet_transformers
from liquid_ai.indexing.dense import FlatIndex
from liquid_ai.indexing.embed import load_encoder, packaged_spec
from liquid_ai.ingestion.chunk import split

from .data import collection
from .report import Figure, median_of
from .turns import BLOCK, in_turns, p50, p50_ratio

ST, OURS, WARM_UP = "sentence-transformers", "liquid_ai", 50
PRECISIONS = {OURS: "auto", f"{OURS} float32": "float32", f"{OURS} int8": "int8"}
REPEATS, SAMPLE = 3, 512  # chunks of each repetition


def encoders() -> tuple[dict[str, Callable], dict[str, Figure]]:  # by name; what is missing
    "Functions that take a text or texts and return vectors: all on the same folder, each on all cores."
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(thread_count(Settings()))
    with quiet_transformers():
        model = SentenceTransformer(str(packaged_spec().folder), device="cpu")
    found, missing = {ST: model.encode}, {}
    for name, precision in PRECISIONS.items():
        try:
            encoder = load_encoder(Settings(runtime="openvino", precision=precision))
            found[name] = lambda x, e=encoder: e.encode([x] if isinstance(x, str) else x)
        except ModelError as e:
            missing[f"query embedding p50, {name}"] = Figure(value=None, unit="ms", note=str(e))
    return found, missing


def queries(found: dict[str, Callable], data: Collection) -> dict[str, Figure]:
    "One question at a time, each once and nothing kept: in blocks, and every system on one after the other."
    questions, warm_up = list(data.queries.values()), [d.title for d in data.documents[:WARM_UP]]

    def timed(encode: Callable) -> Callable[[str], float]:
        def call(question: str) -> float:
            start = time.perf_counter()
            encode(question)
            return (time.perf_counter() - start) * 1e3

        return call

    systems = {name: timed(encode) for name, encode in found.items()}
    in_turns(systems, warm_up)
    taken = in_turns(systems, questions)
    figures = {f"query embedding p50, {name}": p50(ms) for name, ms in taken.items()}
    for name in list(taken)[1:]:
        target, note = ">= 4" if name == OURS else "", f"in turns of {BLOCK} questions, none of them twice"
        figures[f"query embedding, {ST} / {name}"] = p50_ratio(taken[ST], taken[name], target, note=note)
    pair = in_turns({name: systems[name] for name in (ST, OURS)}, questions, block=1, rest=0.02)
    note = "in turns of one question, after a rest: the weights of neither are in the CPU's cache"
    figures[f"query embedding, {ST} / {OURS}, cold"] = p50_ratio(pair[ST], pair[OURS], block=1, note=note)
    return figures


def corpus(found: dict[str, Callable], data: Collection) -> dict[str, Figure]:
    "Chunks a second, as the store makes them; each repetition has chunks of its own."
    cut = [c.encoded for chunks in split(data.documents, load_encoder()) for c in chunks]
    rng = np.random.default_rng(0)
    texts = rng.permutation(np.array(cut, object))[: REPEATS * SAMPLE]
    speeds: dict[str, list[float]] = {name: [] for name in found}
    for encode in found.values():
        encode(cut[:32])  # what a first batch compiles
    for sample in np.array_split(texts, REPEATS):
        for name in rng.permutation(list(found)).tolist():
            time.sleep(0.05)
            start = time.perf_counter()
            found[name](sample.tolist())
            speeds[name].append(len(sample) / (time.perf_counter() - start))
    note = f"{len(texts):,} chunks in {REPEATS} samples"
    figures = {f"corpus embedding, {name}": median_of(v, "chunks/s", note=note) for name, v in speeds.items()}
    for name in list(speeds)[1:]:
        ratios = [ours / theirs for ours, theirs in zip(speeds[name], speeds[ST], strict=True)]
        target, note = ">= 3.7" if name == OURS else "", f"{ST} with its defaults, batch_size=32 among them"
        figures[f"corpus embedding, {name} / {ST}"] = median_of(ratios, "times", target, note)
    return figures


def rankings(found: dict[str, Callable], data: Collection) -> Comparison:
    "nDCG@10 of exact search over whole documents, which every encoder cuts at its window."
    from sentence_transformers.util import semantic_search

    ids, texts = [d.source for d in data.documents], [d.text for d in data.documents]
    scores = {}
    for name, encode in found.items():
        documents, asked = encode(texts), encode(list(data.queries.values()))
        if name == ST:
            rows = [
                [hit["corpus_id"] for hit in hits] for hits in semantic_search(asked, documents, top_k=10)
            ]
        else:
            rows = FlatIndex(documents).search(asked, 10)[1].tolist()
        run = Run(name, {q: [ids[r] for r in row] for q, row in zip(data.queries, rows, strict=True)})
        scored = evaluate(run, data.qrels, ["nDCG@10"])
        scores[name] = dict(zip(scored.queries, scored["nDCG@10"].tolist(), strict=True))
    return compare(scores, baseline=ST, metric="nDCG@10")


def quality(compared: Comparison) -> dict[str, Figure]:
    "Each system, and what it differs by."
    figures = {
        f"nDCG@10, {s.name}": Figure(value=s.mean, interval=s.interval, interval_is="95 % bootstrap")
        for s in compared.systems
    }
    targets = {OURS: "< 0.005", f"{OURS} float32": "< 0.0001"}
    for c in compared.contrasts:
        figures[f"nDCG@10, {c.system} minus {ST}"] = Figure(
            value=c.difference,
            interval=c.interval,
            interval_is="95 % paired bootstrap",
            note=f"{c.verdict}: p = {c.p_holm:.2g}, Holm; {c.wins} better, {c.losses} worse, {c.ties} equal",
        )
        if c.system in targets:
            size = Figure(value=abs(c.difference), target=targets[c.system])
            figures[f"nDCG@10, size of {c.system} minus {ST}"] = size
    return figures


def measure(limit: int) -> dict[str, Figure]:
    "Speed of queries and of a corpus, then quality."
    data = collection("scifact", limit=limit)
    found, missing = encoders()
    figures = queries(found, data) | missing | corpus(found, data)
    return figures | quality(rankings(found, data))
