"""Detectors keep their promise, an alert is told once, and no broken receiver is felt by who raised it."""

import json
import logging
import math
import re
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, mannwhitneyu

from liquid_ai.core import Event, InputError
from liquid_ai.metrics.alerts import (
    Alert,
    Alerts,
    Batch,
    RateRise,
    SlowDown,
    TopicDrift,
    Webhook,
    fit_drift,
    log_alert,
)
from liquid_ai.metrics.detect import _critical, _superiority


def batch(i: int, n: int = 200, errors: int = 0, abstained: int = 0, times=(), vectors=None) -> Batch:
    answers = n - errors
    return Batch(i * 60.0, i * 60.0 + 60, n, errors, answers, abstained, np.array(times, float), vectors)


# ------------------------------------------------------------------------------------------------ detectors


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_the_critical_count_is_fishers(data):
    of_usual, of = data.draw(st.integers(1, 3000)), data.draw(st.integers(1, 400))
    usual = data.draw(st.integers(0, of_usual))
    alpha = data.draw(st.sampled_from([0.05, 0.001]))
    least = _critical(usual, of_usual, of, alpha)
    for count in {max(least - 1, 0), min(least, of)}:
        table = [[count, of - count], [usual, of_usual - usual]]
        p = fisher_exact(table, alternative="greater").pvalue
        if abs(p - alpha) > 1e-9:
            assert (p <= alpha) == (count >= least)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 30), min_size=8, max_size=80),
    st.lists(st.integers(0, 30), min_size=8, max_size=80),
)
def test_superiority_is_mann_and_whitneys(usual, now):
    slower, threshold = _superiority(np.sort(usual), np.array(now), 0.01)
    test = mannwhitneyu(now, usual, alternative="greater", method="asymptotic")
    assert slower == pytest.approx(test.statistic / (len(usual) * len(now)))
    if slower > threshold:  # never an alarm that the test would not give; ties make ours the stricter
        assert test.pvalue < 0.01


def test_a_rise_is_found_and_its_beginning_named():
    detector = RateRise("errors", baseline=5)
    calm = [detector(batch(i, errors=2)) for i in range(15)]
    assert calm == [None] * 15
    first = detector(batch(15, errors=30))
    second = detector(batch(16, errors=30))
    assert (first.kind, first.since, first.value) == ("errors", 900.0, 0.15)
    assert second.since == 900.0 and first.value > first.threshold > 0.01
    assert "30 of 200 (15.0%), usual are 1.0%" in first.message
    detector.relearn()
    assert [detector(batch(i, errors=30)) for i in range(20)] == [None] * 20  # usual now


@pytest.mark.parametrize(
    "detector", [RateRise("errors", baseline=3), RateRise("abstained", baseline=3), SlowDown(baseline=3)]
)
@pytest.mark.parametrize("n", [0, 1])
def test_empty_and_single_batches_are_no_alarm(detector, n):
    detector.relearn()
    assert [detector(batch(i, n, n, 0, [5.0] * n)) for i in range(30)] == [None] * 30


def test_a_baseline_waits_for_what_it_needs_and_grows_no_further():
    rng = np.random.default_rng(0)
    for detector in (SlowDown(), RateRise("abstained")):
        for i in range(500):  # only errors: nothing is said of answers
            assert detector(batch(i, n=5, errors=5)) is None
        assert detector._first == []
        seen = [detector(batch(i, n=4, abstained=1, times=rng.normal(100, 5, 4))) for i in range(120)]
        assert seen == [None] * 120 and detector._first is None
        changed = [detector(batch(i, n=40, abstained=35, times=rng.normal(300, 5, 40))) for i in range(3)]
        assert any(changed)


def test_no_error_ever_and_then_one_is_no_alarm_but_many_are():
    detector = RateRise("errors")
    seen = [detector(batch(i)) for i in range(25)] + [detector(batch(25, errors=1))]
    assert seen == [None] * 26
    assert detector(batch(26, errors=8)) is not None


@pytest.mark.parametrize("shape", ["lognormal", "pareto", "two_speeds"])
def test_calm_times_of_any_shape_seldom_alarm(shape):
    rng = np.random.default_rng(0)
    draw = {
        "lognormal": lambda: rng.lognormal(6, 1, 100),
        "pareto": lambda: 100 * (1 + rng.pareto(1.1, 100)),
        "two_speeds": lambda: np.where(rng.random(100) < 0.5, 50.0, 2000.0) * rng.uniform(0.9, 1.1, 100),
    }[shape]
    detector = SlowDown()
    alarms = sum(detector(batch(i, times=draw())) is not None for i in range(1020))
    assert alarms <= 5  # promised is one; more than five of a thousand come with probability 0.0006
    assert any(detector(batch(i, times=2 * draw())) for i in range(10))


