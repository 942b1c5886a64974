"""Which questions a semantic cache may take for the same, on pairs written to mislead it.

Each pair is a paraphrase, for which an answer in the cache may be served, or a look-alike, for which it must
not: its right answer is another, or nothing in the first answer vouches for it. Everything was written by
hand, in `templates/`: source questions (the Python ones are the packaged question set's, its dev half in
`dev`, its test half in `held_out`; the others are our own) and for each a few variants that change one thing
of a named kind. `generate.py` makes `dev.jsonl`, `practice.jsonl` and `held_out.jsonl` from them: each
question with its variants, two paraphrases with each other, a paraphrase with a look-alike. All are frozen by
hash in `SHA256SUMS`. `dev` and `held_out` were written before there was a guard; `practice` was written later
than the guard's first versions, by someone who had not seen the guard or `held_out` (the test for shared
questions then named half a dozen of its texts; the one question in both was replaced in `practice`): it is
there to develop on, like `dev`, but for a third of its source questions that was scored and not read
(`only_counted`). Every variant was read against its question for its label, by who
wrote it: nobody else has judged them yet. What a company or a landlord rules is not known here: there a
look-alike is a question that another rule may settle.

The rule: **look at `dev` and `practice` only while building a guard.** The splits share no question, every
kind is in each, and `held_out` is for the one report at the end. A second pair from one source question is
hardly new evidence: the intervals take pairs for independent and are too narrow, so source questions are
counted too.

    from benchmarks.cache_safety import score, table
    print(table({"mine": score(lambda first, second: first == second, "dev")}))
"""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..report import Figure

FOLDER = Path(__file__).resolve().parent
SPLITS = ("dev", "practice", "held_out")
Decide = Callable[
    [str, str], bool
]  # takes two questions: may the first one's answer be served for the second?


@dataclass(frozen=True, slots=True)
class Pair:
    "Two questions, and whether one cached answer serves both."

    id: str
    kind: str  # of the change between them, see `generate.KINDS`
    first: str  # its answer is in the cache
    second: str  # this one is asked
    same: bool

    @property
    def source(self) -> str:
        "The source question that the pair was made from."
        return self.id.rpartition("-")[0]


@functools.cache
def pairs(
    split: str,  # `dev`, `practice` or `held_out`
) -> tuple[Pair, ...]:
    "The pairs of a split. Raises: `ValueError` on another split, or where the file is not the frozen one."
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown; use {' or '.join(SPLITS)}")
    content = (FOLDER / f"{split}.jsonl").read_bytes()
    if f"{hashlib.sha256(content).hexdigest()}  {split}.jsonl" not in (FOLDER / "SHA256SUMS").read_text(
        "ascii"
    ):
        raise ValueError(f"{split}.jsonl is not the file whose hash stands in SHA256SUMS")
    return tuple(Pair(**json.loads(line)) for line in content.decode().splitlines())


def only_counted(pair: Pair) -> bool:
    """Whether a pair of `practice` is of the third of its source questions that was scored while the guard
    was worked on, but not read: what is hit there tells how well its rules carry over."""
    return int(hashlib.sha256(pair.source.encode()).hexdigest(), 16) % 3 == 0


@dataclass(frozen=True, slots=True)
class Share:
    "So many of so many."

    count: int
    of: int

    @property
    def value(self) -> float:
        "The share; not a number of nothing."
        return self.count / self.of if self.of else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        "Two-sided, 95 %. Source: Clopper & Pearson 1934."
        return self._bound(0.025)[0], self._bound(0.025)[1]

    @property
    def upper(self) -> float:
        "The one-sided upper bound, 95 %. Source: Clopper & Pearson 1934."
        return self._bound(0.05)[1]

    def _bound(self, tail: float) -> tuple[float, float]:
        from scipy.stats import beta

        k, n = self.count, self.of
        low = float(beta.ppf(tail, k, n - k + 1)) if k else 0.0
        return low, float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0

    def __str__(self) -> str:
        return f"{self.count} of {self.of}"


