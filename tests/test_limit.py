"""Limits hold in any window, under threads, tasks, processes and failures; memory stays bounded."""

import asyncio
import gc
import logging
import math
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import threading
import time
from itertools import pairwise

import psutil
import pytest
from conftest import need
from hypothesis import given
from hypothesis import strategies as st

from liquid_ai.core import InputError, LiquidError
from liquid_ai.generation.limit import Limiter
from liquid_ai.generation.quota import LimitDown, LimitError, MemoryQuota, Rates
from liquid_ai.generation.redis_quota import RedisQuota

TICK = 2.0**-10  # fake times are multiples of it, so that sums and differences are exact


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


# --- the window ---------------------------------------------------------------------------------------------


def excess(times: list[float], limit: int, seconds: float) -> list[float]:
    "The admissions that came with `limit` others in the `seconds` before them, both ends included."
    return [late for early, late in zip(times, times[limit:], strict=False) if late - early <= seconds]


def schedules(seed: int, count: int):
    "Requests of `count` clients under one clock, with the gaps that a bad window gets wrong."
    rng = random.Random(seed)
    limit, seconds = rng.randint(1, 4), rng.choice([1, 2, 60])
    gaps = [
        0,
        0,
        0,
        TICK,
        seconds - TICK,
        seconds,
        seconds + TICK,
        seconds / 2,
        seconds / limit // TICK * TICK,
    ]
    alive = {f"{seed}-{i}": rng.randint(limit + 1, 2 * limit + 2) for i in range(count)}
    moments = []
    for key, requests in alive.items():
        now = rng.randrange(seconds * 1024) * TICK
        for _ in range(requests):
            now += rng.choice(gaps)
            moments.append((now, key))
    return limit, seconds, sorted(moments)


def test_never_above_the_limit_in_any_window_over_100_000_schedules():
    for seed in range(1000):
        limit, seconds, moments = schedules(seed, 100)
        clock = Clock()
        quota = MemoryQuota(Rates(limit, seconds), clock)
        admitted: dict[str, list[float]] = {}
        for clock.now, key in moments:
            verdict, times = quota.admit(key), admitted.setdefault(key, [])
            here = [t for t in times if t >= clock.now - seconds]
            assert verdict.admitted == (len(here) < limit), (
                seed,
                key,
                clock.now,
            )  # nor refused with room left
            if verdict.admitted:
                times.append(clock.now)
                assert verdict.reading.remaining == limit - len(here) - 1
            else:
                assert here[0] + seconds - clock.now < verdict.wait < here[0] + seconds - clock.now + 0.01
        assert not any(excess(times, limit, seconds) for times in admitted.values()), seed
        assert len(admitted) == 100


def test_a_fixed_window_would_be_found_out():
    fixed, count = [], {}
    for now in [0.0, 59.0, 59.5, 60.0, 60.5]:  # two a minute, by the minute's number
        count[now // 60] = count.get(now // 60, 0) + 1
        fixed += [now] if count[now // 60] <= 2 else []
    assert excess(fixed, 2, 60)


def test_a_refusal_comes_true_when_the_wait_is_over_and_consumes_nothing():
    clock = Clock()
    quota = MemoryQuota(Rates(2, 60, tokens_per_minute=600), clock)
    assert quota.admit("ann", 100).admitted and quota.admit("ann", 100).admitted
    before = quota.read("ann")
    refused = [quota.admit("ann", 100) for _ in range(50)]
    assert quota.read("ann") == before and not any(v.admitted for v in refused)
    clock.now = refused[-1].wait
    assert [quota.admit("ann", 100).admitted for _ in range(3)] == [True, True, False]


# --- the bucket ---------------------------------------------------------------------------------------------


@given(
    per_minute=st.integers(1, 1000),
    burst=st.integers(0, 500),
    steps=st.lists(st.tuples(st.sampled_from([0.0, TICK, 0.5, 7.0, 61.0]), st.integers(0, 600)), max_size=60),
)
def test_a_bucket_never_gives_more_than_its_rate_and_its_burst(per_minute, burst, steps):
    rates, clock = Rates(10**6, 1, per_minute, burst), Clock()
    quota, taken = MemoryQuota(rates, clock), []
    for gap, tokens in steps:
        clock.now += gap
        before = quota.read("ann").tokens_remaining
        admitted = quota.admit("ann", tokens).admitted
        assert admitted or before < tokens
        taken += [(clock.now, tokens)] if admitted else []
    for i, (start, _) in enumerate(taken):
        total = 0
        for now, tokens in taken[i:]:
            total += tokens
            assert total <= rates.bucket + (now - start) * per_minute / 60 + 1e-6


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, 30.0]), st.integers(0, 100), st.integers(0, 300)), max_size=40
    )
)
def test_settled_tokens_stay_within_the_rate_and_debts_are_paid(steps):
    rates, clock = Rates(10**6, 1, 600, 100), Clock()
    quota, spent = MemoryQuota(rates, clock), 0
    for gap, estimate, true in steps:
        clock.now += gap
        room = rates.bucket + clock.now * 10 - spent  # what a client that had never been refused could have
        if quota.admit("ann", estimate).admitted:
            assert estimate <= room + 1e-6
            quota.settle("ann", estimate - true)
            spent += true
        assert quota.read("ann").tokens_remaining <= rates.bucket


