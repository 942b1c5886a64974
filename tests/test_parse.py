"""What is in a file: odd and bad bytes, what each reader keeps, and how long a hostile file may take."""

import io
import json
import threading
import time
import zipfile
import zlib

import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import ParseError, Settings
from liquid_ai.ingestion import package, page, parse
from liquid_ai.ingestion import pdf as pdf_module
from liquid_ai.ingestion.load import load, load_file
from liquid_ai.ingestion.ocr import can_ocr
from liquid_ai.ingestion.parse import read_html, read_markdown
from liquid_ai.ingestion.pdf import read_pdf
from liquid_ai.ingestion.recognise import recognise
from liquid_ai.ingestion.word import read_docx

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


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
OCR = not can_ocr()
LOCKED = bytearray(docx())
LOCKED[6] |= 1  # the local header
LOCKED[LOCKED.index(b"PK\1\2") + 8] |= 1  # the central directory

STYLES = "<Relationships><Relationship Id='a' Type='x/styles' Target='styles.xml'/></Relationships>"
STYLES = {"word/_rels/document.xml.rels": STYLES}

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
    "no_document.docx": (zipped(**{"word/document.xml": "<a>"}), "failed", "damaged"),
    "truncated.ipynb": (notebook()[:-5], "failed", "truncated"),
    "no_cells.ipynb": (b'{"nbformat": 4}', "empty", "no text"),
    "sheet.xlsx": (zipped(**{"xl/workbook.xml": ""}), "failed", "no workbook in it"),
    "slides.docx": (zipped(**{"ppt/presentation.xml": ""}), "failed", "named .docx, is PowerPoint"),
    "letter.odt": (zipped(mimetype="application/vnd.oasis.opendocument.text"), "failed", "no content in it"),
    "archive.zip": (zipped(), "empty", "no files in it"),
    "legacy.doc": (OLE + "WordDocument".encode("utf-16-le"), "failed", "damaged or truncated"),
    "other_legacy.doc": (OLE + b"WordDocument", "unsupported", "legacy Office"),
    "locked.docx": (OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted", "password"),
    "locked_entries.docx": (bytes(LOCKED), "encrypted", "password"),
    "photo.md": (b"\xff\xd8\xff\xe0 JFIF", "failed" if OCR else "needs OCR", "picture"),
    "laughs.docx": (docx("&e11;", f'<!DOCTYPE x [<!ENTITY e0 "ha">{LAUGHS}]>'), "failed", "entities"),
    "external.docx": (docx("&e;", '<!DOCTYPE x [<!ENTITY e SYSTEM "/etc/passwd">]>'), "failed", "entities"),
    "dtd_in_styles.docx": (docx(**STYLES, **{"word/styles.xml": "<!DOCTYPE a><a/>"}), "failed", "entities"),
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
    assert time.perf_counter() - started < 60  # it ends; how fast is for the benchmarks


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
    "other.xml": (b"<?xml version='1.0'?><div>Hello</div>", "Hello", ""),
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


def test_limits(tmp_path):
    (tmp_path / "a.txt").write_text("Hello, world")
    (tmp_path / "b.pdf").write_bytes(pdf(3))
    for limit in ("max_file_bytes", "max_document_chars", "max_pages"):
        reasons = " ".join(item.row.reason for item in load(tmp_path, Settings(**{limit: 2})))
        assert f"Settings.{limit} is 2" in reasons


def test_html_of_hostile_shapes_is_quick():
    started = time.perf_counter()
    assert read_html("<ol>" + "<li>x" * 20_000 + "</ol>").text.endswith("20000. x")
    assert len(read_html("<table>" + "<tr><td colspan=1000>x" * 2_000 + "</table>").text) < 1_000_000
    assert read_html("<table>" + "<tr><td rowspan=40>x" * 2_000 + "</table>").text.count("x") == 2_000
    assert recognise(b"<!-- -->" * 2_000 + b"x", "")[0] == "plain text"
    assert recognise(b"# a" + b"#" * 1_000_000 + b"b", ".md")[0] == "Markdown"
    assert read_markdown("# a" + "#" * 1_000_000 + "b").title
    assert read_markdown("```\n" * 10_001).title == ""
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
        ["4", "2", "5"],
        ["4", "2", "6"],
        ["7", "7", "8"],
        ["9", "10", "11"],
        ["12", "13"],
    ]


def test_a_table_gets_one_line_under_its_first_row():
    cells = "<tr><td>a<td>b<tr><th>c<th>d"
    shapes = [cells, f"<caption>x</caption>{cells}", f"<thead></thead><tbody>{cells}", f"<tr>{cells}"]
    shapes += ["<thead><tr><td>a<td>b<tbody><tr><th>c<th>d", "<tbody><tr><td>a<td>b<tbody><tr><td>c<td>d"]
    for shape in shapes:
        text = read_html(f"<table>{shape}</table>").text
        assert "| a | b |\n| --- | --- |\n| c | d |" in text and text.count("---") == 2, (shape, text)


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
    loaded = load_file(path)
    read = (
        loaded.row.status in ("parsed", "partial") and loaded.row.mime != "application/zip"
    )  # a name was hit
    assert (loaded.document is not None) == read and loaded.row.path


def test_errors_are_parse_errors():
    for data in (b"%PDF-1.4", pdf()[:100]):
        with pytest.raises(ParseError, match="failed"):
            read_pdf(data)


TAGS, WORK, XML_TAGS = parse._MAX_TAGS, page._MAX_WORK, package._MAX_TAGS
LINES = "x\n" * 1_000


