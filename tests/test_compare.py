"""Intervals hold the truth, tests keep their level, ties are called ties, and nothing is dropped silently."""

import gc
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from liquid_ai.core import InputError, to_json
from liquid_ai.evaluation import significance
from liquid_ai.evaluation.compare import compare
from liquid_ai.evaluation.latency import measure_latency
from liquid_ai.evaluation.significance import (
    bootstrap_interval,
    effect_size,
    holm,
    percentile_interval,
    randomisation_test,
    resample,
    smallest_detectable,
)

UNIT = st.floats(0, 1)
PAIRS = st.lists(st.tuples(UNIT, UNIT), min_size=2, max_size=40)
NDCG = np.append(1 / np.log2(np.arange(2, 12)), 0)
RANKS = [0.45, 0.12, 0.08, 0.05, 0.04, 0.03, 0.02, 0.02, 0.01, 0.01, 0.17]  # how often which rank, or none


# --- intervals


def test_the_bootstrap_is_that_of_scipy():
    values = np.random.default_rng(0).beta(0.5, 2, 60)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=1)
    ours = bootstrap_interval(values, times=20_000, expand=False)
    assert ours == pytest.approx(theirs.confidence_interval, abs=0.004)


def test_an_interval_does_not_depend_on_the_size_of_blocks(monkeypatch):
    values = np.random.default_rng(0).random(64)
    whole = bootstrap_interval(values)
    monkeypatch.setattr(significance, "_BLOCK", 640)
    assert bootstrap_interval(values) == pytest.approx(whole, abs=0.005)
    assert resample(values, times=1_001).shape == (1_001,)


@given(PAIRS, st.floats(-5, 5), st.integers(0, 9))
def test_an_interval_moves_with_its_values(pairs, shift, seed):
    values = np.array(pairs)[:, 0]
    low, high = bootstrap_interval(values, times=200, seed=seed)
    assert values.min() - 1e-9 <= low <= high <= values.max() + 1e-9
    moved = bootstrap_interval(values + shift, times=200, seed=seed)
    assert moved == pytest.approx((low + shift, high + shift), abs=1e-6)
    wider = bootstrap_interval(values, level=0.99, times=200, seed=seed)
    assert wider[0] <= low and high <= wider[1]


@pytest.mark.parametrize(("n", "least"), [(10, 0.925), (30, 0.93), (100, 0.935)])
def test_ndcg_intervals_hold_the_truth(n, least):
    rng, truth = np.random.default_rng(n), float(NDCG @ RANKS)
    held = {True: 0, False: 0}
    for seed in range(1_000):
        values = rng.choice(NDCG, n, p=RANKS)
        means = resample(values, times=600, seed=seed)
        for expand in held:
            low, high = percentile_interval(means, n, expand=expand)
            held[expand] += low <= truth <= high
    assert least <= held[True] / 1_000 <= 0.975
    assert held[True] > held[False] or n > 30  # what the expansion is for


# --- the test


@given(st.lists(st.tuples(UNIT, UNIT), min_size=2, max_size=9))
def test_few_queries_are_enumerated(pairs):
    a, b = np.array(pairs).T
    d = np.where(np.isclose(a, b, rtol=1e-12, atol=0), 0, a - b)
    signs = np.array(list(itertools.product([1, -1], repeat=len(d))))
    wanted = np.mean(np.abs(signs @ d) >= abs(d.sum()) - 1e-9 * np.abs(d).sum())
    assert randomisation_test(a, b) == pytest.approx(wanted)


@settings(max_examples=30)
@given(PAIRS)
def test_the_test_is_two_sided_and_blind_to_order(pairs):
    a, b = np.array(pairs).T
    p = randomisation_test(a, b, 500)
    assert 0 < p <= 1
    assert randomisation_test(b, a, 500) == pytest.approx(p)
    if np.count_nonzero(a != b) <= 20:
        assert randomisation_test(a[::-1], b[::-1]) == pytest.approx(randomisation_test(a, b))


