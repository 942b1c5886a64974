"""The calculator grows with what is asked of it, and tells what was measured, within the stated error."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import InputError
from liquid_ai.evaluation.capacity import capacity, search_seconds, simulate, unit_costs

RESULTS = ROOT / "benchmarks" / "results"
COSTS = unit_costs(RESULTS)
ERROR = 0.15  # as the page says: 9 % of overload, 13 % of searches up to 70 % of a thread


def figure(file: str, name: str) -> dict:
    return json.loads((RESULTS / f"{file}.json").read_text("utf-8"))["figures"][name]


chunks, rates = st.integers(1, 10**10), st.floats(0.01, 1_000)


@settings(max_examples=60, deadline=None)
@given(chunks, chunks, rates, rates, st.floats(0, 1))
def test_more_is_never_less(a, b, slow, fast, written):
    small = capacity(min(a, b), min(slow, fast), COSTS, written=written, searched=1 - written)
    large = capacity(max(a, b), max(slow, fast), COSTS, written=written, searched=1 - written)
    for name in (
        "index_cores",
        "search_cores",
        "answer_cores",
        "workers",
        "memory",
        "disk",
        "search",
        "cores",
    ):
        assert getattr(small, name) <= getattr(large, name) * (1 + 1e-9), name


@settings(max_examples=30, deadline=None)
@given(chunks, rates)
def test_units_cancel(n, rate):
    "Twice the hours are half the cores, twice the cost of an answer twice its cores; nothing else moves."
    one, two = (capacity(n, rate, COSTS, hours=h) for h in (12, 24))
    assert math.isclose(one.index_cores, 2 * two.index_cores)
    assert replace(one, index_cores=0) == replace(two, index_cores=0)
    dear = replace(COSTS, answer=replace(COSTS.answer, value=2 * COSTS.answer.value))
    assert math.isclose(capacity(n, rate, dear).answer_cores, 2 * two.answer_cores)
    assert capacity(n, rate, dear).disk == two.disk == n * COSTS.disk.value


def test_measured_points_are_told_again():
    for n, cost in COSTS.search:
        assert math.isclose(search_seconds(COSTS, n), cost.value)
    between = search_seconds(COSTS, 300_000)
    assert COSTS.search[1][1].value < between < COSTS.search[2][1].value
    able = figure("overload", "overload, capacity")["value"]
    assert math.isclose(capacity(10, able, COSTS).answer_cores, 2.0)
    bytes_ = figure("scale", "1,000,000 passages, bytes on disk")["value"]
    assert math.isclose(capacity(1_000_000, 0, COSTS).disk, bytes_)
    small = figure("scale", "100,000 passages, bytes on disk")["value"]
    assert abs(capacity(100_000, 0, COSTS).disk / small - 1) < 0.01
    parts = ("texts and where they stand", "vectors", "FAISS", "BM25")
    made = sum(figure("capacity", f"capacity, {p} of a passage")["value"] for p in parts)
    assert made < COSTS.disk.value < 2 * made, "of other texts, with ids and tokens of their own"


def test_what_was_not_measured_is_said():
    assert capacity(1_000_000, 0.5, COSTS).beyond == ()
    beyond = capacity(10**8, 10, COSTS).beyond
    assert len(beyond) == 2 and "1,000,000 measured" in beyond[0]
    assert "extrapolated" in capacity(10**8, 10, COSTS)._repr_html_()


@pytest.mark.parametrize("share", ["50%", "70%"])
def test_waits_of_searches_are_told_within_the_stated_error(share):
    name = f"capacity, {share} of one thread"
    service = np.array(figure("capacity", f"{name}, one search")["values"]) / 1e3
    rate = figure("capacity", f"{name}, searches a second")["value"]
    played = simulate(rate, service, 1, seconds=2_000)
    for value, what in ((played.waited + service.mean(), "mean"), (played.p95, "p95")):
        assert abs(value * 1e3 / figure("capacity", f"{name}, response, {what}")["value"] - 1) < ERROR, what


def test_overload_is_told_within_the_stated_error():
    able, asked = (figure("overload", f"overload, {x}")["value"] for x in ("capacity", "asked"))
    service = np.random.default_rng(0).exponential(2 / able, 10_000)
    played = simulate(asked / 600, service, 2, seconds=600, patience=10.0)
    assert abs(played.answered / figure("overload", "overload, answered")["value"] - 1) < ERROR
    assert abs(played.refused / figure("overload", "overload, refused with 503")["value"] - 1) < ERROR
    assert abs(played.p50 / figure("overload", "overload, median time of an answer")["value"] - 1) < ERROR
    calm = simulate(
        asked / 600, service, 4, seconds=600, patience=10.0
    )  # with twice the places none is refused
    assert calm.refused < played.refused / 20


def erlang(rate: float, mean: float, places: int) -> float:
    "Mean wait of M/M/c."
    load = rate * mean
    terms = [load**k / math.factorial(k) for k in range(places)]
    last = load**places / math.factorial(places) * places / (places - load)
    return last / (sum(terms) + last) * mean / (places - load)


@pytest.mark.parametrize(("places", "load"), [(1, 0.5), (2, 0.7), (8, 0.8)])
def test_waits_are_those_of_erlangs_formula(places, load):
    service = np.random.default_rng(3).exponential(0.5, 100_000)
    played = simulate(load * places / service.mean(), service, places, seconds=60_000)
    assert abs(played.waited / erlang(load * places / 0.5, 0.5, places) - 1) < 0.06
    assert abs(played.busy - load) < 0.02
    assert played.asked == played.answered and played.p50 <= played.p95 <= played.p99


def test_a_queue_that_is_full_refuses():
    played = simulate(4.0, [1.0], 1, seconds=1_000, queue=3)
    assert played.answered + played.refused == played.asked and played.refused > 2_500
    assert played.p99 <= 4.0 + 1e-9, "three before it, and itself"
    none = simulate(4.0, [1.0], 1, seconds=1_000, queue=0)
    assert none.waited == 0 and none.p99 == 1.0


def test_nobody_waits_longer_than_is_let():
    played = simulate(3.0, [1.0, 2.0], 2, seconds=500, patience=1.5)
    assert played.p99 <= 3.5 + 1e-9 and 0 < played.refused < played.asked
    assert simulate(3.0, [1.0, 2.0], 2, seconds=500, patience=1.5) == played, "the same seed, the same play"


def test_bad_arguments_are_refused(tmp_path):
    for bad in ({"rate": 0.0}, {"seconds": 0.0}, {"places": 0}, {"service": []}, {"rate": math.inf}):
        with pytest.raises(InputError):
            simulate(**{"rate": 1.0, "service": [1.0], "places": 1} | bad)
    for bad in (
        {"written": 1.5},
        {"written": 0.7, "searched": 0.7},
        {"load": 0},
        {"hours": 0},
        {"threads": 0},
    ):
        with pytest.raises(InputError):
            capacity(10, 1.0, COSTS, **bad)
    with pytest.raises(InputError, match="indexing.json cannot be read"):
        unit_costs(tmp_path)
    for path in RESULTS.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "scale.json").write_text('{"figures": {}, "machine": {}}')
    with pytest.raises(InputError, match="has no figure .* run python -m benchmarks scale"):
        unit_costs(tmp_path)
