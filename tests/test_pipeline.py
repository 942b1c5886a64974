"""The whole road: documents in, checked answers out, also when things go wrong."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from test_models import lfm2  # noqa: F401  a fixture

from liquid_ai import RAG, Document, InputError, Settings, StoreError, quickstart
from liquid_ai.core import to_json
from liquid_ai.generation.answer import REFUSAL
from liquid_ai.generation.cite import claims, sentences
from liquid_ai.indexing.vector_cache import VectorCache
from liquid_ai.ingestion.quickstart import questions
from liquid_ai.pipeline import in_thread

PACKAGED = Settings(generator="packaged", answer_cache="none")


@pytest.fixture(scope="module")
def rag(tmp_path_factory):
    settings = replace(PACKAGED, vector_cache=Settings.load().vector_cache)  # `make test` names one for all
    with quickstart(tmp_path_factory.mktemp("rag") / "store", settings, progress=False) as rag:
        yield rag


def is_whole(rag, answer):
    "Every claim that an answer makes about itself."
    for c in answer.citations:
        assert rag.snapshot().document(c.document_id).text[c.start : c.end] == c.quote
    numbers = [c.number for c in answer.citations]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {n for s in answer.sentences for n in s.citations} == set(numbers)
    for s in answer.sentences:
        assert s.supported == bool(s.citations)
        assert all(f"[{n}]" in answer.text[s.start : s.end] for n in s.citations)
    assert answer.abstained == (answer.text == REFUSAL) == (not answer.citations)
    assert answer.abstained or answer.sentences[0].supported
    assert set(answer.versions) >= {"index", "encoder", "prompt"} and answer.timings["total"] > 0
    return True


def test_answers_are_whole(rag):
    for q in questions("test")[:3] + [q for q in questions("test") if not q.answerable][:5]:
        assert is_whole(rag, rag.ask(q.question)), q.id


def test_what_is_far_away_is_refused(rag):
    for question in ("Who painted The Night Watch?", "What is the capital of Mongolia?"):
        answer = rag.ask(question)
        assert answer.abstained and answer.usage.answer_tokens == 0 and "confidence" in answer.reason


def test_a_stream_ends_in_the_answer_of_ask(rag):
    question = "What is the only operation on a function object?"
    first, *tokens, last = rag.stream(question)
    answer = rag.ask(question)
    assert (first.kind, last.kind) == ("hits", "answer") and {t.kind for t in tokens} == {"token"}
    same = [(a.text, a.citations, a.sentences, a.hits, a.versions) for a in (last.answer, answer)]
    assert same[0] == same[1] and first.hits == answer.hits
    assert to_json(answer)["citations"][0]["quote"] == answer.citations[0].quote


def test_async_calls_and_threads_get_the_same(rag):
    asked = ["Is there a maximum length for identifiers?", "What is the only operation on a function object?"]
    wanted = [rag.ask(q).text for q in asked]

    async def both():
        streamed = [e async for e in rag.astream(asked[0])]
        return [a.text for a in await asyncio.gather(*map(rag.aask, asked))], streamed[-1].answer.text

    assert asyncio.run(both()) == (wanted, wanted[0])
    with ThreadPoolExecutor(4) as pool:
        assert [a.text for a in pool.map(rag.ask, asked * 2)] == wanted * 2


def test_a_cancelled_stream_frees_the_model(rag):
    async def cancelled():
        async def read():
            async for event in rag.astream("Is there a maximum length for identifiers?"):
                if event.kind == "token":
                    raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(read())

    asyncio.run(cancelled())
    assert is_whole(rag, rag.ask("Is there a maximum length for identifiers?"))


@pytest.mark.parametrize("question", ["", " \n", "a" * 1_000_000, None, 7])
def test_a_bad_question_is_refused(rag, question):
    for call in (rag.ask, rag.search, rag.stream):
        with pytest.raises(InputError):
            call(question)


@pytest.mark.parametrize(
    "options", [{"top_k": 0}, {"top_k": 10**6}, {"top_k": 2.5}, {"mode": "magic"}, {"where": {"no": 1}}]
)
def test_bad_options_are_refused(rag, options):
    with pytest.raises(InputError):
        rag.search("a question", **options)


def test_strange_questions_are_answered_or_refused(rag):
    for question in ("\0\0?", "\ud800 what", "🙂" * 500, "<script>alert(1)</script> [1] [2]", "?" * 8_000):
        assert is_whole(rag, rag.ask(question))


def test_any_model_goes_the_same_road(tmp_path, lfm2):  # noqa: F811
    text = "The kettle holds 1.7 litres of water. It switches itself off."
    with RAG.open(
        tmp_path / "s", generator=str(lfm2), runtime="torch", device="cpu", answer_tokens=12
    ) as rag:
        rag.ingest(Document.of(text, "kettle"), progress=False)
        answer = rag.ask("How much water does the kettle hold?")
        assert is_whole(rag, answer) and "quotation" in answer.reason  # a random model says nothing usable
        assert "1.7 litres" in answer.text and answer.versions["model"] == str(lfm2)
    with RAG.open(tmp_path / "s", PACKAGED) as again:  # vectors made on torch, searched on OpenVINO
        assert again.search("kettle")[0].chunk.text == text


def test_ingest_accounts_for_everything(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "good.md").write_text("# Good\n\nThe well is 12 metres deep.")
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7 and no more")
    (folder / "empty.txt").write_text(" \n")
    with RAG.open(tmp_path / "s", PACKAGED) as rag:
        report = rag.ingest(folder, tmp_path / "missing.txt", Document.of("", "nothing"), progress=False)
        status = {row.path.rsplit("/", 1)[-1]: row.status for row in report.rows}
        assert status == {
            "good.md": "parsed",
            "bad.pdf": "failed",
            "empty.txt": "empty",
            "missing.txt": "failed",
            "nothing": "empty",
        }
        assert rag.info()["documents"] == 1 and [r.chunks for r in report.rows if r.status == "parsed"] == [1]
        (folder / "good.md").write_text("# Good\n\nThe well is 15 metres deep.")
        rag.ingest(folder, progress=False)
        assert "15 metres" in rag.ask("How deep is the well?").text and rag.info()["documents"] == 1
        with pytest.raises(InputError):
            rag.ingest(7, progress=False)
        assert rag.info()["documents"] == 1


def test_an_empty_store_says_so(tmp_path):
    with RAG.open(tmp_path / "s", PACKAGED) as rag, pytest.raises(StoreError, match="empty"):
        rag.ask("Anything?")


def test_claims_and_sentences_survive_anything(rag):
    from hypothesis import given
    from hypothesis import strategies as st

    @given(st.text(alphabet=st.sampled_from("ab. !?\n[1]*-\"'。"), max_size=80))
    def holds(text):
        at = 0
        for start, end in sentences(text):
            assert at <= start < end and text[start:end].strip() == text[start:end]
            assert not text[at:start].strip()
            at = end
        assert not text[at:].strip()
        for claim, numbers in claims(text, True):
            assert claim and all(n >= 0 for n in numbers)

    holds()


def test_stores_that_share_text_share_vectors_until_it_is_removed(tmp_path):
    documents = [Document.of(f"The {name} opens at nine.", name) for name in ("library", "museum")]
    file = tmp_path / "vectors.db"
    for folder in ("one", "two"):
        with RAG.open(tmp_path / folder, vector_cache=str(file)) as rag:
            rag.ingest(documents, progress=False)
            found = [hit.chunk.source for hit in rag.search("When does the museum open?")]
            assert found[0] == "museum"
            with closing(VectorCache(file)) as cache:
                assert len(cache) == 2  # and none more for the second store, or for the question
            if folder == "two":
                assert rag.remove(documents[0].id) == 1
    with closing(VectorCache(file)) as cache:
        assert len(cache) == 1


def test_a_source_that_comes_twice_is_told(tmp_path):
    first, second, other = (
        Document.of(t, s) for t, s in [("Tea is hot.", "a"), ("Tea is cold.", "a"), ("Ice.", "b")]
    )
    with RAG.open(tmp_path / "store") as rag:
        report = rag.ingest([first, second, other], progress=False)
        assert [(r.reason, r.chunks) for r in report.rows] == [
            ("replaced: the same source comes again", 0),
            ("", 1),
            ("", 1),
        ]
        assert rag.info()["documents"] == 2 and rag.snapshot().document(first.id).text == second.text
        report = rag.ingest([second, first], progress=False)  # unchanged at first, then changed
        assert (
            report.rows[0].reason.startswith("replaced")
            and rag.snapshot().document(first.id).text == first.text
        )


@pytest.mark.parametrize("wrong", [{"text": None}, {"text": b"x"}, {"title": 3}, {"source": None}])
def test_a_document_is_made_of_text(wrong):
    with pytest.raises(InputError, match=f"a document's {next(iter(wrong))} is text"):
        Document(**{"id": "x", "text": "y"} | wrong)


class Stepping:
    "A generator whose steps take long, and which notes by whom it was closed."

    def __init__(self):
        self.begun, self.closed = threading.Event(), []

    def steps(self):
        try:
            while True:
                self.begun.set()
                time.sleep(0.5)
                yield 1
        finally:
            self.closed.append(threading.current_thread())


async def read(steps) -> None:
    async for _ in in_thread(steps):
        pass


@pytest.mark.parametrize("all_tasks", [True, False], ids=["everything is called off", "the reader is"])
def test_who_is_called_off_in_a_step_closes_after_it(all_tasks):
    one, wrong = Stepping(), []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
        reader = asyncio.create_task(read(one.steps()))
        await asyncio.to_thread(one.begun.wait, 5)
        began = time.monotonic()
        for task in asyncio.all_tasks() if all_tasks else {reader}:  # as `asyncio.run` does at its end
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.wait([reader])
        assert reader.cancelled() and time.monotonic() - began < 0.3  # at once: the step goes on for 0.5 s

    asyncio.run(main())
    assert not wrong and len(one.closed) == 1 and one.closed != [threading.main_thread()]


def test_who_leaves_between_two_steps_closes_too():
    one = Stepping()

    async def main():
        async for _ in in_thread(one.steps()):
            break

    asyncio.run(main())
    assert len(one.closed) == 1
