"""Answers of the packaged model on SQuAD 2.0: no passage, the right one, what the search finds."""

import tempfile

from liquid_ai.core import Settings
from liquid_ai.evaluation.end_to_end import answer_questions

from .data import folder_of
from .report import Figure

QUESTIONS = 200  # of 11,873, drawn by a hash of their ids


def measure(limit: int) -> dict[str, Figure]:
    "EM, F1 and costs of the three, and when the pipeline abstains; `limit` is of questions."
    with tempfile.TemporaryDirectory() as cache:
        found = answer_questions(
            folder_of("squad") / "dev-v2.0.json",
            limit or QUESTIONS,
            settings=Settings(generator="packaged"),
            cache=cache,
            track=False,
            progress=False,
        )
    figures = {
        "questions": Figure(value=len(found.questions)),
        "of them without an answer": Figure(value=sum(q.is_impossible for q in found.questions)),
        "right paragraph among the hits": Figure(value=found.retrieved),
    }
    for measure_, comparison in found.comparisons.items():
        for s in comparison.systems:
            figures[f"{measure_}, {s.name}"] = Figure(
                value=s.mean, interval=s.interval, interval_is="95 % bootstrap", note="answerable questions"
            )
    for c in found.comparisons["f1"].contrasts:
        figures[f"f1, {c.system} minus {c.baseline}"] = Figure(
            value=c.difference,
            interval=c.interval,
            interval_is="95 % paired bootstrap",
            note=f"{c.verdict}: {c}",
        )
    for kind, share in found.abstained.items():
        if share:
            figures[f"abstained, {kind} questions"] = Figure(
                value=share[0], interval=share[1], interval_is="95 % bootstrap"
            )
    for name, scores in found.scores.items():
        ms = scores.costs.summary()["total ms"]["p50"]
        figures[f"answer p50, {name}"] = Figure(value=ms, unit="ms")
    return figures
