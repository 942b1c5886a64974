"""The answer cache never answers another question or user, never fails with its store, and forgets."""

import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import unicodedata
import warnings
from contextlib import closing
from dataclasses import replace
from itertools import product

import pytest
from conftest import ROOT, need
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from liquid_ai.core import (
    Answer,
    CacheInfo,
    Chunk,
    Citation,
    Hit,
    Hits,
    InputError,
    ModelError,
    Sentence,
    Settings,
    Signal,
    StreamEvent,
    Usage,
    to_json,
)
from liquid_ai.generation.cache import Cache, replay
from liquid_ai.generation.cache_entry import (
    Entry,
    EntryError,
    answer_from_json,
    cache_key,
    encoded,
    memory_bytes,
    normalised,
    seal,
    unseal,
)
from liquid_ai.generation.cache_file import SqliteStore
from liquid_ai.generation.cache_redis import RedisStore
from liquid_ai.generation.cache_store import DEFAULT_BOUNDS, Bounds, CacheStore, MemoryStore

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VERSIONS = {"index": "s:1", "encoder": "e", "model": "m", "adapter": "", "prompt": "p"}


def key_of(question: str, **changes):
    return cache_key(question, **VERSIONS | changes)


def answer_of(text: str, *documents: str, size: int = 100) -> Answer:
    hits = Hits(Hit(Chunk(f"{d}-0", d, "x" * size, 0, size), 1.0, 1) for d in documents)
    return Answer("question", text, hits=hits)


def entry_of(n: int, *documents: str, made: float = 1000.0, size: int = 100) -> Entry:
    return Entry(key_of(f"question {n}").digest, made, answer_of(f"answer {n}", *documents, size=size))


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# ---- keys

any_text = st.text(max_size=8)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.text("sm", max_size=3)
    | st.binary(max_size=2),
    lambda v: (
        st.lists(v, max_size=3)
        | st.dictionaries(st.text("ab", max_size=2) | st.integers(0, 2), v, max_size=3)
    ),
    max_leaves=6,
)


def told_apart(value):
    "A value in which 1, True, 1.0 and -0.0 differ and the order of a mapping is lost."
    if isinstance(value, dict):
        return "m", frozenset((told_apart(k), told_apart(v)) for k, v in value.items())
    if isinstance(value, list):
        return "l", tuple(told_apart(v) for v in value)
    return type(value).__name__, repr(value)


@given(plain, plain)
@settings(deadline=None, max_examples=500)
def test_only_equal_values_are_encoded_alike(one, other):
    assert (encoded(one) == encoded(other)) == (told_apart(one) == told_apart(other))


@given(
    st.lists(st.text("sl\x00", max_size=4), max_size=4), st.lists(st.text("sl\x00", max_size=4), max_size=4)
)
@settings(deadline=None, max_examples=500)
def test_parts_do_not_run_into_each_other(one, other):
    assert (encoded(one) == encoded(other)) == (one == other)
    assert encoded(set(one)) == encoded(frozenset(reversed(one)))


def test_no_two_small_lists_are_encoded_alike():
    flat = [list(p) for n in range(4) for p in product(["", "s", "ss", "l", "sl"], repeat=n)]
    deep = [list(p) for n in range(1, 3) for p in product(flat[:31], repeat=n)]
    assert len({encoded(v) for v in flat + deep}) == len(flat + deep) > 1_000


parts = st.fixed_dictionaries(
    {name: st.text("ab:", min_size=1, max_size=3) for name in VERSIONS if name != "adapter"}
    | {
        "question": st.text("abc ", min_size=1, max_size=4),
        "adapter": st.text("ab", max_size=2),
        "where": st.dictionaries(
            st.sampled_from(["year", "kind"]), st.integers(0, 1) | st.text("ab", max_size=2), max_size=2
        ),
        "principals": st.lists(st.text("ab", max_size=2), max_size=3),
        "parameters": st.dictionaries(st.sampled_from(["top_k", "mode"]), plain, max_size=2),
    }
)


def meaning(spec):
    versions = tuple(spec[name] for name in VERSIONS)
    rest = frozenset(spec["principals"]), told_apart(spec["where"]), told_apart(spec["parameters"])
    return " ".join(spec["question"].split()), *versions, *rest


@given(parts, parts, st.sampled_from([*VERSIONS, "question", "where", "principals", "parameters"]))
@settings(deadline=None, max_examples=300)
def test_keys_are_equal_exactly_where_every_part_is(spec, other, name):
    for a, b in ((spec, other), (spec, spec | {name: other[name]}), (other, dict(reversed(other.items())))):
        one, two = cache_key(**a), cache_key(**b)
        assert (one.digest == two.digest) == (meaning(a) == meaning(b))
        assert (one.scope == two.scope) == (meaning(a)[1:] == meaning(b)[1:])


def test_principals_have_no_order_and_filters_of_nothing_are_none():
    assert key_of("q", principals=["a", "b", "a"]) == key_of("q", principals=("b", "a"))
    assert key_of("q", where={}) == key_of("q", where=None) == key_of("q")
    assert key_of("q", principals=["a"]).digest != key_of("q").digest
    assert key_of("q", parameters=Settings(top_k=5)) != key_of("q", parameters=Settings(top_k=6))


