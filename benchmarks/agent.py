"""Two questions in one: what an agent's searches find against a single search, on the packaged questions."""

import tempfile
import time
from pathlib import Path

import numpy as np

from liquid_ai.agent import Agent
from liquid_ai.core import Answer, Settings
from liquid_ai.ingestion.quickstart import Question, questions
from liquid_ai.pipeline import quickstart

from .report import Figure, bootstrap

PAIRS = 40
WAYS = ("one search", "one search, as many hits", "agent")


def joined(first: Question, second: Question) -> str:
    "One question that asks both."
    then, told = second.question, first.question.rstrip("?")
    return f"{told}, and {then[0].lower() if then[1:2].islower() else then[0]}{then[1:]}"


def cited(answer: Answer, question: Question) -> float:
    "1 where a citation holds the place that the question's author marked, else 0."
    return float(question.quote in " ".join(" ".join(c.quote.split()) for c in answer.citations))


def found(answer: Answer, question: Question) -> float:
    "1 where one of the hits holds it, else 0."
    return float(any(question.quote in " ".join(h.chunk.text.split()) for h in answer.hits))


def measure(limit: int) -> dict[str, Figure]:
    "Marked places among hits and citations, three ways, and what they took; `limit` is of pairs."
    known = [q for q in questions("test") if q.answerable]
    pairs = list(zip(known[::2], known[1::2], strict=False))[: limit or PAIRS]
    scores = {way: {"found": [], "cited": []} for way in WAYS}
    spent = {way: [] for way in WAYS}
    with (
        tempfile.TemporaryDirectory() as folder,
        quickstart(Path(folder) / "store", Settings(generator="packaged"), progress=False) as rag,
    ):
        agent = Agent(rag, planner="rules")
        rag.ask(joined(*pairs[0]), cache=False)  # loads the model
        for n, pair in enumerate(pairs):
            asked = joined(*pair)
            calls = {
                "one search": lambda q: rag.ask(q, cache=False),
                "agent": lambda q: agent.ask(q, cache=False),
            }
            answers = {}
            for way in list(calls)[:: 1 if n % 2 else -1]:
                start = time.perf_counter()
                answers[way] = calls[way](asked)
                spent[way].append((time.perf_counter() - start) * 1e3)
            many = max(len(answers["agent"].hits), 1)
            answers["one search, as many hits"] = rag.ask(asked, top_k=many, cache=False)
            for way, answer in answers.items():
                scores[way]["found"].append(np.mean([found(answer, q) for q in pair]))
                scores[way]["cited"].append(np.mean([cited(answer, q) for q in pair]))
    figures = {"pairs of questions": Figure(value=len(pairs))}
    for what, told in {"found": "marked places among the hits", "cited": "marked places cited"}.items():
        values = {way: np.array(scores[way][what]) for way in WAYS}
        figures |= {f"{told}, {way}": _share(of) for way, of in values.items()}
        for way in WAYS[:2]:
            gain = values["agent"] - values[way]
            figures[f"{told}, agent minus {way}"] = _share(gain, "95 % paired bootstrap")
    for way, of in ((way, np.array(times)) for way, times in spent.items() if times):
        figures[f"answer p50, {way}"] = Figure(
            value=float(np.median(of)),
            unit="ms",
            interval=bootstrap(of, np.median),
            interval_is="95 % bootstrap",
        )
    return figures


def _share(values: np.ndarray, interval_is: str = "95 % bootstrap") -> Figure:
    return Figure(value=float(values.mean()), interval=bootstrap(values), interval_is=interval_is)
