"""Properties of cutting: spans are exact, nothing is lost, sizes stay in bounds, whichever way is chosen."""

import ast
import hashlib
import inspect
import random
import re
import textwrap
import time
import tokenize
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import Document, InputError, Settings
from liquid_ai.indexing.embed import Tokens, load_encoder, packaged_spec
from liquid_ai.ingestion.chunk import cutter, headings, split
from liquid_ai.ingestion.code import blocks
from liquid_ai.pipeline import RAG

ENCODER = load_encoder()
PIECES = st.sampled_from(
    ["word ", "A sentence. ", "\n\n", "\n", "# Heading\n\n", "Title\n=====\n", "```\n# x\n```\n", " ", "\t",
     "x" * 90, "Qm4" * 99, "日本語の文章。", "naïve café ", "שלום עולם ", "1.5 ", "...", "\u200b", "🙂"]
)  # fmt: skip
CODE = st.sampled_from(
    ["def f(a):\n", "    return a\n", "\treturn a\n", "class A:\n", "@wrapped\n", "# why\n", "x = 1\n"]
    + ["    def g(self): pass\n", '    """Says\n\ndef not_this():\n"""\n', "fn f() {\n", "}\n", "\n"]
    + ["    } else {\n", "def broken(:\n", "/* a */\n", "#[derive(A)]\n", "impl A for B {\n", "end\n"]
    + ["    if (a) {\n", "\f", "\r", "  \n", "שלום = 1\n", "\u3000x\n", "function go() {\n", " " * 30 + "x\n"]
)  # fmt: skip
WAYS = ("auto", "tokens", "headings", "code", "stable")
TEXTS = st.one_of(
    st.lists(st.one_of(CODE, CODE, PIECES), max_size=120).map("".join),
    st.lists(PIECES, max_size=120).map("".join),
    st.text(max_size=400),
)


@settings(max_examples=400, deadline=None)
@given(
    TEXTS,
    st.sampled_from([16, 40, 254]),
    st.booleans(),
    st.sampled_from(["", "A title", "Qm4" * 30, "標題" * 40]),
    st.sampled_from(WAYS),
    st.sampled_from(["", ".py", ".rs"]),
)
def test_chunks_are_exact_complete_and_bounded(text, size, headings, title, way, ext):
    mime = "text/x-source" if ext else "text/plain"
    document = Document.of(text, f"somewhere{ext}", title=title, mime=mime, meta={"ext": ext})
    [chunks] = split([document], ENCODER, size, headings, way)
    assert [chunks] == split([document], ENCODER, size, headings, way)
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


def made_up(seed: int, paragraphs: int) -> str:
    rng = random.Random(seed)
    words = [
        f"{a}{b}"
        for a in ("al", "be", "ga", "del", "ep", "ze")
        for b in ("pha", "ta", "mma", "silon", "ta's")
    ]

    def sentence():
        return " ".join(rng.choices(words, k=rng.randint(4, 25))).capitalize() + rng.choice(".....!?")

    def paragraph():
        head = rng.choice(
            ["", "", "", "", "## Title of it\n\n", "Under\n=====\n\n", "```\nx = 1\ny = 2\n```\n\n"]
        )
        return head + rng.choice([" ", " ", "\n"]).join(sentence() for _ in range(rng.randint(1, 8)))

    return "\n\n".join(paragraph() for _ in range(paragraphs))


def test_prose_is_cut_as_it_always_was():
    "Published numbers depend on it. A change here is a new number in the name of the method."
    documents = [Document.of(made_up(n, 5 * n), str(n), title="T" * n) for n in range(12)]
    told = [
        (c.start, c.end, c.headings, c.context)
        for size, with_headings in ((254, True), (64, False))
        for chunks in split(documents, ENCODER, size, with_headings)
        for c in chunks
    ]
    assert hashlib.sha256(repr(told).encode()).hexdigest()[:16] == "412a12fcd0140ab5"
    assert cutter(ENCODER, 254, True, "tokens") == "spans-2:254:headings"


def test_every_way_has_its_own_name():
    names = {cutter(ENCODER, size, h, way) for size in (64, 254) for h in (True, False) for way in WAYS}
    assert len(names) == 4 * len(WAYS)
    for refused in (lambda: cutter(ENCODER, 254, chunking="lines"), lambda: Settings(chunking="lines")):
        with pytest.raises(InputError, match="lines"):
            refused()
    with pytest.raises(InputError, match="lines"):
        split([], ENCODER, chunking="lines")


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=120).map("".join))
def test_sections_do_not_mix(text):
    [chunks] = split([Document.of(text, "somewhere")], ENCODER, 254, chunking="headings")
    starts = [at for at, *_ in headings(text)]
    for chunk in chunks:
        inside = [at for at in starts if chunk.start < at < chunk.end]
        above = text[chunk.start : max(inside, default=chunk.start)].split("\n")
        assert all(re.match(r"#|Title$|=+$|$", line.strip()) for line in above), (
            "only titles stand above a title"
        )


