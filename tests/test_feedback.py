"""Feedback: it joins an answer of its own tenant, is bounded, becomes questions that hold, is forgotten."""

import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import Answer, Chunk, Citation, Document, Hit, Hits, InputError, StoreError
from liquid_ai.evaluation.dataset import check_collection, squad_collection
from liquid_ai.evaluation.feedback import COMMENT, FeedbackError, FeedbackStore
from liquid_ai.evaluation.feedback_set import Passage, Rated, gather, squad_of
from liquid_ai.evaluation.squad import Span

TEXT = "Herons wait for fish. They nest in trees, often with others. Old herons nest in old trees."
WHOLE = Document("birds", "#" * 40 + TEXT + "#" * 40, source="birds.md")


def answer(
    trace="t", quote="Herons wait for fish.", question="What do herons eat?", document="birds", **more
):
    chunk = Chunk(f"{document}-c", document, TEXT, 40, 40 + len(TEXT), source=f"{document}.md")
    start = 40 + TEXT.find(quote)
    cited = (Citation(1, chunk.id, document, start, start + len(quote), quote),) if quote else ()
    return Answer(question, "An answer.", cited, hits=Hits([Hit(chunk, 1.0, 1)]), trace_id=trace, **more)


@pytest.fixture
def store(tmp_path):
    store = FeedbackStore(tmp_path / "feedback.db")
    yield store
    store.close()


def test_a_liked_answer_becomes_a_question_with_its_cited_spans(store):
    store.remember(answer(), "ann", "acme", ("acme/", "acme/ann"))
    store.add("t", "up", "well done", asker="bob", tenant="acme")
    [row] = store.rows("acme")
    assert (row.rating, row.comment, row.asker, row.principals) == (
        5,
        "well done",
        "bob",
        ("acme/", "acme/ann"),
    )
    [question] = store.to_questions("acme")
    assert question.answers == ("Herons wait for fish.",) and not question.is_impossible
    [span] = question.spans
    assert WHOLE.text[span.start : span.end] == "Herons wait for fish."


def test_corrections_that_stand_in_a_passage_are_the_answer(store):
    store.remember(answer())
    store.add("t", "down", correction=" They nest in trees ", asker="ann")
    store.add("t", "up", correction="Old herons", asker="bob")
    store.add("t", "down", correction="on cliffs", asker="eve")
    [question] = store.to_questions()
    assert question.answers == ("They nest in trees", "Old herons")
    assert [WHOLE.text[s.start : s.end] for s in question.spans] == list(question.answers)


def test_a_refusal_that_was_right_is_unanswerable(store):
    store.remember(answer(quote="", abstained=True))
    store.add("t", 5)
    [question] = store.to_questions()
    assert question.is_impossible and question.answers == question.spans == ()


@pytest.mark.parametrize(
    ("rating", "more", "why"),
    [
        ("down", {}, "not liked"),
        (3, {}, "neither"),
        ("down", {"quote": "", "abstained": True}, "not liked"),
        ("up", {"quote": ""}, "nothing is cited"),
    ],
)
def test_what_makes_nothing_known_is_set_aside_and_counted(store, rating, more, why):
    store.remember(answer(**more))
    store.add("t", rating)
    found = store.gather()
    assert not found.questions
    [(reason, count)] = found.aside.items()
    assert why in reason and count == 1


def test_a_correction_in_words_of_ones_own_is_set_aside(store):
    store.remember(answer())
    store.add("t", "down", correction="they eat fish, mostly")
    assert store.gather().aside == {"corrected with words that stand in no passage": 1}


def test_the_same_asker_is_counted_once_and_others_too(store):
    store.remember(answer())
    for rating, asker in ((1, "ann"), (5, "bob"), (5, "ann"), ("down", "")):
        store.add("t", rating, asker=asker)
    assert {(r.asker, r.rating) for r in store.rows()} == {("ann", 5), ("bob", 5), ("", 1)}
    assert not store.to_questions()  # 11/3 is below 4
    store.add("t", "up")
    assert len(store.rows()) == 3 and len(store.to_questions()) == 1


def test_equal_questions_count_once_and_contradictions_not_at_all(store):
    for i, (quote, question) in enumerate(
        [("Herons wait for fish.", "Why?"), ("Old herons", " why?"), ("Old herons", "Who?"), ("", "who?")]
    ):
        store.remember(answer(f"t{i}", quote, question, abstained=not quote))
        store.add(f"t{i}", "up")
    found = store.gather()
    assert [q.answers for q in found.questions] == [("Herons wait for fish.", "Old herons")]
    assert found.aside == {"answered for some, rightly refused for others": 2}


def test_a_foreign_answer_is_as_unknown_as_none(store):
    store.remember(answer("mine"), "ann", "acme")
    told = []
    for trace, tenant in (("mine", "other"), ("mine", ""), ("none", "acme"), ("", "acme")):
        with pytest.raises(FeedbackError) as raised:
            store.add(trace, "up", tenant=tenant)
        told.append(str(raised.value))
    assert len(set(told)) == 1 and "mine" not in told[0] and "acme" not in told[0]
    store.add("mine", "up", tenant="acme")
    assert [len(store.rows(t)) for t in ("acme", "other", "")] == [1, 0, 0]
    assert not store.to_questions("other") and not len(store.to_squad("other"))


