"""Answers that `RAG` keeps: found again by whom they were made for, and by nobody and nothing else."""

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_adapters import folders  # noqa: F401  a fixture
from test_models import lfm2  # noqa: F401  a fixture

from liquid_ai import RAG, Document, InputError, Settings
from liquid_ai.core import to_json
from liquid_ai.generation.limit import LimitError

DOCUMENTS = [
    Document.of("Grey herons eat fish, frogs and small mammals.", "birds"),
    Document.of("The staff canteen opens at eleven on Fridays.", "canteen", access=("staff",)),
]
QUESTION = "What do grey herons eat?"


@pytest.fixture
def made(tmp_path, lfm2):  # noqa: F811
    "Opens a store with two documents and a tiny model, as often as asked."
    opened = []

    def open_(name="store", **changes):
        rag = RAG.open(tmp_path / name, Settings(generator=str(lfm2), answer_tokens=8), **changes)
        opened.append(rag)
        if not rag.store.generation:
            rag.ingest(DOCUMENTS, progress=False)
        return rag

    yield open_
    for rag in opened:
        rag.close()


def test_a_hit_is_the_answer_that_was_made(made):
    rag = made()
    first, again = rag.ask(QUESTION), rag.ask("  what do grey herons   eat ")
    assert (first.cache.kind, again.cache.kind) == ("miss", "exact") and first.citations
    assert (
        again.question == "what do grey herons   eat"
        or again.question.split() == QUESTION[:-1].lower().split()
    )
    for name in ("text", "citations", "sentences", "hits", "confidence", "abstained", "versions"):
        assert getattr(again, name) == getattr(first, name), name
    *_, last = rag.stream(QUESTION)
    assert last.answer.cache.kind == "exact" and to_json(last.answer)["text"] == first.text
    assert asyncio.run(rag.aask(QUESTION)).cache.kind == "exact"
    assert "generate" in first.timings and set(again.timings) == {"total"}


READERS = st.lists(st.sampled_from(["ann", "bob", "staff"]), max_size=3)
OTHER = [
    {"principals": ("staff",)},
    {"principals": ("ann",)},
    {"where": {"source": ["birds"]}},
    {"top_k": 1},
    {"mode": "sparse"},
]


def test_every_condition_is_part_of_the_question(made):
    rag = made()
    asked = [{}, *OTHER]
    assert [rag.ask(QUESTION, **o).cache.kind for o in asked] == ["miss"] * len(asked)
    assert [rag.ask(QUESTION, **o).cache.kind for o in asked] == ["exact"] * len(asked)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(READERS, st.integers(0, 1)), min_size=2, max_size=12))
def test_nobody_gets_the_answer_of_a_reader_who_sees_more(made, calls):
    rag, seen = made("shared"), set()
    rag.cache.clear()
    for who, which in calls:
        answer = rag.ask([QUESTION, "When does the staff canteen open?"][which], principals=who)
        assert "staff" in who or all(h.chunk.source == "birds" for h in answer.hits)
        assert "staff" in who or "eleven" not in answer.text
        key = frozenset(who), which
        assert answer.cache.kind == ("exact" if key in seen else "miss")
        seen.add(key)


def test_a_commit_ends_what_was_kept(made):
    rag = made()
    rag.ask(QUESTION)
    rag.ingest(Document.of("Night herons eat crabs.", "night"), progress=False)
    assert rag.ask(QUESTION).cache.kind == "miss"
    assert rag.ask(QUESTION).cache.kind == "exact"


def test_a_removed_document_is_gone_from_the_cache(made, tmp_path):
    rag = made(answer_cache=str(tmp_path / "answers.db"))
    rag.ask(QUESTION)
    assert rag.cache.stats().entries == 1
    rag.remove(DOCUMENTS[0].id)
    assert rag.cache.stats().entries == 0


def test_copies_of_a_store_that_went_on_apart_share_nothing(made, tmp_path):
    file = str(tmp_path / "answers.db")
    rag = made("one", answer_cache=file)
    rag.close()
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    one, two = made("one", answer_cache=file), made("two", answer_cache=file)
    assert one.ask(QUESTION).cache.kind == "miss" and two.ask(QUESTION).cache.kind == "exact"  # equal content
    for rag, food in ((one, "crabs"), (two, "worms")):
        rag.ingest(Document.of(f"Night herons eat {food}.", "night"), progress=False)
    assert one.store.generation == two.store.generation
    night = "What do night herons eat?"
    assert one.ask(night).cache.kind == two.ask(night).cache.kind == "miss"


def test_a_file_survives_a_restart(made, tmp_path):
    file = str(tmp_path / "answers.db")
    rag = made(answer_cache=file)
    first = rag.ask(QUESTION)
    rag.close()
    again = made(answer_cache=file).ask(QUESTION)
    assert (again.cache.kind, again.text, again.citations) == ("exact", first.text, first.citations)


