"""Recordings: the contract of the model they were made of, and files that were cut or damaged."""

import json
import os
import signal
import subprocess
import sys
import threading

import openai_server as fake
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from model_contract import ASK, OTHERS, check_contract
from openai_server import Server

from liquid_ai.core import Generation, InputError, LanguageModel, ModelError, Usage
from liquid_ai.generation.replay import Recorder, Replay
from liquid_ai.generation.server import ServerModel


@pytest.fixture(scope="module")
def served():
    with Server() as server:
        model = ServerModel(server.url, "tiny")
        yield server, model
        model.close()


@pytest.fixture
def model(served):
    return served[1]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "recording.jsonl"


def test_a_recorder_keeps_the_contract_and_so_does_its_replay(model, file):
    recorder = Recorder(model, file)
    check_contract(recorder)
    replay = Replay(file)
    check_contract(replay)
    assert (replay.name, replay.fingerprint, replay.context) == (model.name, model.fingerprint, model.context)
    assert list(replay.stream(ASK, 12)) == list(model.stream(ASK, 12))  # piece by piece


def test_the_replay_needs_no_model(file):
    with Server() as server:
        model = ServerModel(server.url, "tiny")
        recorder = Recorder(model, file)
        wanted = [recorder.generate(ASK, 12), *recorder.batch(OTHERS, 6, ["rain"])], recorder.count(ASK)
        recorder.close()
        asked = len(server.seen)
        with pytest.raises(ModelError, match="is closed"):
            model.generate(ASK, 12)
    replay = Replay(file)
    assert ([replay.generate(ASK, 12), *replay.batch(OTHERS, 6, ["rain"])], replay.count(ASK)) == wanted
    assert list(replay.stream(ASK, 12)) == [
        wanted[0][0].text,
        wanted[0][0],
    ]  # it came whole, so it comes whole
    replay.close()
    assert len(server.seen) == asked


def test_what_was_not_asked_is_not_made_up(model, file):
    Recorder(model, file).generate(ASK, 12, stop=["x"])
    replay = Replay(file)
    for call in (
        lambda: replay.generate(ASK, 12),
        lambda: replay.generate(ASK, 11, stop=["x"]),
        lambda: replay.generate(ASK, 12, stop=["x", "y"]),
        lambda: replay.generate(ASK[1:], 12, stop=["x"]),
        lambda: next(replay.stream(OTHERS[0], 12)),
        lambda: replay.batch([ASK, OTHERS[0]], 12, stop=["x"]),
        lambda: replay.generate([], 12),
        lambda: replay.count(ASK),
    ):
        with pytest.raises(ModelError, match=r"holds no .*Recorder\(model, 'recording.jsonl'\)"):
            call()
    assert replay.generate(ASK, 12, stop=("x",)).text


def test_what_is_known_is_not_written_again(model, file):
    recorder = Recorder(model, file)

    def ask():
        list(recorder.stream(ASK, 12))
        recorder.generate(ASK, 12)
        recorder.batch(OTHERS, 12)
        recorder.count(ASK)
        with pytest.raises(InputError):
            recorder.generate(ASK, 0)

    ask()
    before = file.read_bytes()
    ask()
    recorder = Recorder(model, file)
    ask()
    assert file.read_bytes() == before
    assert (
        len(Replay(file)._tape.answers) == 5 and len(before.splitlines()) == 7
    )  # and the model, and the count


def test_an_answer_that_changed_replaces_the_one_before(file):
    class Moody:
        name, fingerprint, context, said = "moody", "1", 100, "yes"

        def generate(self, messages, max_tokens):
            return Generation(self.said, Usage(1, 1))

    model = Moody()
    recorder = Recorder(model, file)
    recorder.generate(ASK, 12)
    model.said = "no"
    recorder.generate(ASK, 12)
    assert Replay(file).generate(ASK, 12).text == "no"


def test_a_stream_that_was_left_or_failed_is_no_answer(served, file):
    server, model = served
    recorder = Recorder(model, file)
    stream = recorder.stream(ASK, 30)
    next(stream)
    server.left.clear()
    stream.close()
    with Server(lambda h, b: h.json({}, 400)) as broken:
        failing = ServerModel(broken.url, "tiny")
        with pytest.raises(ModelError):
            Recorder(failing, file.with_name("other")).generate(ASK, 30)
        failing.close()
    assert not file.exists() or not file.read_bytes()
    assert not file.with_name("other").read_bytes()


def test_one_file_one_model(model, file):
    Recorder(model, file).generate(ASK, 12)
    with Server() as server:
        other = ServerModel(server.url, "tiny")
        with pytest.raises(InputError, match="recorded from another model"):
            Recorder(other, file)
        other.close()
    assert Recorder(model, file).generate(ASK, 12) == Replay(file).generate(ASK, 12)


def test_a_model_whose_fingerprint_becomes_known_by_asking_can_be_recorded_again(file):
    def chat(handler, body):
        handler.begin()
        handler.piece(fake.chunk("Yes.", system_fingerprint="fp_a"))
        handler.piece(fake.chunk(finish="stop", system_fingerprint="fp_a"))
        handler.end()

    with Server(chat) as server:
        for question in OTHERS[:2]:
            model = ServerModel(server.url, "tiny")
            recorder = Recorder(model, file)
            recorder.count(question)
            recorder.generate(question, 12)
            assert Replay(file).fingerprint == model.fingerprint
            model.close()