@dataclass(frozen=True, slots=True)
class Score:
    "What a rule serves: too much, and enough?"

    split: str
    wrong: Share  # of the look-alikes: served
    hit: Share  # of the paraphrases: served
    sources: Share  # of the source questions with a look-alike: at least one of them served
    kinds: Mapping[str, Share]  # served, by kind: wrong hits of look-alikes, hits of paraphrases


def score(
    decide: Decide,  # says whether to serve the first question's answer for the second
    split: str = "dev",  # or `practice`, `held_out`
    limit: int = 0,  # of pairs; 0: all
) -> Score:
    "How `decide` does on a split. Raises: `ValueError` as `pairs` does."
    served = {p: bool(decide(p.first, p.second)) for p in pairs(split)[: limit or None]}

    def share(of: Callable[[Pair], bool]) -> Share:
        chosen = [hit for pair, hit in served.items() if of(pair)]
        return Share(sum(chosen), len(chosen))

    asked = {p.source for p in served if not p.same}
    fooled = {p.source for p, hit in served.items() if hit and not p.same}
    kinds = sorted({(not p.same, p.kind) for p in served})
    return Score(
        split,
        wrong=share(lambda p: not p.same),
        hit=share(lambda p: p.same),
        sources=Share(len(fooled), len(asked)),
        kinds={kind: share(lambda p, kind=kind: p.kind == kind) for _, kind in kinds},
    )


def table(
    scores: Mapping[str, Score],  # by system
    kinds: bool = False,  # one line a kind as well
) -> str:  # Markdown
    "Systems side by side."
    head = [
        "system",
        "split",
        "wrong hits",
        "at most (95 %)",
        "questions with one",
        "paraphrases hit",
        "95 %",
    ]
    rows = []
    for name, s in scores.items():
        low, high = s.hit.interval
        cells = [str(s.wrong), f"{s.wrong.upper:.1%}", str(s.sources), f"{s.hit.value:.1%} ({s.hit})"]
        rows.append([name, s.split, *cells, f"{low:.1%} to {high:.1%}"])
    text = _markdown(head, rows)
    if kinds:
        named = {kind: s.kinds[kind].of for s in scores.values() for kind in s.kinds}
        served = [[kind, *(str(s.kinds.get(kind, "")) for s in scores.values())] for kind in named]
        text += "\n\n" + _markdown(
            ["served, by kind", *(f"{n}, {s.split}" for n, s in scores.items())], served
        )
    return text


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * w for w in widths], *rows]
    padded = [[c.ljust(w) for c, w in zip(line, widths, strict=True)] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in padded)


def measure(limit: int) -> dict[str, Figure]:
    "Every rule on every split; `limit` is of pairs a split."
    from .baselines import rules

    figures = {}
    for split in SPLITS:
        chosen = pairs(split)[: limit or None]
        figures[f"paraphrases, {split}"] = Figure(value=sum(p.same for p in chosen))
        figures[f"look-alikes, {split}"] = Figure(value=sum(not p.same for p in chosen))
    for name, (decide, about) in rules().items():
        for split in SPLITS:
            figures |= _figures(f"{name}, {split}", score(decide, split, limit), about)
    return figures


def _figures(name: str, s: Score, about: str) -> dict[str, Figure]:
    from .generate import DIFFERENT, SAME

    def by(kinds: tuple[str, ...]) -> str:
        return ", ".join(f"{k} {s.kinds[k].count}/{s.kinds[k].of}" for k in kinds if k in s.kinds)

    told = f"{about}; " if about else ""
    return {
        f"wrong hits, {name}": Figure(
            value=s.wrong.count,
            unit=f"of {s.wrong.of}",
            note=f"{told}from {s.sources} source questions; {by(DIFFERENT)}",
        ),
        f"share of look-alikes served, {name}": Figure(
            value=s.wrong.value if s.wrong.of else None,
            interval=(0.0, s.wrong.upper),
            interval_is="one-sided 95 % Clopper–Pearson, pairs taken for independent",
        ),
        f"share of paraphrases hit, {name}": Figure(
            value=s.hit.value if s.hit.of else None,
            interval=s.hit.interval,
            interval_is="95 % Clopper–Pearson, pairs taken for independent",
            note=f"{s.hit}; {by(SAME)}",
        ),
    }