def test_counting_and_drawing_agree(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 18)) + [[0.15], [0]]
    exact = randomisation_test(a, b)
    monkeypatch.setattr(significance, "_EXACT", 0)
    assert randomisation_test(a, b, 50_000) == pytest.approx(exact, abs=0.006)
    mean = lambda x, y, axis: np.mean(x - y, axis)  # noqa: E731
    theirs = stats.permutation_test((a, b), mean, permutation_type="samples", n_resamples=np.inf)
    assert exact == pytest.approx(theirs.pvalue, abs=1e-9)


def equals(kind, n, runs, rng):
    "Pairs of systems that are the same by construction: (runs, n) differences, symmetric around 0."
    if kind == "nDCG":  # most queries differ
        return rng.choice(NDCG, (runs, n), p=RANKS) - rng.choice(NDCG, (runs, n), p=RANKS)
    if kind == "ties":  # four queries in five are the same for both
        return np.where(rng.random((runs, n)) < 0.8, 0, rng.choice([-1, -0.5, 0.5, 1], (runs, n)))
    if kind == "exact match":
        return (rng.random((runs, n)) < 0.7) * 1.0 - (rng.random((runs, n)) < 0.7)
    hard = rng.beta(0.5, 3, (1, n))  # a query's own difficulty, and small scores mostly
    return rng.beta(5 * hard + 0.05, 5, (runs, n)) - rng.beta(5 * hard + 0.05, 5, (runs, n))


@pytest.mark.parametrize("n", [50, 150])
@pytest.mark.parametrize("kind", ["nDCG", "ties", "exact match", "skewed scores"])
def test_false_alarms_come_at_the_rate_that_was_chosen(kind, n):
    rng, runs = np.random.default_rng(n), 3_000
    if kind in (
        "ties",
        "exact match",
    ):  # sums of a few values repeat: more queries until they are fine enough
        n *= 3
    alarms = [randomisation_test(d, np.zeros(n), 399) <= 0.05 for d in equals(kind, n, runs, rng)]
    assert 0.04 <= np.mean(alarms) <= 0.06


@pytest.mark.parametrize("kind", ["nDCG", "ties", "exact match", "skewed scores"])
def test_with_few_queries_the_test_errs_on_the_side_of_silence(kind):
    rng = np.random.default_rng(5)
    for n in (5, 10, 20):
        alarms = [randomisation_test(d, np.zeros(n), 399) <= 0.05 for d in equals(kind, n, 1_000, rng)]
        assert np.mean(alarms) <= (0 if n == 5 else 0.066)


# --- several, how large, how small


@given(st.lists(UNIT, min_size=1, max_size=12))
def test_holm_by_its_definition(p):
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted = holm(p)
    for place, i in enumerate(order):
        wanted = max(min(1.0, (len(p) - j) * p[order[j]]) for j in range(place + 1))
        assert adjusted[i] == pytest.approx(wanted)
    for alpha in (0.01, 0.05, 0.3):  # step down: stop at the first that fails
        passed = [(len(p) - j) * p[order[j]] <= alpha for j in range(len(p))]
        assert np.sum(adjusted <= alpha) == [*passed, False].index(False)


def test_holm_keeps_the_family_at_its_level():
    rng = np.random.default_rng(0)
    assert np.mean([holm(rng.random(8)).min() <= 0.05 for _ in range(4_000)]) == pytest.approx(
        0.05, abs=0.011
    )


@pytest.mark.parametrize("n", [30, 75, 200])
def test_the_detectable_difference_of_a_bell_curve_is_near_that_of_the_noncentral_t(n):
    d = np.random.default_rng(n).normal(size=n)
    least = smallest_detectable(d)
    centre = least / np.sqrt(np.mean(d**2)) * math.sqrt(n)
    limit = stats.t.ppf(0.975, n - 1)
    power = stats.nct.sf(limit, n - 1, centre) + stats.nct.cdf(-limit, n - 1, centre)
    assert power == pytest.approx(0.8, abs=0.05)
    assert smallest_detectable(d, comparisons=5) > least


