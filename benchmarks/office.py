"""Readers of Office files beside each other: the words and cells they find, and the time they take."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median

from liquid_ai.core import Settings
from liquid_ai.ingestion.office import read_pptx, read_xlsx
from liquid_ai.ingestion.opendocument import read_odf
from liquid_ai.ingestion.package import table
from liquid_ai.ingestion.parse import read_html
from liquid_ai.ingestion.word import read_docx

from .conversion import cells, recall, references, words
from .report import Figure

OURS = "liquid_ai"


def mammoth(data: bytes) -> str:
    import mammoth as library

    no_image = library.images.img_element(lambda image: {})
    return read_html(library.convert_to_html(io.BytesIO(data), convert_image=no_image).value, Settings()).text


def python_pptx(data: bytes) -> str:
    from pptx import Presentation

    found = []
    for slide in Presentation(io.BytesIO(data)).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                found.append(shape.text_frame.text)
            if shape.has_table:
                found.append(table([[cell.text for cell in row.cells] for row in shape.table.rows]))
        found += [slide.notes_slide.notes_text_frame.text] if slide.has_notes_slide else []
    return "\n\n".join(found)


def calamine(data: bytes) -> str:
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_object(io.BytesIO(data))
    sheets = ((name, book.get_sheet_by_name(name).to_python()) for name in book.sheet_names)
    return "\n\n".join(
        f"## {name}\n\n{table([[_text(v) for v in row] for row in rows])}" for name, rows in sheets
    )


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


READERS: dict[str, dict[str, Callable[[bytes], str]]] = {
    ".docx": {OURS: lambda data: read_docx(data).text, "mammoth": mammoth},
    ".pptx": {OURS: lambda data: read_pptx(data).text, "python-pptx": python_pptx},
    ".xlsx": {OURS: lambda data: read_xlsx(data).text, "python-calamine": calamine},
    ".ods": {OURS: lambda data: read_odf(data).text, "python-calamine": calamine},
}


def measure(limit: int = 0) -> dict[str, Figure]:
    "Recall of words and of cells against the reference conversions, and the time of a file."
    files: dict[str, list[tuple[bytes, str]]] = {}
    for path, truth in references():
        suffix = {".xlsm": ".xlsx"}.get(path.suffix, path.suffix)
        if truth and suffix in READERS:
            files.setdefault(suffix, []).append(
                (path.read_bytes(), Path(truth).read_text("utf-8", "replace"))
            )
    figures = {}
    for suffix, readers in READERS.items():
        pairs = files.get(suffix, [])[: limit or None]
        for name, reader in readers.items():
            figures |= _figures(f"{suffix}, {name}", reader, pairs)
    return figures


def _figures(name: str, reader: Callable, pairs: list[tuple[bytes, str]]) -> dict[str, Figure]:
    found, seconds, failed = [], [], 0
    for data, truth in pairs:
        taken = []
        for _ in range(4):  # the first of them is a warm-up
            start = time.perf_counter()
            try:
                text = reader(data)
            except Exception:
                text, failed = "", failed + 1
                break
            taken.append(time.perf_counter() - start)
        seconds += [min(taken[1:])] if len(taken) == 4 else []
        found.append((text, truth))
    said = [r for text, truth in found if (r := recall(words(text), words(truth))) is not None]
    hit, wanted = (
        sum((cells(a) & cells(b)).total() for a, b in found),
        sum(cells(b).total() for _, b in found),
    )
    note = f"{len(pairs)} files" + (f", {failed} not read" if failed else "")
    return {
        f"words found, mean, {name}": Figure(value=mean(said), note=note),
        f"cells found, {name}": Figure(value=hit / wanted if wanted else None, note=f"of {wanted:,}"),
        f"time of a file, median, {name}": Figure(value=median(seconds) * 1e3, unit="ms"),
    }
