"""The log of requests: one line each whatever is in it, no secret in any, and nobody waits for a disk."""

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import Event, InputError, Usage
from liquid_ai.serving.call import Call
from liquid_ai.serving.log_file import LogFile, log_files
from liquid_ai.serving.logs import RequestLog, configure_logging, render

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
ANY = st.text(st.characters(exclude_categories=()), max_size=60)  # lone surrogates included
NASTY = [
    "a\nb",
    "a\r\nb",
    "\x1b[2J",
    "\u2028",
    "\u2029",
    "\x85",
    "\x9b31m",
    "\x00",
    "\x7f",
    "\ud800",
    "\u202e",
    '"}\n{"',
]


def call(path="/ask", question="", **more) -> Call:
    made = Call("id-of-a-request", "POST", path, "127.0.0.1")
    made.status, made.question = 200, question
    for name, value in more.items():
        setattr(made, name, value)
    return made


def logged(*calls: Call, **options) -> list[dict]:
    told = io.BytesIO()
    log = RequestLog(told, **options)
    for one in calls:
        log.write(one)
    log.close()
    return [json.loads(line) for line in told.getvalue().decode().splitlines()]


def worker(code: str, *args, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], cwd=ROOT, **options)


@settings(deadline=None, max_examples=200)
@given(ANY, ANY, ANY, ANY)
def test_nothing_that_a_client_sends_is_a_second_line(path, question, client, subject):
    one = call("/" + path.replace("?", ""), question, client=client)
    one.identity = SimpleNamespace(subject=subject, tenant="acme")
    [line] = logged(one, questions="full")
    told = {"path": one.path, "client": client, "identity": subject} | (
        {"question": question} if question else {}
    )
    for name, text in told.items():
        assert line[name] == text.encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize("text", NASTY)
def test_no_byte_of_a_line_is_obeyed(text):
    line = render({"event": text}).decode()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e\ud800]", line)
    assert line.count("\n") == 1


def test_what_is_said_of_a_request():
    one = call(cache="HIT", age=12.34, tokens=0, bytes=99, trace_id="ab" * 16, error="ModelError", status=503)
    one.event = Event("ask", "abstained", tokens=Usage(100, 20))
    one.identity = SimpleNamespace(subject="ann", tenant="acme")
    [line] = logged(one)
    assert line.items() >= {
        "level": "error", "event": "request", "request_id": "id-of-a-request", "client": "127.0.0.1",
        "method": "POST", "path": "/ask", "status": 503, "bytes": 99, "identity": "ann", "tenant": "acme",
        "route": "ask", "cache": "HIT", "age": 12.3, "trace_id": "ab" * 16, "prompt_tokens": 100,
        "answer_tokens": 20, "abstained": True, "error": "ModelError",
    }.items()  # fmt: skip
    assert 0 <= line["ms"] < 10_000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])
    assert abs((datetime.now(UTC) - datetime.fromisoformat(line["timestamp"])).total_seconds()) < 60


def test_equal_questions_can_be_counted_and_not_read():
    one, same, other = logged(
        call(question="Is she ill?"), call(question="Is she ill?"), call(question="Why?")
    )
    assert one["question_hash"] == same["question_hash"] != other["question_hash"]
    assert one["question_length"] == 11
    assert "ill" not in str(one)
    [keyed] = logged(call(question="Is she ill?"), secret="s")
    assert keyed["question_hash"] != one["question_hash"]
    assert logged(call(question="Why?"), questions="none")[0].keys() == logged(call())[0].keys()
    with pytest.raises(InputError, match="questions='some'"):
        RequestLog("-", questions="some")


def test_a_query_is_not_logged():
    assert logged(call("/ask?api_key=hunter2"))[0]["path"] == "/ask"


@settings(deadline=None, max_examples=50)
@given(st.integers(1_024, 5_000), st.text("\x00é\u2028a", min_size=1), st.integers(1, 5_000))
def test_a_long_line_is_cut_and_whole(most, text, times):
    line = render({"event": "request", "path": text * times, "question": text * times}, most)
    assert len(line) <= most and line.endswith(b"\n")
    assert json.loads(line)["event"] == "request"


def test_what_json_cannot_say_is_said_as_text():
    ring: list = []
    ring.append(ring)
    line = json.loads(render({"event": "x", "big": 2**70, "nan": float("nan"), "ring": ring, "any": object}))
    assert line["big"] == str(2**70) and line["nan"] is None