def truly(d, mean):
    "Values and chances of differences with ties as in `d`, tilted until they have this mean."
    sizes = np.abs(d[d != 0])
    values = np.concatenate([sizes, -sizes])

    def chances(t):
        found = np.exp(t * (values - sizes.max()))
        return found / found.sum() * len(sizes) / len(d)

    t = optimize.brentq(lambda t: chances(t) @ values - mean, 0, 60 / sizes.min())
    return np.append(values, 0), np.append(chances(t), 1 - len(sizes) / len(d))


_RNG = np.random.default_rng(1)
NEARLY_ALL_TIES = np.where(np.arange(200) < 20, _RNG.choice([-1, -0.6, -0.4, 0.3, 0.5, 1], 200), 0)


@pytest.mark.parametrize(
    "d",
    [
        _RNG.normal(size=40),
        _RNG.exponential(size=150) * _RNG.choice([-1, 1], 150),
        NEARLY_ALL_TIES,
        np.where(np.arange(1_500) < 150, _RNG.normal(size=1_500), 0),
        np.where(np.arange(100) < 12, np.resize([1.0, -1.0], 100), 0),
        np.where(np.arange(100) < 8, 1.0, 0),
        np.where(np.arange(300) < 90, np.resize([1.0, -1.0], 300), 0),
    ],
    ids=["few ties", "skewed", "90 % ties", "many, 90 % ties", "binary, 88 % ties", "8 won", "binary"],
)
def test_the_detectable_difference_is_found_four_times_in_five(d):
    rng, runs = np.random.default_rng(3), 1_000
    values, chances = truly(d, smallest_detectable(d))
    draws = rng.choice(values, (runs, len(d)), p=chances / chances.sum())
    found = [randomisation_test(x, np.zeros(len(d)), 999, n) <= 0.05 for n, x in enumerate(draws)]
    assert 0.75 <= np.mean(found) <= 0.85


@pytest.mark.parametrize("differing", [0, 1, 5, 6])
def test_where_nearly_all_queries_tie_no_difference_could_be_found(differing):
    d = np.where(np.arange(100) < differing, 1.0, 0)
    assert smallest_detectable(d) == math.inf
    draws = np.random.default_rng(0).random((500, 100)) < differing / 100  # every one that differs is won
    assert np.mean([randomisation_test(x * 1.0, np.zeros(100)) <= 0.05 for x in draws]) < 0.75
    told = str(compare({"a": np.zeros(100), "b": d}))
    if 0 < differing < 6:
        assert f"with {differing} of 100 queries apart no difference could have been found" in told
    assert f"/{100 - differing}/0" in told and ("—" in told, "none" in told) == (not differing, differing > 0)


def test_so_few_queries_that_nothing_can_be_seen():
    d = np.array([0.3, 0.2, 0.4, 0.1, 0.35])
    assert smallest_detectable(d) == math.inf > smallest_detectable(np.append(d, 0.25))
    assert (effect_size(np.full(4, 0.3)), effect_size(np.zeros(4))) == (math.inf, 0.0)


# --- comparisons

