"""PDFs and pictures: tables, headings, columns, where a quote stands, and what OCR reads."""

import io
import os
import re
import time
import zlib
from pathlib import Path

import pytest
from conftest import need
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from test_load import DATA, needs_data

from benchmarks.conversion import cells, recall, references, words
from liquid_ai.core import ParseError, Settings
from liquid_ai.ingestion import ocr, pdf
from liquid_ai.ingestion.load import load_each, load_file
from liquid_ai.ingestion.ocr import read_image
from liquid_ai.ingestion.pdf import boxes, read_pdf

NEVER = Settings(ocr="never")


def made(*pages, turn=0, size=(600, 800), crop=""):
    "A PDF of these drawings; `{x} {y} text` at a size of 10 where one is a list."
    ids = range(4, 4 + 2 * len(pages), 2)
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    objects += [b"<< /Kids [%b] /Count %d >>" % (" ".join(f"{i} 0 R" for i in ids).encode(), len(pages))]
    objects += [b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    for i, page in zip(ids, pages, strict=True):
        drawn = page if isinstance(page, bytes) else b"".join(map(shown, page))
        box = f"/MediaBox [0 0 {size[0]} {size[1]}] /Rotate {turn} {crop}".encode()
        rest = b"/Resources << /Font << /F1 3 0 R >> >>"
        objects.append(b"<< /Type /Page /Parent 2 0 R %b /Contents %d 0 R %b >>" % (box, i + 1, rest))
        packed = zlib.compress(drawn)
        stream = b"stream\n%b\nendstream" % packed
        objects.append(b"<< /Filter /FlateDecode /Length %d >>\n%b" % (len(packed), stream))
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % o for o in enumerate(objects, 1))
    return b"%PDF-1.4\n" + body + b"trailer << /Root 1 0 R >>\n%%EOF"


def shown(piece):
    if isinstance(piece, bytes):
        return piece + b"\n"
    x, y, text, *size = piece
    text = re.sub(r"([()\\])", r"\\\1", text)
    return f"BT /F1 {size[0] if size else 10} Tf {x} {y} Td ({text}) Tj ET\n".encode()


def grid(xs, ys):
    lines = [f"{xs[0]} {y} m {xs[-1]} {y} l S " for y in ys] + [
        f"{x} {ys[0]} m {x} {ys[-1]} l S " for x in xs
    ]
    return "".join(lines).encode()


ROWS = [["port", "range", "moon"], ["Brest", "6.1 | 7.2", "full"], ["Saint-Malo", "12.0", "new"]]
XS, YS = (50, 150, 250, 350), (600, 620, 640, 660)


def ruled():
    return [(XS[c] + 5, YS[2 - r] + 6, cell) for r, row in enumerate(ROWS) for c, cell in enumerate(row)]


TABLE = "| port | range | moon |\n| --- | --- | --- |\n"
TABLE += "| Brest | 6.1 \\| 7.2 | full |\n| Saint-Malo | 12.0 | new |"


def rectangles():
    "The same grid, each cell a box of its own."
    return "".join(f"{x} {y} 100 20 re S " for x in XS[:-1] for y in YS[:-1]).encode()


def hairs():
    "The same grid of thin filled boxes."
    level = "".join(f"50 {y} 300 0.5 re f " for y in YS)
    return (level + "".join(f"{x} 600 0.5 60 re f " for x in XS)).encode()


def open_sides():
    "The same grid without its outer upright rules."
    level = "".join(f"50 {y} m 350 {y} l S " for y in YS)
    return (level + "150 600 m 150 660 l S 250 600 m 250 660 l S").encode()


@pytest.mark.parametrize("rules", [grid(XS, YS), rectangles(), hairs(), open_sides()])
@pytest.mark.parametrize("order", [1, -1])
def test_tables_with_rules(rules, order):
    above, below = (50, 700, "What stands above."), (50, 560, "What stands below.")
    text = read_pdf(made([above, below, rules, *ruled()[::order]])).text
    assert TABLE in text and text.index("above") < text.index("| port") < text.index("below")


def test_tables_drawn_last_stand_where_they_are_shown():
    lines = [(50, 700, "Before it."), (50, 560, "After it."), (50, 540, "And on.")]
    text = read_pdf(made([*lines, grid(XS, YS), *ruled()])).text
    assert text.index("Before it.") < text.index(TABLE) < text.index("After it.")