def test_an_answer_of_another_model_than_the_key_names_is_not_kept(made, monkeypatch):
    rag = made()
    real = rag.model

    class Renamed:
        "The same model, which claims to be another from the moment in which it writes."

        def __init__(self):
            self.fingerprint = real.fingerprint

        def __getattr__(self, name):
            return getattr(real, name)

        def stream(self, *args, **rest):
            self.fingerprint = "adapted"
            for piece in real.stream(*args, **rest):
                yield piece if isinstance(piece, str) else replace(piece, fingerprint=self.fingerprint)

    model = Renamed()
    monkeypatch.setattr(type(rag), "model", property(lambda _: model))
    assert rag.ask(QUESTION).cache.kind == "miss"
    assert rag.cache.stats().refused == 1 and rag.cache.stats().entries == 0


def test_a_hundred_equal_questions_at_once_are_answered_once(made):
    rag = made()
    with ThreadPoolExecutor(50) as pool:
        threads = [pool.submit(rag.ask, QUESTION) for _ in range(50)]

        async def tasks():
            return await asyncio.gather(*(rag.aask(QUESTION) for _ in range(50)))

        answers = asyncio.run(tasks()) + [t.result(60) for t in threads]
    assert len({a.text for a in answers}) == 1 and len(answers) == 100
    assert rag.cache.flight.started == rag.cache.stats().stores == 1


def test_calls_can_go_round_the_cache(made):
    rag = made()
    assert rag.ask(QUESTION, cache=False).cache.kind == "miss" and rag.cache.stats().entries == 0
    rag.ask(QUESTION)
    assert rag.ask(QUESTION, cache=False).cache.kind == "miss" and rag.cache.stats().stores == 1
    assert rag.ask(QUESTION, max_age=0).cache.kind == "miss" and rag.cache.stats().stores == 2
    assert rag.ask(QUESTION, max_age=3_600).cache.kind == "exact"
    without = made("other", answer_cache="none")
    assert without.cache is None and [without.ask(QUESTION).cache.kind for _ in "ab"] == ["miss"] * 2


def test_each_call_is_told_as_its_own(made):
    rag = made()
    with ThreadPoolExecutor(8) as pool:
        asked = [f"{' ' * n}What do grey herons{' ' * n} eat?" for n in range(1, 9)]
        answers = list(pool.map(rag.ask, asked))
    assert [a.question for a in answers] == [q.strip() for q in asked]
    assert len({a.trace_id for a in answers}) == 8 and rag.cache.stats().stores == 1


@pytest.mark.parametrize("max_age", [-1, float("nan"), "soon"])
def test_an_age_is_seconds(made, max_age):
    with pytest.raises(InputError, match="max_age"):
        made().ask(QUESTION, max_age=max_age)


def test_the_limiter_is_the_one_of_the_settings(made):
    rag = made(limit_requests=2, limit_seconds=60.0)
    for _ in range(2):
        with rag.limiter("ann"):
            pass
    with pytest.raises(LimitError), rag.limiter("ann"):
        pass


@pytest.mark.parametrize("changes", [{"answer_cache": "ftp://x"}, {"limit_on_failure": "maybe"}])
def test_wrong_settings_are_told_on_opening(tmp_path, changes):
    with pytest.raises(InputError):
        RAG.open(tmp_path / "store", replace(Settings(), **changes))


def test_other_words_hit_only_where_they_may(made):
    rag = made(cache_similarity=0.7)
    first = rag.ask("What do grey herons eat?")
    again = rag.ask("What does a gray heron eat?")
    assert (again.cache.kind, again.text) == ("semantic", first.text) and again.cache.similarity > 0.7
    assert again.question == "What does a gray heron eat?"
    for other in ("What do grey herons not eat?", "What do white herons eat?", "Who eats grey herons?"):
        assert rag.ask(other).cache.kind == "miss"
    assert rag.ask("What does a gray heron eat?", principals=["staff"]).cache.kind == "miss"
    assert rag.cache.stats().semantic == 1


def test_no_answer_outlives_a_change_of_adapter(tmp_path, folders):  # noqa: F811
    chosen = Settings(generator=str(folders / "tiny-lfm2"), device="cpu", answer_tokens=8)
    with RAG.open(tmp_path / "store", chosen) as rag:
        rag.ingest(DOCUMENTS, progress=False)
        kinds = [rag.ask(QUESTION).cache.kind]
        rag.model.attach("law", folders / "law")
        kinds.append(rag.ask(QUESTION).cache.kind)  # attached, not in use
        for name in ("law", "law", None):
            rag.model.use(name)
            kinds.append(rag.ask(QUESTION).cache.kind)
        rag.model.detach("law")
        rag.model.attach("law", folders / "tax")  # the same name, another adapter
        rag.model.use("law")
        kinds.append(rag.ask(QUESTION).cache.kind)
        rag.model.use(None)
        rag.model.detach("law")
    assert kinds == ["miss", "exact", "miss", "exact", "exact", "miss"]
