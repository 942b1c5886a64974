"""Checks of the quickstart questions against the language reference of the running Python."""

import json
from pathlib import Path
from pydoc_data.topics import topics

DATA = Path(__file__).parent.parent / "liquid_ai" / "data" / "quickstart_questions.jsonl"
KEYS = ["id", "question", "topics", "answer", "quote", "answerable", "split"]
ROWS = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
ANSWERABLE = [row for row in ROWS if row["answerable"]]
UNANSWERABLE = [row for row in ROWS if not row["answerable"]]


def collapse(text):
    return " ".join(text.split())


TEXTS = {name: collapse(text) for name, text in topics.items()}


def test_schema():
    for row in ROWS:
        assert list(row) == KEYS, row["id"]
        assert all(isinstance(row[key], str) for key in ("id", "question", "answer", "quote", "split"))
        assert isinstance(row["topics"], list) and isinstance(row["answerable"], bool)
        assert row["split"] in ("dev", "test"), row["id"]
        assert row["question"] == collapse(row["question"]) and row["question"].endswith("?"), row["id"]


def test_ids_and_questions_are_unique():
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    assert len({collapse(row["question"]).casefold() for row in ROWS}) == len(ROWS)


def test_counts_and_splits():
    assert len(ANSWERABLE) >= 60
    assert len(UNANSWERABLE) >= 15
    for rows in (ANSWERABLE, UNANSWERABLE):
        assert {row["split"] for row in rows} == {"dev", "test"}


def test_unanswerable_rows_are_empty():
    for row in UNANSWERABLE:
        assert (row["topics"], row["answer"], row["quote"]) == ([], "", ""), row["id"]


def test_topics_exist_and_answers_are_short():
    for row in ANSWERABLE:
        assert row["topics"] and len(set(row["topics"])) == len(row["topics"]), row["id"]
        assert set(row["topics"]) <= set(topics), row["id"]
        assert 1 <= len(row["answer"].split()) <= 30, row["id"]


def test_quotes_are_in_the_listed_topics():
    for row in ANSWERABLE:
        quote = collapse(row["quote"])
        assert quote == row["quote"] and 4 <= len(quote.split()) <= 25, row["id"]
        holders = {name for name, text in TEXTS.items() if quote in text}
        assert holders, f"{row['id']}: quote not found"
        missing = sorted(holders - set(row["topics"]))
        assert not missing, f"{row['id']}: {missing} not listed"