def test_merged_cells_leave_room():
    rules = b"50 600 300 60 re S 50 620 m 350 620 l S 50 640 m 350 640 l S "
    rules += b"150 600 m 150 640 l S 250 600 m 250 640 l S"
    rows = [(55, 646, "All of them"), *ruled()[3:]]
    assert "| All of them |  |  |\n| --- | --- | --- |\n| Brest |" in read_pdf(made([rules, *rows])).text


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_pages_stored_on_their_side(turn):
    height = 800 if turn == 180 else 600
    a, b, c, d = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[turn]
    e, f = {90: (600, 0), 180: (600, 800), 270: (0, 800)}[turn]
    drawn = f"q {a} {b} {c} {d} {e} {f} cm ".encode()
    body = b"".join(map(shown, [(50, 500, "Above."), *((x, y - 150, t) for x, y, t in ruled())]))
    body += grid(XS, [y - 150 for y in YS])
    data = made(drawn + body + b" Q", turn=turn)
    assert "| Saint-Malo | 12.0 | new |" in read_pdf(data).text
    ((left, top, right, bottom),) = boxes(data, 1, "Above.")
    assert 45 < left < 55 and right < 100 and height - 515 < top < bottom < height - 495


def test_quotes_are_found_on_their_page():
    lines = [(50, 700, "The tide at Brest (France) has a range"), (50, 680, "of six metres, they say.")]
    data = made([(50, 700, "Not here.")], lines)
    one, two = boxes(data, 2, "Brest (France) has\n\na **range** of six")
    assert one[1] == pytest.approx(800 - 700 - 8, abs=4) and two[1] == pytest.approx(800 - 680 - 8, abs=4)
    assert one[0] > 100 and two[0] == pytest.approx(50, abs=2) and two[2] < 100
    assert (
        boxes(data, 1, "Brest")
        == boxes(data, 3, "Brest")
        == boxes(data, 0, "Brest")
        == boxes(data, 2, " ,")
        == []
    )
    cropped = made(lines, crop="/CropBox [40 600 400 750]")
    assert boxes(cropped, 1, "The tide")[0][:2] == pytest.approx((10, 750 - 700 - 8), abs=4)
    with pytest.raises(ParseError):
        boxes(b"%PDF-", 1, "x")


def test_columns_drawn_line_by_line_are_read_one_after_the_other():
    left = [f"The {n} line on the left side goes" for n in ("first", "second", "third", "fourth", "fifth")]
    right = [f"on the right side the {n} line" for n in ("first", "second", "third", "fourth", "fifth")]
    rows = [p for i in range(5) for p in ((50, 700 - 12 * i, left[i]), (320, 700 - 12 * i, right[i]))]
    assert read_pdf(made(rows)).text.split("\n") == left + right
    apart = [
        *((50, 700 - 12 * i, t) for i, t in enumerate(left)),
        *((320, 700 - 12 * i, t) for i, t in enumerate(right)),
    ]
    assert read_pdf(made(apart)).text.split("\n") == left + right


def test_tables_without_rules():
    rows = [(50 + 120 * c, 700 - 14 * r, cell) for r, row in enumerate(ROWS) for c, cell in enumerate(row)]
    assert TABLE in read_pdf(made(rows)).text
    text = "It goes on and on, and has no gap that others share, whatever its words are."
    prose = [(50, 700 - 12 * i, text[i:] + text[:i]) for i in range(30)]
    bullets = [
        p for i in range(5) for p in ((50, 300 - 12 * i, "1."), (75, 300 - 12 * i, "One of the many things"))
    ]
    assert "| --- |" not in read_pdf(made(prose)).text + read_pdf(made(bullets)).text


def test_larger_lines_are_headings():
    body = [(50, 600 - 12 * i, "The tide comes in and goes out again.") for i in range(20)]
    page = [(50, 700, "Of the", 24), (50, 670, "Tides", 24), (50, 640, "When they come", 14), *body]
    parsed = read_pdf(made(page))
    assert (
        parsed.text.startswith("# Of the Tides\n\n## When they come\n\nThe tide comes in")
        and parsed.title == "Of the Tides"
    )
    assert "#" not in read_pdf(made([(50, 700 - 30 * i, f"Slide {i}", 24) for i in range(9)])).text


def test_pages_know_where_they_start():
    parsed = read_pdf(made([(50, 700, "One.")], [], [(50, 700, "Three.")]), NEVER)
    assert [parsed.text[a:].split("\n")[0] for a in parsed.pages] == [
        "One.",
        "",
        "Three.",
    ] and not parsed.partial