SCORES = st.integers(2, 30).flatmap(
    lambda n: st.dictionaries(st.text(min_size=1, max_size=5), st.lists(UNIT, min_size=n, max_size=n),
                              min_size=2, max_size=4)
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(SCORES)
def test_a_comparison_is_consistent(scores):
    keyed = {name: {f"q{i}": x for i, x in enumerate(row)} for name, row in scores.items()}
    shuffled = {
        name: dict(reversed(row.items())) if i else row for i, (name, row) in enumerate(keyed.items())
    }
    result = compare(keyed, times=200)
    assert result == compare(shuffled, times=200)  # paired by id, not by position
    assert compare(scores, times=200).contrasts == result.contrasts
    means = {s.name: s.mean for s in result.systems}
    for c in result.contrasts:
        assert c.difference == pytest.approx(means[c.system] - means[c.baseline], abs=1e-9)
        assert c.wins + c.ties + c.losses == result.queries and c.p <= c.p_holm <= 1
        assert (c.verdict == "tie") == (c.p_holm > 0.05)
        assert c.verdict == "tie" or (c.verdict == "better") == (c.difference > 0)
    assert json.dumps(to_json(result), allow_nan=False) and str(result) and result._repr_html_()


@settings(max_examples=20, deadline=None)
@given(SCORES)
def test_lower_is_better_turns_the_verdict_and_nothing_else(scores):
    up, down = compare(scores, times=200), compare(scores, times=200, lower_is_better=True)
    turned = {"better": "worse", "worse": "better", "tie": "tie"}
    for c, d in zip(up.contrasts, down.contrasts, strict=True):
        assert (turned[c.verdict], c.wins, c.losses, c.interval) == (d.verdict, d.losses, d.wins, d.interval)


def test_all_pairs_are_corrected_for_all_pairs():
    rng = np.random.default_rng(0)
    base = rng.random(40)
    scores = {
        name: base + rng.normal(shift, 0.2, 40) for name, shift in zip("abcd", (0, 0, 0.1, 0.3), strict=True)
    }
    result = compare(scores, all_pairs=True)
    assert [(c.system, c.baseline) for c in result.contrasts] == [
        *map(tuple, ("ba", "ca", "da", "cb", "db", "dc"))
    ]
    assert [c.p_holm for c in result.contrasts] == pytest.approx(
        holm([c.p for c in result.contrasts]).tolist()
    )
    assert result.verdict("d", "a").verdict == "better" and result.verdict("b").verdict == "tie"
    with pytest.raises(InputError, match="there are 'b against a'"):
        result.verdict("a")


def test_a_contrast_is_paired_and_corrected():
    rng = np.random.default_rng(0)
    hard = rng.random(60)  # shared: the paired interval is far narrower than that of unrelated queries
    scores = {name: hard + rng.normal(0, 0.05, 60) for name in "abcd"}
    for c in compare(scores).contrasts:
        d = scores[c.system] - scores[c.baseline]
        assert c.interval == pytest.approx(bootstrap_interval(d), abs=0.002)
        assert c.detectable == smallest_detectable(d, comparisons=3) > smallest_detectable(d)
        assert (c.p, c.effect_size) == (
            randomisation_test(*(scores[n] for n in (c.system, c.baseline))),
            effect_size(d),
        )


def test_a_tie_says_what_could_have_been_seen():
    rng = np.random.default_rng(0)
    a = rng.random(50)
    tie = compare({"a": a, "b": a + rng.normal(0, 0.1, 50)}).contrasts[0]
    assert tie.verdict == "tie" and f"{tie.detectable:.3f} would be found 4 times in 5" in str(tie)
    assert "the same score on each of 50 queries" in str(compare({"a": a, "b": a + 1e-17}).contrasts[0])
    assert "no difference could have been found" in str(compare({"a": a[:4], "b": a[:4] + 0.3}).contrasts[0])


def test_hostile_names_are_escaped():
    page = compare({"<script>": [1, 2], "b": [2, 1]}, metric="<b>")._repr_html_()
    assert "<script>" not in page and "<b>" not in page


NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"a": {"q1": 1, "q2": 0, "q3": 1}, "b": {"q1": 1, "q2": 0}}, r"'b' has no score for 1 of 3 .*'q3'"),
        ({"a": {"q1": 1, "q2": 0}, "b": {"q1": 1, "q2": 0, "x": 0}}, r"'a' has no score for 1 of 3 .*'x'"),
        ({"a": {"q1": 1, "q2": NAN}, "b": {"q1": 1, "q2": 0}}, r"scores of 'a': not a finite number at 'q2'"),
        ({"a": [1, math.inf], "b": [1, 0]}, r"scores of 'a': not a finite number at 1"),
        ({"a": [1, None], "b": [1, 0]}, "scores of 'a': a flat list of numbers"),
        ({"a": ["1", "0"], "b": [1, 0]}, "scores of 'a': a flat list of numbers"),
        ({"a": [[1, 0]], "b": [1, 0]}, "shape"),
        ({"a": [[1, 0], [1]], "b": [1, 0]}, "scores of 'a'"),
        ({"a": "10", "b": [1, 0]}, "not str"),
        ({"a": [1, 0, 1], "b": [1, 0]}, r"\[2, 3\] scores"),
        ({"a": {"q1": 1}, "b": {"q1": 0}}, "at least 2 queries"),
        ({"a": {}, "b": {}}, "at least 2 queries"),
        ({"a": [1, 0], "b": {"q1": 1, "q2": 0}}, "no query ids"),
        ({"a": [1, 0]}, "two systems or more"),
        ([[1, 0], [0, 1]], "two systems or more"),
        ({"a": iter([1, 0]), "b": [1, 0]}, "a list or an array of numbers is wanted"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(scores, said):
    with pytest.raises(InputError, match=said):
        compare(scores)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"baseline": "c"}, "'c' is none of the systems"),
        ({"baseline": "a", "all_pairs": True}, "leave out baseline"),
        ({"level": 95}, "level=95"),
        ({"times": 10}, "times=10"),
        ({"times": 1000.0}, "times=1000.0"),
        ({"times": "many"}, "times='many'"),
        ({"level": "high"}, "level='high'"),
        ({"level": 0.999, "times": 500}, "raise times"),
    ],
)
def test_unusable_arguments_are_refused(arguments, said):
    with pytest.raises(InputError, match=said):
        compare({"a": [1, 0], "b": [0, 1]}, **arguments)


