"""The suite of misleading questions is what its templates say, fair to both labels, and scored right."""

import hashlib
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks import cache_safety
from benchmarks.cache_safety import SPLITS, Pair, Share, measure, pairs, score, table
from benchmarks.cache_safety.baselines import TO_HIT, exact, normalised, rules
from benchmarks.cache_safety.generate import DIFFERENT, FOLDER, SAME, applied, files, templates
from benchmarks.cache_safety.templates import texts
from liquid_ai.ingestion.quickstart import questions

ALL = [p for split in SPLITS for p in pairs(split)]


def test_templates_make_the_files_byte_for_byte():
    for name, content in files().items():
        assert (FOLDER / name).read_bytes() == content, (
            f"{name}: run python -m benchmarks.cache_safety.generate"
        )


def test_hashes_are_the_files():
    lines = (FOLDER / "SHA256SUMS").read_text("ascii").splitlines()
    assert [line.split()[1] for line in lines] == [f"{split}.jsonl" for split in SPLITS]
    for line in lines:
        expected, name = line.split()
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == expected


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    for name, content in files().items():
        (tmp_path / name).write_bytes(content.replace(b'"same": true', b'"same": false', 1))
    monkeypatch.setattr(cache_safety, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="SHA256SUMS"):
        pairs.__wrapped__("dev")
    with pytest.raises(ValueError, match="unknown"):
        pairs("test")


def test_there_are_enough_pairs_and_both_labels():
    assert len(ALL) >= 600
    assert 0.35 <= len(pairs("dev")) / len(pairs("dev") + pairs("held_out")) <= 0.45
    for split in SPLITS:
        share = sum(p.same for p in pairs(split)) / len(pairs(split))
        assert 0.35 <= share <= 0.50, split


def test_every_kind_is_in_every_split_and_has_one_label():
    assert not set(SAME) & set(DIFFERENT)
    for split in SPLITS:
        kinds = Counter((p.same, p.kind) for p in pairs(split))
        assert set(kinds) == {(True, k) for k in SAME} | {(False, k) for k in DIFFERENT}, split
        assert min(kinds.values()) >= 5, split


def test_no_pair_is_there_twice():
    assert len({p.id for p in ALL}) == len(ALL)
    assert len({frozenset((p.first, p.second)) for p in ALL}) == len(ALL)
    assert all(p.first != p.second for p in ALL)


def test_no_text_has_two_labels():
    "Case may matter (grep -v, grep -V); what stands at the end of a question never does."
    found = {}
    for p in ALL:
        found.setdefault(frozenset(text.rstrip(" ?!.") for text in (p.first, p.second)), set()).add(p.same)
    assert all(len(labels) == 1 for labels in found.values())


def ids(split: str) -> dict[str, str]:
    "By question, a pair that has it: a failure names ids and shows nobody what another split holds."
    return {normalised(text): p.id for p in pairs(split) for text in (p.first, p.second)}


def test_splits_share_no_question():
    for one, two in combinations(map(ids, SPLITS), 2):
        shared = sorted((one[text], two[text]) for text in one.keys() & two.keys())
        assert not shared, "the same question in pairs of two splits"
    sources = Counter(normalised(t.question) for split in SPLITS for t in templates(split))
    assert max(sources.values()) == 1, (
        f"{sum(n > 1 for n in sources.values())} source questions are there twice"
    )


@pytest.mark.parametrize(("split", "half"), [("dev", "dev"), ("held_out", "test")])
def test_python_questions_are_the_packaged_ones(split, half):
    packaged = {q.question for q in questions(half)}
    assert {t.question for t in templates(split) if t.field == "python"} <= packaged


def test_questions_are_tidy():
    for p in ALL:
        for text in (p.first, p.second):
            assert text == " ".join(text.split()) and 2 <= len(text.split()) <= 30, p.id
            assert "→" not in text and "  " not in text, p.id


