"""Equal questions at once make one generation, whatever happens to the caller whose generation it is."""

import asyncio
import contextvars
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liquid_ai.core import Answer, CacheInfo, InputError, ModelError, StreamEvent
from liquid_ai.generation.cache import Cache
from liquid_ai.generation.cache_entry import cache_key
from liquid_ai.generation.flight import SingleFlight

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
KEY = cache_key("q", index="i", encoder="e", model="m", adapter="", prompt="p")


def generations() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "generation"]


@pytest.fixture(autouse=True)
def _nothing_is_left():
    yield
    until = time.monotonic() + 5
    while generations() and time.monotonic() < until:
        time.sleep(0.01)
    assert not generations()


def settled(flights: SingleFlight) -> bool:
    "Whether every generation's thread has ended and the table is empty."
    for thread in generations():
        thread.join(5)
    return len(flights) == 0 and not generations()


def test_a_hundred_threads_and_tasks_make_one_generation():
    flights, made, gate = SingleFlight(), [], threading.Barrier(51)

    def make():
        until = time.monotonic() + 30
        while flights.shared < 99 and time.monotonic() < until:  # until all are here
            time.sleep(0.01)
        made.append(1)
        return object()

    def thread(_):
        gate.wait()
        return flights.do("k", make)

    async def tasks():
        await asyncio.to_thread(gate.wait)
        return await asyncio.gather(*(flights.ado("k", make) for _ in range(50)))

    with ThreadPoolExecutor(50) as pool:
        threads = [pool.submit(thread, n) for n in range(50)]
        found = asyncio.run(tasks())
        found += [t.result(10) for t in threads]
    assert len(set(map(id, found))) == len(made) == 1 and len(found) == 100
    assert (flights.started, flights.shared) == (1, 99) and settled(flights)


def test_the_same_holds_through_the_cache_also_for_those_who_looked_too_early():
    cache, made = Cache(), []

    def steps():
        made.append(1)
        yield StreamEvent("answer", answer=Answer("q", "text"))

    for _ in range(30):
        cache.clear()
        made.clear()
        with ThreadPoolExecutor(20) as pool:  # too quick to meet: some look before the end and fly after it
            answers = list(pool.map(lambda _: cache.answer(KEY, steps), range(20)))
        assert len(made) == 1 and {a.text for a in answers} == {"text"}


def test_who_looked_before_an_answer_was_kept_and_asks_after_it_generates_nothing(monkeypatch):
    cache, made, fly = Cache(), [], SingleFlight.stream

    def kept_in_between(self, *args):
        cache.put(KEY, Answer("q", "of another caller"))
        return fly(self, *args)

    monkeypatch.setattr(SingleFlight, "stream", kept_in_between)
    assert cache.answer(KEY, counted(made)).text == "of another caller" and made == []


def test_async_callers_take_no_threads_to_wait():
    cache = Cache()

    def steps():
        time.sleep(0.1)
        yield StreamEvent("answer", answer=Answer("q", "text"))

    async def many():
        task = asyncio.gather(*(cache.aanswer(KEY, steps) for _ in range(500)))
        await asyncio.sleep(0.05)
        threads, ticks = threading.active_count(), 0
        while not task.done():
            await asyncio.sleep(0.005)
            ticks += 1
        return threads, ticks, await task

    before = threading.active_count()
    threads, ticks, answers = asyncio.run(many())
    assert threads <= before + 1 and ticks > 2 and len(answers) == 500  # and the loop was not blocked


def counted(log, items=("a", "b", "c"), pause=0.03, then=None):
    "A generation of `items` that says in `log` that it began, went on, and was closed."

    def make():
        log.append("begun")
        try:
            for item in items:
                time.sleep(pause)
                log.append(item)
                yield item
            if then:
                raise then
        finally:
            log.append("closed")

    return make


