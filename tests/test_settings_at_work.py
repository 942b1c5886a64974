"""What `Settings` say of checking reaches the answer; what they cannot mean is refused at once."""

import pytest

from liquid_ai import RAG, Document, InputError, ModelError, Settings
from liquid_ai.core import Generation, Usage
from liquid_ai.generation.answer import check_version

MUSEUM = "The museum opened in 1923 by the river. A ticket costs twelve euros."


class Says:
    "Writes what it was told to write, up to a stop string."

    name, fingerprint, context, runtime, why = "says", "says-1", 4_096, "test", "a test"

    def __init__(self, text):
        self.text = text

    def count(self, messages):
        return sum(len(m["content"]) // 4 for m in messages)

    def stream(self, messages, max_tokens, stop=()):
        text = self.text
        for mark in stop:
            text = text.partition(mark)[0]
        yield text
        yield Generation(text, Usage(10, 10))


@pytest.fixture
def ask(tmp_path, monkeypatch):
    "The answer under these settings, the model's words given."

    def asked(text, question="When did the museum open?", **changes):
        monkeypatch.setattr(RAG, "model", property(lambda _: Says(text)))
        with RAG.open(tmp_path / "store", Settings(answer_cache="none"), **changes) as rag:
            rag.ingest(Document.of(MUSEUM, "museum"), progress=False)
            return rag.ask(question)

    return asked


TRUE_AND_FALSE = "The museum opened in 1923. The museum was opened by a famous painter."


def test_unsupported_sentences_are_flagged_or_removed(ask):
    flagged, removed = ask(TRUE_AND_FALSE), ask(TRUE_AND_FALSE, unsupported="remove")
    assert flagged.unsupported and "painter" in flagged.text
    assert not removed.unsupported and "painter" not in removed.text and removed.citations


def test_one_paragraph_or_all_of_them(ask):
    two = "The museum opened in 1923.\n\nA ticket costs twelve euros."
    assert ask(two).text.count("[") == 1 and "twelve" not in ask(two).text
    assert "twelve" in ask(two, one_paragraph=False).text


def test_a_text_that_begins_with_a_blank_line_is_not_lost(ask):
    answer = ask("\n\nThe museum opened in 1923.")
    assert answer.text.startswith("The museum opened in 1923 [1]") and "quotation" not in answer.reason


def test_least_support_decides(ask):
    text = "The museum opened in 1923."
    assert ask(text).text.startswith("The museum opened in 1923 [1]")
    strict = ask(text, min_support=1.0)
    assert "quotation" in strict.reason or strict.abstained


def test_least_confidence_decides(ask):
    assert not ask("The museum opened in 1923.").abstained
    before = ask("The museum opened in 1923.", min_confidence=1.0)
    assert before.abstained and before.usage.answer_tokens == 0
    after = ask("The museum opened in 1923.", min_answer_confidence=1.0)
    assert after.abstained and after.usage.answer_tokens and "hardly an answer" in after.reason
    assert after.citations == after.sentences == ()


def test_a_judge_that_is_not_there_is_told_before_a_word_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(RAG, "model", property(lambda _: Says("Never.")))
    with RAG.open(tmp_path / "store", Settings(entailment=str(tmp_path), answer_cache="none")) as rag:
        rag.ingest(Document.of(MUSEUM, "museum"), progress=False)
        events = []
        with pytest.raises(ModelError):
            for event in rag.stream("When did the museum open?"):
                events.append(event.kind)
    assert "token" not in events


@pytest.mark.parametrize(
    "wrong",
    [{"unsupported": "hide"}, {"min_support": 65.0}, {"min_confidence": 7.0}, {"quantization": "int3"}],
)
def test_what_cannot_be_meant_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Settings(**wrong)


def test_the_version_of_checking_follows_the_models_that_judge_and_rank(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    plain = check_version()
    for name in ("entailment", "rerank"):
        chosen = Settings(**{name: str(tmp_path)}, device="cpu")
        before = check_version(chosen)
        (tmp_path / "model.safetensors").write_bytes(name.encode())  # other weights in the same folder
        assert len({plain, before, check_version(chosen)}) == 3
