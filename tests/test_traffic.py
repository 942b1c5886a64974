"""The split is stable, exact and independent; the test may be looked at as often as one likes."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from liquid_ai.core import InputError, to_json
from liquid_ai.evaluation.traffic import (
    SequentialTest,
    log_evidence,
    log_wealth,
    sample_ratio,
    sequential,
    split_traffic,
)

USERS = [f"user-{i}" for i in range(20_000)]
UNIT = st.floats(0, 1)


PINNED = "ababbaba"  # where the first users are in experiment x


# --- the split


@pytest.mark.parametrize(
    "shares", [{"a": 0.5, "b": 0.5}, {"a": 0.9, "b": 0.1}, {"a": 0.2, "b": 0.3, "c": 0.45, "d": 0.05}]
)
def test_shares_come_out(shares):
    arms = [split_traffic(u, shares, "shares") for u in USERS]
    counts = {arm: arms.count(arm) for arm in shares}
    assert stats.chisquare(list(counts.values()), [20_000 * s for s in shares.values()]).pvalue > 0.001
    check = sample_ratio(counts, shares)
    assert not check.mismatch
    assert check.p == pytest.approx(
        stats.chisquare(list(counts.values()), [20_000 * s for s in shares.values()]).pvalue
    )


def test_experiments_are_independent():
    half = {"a": 0.5, "b": 0.5}
    for other in ("two", "one ", "One", "1"):
        table = np.zeros((2, 2))
        for u in USERS[:10_000]:
            table["ab".index(split_traffic(u, half, "one")), "ab".index(split_traffic(u, half, other))] += 1
        assert stats.chi2_contingency(table).pvalue > 0.001


@given(st.text(min_size=1), st.text(min_size=1), st.permutations(["a", "b", "c"]))
def test_a_unit_stays_where_it_is(unit, experiment, order):
    shares = {"a": 0.2, "b": 0.3, "c": 0.5}
    arm = split_traffic(unit, shares, experiment)
    assert split_traffic(unit, {name: shares[name] for name in order}, experiment) == arm
    grown = split_traffic(unit, {"a": 0.16, "b": 0.24, "c": 0.4, "d": 0.2}, experiment)
    assert grown in (arm, "d")  # a new arm moves units to itself and nowhere else


def test_another_process_assigns_alike():
    code = "from liquid_ai.evaluation.traffic import split_traffic as s; import sys; "
    code += "print(*[s(f'user-{i}', {'a': .5, 'b': .5}, 'x') for i in range(50)])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [split_traffic(u, {"a": 0.5, "b": 0.5}, "x") for u in USERS[:50]]
    assert run.stdout.split()[:8] == list(PINNED)  # another release must not move anyone


def test_raising_a_share_moves_units_only_towards_it():
    before = [split_traffic(u, {"a": 0.5, "b": 0.5}, "ramp") for u in USERS]
    after = [split_traffic(u, {"a": 0.4, "b": 0.6}, "ramp") for u in USERS]
    moves = {(x, y) for x, y in zip(before, after, strict=True) if x != y}
    assert moves == {("a", "b")}
    assert np.mean([x != y for x, y in zip(before, after, strict=True)]) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("unit", "shares", "experiment", "said"),
    [
        ("", {"a": 0.5, "b": 0.5}, "x", "unit_id='' names nothing"),
        (7, {"a": 0.5, "b": 0.5}, "x", "unit_id=7"),
        ("u", {"a": 0.5, "b": 0.5}, "", "experiment=''"),
        ("u", {"a": 0.5, "b": 0.4}, "x", "sum to 0.9"),
        ("u", {"a": 50, "b": 50}, "x", "share 50"),
        ("u", {"a": 1.5, "b": -0.5}, "x", "share 1.5"),
        ("u", {"a": float("nan"), "b": 0.5}, "x", "share nan"),
        ("u", {"a": 1.0}, "x", "two arms or more"),
        ("u", ["a", "b"], "x", "two arms or more"),
    ],
)
def test_unusable_splits_are_refused(unit, shares, experiment, said):
    with pytest.raises(InputError, match=said):
        split_traffic(unit, shares, experiment)


def test_missing_units_are_noticed():
    half = {"a": 0.5, "b": 0.5}
    assert sample_ratio({"a": 10_000, "b": 9_400}, half).mismatch
    assert "MISMATCH" in str(sample_ratio({"a": 10_000, "b": 9_400}, half))
    for counts, said in [
        ({"a": 9, "c": 9}, "same"),
        ({"a": 3, "b": 2}, "too few"),
        ({"a": 9.5, "b": 9}, "whole"),
    ]:
        with pytest.raises(InputError, match=said):
            sample_ratio(counts, half)


# --- the sequential test


@settings(max_examples=40, deadline=None)
@given(st.lists(UNIT, max_size=30), st.lists(UNIT, max_size=30), st.lists(st.integers(0, 30), max_size=4))
def test_batches_of_any_size_lose_nothing(a, b, cuts):
    test, edges = SequentialTest(), [0, *sorted(cuts), 30]
    for at, to in zip(edges, edges[1:], strict=False):
        test = test.update(a[at:to], b[at:to])
    assert test.pairs == min(len(a), len(b)) and test.counts == (len(a), len(b))
    assert [len(w) for w in test.waiting] == [len(a) - test.pairs, len(b) - test.pairs]
    assert test.sums == pytest.approx((sum(a), sum(b)))
    assert test.update().interval == test.interval and (test.pairs or test.interval == (-1, 1))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
def test_the_arms_mirror_each_other(x):
    assert np.allclose(log_wealth(np.array(x)), log_wealth(-np.array(x))[::-1, :, ::-1], atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
def test_wealth_is_what_the_bets_bring(x):
    wealth = log_wealth(np.array(x))
    stakes = np.geomspace(0.01, 0.9, 10)
    assert np.allclose(np.exp(wealth[0, :, 100]), np.prod([1 + stakes * v for v in x], axis=0))
    assert np.allclose(np.exp(wealth[1, :, 100]), np.prod([1 - stakes * v for v in x], axis=0))
    curve = np.exp(log_evidence(wealth))[20:181]
    deltas = np.concatenate([-((np.arange(100, 0, -1) / 101) ** 2), [0], (np.arange(1, 101) / 101) ** 2])[
        20:181
    ]
    slopes = np.diff(curve) / np.diff(deltas)
    assert np.all(np.diff(slopes) >= -1e-6 * np.abs(slopes).max())  # convex, which the interval relies on


def looked_at_daily(p_a, p_b, rng, days, daily, draw=None):
    test = SequentialTest()
    for _ in range(days):
        a, b = (draw(p) if draw else (rng.random(daily) < p) for p in (p_a, p_b))
        test = test.update(a, b)
        if test.verdict != "continue":
            break
    return test


@pytest.mark.parametrize("p", [0.02, 0.5, 0.9])
def test_false_alarms_stay_below_alpha_however_often_one_looks(p):
    rng = np.random.default_rng(int(100 * p))
    alarms = [looked_at_daily(p, p, rng, 30, 10).verdict != "continue" for _ in range(300)]
    assert np.mean(alarms) <= 0.05


def test_sorted_batches_raise_no_alarms():
    rng = np.random.default_rng(0)
    alarms = []
    for _ in range(200):
        test = SequentialTest()
        for _ in range(20):
            test = test.update(np.sort(rng.random(40) < 0.6), np.sort(rng.random(40) < 0.6))
        alarms.append(test.verdict != "continue")
    assert np.mean(alarms) <= 0.05


def test_false_alarms_at_every_single_observation():
    "Every pair is looked at: 2,000 looks in each of 2,000 runs, on the wealth that bets against 0."
    rng, stakes = np.random.default_rng(0), np.geomspace(0.01, 0.9, 10)
    x = rng.integers(0, 2, (2_000, 2_000)) - rng.integers(0, 2, (2_000, 2_000)).astype(float)
    evidence = sum(np.exp(np.cumsum(np.log1p(s * x), 1)) for s in (*stakes, *-stakes)) / 20
    path = np.exp(log_evidence(log_wealth(x[0]))[100])
    assert evidence[0, -1] == pytest.approx(path)  # the same bets as the test's own
    alarms = np.mean(evidence.max(1) >= 20)
    assert 0.005 < alarms <= 0.05


def test_the_interval_holds_the_truth_at_all_looks_together():
    rng, missed = np.random.default_rng(3), 0
    for _ in range(200):
        test = SequentialTest()
        for _ in range(12):
            test = test.update(rng.beta(2, 2, 20), rng.beta(3, 2, 20))  # means 0.5 and 0.6
            if not test.interval[0] <= 0.1 <= test.interval[1]:
                missed += 1
                break
    assert missed / 200 <= 0.05


@pytest.mark.parametrize(("p_a", "p_b", "word"), [(0.5, 0.7, "b better"), (0.7, 0.5, "a better")])
def test_a_real_difference_is_found(p_a, p_b, word):
    rng = np.random.default_rng(0)
    found = [looked_at_daily(p_a, p_b, rng, 60, 10) for _ in range(60)]
    assert np.mean([t.verdict == word for t in found]) > 0.95
    assert {t.verdict for t in found} <= {word, "continue"}


def test_unequal_shares_are_grouped():
    rng = np.random.default_rng(0)
    test = SequentialTest(group=(9, 1)).update(rng.random(905) < 0.4, rng.random(103) < 0.75)
    assert test.pairs == 100 and (len(test.waiting[0]), len(test.waiting[1])) == (5, 3)
    assert test.verdict == "b better"


def test_a_verdict_stays_and_goes_through_json():
    test = sequential(np.zeros(60), np.ones(60))
    assert (test.verdict, test.decided_at) == ("b better", 60)
    later = test.update(np.ones(200), np.zeros(200))
    assert (later.verdict, later.decided_at) == ("b better", 60)
    saved = SequentialTest(**json.loads(json.dumps(to_json(test), allow_nan=False)))
    assert saved.update([0.5], [0.5]) == test.update([0.5], [0.5])
    assert "b better since 60 pairs" in str(test) and "b better" in test._repr_html_()


@pytest.mark.parametrize("bad", [[1.2], [-0.1], [float("nan")], [[0.5]]])
def test_scores_out_of_bounds_are_refused(bad):
    with pytest.raises(InputError, match="arm b: a score is a number from 0 to 1"):
        sequential([0.5], bad)


@pytest.mark.parametrize("arguments", [{"alpha": 0}, {"alpha": 5}, {"group": (0, 1)}, {"group": (1,)}])
def test_unusable_tests_are_refused(arguments):
    with pytest.raises(InputError, match="give e.g"):
        SequentialTest(**arguments)


def test_the_outlook_is_what_comes_where_the_future_is_like_the_past():
    a, b = np.full(1_500, 0.5), np.random.default_rng(0).permutation(np.arange(1_500) % 2)
    test = sequential(a, b)
    seen, later = test.outlook(4_500), sequential(np.tile(a, 4), np.tile(b, 4))
    assert seen.interval == later.interval and seen.units == (4_500, 4_500) and seen.undecided
    assert seen.findable == pytest.approx((test.interval[1] - test.interval[0]) / 2)
    assert (
        seen.findable_then == pytest.approx(later.outlook().findable) and seen.findable_then < seen.findable
    )
    assert "could have been found by now" in str(test) and "4,500 more scores in each arm" in str(seen)
    nine = sequential(np.tile(a, 9), b, group=(9, 1)).outlook(10)
    assert nine.units == (90, 10) and "90 more scores in a and 10 in b" in str(nine)


def test_what_the_outlook_calls_findable_would_mostly_have_been_found():
    rng, found = np.random.default_rng(1), 0
    equal = sequential(rng.random(2_000) < 0.5, rng.random(2_000) < 0.5).outlook()
    for _ in range(40):
        apart = 0.5 + 1.3 * equal.findable
        found += sequential(rng.random(2_000) < 0.5, rng.random(2_000) < apart).verdict == "b better"
    assert found >= 24
    small = sequential(rng.random(2_000) < 0.5, rng.random(2_000) < 0.52)
    assert (
        small.outlook(500).undecided
        and not sequential([0] * 60 + [1] * 40, [0] * 45 + [1] * 55).outlook(9_900).undecided
    )


@pytest.mark.parametrize("more", [0, -1, 1.5, True, "ten"])
def test_an_outlook_needs_pairs(more):
    with pytest.raises(InputError, match="is no number of pairs"):
        sequential([0, 1], [1, 0]).outlook(more)
    with pytest.raises(InputError, match="before the first pair"):
        SequentialTest().outlook()
