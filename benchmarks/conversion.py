"""How much of a file's words and table cells its conversion has, beside a reference in Markdown."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .data import folder_of

# tags only: "p < 0.05 and q > 1" is text
_NOT_TEXT = re.compile(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)|</?[A-Za-z][^<>]*>", re.S)
_RULE = re.compile(r"\s*\|?(\s*:?-+:?\s*\|)+\s*:?-*:?\s*\|?\s*")


def words(text: str) -> Counter:
    "The words of Markdown, without pictures, comments, tags and the targets of links."
    return Counter(re.findall(r"[^\W_]+", _NOT_TEXT.sub(" ", text.replace("&amp;", "&")).casefold()))


def cells(text: str) -> Counter:
    "The cells of Markdown tables, each as its words; empty ones left out."
    rows = [line.strip() for line in text.splitlines() if line.strip().startswith("|")]
    found = (
        " ".join(re.findall(r"[^\W_]+", _NOT_TEXT.sub(" ", cell).casefold()))
        for row in rows
        if not _RULE.fullmatch(row)
        for cell in re.split(r"(?<!\\)\|", row.strip("|"))
    )
    return Counter(cell for cell in found if cell)


def recall(found: Counter, wanted: Counter) -> float | None:
    "The share of `wanted` that is in `found`, each as often as it stands there; None: nothing is wanted."
    return (found & wanted).total() / wanted.total() if wanted else None


def references() -> Iterator[tuple[Path, Path | None]]:
    "Every source file, with its reference conversion where there is one."
    for path in sorted(folder_of("documents").glob("*/sources/*")):
        truth = path.parent.parent / "groundtruth"
        names = [truth / f"{path.name}.md"]
        if not path.with_suffix(
            ""
        ).is_file():  # a.odt.pdf is a print of a.odt, whose reference has the data of charts
            names += [truth / f"{path.stem}.md"]
        names += [truth / "tesseract" / "full_page" / f"{path.stem}.tesseract.full_page.md"]  # of `ocr`
        yield path, next((t for t in names if t.is_file()), None)