@pytest.mark.parametrize("rating", ["good", "", 0, 6, -1, True, 4.5, None, "5" * 5_000, [5]])
def test_a_rating_that_is_none_is_refused(store, rating):
    store.remember(answer())
    with pytest.raises(InputError, match="up, down, or a whole number"):
        store.add("t", rating)
    assert not store.rows()


@pytest.mark.parametrize(
    "more",
    [
        {"comment": "x" * (COMMENT + 1)},
        {"correction": "x" * (COMMENT + 1)},
        {"asker": "x" * 257},
        {"tenant": "x" * 257},
        {"tenant": "\ud800"},
        {"comment": 5},
    ],
)
def test_texts_are_bounded(store, more):
    store.remember(answer())
    with pytest.raises(InputError, match=next(iter(more))):
        store.add("t", "up", **more)
    assert not store.rows()


def test_long_answers_are_cut_and_odd_ones_take_no_other_with_them(store):
    store.remember(answer("long", question="?" * 100_000))
    store.remember(answer("odd", versions={"model": object()}))
    store.remember(answer("x" * 300))
    store.remember(answer("good"))
    store.add("long", "up")
    store.add("good", "up")
    assert [len(r.question) for r in store.rows()] == [8_000, 19]
    assert store.failed == 2
    with pytest.raises(FeedbackError):
        store.add("odd", "up")


def size(path: Path, table: str) -> int:
    with sqlite3.connect(path) as db:
        return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_what_is_kept_is_bounded_and_rated_answers_outlast_others(tmp_path):
    path = tmp_path / "feedback.db"
    store = FeedbackStore(path, keep=20, rated=10)
    for i in range(100):
        store.remember(answer(f"t{i}", document=f"d{i}"))
        store.flush()
        if i < 15:
            store.add(f"t{i}", "up")
        assert size(path, "answers") <= 31 and size(path, "passages") <= 31
    traces = [row.trace_id for row in store.rows()]
    assert 8 <= len(traces) <= 10 and traces[-1] == "t14"
    store.add("t99", "up")
    with pytest.raises(FeedbackError):
        store.add("t50", "up")
    assert size(path, "hits") == size(path, "answers")
    store.close()


def test_old_answers_go(tmp_path, monkeypatch):
    store = FeedbackStore(tmp_path / "feedback.db", days=1.0)
    store.remember(answer("old"))
    store.remember(answer("rated"))
    store.add("rated", "up")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * 86_400)
    store.remember(answer("new"))
    store.flush()
    with pytest.raises(FeedbackError):
        store.add("old", "up")
    store.add("new", "up")
    assert {r.trace_id for r in store.rows()} == {"rated", "new"}
    store.close()


def test_remembering_never_waits(tmp_path):
    store = FeedbackStore(tmp_path / "feedback.db", waiting=10)
    with sqlite3.connect(tmp_path / "feedback.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")  # another process that writes for long
        began = time.monotonic()
        for i in range(2_000):
            store.remember(answer(f"t{i}"))
        assert time.monotonic() - began < 2
        other.execute("ROLLBACK")
    assert store.dropped >= 2_000 - 10 - 100
    assert store.flush(10)
    store.close()
    again = FeedbackStore(tmp_path / "feedback.db")
    again.add("t0", "up")
    again.close()


def test_what_waits_is_written_at_the_end(tmp_path):
    store = FeedbackStore(tmp_path / "feedback.db")
    for i in range(200):
        store.remember(answer(f"t{i}"))
    store.close()
    assert size(tmp_path / "feedback.db", "answers") == 200


def files(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.iterdir() if p.suffix != ".lock")


def test_a_forgotten_document_is_in_no_byte_of_the_files(tmp_path):
    store = FeedbackStore(tmp_path / "feedback.db")
    store.remember(answer("t1"), tenant="acme")
    store.remember(replace(answer("t2"), hits=Hits()), tenant="acme")  # cited, though not among the hits
    store.remember(answer("t3", document="other"), tenant="acme")
    store.add("t1", "down", "secret comment", "They nest in trees", tenant="acme")
    assert b"secret comment" in files(tmp_path)
    assert store.forget("birds") == 2
    assert b"secret comment" not in files(tmp_path) and b"birds" not in files(tmp_path)
    assert not store.rows("acme")
    store.add("t3", "up", tenant="acme")
    assert store.forget("birds") == 0
    assert store.forget("other") == 1
    assert b"Herons" not in files(tmp_path)
    store.close()