@pytest.mark.parametrize("name", VERSIONS)
def test_no_version_can_be_left_out(name):
    with pytest.raises(TypeError):
        cache_key("q", **{k: v for k, v in VERSIONS.items() if k != name})
    for bad in (None, 3) if name == "adapter" else (None, 3, ""):
        with pytest.raises(InputError, match=name):
            key_of("q", **{name: bad})


def test_what_cannot_be_a_key_is_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for bad in (
        {"where": {"x": deep}},
        {"principals": "ann"},
        {"principals": [1]},
        {"parameters": {"f": len}},
    ):
        with pytest.raises(InputError):
            key_of("q", **bad)
    with pytest.raises(InputError):
        key_of(None)


@given(st.text() | st.from_regex(r"\A(What|is|Who|WHO)?[ \tａ２²½ﬁ\u00a0]*\w*[?.!？。]{0,2}\Z"))
@settings(deadline=None, max_examples=500)
def test_normalising_twice_changes_nothing_and_loses_no_letter(question):
    once = normalised(question)
    assert normalised(once) == once

    def letters(text):
        return [c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum()]

    assert letters(once) == letters(question)


@given(
    st.text("aBé1²?.'\n ", max_size=10),
    st.integers(0, 10),
    st.sampled_from(["", *"aBA1²?.'\n \t"]),
    st.integers(0, 1),
)
@settings(deadline=None, max_examples=500)
def test_an_edit_that_changes_nothing_is_of_space_or_of_a_last_mark(one, at, new, over):
    other = one[:at] + new + one[at + over :]
    if normalised(one) == normalised(other):
        bare = [q.strip().removesuffix("?").removesuffix(".").split() for q in (one, other)]
        assert bare[0] == bare[1]


# ---- answers and entries

words = st.text(max_size=20)
whole = st.integers(0, 2**40)
number = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(0, 1e9)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**52), 2**52) | number | words,
    lambda v: st.lists(v, max_size=2) | st.dictionaries(words, v, max_size=2),
    max_leaves=4,
)
spans = st.tuples(whole, whole).map(sorted)
pages = st.none() | st.integers(1, 9)
chunks = st.builds(
    lambda span, **rest: Chunk(start=span[0], end=span[1], **rest),
    spans,
    id=words,
    document_id=words,
    text=words,
    headings=st.lists(words, max_size=2).map(tuple),
    page=pages,
    source=words,
    title=words,
    meta=st.dictionaries(words, json_values, max_size=2),
    context=words,
)
signals = st.dictionaries(words, st.builds(Signal, st.integers(1, 9), number), max_size=2)
hits = st.lists(st.builds(Hit, chunks, number, st.integers(1, 99), signals), max_size=2).map(Hits)
citations = st.builds(
    lambda span, **rest: Citation(start=span[0], end=span[1], **rest),
    spans,
    number=whole,
    chunk_id=words,
    document_id=words,
    quote=words,
    source=words,
    where=words,
    page=pages,
    attached=st.booleans(),
)


@st.composite
def answers(draw):
    text = draw(words)
    places = [
        sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2))) for _ in range(draw(st.integers(0, 2)))
    ]
    said = [Sentence(a, b, draw(st.floats(0, 1)), draw(st.booleans()), (1, 2)) for a, b in places]
    return Answer(
        draw(words),
        text,
        tuple(draw(st.lists(citations, max_size=2))),
        tuple(said),
        draw(hits),
        draw(st.floats(0, 1)),
        draw(st.booleans()),
        draw(words),
        Usage(draw(whole), draw(whole)),
        draw(st.dictionaries(words, positive, max_size=2)),
        draw(st.just(CacheInfo()) | st.builds(CacheInfo, st.just("semantic"), positive, st.floats(-1, 1))),
        draw(st.dictionaries(words, words, max_size=2)),
        draw(words),
    )


@given(answers(), st.floats(0, 2e9), st.text(max_size=3))
@settings(deadline=None, max_examples=150)
def test_answers_and_entries_come_back_as_they_were(answer, made, secret):
    assume(secret.isprintable())
    back = answer_from_json(json.loads(json.dumps(to_json(answer), allow_nan=False)))
    assert back == answer and repr(back) == repr(answer) and type(back.hits) is Hits
    entry = Entry("ab" * 32, made, answer)
    assert unseal(seal(entry, secret), entry.key, secret) == entry


FULL = Answer(
    "q",
    "One. Two.",
    (Citation(1, "c", "d", 0, 4, "One."),),
    (Sentence(0, 4, 0.9, True, (1,)),),
    Hits(
        [Hit(Chunk("c", "d", "One.", 0, 4, ("H",), 1, meta={"year": 1}), 0.5, 1, {"dense": Signal(1, 0.5)})]
    ),
    timings={"total": 1.0},
    versions={"index": "1"},
)


def places(value, path=()):
    "The paths to everything in a JSON value, `meta` left out: it may hold anything."
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside:
        if name != "meta":
            yield from places(item, (*path, name))


def changed(value, path, new):
    if not path:
        return new
    value = value.copy()
    value[path[0]] = changed(value[path[0]], path[1:], new)
    return value