# --- memory -------------------------------------------------------------------------------------------------


def resident() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss


def test_memory_is_bounded_when_a_million_clients_pass():
    clock = Clock()
    quota = MemoryQuota(Rates(100, 60), clock)
    before = resident()
    for i in range(1_000_000):
        clock.now = i / 1024  # about a thousand new clients a second, for a quarter of an hour
        assert quota.admit(f"{i:032x}").admitted
    grown = resident() - before
    assert len(quota.window.times) == 60 * 1024 + 1  # those of one window
    assert grown < 60_000_000, grown
    clock.now += 61
    for _ in range(40):  # one client alone sweeps out the others, two at a time
        quota.admit("ann")
    assert len(quota.window.times) == 60 * 1024 + 2 - 2 * 40


def test_no_client_is_forgotten_within_its_window():
    clock = Clock()
    quota = MemoryQuota(Rates(1, 60), clock)
    for i in range(70_000):
        clock.now = i / 1024
        quota.admit(f"{i:032x}")
    gone = 70_000 - 1 - 60 * 1024  # the first that is still within its window
    known = [quota.admit(f"{i:032x}").admitted for i in range(gone - 500, 70_000)]
    assert known == [True] * 500 + [False] * (60 * 1024 + 1)


def test_a_new_client_is_refused_when_all_that_are_remembered_are_in_their_windows():
    clock = Clock()
    limiter = Limiter(2, 60, clients=3, clock=clock)
    for key in ("ann", "bob", "cid", "ann"):
        with limiter(key):
            pass
    with pytest.raises(LimitError, match="3 clients are in their windows") as told, limiter("dan"):
        pass
    assert told.value.retry_after == pytest.approx(60, abs=0.01)
    with limiter("bob"):  # who is known has the share that is left
        pass
    clock.now = 60.1
    with limiter("dan"):
        pass


def test_buckets_are_forgotten_when_they_are_full_again():
    clock = Clock()
    quota = MemoryQuota(Rates(100, 60, tokens_per_minute=6000), clock)
    quota.settle("debtor", -(10**9))
    for i in range(50_000):
        clock.now = i / 100
        quota.admit(f"{i:032x}", 100)  # full again after a second
    assert len(quota.buckets.levels) < 1000
    assert quota.read("debtor").tokens_remaining < -(10**8)


# --- places and turns ---------------------------------------------------------------------------------------


def until(condition, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.001)


class Crowd:
    "Counts who is inside at once."

    def __init__(self):
        self.inside, self.most, self.lock = 0, 0, threading.Lock()

    def __enter__(self):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *error):
        with self.lock:
            self.inside -= 1


def test_places_are_never_exceeded_by_threads_and_tasks_together():
    limiter, crowd, done = Limiter(10**6, concurrent=3, queue=1000), Crowd(), []

    def thread(i):
        for _ in range(5):
            try:
                with limiter(f"client {i % 7}", wait=True), crowd:
                    time.sleep(0.001)
                    if i % 3 == 0:
                        raise ValueError
            except ValueError:
                pass
            done.append(i)

    async def task(i):
        async with limiter(f"client {i % 7}", wait=True):
            with crowd:
                await asyncio.sleep(0.001)
        done.append(i)

    async def tasks():
        await asyncio.gather(*(task(i) for i in range(100)))

    threads = [threading.Thread(target=thread, args=(i,)) for i in range(50)]
    threads.append(threading.Thread(target=lambda: asyncio.run(tasks())))
    [t.start() for t in threads]
    [t.join(20) for t in threads]
    assert len(done) == 350 and crowd.most == 3
    assert (limiter.turns.busy, limiter.turns.waiting, limiter.turns._lines) == (0, 0, {})