def test_times_that_take_after_each_other_need_more_evidence():
    rng = np.random.default_rng(0)

    def sticky():
        noise = np.zeros(150)
        for i in range(1, 150):
            noise[i] = 0.8 * noise[i - 1] + 0.6 * rng.normal()
        return 800 * np.exp(0.5 * noise[50:])

    detector = SlowDown()
    alarms = sum(detector(batch(i, times=sticky())) is not None for i in range(1020))
    assert detector._stretch > 2 and alarms <= 5


def test_false_alarms_of_rates_are_as_rare_as_promised():
    alpha, alarms, batches = 0.01, 0, 0
    for seed in range(20):
        rng, detector = np.random.default_rng(seed), RateRise("errors", alpha=alpha, least_ratio=1.0)
        for i in range(220):
            alarms += detector(batch(i, errors=rng.binomial(200, 0.05))) is not None
        batches += 200
    assert alarms / batches <= alpha * 1.5  # promised is at most alpha; the rest is chance of this simulation
    assert alarms  # the test of the test: a detector that never speaks would pass too


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: RateRise("latency"),
        lambda: RateRise(alpha=0),
        lambda: RateRise(alpha=0.7),
        lambda: RateRise(least_ratio=0.5),
        lambda: RateRise(spans=()),
        lambda: SlowDown(baseline=0),
        lambda: SlowDown(spans=(0,)),
        lambda: Alerts(events=0),
        lambda: Alerts(seconds=0),
        lambda: Alerts(cool_down=-1),
        lambda: Alerts(cool_down=math.nan),
    ],
)
def test_wrong_settings_are_told(wrong):
    with pytest.raises(InputError):
        wrong()


# ---------------------------------------------------------------------------------------------------- drift


def around(centres: np.ndarray, n: int, rng) -> np.ndarray:
    found = centres[rng.integers(0, len(centres), n)] + 0.1 * rng.normal(size=(n, centres.shape[1]))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def topics():
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(32, 32)))
    return q[:8].astype(np.float32), q[8:16].astype(np.float32)  # known ones, and others


def test_the_same_seed_gives_the_same_clusters(topics):
    vectors = around(topics[0], 400, np.random.default_rng(1))
    first, again = fit_drift(vectors, 8, 3), fit_drift(vectors, 8, 3)
    assert np.array_equal(first.centroids, again.centroids) and first.edge == again.edge
    assert np.allclose(np.linalg.norm(first.centroids, axis=1), 1, atol=1e-5)
    assert first.reference.sum() == 400


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 200), min_size=9, max_size=9).filter(sum))
def test_the_index_is_no_less_than_zero_and_zero_for_the_same(counts):
    drift = fit_drift(np.repeat(np.eye(8, dtype=np.float32), 20, 0), 8)
    counts = np.array(counts[: len(drift.reference)])
    if not counts.sum():
        return
    assert drift.index(counts) >= 0
    assert drift.index(drift.reference) == 0
    assert math.isfinite(drift.index(counts))


def test_other_topics_and_foreign_ones_are_found(topics):
    rng = np.random.default_rng(2)
    known, others = topics
    clusters = fit_drift(around(known, 800, rng), 8)
    for changed in (known[:2], others):
        detector = TopicDrift(clusters, baseline=5)
        calm = [detector(batch(i, vectors=around(known, 200, rng))) for i in range(30)]
        assert calm == [None] * 30
        mixed = np.vstack([around(known, 120, rng), around(changed, 80, rng)])
        alert = detector(batch(30, vectors=mixed))
        assert alert.kind == "drift" and alert.value > alert.threshold >= 0.1
        far = int(re.search(r"(\d+)% are far", alert.message)[1])
        assert far >= 40 if changed is others else far < 15


def test_without_vectors_drift_is_silent(topics):
    clusters = fit_drift(around(topics[0], 400, np.random.default_rng(3)), 8)
    for learn in (True, False):
        detector = TopicDrift(clusters, learn=learn)
        assert [detector(batch(i)) for i in range(60)] == [None] * 60
        assert not detector._first


def test_a_given_reference_needs_no_baseline(topics):
    rng = np.random.default_rng(4)
    clusters = fit_drift(around(topics[0], 800, rng), 8)
    detector = TopicDrift(clusters, learn=False)
    assert detector(batch(0, vectors=around(topics[0], 200, rng))) is None
    assert detector(batch(1, vectors=around(topics[1], 200, rng))) is not None


