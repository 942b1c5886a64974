"""Questions taken apart, and calls that a model wrote: nothing is lost, nothing is run."""

import keyword
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liquid_ai.generation.plan import MOST_PARTS, decompose, missing
from liquid_ai.generation.tool_calls import ToolCall, tool_calls, tool_list
from liquid_ai.indexing.words import Words

KEYWORDS = {*keyword.kwlist}


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("Who wrote it and when was it printed?", ["Who wrote it", "when was it printed?"]),
        ("What is a cat? What is a dog?", ["What is a cat?", "What is a dog?"]),
        ("How do herons and egrets hunt?", ["How do herons and egrets hunt?"]),
        ("What is created and is returned by open?", ["What is created and is returned by open?"]),
        ("Compare lists with tuples.", ["Compare lists with tuples.", "What is lists?", "What is tuples?"]),
        ("why", ["why"]),
    ],
)
def test_a_question_comes_apart_where_another_begins(question, parts):
    assert decompose(question) == parts


@given(
    st.lists(
        st.sampled_from(
            ["what", "is", "a", "heron", "and", "how", "does", "it", "eat", "?", ";", ",", "when", "or"]
        ),
        min_size=1,
        max_size=60,
    )
)
def test_no_word_is_lost(words):
    question = " ".join(words)
    parts = decompose(question)
    assert 1 <= len(parts) <= MOST_PARTS
    told = re.findall(r"\w+", " ".join(parts))
    assert set(re.findall(r"\w+", question)) - {"and", "or", "but", "also"} <= set(told)


def test_white_space_and_dots_cost_no_time():
    assert decompose("How is " + " " * 7_000 + "x from y") == ["How is x from y"]
    assert missing("." * 8_000 + " eels", [], Words("english")) == ["eels"]


@given(st.text(max_size=200))
def test_any_text_has_parts_and_calls_or_none(text):
    assert decompose(text) and isinstance(tool_calls(text), list)
    assert isinstance(tool_calls(f"<|tool_call_start|>{text}<|tool_call_end|>"), list)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda k: k not in KEYWORDS),
        st.text(max_size=30),
        max_size=3,
    )
)
def test_a_call_comes_back_as_it_was_written(arguments):
    call = ToolCall("search", arguments)
    assert tool_calls(f"<|tool_call_start|>[{call}]<|tool_call_end|>") == [call]


def test_what_was_missed_is_told_in_the_question_s_words():
    assert missing("When does the Heron eat eels?", ["herons eat"], Words("english")) == ["eels"]
    assert missing("When?", [], Words("english")) == []


def test_tools_stand_between_their_marks():
    assert tool_list([{"name": "search"}]) == (
        'List of tools: <|tool_list_start|>[{"name": "search"}]<|tool_list_end|>'
    )