def test_waiting_threads_are_admitted_in_order():
    limiter, order = Limiter(10**6, concurrent=1), []

    def visit(i):
        with limiter(f"client {i % 3}", wait=True):
            order.append(i)

    with limiter("first"):
        threads = []
        for i in range(40):
            threads.append(threading.Thread(target=visit, args=(i,)))
            threads[-1].start()
            until(lambda: limiter.turns.waiting == len(threads))
    [t.join(5) for t in threads]
    assert order == list(range(40))


def test_waiting_tasks_are_admitted_in_order_and_by_their_share():
    limiter, order = Limiter(3, 1, concurrent=2), []

    async def visit(i):
        async with limiter("ann", wait=True):
            order.append((i, time.monotonic()))
            await asyncio.sleep(0.01)

    async def all_of_them():
        await asyncio.gather(*(visit(i) for i in range(10)))

    asyncio.run(all_of_them())
    assert [i for i, _ in order] == list(range(10))
    assert not excess([t for _, t in order], 3, 0.999)


def test_who_waits_for_a_share_keeps_no_place_from_others_and_is_not_overtaken():
    limiter = Limiter(1, 1, concurrent=1)
    with limiter("ann"):
        pass
    order = []

    def visit(name):
        with limiter("ann", wait=True):
            order.append(name)

    first = threading.Thread(target=visit, args=("first",))
    first.start()
    until(lambda: limiter.turns.waiting == 1)
    with limiter("bob"):  # the only place is free
        pass
    with pytest.raises(LimitError, match="others of this client wait"), limiter("ann"):
        pass
    second = threading.Thread(target=visit, args=("second",))
    second.start()
    first.join(5), second.join(5)
    assert order == ["first", "second"]


def test_a_full_queue_refuses_and_says_when_to_try_again():
    limiter = Limiter(concurrent=1, queue=1)
    with limiter("ann"):
        waiting = threading.Thread(target=lambda: limiter("bob", wait=True).__enter__().__exit__())
        waiting.start()
        until(lambda: limiter.turns.waiting == 1)
        with pytest.raises(LimitError, match="all 1 places are taken and 1 wait") as told:
            limiter("cid", wait=True).__enter__()
        assert told.value.retry_after > 0 and told.value.remaining == 100  # nothing was counted
    waiting.join(5)
    assert limiter.turns.busy == 0


@pytest.mark.parametrize("how", ["thread", "task"])
def test_deadlines_are_kept_and_leave_nothing_behind(how):
    limiter = Limiter(concurrent=1)

    async def task():
        async with limiter("bob", wait=0.2):
            pass

    with limiter("ann"):
        start = time.monotonic()
        with pytest.raises(LimitError, match="time to wait is over"):
            asyncio.run(task()) if how == "task" else limiter("bob", wait=0.2).__enter__()
        assert 0.19 < time.monotonic() - start < 1
        assert (limiter.turns.busy, limiter.turns.waiting) == (1, 0)
    assert limiter.turns.busy == 0


def test_a_wait_that_cannot_be_in_time_is_refused_at_once():
    limiter = Limiter(1, 60)
    with limiter("ann"):
        pass
    start = time.monotonic()
    with pytest.raises(LimitError) as told:
        limiter("ann", wait=5.0).__enter__()
    assert time.monotonic() - start < 1 and 59 < told.value.retry_after < 60.1
    assert told.value.headers()["Retry-After"] in ("60", "61")