def drawing(lines, pages):
    "A PDF of many pages that share one drawing, compressed to almost nothing."
    packed, ids = zlib.compress(b"0 0 m 9 9 l S\n" * lines), range(4, 4 + pages)
    kids = " ".join(f"{i} 0 R" for i in ids)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 3 0 R >>"
    stream = b"<< /Filter /FlateDecode /Length %d >>\nstream\n%b\nendstream" % (len(packed), packed)
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Kids [%b] /Count %d >>" % (kids.encode(), pages)]
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % o for o in enumerate([*objects, stream, *[page] * pages], 1))
    return b"%PDF-1.4\n" + body + b"trailer << /Root 1 0 R >>\n%%EOF"


SHORT = Settings(max_document_chars=50_000)
BOUNDS = {  # what would take minutes or gigabytes: the call, a word of the reason
    "tags": (lambda: read_html("<b>" * (TAGS + 1)), "250,001 tags"),
    "tags in Word": (lambda: read_docx(docx("<w:p/>" * XML_TAGS)), "tags or more"),
    "attributes in Word": (lambda: read_docx(docx(f"<w:p a='{'=' * 5 * XML_TAGS}'/>")), "tags or more"),
    "entries": (lambda: recognise(b"PK\3\4" + b"PK\1\2" * (TAGS + 1), ""), "250,001 entries"),
    "depth": (lambda: read_html("<div>" * 200 + "x " * (WORK // 390)), "nested too deeply for its size"),
    "quotes": (
        lambda: read_html("<blockquote>" * 99 + f"<pre>{LINES}", SHORT),
        "Settings.max_document_chars",
    ),
    "lists": (lambda: read_html("<ul><li>" * 99 + f"<pre>{LINES}", SHORT), "Settings.max_document_chars"),
    "definitions": (
        lambda: read_html("<dl><dd>" * 99 + f"<pre>{LINES}", SHORT),
        "Settings.max_document_chars",
    ),
    "wide cells": (
        lambda: read_html("<tr><td rowspan=39 colspan=39>x" * 999, SHORT),
        "Settings.max_document",
    ),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_no_file_takes_forever(name):
    call, reason = BOUNDS[name]
    started = time.process_time()
    with pytest.raises(ParseError, match=reason):
        call()
    assert time.process_time() - started < 2


def test_many_tags_deep_down_are_refused(monkeypatch):
    source = "<div>" * 200 + "<b>x</b>" * 2_000
    assert read_html(source).text.count("x") == 2_000
    monkeypatch.setattr(page, "_MAX_WORK", WORK // 200)  # a part of it, so that the test is quick
    with pytest.raises(ParseError, match="nested too deeply for its size"):
        read_html(source)


@pytest.mark.parametrize("section", ["<tr>", "<tbody><tr>", "</thead><thead><tr>"])
def test_time_grows_with_the_rows_and_not_with_their_square(section):
    started = time.process_time()
    text = read_html("<table><thead>" + f"{section}<td>x" * 3_000).text
    assert text.count("| x |") == 3_000 and text.count("---") == 1
    assert time.process_time() - started < 2


def test_a_note_is_written_once_however_often_it_is_referred_to():
    note = "<w:footnote w:id='1'>" + "<w:p><w:r><w:t>small print</w:t></w:r></w:p>" * 50 + "</w:footnote>"
    body = "<w:p>" + "<w:r><w:footnoteReference w:id='1'/></w:r>" * 5_000 + "</w:p>"
    started = time.process_time()
    footnotes = f"<w:footnotes {WORD}>{note}</w:footnotes>"
    related = (
        "<Relationships><Relationship Id='a' Type='x/footnotes' Target='footnotes.xml'/></Relationships>"
    )
    parts = {"word/footnotes.xml": footnotes, "word/_rels/document.xml.rels": related}
    text = read_docx(docx(body, **parts)).text
    assert text.count("small print") == 50
    assert time.process_time() - started < 2


def test_equations_within_equations_are_written_once():
    math = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    deep = f"<m:oMath {math}>" * 100 + "<m:t>E=mc</m:t>" + "</m:oMath>" * 100
    assert read_docx(docx(f"<w:p>{deep}</w:p>")).text.count("E=mc") == 1


def test_pdf_that_draws_without_end_is_given_up(monkeypatch):
    never = Settings(ocr="never")
    with pytest.raises(ParseError, match="needs OCR"):
        read_pdf(drawing(1_000, 3), never)
    monkeypatch.setattr(pdf_module, "_PDF_SECONDS", 0.1)
    monkeypatch.setattr(pdf_module, "_PAGE_SECONDS", 0)
    monkeypatch.setattr(pdf_module, "_LAYOUT_SECONDS", 0)
    started = time.process_time()
    with pytest.raises(ParseError, match=r"too slow: given up at page \d+ of 2,000"):
        read_pdf(drawing(20_000, 2_000), never)
    assert time.process_time() - started < 2


def test_notebooks_of_before_version_four_and_cells_without_a_source(tmp_path):
    old = {"cell_type": "code", "input": ["heron = 1"], "outputs": [{"output_type": "pyout", "text": ["1"]}]}
    sheets = {"nbformat": 3, "worksheets": [{"cells": [old]}]}
    (tmp_path / "old.ipynb").write_text(json.dumps(sheets))
    (tmp_path / "odd.ipynb").write_bytes(
        notebook({"cell_type": "raw"}, {"cell_type": "raw", "source": "Tide."})
    )
    odd, before = load(tmp_path)
    assert "heron = 1" in before.document.text and "```output\n1\n```" in before.document.text
    assert odd.document.text.strip() == "Tide."