WRONG = [None, True, -1, 1.5, 2**60, float("nan"), float("inf"), "x", [], {}, [None], {"x": None}, object()]


@pytest.mark.parametrize("path", list(places(to_json(FULL))), ids=str)
def test_every_value_of_a_wrong_type_is_refused(path):
    good = to_json(FULL)
    old = good
    for step in path:
        old = old[step]
    for new in WRONG:
        try:
            back = answer_from_json(changed(good, path, new))
        except InputError:
            continue
        # what is accepted is of the right type and kept as it is
        assert (
            type(new) is type(old)
            or {type(new), type(old)} <= {int, float}
            or path[-1] in ("page", "similarity")
        )
        assert to_json(back) == changed(good, path, new)


@given(json_values | st.dictionaries(st.sampled_from(sorted(to_json(FULL))), json_values))
@QUICK
def test_other_json_is_refused_and_nothing_else_is_raised(value):
    with pytest.raises(InputError, match="not an answer"):
        answer_from_json(value)


def test_missing_added_and_deep_fields_are_refused():
    good = to_json(FULL)
    for name in good:
        with pytest.raises(InputError):
            answer_from_json({k: v for k, v in good.items() if k != name})
        with pytest.raises(InputError):
            answer_from_json(good | {f"{name}2": good[name]})
    deep = {}
    for _ in range(5_000):
        deep = {"x": deep}
    with pytest.raises(InputError, match="deep"):
        answer_from_json(changed(good, ("hits", 0, "chunk", "meta"), deep))


@given(st.data())
@QUICK
def test_an_entry_with_any_byte_changed_is_not_believed(data):
    entry = Entry("ab" * 32, 1000.0, FULL)
    sealed = bytearray(seal(entry))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(sealed) - 1))
    for bad in (bytes(sealed), seal(entry)[:cut], seal(entry) + b"x"):
        with pytest.raises(EntryError):
            unseal(bad, entry.key)


def test_entries_are_bound_to_their_key_and_secret():
    sealed = seal(Entry("ab" * 32, 1000.0, FULL), "ours")
    for key, secret in (("ac" * 32, "ours"), ("ab" * 32, ""), ("ab" * 32, "theirs")):
        with pytest.raises(EntryError):
            unseal(sealed, key, secret)
    forged = sealed[:5] + bytes.fromhex("ac" * 32) + sealed[37:]  # another's answer under this key
    with pytest.raises(EntryError, match="checksum"):
        unseal(forged, "ac" * 32, "ours")


def test_what_json_would_change_is_not_sealed():
    for bad in (
        replace(FULL, confidence=float("nan")),
        replace(FULL, versions={"a": 1}),
        replace(FULL, hits=Hits([replace(FULL.hits[0], score=float("inf"))])),
    ):
        with pytest.raises(InputError):
            seal(Entry("ab" * 32, 0.0, bad))


def test_the_size_of_an_answer_is_about_what_it_takes():
    import tracemalloc

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        made = [
            answer_from_json(
                json.loads(json.dumps(to_json(answer_of(f"answer {n}", "a", "b", size=1000 + n))))
            )
            for n in range(200)
        ]
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.7 < sum(map(memory_bytes, made)) / taken < 1.5


# ---- stores


@pytest.fixture(scope="module")
def redis_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = serve(port)
    yield port
    server.terminate()
    server.wait()


def serve(port: int) -> subprocess.Popen:
    "A Redis server that is ready."
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([need("redis-server"), *options], stdout=subprocess.DEVNULL)
    for _ in range(1000):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.01)
    raise RuntimeError("redis-server does not start")


@pytest.fixture(params=["memory", "sqlite", "redis"])
def opened(request, tmp_path):
    "Opens stores of one kind; what they hold is empty at first."
    stores = []

    def open_one(bounds=DEFAULT_BOUNDS, clock=time.time, name="a", **rest) -> CacheStore:
        if request.param == "memory":
            made = MemoryStore(bounds, clock)
        elif request.param == "sqlite":
            made = SqliteStore(tmp_path / f"{name}.db", bounds, clock, **rest)
        else:
            port = request.getfixturevalue("redis_port")
            space = f"{os.getpid()}-{request.node.name}-{name}"
            made = RedisStore(f"redis://127.0.0.1:{port}", bounds, clock, namespace=space, **rest)
        made.clear()
        stores.append(made)
        return made

    yield open_one
    for store in stores:
        store.clear()
        store.close()


def test_a_store_keeps_its_promises(opened):
    clock = Clock()
    store = opened(Bounds(ttl=60), clock)
    assert isinstance(store, CacheStore) and store.get("00" * 32) is None
    one, two = entry_of(1, "a", "b"), entry_of(2, "b")
    assert store.set(one) and store.set(two) and store.set(one)
    assert store.get(one.key) == one and store.get(two.key) == two
    assert store.stats()["entries"] == 2 and store.stats()["bytes"] > 200
    assert store.delete(one.key) and not store.delete(one.key) and store.get(one.key) is None
    store.set(one)
    assert store.forget("a") == 1 and store.forget("a") == 0 and store.get(two.key) == two
    store.set(one)
    assert store.forget("b") == 2 and store.stats()["entries"] == 0
    store.set(one)
    clock.now += 59
    assert store.get(one.key) == one
    clock.now += 1
    assert store.get(one.key) is None and store.stats()["expired"] == 1
    late = entry_of(3, made=clock.now + 3600)  # from the future: it would never end
    store.set(late)
    assert store.get(late.key) is None
    store.set(replace(two, made=clock.now))
    store.clear()
    assert store.get(two.key) is None and store.stats()["entries"] == 0
    assert not any(store.stats()[bad] for bad in ("damaged", "refused", "failures"))


