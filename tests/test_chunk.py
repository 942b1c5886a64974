"""Properties of cutting: spans are exact, nothing is lost, sizes stay in bounds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import Document
from liquid_ai.indexing.embed import Tokens, load_encoder, packaged_spec
from liquid_ai.ingestion.chunk import split

ENCODER = load_encoder()
PIECES = st.sampled_from(
    ["word ", "A sentence. ", "\n\n", "\n", "# Heading\n\n", "Title\n=====\n", "```\n# x\n```\n", " ", "\t",
     "x" * 90, "Qm4" * 99, "日本語の文章。", "naïve café ", "שלום עולם ", "1.5 ", "...", "\u200b", "🙂"]
)  # fmt: skip
TEXTS = st.one_of(st.lists(PIECES, max_size=120).map("".join), st.text(max_size=400))


@settings(max_examples=150, deadline=None)
@given(
    TEXTS,
    st.sampled_from([16, 40, 254]),
    st.booleans(),
    st.sampled_from(["", "A title", "Qm4" * 30, "標題" * 40]),
)
def test_chunks_are_exact_complete_and_bounded(text, size, headings, title):
    document = Document.of(text, "somewhere", title=title)
    [chunks] = split([document], ENCODER, size, headings)
    at = 0
    for chunk in chunks:
        assert document.text[chunk.start : chunk.end] == chunk.text
        assert chunk.text == chunk.text.strip() != ""
        assert chunk.start >= at and not text[at : chunk.start].strip()
        at = chunk.end
    assert not text[at:].strip()
    assert all(len(spans) <= size for spans in ENCODER.token_spans([c.encoded for c in chunks]))
    assert len({c.id for c in chunks}) == len(chunks)


@settings(max_examples=50, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=60).map("".join))
def test_the_encoder_reads_every_chunk_whole(text):
    [chunks] = split([Document.of(text, "somewhere")], ENCODER)
    assert all(
        len(ids) <= ENCODER.max_tokens for ids in Tokens(packaged_spec()).ids([c.encoded for c in chunks])
    )


@given(st.lists(st.sampled_from(["alpha beta.", "gamma", "delta epsilon zeta."]), min_size=2, max_size=20))
def test_an_edit_elsewhere_renames_nothing(paragraphs):
    before = Document.of("\n\n".join(paragraphs), "same")
    after = Document.of("\n\n".join([*paragraphs, "one more paragraph"]), "same")
    [a], [b] = split([before], ENCODER, 16), split([after], ENCODER, 16)
    for text in {c.text for c in a} & {c.text for c in b}:
        same = zip([c.id for c in a if c.text == text], [c.id for c in b if c.text == text], strict=False)
        assert all(x == y for x, y in same)
