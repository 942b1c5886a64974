"""Personal data: what is taken out, what stays, and that offsets and time keep in step."""

import contextlib
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sync import Words

from liquid_ai.core import Document, InputError, ParseError, Settings
from liquid_ai.indexing.store import Store, open_snapshot
from liquid_ai.ingestion import scrub as module
from liquid_ai.ingestion.ingest import ingest
from liquid_ai.ingestion.load import load_file
from liquid_ai.ingestion.scrub import scrub

TAKEN = {
    "email": "a@b.org|ann.lee+news@mail.example.co.uk|<ann@example.org>|mailto:x_y-z@example.org.|"
    "ännie@bücher.example",
    "phone": "+49 30 901820|(201) 555-0123|call 2015550123|+1-201-555-0123 ext. 5|Tel.: 030/901820|"
    "+33 (0)1 42 68 53 00|020 7946 0958|01 42 68 53 00|Fax +44 20 7946 0958",
    "card": "4111 1111 1111 1111|5500-0000-0000-0004|378282246310005|3782 822463 10005|6011000990139424|"
    "1234 4111 1111 1111 1111",
    "id": "DE89 3704 0044 0532 0130 00|GB82WEST12345698765432|SSN 536-90-4399|AB 12 34 56 C|12345678Z|"
    "RSSMRA85T10A562S|111.444.777-35|756.9217.0769.85|BSN 111222333|Steuer-ID 36 574 261 809",
}
KEPT = (
    "@handle|a@b|user@localhost|2026-11-02|12:30:45|978-3-16-148410-0|4111 1111 1111 1112|v1.2.3.4|"
    "1234567890123456|192.168.1.1|10.1000/182|€ 1,234,567.00|123 456 789|3.141592653589793|536-90-43990|"
    "DE88 3704 0044 0532 0130 00|550e8400-e29b-41d4-a716-446655440000|1995-2003|2015550123|"
    "47.620500, -122.349300|1700000000000"
)


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind in TAKEN for text in TAKEN[kind].split("|")]
)
def test_what_is_taken_out(kind, text):
    clean = scrub(f"It was {text}, he said.", kind)
    assert clean.counts == {kind: 1}, clean
    assert sum(c.isdigit() for c in clean.text) <= (
        4 if text.startswith("1234 ") else 0
    ) and clean.text.endswith(", he said.")


@pytest.mark.parametrize("text", KEPT.split("|"))
def test_what_stays(text):
    assert scrub(f"It was {text}, he said.").text == f"It was {text}, he said."


def test_only_the_kinds_that_are_asked_for():
    note = "ann@example.org, +49 30 901820"
    assert scrub(note, "email").text == "[email], +49 30 901820"
    assert scrub(note, " phone , email ").told == "1 e-mail address, 1 phone number scrubbed"
    assert scrub(f"{note} {note}").told == "2 e-mail addresses, 2 phone numbers scrubbed"
    with pytest.raises(InputError, match="name"):
        Settings(scrub="email,name")


def test_documents_are_clean_before_they_are_kept(tmp_path):
    path = tmp_path / "bob@example.org.md"
    path.write_text("# Ann, ann@example.org\n\nCall +49 30 901820.")
    loaded_one = load_file(path, Settings(scrub="email,phone"))
    assert loaded_one.document.text == "# Ann, [email]\n\nCall [phone]."
    assert loaded_one.document.title == "Ann, [email]"
    assert (
        loaded_one.row.reason == "1 e-mail address, 1 phone number scrubbed"
        and loaded_one.row.status == "parsed"
    )
    assert loaded_one.row.chars == len(loaded_one.document.text)
    assert loaded_one.document.id == load_file(path).document.id
    assert load_file(path).document.text.count("@") == 1
    posted = Document.of(
        "To ann@example.org", "x", title="ann@example.org", meta={"from": "ann@example.org", "n": 1}
    )
    store = Store(tmp_path / "store")
    (row,) = ingest(store, Words(), [posted], Settings(scrub="email"), progress=False).rows
    kept = open_snapshot(store).document(posted.id)
    assert (kept.text, kept.title, kept.meta) == ("To [email]", "[email]", {"from": "[email]", "n": 1})
    assert row.reason == "1 e-mail address scrubbed" and row.chars == len(kept.text)


def test_what_takes_too_long_is_not_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_MOST", 10)
    (tmp_path / "a.txt").write_text("201-555-0123\n" * 11)
    item = load_file(tmp_path / "a.txt", Settings(scrub="phone"))
    assert item.document is None and item.row.status == "failed" and "leave `phone` out" in item.row.reason
    with pytest.raises(ParseError):
        scrub("201-555-0123\n" * 11)


PIECES = [*"|".join(TAKEN.values()).split("|"), *KEPT.split("|"), "word", "\n", " ", "4", "@", "+"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5)), st.data())
def test_offsets_keep_in_step(pieces, data):
    text = " ".join(pieces)
    clean = scrub(text)
    at = data.draw(st.integers(0, len(text)))
    inside = [(a, b) for a, b, _ in clean.cuts if a < at < b]
    if not inside:
        assert clean.text[clean.at(at) :] == scrub_rest(text, clean, at)
    places = [clean.at(i) for i in range(len(text) + 1)]
    assert places == sorted(places) and places[-1] == len(clean.text)
    assert sum(clean.counts.values()) == len(clean.cuts)


def scrub_rest(text, clean, at):
    "The rest of a text from a place on, put together by hand."
    rest, last = "", at
    marks = iter(m for m in split_marks(clean))
    for a, b, _ in clean.cuts:
        mark = next(marks)
        if b <= at:
            continue
        rest, last = rest + text[last:a] + mark, b
    return rest + text[last:]


def split_marks(clean):
    before = 0
    for a, b, grown in clean.cuts:
        size = (b - a) + grown - before
        start = clean.at(a)
        yield clean.text[start : start + size]
        before = grown


@pytest.mark.parametrize(
    "piece", ["a", "1", "1 ", "a@", "a.", "a@a.", "+1 ", "4111 ", "DE89 ", "- ", "(0) ", "536-90-4399 "]
)
def test_time_grows_with_the_length(piece):
    seconds = []
    for size in (50_000, 200_000):
        text, started = piece * (size // len(piece)), time.process_time()
        with contextlib.suppress(ParseError):
            scrub(text)
        seconds.append(time.process_time() - started)
    assert seconds[1] < 8 * seconds[0] + 0.2, seconds


def test_a_table_of_numbers_is_quick():
    rng = random.Random(8)
    text = "\n".join(",".join(f"{rng.randrange(10**10):010d}" for _ in range(20)) for _ in range(5_000))
    started = time.process_time()
    clean = scrub(text)
    assert time.process_time() - started < 5 and sum(clean.counts.values()) < 50