def test_documents_of_a_citation_are_forgotten_too(opened):
    store = opened()
    cited = replace(answer_of("text"), citations=(Citation(1, "c", "only cited", 0, 1, "x"),))
    store.set(Entry(key_of("q").digest, time.time(), cited))
    assert store.forget("only cited \ud800") == 0 and store.forget("only cited") == 1


def test_too_large_an_entry_is_refused(opened):
    store = opened(Bounds(bytes=64_000), Clock())
    assert not store.set(entry_of(1, "a", size=5_000)) and store.set(entry_of(2, "a", size=500))
    assert store.stats()["refused"] == 1 and store.get(entry_of(1).key) is None


operations = st.lists(
    st.tuples(st.sampled_from(["set", "set", "get", "delete", "forget", "wait", "clear"]), st.integers(0, 4)),
    max_size=30,
)


@given(operations)
@settings(QUICK, max_examples=40)
def test_a_store_is_a_dictionary_that_forgets(opened, steps):
    clock, model = Clock(), {}
    store = opened(Bounds(ttl=60), clock)
    for number, (step, n) in enumerate(steps):
        entry = replace(entry_of(n, f"d{n % 2}", made=clock.now), answer=answer_of(f"{number}", f"d{n % 2}"))
        if step == "set":
            assert store.set(entry)
            model[n] = entry
        elif step == "get":
            alive = n in model and clock.now - model[n].made < 60
            assert store.get(entry.key) == (model[n] if alive else None)
        elif step == "delete":
            store.delete(entry.key)
            model.pop(n, None)
        elif step == "forget":
            store.forget(f"d{n % 2}")
            model = {k: v for k, v in model.items() if k % 2 != n % 2}
        elif step == "clear":
            store.clear()
            model = {}
        else:
            clock.now += 10 * n
    for n in range(5):
        found = store.get(entry_of(n).key)
        assert found == (model[n] if n in model and clock.now - model[n].made < 60 else None)
    store.close()


@pytest.fixture(params=["memory", "sqlite"])
def bounded(request, tmp_path):
    def open_one(bounds, clock):
        return (
            MemoryStore(bounds, clock)
            if request.param == "memory"
            else SqliteStore(tmp_path / "b.db", bounds, clock)
        )

    return open_one


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=12, max_size=40))
@settings(QUICK, max_examples=40)
def test_the_least_recently_used_goes_first(bounded, steps):
    clock, order = Clock(), []  # least recently used first
    store = bounded(Bounds(entries=3, ttl=10_000), clock)
    store.clear()
    for write, n in steps:
        clock.now += 2
        if write:
            store.set(entry_of(n, made=clock.now))
            order = [m for m in order if m != n] + [n]
            order = order[-3:]
        elif store.get(entry_of(n).key):
            order = [m for m in order if m != n] + [n]
    assert [n for n in range(8) if store.get(entry_of(n).key)] == sorted(order)
    store.close()


def test_bytes_are_bounded(bounded, tmp_path):
    clock = Clock()
    store = bounded(Bounds(entries=10_000, bytes=1_000_000), clock)
    for n in range(300):
        clock.now += 0.01
        store.set(entry_of(n, "a", made=clock.now, size=random.Random(n).randint(100, 20_000)))
    told = store.stats()
    assert 800_000 < told["bytes"] <= 1_000_000 and told["evictions"] == 300 - told["entries"]
    assert store.get(entry_of(299).key) and not store.get(entry_of(0).key)
    for file in tmp_path.glob("b.db"):
        assert file.stat().st_size < 1_300_000
    clock.now += 300  # all are too old: they make room first, and are not called evicted
    for n in range(100):
        store.set(entry_of(n, "b", made=clock.now, size=20_000))
    assert store.stats()["expired"] > 0
    store.close()


# ---- poison


@pytest.fixture(params=["sqlite", "redis"])
def poisoned(request, tmp_path):
    "A store, and a way to put bytes under a key behind its back."
    if request.param == "sqlite":
        store = SqliteStore(tmp_path / "p.db", clock=Clock())

        def plant(key, data):
            with closing(sqlite3.connect(tmp_path / "p.db")) as db:
                db.execute("INSERT OR REPLACE INTO entries VALUES (?, 1000, 1000, 1, ?)", [key, data])
                db.commit()
    else:
        port = request.getfixturevalue("redis_port")
        store = RedisStore(f"redis://127.0.0.1:{port}", clock=Clock(), namespace=f"poison{os.getpid()}")

        def plant(key, data):
            store._client.set(store._entry(key), data)

    yield store, plant
    store.clear()
    store.close()