def test_followers_read_from_the_beginning_and_slow_readers_hold_nobody_up():
    flights, log = SingleFlight(), []
    slow = flights.stream("k", counted(log))
    assert next(slow) == "a"
    start = time.monotonic()
    assert list(flights.stream("k", counted(log))) == ["a", "b", "c"]
    assert time.monotonic() - start < 1 and list(slow) == ["b", "c"]
    assert log == ["begun", "a", "b", "c", "closed"] and settled(flights)


def test_the_first_caller_may_leave():
    flights, log = SingleFlight(), []
    first, second = flights.stream("k", counted(log)), flights.stream("k", counted(log))
    assert next(first) == next(second) == "a"
    first.close()
    assert list(second) == ["b", "c"] and log.count("begun") == 1 and settled(flights)


def test_when_all_leave_the_generation_is_closed_and_the_next_caller_begins_anew():
    flights, log = SingleFlight(), []
    first, second = flights.stream("k", counted(log, range(50))), flights.stream("k", counted(log))
    next(first), next(second)
    first.close(), second.close()
    assert len(flights) == 0
    assert list(flights.stream("k", counted(other := []))) == ["a", "b", "c"] and other[0] == "begun"
    assert settled(flights) and log[-1] == "closed" and len(log) < 8


def test_a_timeout_is_the_caller_s_own():
    flights, log = SingleFlight(), []
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: list(flights.stream("k", counted(log, pause=0.15), timeout=0.1)))
        time.sleep(0.02)
        second = pool.submit(lambda: list(flights.stream("k", counted(log), timeout=5)))
        with pytest.raises(TimeoutError, match="in time"):
            first.result(5)
        assert second.result(5) == ["a", "b", "c"]
    assert log.count("begun") == 1 and settled(flights)


def test_a_cancelled_task_leaves_the_generation_to_the_others():
    flights, log = SingleFlight(), []

    async def read():
        return [x async for x in flights.astream("k", counted(log))]

    async def both():
        first = asyncio.create_task(read())
        await asyncio.sleep(0.01)
        second = asyncio.create_task(read())
        await asyncio.sleep(0.01)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(both()) == ["a", "b", "c"] and log.count("begun") == 1 and settled(flights)


def test_a_loop_that_ends_in_the_middle_harms_no_other_caller():
    flights, log = SingleFlight(), []

    async def leave():
        async for _ in flights.astream("k", counted(log)):
            return

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(lambda: (time.sleep(0.02), list(flights.stream("k", counted(log))))[1])
        asyncio.run(leave())
        assert other.result(5) == ["a", "b", "c"]
    assert settled(flights)


def together(flights, makes, timeout=10):
    "What each caller gets; the first one's generation is under way when the others come."
    with ThreadPoolExecutor(len(makes)) as pool:
        calls = [pool.submit(lambda m=makes[0]: list(flights.stream("k", m, timeout)))]
        time.sleep(0.01)
        calls += [pool.submit(lambda m=m: list(flights.stream("k", m, timeout))) for m in makes[1:]]
        return [call.exception(20) or call.result() for call in calls]


@pytest.mark.parametrize(
    "error", [ModelError("x"), TimeoutError("x"), ValueError("x"), KeyboardInterrupt(), SystemExit()]
)
def test_a_failed_generation_is_the_first_caller_s_and_one_of_the_others_goes_on(error):
    flights, logs = SingleFlight(), [[], []]
    makes = [failing(logs[0], error), *[counted(logs[1])] * 4]
    first, *others = together(flights, makes)
    assert first is error and others == [["a", "b", "c"]] * 4
    assert logs[1].count("begun") == 1 and settled(flights)


def failing(log, error, pause=0.1):
    def make():
        log.append("begun")
        time.sleep(pause)
        raise error
        yield

    return make


def test_a_fault_of_the_question_is_everybody_s():
    flights, log, error = SingleFlight(), [], InputError("too long")
    assert together(flights, [failing(log, error)] * 5) == [error] * 5 and log == ["begun"]
    assert settled(flights)