def test_pandas_without_ids_is_refused_and_with_ids_is_taken():
    pandas = pytest.importorskip("pandas")
    series = pandas.Series({"q1": 1.0, "q2": 0.0})
    with pytest.raises(InputError, match="not Series"):
        compare({"a": series, "b": series})
    assert compare({"a": series.to_dict(), "b": series[::-1].to_dict()}).contrasts[0].ties == 2


def test_ten_thousand_queries_take_seconds_and_little_memory():
    import tracemalloc

    rng = np.random.default_rng(0)
    scores = {name: rng.random(10_570).round(1) for name in "abc"}
    tracemalloc.start()
    compare(scores, times=1_000)
    assert tracemalloc.get_traced_memory()[1] < 150e6
    tracemalloc.stop()


# --- latency, on a clock that the variants move themselves


class Clock:
    "Seconds that pass only where `spend` says so."

    def __init__(self):
        self.now, self.log = 0.0, []

    def __call__(self):
        return self.now

    def spend(self, name, seconds):
        def call(x):
            self.log.append((name, x))
            self.now += seconds(x, len(self.log)) if callable(seconds) else seconds

        return call


def test_latency_counts_what_was_spent():
    clock = Clock()
    variants = {"a": clock.spend("a", 0.010), "b": clock.spend("b", 0.005), "c": clock.spend("c", 0.010)}
    found = measure_latency(variants, list(range(8)), warm_up=3, repeats=4, clock=clock)
    assert [v.p50 for v in found.variants] == pytest.approx([10, 5, 10])
    assert [(r.verdict, pytest.approx(r.ratio)) for r in found.ratios] == [("faster", 0.5), ("tie", 1.0)]
    assert len(clock.log) == 3 * (3 + 8 * 4)
    timed = clock.log[9:]
    for at in range(0, len(timed), 3):  # each input goes to all variants before the next
        names, inputs = zip(*timed[at : at + 3], strict=True)
        assert sorted(names) == ["a", "b", "c"] and len(set(inputs)) == 1
    assert (
        len({tuple(n for n, _ in timed[at : at + 3]) for at in range(0, len(timed), 3)}) == 6
    )  # every order
    assert json.dumps(to_json(found), allow_nan=False) and "faster" in str(found) and found._repr_html_()


