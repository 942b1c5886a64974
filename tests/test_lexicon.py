"""The lexicon finds words of one meaning, and lets no other word pass the guard, whatever is swapped."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import liquid_ai.generation.lexicon as module
from liquid_ai.generation.guard import agree
from liquid_ai.generation.guard_words import CANONICAL, lemma
from liquid_ai.generation.lexicon import lexicon, same_meaning, used, verbs_of

FILE = Path(__file__).parent / "data" / "lexicon_pairs.txt"
LEX = lexicon()
WORDS = sorted(LEX.senses)
# swapped in, these change nothing that is asked, or make a word of another kind
GRAMMAR = module._GRAMMAR


def blocks() -> list[tuple[str, list[str], list[str]]]:
    "Questions with their paraphrases and their look-alikes."
    found = []
    for block in FILE.read_text("utf-8").strip().split("\n\n"):
        question, *lines = block.splitlines()
        found.append((question, *([x[4:] for x in lines if x[2] == mark] for mark in "=!")))
    return found


def near(word: str) -> set[str]:
    "Words that a careless rule might take for `word`: opposites, wider and narrower ones, and their kin."
    found = set(LEX.antonyms.get(word, ()))
    here = {at for kept in LEX.senses.get(word, {}).values() for at in kept}
    above = {LEX.up[at] for at in here if LEX.up[at] >= 0}
    for at, members in NARROWER.items():
        if at in here or at in above:
            found |= {w for m in members for w in LEX.members.get(m, ())}
    found |= {w for at in above for w in LEX.members[at]}
    return {w for w in found if w.isalpha() and not here & senses(w) and not kin(word, w)}


NARROWER: dict[int, list[int]] = {}
for below, over in enumerate(LEX.up):
    NARROWER.setdefault(over, []).append(below)


def senses(word: str) -> set[int]:
    return {at for kept in LEX.senses[word].values() for at in kept}


def kin(one: str, two: str) -> bool:
    "Whether the guard's own table, or a form of one word, makes them the same on purpose."
    a, b = lemma(one).removesuffix("+ed"), lemma(two).removesuffix("+ed")
    return CANONICAL.get(a, a) == CANONICAL.get(b, b) or same_meaning(a, b) or bool(senses(one) & senses(two))


def swapped(question: str, rng: random.Random, many: int) -> list[tuple[str, str]]:
    "Look-alikes of a question: its kind and its text."
    words, made = question.rstrip("?").split(), []
    content = [i for i, w in enumerate(words) if i and w.islower() and w.isalpha() and w not in GRAMMAR and used(w)]
    for i in content:
        for other in rng.sample(sorted(near(words[i])), min(many, len(near(words[i])))):
            made.append(("near", words[:i] + [other] + words[i + 1 :]))
        other = rng.choice(WORDS)
        if "_" not in other and not kin(words[i], other):
            made.append(("unrelated", words[:i] + [other] + words[i + 1 :]))
    for i, j in [(i, j) for i in content for j in content if i < j and not kin(words[i], words[j])]:
        made.append(("order", [words[{i: j, j: i}.get(k, k)] for k in range(len(words))]))
    for i in content:
        made.append(("more", words[:i] + ["not"] + words[i:]))
    for i, w in enumerate(words):
        if re.fullmatch(r"\d+", w):
            made.append(("number", words[:i] + [str(int(w) + 1)] + words[i + 1 :]))
        if w[0].isupper() and i:
            made.append(("name", words[:i] + ["Zanzibar"] + words[i + 1 :]))
        if w in ("not", "no", "without"):
            made.append(("less", words[:i] + words[i + 1 :]))
    return [(kind, " ".join(text) + "?") for kind, text in made]


def wrong(many: int, seed: int, every: int = 1) -> tuple[int, list[tuple[str, str, str]]]:
    "How many look-alikes were tried, and those that passed."
    rng, tried, found = random.Random(seed), 0, []
    texts = [t for question, same, _ in blocks() for t in (question, *same)][::every]
    for text in texts:
        for kind, other in swapped(text, rng, many):
            tried += 1
            if agree(text, other) == "":
                found.append((kind, text, other))
    return tried, found