def test_neither_order_nor_number_of_changed_words_gives_the_label_away():
    for split in SPLITS:
        for same in (True, False):
            chosen = [p for p in pairs(split) if p.same is same]
            source = {t.question for t in templates(split)}
            first = [p.first in source for p in chosen if (p.first in source) != (p.second in source)]
            assert 0.4 < np.mean(first) < 0.6, (split, same)
        changed = {
            same: sorted(
                len(set(p.first.split()) ^ set(p.second.split())) for p in pairs(split) if p.same is same
            )
            for same in (True, False)
        }
        for values, others in (changed.values(), list(changed.values())[::-1]):
            assert values[len(values) // 10] < others[len(others) // 2] < values[-len(values) // 10], split


def test_a_variant_that_fits_nowhere_is_refused():
    assert applied("b → c", "a b") == "a c"
    assert applied("d", "a b") == "d"
    with pytest.raises(ValueError, match="2 times"):
        applied("b → c", "b b")
    with pytest.raises(ValueError, match="0 times"):
        applied("x → c", "a b")


def test_an_unknown_kind_is_refused(monkeypatch):
    from benchmarks.cache_safety import generate

    monkeypatch.setattr(generate, "texts", lambda split: {"home": "Who?\n  = negation: What?"})
    with pytest.raises(ValueError, match="no variant"):
        templates("dev")
    assert set(texts("dev")) == {"python", "life", "work"}


@pytest.mark.parametrize("split", SPLITS)
def test_scores_of_rules_that_are_known(split):
    label = {(p.first, p.second): p.same for p in pairs(split)}
    same, other = sum(label.values()), len(label) - sum(label.values())
    right = score(lambda *asked: label[asked], split)
    assert (right.wrong, right.hit, right.sources.count) == (Share(0, other), Share(same, same), 0)
    wrong = score(lambda *asked: not label[asked], split)
    assert (wrong.wrong, wrong.hit) == (Share(other, other), Share(0, same))
    assert wrong.sources.count == wrong.sources.of == len({p.source for p in pairs(split) if not p.same})
    assert sum(s.of for s in wrong.kinds.values()) == len(label)
    assert all(wrong.kinds[k].count == (0 if k in SAME else wrong.kinds[k].of) for k in wrong.kinds)


def test_order_is_first_then_second(monkeypatch):
    made = (Pair("dev-x-001-01", "voice", "a", "b", True), Pair("dev-x-001-02", "names", "c", "a", False))
    monkeypatch.setattr(cache_safety, "pairs", lambda split: made)
    assert score(lambda first, second: (first, second) == ("a", "b")).hit == Share(1, 1)
    found = score(lambda first, second: (first, second) == ("c", "a"))
    assert (found.hit, found.wrong, found.sources) == (Share(0, 1), Share(1, 1), Share(1, 1))


@pytest.mark.parametrize(("count", "of"), [(0, 40), (1, 40), (13, 40), (39, 40), (40, 40)])
def test_bounds_are_those_of_the_binomial(count, of):
    "At the bound, so few or so many are as improbable as they should be."
    share = Share(count, of)
    low, high = share.interval
    if count < of:
        assert binom.cdf(count, of, high) == pytest.approx(0.025, abs=1e-9)
        assert binom.cdf(count, of, share.upper) == pytest.approx(0.05, abs=1e-9)
    else:
        assert high == share.upper == 1
    if count:
        assert binom.sf(count - 1, of, low) == pytest.approx(0.025, abs=1e-9)
    else:
        assert low == 0


def test_exact_text():
    assert exact("What is  it?", "what is it")
    assert not exact("What is it?", "What was it?")


def test_thresholds_come_from_dev_alone():
    found = rules()
    safe = next(decide for name, (decide, _) in found.items() if "no wrong hit" in name)
    dev = score(safe, "dev")
    assert dev.wrong.count == 0
    wanted = next(decide for name, (decide, _) in found.items() if f"{TO_HIT:.0%}" in name)
    assert TO_HIT <= score(wanted, "dev").hit.value < TO_HIT + 0.02
    loose, strict = score(found["cosine >= 0.80"][0], "dev"), score(found["cosine >= 0.90"][0], "dev")
    assert loose.hit.count > strict.hit.count and loose.wrong.count > strict.wrong.count > 0


def test_figures_and_table():
    assert measure(1)["share of look-alikes served, exact text, dev"].value is None  # one paraphrase
    figures = measure(60)
    assert figures["paraphrases, dev"].value + figures["look-alikes, dev"].value == 60
    assert figures["share of look-alikes served, exact text, dev"].interval[0] == 0
    assert "source questions" in figures["wrong hits, cosine >= 0.80, held_out"].note
    text = table({"exact": score(exact, "dev"), "all": score(lambda *_: True, "dev")}, kinds=True)
    lines = text.splitlines()
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert lines[2].startswith("| exact") and "100.0%" in lines[3]
    assert sum(line.startswith(("| negation", "| voice")) for line in lines) == 2