@pytest.mark.parametrize(
    "vectors",
    [np.zeros(4), np.zeros((0, 4)), np.full((400, 4), np.nan), np.ones((20, 4)), np.ones((400, 4, 2))],
)
def test_vectors_that_are_none_are_told(vectors):
    with pytest.raises(InputError):
        fit_drift(vectors, 8)
    with pytest.raises(InputError):
        fit_drift(np.eye(4).repeat(20, 0), k=0)
    with pytest.raises(InputError):
        fit_drift(np.eye(4).repeat(20, 0), k=2).counts(np.ones((3, 5)))


# --------------------------------------------------------------------------------------------------- alerts


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Speaks:
    "Sees something in every batch."

    kind = "always"

    def __init__(self):
        self.seen: list[Batch] = []

    def __call__(self, found):
        self.seen.append(found)
        return Alert("always", 1.0, 0.5, found.began, "as ever")

    def relearn(self):
        self.seen.clear()


def ask(status="ok", total=10.0, cache="miss", kind="ask"):
    return Event(kind, status, {"total": total}, cache=cache)


def test_batches_hold_what_was_observed():
    detector, clock = Speaks(), Clock()
    alerts = Alerts([detector], [], events=7, seconds=1e4, clock=clock)
    vector = np.ones(3, np.float32)
    for event in [ask(), ask("abstained", 20.0), ask("error"), ask("refused"), ask(cache="exact")]:
        alerts.observe(event, vector)
    alerts.observe(Event("queue", "ok", values={"queue_waiting": 3}))  # a reading
    alerts.observe(ask(kind="search"))
    alerts.observe(ask(total=math.nan))
    assert alerts.wait(30)
    [found] = detector.seen
    assert (found.requests, found.errors, found.answers, found.abstained) == (7, 1, 4, 1)
    assert found.times.tolist() == [10.0, 20.0] and found.vectors.shape == (5, 3)
    alerts.close()


def test_an_old_batch_is_closed_by_the_next_request():
    detector, clock = Speaks(), Clock()
    alerts = Alerts([detector], [], events=100, seconds=60, clock=clock)
    alerts.observe(ask())
    clock.now += 61
    alerts.observe(ask())
    assert alerts.wait(30) and [found.requests for found in detector.seen] == [2]
    alerts.close()


def test_a_kind_is_told_once_in_its_cool_down():
    told, clock = [], Clock()
    alerts = Alerts([Speaks()], [told.append], cool_down=100, events=1, clock=clock)
    for _ in range(30):
        alerts.observe(ask())
        assert alerts.wait(30)
        clock.now += 10
    assert [alert.since for alert in told] == [1000.0, 1100.0, 1200.0] == [a.since for a in alerts.raised]
    alerts.relearn()
    alerts.observe(ask())
    assert alerts.wait(30) and len(told) == 4
    alerts.close()


def test_a_broken_detector_or_sink_takes_nobody_with_it(caplog):
    class Breaks(Speaks):
        kind = "breaks"

        def __call__(self, found):
            raise ZeroDivisionError

    def sink(alert):
        raise OSError("full")

    told = []
    with caplog.at_level(logging.WARNING):
        alerts = Alerts([Breaks(), Speaks()], [sink, log_alert, told.append], events=1, cool_down=0)
        for i in range(3):
            alerts.observe(ask(), np.ones(i + 1))
        alerts.observe(Event("ask", "ok", {"total": "soon"}, cache="miss"))  # no number: its batch is lost
        alerts.observe(ask())
        assert alerts.wait(30)
    assert len(told) == 4
    assert "as ever" in caplog.text and "a sink failed" in caplog.text and "breaks failed" in caplog.text
    alerts.close()


def test_who_observes_never_waits_and_what_waits_is_bounded():
    release = threading.Event()

    class Slow(Speaks):
        def __call__(self, found):
            release.wait(20)

    alerts = Alerts([Slow()], [], events=1)
    began = time.perf_counter()
    for _ in range(1000):
        alerts.observe(ask())
    assert time.perf_counter() - began < 1
    assert alerts.missed >= 1000 - 66 and alerts._queue.qsize() <= 64
    release.set()
    assert alerts.wait(30)
    alerts.close()


def test_threads_lose_no_event():
    detector = Speaks()
    alerts = Alerts([detector], [], events=100, seconds=1e4)

    def work():
        for _ in range(1000):
            alerts.observe(ask())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alerts.wait(30)
    assert sum(found.requests for found in detector.seen) + 100 * alerts.missed == 4000
    alerts.close()


# -------------------------------------------------------------------------------------------------- webhook


@contextmanager
def receiver(answer):
    "A server that answers each POST by `answer(handler, how many came)`: its address, and what came."
    got: list[tuple[str, dict]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, json.loads(body)))
            answer(self, len(got))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?key=s3cret", got
    finally:
        server.shutdown()
        server.server_close()


