"""Citations of the packaged model on SQuAD 2.0: do they hold the known answer, does confidence sort them?"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from liquid_ai.core import Answer, LiquidError, Settings, digest
from liquid_ai.evaluation.abstention import risk_coverage
from liquid_ai.evaluation.answers import AnswerScores, evaluate_answers
from liquid_ai.evaluation.end_to_end import share
from liquid_ai.evaluation.grounding import citation_hits, cite_judge
from liquid_ai.evaluation.significance import percentile_interval, resample
from liquid_ai.evaluation.squad import Reference, Squad, read_squad
from liquid_ai.pipeline import RAG

from .data import folder_of
from .report import Figure

QUESTIONS = 500  # answerable and impossible as they come, those whose paragraph is among the hits
HELD_OUT = 0.8  # of the articles; the threshold was chosen on questions about the others
THRESHOLD = 0.3  # of confidence; chosen with `develop`, on other articles
TARGET = ">= 0.80"  # of supporting citations
_INTERVAL = "95 % bootstrap over questions"


def homes(path: Path, data: Squad) -> dict[str, tuple[str, str]]:  # document, article; by question
    "Where each question was asked; of an impossible one too the paragraph is known."
    paragraphs = [
        (a["title"], p) for a in json.loads(path.read_text("utf-8"))["data"] for p in a["paragraphs"]
    ]
    found = {}
    for document, (title, paragraph) in zip(data.documents, paragraphs, strict=True):
        found |= {qa["id"]: (document.id, title) for qa in paragraph["qas"]}
    return found


def part_of(article: str) -> str:
    "`dev` or `held out`: no article is in both."
    return "held out" if int(digest("citations", article), 16) % 100 < 100 * HELD_OUT else "dev"


def ask(rag: RAG, data: Squad, home: dict[str, tuple[str, str]], part: str, wanted: int) -> dict[str, Answer]:
    "Answers to the first `wanted` questions, in the order of a hash, whose paragraph is among the hits."
    asked = [q for q in data.questions if part_of(home[q.id][1]) == part]
    answers: dict[str, Answer] = {}
    for q in sorted(asked, key=lambda q: digest(part, q.id)):
        if len(answers) == wanted:
            break
        try:
            answer = rag.ask(q.question)
        except LiquidError as e:
            answer = Answer(q.question, "(failed)", reason=str(e))  # scores 0, and is no refusal
        if not answer.hits or home[q.id][0] in {h.chunk.document_id for h in answer.hits}:
            answers[q.id] = answer
    return answers


def supporting(answer: Answer, q: Reference) -> list[bool]:
    "Which citations overlap the gold answer; none of an impossible question does."
    return list(citation_hits(answer, q)) if q.spans else [False] * len(answer.citations)


def ratio(parts: np.ndarray, note: str = "") -> Figure:
    "Sum over sum of (n, 2), with an interval over questions."
    parts = np.asarray(parts, float)
    if len(parts) < 2 or not parts[:, 1].sum():
        return Figure(value=None, note="too few to count")

    def of(block: np.ndarray, axis: int) -> np.ndarray:
        top, bottom = np.moveaxis(block.sum(axis=axis), -1, 0)
        return top / np.maximum(bottom, 1)

    top, bottom = parts.sum(0)
    interval = percentile_interval(resample(parts, of), len(parts))
    return Figure(
        value=top / bottom,
        interval=interval,
        interval_is=_INTERVAL,
        note=note or f"{top:g} of {bottom:g}",
    )


def mean(values: np.ndarray, note: str) -> Figure:
    "With an interval over questions."
    return ratio(np.column_stack([values, np.ones(len(values))]), note)


def figures_of(
    answers: dict[str, Answer], asked: list[Reference], scored: AnswerScores, threshold: float, name: str
) -> dict[str, Figure]:
    "Supporting citations and coverage where answers below a threshold of confidence are withheld."
    given = {id: a for id, a in answers.items() if not a.abstained and a.confidence >= threshold}
    hits = {q.id: supporting(answers[q.id], q) if q.id in given else [] for q in asked}
    known, whole = [q for q in asked if q.spans], asked
    counts = {q.id: (sum(hits[q.id]), len(hits[q.id])) for q in whole}
    found = {f"supporting precision of citations, {name}": ratio(np.array([counts[q.id] for q in known]))}
    found[f"the same, impossible questions too, {name}"] = ratio(np.array([counts[q.id] for q in whole]))
    recalled = np.array([(any(hits[q.id]), 1) for q in known])
    found[f"answerable questions with a supporting citation, {name}"] = ratio(recalled)
    for kind, of in {"answerable": known, "impossible": [q for q in asked if not q.spans]}.items():
        told = share(np.array([q.id in given for q in of], float))
        if told:
            found[f"{kind} questions answered, {name}"] = Figure(
                value=told[0], interval=told[1], interval_is="95 % Wilson", note=f"of {len(of)}"
            )
    held = np.array([q.id in given for q in asked])
    due = np.array([q.is_impossible for q in asked], float)  # a due refusal is right
    for m in ("exact", "f1"):
        found[f"{m}, all questions, {name}"] = mean(
            np.where(held, scored[m], due), "a due refusal counts as right"
        )
    return found


def answered(part: str, wanted: int) -> tuple[Squad, list[Reference], dict[str, Answer], AnswerScores]:
    "Every question of a part answered and scored, nothing withheld. Raises: `MissingData`."
    path = folder_of("squad") / "dev-v2.0.json"
    data = read_squad(path)
    settings = Settings(
        generator="packaged", min_confidence=0.0, min_answer_confidence=0.0, answer_cache="none"
    )
    with tempfile.TemporaryDirectory() as folder, RAG.open(Path(folder) / "store", settings) as rag:
        rag.ingest(data.documents, progress=False)
        answers = ask(rag, data, homes(path, data), part, wanted)
        asked = [q for q in data.questions if q.id in answers]
        judge = cite_judge(rag.encoder, rag.snapshot().sparse, settings.min_support)
        scored = evaluate_answers(answers, asked, judge)
    return data, asked, answers, scored


def develop(wanted: int = 100) -> None:
    "Print the supporting precision at each threshold on the development articles."
    _, asked, answers, scored = answered("dev", wanted)
    for threshold in np.arange(0, 0.8, 0.05).round(2):
        found = figures_of(answers, asked, scored, threshold, "")
        print(threshold, *(f"{name} {f.value} ({f.note})" for name, f in found.items()), sep="\n   ")


def measure(limit: int) -> dict[str, Figure]:
    "Exact match, F1, AURC, citation precision and recall on the held-out articles; `limit` is of questions."
    data, asked, answers, scored = answered("held out", limit or QUESTIONS)
    return _figures(answers, asked, {d.id: d.text for d in data.documents}, scored)


def _figures(answers, asked, texts, scored) -> dict[str, Figure]:
    exact = all(
        texts[c.document_id][c.start : c.end] == c.quote for a in answers.values() for c in a.citations
    )
    figures = {
        "questions": Figure(
            value=len(asked), note=f"{sum(q.is_impossible for q in asked)} of them impossible"
        ),
        "every citation is the text at its place": Figure(value=int(exact), target="== 1"),
    }
    known = np.array([not q.is_impossible for q in asked])
    for measure_ in ("exact", "f1"):
        figures[f"{measure_}, answerable questions"] = mean(scored[measure_][known], "nothing is withheld")
    figures |= _sorting(answers, asked, scored)
    for measure_ in ("citation_precision", "citation_recall"):
        values = scored[measure_]
        figures[f"{measure_.replace('_', ' ')}, judged"] = mean(
            values[~np.isnan(values)], str(scored.scores.notes["judge"])
        )
    figures |= figures_of(answers, asked, scored, 0.0, "all answers")
    chosen = figures_of(answers, asked, scored, THRESHOLD, f"confidence from {THRESHOLD}")
    first = next(iter(chosen))
    chosen[first] = replace(chosen[first], target=TARGET)
    return figures | chosen


def _sorting(answers, asked, scored) -> dict[str, Figure]:
    "Area under the risk-coverage curve, of two losses."
    given = [q for q in asked if not answers[q.id].abstained]
    if not given:
        return {}
    sure = np.array([answers[q.id].confidence for q in given])
    place = {q.id: n for n, q in enumerate(asked)}
    f1 = np.array([1 - scored["f1"][place[q.id]] for q in given])
    cited = np.array([1.0 - any(supporting(answers[q.id], q)) for q in given])
    rng, found = np.random.default_rng(0), {}
    for name, loss in {"1 − F1": f1, "no supporting citation": cited}.items():
        curve = risk_coverage(sure, loss, len(asked))
        areas = [
            risk_coverage(sure[i], loss[i], len(asked)).aurc
            for i in rng.integers(0, len(sure), (1_000, len(sure)))
        ]
        found[f"AURC of {name}, all questions"] = Figure(
            value=curve.aurc,
            interval=tuple(np.quantile(areas, [0.025, 0.975]).tolist()),
            interval_is=_INTERVAL,
            note=f"{curve.eaurc:.3f} above the best order; risk of all {curve.risk[-1]:.3f}",
        )
    return found