def test_a_line_is_there_soon_without_flush_or_close(tmp_path):
    log = RequestLog(tmp_path / "log")
    log.write(call())
    until = time.monotonic() + 5
    while not (tmp_path / "log").stat().st_size and time.monotonic() < until:
        time.sleep(0.01)
    assert (tmp_path / "log").read_bytes().count(b"\n") == 1
    log.close()
    log.write(call())  # after the end, as a server does when it says good-bye
    log.close()
    assert (tmp_path / "log").read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("target", ["-", "file"])
def test_what_is_waiting_is_written_at_exit(tmp_path, target):
    path = tmp_path / "log"
    code = "import sys; from liquid_ai.serving.log_file import LogFile\n"
    code += "log = LogFile(sys.argv[1], delay=60)\nfor i in range(100): log.add(b'line %d\\n' % i)"
    run = worker(code, "-" if target == "-" else path, stdout=subprocess.PIPE)
    out = run.communicate(timeout=60)[0] or path.read_bytes()
    assert out.splitlines() == [b"line %d" % i for i in range(100)]


@POSIX
def test_a_full_disk_fails_no_request(capsys):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    log = RequestLog("/dev/full")
    for _ in range(5):
        log.write(call())
        log.flush()
    assert log.lost == 5
    assert capsys.readouterr().err.count("cannot be written") == 1
    log.close()


FILLED = """
import os, resource, signal, sys
from pathlib import Path
from liquid_ai.serving.log_file import LogFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
log = LogFile(path, delay=60)
resource.setrlimit(resource.RLIMIT_FSIZE, (1005, resource.RLIM_INFINITY))  # the disk ends within a line
for i in range(200):
    log.add(b"%09d\\n" % i)
log.flush()
assert path.stat().st_size == 1005, path.stat()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.add(b"%09d\\n" % 200)
log.close()
print(log.lost)
"""


@POSIX
def test_a_line_torn_by_a_full_disk_spoils_no_other(tmp_path):
    run = worker(FILLED, tmp_path / "log", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (0, b"100\n"), err
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert lines[:100] == [b"%09d" % i for i in range(100)]
    assert lines[100] == b"00000"
    assert json.loads(lines[101])["lost"] == 100
    assert lines[102:] == [b"%09d" % 200]


@POSIX
def test_a_reader_that_hangs_holds_up_nobody():
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "wb", buffering=0)
    log = LogFile(stream, held=100_000, delay=0.01)
    began = time.monotonic()
    for _ in range(50_000):
        log.add(b"x" * 99 + b"\n")
    log.close(patience=0.1)
    assert time.monotonic() - began < 5
    held = len(log._lines)
    assert log.lost > 45_000 and held <= 100_000
    os.close(reading)  # the writer is let go


def test_a_closed_stream_loses_lines_and_raises_nothing(capsys):
    stream = io.StringIO()
    log = RequestLog(stream)
    stream.close()
    log.write(call())
    log.close()
    assert log.lost == 1 and "stream" in capsys.readouterr().err


def test_text_streams_are_written_too():
    stream = io.StringIO()
    log = RequestLog(stream, questions="full")
    log.write(call(question="Où?"))
    log.flush()
    assert json.loads(stream.getvalue())["question"] == "Où?"
    log.close()


def test_files_that_are_kept_are_bounded(tmp_path):
    log = LogFile(tmp_path / "log", max_bytes=100, keep=3)
    for i in range(200):
        log.add(b"line %04d\n" % i)
    log.close()
    files = log_files(tmp_path / "log")
    assert [f.name for f in files] == ["log.3", "log.2", "log.1", "log"]
    assert all(f.stat().st_size <= 100 for f in files)
    lines = b"".join(f.read_bytes() for f in files).splitlines()
    assert lines == [b"line %04d" % i for i in range(200)][-len(lines) :]
    assert log.lost == 0


def test_an_old_file_is_rotated_even_after_a_restart(tmp_path):
    (tmp_path / "log").write_bytes(b'{"timestamp":"2020-01-01T00:00:00.000Z","event":"old"}\n')
    log = LogFile(tmp_path / "log", max_age=86_400)
    log.add(b"new\n")
    log.close()
    assert (tmp_path / "log").read_bytes() == b"new\n"
    assert b"old" in (tmp_path / "log.1").read_bytes()


@POSIX
@pytest.mark.parametrize("change", ["rename", "unlink"])
def test_a_file_that_was_moved_away_is_followed(tmp_path, change):
    path = tmp_path / "log"
    log = LogFile(path)
    log.add(b"one\n")
    log.flush()
    path.rename(tmp_path / "elsewhere") if change == "rename" else path.unlink()
    log.add(b"two\n")
    log.close()
    assert path.read_bytes() == b"two\n"