def test_a_broken_model_is_tried_twice_not_a_hundred_times():
    flights, log = SingleFlight(), []
    got = together(flights, [failing(log, ModelError("gone"))] * 30)
    assert all(isinstance(g, ModelError) for g in got) and log == ["begun"] * 2 and settled(flights)


def test_who_was_given_events_goes_on_only_after_the_same_events():
    for second, wanted in (
        (("a", "b", "c"), ["a", "b", "c"]),
        (("a", "x", "c"), ModelError),
        (("a",), ModelError),
    ):
        flights, log = SingleFlight(), []
        got = together(flights, [counted(log, ("a", "b"), 0.1, ModelError("half way")), counted(log, second)])
        assert isinstance(got[0], ModelError)
        assert got[1] == wanted if isinstance(wanted, list) else isinstance(got[1], wanted)
        assert settled(flights)


def test_the_generation_runs_in_the_context_of_its_caller():
    tenant = contextvars.ContextVar("tenant")
    tenant.set("ann")
    assert SingleFlight().do("k", tenant.get) == "ann"


def test_unequal_questions_do_not_wait_for_each_other():
    flights, gate = SingleFlight(), threading.Barrier(5, timeout=5)
    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(lambda n: flights.do(n, lambda: (gate.wait(), n)[1]), range(5)))
    assert found == list(range(5)) and flights.shared == 0


# ---- schedules

behaviours = st.sampled_from(["succeed", "succeed", "fail", "input", "deadline", "hang"])
callers = st.tuples(
    behaviours,  # of the caller's generation, if it comes to that
    st.integers(0, 4),  # when it comes, in milliseconds
    st.none() | st.integers(1, 12),  # when it leaves, in milliseconds
    st.booleans(),  # an asyncio task, or a thread
)


class Schedule:
    "Runs callers with given behaviours on one key and watches their generations."

    def __init__(self, plan):
        self.plan, self.flights, self.running, self.most, self.begun = plan, SingleFlight(), 0, 0, []
        self.lock, self.released = threading.Lock(), threading.Event()
        self.errors = {
            "fail": ModelError("failed"),
            "input": InputError("bad"),
            "deadline": TimeoutError("late"),
        }

    def make(self, n):
        def steps():
            behaviour = self.plan[n][0]
            with self.lock:
                self.begun.append(n)
            yield "first"
            time.sleep(0.002)
            if behaviour == "hang":  # until a deadline of its own
                self.released.wait(0.03)
                raise self.errors["deadline"]
            if behaviour != "succeed":
                raise self.errors[behaviour]
            yield "last"

        return steps

    def thread(self, n):
        _, come, leave, _ = self.plan[n]
        time.sleep(come / 1e3)
        return list(self.flights.stream("k", self.make(n), leave and leave / 1e3))

    async def task(self, n):
        _, come, leave, _ = self.plan[n]
        await asyncio.sleep(come / 1e3)

        async def read():
            return [x async for x in self.flights.astream("k", self.make(n))]

        async with asyncio.timeout(leave and leave / 1e3):  # cancels
            return await read()

    def run(self):
        "What became of each caller."

        async def tasks():
            mine = [self.task(n) for n, p in enumerate(self.plan) if p[3]]
            return await asyncio.gather(*mine, return_exceptions=True)

        with ThreadPoolExecutor(len(self.plan) + 1) as pool:
            threads = [pool.submit(self.thread, n) for n, p in enumerate(self.plan) if not p[3]]
            of_tasks = iter(asyncio.run(asyncio.wait_for(tasks(), 20)))
            of_threads = iter([t.exception(20) or t.result() for t in threads])
        return [next(of_tasks if p[3] else of_threads) for p in self.plan]


