"""Bad inputs, properties, and the real files: every file given yields one row, whatever is in it."""

import contextlib
import io
import json
import os
import re
import threading
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from statistics import median

import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import InputError, ParseError, Settings, to_json
from liquid_ai.ingestion import load as loader
from liquid_ai.ingestion.load import FileRow, IngestReport, find_files, load, load_file, read_html, read_pdf

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
DATA = Path(os.environ.get("LIQUID_AI_DATA") or Path(__file__).parents[2] / "shared" / "data") / "documents"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real files at {DATA}; set LIQUID_AI_DATA")


def docx(body="<w:p><w:r><w:t>Hello</w:t></w:r></w:p>", prolog="", **entries):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("word/document.xml", f"{prolog}<w:document {WORD}><w:body>{body}</w:body></w:document>")
        for name, content in entries.items():
            out.writestr(name, content)
    return packed.getvalue()


def pdf(pages=1):
    made, file = pypdfium2.PdfDocument.new(), io.BytesIO()
    for _ in range(pages):
        made.new_page(200, 100)
    made.save(file)
    return file.getvalue()


def zipped(**entries):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        for name, content in entries.items():
            out.writestr(name, content)
    return packed.getvalue()


def notebook(*cells):
    return json.dumps({"nbformat": 4, "metadata": {}, "cells": list(cells)}).encode()


LAUGHS = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
LOCKED = bytearray(docx())
LOCKED[6] |= 1  # the local header
LOCKED[LOCKED.index(b"PK\1\2") + 8] |= 1  # the central directory

