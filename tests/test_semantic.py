"""A semantic hit stays in its scope, is what the guard lets through, and is gone when its answer is."""

import asyncio
import os
import socket
import subprocess
import time

import numpy as np
import pytest
from conftest import need
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liquid_ai.core import Answer, Chunk, Hit, Hits, InputError, Settings, StreamEvent
from liquid_ai.generation.cache_entry import cache_key
from liquid_ai.generation.cache_file import SqliteStore
from liquid_ai.generation.cache_redis import RedisStore
from liquid_ai.generation.cache_store import Bounds, MemoryStore
from liquid_ai.generation.semantic import SemanticCache, SemanticIndex

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VERSIONS = {"index": "s:1", "encoder": "e", "model": "m", "adapter": "", "prompt": "p"}
ASKED = "Could you tell me how to turn on two-factor login?"
CACHED = "How do I enable two-factor login?"
OPPOSITE = "How do I disable two-factor login?"


def key_of(question: str, **changes):
    return cache_key(question, **VERSIONS | changes)


def answer_of(text: str, *documents: str) -> Answer:
    return Answer("q", text, hits=Hits(Hit(Chunk(f"{d}-0", d, "x", 0, 1), 1.0, 1) for d in documents))


def one_point(question: str) -> np.ndarray:
    "An encoder for which all questions are the same: the guard is alone."
    return np.array([1.0, 0.0], np.float32)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def redis_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([need("redis-server"), *options], stdout=subprocess.DEVNULL)
    for _ in range(1000):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.01)
    yield port
    server.terminate()
    server.wait()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def opened(request, tmp_path):
    "Opens caches over one kind of store; two of them share what is in it, unless it is in memory."
    clock, made, name = Clock(), [], f"{os.getpid()}-{request.node.name}"

    def open_one(encode=one_point, **options) -> SemanticCache:
        bounds = Bounds(ttl=60)
        if request.param == "memory":
            store = MemoryStore(bounds, clock)
        elif request.param == "sqlite":
            store = SqliteStore(tmp_path / "a.db", bounds, clock)
        else:
            port = request.getfixturevalue("redis_port")
            store = RedisStore(f"redis://127.0.0.1:{port}", bounds, clock, namespace=name)
        made.append(SemanticCache(encode, store, clock=clock, **options))
        return made[-1]

    open_one.clock, open_one.shared = clock, request.param != "memory"
    yield open_one
    for cache in made:
        cache.clear()
        cache.close()


def test_the_same_question_in_other_words(opened):
    cache = opened()
    assert cache.get(key_of(ASKED)) is None and cache.put(key_of(CACHED), answer_of("Here.", "a"))
    opened.clock.now += 5
    found = cache.get(key_of(ASKED))
    assert (found.text, found.cache.kind, found.cache.age, found.cache.similarity) == (
        "Here.",
        "semantic",
        5,
        1,
    )
    assert found.question == key_of(ASKED).question
    assert cache.get(key_of(CACHED)).cache.kind == "exact"
    assert cache.get(key_of(OPPOSITE)) is None
    stats = cache.stats()
    assert (stats.hits, stats.semantic, stats.misses, stats.stores, stats.entries) == (2, 1, 2, 1, 1)


def test_what_is_gone_from_the_store_is_no_hit(opened):
    cache = opened()
    for gone in (
        lambda: cache.forget("a"),
        lambda: cache.delete(key_of(CACHED)),
        cache.clear,
        cache.store.clear,
        lambda: cache.store.delete(key_of(CACHED).digest),
    ):
        assert cache.put(key_of(CACHED), answer_of("Here.", "a")) and cache.get(key_of(ASKED))
        gone()
        assert cache.get(key_of(ASKED)) is None
        assert len(cache.near) == 0  # it is not looked for again
    cache.put(key_of(CACHED), answer_of("Here.", "a"))
    opened.clock.now += 61
    assert cache.get(key_of(ASKED)) is None and len(cache.near) == 0