@given(st.lists(callers, min_size=1, max_size=8))
@settings(QUICK, max_examples=150)
def test_whatever_happens_everybody_gets_an_answer_or_a_reason_and_nothing_is_left(plan):
    schedule = Schedule(plan)
    outcomes = schedule.run()
    assert settled(schedule.flights)
    begun = schedule.begun
    assert len(begun) == len(set(begun)) == schedule.flights.started  # nobody generates twice
    for n, outcome in enumerate(outcomes):
        behaviour, _, leaves, _ = plan[n]
        if outcome == ["first", "last"]:
            assert any(plan[m][0] == "succeed" for m in begun)
            continue
        # who gets no answer left, generated in vain, or got an error that is everybody's
        failed = sum(plan[m][0] == "fail" for m in begun)
        own = n in begun and behaviour != "succeed"
        assert isinstance(outcome, TimeoutError | ModelError | InputError), outcome
        if isinstance(outcome, TimeoutError):
            assert leaves or (own and behaviour in ("deadline", "hang"))
        elif isinstance(outcome, InputError):
            assert any(plan[m][0] == "input" for m in begun)
        else:
            assert (own and behaviour == "fail") or failed >= 2


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20), st.integers(0, 99))
@settings(QUICK, max_examples=60)
def test_while_nobody_leaves_one_generation_runs_at_a_time(calls, seed):
    flights, running, most, lock = SingleFlight(), {}, {}, threading.Lock()
    rng = random.Random(seed)

    def make(key):
        fails = rng.random() < 0.3
        with lock:
            running[key] = running.get(key, 0) + 1
            most[key] = max(most.get(key, 0), running[key])
        try:
            time.sleep(0.002)
            if fails:
                raise ModelError("x")
            return key
        finally:
            with lock:
                running[key] -= 1

    def call(item):
        key, come = item
        time.sleep(come / 1e3)
        try:
            return flights.do(key, lambda: make(key)) == key
        except ModelError:
            return True

    with ThreadPoolExecutor(len(calls)) as pool:
        assert all(pool.map(call, calls))
    assert set(most.values()) == {1} and settled(flights)


# ---- with the cache


def test_callers_who_want_different_freshness_do_not_share():
    now = [1000.0]
    cache, made = Cache(clock=lambda: now[0]), []

    def steps():
        made.append(1)
        time.sleep(0.1)
        yield StreamEvent("answer", answer=Answer("q", str(len(made))))

    assert cache.answer(KEY, steps).text == "1"
    now[0] += 50
    with ThreadPoolExecutor(2) as pool:
        strict = pool.submit(cache.answer, KEY, steps, 10)
        relaxed = pool.submit(cache.answer, KEY, steps, 100)
    assert strict.result().text == "2" and relaxed.result().cache == CacheInfo("exact", 50.0)


def test_async_streams_replay_too_and_stop_when_left(tmp_path):
    for place in ("memory", tmp_path / "c.db"):
        cache, log = Cache(place), []

        def steps(log=log):
            try:
                for word in ("One ", "two."):
                    yield StreamEvent("token", word)
                    time.sleep(0.05)
                log.append("whole")
                yield StreamEvent("answer", answer=Answer("q", "One two."))
            finally:
                log.append("closed")

        async def read(cache=cache, log=log, steps=steps):
            events = cache.astream(KEY, steps)
            await anext(events)
            await events.aclose()
            await asyncio.sleep(0.2)
            left = list(log), cache.stats().stores
            live = [e async for e in cache.astream(KEY, steps)]
            again = [e async for e in cache.astream(KEY, steps)]
            return left, live, again, await cache.aanswer(KEY, steps)

        left, live, again, answer = asyncio.run(read())
        assert left == (["closed"], 0)
        assert [e.text for e in live[:2]] == [e.text for e in again[1:3]] == ["One ", "two."]
        assert answer.text == "One two." and answer.cache.kind == "exact" and log.count("whole") == 1
        cache.close()