@given(st.binary(max_size=200), st.booleans())
@settings(QUICK, max_examples=40)
def test_planted_bytes_are_a_counted_miss(poisoned, junk, headed):
    store, plant = poisoned
    entry, before = entry_of(1, "a"), store.stats()["damaged"]
    data = seal(entry)[: 77 * headed] + junk
    assume(data)
    plant(entry.key, data)
    with pytest.warns(UserWarning, match="not used"):
        assert store.get(entry.key) is None
    assert store.stats()["damaged"] == before + 1
    assert store.get(entry.key) is None and store.stats()["damaged"] == before + 1  # it was removed
    assert store.set(entry) and store.get(entry.key) == entry


def test_another_answer_under_a_key_is_a_miss(poisoned):
    store, plant = poisoned
    plant(entry_of(1).key, seal(entry_of(2)))
    with pytest.warns(UserWarning, match="another key"):
        assert store.get(entry_of(1).key) is None


def test_a_later_format_is_a_miss_and_stays(poisoned):
    store, plant = poisoned
    data = seal(entry_of(1))
    plant(entry_of(1).key, data[:4] + b"\x02" + data[5:])
    for n in (1, 2):
        with pytest.warns(UserWarning, match="later version"):
            assert store.get(entry_of(1).key) is None
        assert store.stats()["damaged"] == n


def test_well_signed_nonsense_is_a_miss(poisoned, monkeypatch):
    store, plant = poisoned
    monkeypatch.setattr(
        "liquid_ai.generation.cache_entry.to_json", lambda a: json.loads("[" * 500 + "]" * 500)
    )
    monkeypatch.setattr("liquid_ai.generation.cache_entry.answer_from_json", lambda v: entry_of(1).answer)
    data = seal(entry_of(1))
    monkeypatch.undo()
    plant(entry_of(1).key, data)
    with pytest.warns(UserWarning, match="not an answer"):
        assert store.get(entry_of(1).key) is None


def test_values_of_another_type_or_size_are_a_miss(poisoned):
    store, plant = poisoned
    key, huge = entry_of(1).key, b"x" * (store.bounds.largest + 2)
    for bad in [huge] if isinstance(store, RedisStore) else [huge, "text", 7]:
        plant(key, bad)
        with pytest.warns(UserWarning, match="not used"):
            assert store.get(key) is None
    if isinstance(store, RedisStore):
        store._client.lpush(store._entry(key), "a list")
        with pytest.warns(UserWarning, match="not used"):
            assert store.get(key) is None
        assert store._client.exists(store._entry(key)) == 0


# ---- the file


@given(st.data())
@settings(QUICK, max_examples=40)
def test_a_damaged_file_never_raises_and_never_lies(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damage") / "c.db"
    kept = [entry_of(n, f"d{n}", size=800) for n in range(12)]
    with closing(SqliteStore(path, clock=Clock())) as store:
        for entry in kept:
            store.set(entry)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(1, 300))] = data.draw(st.binary(min_size=1, max_size=300))
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)) | st.just(len(raw)))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            store = SqliteStore(path, clock=Clock())
        except InputError as e:  # the number of the format is among what was damaged
            assert "later version" in str(e)
            return
        for entry in kept:
            assert store.get(entry.key) in (entry, None)
        for entry in kept:
            store.set(entry)
        store.forget("d1")
        assert store.get(kept[1].key) is None or store.stats()["failures"]
        store.stats()
        store.clear()
        store.close()


def test_a_broken_file_is_set_aside_and_a_new_one_begun(tmp_path):
    path = tmp_path / "c.db"
    path.write_bytes(b"not a database " * 100)
    with pytest.warns(UserWarning, match="a new one is begun"):
        store = SqliteStore(path, clock=Clock())
    assert store.set(entry_of(1)) and store.get(entry_of(1).key) == entry_of(1)
    [aside] = tmp_path.glob("c.db.damaged-*")
    assert aside.read_bytes() == b"not a database " * 100 and store.stats()["damaged"] == 1
    store.close()


def test_a_file_that_breaks_while_open_is_replaced_for_all(tmp_path):
    path = tmp_path / "c.db"
    one, two = (SqliteStore(path, clock=Clock()) for _ in range(2))
    for n in range(50):
        one.set(entry_of(n, size=3_000))
    one._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as f:
        f.seek(100)
        f.write(b"\xff" * (path.stat().st_size - 100))
    with pytest.warns(UserWarning, match="a new one is begun"):
        fresh = SqliteStore(path, clock=Clock())
    assert fresh.set(entry_of(1))
    assert one.get(entry_of(1).key) == two.get(entry_of(1).key) == entry_of(1)  # both found the new file
    assert len(list(tmp_path.glob("c.db.damaged-*[0-9]"))) == 1
    for store in (one, two, fresh):
        store.close()


def test_tables_with_a_trigger_are_not_trusted(tmp_path):
    path = tmp_path / "c.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TRIGGER t AFTER INSERT ON entries BEGIN UPDATE entries SET data = x'00'; END")
        db.commit()
    with pytest.warns(UserWarning, match="tables were changed"):
        store = SqliteStore(path, clock=Clock())
    assert store.set(entry_of(1)) and store.get(entry_of(1).key) == entry_of(1)
    store.close()


