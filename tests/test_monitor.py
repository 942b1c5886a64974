"""Totals are what was observed, in threads and in processes; nothing grows; a killed worker harms nothing."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import matplotlib.pyplot as plt
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from liquid_ai.core import Event, InputError, Usage
from liquid_ai.metrics.instruments import CACHE, KINDS, STAGES, STATUSES, VALUES
from liquid_ai.metrics.monitor import CONTENT_TYPE, Monitor
from liquid_ai.metrics.workers import prepare_workers, worker_died

names = st.text(max_size=8)
milliseconds = st.floats(0, 1e5)
events = st.builds(
    Event,
    st.sampled_from(KINDS) | names,
    st.sampled_from(STATUSES) | names,
    st.dictionaries(st.sampled_from(["total", "first_token", *STAGES]) | names, milliseconds, max_size=4),
    st.builds(Usage, st.integers(0, 10**6), st.integers(0, 10**6)),
    st.sampled_from(["", *CACHE]) | names,
    confidence=st.none() | st.floats(0, 1),
    values=st.dictionaries(st.sampled_from([*VALUES]) | names, st.floats(0, 1e12), max_size=2),
)


def samples(monitor) -> dict:
    families = text_string_to_metric_families(monitor.text().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def total(told: dict, name: str, **labels) -> float:
    wanted = labels.items()
    return sum(
        v for (n, pairs), v in told.items() if n == f"liquid_ai_{name}" and dict(pairs).items() >= wanted
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(events, max_size=30), st.floats(0, 100), st.floats(0, 100))
def test_totals_are_what_was_observed(told, price_in, price_out):
    monitor = Monitor(price_in, price_out)
    for event in told:
        monitor.observe(event)
    asked = [e for e in told if e.timings or not e.values]
    hits = [e for e in asked if e.cache not in ("", "miss")]
    made = [e for e in asked if e.cache in ("", "miss")]
    found, times = samples(monitor), [e.timings["total"] for e in asked if "total" in e.timings]
    assert total(found, "requests_total") == len(asked)
    for status in STATUSES[:-1]:
        assert total(found, "requests_total", status=status) == sum(e.status == status for e in asked)
    for kind in KINDS[:-1]:
        assert total(found, "requests_total", kind=kind) == sum(e.kind == kind for e in asked)
    assert total(found, "request_duration_seconds_count") == len(times)
    assert total(found, "request_duration_seconds_sum") == pytest.approx(sum(times) / 1e3)
    stages = [s for e in asked for s in e.timings if s not in ("total", "first_token")]
    assert total(found, "stage_duration_seconds_count") == len(stages)
    assert total(found, "first_token_seconds_count") == sum("first_token" in e.timings for e in asked)
    assert total(found, "answer_confidence_count") == sum(e.confidence is not None for e in asked)
    for name, those in {"tokens_total": made, "cache_saved_tokens_total": hits}.items():
        assert total(found, name, direction="input") == sum(e.tokens.prompt_tokens for e in those)
        assert total(found, name, direction="output") == sum(e.tokens.answer_tokens for e in those)
    money = sum(e.tokens.prompt_tokens * price_in + e.tokens.answer_tokens * price_out for e in hits) / 1e6
    assert total(found, "cache_saved_cost_total") == pytest.approx(money)
    for result in CACHE[:-1]:
        assert total(found, "cache_requests_total", result=result) == sum(e.cache == result for e in asked)

    reference = monitor.reference()
    json.dumps(reference, allow_nan=False)
    assert reference["total_requests"] == len(asked)
    assert reference["total_errors"] == sum(e.status in ("error", "invalid") for e in asked)
    assert reference["cache_hits"] == sum(e.cache in ("exact", "semantic") for e in asked)
    assert reference["cache_misses"] == sum(e.cache == "miss" for e in asked)
    assert reference["saved_cost"] == pytest.approx(money)
    if times:
        told = [reference[f"{what}_response_time"] for what in ("min", "avg", "max")]
        assert told == pytest.approx([min(times), sum(times) / len(times), max(times)])


@settings(deadline=None, max_examples=30)
@given(st.lists(events, max_size=20))
def test_labels_are_of_closed_sets(told):
    monitor = Monitor()
    for event in told:
        monitor.observe(event)
    closed = {"kind": KINDS, "status": STATUSES, "stage": STAGES, "result": CACHE}
    closed |= {"direction": ("input", "output"), "currency": ("USD",)}
    for _, labels in samples(monitor):
        assert all(value in closed[name] for name, value in labels if name != "le")


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf, -math.inf])
def test_a_wrong_number_spoils_nothing(wrong):
    monitor = Monitor()
    odd = Usage(-5, 3)
    monitor.observe(Event("ask", "ok", {"total": wrong, "search": wrong}, odd, "exact", confidence=wrong))
    monitor.observe(Event("index", "ok", values={"index_chunks": 7.0}))
    if not math.isfinite(wrong):
        monitor.observe(Event("index", "ok", values={"index_chunks": wrong, "index_age": wrong}))
    found = samples(monitor)
    assert total(found, "requests_total") == 1
    assert total(found, "request_duration_seconds_count") == total(found, "answer_confidence_count") == 0
    assert total(found, "cache_saved_tokens_total") == 3
    assert total(found, "index_chunks") == 7
    assert total(found, "index_age_seconds") == 0
    assert all(math.isfinite(value) for value in found.values())


def test_a_reading_is_no_request_and_what_nobody_told_is_not_shown():
    monitor = Monitor()
    monitor.observe(Event("queue", "ok", values={"queue_waiting": 4.0}))
    found = samples(monitor)
    assert total(found, "requests_total") == 0 and total(found, "queue_waiting_requests") == 4
    assert not [name for name, _ in found if "index" in name or "gpu" in name]
    monitor.observe(Event("ingest", "ok", {"total": 5.0}, values={"index_documents": 3.0}))
    assert total(samples(monitor), "requests_total") == total(samples(monitor), "index_documents") - 2 == 1


def test_an_age_goes_on_by_itself():
    monitor = Monitor()
    monitor.observe(Event("index", "ok", values={"index_age": 100.0, "uptime": 50.0}))
    first = samples(monitor)
    time.sleep(0.05)
    later = samples(monitor)
    for name, least in {"index_age_seconds": 100, "uptime_seconds": 50}.items():
        assert least <= total(first, name) < total(later, name) < least + 10


def test_the_page_is_plain_prometheus_text():
    monitor = Monitor()
    monitor.observe(Event("ask", "ok", {"total": 1.0}, confidence=0.5))
    families = list(text_string_to_metric_families(monitor.text().decode()))
    assert CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"
    assert all(f.name.startswith("liquid_ai_") and f.documentation for f in families)
    assert not [s.name for f in families for s in f.samples if s.name.endswith("_created")]
    counters = {s.name for f in families if f.type == "counter" for s in f.samples}
    assert counters and all(name.endswith("_total") for name in counters)


def test_memory_stays_flat_and_the_window_is_the_last():
    monitor = Monitor()
    event = Event("ask", "ok", {"total": 1.0, "search": 0.5}, Usage(900, 60), "exact", confidence=0.9)
    for _ in range(2000):
        monitor.observe(event)
    monitor.reference()
    tracemalloc.start()
    for i in range(100_000):
        monitor.observe(event)
        if i % 20_000 == 0:
            monitor.reference()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 50_000
    for i in range(1000):
        monitor.observe(Event("search", "ok", {"total": float(i)}))
    told = monitor.reference()
    assert (told["min_response_time"], told["max_response_time"]) == (0.0, 999.0)
    assert told["response_times_over"] == 1000 and told["total_requests"] == 103_000


def test_threads_lose_nothing():
    monitor = Monitor()
    event = Event("ask", "ok", {"total": 1.0}, Usage(2, 1), "exact", confidence=0.9)

    def work():
        for i in range(3000):
            monitor.observe(event)
            monitor.observe(Event("queue", "ok", values={name: float(i) for name in VALUES}))
            if i % 1000 == 0:
                monitor.text()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = samples(monitor)
    assert total(found, "requests_total") == total(found, "request_duration_seconds_count") == 12_000
    assert total(found, "cache_saved_tokens_total") == 36_000


def test_it_shows_itself():
    monitor = Monitor(1.0, 1.0, currency="<b>")
    plt.switch_backend("agg")
    assert monitor.plot(plt.figure().subplots()).get_legend() is None  # of nothing
    monitor.observe(
        Event("ask", "ok", {"total": 3.0, "first_token": 1.0, "search": 2.0}, Usage(10**6, 0), "exact")
    )
    shown = monitor._repr_html_()
    assert "1,000,000" in shown and "1 &lt;b>" in shown and "<b><b>" not in shown
    labels = {text.get_text() for text in monitor.plot().get_legend().get_texts()}
    assert labels == {"ask, whole", "search", "first word"}
    plt.close("all")


# ---------------------------------------------------------------------------------------- several processes

WORKER = """
import os, sys, time
from liquid_ai.core import Event, Usage
from liquid_ai.metrics.monitor import Monitor