def test_an_older_answer_is_not_wanted_but_stays(opened):
    cache = opened()
    cache.put(key_of(CACHED), answer_of("Here.", "a"))
    opened.clock.now += 30
    assert cache.get(key_of(ASKED), max_age=20) is None
    assert cache.get(key_of(ASKED), max_age=40).text == "Here."


def test_a_semantic_hit_is_not_kept_again(opened):
    cache = opened()
    cache.put(key_of(CACHED), answer_of("Here.", "a"))
    found = cache.get(key_of(ASKED))
    assert not cache.put(key_of(ASKED), found) and cache.stats().entries == 1


def test_another_process_finds_what_it_has_met(opened):
    if not opened.shared:
        pytest.skip("a store in memory is of one process")
    one, other = opened(), opened()
    one.put(key_of(CACHED), answer_of("Here.", "a"))
    assert other.get(key_of(ASKED)) is None  # it never saw the question
    assert other.get(key_of(CACHED)).cache.kind == "exact"
    assert other.get(key_of(ASKED)).cache.kind == "semantic"
    one.forget("a")
    assert other.get(key_of(ASKED)) is None


scopes = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from(["s:1", "s:2"]),
        "encoder": st.sampled_from(["e", "f"]),
        "model": st.sampled_from(["m", "n"]),
        "adapter": st.sampled_from(["", "a"]),
        "prompt": st.sampled_from(["p", "q"]),
        "where": st.sampled_from([None, {"lang": "en"}, {"lang": "de"}]),
        "principals": st.sampled_from([(), ("ann",), ("ann", "staff"), ("bob",)]),
        "parameters": st.sampled_from([None, {"top_k": 3}]),
    },
)


@given(st.lists(scopes, min_size=1, max_size=6), scopes)
@settings(QUICK, max_examples=150)
def test_never_across_a_scope(puts, asked):
    cache = SemanticCache(one_point)
    for n, changes in enumerate(puts):
        cache.put(key_of(CACHED, **changes), answer_of(str(n), "a"))
    key = key_of(ASKED, **asked)
    right = [str(n) for n, changes in enumerate(puts) if key_of("x", **changes).scope == key.scope]
    found = cache.get(key)
    assert (found is None) == (not right)
    assert found is None or (found.text == right[-1] and found.cache.kind == "semantic")


vectors = (
    st.lists(st.integers(-3, 3), min_size=2, max_size=2)
    .filter(any)
    .map(lambda v: np.array(v, np.float32) / np.linalg.norm(v).astype(np.float32))
)
steps = st.lists(
    st.tuples(st.sampled_from("pdf"), st.integers(0, 9), st.integers(0, 1), vectors), max_size=40
)


@given(steps)
@settings(QUICK, max_examples=150)
def test_the_index_is_the_slow_one(done):
    "Whatever is put and dropped, in any order: the same as going through all questions."
    index, slow = SemanticIndex(0.5, guard=lambda one, two: "", entries=5), {}
    for what, n, scope, vector in done:
        key = key_of(f"question {n}", index=f"s:{scope}")
        if what == "p":
            assert index.put(key, vector)
            slow.pop(key, None)
            slow[key] = vector
            while len(slow) > 5:
                slow.pop(next(iter(slow)))
        elif what == "d":
            index.drop(key)
            slow.pop(key, None)
        else:
            near = {k: float(v @ vector) for k, v in slow.items() if k.scope == key.scope and k != key}
            expected = {k: s for k, s in near.items() if s >= 0.5}
            found = [k for k, s in index.find(key, vector) if abs(s - expected[k]) < 1e-5]
            assert set(found) == set(expected)
            assert [expected[k] for k in found] == pytest.approx(
                sorted(expected.values(), reverse=True), abs=1e-5
            )
            for k in found:
                slow[k] = slow.pop(k)
        assert len(index) == len(slow) and all(k in index for k in slow)


def test_the_guard_sees_the_nearest_first_and_not_all():
    seen = []
    index = SemanticIndex(0.1, guard=lambda asked, cached: seen.append(cached) or "no", tries=3)
    for n in range(8):
        angle = n / 10
        index.put(key_of(f"question {n}"), np.array([np.cos(angle), np.sin(angle)]))
    assert list(index.find(key_of("mine"), np.array([1.0, 0.0]))) == []
    assert seen == ["question 0", "question 1", "question 2"]