def test_a_slow_first_call_and_a_machine_that_slows_down_are_a_tie():
    clock = Clock()
    cost = lambda x, n: 5.0 if n == 1 else 0.01 + n * 1e-4  # noqa: E731
    found = measure_latency(
        {"a": clock.spend("a", cost), "b": clock.spend("b", cost)}, range(20), clock=clock
    )
    assert found.ratios[0].verdict == "tie" and max(v.first for v in found.variants) == pytest.approx(5_000)
    assert max(v.p95 for v in found.variants) < 50


def test_the_order_follows_from_the_seed():
    logs = []
    for seed in (1, 1, 2):
        clock = Clock()
        measure_latency({n: clock.spend(n, 0.01) for n in "ab"}, range(5), seed=seed, clock=clock)
        logs.append(clock.log)
    assert logs[0] == logs[1] != logs[2]


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_is_put_back(on):
    seen = []

    def call(x):
        seen.append(gc.isenabled())
        sum(range(2_000))

    was = gc.isenabled()
    try:
        (gc.enable if on else gc.disable)()
        measure_latency({"a": call}, [1, 2], collect_garbage=False)
        assert gc.isenabled() == on and not any(seen)
        with pytest.raises(InputError):
            measure_latency({"a": lambda x: 1 / 0}, [1, 2])
        assert gc.isenabled() == on
    finally:
        (gc.enable if was else gc.disable)()


async def lazy(x):
    return x


@pytest.mark.parametrize(
    ("variant", "arguments", "said"),
    [
        (lambda x: 1 / (x - 2), {}, "'b' failed on input 1: ZeroDivisionError"),
        (lambda x: (i for i in range(x)), {}, "'b' returned a generator"),
        (lazy, {}, "'b' returned a coroutine"),
        ("not callable", {}, "name: callable"),
        (len, {"warm_up": 0}, "uncounted"),
        (len, {"repeats": 0}, "at least two timed calls"),
        (lambda x: x, {"clock": lambda: 0.0}, "took no time"),
    ],
)
def test_a_variant_that_fails_or_does_nothing_is_named(variant, arguments, said):
    with pytest.raises(InputError, match=said):
        measure_latency({"a": lambda x: x, "b": variant}, [1, 2, 3], **arguments)


@pytest.mark.slow
def test_one_ratio_is_called_different_as_often_as_it_may_be():
    rng, calls = np.random.default_rng(0), 0
    for seed in range(60):
        clock = Clock()
        noise = lambda x, n: float(rng.lognormal(0, 0.3))  # noqa: E731
        found = measure_latency({n: clock.spend(n, noise) for n in "ab"}, range(30), repeats=1, seed=seed,
                                clock=clock, times=300, margin=0.0)  # fmt: skip
        calls += found.ratios[0].verdict != "tie"
    assert calls / 60 <= 0.1


def test_plot_shows_every_contrast():
    import matplotlib

    matplotlib.use("Agg")
    axes = compare({"a": [1, 0, 1], "b": [0, 1, 1], "c": [1, 1, 1]}).plot()
    assert [t.get_text().split(":")[0] for t in axes.get_yticklabels()] == ["c − a", "b − a"]


@given(st.lists(UNIT, min_size=2, max_size=30))
def test_effect_size_is_free_of_units(values):
    d = np.array(values)
    assume(d.std() > 1e-3)
    assert effect_size(d * 1_000) == pytest.approx(effect_size(d))