MANY = """
import sys
from liquid_ai.serving.log_file import LogFile
log = LogFile(sys.argv[1], max_bytes=5_000, keep=200, delay=0.001)
i = 0
while i < int(sys.argv[3]):
    log.add(b"%s %06d\\n" % (sys.argv[2].encode(), i))
    i += 1
    if i % 50 == 0:
        log.flush()
log.close()
"""


def written(path) -> bytes:
    "What is in the files of a log that others write; one may be turned over as it is read."
    found = b""
    for file in log_files(path):
        with suppress(FileNotFoundError):
            found += file.read_bytes()
    return found


def test_workers_share_a_log_and_one_that_is_killed_spoils_nothing(tmp_path):
    path = tmp_path / "log"
    workers = [worker(MANY, path, f"w{n}", 3_000) for n in range(3)]
    victim = worker(MANY, path, "victim", 10**9)
    until = time.monotonic() + 30
    try:
        while b"victim" not in written(path) and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        victim.kill()
        victim.wait()
    assert [w.wait(60) for w in workers] == [0, 0, 0]
    lines = b"".join(f.read_bytes() for f in log_files(path)).splitlines()
    for n in range(3):
        own = b"w%d " % n
        assert sorted(x for x in lines if x.startswith(own)) == [b"%s%06d" % (own, i) for i in range(3_000)]
    broken = [x for x in lines if not re.fullmatch(rb"(w\d|victim) \d{6}", x)]
    assert len(broken) <= 1  # the line at which the victim was stopped


@POSIX
def test_a_fork_writes_its_own_lines_only(tmp_path):
    code = "import os, sys; from liquid_ai.serving.log_file import LogFile\n"
    code += "log = LogFile(sys.argv[1], delay=60)\nlog.add(b'parent\\n')\n"
    code += "pid = os.fork()\nif pid == 0:\n    log.add(b'child\\n'); log.close(); os._exit(0)\n"
    code += "os.waitpid(pid, 0)\nlog.close()"
    assert worker(code, tmp_path / "log").wait(60) == 0
    assert (tmp_path / "log").read_bytes() == b"child\nparent\n"


def test_threads_lose_nothing(tmp_path):
    log = LogFile(tmp_path / "log", delay=0.001)
    threads = [
        threading.Thread(target=lambda n=n: [log.add(b"%d %d\n" % (n, i)) for i in range(2_000)])
        for n in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    log.close()
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert sorted(lines) == sorted(b"%d %d" % (n, i) for n in range(4) for i in range(2_000))


def test_a_log_that_cannot_be_is_refused(tmp_path):
    for wrong in ({"max_bytes": 0}, {"keep": 0}, {"max_age": -1}, {"line_bytes": 10}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            RequestLog(tmp_path / "log", **wrong)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        RequestLog(tmp_path / "file" / "log")


@pytest.fixture
def told():
    "What `logging` says, as lines, and how it was set up before."
    names = ("", "liquid_ai", "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
    loggers = [logging.getLogger(n) for n in names]
    before = [(lg.handlers[:], lg.level, lg.propagate, lg.disabled) for lg in loggers]
    stream = io.BytesIO()
    log = RequestLog(stream)
    configure_logging(log)
    configure_logging(log)  # twice is once

    def lines():
        log.flush()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield lines
    log.close()
    for lg, (handlers, level, propagate, disabled) in zip(loggers, before, strict=True):
        lg.handlers[:], lg.propagate, lg.disabled = handlers, propagate, disabled
        lg.setLevel(level)


def test_what_uvicorn_and_the_package_say_is_json_without_secrets(told):
    logging.getLogger("liquid_ai.pipeline").info("asked\nwith %s", "Authorization: Bearer hunter2")
    logging.getLogger("uvicorn.error").error('"GET /x?key=hunter2" failed')
    logging.getLogger("uvicorn.access").info("GET /x?key=hunter2")
    logging.getLogger("liquid_ai").debug("hunter2")
    lines = told()
    assert [(x["level"], x["logger"]) for x in lines] == [
        ("info", "liquid_ai.pipeline"),
        ("error", "uvicorn.error"),
    ]
    assert "hunter2" not in str(lines) and lines[0]["event"].startswith("asked\nwith")


def test_an_exception_is_one_line_and_shows_no_variable(told):
    try:
        secret = "hunter2"
        raise ValueError(f"of length {len(secret)}")
    except ValueError:
        logging.getLogger("liquid_ai").exception("it\nfailed")
    [line] = told()
    assert "ValueError: of length 7" in line["exception"] and 'secret = "hunter2"' not in line["exception"]


def test_a_message_that_cannot_be_made_stops_nothing(told, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logging.getLogger("liquid_ai").warning("%d", "no number")
    logging.getLogger("liquid_ai").warning("on")
    assert [x["event"] for x in told()][-1] == "on"