def test_no_page_takes_the_square_of_its_pieces():
    words = [(5 + i % 500, 5 + i // 500, "x") for i in range(20_001)]
    started = time.process_time()
    with pytest.raises(ParseError, match="page 1 has over 20,000 pieces"):
        read_pdf(made(words))
    assert time.process_time() - started < 3
    boxed = read_pdf(
        made([b"".join(b"%d %d 5 5 re S " % (i % 600, i // 600) for i in range(9_000)), *ruled()])
    )
    assert "Saint-Malo" in boxed.text and time.process_time() - started < 6


def test_when_time_is_short_tables_go_first(monkeypatch):
    monkeypatch.setattr(pdf, "_LAYOUT_SECONDS", -1)
    parsed = read_pdf(made(*[[grid(XS, YS), *ruled()]] * 6))
    assert parsed.text.count("Saint-Malo") == 6 > parsed.text.count("\n| --- ")
    assert "tables and headings not looked for on" in parsed.notes[0]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_never_raise(data):
    whole = bytearray(made([grid(XS, YS), *ruled()], [(50, 700, "Two.")]))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(8, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_pdf(bytes(whole), NEVER)
    except ParseError as e:
        assert e.reason


def scan(*lines, size=48):
    picture = Image.new("L", (1_500, 80 * len(lines) + 80), "white")
    for i, line in enumerate(lines):
        ImageDraw.Draw(picture).text((50, 40 + 80 * i), line, font=ImageFont.load_default(size), fill="black")
    return picture


def as_file(picture, kind="PNG", **rest):
    packed = io.BytesIO()
    picture.save(packed, kind, **rest)
    return packed.getvalue()


SAID = "The tide at Brest has a range", "of six metres and ten at most,", "says the almanac of the port."


def test_scanned_pages_are_told_where_nobody_reads_them(monkeypatch):
    data = as_file(scan(*SAID), "PDF")
    for asked in (NEVER, Settings(ocr_languages="-c x")):
        with pytest.raises(ParseError, match="no text on any of its 1 pages") as caught:
            read_pdf(data, asked)
        assert caught.value.status == "needs OCR"
    monkeypatch.setenv("PATH", os.devnull)
    for call in (lambda: read_pdf(data), lambda: read_image(as_file(scan(*SAID)))):
        with pytest.raises(ParseError, match="tesseract is not installed"):
            call()


def test_scanned_pages_are_read():
    need("tesseract")
    parsed = read_pdf(
        as_file(scan(*SAID), "PDF", save_all=True, append_images=[scan(*SAID[::-1]).rotate(180)])
    )
    assert [
        " ".join(parsed.text[a:b].split())
        for a, b in zip(parsed.pages, (*parsed.pages[1:], None), strict=True)
    ] == [
        " ".join(SAID),
        " ".join(SAID[::-1]),
    ]
    assert re.fullmatch(r"read by OCR, 9\d% sure: pages 1, 2", parsed.notes[0]) and not parsed.partial
    with pytest.raises(ParseError, match=r"tesseract failed: .*xyz"):
        read_image(as_file(scan(*SAID)), Settings(ocr_languages="xyz"))


WAYS = [("PNG", 0), ("JPEG", 0), ("TIFF", 0), ("GIF", 0), ("PNG", 90), ("JPEG", 180), ("PNG", 270)]


@pytest.mark.parametrize(("kind", "turn"), WAYS)
def test_pictures_are_read_whichever_way_up(kind, turn, tmp_path):
    need("tesseract")
    path = tmp_path / f"scan.{kind.lower()}"
    path.write_bytes(as_file(scan(*SAID).rotate(turn, expand=True), kind))
    item = load_file(path)
    assert item.document.text.split() == " ".join(SAID).split() and item.row.mime == f"image/{kind.lower()}"


def test_pictures_that_are_hostile(monkeypatch):
    need("tesseract")
    for data in (b"\x89PNG\r\n\x1a\n", as_file(scan("x"))[:200], b"II*\0" + b"\xff" * 50, b"GIF89a"):
        with pytest.raises(ParseError, match="damaged picture"):
            read_image(data)
    huge = bytearray(as_file(Image.new("1", (9, 9))))
    huge[16:24] = (60_000).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    with pytest.raises(ParseError, match="damaged picture|points"):
        read_image(bytes(huge))
    pages = as_file(scan("x"), "TIFF", save_all=True, append_images=[scan("y")] * 3)
    with pytest.raises(ParseError, match="Settings.max_pages is 3"):
        read_image(pages, Settings(max_pages=3))
    monkeypatch.setattr(ocr, "_SECONDS", 0.01)
    with pytest.raises(ParseError, match="OCR took over") as caught:
        ocr.see(scan(*SAID), seconds=0.01)
    assert caught.value.status == "needs OCR"


@needs_data
def test_real_pdfs_keep_their_words_and_tables():
    found, kept, wanted = [], 0, 0
    for path, truth in references():
        if truth is not None and path.parent.parent.name == "pdf":
            text, reference = load_file(path).document.text, truth.read_text("utf-8")
            found.append(recall(words(text), words(reference)))
            kept += (cells(text) & cells(reference)).total()
            wanted += cells(reference).total()
    assert len(found) >= 10 and sorted(found)[len(found) // 2] > 0.97 and min(found) > 0.8
    assert kept / wanted > 0.85


@needs_data
def test_real_scans_are_read():
    need("tesseract")
    for path in sorted((DATA / "ocr" / "sources").glob("ocr_test*.pdf")):
        truth = (
            DATA / "ocr" / "groundtruth" / "tesseract" / "full_page" / f"{path.stem}.tesseract.full_page.md"
        )
        assert recall(words(load_file(path).document.text), words(truth.read_text("utf-8"))) > 0.9, path


def with_objects(pdf, catalog, page, *objects):
    "A PDF with more in its catalogue, on its first page, and after its objects, which count from 20."
    pdf = pdf.replace(b"/Type /Catalog", b"/Type /Catalog " + catalog, 1)
    pdf = pdf.replace(b"/Type /Page /Parent", b"/Type /Page " + page + b" /Parent", 1)
    more = b"".join(b"%d 0 obj\n%b\nendobj\n" % o for o in enumerate(objects, 20))
    return pdf.replace(b"trailer", more + b"trailer")


RECT = b"<< /Type /Annot /Rect [50 40 90 60] "
FILLED = [
    RECT + b"/Subtype /Widget /Parent 21 0 R >>",
    b"<< /FT /Tx /T (f1) /TU (Family name) /V (Lovelace) /Kids [20 0 R] >>",
    RECT + b"/Subtype /Widget /FT /Btn /T (adult) /V /Yes /AS /Yes >>",
    RECT + b"/Subtype /Widget /FT /Btn /T (minor) /V /Off /AS /Off >>",
    RECT + b"/Subtype /Text /Contents (Call her back.) >>",
    RECT + b"/Subtype /Link /Contents (a link) >>",
    b"<< /Type /EmbeddedFile /Length 17 >>\nstream\nHerons eat fish.\n\nendstream",
]


def test_what_was_filled_in_noted_and_attached_is_read(tmp_path):
    catalog = b"/AcroForm << /Fields [21 0 R 22 0 R 23 0 R] >> /Names << /EmbeddedFiles << /Names ["
    catalog += b"(a) << /F (a.txt) /EF << /F 26 0 R >> >> (b) << /F (a.txt) /EF << /F 26 0 R >> >>] >> >>"
    page = b"/Annots [20 0 R 22 0 R 23 0 R 24 0 R 25 0 R]"
    (path := tmp_path / "form.pdf").write_bytes(
        with_objects(made([(20, 50, "Form")], [(20, 50, "Next")]), catalog, page, *FILLED)
    )
    *inside, form = load_each(path)
    text = form.document.text
    assert text == "Form\n\nFamily name: Lovelace\nadult: Yes\nCall her back.\n\nNext"
    assert [text[at:][:4] for at in form.document.pages] == ["Form", "Next"]
    assert [(Path(i.row.path).name, i.document.text.strip()) for i in inside] == [
        ("a.txt", "Herons eat fish."),
        ("a (2).txt", "Herons eat fish."),
    ]
    assert form.row.reason == "2 files inside"


def test_a_scan_with_a_note_is_still_a_scan():
    scan = with_objects(made(b"0 0 m 90 90 l S"), b"", b"/Annots [24 0 R]", *FILLED)
    read = read_pdf(scan, NEVER)
    assert read.partial and read.text == "Call her back." and "which need OCR" in read.notes[0]