BAD = {  # name: bytes, status, a word of the reason
    "empty.md": (b"", "empty", "no text"),
    "blank.txt": (b" \n\t\r\n", "empty", "no text"),
    "blank.pdf": (pdf(2), "empty", "no text"),
    "blank.docx": (docx(""), "empty", "no text"),
    "binary.txt": (bytes(range(256)), "unsupported", "binary"),
    "nul.txt": (b"a\0b", "unsupported", "binary"),
    "controls.txt": (b"\x01\x02\x03\x04abc", "unsupported", "not text"),
    "truncated.pdf": (pdf()[:200], "failed", "truncated"),
    "only_the_start.pdf": (b"%PDF-1.7\n", "failed", "truncated"),
    "truncated.docx": (docx()[:150], "failed", "truncated zip"),
    "no_document.docx": (zipped(**{"word/document.xml": "<a>"}), "failed", "ExpatError"),
    "truncated.ipynb": (notebook()[:-5], "failed", "truncated"),
    "no_cells.ipynb": (b'{"nbformat": 4}', "failed", "KeyError"),
    "sheet.xlsx": (zipped(**{"xl/workbook.xml": ""}), "unsupported", "Excel"),
    "slides.docx": (zipped(**{"ppt/presentation.xml": ""}), "unsupported", "PowerPoint"),
    "letter.odt": (zipped(mimetype="application/vnd.oasis.opendocument.text"), "unsupported", "opendocument"),
    "archive.zip": (zipped(a="b"), "unsupported", "application/zip"),
    "legacy.doc": (OLE + b"WordDocument", "unsupported", "legacy Office"),
    "locked.docx": (OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted", "password"),
    "locked_entries.docx": (bytes(LOCKED), "encrypted", "password"),
    "photo.md": (b"\xff\xd8\xff\xe0 JFIF", "unsupported", "image/jpeg"),
    "laughs.docx": (docx("&e11;", f'<!DOCTYPE x [<!ENTITY e0 "ha">{LAUGHS}]>'), "failed", "entities"),
    "external.docx": (docx("&e;", '<!DOCTYPE x [<!ENTITY e SYSTEM "/etc/passwd">]>'), "failed", "entities"),
    "dtd_in_styles.docx": (docx(**{"word/styles.xml": "<!DOCTYPE a><a/>"}), "failed", "entities"),
    "bomb.docx": (docx(**{"word/media/image.png": bytes(200_000_000)}), "failed", "max_file_bytes"),
    "xml_bomb.docx": (docx(" " * 30_000_000), "failed", "max_document_chars"),
    "deep.html": (b"<html>" + b"<div>" * 100_000 + b"x", "failed", "nested too deep"),
    "deep.ipynb": (b'{"cells": ' + b"[" * 100_000, "failed", "nested too deep"),
    "large.html": (b"<html>" + b"x" * 20_000_001, "failed", "max_document_chars"),
    "large.txt": (b"x" * 20_000_001, "failed", "max_document_chars"),
    "rich.rtf": (rb"{\rtf1 hello}", "unsupported", "application/rtf"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_become_rows(tmp_path, name):
    data, status, reason = BAD[name]
    (tmp_path / name).write_bytes(data)
    started = time.perf_counter()
    (item,) = load(tmp_path)
    assert (item.row.status, item.document) == (status, None), item.row
    assert reason in item.row.reason, item.row
    assert time.perf_counter() - started < 10


READ = {  # name: bytes, what its text holds, a word of the reason
    "page.pdf": (b"<!DOCTYPE html><p>Hello", "Hello", "named .pdf, is HTML"),
    "page.txt": (b"<!-- saved -->\n<html><body>Hello", "Hello", "named .txt, is HTML"),
    "piece.txt": (b"<h1>Hello</h1><p>you</p>", "# Hello", "named .txt, is HTML"),
    "letter.md": (docx(), "Hello", "named .md, is Word"),
    "word.pdf": (docx(), "Hello", "named .pdf, is Word"),
    "text.docx": (b"Hello", "Hello", "named .docx, is plain text"),
    "notebook.txt": (notebook({"cell_type": "markdown", "source": "Hello"}), "Hello", "is a notebook"),
    "readme.md": (b"<p align=center>Hello</p>\n", "<p align=center>", ""),
    "template.py": (b"<div>Hello</div>", "<div>", ""),
    "other.xml": (b"<?xml version='1.0'?><div>Hello</div>", "<div>", ""),
    "bom.txt": (b"\xef\xbb\xbfHello", "Hello", ""),
    "utf16.txt": ("Hell\u00f6".encode("utf-16"), "Hell\u00f6", ""),
    "utf32.txt": ("Hell\u00f6".encode("utf-32"), "Hell\u00f6", ""),
    "latin1.txt": ("caf\u00e9 au lait".encode("latin-1"), "caf\u00e9 au lait", "encoding guessed: cp1252"),
    "declared.html": (b"<html><meta charset=iso-8859-2>g\xea\xb6l\xb1", "g\u0119\u015bl\u0105", "guessed"),
    "crlf.txt": (b"a\r\nb\rc", "a\nb\nc", ""),
    "nul.html": (b"<html><p>a&#0;b &#xD800;", "a", ""),
    "new\nline.txt": (b"Hello", "Hello", ""),
    "no_name": (b"Hello", "Hello", ""),
}


@pytest.mark.parametrize("name", READ)
def test_odd_files_are_read(tmp_path, name):
    data, text, reason = READ[name]
    (tmp_path / name).write_bytes(data)
    (item,) = load([tmp_path])
    assert item.row.status == "parsed", item.row
    assert text in item.document.text
    assert reason in item.row.reason and bool(reason) == bool(item.row.reason)
    assert item.document.meta["path"] == name


def test_broken_utf8_is_partial(tmp_path):
    (tmp_path / "a.txt").write_bytes("Grüße ".encode() * 50 + b"\xff")
    (item,) = load(tmp_path)
    assert item.row.status == "partial" and item.document.text.count("ß") == 50


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
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
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


def test_limits(tmp_path):
    (tmp_path / "a.txt").write_text("Hello, world")
    (tmp_path / "b.pdf").write_bytes(pdf(3))
    for limit in ("max_file_bytes", "max_document_chars", "max_pages"):
        reasons = " ".join(item.row.reason for item in load(tmp_path, Settings(**{limit: 2})))
        assert f"Settings.{limit} is 2" in reasons


def test_any_exception_becomes_a_row_and_the_keyboard_still_stops(tmp_path, monkeypatch):
    for name in ("a.html", "b.txt"):
        (tmp_path / name).write_text("<html><p>Hello" if name == "a.html" else "Hello")
    monkeypatch.setattr(loader, "read_html", lambda *_: 1 / 0)
    assert [i.row.status for i in load(tmp_path)] == ["failed", "parsed"]

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loader, "read_html", interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(load(tmp_path))


def test_html_of_hostile_shapes_is_quick():
    started = time.perf_counter()
    assert read_html("<ol>" + "<li>x" * 20_000 + "</ol>").text.endswith("20000. x")
    assert len(read_html("<table>" + "<tr><td colspan=1000>x" * 2_000 + "</table>").text) < 1_000_000
    assert read_html("<table>" + "<tr><td rowspan=40>x" * 2_000 + "</table>").text.count("x") == 2_000
    assert loader.recognise(b"<!-- -->" * 2_000 + b"x", "")[0] == "plain text"
    assert loader.recognise(b"# a" + b"#" * 1_000_000 + b"b", ".md")[0] == "Markdown"
    assert loader._first_heading("# a" + "#" * 1_000_000 + "b")
    assert loader._first_heading("```\n" * 10_001) == ""
    assert time.perf_counter() - started < 20


def test_html_keeps_text_and_tables():
    page = read_html(
        "<title>T</title><body><h2>Head</h2><ul><li>one<ul><li>two</ul></ul><ol start=3><li>three</ol>"
        "<table><tr><td>a<td>b|c<tr><td>d<td>e</table><pre>x_y = 1 * 2</pre><img alt='a duck' src=d.png>"
        "<a href='javascript:x()'>here</a><script>no()</script><noscript>no</noscript><template>no</template>"
    )
    assert page.title == "T"
    assert "## Head" in page.text and "- one\n  - two" in page.text and "3. three" in page.text
    assert "| a | b\\|c |\n| --- | --- |\n| d | e |" in page.text and "x_y = 1 * 2" in page.text
    assert "a duck" in page.text and "no" not in page.text and "javascript" not in page.text


def test_merged_cells_keep_their_columns():
    page = read_html(
        "<table><tr><th>a<th>b<th>c<tr><td>1<td rowspan=3>2<td>3<tr><td rowspan=2>4<td>5<tr><td>6"
        "<tr><td colspan=2>7<td>8<tr><td rowspan=1>9<td rowspan=900>10<td>11<tr><td>12<td>13</table>"
    )
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in page.text.splitlines()]
    assert rows[2:] == [
        ["1", "2", "3"],
        ["4", "", "5"],
        ["", "", "6"],
        ["7", "", "8"],
        ["9", "10", "11"],
        ["12", "13"],
    ]


def test_notebooks_keep_text_and_count_the_rest(tmp_path):
    outputs = [
        {"output_type": "stream", "text": ["a\n", "b"]},
        {"output_type": "error", "ename": "KeyError", "evalue": "'x'", "traceback": []},
        {"output_type": "display_data", "data": {"image/png": "", "text/plain": "<Figure>"}},
        {"output_type": "execute_result", "data": {"text/plain": "12\ud800\0"}},
    ]
    code = {"cell_type": "code", "source": "```", "outputs": outputs}
    (tmp_path / "a.ipynb").write_bytes(notebook(code, {"cell_type": "raw", "source": "raw"}))
    (item,) = load(tmp_path)
    text = item.document.text
    assert "````python\n```\n````" in text and "```output\na\nb\n```" in text and "KeyError: 'x'" in text
    assert "12\ufffd\ufffd" in text and "<Figure>" not in text and text.endswith("raw")
    assert item.row.reason == "outputs left out because they are not text: 1"


def test_titles(tmp_path):
    texts = {
        "front.md": "---\ndate: 2020\ntitle: 'Front'\n---\n# Other",
        "fence.md": "```\n# no\n```\n## Fence ##",
        "line.md": "Line\n====\n",
        "stem.md": "no heading",
        "stem.txt": "# no heading in plain text",
        "stem.py": "# a comment",
        "head.html": "<html><head><title>head</title></head><h2>Contents</h2>",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        assert load_file(tmp_path / name).document.title.lower() == name.partition(".")[0]
    core = "<x xmlns:dc='d'><dc:title>A &amp; B</dc:title></x>"
    (tmp_path / "a.docx").write_bytes(docx(**{"docProps/core.xml": core}))
    assert load_file(tmp_path / "a.docx").document.title == "A & B"


def test_pdfium_from_many_threads():
    texts, one = [], pdf(5)
    threads = [threading.Thread(target=lambda: texts.append(read_pdf(one).pages)) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert texts == [(0, 2, 4, 6, 8)] * 8


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
    OLE,
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


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_plain_text_is_not_altered(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("text") / "a.py"
    path.write_bytes(b"x" + text.encode())
    assert load_file(path).document.text == "x" + text


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_damaged_word_files_never_raise(tmp_path_factory, at, patch):
    data = bytearray(docx())
    data[at % len(data) : at % len(data) + len(patch)] = patch
    path = tmp_path_factory.mktemp("damaged") / "a.docx"
    path.write_bytes(data)
    load_file(path)


def words(text):
    return Counter(re.findall(r"\w+", re.sub(r"(?s)<!--.*?-->", "", text).lower().replace("\\_", "_")))


@pytest.fixture(scope="module")
def real():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a library that complains to the terminal would bury the report
        return {path: load_file(path) for path in sorted(DATA.glob("*/sources/*"))}


@needs_data
def test_every_real_file_yields_one_row(real):
    assert len(real) == sum(len(list(folder.iterdir())) for folder in DATA.glob("*/sources"))
    report = IngestReport(tuple(item.row for item in real.values()))
    assert sum(report.counts.values()) == len(real)
    assert "failed" not in report.counts, str(report)
    assert report.counts["encrypted"] == 1 and report.counts["needs OCR"] == 6


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


def test_errors_are_parse_errors():
    for data in (b"%PDF-1.4", pdf()[:100]):
        with pytest.raises(ParseError, match="failed"):
            read_pdf(data)