def test_files_of_others_are_left_alone(tmp_path):
    other, later = tmp_path / "other.db", tmp_path / "later.db"
    SqliteStore(later).close()
    for path, sql in ((other, "CREATE TABLE letters(text)"), (later, "PRAGMA user_version = 99")):
        with closing(sqlite3.connect(path)) as db:
            db.execute(sql)
            db.commit()
        before = path.read_bytes()
        with pytest.raises(InputError, match="file of its own"):
            SqliteStore(path)
        assert path.read_bytes() == before


def test_a_file_that_cannot_be_used_is_told_once(tmp_path):
    for path in (tmp_path, tmp_path / "file" / "c.db"):
        (tmp_path / "file").touch()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            store = SqliteStore(path, clock=Clock())
            for _ in range(3):
                assert not store.set(entry_of(1)) and store.get(entry_of(1).key) is None
            assert store.stats()["entries"] == store.forget("a") == 0
        assert len(told) == 1 and "not used while this lasts" in str(told[0].message)


def test_a_locked_file_is_read_and_not_waited_for(tmp_path):
    store = SqliteStore(tmp_path / "c.db", clock=Clock())
    store.set(entry_of(1))
    with closing(sqlite3.connect(tmp_path / "c.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        with pytest.warns(UserWarning, match="locked"):
            assert not store.set(entry_of(2))
        assert store.get(entry_of(1).key) == entry_of(1) and time.monotonic() - start < 2
        db.execute("ROLLBACK")
    assert store.set(entry_of(2)) and store.stats()["failures"] == 1
    store.close()


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_the_file_is_private_and_a_removed_one_is_made_again(tmp_path):
    path = tmp_path / "sub" / "c.db"
    store = SqliteStore(path, clock=Clock())
    store.set(entry_of(1))
    assert all(f.stat().st_mode & 0o077 == 0 for f in path.parent.glob("c.db*") if f.suffix != ".lock")
    for file in path.parent.glob("c.db*"):
        file.unlink()
    assert store.get(entry_of(1).key) is None and store.set(entry_of(1)) and path.exists()
    store.close()


def test_forgotten_text_leaves_the_file(tmp_path):
    store = SqliteStore(tmp_path / "c.db", clock=Clock())
    for n in range(30):  # small ones share pages with others, large ones have their own
        told = "the confidential sentence" if n % 3 == 0 else "another"
        answer = answer_of(told, "a" if n % 3 == 0 else "b", size=(20, 9_000)[n % 2])
        store.set(Entry(key_of(f"{n}").digest, 1000.0, answer))
    assert any(b"confidential" in f.read_bytes() for f in tmp_path.iterdir())
    assert store.forget("a") == 10
    assert not any(b"confidential" in f.read_bytes() for f in tmp_path.iterdir())
    store.close()


SHARE = """
import sys, time, warnings
warnings.simplefilter("error")
from liquid_ai.core import Answer
from liquid_ai.generation.cache_entry import Entry
from liquid_ai.generation.cache_file import SqliteStore
from liquid_ai.generation.cache_store import Bounds
path, me = sys.argv[1:]
store, kept = SqliteStore(path, Bounds(entries=30)), 0
for n in range(150):
    key = f"{n % 40:064x}"
    found = store.get(key)
    assert found is None or found.answer.text.endswith(f" {n % 40}"), found
    try:
        kept += store.set(Entry(key, time.time(), Answer("q", f"{me} {n % 40}")))
    except UserWarning as e:
        assert "locked" in str(e), e
print(kept, store.stats()["entries"])
store.close()
"""


def test_processes_share_a_file(tmp_path):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    run = [sys.executable, "-c", SHARE, tmp_path / "c.db"]
    workers = [
        subprocess.Popen([*run, f"w{n}"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    told = [w.communicate(timeout=60) for w in workers]
    assert [w.returncode for w in workers] == [0, 0, 0], told
    kept, entries = zip(*(map(int, out.split()) for out, _ in told), strict=True)
    assert min(kept) > 75 and max(entries) <= 30
    with closing(SqliteStore(tmp_path / "c.db")) as store:  # and what they kept survives them
        assert sum(store.get(f"{n:064x}") is not None for n in range(40)) == 30


# ---- Redis


def test_entries_end_on_the_server_and_namespaces_are_apart(redis_port):
    url = f"redis://127.0.0.1:{redis_port}"
    one = RedisStore(url, Bounds(ttl=60), Clock(), namespace="app*")
    two = RedisStore(url, Bounds(ttl=60), Clock(), namespace="apple")
    one.set(entry_of(1, "a"))
    two.set(entry_of(1, "a"))
    assert 0 < one._client.pttl(one._entry(entry_of(1).key)) <= 60_000
    assert 0 < one._client.pttl(one._document("a")) <= 71_000
    one.clear()
    assert one.get(entry_of(1).key) is None and two.get(entry_of(1).key) == entry_of(1, "a")
    assert one.stats()["entries"] == 0 and two.forget("a") == 1
    short = RedisStore(url, Bounds(ttl=0.05), time.time, namespace="short")
    short.set(replace(entry_of(1, "a"), made=time.time()))
    time.sleep(0.1)
    assert short._client.exists(short._entry(entry_of(1).key)) == 0
    short.clear()


def test_a_busy_document_does_not_gather_ended_keys(redis_port):
    clock = Clock()
    store = RedisStore(f"redis://127.0.0.1:{redis_port}", Bounds(ttl=60), clock, namespace="busy")
    for n in range(50):
        clock.now += 10
        store.set(entry_of(n, "a", made=clock.now))
    assert store._client.zcard(store._document("a")) <= 9
    store.clear()


def test_a_server_that_dies_is_told_once_and_comes_back():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server, clock = serve(port), Clock()
    try:
        cache = Cache(f"redis://:word@127.0.0.1:{port}", clock=clock)
        cache = Cache(f"redis://127.0.0.1:{port}", clock=clock)
        key, answer = key_of("q"), answer_of("text")
        assert cache.put(key, answer) and cache.get(key)
        server.kill()
        server.wait()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for _ in range(20):
                assert cache.answer(key, lambda: iter_of(answer)).cache.kind == "miss"
        assert len(told) == 1 and "not used while this lasts" in str(told[0].message)
        server = serve(port)
        time.sleep(1.1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert cache.get(key) is None and cache.put(key, answer) and cache.get(key)
    finally:
        server.kill()
        server.wait()


def iter_of(answer: Answer):
    yield StreamEvent("answer", answer=answer)


def fake_server(reply: bytes):
    "A server that says `reply` to everything; nothing where it is empty."
    listening = socket.create_server(("127.0.0.1", 0))
    held = []

    def talk(connection):
        with connection:
            try:
                while connection.recv(4096):
                    if reply:
                        connection.sendall(reply)
            except OSError:
                return

    def accept():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            held.append(connection)
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listening


REPLIES = [
    b"",
    b"garbage\r\n" * 50,
    b"$-5\r\n",
    b":abc\r\n",
    b"*1000000000\r\n",
    b"$10\r\nab",
    b"-LOADING\r\n",
    b"\xff\x00" * 99,
    b"+OK\r\n",
    b"%1\r\n+a\r\n",
]


@pytest.mark.parametrize("reply", REPLIES, ids=str)
def test_a_server_that_hangs_or_raves_delays_one_answer_at_most(reply):
    with fake_server(reply) as listening, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = RedisStore(f"redis://127.0.0.1:{listening.getsockname()[1]}", clock=Clock())
        start = time.monotonic()
        for n in range(5):
            assert store.get(entry_of(n).key) is None
            store.set(entry_of(n, "a"))
            store.delete(entry_of(n).key)
            store.forget("a")
        store.stats()
        store.clear()
        assert time.monotonic() - start < 2.5
        store.close()


def test_a_password_is_not_shown():
    store = RedisStore("redis://ann:hunter2@127.0.0.1:1/0?password=hunter2")
    with pytest.warns(UserWarning) as told:
        store.get("00" * 32)
    assert "hunter2" not in str(told[0].message) + store.where
    with pytest.raises(InputError) as error:
        RedisStore("redis://ann:hunter2@127.0.0.1:no/0")
    assert "hunter2" not in str(error.value)


# ---- the cache


@pytest.fixture(params=["memory", "sqlite", "redis"])
def place(request, tmp_path):
    if request.param == "redis":
        return f"redis://127.0.0.1:{request.getfixturevalue('redis_port')}"
    return {"memory": "memory", "sqlite": tmp_path / "cache.db"}[request.param]


@pytest.fixture
def cache(place):
    made = Cache(place, clock=Clock())
    made.clear()
    yield made
    made.clear()
    made.close()


def test_a_hit_says_its_age_and_is_otherwise_the_answer(cache):
    key = key_of("What is it?")
    assert cache.get(key) is None and cache.put(key, answer_from_json(to_json(FULL)))
    cache._clock.now += 42
    found = cache.get(key)
    assert found.cache == CacheInfo("exact", 42.0) and replace(found, cache=CacheInfo()) == FULL
    found.timings["total"] = found.versions["x"] = 9.0
    assert replace(cache.get(key), cache=CacheInfo()) == FULL
    assert cache.get(key, max_age=43) and not cache.get(key, max_age=42) and not cache.get(key, max_age=0)
    assert not cache.put(key, found)  # it would grow young again
    told = cache.stats()
    assert (told.hits, told.misses, told.stores, told.entries) == (3, 3, 1, 1)
    assert told.hit_rate == 0.5 and "50%" in cache._repr_html_() and "hits=3" in repr(cache)
    assert cache.delete(key) and not cache.delete(key)


def test_the_defaults_are_those_of_the_reference_system():
    assert (Cache().store.bounds.entries, Cache().store.bounds.ttl) == (1000, 300.0)
    for bad in ({"entries": 0}, {"ttl": 0}, {"ttl": float("nan")}, {"ttl": float("inf")}, {"bytes": -1}):
        with pytest.raises(InputError):
            Cache(**bad)


@given(answers())
@settings(QUICK, max_examples=60)
def test_a_replayed_stream_is_the_stored_answer(answer):
    first, *tokens, last = replay(answer)
    assert (
        first == StreamEvent("hits", hits=answer.hits) and last.answer == answer and last.hits == answer.hits
    )
    assert all(t.kind == "token" and t.text for t in tokens)
    assert "".join(t.text for t in tokens) == ("" if answer.abstained else answer.text)


def test_streams_are_kept_and_replayed(cache):
    def steps():
        made.append(1)
        yield StreamEvent("hits", hits=FULL.hits)
        yield StreamEvent("token", "One. Two")
        yield StreamEvent("answer", hits=FULL.hits, answer=FULL)

    made, key = [], key_of("q")
    live, again = list(cache.stream(key, steps)), list(cache.stream(key, steps))
    assert live[-1].answer == FULL and made == [1]
    assert [e.kind for e in again] == ["hits", "token", "token", "answer"]
    assert replace(again[-1].answer, cache=CacheInfo()) == FULL and again[0] == live[0]
    list(cache.stream(key, steps, max_age=0))
    assert made == [1, 1]


def test_errors_are_not_kept_and_refusals_are(cache):
    def fails():
        yield StreamEvent("hits")
        raise ModelError("no memory")

    with pytest.raises(ModelError):
        cache.answer(key_of("q"), fails)
    assert cache.stats().entries == 0 and len(cache.flight) == 0
    refusal = replace(FULL, abstained=True)
    assert cache.answer(key_of("q"), lambda: iter_of(refusal)) == refusal
    assert cache.get(key_of("q")).abstained


def test_a_reader_who_leaves_early_keeps_nothing(cache):
    def steps():
        yield StreamEvent("hits")
        time.sleep(0.1)
        yield StreamEvent("token", "x")
        yield StreamEvent("answer", answer=FULL)

    events = cache.stream(key_of("q"), steps)
    next(events)
    events.close()
    time.sleep(0.3)
    assert cache.stats().stores == 0 and len(cache.flight) == 0


def test_an_answer_begun_before_its_document_was_forgotten_is_not_kept(cache):
    def steps():
        yield StreamEvent("hits")
        cache.forget("d")
        yield StreamEvent("answer", answer=FULL)

    assert cache.answer(key_of("q"), steps) == FULL
    assert cache.get(key_of("q")) is None and cache.stats().refused == 1
    assert cache.put(key_of("q"), FULL) and cache.forget("d") == 1  # begun afterwards: kept


def test_forgetting_very_many_documents_takes_no_memory_and_stays_safe(monkeypatch):
    monkeypatch.setattr("liquid_ai.generation.cache._REMEMBERED", 10)
    cache = Cache()

    def steps():
        yield StreamEvent("hits")
        for n in range(25):
            cache.forget(f"other {n}" if n else "d")
        yield StreamEvent("answer", answer=FULL)

    cache.answer(key_of("q"), steps)
    assert cache.get(key_of("q")) is None and len(cache._forgotten) <= 10
    cache.answer(key_of("q"), lambda: iter_of(FULL))
    assert cache.get(key_of("q"))


users = st.lists(st.sampled_from(["ann", "bob", "staff", ""]), max_size=3)
filters = st.sampled_from(
    [None, {}, {"year": 2024}, {"year": "2024"}, {"year": [2024]}, {"kind": "a"}, {"kind": "a", "year": 2024}]
)
asked = st.sampled_from(["What is it?", "what is  it", "What is IT?", "WHAT IS IT", "What is it"])


@given(
    st.lists(
        st.tuples(asked, users, filters, st.sampled_from(["s:1", "s:2"]), st.sampled_from(["", "law"])),
        max_size=40,
    )
)
@settings(QUICK, max_examples=60)
def test_nobody_gets_the_answer_of_other_rights_filters_or_versions(cache, calls):
    for question, who, where, index, adapter in calls:
        conditions = sorted((where or {}).items())
        mine = repr((sorted(set(who)), conditions, index, adapter, "IT" in question))
        key = key_of(question, principals=who, where=where, index=index, adapter=adapter)
        answer = cache.answer(key, lambda mine=mine: iter_of(answer_of(mine, "d")))
        assert answer.text == mine


@given(
    st.lists(st.sampled_from(["ask", "ask", "ingest", "adapter", "model", "prompt", "encoder"]), max_size=30)
)
@settings(QUICK, max_examples=60)
def test_no_hit_after_a_new_index_adapter_model_prompt_or_encoder(cache, steps):
    versions = dict.fromkeys(VERSIONS, 0)
    for step in steps:
        if step == "ask":
            now = {name: f"{name}{n}" for name, n in versions.items()}
            answer = cache.answer(cache_key("q", **now), lambda now=now: iter_of(answer_of(repr(now))))
            assert answer.text == repr(now)
        else:
            versions["index" if step == "ingest" else step] += 1


def test_threads_share_a_cache_without_harm(cache):
    faults = []

    def work(seed):
        rng = random.Random(seed)
        for _ in range(60):
            n = rng.randrange(8)
            key, kind = key_of(f"question {n}"), rng.random()
            if kind < 0.1:
                cache.forget(f"d{n}")
            else:
                found = cache.answer(key, lambda n=n: iter_of(answer_of(f"answer {n}", f"d{n}")))
                if found.text != f"answer {n}":
                    faults.append(found)

    threads = [threading.Thread(target=work, args=(s,)) for s in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    told = cache.stats()
    assert not faults and not any(t.is_alive() for t in threads)
    assert told.hits + told.misses >= 400 and not told.damaged and len(cache.flight) == 0