def says(status, **headers):
    def answer(handler, _):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


ALERT = Alert("errors", 0.15, 0.03, 900.0, "errors: 30 of 200")


def test_an_alert_arrives_as_json():
    with receiver(says(204)) as (address, got):
        hook = Webhook(address)
        hook(ALERT)
        assert hook.wait(30) and (hook.sent, hook.failed, hook.dropped) == (1, 0, 0)
        hook.close()
    told = {
        "kind": "errors",
        "value": 0.15,
        "threshold": 0.03,
        "since": 900.0,
        "message": "errors: 30 of 200",
    }
    assert got == [("/hook?key=s3cret", told)]


@pytest.mark.parametrize(
    ("status", "tries"), [(500, 3), (503, 3), (429, 3), (400, 1), (404, 1), (301, 1), (307, 1), (308, 1)]
)
def test_what_may_pass_is_tried_again_and_nothing_else(status, tries, caplog):
    with (
        receiver(says(200)) as (elsewhere, other),
        receiver(says(status, Location=elsewhere)) as (address, got),
    ):
        hook = Webhook(address, retries=2, pause=0.01)
        hook(ALERT)
        assert hook.wait(30) and (hook.sent, hook.failed, len(got)) == (0, 1, tries)
        assert other == []  # no redirect is followed
        hook.close()
    assert str(status) in caplog.text and "s3cret" not in caplog.text


def test_a_receiver_that_hangs_holds_up_nobody():
    release = threading.Event()
    with receiver(lambda *_: release.wait(20)) as (address, got):
        hook = Webhook(address, timeout=0.2, retries=1, pause=0.01, waiting=5)
        alerts = Alerts([Speaks()], [hook], events=1, cool_down=0)
        began = time.perf_counter()
        for _ in range(40):
            alerts.observe(ask())
        assert time.perf_counter() - began < 0.5
        assert alerts.wait(30) and hook.wait(20)
        assert hook.sent == 0 and hook.failed >= 5 and hook.failed + hook.dropped == 40
        assert hook.failed * 2 == len(got)
        release.set()
        alerts.close()
        hook.close()


def test_a_receiver_that_breaks_off_or_is_not_there(caplog):
    def breaks_off(handler, _):
        handler.wfile.write(b"HTTP/1.1 2")
        handler.connection.close()

    with receiver(breaks_off) as (address, got):
        hook = Webhook(address, retries=1, pause=0.01)
        hook(ALERT)
        assert hook.wait(30) and (hook.failed, len(got)) == (1, 2)
        hook.close()
    gone = Webhook(address, retries=1, pause=0.01)  # the server is down by now
    gone(ALERT)
    assert gone.wait(30) and gone.failed == 1
    gone.close()
    assert "s3cret" not in caplog.text


def test_an_endless_body_is_not_read():
    stop = threading.Event()

    def endless(handler, _):
        handler.send_response(200)
        handler.end_headers()
        try:
            while not stop.is_set():
                handler.wfile.write(b"x" * 65_536)
        except OSError:
            pass

    with receiver(endless) as (address, _):
        hook = Webhook(address)
        began = time.perf_counter()
        hook(ALERT)
        assert hook.wait(30) and hook.sent == 1 and time.perf_counter() - began < 20
        stop.set()
        hook.close()


def test_proxies_of_the_environment_hear_nothing(monkeypatch):
    with receiver(says(200)) as (proxy, heard), receiver(says(200)) as (address, got):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.partition("/hook")[0])
        hook = Webhook(address)
        hook(ALERT)
        assert hook.wait(30) and len(got) == 1 and heard == []
        hook.close()


def test_closing_gives_up_at_once():
    with receiver(says(503)) as (address, _):
        hook = Webhook(address, retries=5, pause=30)
        hook(ALERT)
        time.sleep(0.2)
        began = time.perf_counter()
        hook.close()
        assert time.perf_counter() - began < 2 and hook.failed == 1
        hook(ALERT)
        assert hook.dropped == 1


@pytest.mark.parametrize(
    "address", ["", "x", "ftp://a/b", "file:///etc/passwd", "https://", None, 7, "http://[::1"]
)
def test_an_address_that_is_none_is_told(address):
    with pytest.raises(InputError, match="address is none"):
        Webhook(address)


@pytest.mark.parametrize(
    "wrong", [{"timeout": 0}, {"retries": -1}, {"retries": 1000}, {"waiting": 0}, {"pause": -1}]
)
def test_settings_of_a_webhook_are_bounded(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Webhook("http://127.0.0.1/", **wrong)


def test_kinds_of_the_default_detectors():
    assert Counter(d.kind for d in Alerts().detectors) == {"errors": 1, "abstained": 1, "latency": 1}