@pytest.mark.parametrize("vector", [[], [2.0, 0.0], [np.nan, 1.0], [[1.0, 0.0]], [np.inf, 0.0]])
def test_vectors_that_are_none_are_not_kept(vector):
    index = SemanticIndex()
    assert not index.put(key_of("a"), np.array(vector)) and len(index) == 0


def test_another_length_of_vector_is_survived():
    index = SemanticIndex(guard=lambda one, two: "")
    assert index.put(key_of("a"), np.array([1.0, 0.0])) and not index.put(
        key_of("b"), np.array([1.0, 0.0, 0.0])
    )
    assert list(index.find(key_of("b"), np.array([1.0, 0.0, 0.0]))) == []


@pytest.mark.parametrize("options", [{"threshold": 0}, {"threshold": 1.1}, {"entries": 0}, {"tries": 0}])
def test_bounds_that_leave_nothing_are_refused(options):
    with pytest.raises(InputError, match="threshold"):
        SemanticIndex(**options)


def test_a_guard_that_fails_costs_the_hit_only():
    def broken(asked, cached):
        raise IndexError("a question nobody thought of")

    cache = SemanticCache(one_point, guard=broken)
    assert cache.put(key_of(CACHED), answer_of("Here.", "a"))
    with pytest.warns(UserWarning, match="guard failed"):
        assert cache.get(key_of(ASKED)) is None
    assert cache.get(key_of(CACHED)).text == "Here."


def test_an_encoder_that_fails_costs_the_hit_only():
    def broken(question):
        raise RuntimeError("no model")

    cache = SemanticCache(broken)
    with pytest.warns(UserWarning, match="no model"):
        assert cache.put(key_of(CACHED), answer_of("Here.", "a"))
        assert cache.get(key_of(ASKED)) is None
        assert cache.get(key_of(CACHED)).text == "Here."


def test_a_question_is_encoded_once_a_miss():
    asked = []

    def counted(question):
        asked.append(question)
        return one_point(question)

    def steps():
        yield StreamEvent("answer", answer=answer_of("made", "a"))

    cache = SemanticCache(counted)
    assert cache.answer(key_of(CACHED), steps).text == "made"
    assert asked == [key_of(CACHED).question]
    assert cache.answer(key_of(CACHED), steps).cache.kind == "exact" and len(asked) == 1


def test_streams_and_coroutines():
    made = []

    def steps():
        made.append(1)
        yield StreamEvent("answer", answer=answer_of("made now", "a"))

    cache = SemanticCache(one_point)
    assert asyncio.run(cache.aanswer(key_of(CACHED), steps)).cache.kind == "miss"
    events = list(cache.stream(key_of(ASKED), steps))
    assert [e.kind for e in events] == ["hits", "token", "token", "answer"]
    assert events[-1].answer.cache.kind == "semantic"
    assert asyncio.run(cache.aanswer(key_of(ASKED), steps)).cache.kind == "semantic"
    assert asyncio.run(cache.aanswer(key_of(OPPOSITE), steps)).cache.kind == "miss" and len(made) == 2


def test_with_the_packaged_encoder():
    "The opposite is nearer than the paraphrase: without a guard it would be the hit."
    from liquid_ai.indexing.embed import load_encoder

    encoder = load_encoder(Settings())
    cache = SemanticCache(lambda question: encoder.encode([question], "query")[0])
    cache.put(key_of(CACHED), answer_of("Here.", "a"))
    assert 0.75 <= cache.get(key_of(ASKED)).cache.similarity < 1
    assert cache.get(key_of(OPPOSITE)) is None
    unguarded = SemanticCache(lambda q: encoder.encode([q], "query")[0], guard=lambda one, two: "")
    unguarded.put(key_of(CACHED), answer_of("Here.", "a"))
    assert unguarded.get(key_of(OPPOSITE)).text == "Here."
