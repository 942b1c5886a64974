"""Files read by other processes: the same as here, and one that goes down takes one file along."""

import threading
import time
from pathlib import Path

import psutil
import pytest

from liquid_ai.core import Settings
from liquid_ai.ingestion.load import FoundFile, find_files, load
from liquid_ai.ingestion.pool import read_apart, read_files

TWO = Settings(parse_workers=2)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.md").write_text("# Ducks\n\nThey eat grass.")
    (tmp_path / "b\nc.txt").write_bytes("Grüße, schöne Grüße!".encode("latin-1"))
    (tmp_path / "half.docx").write_bytes(b"PK\3\4" + bytes(100))
    (tmp_path / "table.csv").write_text("a;b\n1;2\n")
    return tmp_path


def slow(path: Path) -> None:
    path.write_text("<html>" + "<table><tr><td>x</td></tr></table><p>y</p>" * 45_000)


def same(item):
    row = item.row
    return (row.path, row.status, row.reason, row.mime, row.chars, row.pages, row.inside), item.document


def test_other_processes_find_the_same_in_the_same_order(folder):
    there = [same(item) for items in read_files(find_files(folder), TWO) for item in items]
    assert there == [same(item) for item in load(folder)]


def workers():
    return [p for p in psutil.Process().children() if "ingestion.pool" in " ".join(p.cmdline())]


def test_a_parser_that_goes_down_takes_one_file_along(folder):
    slow(folder / "a-slow.html")

    def kill():
        while not (found := [p for p in workers() if p.cpu_times().user > 0.6]):
            time.sleep(0.01)
        found[0].kill()

    assassin = threading.Thread(target=kill)
    assassin.start()
    rows = {Path(i.row.path).name: i for items in read_files(find_files(folder), TWO) for i in items}
    assassin.join()
    lost = [i for i in rows.values() if "crashed" in i.row.reason]
    assert len(lost) == 1 and "signal 9" in lost[0].row.reason and lost[0].unread
    others = [i.row.status for i in rows.values() if i is not lost[0]]
    assert len(rows) == 5 and others.count("parsed") >= 3
    assert not workers()


def test_a_file_that_takes_too_long_is_given_up_and_the_next_one_is_read(folder):
    slow(folder / "a-slow.html")

    def stop():  # the first worker, at the first file: on the fastest machine it does not come to an end
        while not (found := workers()):
            time.sleep(0.001)
        found[0].suspend()

    hand = threading.Thread(target=stop)
    hand.start()
    one = Settings(parse_workers=1, parse_seconds=4)
    rows = {Path(i.row.path).name: i.row for items in read_files(find_files(folder), one) for i in items}
    hand.join()
    assert "Settings.parse_seconds" in rows["a-slow.html"].reason
    assert rows["a.md"].status == rows["table.csv"].status == "parsed"


def test_whoever_stops_reading_leaves_no_process(folder):
    results = read_files(find_files(folder), TWO)
    next(results)
    assert workers()
    results.close()
    assert not workers()


def test_a_strangers_file_is_read_apart(folder):
    for file in find_files(folder):
        assert [same(i) for i in read_apart(file, Settings())] == [same(i) for i in load([file.path])]
    assert read_apart(FoundFile(folder / "no.pdf", "no.pdf"), Settings())[-1].row.status == "failed"
