"""An answer taken apart: where it came from, and what it would be without each passage."""

from hypothesis import given
from hypothesis import strategies as st

from liquid_ai.core import Answer, Chunk, Citation, Hit, Hits, Sentence, Signal
from liquid_ai.generation.influence import explain_answer, word_change

TEXTS = ["Herons eat fish.", "Iron rusts.", "Bees dance."]
HITS = Hits(
    Hit(
        Chunk(f"c{n}", f"d{n}", text, 0, len(text)),
        1.0,
        n + 1,
        {"dense": Signal(n + 1, 0.5), "sparse": Signal(3 - n, 1.0)},
    )
    for n, text in enumerate(TEXTS)
)


def read(question, hits):
    "Quotes the first hit."
    if not hits:
        return Answer(question, "Nothing.", abstained=True)
    chunk = hits[0].chunk
    text = f"{chunk.text[:-1]} [1]."
    cited = Citation(1, chunk.id, chunk.document_id, 0, len(chunk.text), chunk.text)
    return Answer(question, text, (cited,), (Sentence(0, len(text), 0.9, True, (1,)),), hits)


def test_only_the_passage_that_was_used_has_influence():
    told = explain_answer(read("q", HITS), read)
    assert [i.hit.chunk.id for i in told.influences if i.change] == ["c0"]
    assert told.influences[0].without.text == "Iron rusts [1]." and told.influences[0].change == 1.0
    assert told.origins[0].hits == HITS[:1] and told.origins[0].retrievers == ("dense #1",)


def test_the_last_passage_leaves_a_refusal():
    told = explain_answer(read("q", Hits(HITS[:1])), read)
    assert (
        told.influences[0].change == 1.0
        and told.influences[0].without.abstained
        and not told.influences[0].cited
    )


def test_what_is_shown_is_escaped():
    text = "<script>alert(1)</script>"
    shown = explain_answer(Answer("q", text, sentences=(Sentence(0, len(text), 0.1, False),)))._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown


@given(st.text(), st.text())
def test_change_is_a_share_and_symmetric(a, b):
    assert 0 <= word_change(a, b) == word_change(b, a) <= 1 and word_change(a, a) == 0
