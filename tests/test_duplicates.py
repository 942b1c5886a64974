"""Planted copies are found, nothing else is, and neither order nor history matters."""

import json
import os
import random
import time
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import InputError, Settings
from liquid_ai.ingestion.duplicates import Copy, Signed, bands, jaccard, near_duplicates, shingles, signature

DATA = Path(os.environ.get("LIQUID_AI_DATA") or ROOT.parent / "shared" / "data") / "scifact" / "corpus.jsonl"
WAYS = ("words", "end", "start", "header", "footer", "spaces")


def disturbed(text: str, way: str, rng: random.Random) -> str:
    "A near copy of `text`."
    words = text.split()
    if way == "words":
        for _ in range(max(1, len(words) // 60)):
            words[rng.randrange(len(words))] = f"word{rng.randrange(99)}"
    words = words[: len(words) * 9 // 10] if way == "end" else words
    words = words[len(words) // 12 :] if way == "start" else words
    header = "INTERNAL. Printed on Monday by the office.\n\n" if way == "header" else ""
    footer = "\n\nAll rights reserved. Page 1 of 1." if way == "footer" else ""
    return header + ("\n\t " if way == "spaces" else " ").join(words) + footer


def planted(texts: dict[str, str], n: int, rng: random.Random) -> dict[str, str]:
    long = [name for name, text in texts.items() if len(text.split()) >= 60]
    chosen = enumerate(rng.sample(long, n))
    return {f"{name}~{i % 6}": disturbed(texts[name], WAYS[i % 6], rng) for i, name in chosen}


def copies_of(texts: dict[str, str], similarity: float, group: str = "") -> dict[str, Copy]:
    signed = [Signed(name, name, signature(text), group) for name, text in texts.items()]
    return near_duplicates(signed, similarity, texts.__getitem__)


def precision_and_recall(texts: dict[str, str], copies: dict[str, str]) -> tuple[float, float]:
    found = copies_of(texts | copies, 0.8)
    right = [name for name, copy in found.items() if name in copies and copy.of == name.partition("~")[0]]
    return len(right) / len(found), len(right) / len(copies)


def made_up(n: int, rng: random.Random, length: int = 150) -> dict[str, str]:
    words = [f"w{i}" for i in range(2_000)]
    return {f"{i:06}": " ".join(rng.choices(words, k=rng.randint(60, length))) for i in range(n)}


def brute(texts: dict[str, str], similarity: float) -> dict[str, str]:
    "By the definition: a document is a copy where one that is kept before it is similar."
    kept, found, sets = [], {}, {name: shingles(text) for name, text in texts.items()}
    for name in sorted(texts):
        of = max(kept, key=lambda k: (jaccard(sets[name], sets[k]), [-ord(c) for c in k]), default=None)
        if of is not None and jaccard(sets[name], sets[of]) >= similarity:
            found[name] = of
        else:
            kept.append(name)
    return found


def test_planted_copies_are_found_and_nothing_else():
    rng = random.Random(0)
    texts = made_up(600, rng)
    precision, recall = precision_and_recall(texts, planted(texts, 240, rng))
    assert precision >= 0.95 and recall >= 0.95


@pytest.mark.skipif(not DATA.is_file(), reason=f"no SciFact at {DATA}")
def test_planted_copies_of_abstracts_are_found_and_nothing_else():
    rng = random.Random(0)
    rows = map(json.loads, DATA.read_text("utf-8").splitlines()[:2_000])
    texts = {row["_id"]: row["text"] for row in rows}
    precision, recall = precision_and_recall(texts, planted(texts, 600, rng))
    assert precision >= 0.95 and recall >= 0.95


def test_it_is_what_comparing_each_with_each_finds():
    rng = random.Random(1)
    texts = made_up(60, rng)
    for _ in range(3):  # copies of copies
        texts |= {
            f"{name}-{rng.random()}": disturbed(texts[name], "words", rng)
            for name in rng.sample([*texts], 40)
        }
    found = copies_of(texts, 0.8)
    assert {name: copy.of for name, copy in found.items()} == brute(texts, 0.8)
    assert all(
        copy.similarity == jaccard(shingles(texts[n]), shingles(texts[copy.of])) for n, copy in found.items()
    )


SMALL = [
    "a b c d e f g h",
    "A  b c, d e f g h",
    "a b c d e f g i",
    "x y z",
    "x y",
    "",
    "...",
    "日本語の文章です",
    "日本語の文章です。",
]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("pqrstuvw"), st.sampled_from(SMALL)), max_size=12),
    st.sampled_from([0.3, 0.6, 0.8, 1.0]),
    st.randoms(use_true_random=False),
)
def test_neither_order_nor_history_matters(history, similarity, rng):
    folder = {}
    for name, text in history:  # files come, change and go
        folder.pop(name, None) if folder.get(name) == text else folder.update({name: text})
    signed = [Signed(name, name, signature(text)) for name, text in folder.items()]
    found = near_duplicates(signed, similarity, folder.__getitem__)
    rng.shuffle(signed)
    assert near_duplicates(signed, similarity, folder.__getitem__) == found
    for name, copy in found.items():
        assert copy.of not in found and copy.of < name and copy.similarity >= similarity
    kept = sorted(set(folder) - set(found))
    sets = {name: shingles(folder[name]) for name in kept}
    assert all(jaccard(sets[a], sets[b]) < similarity for a in kept for b in kept if a < b)


def test_only_what_the_same_people_may_read_is_a_copy():
    text = "one two three four five"
    signed = [Signed("a", "a", signature(text), "ann"), Signed("b", "b", signature(text))]
    assert near_duplicates(signed, 0.8, lambda _: text) == {}
    signed += [Signed("c", "c", signature(text), "ann")]
    assert near_duplicates(signed, 0.8, lambda _: text) == {"c": Copy("a", 1.0)}


def test_texts_are_asked_for_candidates_only():
    rng = random.Random(2)
    texts, asked = made_up(300, rng), []
    texts["zzz"] = disturbed(texts["000007"], "words", rng)

    def text_of(name):
        asked.append(name)
        return texts[name]

    signed = [Signed(name, name, signature(text)) for name, text in texts.items()]
    assert set(near_duplicates(signed, 0.8, text_of)) == {"zzz"}
    assert sorted(asked) == ["000007", "zzz"]


@pytest.mark.parametrize("kind", ["forms", "copies"])
def test_many_alike_do_not_take_quadratic_time(kind):
    rng = random.Random(3)
    form, own = [f"f{i}" for i in range(100)], 25 if kind == "forms" else 1

    def filled():
        words = list(form)
        for at in rng.sample(range(100), own):
            words[at] = f"w{rng.randrange(10**6)}"
        return " ".join(words)

    texts = {f"{i:06}": filled() for i in range(2_000)}
    texts["zzz"] = disturbed(texts["001234"], "spaces", rng)
    started = time.process_time()
    found = copies_of(texts, 0.8)
    assert time.process_time() - started < 60
    assert {name: copy.of for name, copy in found.items()} == (
        {"zzz": "001234"} if kind == "forms" else {name: "000000" for name in texts if name != "000000"}
    )


def test_a_similarity_is_a_share():
    for wrong in (0, -0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="share"):
            near_duplicates([], wrong, str)
    with pytest.raises(InputError, match="duplicates"):
        Settings(duplicates=1.5)
    assert Settings().duplicates == 0


@given(st.floats(0.05, 1))
def test_bands_fit_the_signature_and_miss_next_to_nothing(similarity):
    number, width = bands(similarity)
    assert number * width <= 128
    assert width == 1 or (1 - similarity**width) ** number <= 1e-4


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=200), st.text(alphabet=" \t\n", min_size=1, max_size=3))
def test_white_space_does_not_count(text, space):
    other = space.join(text.split())
    assert jaccard(shingles(text), shingles(other)) in (0, 1)  # 0: there is no word
    assert (signature(text) == signature(other)).all()