monitor = Monitor(price_in=1.0)
times, forever = int(sys.argv[1]), sys.argv[2] == "forever"
event = Event("ask", "ok", {"total": float(sys.argv[3])}, Usage(10, 2), "exact", confidence=0.9)
monitor.observe(Event("queue", "ok", values={"queue_waiting": 3.0, "index_chunks": float(sys.argv[3])}))
for _ in range(times):
    monitor.observe(event)
monitor.tell()
print("counted", flush=True)
while forever:
    monitor.observe(event)
    monitor.tell()
sys.stdin.read()
"""
READER = """
import json
from liquid_ai.metrics.monitor import Monitor
monitor = Monitor(price_in=1.0)
print(json.dumps([monitor.reference(), monitor.text().decode()]))
"""


class Workers:
    "Processes that observe in one folder, and one more that reads."

    def __init__(self, folder):
        self.folder, self.running = folder, []
        self.env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder), "PYTHONPATH": str(ROOT)}

    def start(self, times: int, how: str = "", took: float = 1.0) -> subprocess.Popen:
        run = [sys.executable, "-c", WORKER, str(times), how, str(took)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": self.env, "text": True}
        worker = subprocess.Popen(run, **pipes)
        self.running.append(worker)
        return worker

    def read(self) -> tuple[dict, dict]:
        done = subprocess.run([sys.executable, "-c", READER], env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        reference, text = json.loads(done.stdout)
        families = text_string_to_metric_families(text)
        found = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}
        return reference, found


@pytest.fixture
def workers(tmp_path):
    group = Workers(tmp_path)
    yield group
    for worker in group.running:
        worker.kill()
        worker.communicate()


def test_workers_add_up_and_a_killed_one_leaves_its_counts(workers):
    first, second = workers.start(700, took=1.0), workers.start(500, took=3.0)
    for worker in (first, second):
        assert worker.stdout.readline() == "counted\n"
    reference, found = workers.read()
    assert reference["total_requests"] == reference["cache_hits"] == 1200
    assert reference["tokens_saved"] == {"input": 12_000, "output": 2_400}
    assert reference["saved_cost"] == pytest.approx(0.012)
    assert reference["response_times_over"] == 1000  # of both
    assert (reference["min_response_time"], reference["max_response_time"]) == (1.0, 3.0)
    assert total(found, "queue_waiting_requests") == 6  # of both
    assert total(found, "index_chunks") in (1, 3)  # of whoever spoke last
    assert total(found, "cache_saved_cost_total") == pytest.approx(0.012)
    assert not [labels for _, labels in found if "pid" in dict(labels)]

    first.kill()
    first.wait()
    worker_died(first.pid, workers.folder)
    reference, found = workers.read()
    assert reference["total_requests"] == 1200 == total(found, "request_duration_seconds_count")
    assert total(found, "queue_waiting_requests") == 3
    assert reference["min_response_time"] == 3.0
    assert not list(workers.folder.glob(f"*_{first.pid}.*"))
    worker_died(first.pid, workers.folder)  # said twice, counted once
    assert workers.read()[0]["total_requests"] == 1200


def test_killed_in_the_middle_of_counting_nothing_is_corrupt(workers):
    for took in (1.0, 2.0, 3.0):
        worker = workers.start(50, "forever", took)
        assert worker.stdout.readline() == "counted\n"
        time.sleep(0.2)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        before, found = workers.read()
        counted = before["total_requests"]
        assert counted > 50
        # the one event at which each was killed may be counted in part
        lives = took
        for name in ("request_duration_seconds_count", "answer_confidence_count"):
            assert counted - lives <= total(found, name) <= counted
        assert counted - lives <= before["cache_hits"] <= counted
        worker_died(worker.pid, workers.folder)
        after, _ = workers.read()
        assert after["total_requests"] == counted
        assert after["tokens_saved"] == before["tokens_saved"]
    files = [p for p in workers.folder.iterdir() if p.suffix == ".db"]
    assert {p.stem.rpartition("_")[2] for p in files if "gauge" not in p.stem} >= {"0"}


def test_however_many_workers_die_the_folder_stays_small(workers):
    sizes = []
    for _ in range(4):
        worker = workers.start(10)
        worker.communicate("")
        worker_died(worker.pid, workers.folder)
        sizes.append(sorted(p.name for p in workers.folder.iterdir()))
    assert sizes[0] == sizes[-1]
    assert workers.read()[0]["total_requests"] == 40


def test_a_worker_killed_at_birth_spoils_no_page(workers):
    workers.start(10).communicate("")
    unborn = workers.start(0)
    unborn.kill()
    unborn.wait()
    for kind in ("counter", "histogram", "gauge_livesum", "gauge_min"):
        (workers.folder / f"{kind}_{unborn.pid}.db").write_bytes(b"")
    assert workers.read()[0]["total_requests"] == 10
    worker_died(unborn.pid, workers.folder)
    assert workers.read()[0]["total_requests"] == 10
    assert not list(workers.folder.glob(f"*_{unborn.pid}.*"))


def test_a_worker_that_runs_is_not_declared_dead(workers):
    worker = workers.start(10)
    assert worker.stdout.readline() == "counted\n"
    with pytest.raises(InputError, match="still runs"):
        worker_died(worker.pid, workers.folder)
    assert workers.read()[0]["total_requests"] == 10
    for wrong in (0, -3, "7"):
        with pytest.raises(InputError, match="not the number"):
            worker_died(wrong, workers.folder)


def test_a_new_run_starts_from_nothing(workers, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    workers.start(10).communicate("")
    prepare_workers(workers.folder)
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(workers.folder)
    assert workers.read()[0]["total_requests"] == 0


def test_a_folder_named_too_late_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with pytest.raises(InputError, match="too late"):
        Monitor()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="no folder"):
        Monitor()
