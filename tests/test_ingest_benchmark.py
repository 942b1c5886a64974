"""What the benchmark of ingestion counts, and that it would notice."""

import re

import pytest

from benchmarks import million
from benchmarks.conversion import cells, recall, words
from benchmarks.ingest import Format, few

REFERENCE = "# A title\n\nSome words.\n\n| a | b |\n| --- | --- |\n| one \\| two | 3 |\n"


def test_words_and_cells_are_those_a_reader_sees():
    assert words("# A *title*\n<!-- image -->\n![x](y.png) [link](http://z)") == {
        "a": 1,
        "title": 1,
        "link": 1,
    }
    assert cells(REFERENCE) == {"a": 1, "b": 1, "one two": 1, "3": 1}
    assert recall(words("some WORDS words"), words(REFERENCE)) == pytest.approx(2 / words(REFERENCE).total())
    assert recall(words("anything"), words("<!-- image -->")) is None


def test_a_format_is_judged_by_all_its_files_and_by_the_tables_that_there_are():
    found = Format()
    found.add("whole", REFERENCE, REFERENCE)
    found.add("half", "Some words.", "Some words. And more.")
    found.add("nothing", "", REFERENCE)
    figures = dict(found.figures("md", ""))
    assert figures["word recall, md, median"].value == 0.5
    assert "least 0.000 of nothing" in figures["word recall, md, median"].note
    assert figures["word recall, md, tenth percentile"].met is False
    assert figures["cell recall, md, pooled"].value == 0.5  # 4 of 8; the file without tables says nothing
    only = Format()
    only.add("picture", "text", "<!-- image -->")
    assert dict(only.figures("png", "")) == {}


def test_few_takes_the_first_of_each_kind():
    files = [("a1",), ("b1",), ("a2",), ("b2",), ("a3",)]
    assert few(files, 2, lambda f: f[0][0]) == [("a1",), ("a2",), ("b1",), ("b2",)]
    assert len(few(files, 0, lambda f: f[0][0])) == len(files)


def test_each_paragraph_is_a_chunk_and_only_what_changed_is_embedded(tmp_path):
    (tmp_path / "docs").mkdir()
    million.make(tmp_path / "docs", million.PARAGRAPHS + 10)
    whole, unchanged, edited = million.steps(tmp_path)
    assert whole["files"] == 2 and whole["chunks"] == whole["embedded"] == million.PARAGRAPHS + 10
    assert unchanged["embedded"] == unchanged["written"] == 0 < edited["written"]
    assert edited["embedded"] == 1 and edited["chunks"] == whole["chunks"]
    assert 0 < whole["peak"] <= edited["peak"]


def test_the_hash_encoder_tells_texts_apart_and_cuts_between_words():
    vectors = million.Hashing().encode(["one two", "two one", "three"])
    assert vectors.shape == (3, million.Hashing.dimensions)
    assert (vectors[0] == vectors[1]).all() and not (vectors[0] == vectors[2]).all()
    (spans,) = million.Hashing().token_spans([" one  two "])
    assert [" one  two "[a:b] for a, b in spans] == re.findall(r"\S+", " one  two ")