def test_cancelled_tasks_leave_queue_line_and_place():
    limiter = Limiter(1, 60, concurrent=1)

    async def visit(key, seconds):
        async with limiter(key, wait=True):
            await asyncio.sleep(seconds)

    async def story():
        tasks = [asyncio.create_task(visit(key, 60)) for key in ("ann", "bob", "cid")]
        await asyncio.sleep(0.05)
        assert (limiter.turns.busy, limiter.turns.waiting) == (1, 2)
        tasks[1].cancel()  # in the queue
        await asyncio.sleep(0.01)
        assert (limiter.turns.busy, limiter.turns.waiting) == (1, 1)
        tasks[0].cancel()  # within the block: cid is next
        await asyncio.sleep(0.01)
        assert (limiter.turns.busy, limiter.turns.waiting) == (1, 0)
        tasks[2].cancel()
        line = asyncio.create_task(visit("ann", 0))  # its share is used up
        await asyncio.sleep(0.05)
        assert (limiter.turns.busy, limiter.turns.waiting) == (0, 1)
        line.cancel()
        await asyncio.gather(*tasks, line, return_exceptions=True)

    asyncio.run(story())
    assert (limiter.turns.busy, limiter.turns.waiting, limiter.turns._lines) == (0, 0, {})


def test_a_refund_lets_the_first_in_line_go_at_once():
    limiter, waited = Limiter(tokens_per_minute=60), []

    def visit():
        start = time.monotonic()
        with limiter("ann", tokens=50, wait=True):
            waited.append(time.monotonic() - start)

    with limiter("ann", tokens=60) as grant:
        waiting = threading.Thread(target=visit)
        waiting.start()
        until(lambda: limiter.turns.waiting == 1)
        grant.settle(1)
    waiting.join(5)
    assert waited[0] < 2  # 50 seconds without the refund


def test_a_hundred_threads_share_one_limit():
    limiter, admitted = Limiter(100, 60), []

    def visit():
        for _ in range(20):
            try:
                with limiter("ann"):
                    admitted.append(1)
            except LimitError:
                pass

    threads = [threading.Thread(target=visit) for _ in range(100)]
    [t.start() for t in threads]
    [t.join(20) for t in threads]
    assert len(admitted) == 100


# --- Redis --------------------------------------------------------------------------------------------------


