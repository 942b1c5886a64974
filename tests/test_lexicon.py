"""The lexicon finds words of one meaning, and lets no other word pass the guard, whatever is swapped."""

import gzip
import random
import re
import runpy
from pathlib import Path

import pytest
import setuptools
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

import liquid_ai.generation.lexicon as module
from liquid_ai.core import StoreError
from liquid_ai.generation.guard import agree
from liquid_ai.generation.guard_words import CANONICAL, NEAR, lemma
from liquid_ai.generation.lexicon import known_words, meant, same_meaning, used, verbs_of

QUICK = settings(deadline=None, max_examples=200)
DATA = ROOT / "liquid_ai" / "data"

FILE = Path(__file__).parent / "data" / "lexicon_pairs.txt"
# words of polite frames, which go away
_FRAMES = {"tell", "explain", "show", "list", "know", "like", "want", "wonder", "please", "question", "true"}
_FRAMES |= {"quick", "help"}
GRAMMAR = module._GRAMMAR | _FRAMES
LEX = known_words()
WORDS = sorted(LEX.senses)
# swapped in, these change nothing that is asked, or make a word of another kind


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
    acts = [{CANONICAL.get(w, w), *(CANONICAL.get(v, v) for v in verbs_of(w))} for w in (a, b)]
    meant = same_meaning(a, b) or b in NEAR.get(a, ())
    return bool(acts[0] & acts[1]) or meant or bool(senses(one) & senses(two))


def nouns(one: str, two: str) -> bool:
    "Whether two words are nouns, and nothing else more often: what is left is a question then."
    uses = (LEX.uses.get(lemma(w), {}) for w in (one, two))
    return all(u.get("n", 0) > sum(u.values()) / 2 for u in uses) and not kin(one, two)


def swapped(question: str, rng: random.Random, many: int) -> list[tuple[str, str]]:
    "Look-alikes of a question: its kind and its text."
    words, made = question.rstrip("?").split(), []
    plain = [w.islower() and w.isalpha() and w not in GRAMMAR and used(w) for w in words]
    content = [i for i, w in enumerate(words) if i and plain[i]]
    for i in content:
        for other in rng.sample(sorted(near(words[i])), min(many, len(near(words[i])))):
            made.append(("near", words[:i] + [other] + words[i + 1 :]))
        other = rng.choice(WORDS)
        if "_" not in other and not kin(words[i], other):
            made.append(("unrelated", words[:i] + [other] + words[i + 1 :]))
    for i, j in [(i, j) for i in content for j in content if i + 1 < j and nouns(words[i], words[j])]:
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


def test_no_swapped_word_passes():
    "Some thousands of look-alikes, made by rule: no paraphrase of ours agrees with any."
    tried, found = wrong(many=4, seed=4, every=3)
    assert tried > 800 and found == []


@pytest.mark.slow
def test_no_swapped_word_passes_in_many():
    tried, found = wrong(many=20, seed=5)
    assert tried > 7_000 and found == []


def test_hand_written_look_alikes_are_refused():
    told = [(q, other) for q, _, different in blocks() for other in different if agree(q, other) == ""]
    assert told == []


def test_paraphrases_are_found():
    "What was written before the guard had a lexicon, and tuned on since."
    hits = [agree(q, other) == "" for q, same, _ in blocks() for other in same]
    assert len(hits) == 140 and sum(hits) >= 105


@QUICK
@given(st.sampled_from(WORDS), st.sampled_from(WORDS))
def test_meaning_has_no_direction(one, two):
    assert same_meaning(one, two) == same_meaning(two, one) and same_meaning(one, one)


@QUICK
@given(st.sampled_from(sorted(LEX.members)))
def test_members_of_a_sense_are_seldom_opposites(sense):
    for one in LEX.members[sense]:
        for other in LEX.antonyms.get(one, ()):
            assert not same_meaning(one, other)


@pytest.mark.parametrize(
    "pair",
    [
        "list tuple",
        "list array",
        "class object",
        "file folder",
        "method function",
        "argument parameter",
        "director manager",
        "begin end",
        "import export",
        "buy sell",
        "lend borrow",
        "cat dog",
        "apple fruit",
        "minute second",
        "first last",
        "mercury quicksilver",
        "average median",
        "deposit withdrawal",
        "hypothermia hyperthermia",
        "get become",
        "profit wage",
        "state statement",
    ],
)
def test_what_never_means_the_same(pair):
    one, two = pair.split()
    assert not same_meaning(one, two)


def test_a_slip_is_a_common_word_with_one_letter_wrong():
    assert [meant(w) for w in ("expresion", "wihte", "teh", "recieve")] == [
        "expression",
        "white",
        "the",
        "receive",
    ]
    assert [meant(w) for w in ("numpy", "hyperthermia", "ileum", "sulfite", "prednisone", "kubelet")] == [
        ""
    ] * 6
    assert agree("How do I recieve parcels?", "How do I receive parcels?") == ""
    assert agree("Is the Recieve band good?", "Is the Receive band good?")  # a name is no slip


@pytest.mark.parametrize(
    "damaged", [b"", b"no gzip", gzip.compress(b"[]", mtime=0), gzip.compress(b'{"words": {}}', mtime=0)]
)
def test_a_damaged_lexicon_is_told(damaged, monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "lexicon.json.gz").write_bytes(damaged)
    monkeypatch.setattr(module, "files", lambda package: tmp_path)
    with pytest.raises(StoreError, match="damaged or missing"):
        known_words.__wrapped__()


def test_the_licence_goes_with_the_data(asked_setup):
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in (DATA / "WORDNET_LICENSE").read_text(
        "ascii"
    )
    inside = [p for pattern in asked_setup["package_data"]["liquid_ai"] for p in DATA.parent.glob(pattern)]
    assert {DATA / "WORDNET_LICENSE", DATA / "lexicon.json.gz"} <= set(inside)


@pytest.fixture
def asked_setup(monkeypatch):
    "What setup.py hands to setuptools."
    told = []
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(setuptools, "setup", lambda **given: told.append(given))
    runpy.run_path(str(ROOT / "setup.py"))
    return told[0]
