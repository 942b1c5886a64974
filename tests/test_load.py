"""Which files are loaded, and the report: every file given yields one row, whatever is in it."""

import contextlib
import json
import os
import re
import warnings
from collections import Counter
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import InputError, Settings, to_json
from liquid_ai.ingestion import parse
from liquid_ai.ingestion.load import FileRow, IngestReport, find_files, load, load_file

DATA = Path(os.environ.get("LIQUID_AI_DATA") or Path(__file__).parents[2] / "shared" / "data") / "documents"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real files at {DATA}; set LIQUID_AI_DATA")


def test_missing_and_unreadable_paths(tmp_path):
    odd = os.fsdecode(b"\xff.txt")
    (tmp_path / odd).write_text("Hello")
    os.mkfifo(tmp_path / "pipe")
    items = list(load([tmp_path / "missing", tmp_path / "nul\0.txt", tmp_path]))
    assert [i.row.status for i in items] == ["failed", "failed", "unsupported", "parsed"]
    assert items[0].row.reason == "no such file or folder"
    assert items[3].document.meta["path"] == "\\xff.txt"
    json.dumps([to_json(i) for i in items], allow_nan=False).encode()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden_file_and_folder(tmp_path):
    (tmp_path / "inside").mkdir(mode=0)
    (tmp_path / "a.txt").touch(mode=0)
    assert [i.row.status for i in load(tmp_path)] == ["failed", "failed"]
    (tmp_path / "inside").chmod(0o700)


def test_arguments_that_name_nothing(tmp_path):
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_bytes(b"x")
    for paths in (tmp_path, [tmp_path], []):
        with pytest.raises(InputError):
            load(paths)  # at the call, not at the first `next`


def test_folder_without_readable_file(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    report = IngestReport(tuple(item.row for item in load(tmp_path)))
    assert report.counts == {"unsupported": 1} and not report.parsed and len(report.failed) == 1


def test_links(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret.txt").write_text("secret")
    root = tmp_path / "in"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_text("Hello")
    (root / "again.txt").symlink_to(root / "a.txt")
    (root / "sub" / "loop").symlink_to(root)
    (root / "file").symlink_to(tmp_path / "out" / "secret.txt")
    (root / "folder").symlink_to(tmp_path / "out")
    items = {i.row.path[len(str(root)) + 1 :]: i for i in load(root)}
    assert {name: i.row.status for name, i in items.items()} == {
        "a.txt": "parsed",
        "file": "failed",
        "folder": "failed",
    }
    assert "secret" not in "".join(i.document.text for i in items.values() if i.document)


def test_one_file_named_in_many_ways_is_one_document(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.md").write_text("# Title\n\nHello")
    with contextlib.chdir(tmp_path):
        items = [*load("d/a.md"), *load(Path("d")), *load(tmp_path / "d" / ".." / "d" / "a.md")]
        assert len(find_files(["d", "d/a.md", tmp_path / "d"])) == 1
    assert len({i.document.id for i in items}) == len({i.document.version for i in items}) == 1
    (other,) = load(tmp_path / "d", Settings(tenant="b"))
    assert other.document.id != items[0].document.id


def test_any_exception_becomes_a_row_and_the_keyboard_still_stops(tmp_path, monkeypatch):
    for name in ("a.html", "b.txt"):
        (tmp_path / name).write_text("<html><p>Hello" if name == "a.html" else "Hello")
    monkeypatch.setattr(parse, "read_html", lambda *_: 1 / 0)
    assert [i.row.status for i in load(tmp_path)] == ["failed", "parsed"]

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(parse, "read_html", interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(load(tmp_path))


def test_report_is_escaped_bounded_and_sorted():
    rows = [FileRow(f"{i}.md", "parsed", chars=1, chunks=2) for i in range(60)]
    rows += [FileRow("<b>\x1b[31m", "failed", "<script>")]
    report = IngestReport(tuple(rows))
    shown = report._repr_html_()
    assert "<b>" not in shown and "<script>" not in shown and "\x1b" not in shown + str(report)
    assert str(report).splitlines()[2].startswith("failed")
    assert "11 more" in str(report) and "11 more" in shown
    assert to_json(report)["rows"][60]["status"] == "failed"
    assert str(IngestReport()) and IngestReport()._repr_html_()


STARTS = [
    b"",
    b"%PDF-1.4\n",
    b"PK\3\4",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"<html>",
    b'{"nbformat": 4, "cells": [',
]


FILES = st.tuples(
    st.sampled_from(STARTS),
    st.binary(max_size=300) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass")),
    st.sampled_from(["", ".md", ".pdf", ".docx", ".html", ".ipynb", ".py", ".txt"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(FILES, min_size=1, max_size=4))
def test_any_bytes_yield_one_row_each(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("any")
    for i, (start, rest, suffix) in enumerate(files):
        (folder / f"{i}{suffix}").write_bytes(start + rest)
    items = list(load(folder))
    report = IngestReport(tuple(item.row for item in items))
    assert len(items) == len(files) == sum(report.counts.values()) == len(report.parsed) + len(report.failed)
    for item in items:
        assert (item.document is not None) == (item.row.status in ("parsed", "partial"))
        assert item.row.status == "parsed" or item.row.reason
        if item.document:
            assert "\0" not in item.document.text and "\r" not in item.document.text
            json.dumps(to_json(item), ensure_ascii=False).encode()  # fails on a lone surrogate
            assert item.row.chars == len(item.document.text)


def words(text):
    return Counter(re.findall(r"\w+", re.sub(r"(?s)<!--.*?-->", "", text).lower().replace("\\_", "_")))


@pytest.fixture(scope="module")
def real():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a library that complains to the terminal would bury the report
        return {path: load_file(path, Settings(ocr="never")) for path in sorted(DATA.glob("*/sources/*"))}


@needs_data
def test_every_real_file_yields_one_row(real):
    assert len(real) == sum(len(list(folder.iterdir())) for folder in DATA.glob("*/sources"))
    report = IngestReport(tuple(item.row for item in real.values()))
    assert sum(report.counts.values()) == len(real)
    assert "failed" not in report.counts, str(report)
    assert report.counts["encrypted"] == 2 and report.counts["needs OCR"] == 8


@needs_data
@pytest.mark.parametrize("kind", ["docx", "html", "md", "pdf"])
def test_real_files_keep_their_words(real, kind):
    recalls = {}
    for path, item in real.items():
        folder = path.parent.parent
        truths = [folder / "groundtruth" / f"{n}.md" for n in (path.name, path.stem)]
        truth = next((words(t.read_text(encoding="utf-8")) for t in truths if t.exists()), None)
        if folder.name == kind and truth:
            got = words(item.document.text) if item.document else Counter()
            recalls[path.name] = (got & truth).total() / truth.total()
    assert len(recalls) >= 10
    assert median(recalls.values()) >= 0.85, recalls