class Server:
    "A Redis of our own that can be stopped, halted and started again."

    def __init__(self, folder):
        self.program = need("redis-server")
        self.folder = folder
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self):
        run = [
            self.program,
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self.process = subprocess.Popen(run, cwd=self.folder, stdout=subprocess.DEVNULL)
        until(self.answers)

    def answers(self) -> bool:
        with socket.socket() as s:
            s.settimeout(0.2)
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


def client(server):
    import redis

    return redis.Redis.from_url(server.url, socket_timeout=60)


def test_both_quotas_agree(redis):
    rng, rates = random.Random(4), Rates(20, 3600, 1, 500)
    clock = Clock()  # an hour's window and a token a minute: the time that this test takes does not matter
    memory, shared = MemoryQuota(rates, clock), RedisQuota(rates, redis.url)
    seen = set()
    for _ in range(600):
        key, tokens = rng.choice("abcdefgh"), rng.randint(0, 60)
        if rng.random() < 0.3:
            change = rng.randint(-30, 30)
            memory.settle(key, change), shared.settle(key, change)
        one, two = memory.admit(key, tokens), shared.admit(key, tokens)
        assert one.admitted == two.admitted
        assert one.reading.remaining == two.reading.remaining == shared.read(key).remaining
        assert abs(one.reading.tokens_remaining - two.reading.tokens_remaining) <= 1
        seen.add((one.admitted, one.reading.remaining > 0, one.reading.tokens_remaining < 0))
    assert len(seen) >= 4
    shared.close()


def hammer(url, limit, tokens, seconds, admitted):
    limiter, until = (
        Limiter(limit, 1, tokens_per_minute=tokens, storage=url, timeout=5),
        time.monotonic() + seconds,
    )
    while time.monotonic() < until:
        try:
            with limiter("ann", tokens=10), admitted.get_lock():
                admitted.value += 1
        except LimitError as e:
            time.sleep(min(e.retry_after, 0.002))


def test_two_processes_share_one_limit_and_never_exceed_it_together(redis):
    limit, seconds, tokens = 40, 3.5, 600_000
    spawn = multiprocessing.get_context("spawn")
    counts = [spawn.Value("i", 0) for _ in range(2)]
    watcher, times, ready = client(redis), [], threading.Event()

    def watch():  # the server's own record of who was entered, and when
        with watcher.monitor() as monitor:
            ready.set()
            for command in monitor.listen():
                name, *arguments = command["command"].split()
                if name.lower() == "lpush":
                    times.append(float(arguments[1].strip('"')))
                if name.lower() == "echo":
                    return

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    ready.wait(5)
    crew = [spawn.Process(target=hammer, args=(redis.url, limit, tokens, seconds, count)) for count in counts]
    [p.start() for p in crew]
    [p.join(50) for p in crew]
    client(redis).echo("done")
    watching.join(5)
    one, two = (count.value for count in counts)
    assert one > 0 and two > 0 and one + two == len(times)
    assert not excess(times, limit, 1.0)
    assert len(times) > limit * 3 and times == sorted(times)  # and the limit is made use of


def test_two_processes_share_one_bucket(redis):
    spawn = multiprocessing.get_context("spawn")
    counts = [spawn.Value("i", 0) for _ in range(2)]
    start = time.monotonic()
    crew = [spawn.Process(target=hammer, args=(redis.url, 10_000, 1200, 2, count)) for count in counts]
    [p.start() for p in crew]
    [p.join(50) for p in crew]
    total = sum(count.value for count in counts) * 10
    assert 1200 <= total <= 1200 + (time.monotonic() - start) * 20


def test_keys_in_redis_tell_nothing_and_pass_away(redis):
    quota = Limiter(5, 1, tokens_per_minute=6000, storage=redis.url)
    with quota("token-of-ann", tokens=50):
        pass
    with client(redis) as server:
        keys = list(server.keys("liquid_ai:limit:5/1/*"))
        assert len(keys) == 2 and not any(b"ann" in k for k in keys)
        assert all(0 < server.pttl(k) <= 3000 for k in keys)
        assert quota.read("token-of-ann").remaining == 4
        until(lambda: not server.exists(*keys), 5)
    quota.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_without_redis_it_fails_closed_quickly_and_recovers(tmp_path, how, caplog):
    server = Server(tmp_path)
    closed = Limiter(storage=server.url, tokens_per_minute=6000, timeout=0.3, concurrent=4)
    opened = Limiter(storage=server.url, timeout=0.3, on_failure="open")
    try:
        with closed("ann", tokens=10) as grant, opened("ann"):
            server.process.send_signal(how)
            if how == signal.SIGKILL:
                server.process.wait()
            grant.settle(5)  # the work is done: that this cannot be booked must not spoil it
        assert "tokens were not settled" in caplog.text
        time.sleep(1.1)  # the server is left alone for a second
        for wait in (False, True):
            start = time.monotonic()
            with (
                pytest.raises(LimitDown, match=f"127.0.0.1:{server.port}.*Start it") as told,
                closed("ann", wait=wait),
            ):
                pass
            assert time.monotonic() - start < 1.5 and told.value.retry_after > 0
            assert isinstance(told.value, LiquidError) and closed.turns.busy == 0
        with pytest.raises(LimitDown):
            closed.read("ann")
        caplog.clear()
        for _ in range(3):
            with opened("ann") as grant:
                assert not grant.reading.counted and "X-RateLimit-Remaining" not in grant.reading.headers()
        assert opened.read("ann").counted is False
        assert [r.levelno for r in caplog.records].count(logging.WARNING) == 1
        server.process.send_signal(signal.SIGCONT) if how == signal.SIGSTOP else server.start()
        until(server.answers)
        time.sleep(1.1)
        with closed("bob") as grant, opened("bob") as other:
            assert grant.reading.counted and other.reading.counted
        assert "counted again" in caplog.text
    finally:
        closed.close(), opened.close()
        server.stop()


def test_a_halted_redis_blocks_neither_the_event_loop_nor_the_queue(tmp_path):
    server = Server(tmp_path)
    limiter = Limiter(storage=server.url, timeout=0.3, concurrent=50)
    outcomes, beats = [], []

    async def visit(i):
        try:
            async with limiter(f"client {i}", wait=1.0):
                outcomes.append("in")
        except LimitDown:
            outcomes.append("down")

    async def pulse():
        while True:
            beats.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def story():
        beat = asyncio.create_task(pulse())
        await visit(0)
        server.process.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        await asyncio.gather(*(visit(i) for i in range(100)))
        spent = time.monotonic() - start
        await asyncio.sleep(1.1)  # the server is left alone for a second
        cancelled = asyncio.create_task(visit(0))
        await asyncio.sleep(0.05)  # it is in the middle of a call
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        beat.cancel()
        return spent

    try:
        spent = asyncio.run(story())
        assert outcomes[0] == "in" and set(outcomes[1:]) == {"down"} and len(outcomes) >= 101
        assert spent < 1.0 and max(b - a for a, b in pairwise(beats)) < 0.25
        assert (limiter.turns.busy, limiter.turns.waiting) == (0, 0)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
        server.stop()
        limiter.close()


def test_a_task_cancelled_while_redis_counts_gets_its_tokens_back(redis):
    limiter = Limiter(tokens_per_minute=1000, storage=redis.url)
    ask, entered, go = limiter.quota.admit, threading.Event(), threading.Event()

    def slow(key, tokens):
        verdict = ask(key, tokens)
        entered.set()
        go.wait(5)
        return verdict

    limiter.quota.admit = slow

    async def story():
        async def visit():
            async with limiter("cancelled", tokens=900):
                pass

        task = asyncio.create_task(visit())
        while not entered.is_set():
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        go.set()

    asyncio.run(story())
    until(lambda: limiter.read("cancelled").tokens_remaining >= 1000)
    assert limiter.read("cancelled").remaining == 99 and limiter.turns.busy == 0
    limiter.close()


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"requests": 0}, "requests=0"),
        ({"requests": -5}, "requests=-5"),
        ({"requests": 10**9}, "requests=1,000,000,000"),
        ({"seconds": 0}, "seconds=0"),
        ({"seconds": 0.5}, "seconds=0.5"),
        ({"seconds": math.nan}, "seconds=nan"),
        ({"tokens_per_minute": -1}, "tokens_per_minute=-1"),
        ({"burst": 5}, "burst=5"),
        ({"concurrent": -1}, "concurrent=-1"),
        ({"queue": -1}, "queue=-1"),
        ({"clients": 0}, "clients=0"),
        ({"on_failure": "maybe"}, "on_failure='maybe'"),
        ({"storage": "postgres://ann:s3cret@db/1"}, "no address of Redis"),
        ({"storage": "redis://127.0.0.1", "timeout": 0}, "timeout=0"),
    ],
)
def test_limits_that_make_no_sense_are_refused(given, told):
    with pytest.raises(InputError, match=told) as refused:
        Limiter(**given)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"key": ""}, "empty"),
        ({"key": None}, "NoneType"),
        ({"key": b"ann"}, "bytes"),
        ({"key": "x" * 10**6}, "1,000,000 characters"),
        ({"key": "ann", "route": 7}, "int"),
        ({"key": "ann", "tokens": -1}, "tokens=-1"),
        ({"key": "ann", "tokens": 1.5}, "tokens=1.5"),
        ({"key": "ann", "tokens": 101}, "more than the 100"),
        ({"key": "ann", "wait": -1}, "wait=-1"),
        ({"key": "ann", "wait": math.nan}, "wait=nan"),
    ],
)
def test_requests_that_make_no_sense_are_refused(given, told):
    limiter = Limiter(tokens_per_minute=100)
    with pytest.raises(InputError, match=told):
        limiter(**given)
    assert len(limiter.quota.window.times) == 0


def test_odd_keys_are_keys_and_do_not_run_together():
    limiter = Limiter(1)
    keys = ["a", "b", "\ud800", "\0", "ключ", "a/b", "x" * 4096, "{}", "1:a"]
    for key in keys:
        with limiter(key):
            pass
    for key, route in [("b", "a"), ("ab", ""), ("a", "b"), ("b1:a", "")]:
        with limiter(key, route):
            pass
    for key in keys:
        with pytest.raises(LimitError), limiter(key):
            pass


def test_a_grant_is_entered_once_and_settled_with_a_number():
    limiter = Limiter(tokens_per_minute=100, concurrent=1)
    grant = limiter("ann", tokens=10)
    with grant, pytest.raises(InputError, match="tokens=-3"):
        grant.settle(-3)
    with pytest.raises(InputError, match="entered once"):
        grant.__enter__()
    assert limiter.turns.busy == 0 and limiter.read("ann").tokens_remaining == 90
