"""Makes the files of pairs from the templates: `python -m benchmarks.cache_safety.generate`."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .templates import FIELDS, texts

FOLDER = Path(__file__).resolve().parent
SAME = ("word order", "synonyms", "politeness", "contraction", "number words", "unit spelling", "date format")
SAME += ("voice", "nominalisation", "question form", "typos", "punctuation", "abbreviation", "kept negation")
SAME += ("reworded", "two changes")
DIFFERENT = (
    "negation",
    "numbers",
    "units",
    "dates",
    "versions",
    "names",
    "topic",
    "comparatives",
    "direction",
)
DIFFERENT += ("quantifiers", "modality", "tense", "antonyms", "question word", "scope", "identifiers")
DIFFERENT += ("near words",)
KINDS = {"=": SAME, "!": DIFFERENT}


@dataclass(frozen=True, slots=True)
class Template:
    "A source question with its variants: (kind, text)."

    field: str
    question: str
    same: tuple[tuple[str, str], ...]
    different: tuple[tuple[str, str], ...]


def applied(
    variant: str,  # a whole question, or `old → new`
    question: str,
) -> str:
    "The text of a variant. Raises: `ValueError` where `old` does not stand in the question exactly once."
    old, arrow, new = variant.partition(" → ")
    if not arrow:
        return variant
    if question.count(old) != 1:
        raise ValueError(f"{old!r} stands {question.count(old)} times in {question!r}")
    return question.replace(old, new)


def templates(
    split: str,  # `dev`, `practice` or `held_out`
) -> list[Template]:
    "What the templates of a split say. Raises: `ValueError` on a kind that is not in `KINDS`."
    found = []
    for field, text in texts(split).items():
        for block in text.strip().split("\n\n"):
            question, *lines = block.splitlines()
            variants = {"=": [], "!": []}
            for line in lines:
                mark, kind, variant = line[2], *line[4:].split(": ", 1)
                if line[:2] != "  " or kind not in KINDS[mark]:
                    raise ValueError(f"{line!r} is no variant")
                variants[mark].append((kind, applied(variant, question)))
            found.append(Template(field, question, tuple(variants["="]), tuple(variants["!"])))
    return found


def rows(
    split: str,  # `dev`, `practice` or `held_out`
) -> Iterator[dict[str, str | bool]]:
    """The pairs: a question with each variant; two paraphrases with each other (`two changes`); a paraphrase
    with a look-alike, so that no number of changed words tells the two labels apart."""
    for number, template in enumerate(templates(split), 1):
        question, same, different = template.question, template.same, template.different
        pairs = [(kind, question, text, True) for kind, text in same]
        if len(same) > 1:
            pairs.append(("two changes", same[0][1], same[-1][1], True))
        pairs += [(kind, question, text, False) for kind, text in different]
        if same and different:
            kind, text = different[number % len(different)]
            pairs.append((kind, same[number % len(same)][1], text, False))
        for n, (kind, first, second, label) in enumerate(pairs, 1):
            # who is asked first alternates: a guard must not depend on it
            first, second = (first, second) if (number + n) % 2 else (second, first)
            name = f"{split}-{template.field}-{number:03d}-{n:02d}"
            yield {"id": name, "kind": kind, "first": first, "second": second, "same": label}


def files() -> dict[str, bytes]:  # by name
    "The files of pairs, and the list of their hashes."
    made = {}
    for split in FIELDS:
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows(split)]
        made[f"{split}.jsonl"] = "".join(lines).encode()
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in made.items()]
    return made | {"SHA256SUMS": "".join(sums).encode()}


if __name__ == "__main__":
    for name, content in files().items():
        (FOLDER / name).write_bytes(content)