WORKER = """
import sys
sys.path.insert(0, sys.argv[3])
from test_feedback import FeedbackStore, answer
store = FeedbackStore(sys.argv[1])
for i in range(60):
    store.remember(answer(f"{sys.argv[2]}-{i}"), tenant="acme")
    if i % 3 == 0:
        store.add(f"{sys.argv[2]}-{i}", "up", asker=sys.argv[2], tenant="acme")
store.close()
assert (store.failed, store.dropped) == (0, 0)
"""


def test_workers_share_a_file(tmp_path):
    path = tmp_path / "feedback.db"
    run = [sys.executable, "-c", WORKER, str(path)]
    workers = [subprocess.Popen([*run, f"w{n}", str(ROOT / "tests")], cwd=ROOT) for n in range(3)]
    assert [w.wait(60) for w in workers] == [0, 0, 0]
    store = FeedbackStore(path)
    assert sorted(r.trace_id for r in store.rows("acme")) == sorted(
        f"w{n}-{i}" for n in range(3) for i in range(0, 60, 3)
    )
    store.add("w1-1", "up", tenant="acme")  # an answer that another process gave
    assert size(path, "answers") == 180 and size(path, "passages") == 1
    store.close()


def test_threads_share_a_store(store):
    def work(n):
        for i in range(30):
            store.remember(answer(f"{n}-{i}"))
            store.add(f"{n}-{i}", "up")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(store.rows()) == 90


def test_a_file_of_another_program_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE notes(text)")
    (tmp_path / "text.db").write_text("no database at all, though long enough to look like one" * 50)
    for name in ("other.db", "text.db"):
        with pytest.raises(StoreError):
            FeedbackStore(tmp_path / name)
    assert size(tmp_path / "other.db", "notes") == 0
    for wrong in ({"keep": 0}, {"days": float("nan")}, {"rated": -1}, {"waiting": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            FeedbackStore(tmp_path / "feedback.db", **wrong)


def test_a_data_set_that_experiments_read(store):
    store.remember(answer("t1"))
    store.remember(answer("t2", "", "How old do they get?", abstained=True))
    for trace in ("t1", "t2"):
        store.add(trace, "up")
    for documents in ((), (WHOLE,)):
        data = store.to_squad(documents=documents)
        check_collection(squad_collection(data))
        assert len(data) == 2
        texts = {d.id: d.text for d in data.documents}
        assert [[texts[s.document_id][s.start : s.end] for s in q.spans] for q in data.questions] == [
            ["Herons wait for fish."],
            [],
        ]


def test_answers_move_with_their_documents_or_are_left_out(store):
    store.remember(answer())
    store.add("t", "up")
    moved = Document("birds", "New. " + TEXT)
    [question] = store.to_squad(documents=[moved]).questions
    assert question.spans == (Span("birds", 5, 26),)
    assert not len(store.to_squad(documents=[Document("birds", "Something else.")]))
    assert not len(store.to_squad(documents=[Document("other", TEXT)]))


WORDS = st.text("ab .\n\ud800\x00é", max_size=6)
ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["ann", "bob"]), st.integers(1, 5), WORDS, st.booleans()),
    max_size=12,
)


@settings(deadline=None, max_examples=150)
@given(ROWS, st.lists(st.text("ab .\n", min_size=1, max_size=12), min_size=5, max_size=5))
def test_whatever_was_said_every_answer_stands_where_it_is_said_to(rows, texts):
    document = Document("d", "|".join(texts))
    starts = [sum(len(t) + 1 for t in texts[:i]) for i in range(5)]
    passages = tuple(Passage(f"c{i}", "d", starts[i], texts[i]) for i in range(5))
    told = []
    for i, asker, rating, correction, abstained in rows:
        cited = () if abstained else ((Span("d", starts[i], starts[i] + len(texts[i])), texts[i]),)
        more = f"question {i % 3}", "text", abstained, cited, passages[: i + 1]
        told.append(Rated(f"t{i}", "", asker, rating, "", correction.strip(), 0.0, *more))
    found = gather(told)
    assert len({q.id for q in found.questions}) == len(found.questions)
    for question in found.questions:
        assert question.is_impossible == (not question.answers)
        said = {document.text[s.start : s.end] for s in question.spans}
        assert said == set(question.answers)
    for documents in ((), (document,)):
        data = squad_of(told, documents)
        where = {d.id: d.text for d in data.documents}
        assert [q.id for q in data.questions] == [q.id for q in found.questions]
        for question in data.questions:
            assert {where[s.document_id][s.start : s.end] for s in question.spans} == set(question.answers)


@settings(deadline=None, max_examples=40)
@given(*[st.text(st.characters(exclude_categories=()), max_size=40)] * 4)
def test_any_text_can_be_said(tmp_path_factory, question, comment, correction, asker):
    store = FeedbackStore(tmp_path_factory.mktemp("feedback") / "feedback.db")
    store.remember(answer(question=question))
    store.add("t", "up", comment, correction, asker)
    [row] = store.rows()
    assert row.comment == comment.strip().encode("utf-8", "replace").decode()
    assert row.question == question.encode("utf-8", "replace").decode()
    store.gather()
    store.close()