@pytest.mark.parametrize("module", [textwrap, ast, tokenize])
def test_a_function_is_a_chunk_with_its_qualified_name(module):
    source = inspect.getsource(module)
    document = Document.of(source, "m.py", title="m", mime="text/x-source", meta={"ext": ".py"})
    [chunks] = split([document], ENCODER)
    lines, seen = source.splitlines(keepends=True), 0

    def walk(body, path):
        nonlocal seen
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            own = (*path, f"class {node.name}" if isinstance(node, ast.ClassDef) else node.name)
            text = "".join(lines[node.lineno - 1 : node.end_lineno]).strip()
            size = len(ENCODER.token_spans([text])[0])
            holding = [c for c in chunks if text in c.text]
            if size < 200:
                assert holding, f"{own} is torn apart"
            if 60 < size < 200:
                assert holding[0].headings == own and set(own[:-1]) <= set(
                    holding[0].encoded.split("\n")[0].split(" › ")
                )
                seen += 1
            elif size >= 200:
                walk(node.body, own)

    walk(ast.parse(source).body, ())
    assert seen > 3
    [prose] = split([document], ENCODER, chunking="tokens")
    assert [c.text for c in prose] != [c.text for c in chunks]


def test_code_is_known_by_type_or_name_and_nothing_else_is():
    source = inspect.getsource(textwrap)
    as_prose = [c.text for c in split([Document.of(source, "m")], ENCODER)[0]]
    for rest in ({"mime": "text/x-source"}, {"meta": {"ext": ".py"}}):
        assert [c.text for c in split([Document.of(source, "m.py", **rest)], ENCODER)[0]] != as_prose
    assert [c.text for c in split([Document.of(source, "m.py")], ENCODER)[0]] == as_prose


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(CODE, PIECES), max_size=60).map("".join), st.sampled_from(["", ".py"]))
def test_blocks_are_all_of_a_file(text, suffix):
    def check(found, start, end):
        edges = [start, *(at for b in found for at in (b.start, b.end)), end]
        assert edges == sorted(edges)
        assert not "".join(text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)).strip()
        for b in found:
            if b.parts:
                check(b.parts, b.start, b.end)

    check(blocks(text, suffix), 0, len(text))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 9), st.floats(0, 1), st.sampled_from(["add", "drop", "word"]))
def test_an_edit_changes_only_what_is_near_it(seed, where, edit):
    before = made_up(seed, 200).replace("```", "").split("\n\n")  # one half of a fence turns all that follows
    at = int(where * (len(before) - 1))
    new = {"add": [before[at], "A new one. It is short."], "drop": [], "word": [before[at] + " Really."]}[
        edit
    ]
    after = [*before[:at], *new, *before[at + 1 :]]
    texts = ["\n\n".join(t) for t in (before, after)]
    a, b = ([c.text for c in split([Document.of(t, "d")], ENCODER, chunking="stable")[0]] for t in texts)
    assert len(a) > 40
    same_above = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(b))
    same_below = next((i for i, (x, y) in enumerate(zip(a[::-1], b[::-1], strict=False)) if x != y), len(b))
    assert len(b) - same_above - same_below <= 12


def test_a_small_chunk_is_matched_and_a_large_passage_is_read(tmp_path):
    kettle = "The kettle boils a litre of water in four minutes and switches itself off."
    text = f"# Kettle\n\n{made_up(1, 1)} {kettle} It is made of steel.\n\n# Other\n\n{made_up(2, 6)}"
    small = Settings(chunk_tokens=40, chunking="headings", top_k=1)
    with RAG.open(tmp_path / "store", small) as rag:
        rag.ingest(Document.of(text, "manual"), progress=False)
        [matched] = rag.search("how long does the kettle take to boil?")
    with RAG.open(tmp_path / "store", replace(small, parent_chars=2_000)) as rag:
        [read] = rag.search("how long does the kettle take to boil?")
    assert "four minutes" in matched.chunk.text and len(ENCODER.token_spans([matched.chunk.text])[0]) <= 40
    assert matched.chunk.text in read.chunk.text and len(read.chunk.text) > 2 * len(matched.chunk.text)
    assert read.chunk.text == text[read.chunk.start : read.chunk.end] and "# Other" not in read.chunk.text


HOSTILE = {
    "marks": "# a" + " #" * 300_000 + "x",
    "headings": "# a\n" * 60_000,
    "fences": "```\nx\n```\n" * 30_000,
    "deep": "".join(f"{' ' * (i % 400)}def f{i}():\n" for i in range(2_000)),
    "closers": "}\n" * 100_000,
    "one line": "int f(" * 60_000,
    "blank": "\n" * 400_000,
    "statements": "a\n" * 150_000,
}


@pytest.mark.parametrize("way", ["headings", "code", "stable", "tokens"])
@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_takes_long(name, way):
    document = Document.of(HOSTILE[name], "x.py", mime="text/x-source", meta={"ext": ".py"})
    started = time.process_time()
    split([document], ENCODER, chunking=way)
    assert time.process_time() - started < 30
