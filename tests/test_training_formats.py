"""Files of training data: three forms that say the same, and every fault named with its file and line."""

import contextlib
import json
import subprocess
import sys
import tracemalloc
from itertools import islice

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import InputError
from liquid_ai.training.formats import (
    FORMS,
    LONGEST_LINE,
    Sample,
    read_samples,
    samples_hash,
    stream_samples,
    write_samples,
)

ROW = {"prompt": "Where do herons nest?", "completion": "In trees."}
GOOD = json.dumps(ROW)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
SAID = TEXTS.filter(str.strip)


@st.composite
def conversations(draw):
    turns = [("user", draw(SAID)), ("assistant", draw(TEXTS))] * draw(st.integers(0, 2))
    system = [("system", draw(TEXTS))] * draw(st.booleans())
    told = [*system, *turns, ("user", draw(SAID)), ("assistant", draw(SAID))]
    messages = tuple({"role": role, "content": content} for role, content in told)
    return Sample(messages, draw(TEXTS.filter(bool)), draw(TEXTS.filter(bool)))


@given(st.lists(conversations(), min_size=1, max_size=5), st.sampled_from(["messages", "prompt_completion"]))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(tmp_path_factory, samples, form):
    path = tmp_path_factory.mktemp("data") / "data.jsonl"
    write_samples(samples, path, form)
    assert tuple(stream_samples(path)) == tuple(samples)


@given(st.lists(st.tuples(SAID, SAID), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_questions_and_answers_are_the_same_in_all_forms(tmp_path_factory, told):
    samples, folder = [Sample.of(q, a, "answer", "d") for q, a in told], tmp_path_factory.mktemp("data")
    for form in FORMS:
        write_samples(samples, folder / form, form)
        assert list(stream_samples(folder / form, form)) == samples


@given(st.lists(conversations(), min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_hash_knows_no_order_but_every_word(samples, random):
    mixed = random.sample(samples, len(samples))
    assert samples_hash(mixed) == samples_hash(samples)
    last = mixed[0].messages[-1] | {"content": mixed[0].completion + "!"}
    changed = Sample((*mixed[0].prompt, last))
    assert samples_hash([changed, *mixed[1:]]) != samples_hash(samples)
    assert samples_hash([*samples, samples[0]]) != samples_hash(samples)


FAULTS = {
    "": "is empty",
    "\n \n": "is empty",
    f"{GOOD}\n{GOOD}\n{GOOD}": "all 3 lines are the same sample",
    f"{GOOD}\n"
    + json.dumps({"instruction": "a", "output": "b"}): ":2: this line is of the form instruction, but "
    "line 1 is of the form prompt_completion",
    f"{GOOD}\n\n{GOOD[:-1]}": ":3: no JSON",
    "[" * 200_000: ":1: no JSON",
    json.dumps([ROW]): ":1: a JSON list, not an object",
    json.dumps({"text": "a"}): "of no known form",
    json.dumps(ROW | {"messages": []}): "of two forms",
    json.dumps({"prompt": 3, "completion": "a"}): "'prompt' is a int",
    json.dumps({"prompt": "a", "completion": ["b"]}): "message 2 is no object with a role and a content",
    json.dumps({"prompt": "a", "completion": []}): "a list of 0 messages",
    json.dumps({"prompt": "a", "completion": " "}): "the completion is empty",
    json.dumps({"prompt": "  ", "completion": "b"}): "nothing is asked",
    json.dumps({"messages": "hello"}): "messages is a str",
    json.dumps({"messages": []}): "not the assistant's",
    json.dumps({"messages": [{"role": "user", "content": "a"}]}): "not the assistant's",
    json.dumps({"messages": [{"role": "robot", "content": "a"}]}): "has the role 'robot': use system",
    json.dumps({"messages": [{"role": ["user"], "content": "a"}]}): "has the role",
    json.dumps(
        {"messages": [{"role": "user"}, {"role": "assistant", "content": "a"}]}
    ): "message 1 is no object",
    json.dumps({"messages": [{"role": "user", "content": None}]}): "is a NoneType, not a text",
    json.dumps({"instruction": "a", "input": ["x"], "output": "b"}): "'input' is a list",
    json.dumps({"prompt": "a\0", "completion": "b"}): "NUL character at 1",
    json.dumps({"prompt": "a", "completion": "b\ud800"}): "half a surrogate pair at 1",
    json.dumps(ROW | {"kind": 3}): "'kind' is a int",
    json.dumps(ROW | {"system": 3}): "'system' is a int",
    json.dumps({"prompt": "a", "completion": "b", "messages": "c"}): "of two forms",
    json.dumps(
        {"messages": [{"role": "system", "content": "a"}], "system": "b"}
    ): "beside a message of the system",
}


@pytest.mark.parametrize(("text", "told"), FAULTS.items(), ids=range(len(FAULTS)))
def test_what_is_wrong_is_said_with_its_place(tmp_path, text, told):
    path = tmp_path / "bad.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError) as error:
        read_samples(path)
    assert told in str(error.value) and "bad.jsonl" in str(error.value)
    assert len(str(error.value)) < 700


ALPACA = {"instruction": "Where do herons nest?", "input": "", "output": "In trees."}


@pytest.mark.parametrize("row", [ALPACA, ROW], ids=["instruction", "prompt"])
def test_a_system_key_is_the_systems_message_and_harmless_keys_are_left_alone(tmp_path, row):
    path = tmp_path / "data.jsonl"
    more = {
        "system": "Be brief.",
        "id": 3,
        "source": "a",
        "text": "b",
        "score": 1.5,
        "history": [],
        "tools": None,
    }
    path.write_text(json.dumps(row | more) + "\n" + json.dumps(row | {"system": ""}))
    first, second = read_samples(path)
    assert first.messages[0] == {"role": "system", "content": "Be brief."}
    assert first.messages[1:] == second.messages


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("history", [["a", "b"]]),
        ("tools", [{"name": "search"}]),
        ("chosen", "a"),
        ("rejected", "b"),
        ("label", False),
        ("weight", 0),
        ("images", ["a.png"]),
        ("messages", "d"),
    ],
)
@pytest.mark.parametrize("row", [ALPACA, ROW], ids=["instruction", "prompt"])
def test_a_key_that_would_change_what_is_learnt_is_named_with_its_line(tmp_path, row, key, value):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | {key: value}))
    with pytest.raises(InputError, match=rf"data.jsonl:2: .*({key}|two forms)"):
        read_samples(path)


