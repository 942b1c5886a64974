"""Where a small model reads best: the order of passages and the worked example, on the packaged questions."""

import tempfile
from collections.abc import Mapping

import numpy as np

from liquid_ai import Settings, quickstart
from liquid_ai.evaluation.significance import bootstrap_interval, differences, holm, randomisation_test
from liquid_ai.evaluation.squad import token_f1
from liquid_ai.generation.cite import check, claims, find_evidence
from liquid_ai.generation.data import from_data
from liquid_ai.generation.layout import ORDERS, trusted
from liquid_ai.generation.prompt import Layout, Prompt, build_prompt
from liquid_ai.ingestion.quickstart import Question, questions

from .report import Figure

BUDGET, ANSWER = 400, 64  # tokens, the pipeline's own for the packaged model
VARIANTS = {f"{order}, one-shot": Layout(order) for order in ORDERS}
VARIANTS |= {f"{order}, zero-shot": Layout(order, example=False) for order in ("rank", "first", "last")}
BASELINE = "rank, one-shot"
RAW = f"{BASELINE}, text not made harmless"
MEASURES = ("f1", "cited")


class Asked:
    "The questions of one split, with their evidence; every different prompt is answered once."

    def __init__(self, rag, split: str, limit: int):
        self.rag, self.model = rag, rag.model
        found = [q for q in questions(split) if q.answerable]
        self.questions = found[: limit or None]
        self.texts: dict[str, tuple] = {}
        snapshot = rag.snapshot()
        self.evidence = []
        for q in self.questions:
            hits = rag.search(q.question)
            self.evidence.append(trusted(find_evidence(q.question, hits, rag.encoder, snapshot.sparse)))

    def scores(self, layout: Layout, raw: bool = False) -> np.ndarray:  # (n, 2) float64: f1, cited
        return np.array(
            [self._score(q, e, layout, raw) for q, e in zip(self.questions, self.evidence, strict=True)]
        )

    def _score(self, q: Question, evidence, layout: Layout, raw: bool) -> tuple[float, float]:
        room = self.model.context - ANSWER
        prompt = build_prompt(q.question, evidence, BUDGET, self.model.count, room, chosen=layout)
        messages = prompt.messages
        if raw:
            messages = (*messages[:-1], {"role": "user", "content": from_data(messages[-1]["content"])})
        key = repr(messages)
        if key not in self.texts:
            *_, self.texts[key] = self.model.stream(messages, ANSWER)
        return self._judged(q, prompt, evidence, self.texts[key])

    def _judged(self, q: Question, prompt: Prompt, evidence, written) -> tuple[float, float]:
        said = claims(written.text, written.finished)
        f1 = token_f1(" ".join(claim for claim, _ in said), [q.answer, q.quote])
        rag = self.rag
        checked = check(said, evidence, prompt.passages, rag.encoder, rag.snapshot().sparse)
        cited = checked.supported and any(q.quote in " ".join(c.quote.split()) for c in checked.citations)
        return f1, float(cited)


def measure(limit: int) -> dict[str, Figure]:
    "All variants on the dev half, the default and its best rival on the other; `limit` is of questions."
    with (
        tempfile.TemporaryDirectory() as folder,
        quickstart(f"{folder}/store", Settings(generator="packaged"), progress=False) as rag,
    ):
        dev = Asked(rag, "dev", limit)
        found = {name: dev.scores(layout) for name, layout in VARIANTS.items()}
        found[RAW] = dev.scores(VARIANTS[BASELINE], raw=True)
        figures = _figures("dev", found)
        rivals = {name: s[:, 0].mean() for name, s in found.items() if name not in (BASELINE, RAW)}
        rival = max(rivals, key=rivals.get)
        test = Asked(rag, "test", limit)
        held = {name: test.scores(VARIANTS[name]) for name in (BASELINE, rival)}
        return figures | _figures("held-out", held)


def _figures(part: str, found: Mapping[str, np.ndarray]) -> dict[str, Figure]:
    figures = {f"{part}, questions": Figure(value=len(found[BASELINE]))}
    rivals = [name for name in found if name != BASELINE]
    for at, measure_ in enumerate(MEASURES):
        scores = {name: s[:, at] for name, s in found.items()}
        for name, s in scores.items():
            interval = bootstrap_interval(s)
            figures[f"{part} {measure_}, {name}"] = Figure(
                value=float(s.mean()), interval=interval, interval_is="95 % bootstrap"
            )
        ps = holm([randomisation_test(scores[name], scores[BASELINE]) for name in rivals])
        for name, p in zip(rivals, ps, strict=True):
            d = differences(scores[name], scores[BASELINE])
            verdict = "a tie" if p > 0.05 else "better" if d.mean() > 0 else "worse"
            figures[f"{part} {measure_}, {name} minus {BASELINE}"] = Figure(
                value=float(d.mean()),
                interval=bootstrap_interval(d),
                interval_is="95 % paired bootstrap",
                note=f"{verdict}: p = {p:.3f} after Holm's correction",
            )
    return figures