@pytest.fixture(scope="module")
def whole(served, tmp_path_factory):
    path = tmp_path_factory.mktemp("tape") / "whole.jsonl"
    recorder = Recorder(served[1], path)
    for ask in (ASK, *OTHERS):
        list(recorder.stream(ask, 6))
        recorder.count(ask)
    return path.read_bytes()


def test_cut_anywhere_it_reads_to_the_last_whole_line_and_goes_on(served, whole, tmp_path):
    lines = whole.splitlines(keepends=True)
    path = tmp_path / "cut.jsonl"
    first = len(lines[0])
    for cut in [*range(first, len(whole), 7), *range(len(whole) - 40, len(whole))]:
        path.write_bytes(whole[:cut])
        kept = [json.loads(line) for line in whole[:cut].splitlines(keepends=True) if line in lines]
        tape = Replay(path)._tape
        counted = sum("count" in line for line in kept), sum("question" in line for line in kept)
        # a line that lacks nothing but its end counts, too
        assert (len(tape.counts), len(tape.answers)) >= counted
        recorder = Recorder(served[1], path)
        assert whole.startswith(path.read_bytes()) and path.read_bytes().endswith(b"\n")
        list(recorder.stream(OTHERS[-1], 6))
        assert Replay(path).generate(OTHERS[-1], 6).text


ANSWER = b'{"question": {}, "pieces": %b, "answer": {"text": "x", "finished": true, %b}}'
DAMAGE = {
    "not JSON": b"{torn",
    "not UTF-8": b'{"count": 1, "messages": ["\xff"]}',
    "a list": b"[]",
    "nothing known": b'{"pickle": "gASV"}',
    "deep": b"[" * 100_000,
    "an answer of other types": ANSWER % (b"[3]", b'"usage": {}'),
    "an answer without usage": ANSWER % (b"[]", b'"use": 0'),
    "an unknown usage": ANSWER % (b"[]", b'"usage": {"x": 1}'),
    "a count that is none": b'{"count": "3", "messages": []}',
    "an empty line": b"",
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("number", [1, 3, 9])
def test_a_damaged_line_is_named(served, whole, file, kind, number):
    lines = whole.splitlines()
    lines[number - 1] = DAMAGE[kind]
    file.write_bytes(b"\n".join(lines) + b"\n")
    for use in (Replay, lambda path: Recorder(served[1], path)):
        with pytest.raises(ModelError, match=rf"recording.jsonl, line {number} is damaged"):
            use(file)
    assert file.read_bytes() == b"\n".join(lines) + b"\n"  # and left as it is


def test_what_is_no_recording(file, tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        Replay(file)
    file.touch()
    with pytest.raises(ModelError, match="holds no recording"):
        Replay(file)
    with pytest.raises(ModelError, match="cannot be read"):
        Replay(tmp_path)


KILLED = """
import sys
sys.path.insert(0, "tests")
from liquid_ai.core import Generation, Usage
from liquid_ai.generation.replay import Recorder

class Counter:
    name, fingerprint, context = "counter", "1", 100
    def generate(self, messages, max_tokens):
        return Generation(messages[0]["content"] * 500, Usage(1, 1))

recorder, n = Recorder(Counter(), sys.argv[1]), 0
while True:
    recorder.generate([{"role": "user", "content": str(n)}], 5)
    print(n, flush=True)
    n += 1
"""


def test_a_process_that_is_killed_loses_nothing_it_had_told(file):
    last = -1
    for _ in range(3):
        run = [sys.executable, "-c", KILLED, file]
        with subprocess.Popen(run, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            told = [process.stdout.readline() for _ in range(40)]
            process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
            told += process.stdout.readlines()
        last = max(last, *(int(line) for line in told if line.endswith("\n") and line.strip()))
        replay = Replay(file)
        for n in range(last + 1):
            assert replay.generate([{"role": "user", "content": str(n)}], 5).text == str(n) * 500


def test_threads_record_whole_lines(model, file):
    recorder = Recorder(model, file)
    asks = [[{"role": "user", "content": f"Question {n}."}] for n in range(32)]

    def ask(n):
        list(recorder.stream(asks[n], 6))
        recorder.count(asks[n])

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(asks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    replay = Replay(file)
    assert replay.batch(asks, 6) == [model.generate(a, 6) for a in asks]
    assert [replay.count(a) for a in asks] == [fake.count(a) for a in asks]


class Parrot:
    "Says its pieces, whatever is asked."

    name, fingerprint, context = "parrot", "p", 100

    def __init__(self, pieces, usage, finished):
        self.pieces, self.made = pieces, Generation("".join(pieces), usage, finished)

    def stream(self, messages, max_tokens, stop=()):
        yield from self.pieces
        yield self.made


TEXT = st.text(st.characters(), max_size=8)  # line ends of every kind, quotes, lone surrogates


@settings(max_examples=60, deadline=None)
@given(
    st.lists(TEXT.filter(bool), max_size=4),
    TEXT,
    st.lists(TEXT.filter(bool), max_size=2),
    st.booleans(),
    st.integers(0, 9),
)
def test_any_text_survives(tmp_path_factory, pieces, content, stop, finished, tokens):
    path = tmp_path_factory.mktemp("any") / "tape.jsonl"
    parrot, ask = Parrot(pieces, Usage(tokens, len(pieces)), finished), [{"role": "user", "content": content}]
    said = list(Recorder(parrot, path).stream(ask, 5, stop))
    assert list(Replay(path).stream(ask, 5, stop)) == said == [*pieces, parrot.made]


def test_it_is_a_language_model(model, file):
    recorder = Recorder(model, file)
    recorder.count(ASK)
    assert isinstance(recorder, LanguageModel) and isinstance(Replay(file), LanguageModel)