def test_a_message_that_says_more_than_its_content_is_named(tmp_path):
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So.", "weight": 0}]
    (tmp_path / "data.jsonl").write_text(json.dumps({"messages": messages}))
    with pytest.raises(InputError, match=r"data.jsonl:1: 'weight' of message 2 would change"):
        read_samples(tmp_path / "data.jsonl")


def test_bytes_that_are_no_text_are_named(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(GOOD.encode() + b"\n" + GOOD.encode()[:14] + b"\xff" + GOOD.encode()[14:])
    with pytest.raises(InputError, match=r":2: byte 15 of the line, 0xff, is no UTF-8"):
        read_samples(path)
    path.write_text(GOOD, "utf-16")
    with pytest.raises(InputError, match=r":1: byte 1 of the line, 0xff, is no UTF-8"):
        read_samples(path)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_is_none(tmp_path, name):
    with pytest.raises(InputError, match="cannot be read"):
        read_samples(tmp_path / name)


def test_a_mark_windows_line_ends_and_blank_lines_are_no_fault(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n\r\n" + json.dumps({**ROW, "prompt": "Who?"}).encode()
    )
    assert [s.origin for s in read_samples(path)] == ["data.jsonl:1", "data.jsonl:3"]


def test_a_line_of_100_megabytes_costs_no_more_than_is_allowed(tmp_path):
    path = tmp_path / "long.jsonl"
    path.write_text(GOOD + "\n" + '{"prompt": "')
    with path.open("r+b") as file:
        file.truncate(100_000_000)  # a hole: it takes no room on the disk
    tracemalloc.start()
    with pytest.raises(InputError, match=r"long.jsonl:2: the line is longer than 4,194,304 bytes"):
        read_samples(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * LONGEST_LINE


def test_a_line_at_the_bound_is_read_and_one_byte_more_is_not(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text(GOOD + "\n")
    assert len(list(stream_samples(path, longest=len(GOOD)))) == 1
    with pytest.raises(InputError, match="longer than"):
        list(stream_samples(path, longest=len(GOOD) - 1))


def test_samples_come_before_the_file_is_read_to_its_end(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text(f"{GOOD}\n{{broken")
    assert [s.completion for s in islice(stream_samples(path), 1)] == ["In trees."]


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace")))
@settings(max_examples=200, deadline=None)
def test_whatever_stands_in_a_file_it_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        assert read_samples(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content"]), inner),
    max_leaves=6,
)


@given(
    st.sampled_from([("messages",), ("prompt", "completion"), ("instruction", "input", "output")]), st.data()
)
@settings(max_examples=200, deadline=None)
def test_whatever_stands_under_the_keys_it_is_read_or_refused(tmp_path_factory, keys, data):
    path = tmp_path_factory.getbasetemp() / "keys.jsonl"
    path.write_text(json.dumps({key: data.draw(JSON) for key in keys}))
    with contextlib.suppress(InputError):
        assert read_samples(path)[0].completion.strip()


def test_a_form_that_was_asked_for_is_wanted(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text(GOOD)
    with pytest.raises(InputError, match="this line is of the form prompt_completion, not messages"):
        read_samples(path, "messages")
    with pytest.raises(InputError, match="form='csv' is unknown"):
        read_samples(path, "csv")


def test_a_system_message_has_no_place_in_an_instruction(tmp_path):
    told = ({"role": "system", "content": "Be brief."}, *Sample.of("Who?", "I.").messages)
    with pytest.raises(InputError, match="write the form messages"):
        write_samples([Sample(told)], tmp_path / "data.jsonl", "instruction")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_file_before(tmp_path):
    path = tmp_path / "data.jsonl"
    write_samples([Sample.of("Who?", "I.")], path)
    before = path.read_bytes()

    def broken():
        yield Sample.of("Where?", "Here.")
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError):
        write_samples(broken(), path)
    with pytest.raises(InputError, match="there are no samples"):
        write_samples([], path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["data.jsonl"]


def test_a_full_disk_leaves_the_file_before(tmp_path):
    write_samples([Sample.of("Who?", "I.")], tmp_path / "data.jsonl")
    before = (tmp_path / "data.jsonl").read_bytes()
    code = (
        "import resource, signal\n"
        "from liquid_ai.core import InputError\n"
        "from liquid_ai.training.formats import Sample, write_samples\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "try: write_samples([Sample.of('Who?', 'x' * 100)] * 1000, 'data.jsonl')\n"
        "except InputError as e: print(e)\n"
    )
    env = {"PYTHONPATH": str(ROOT), "PATH": ""}
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, env=env)
    assert "data.jsonl cannot be written" in done.stdout, done.stderr
    assert (tmp_path / "data.jsonl").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["data.jsonl"]
