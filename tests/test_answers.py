"""Scores of answers: SQuAD's official figures, parity with other implementations, ties, faults."""

import json
import math
import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise, permutations, product
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from liquid_ai.core import Answer, Citation, Document, Generation, InputError, Sentence, Settings, Usage
from liquid_ai.evaluation.abstention import abstention_scores, risk_coverage
from liquid_ai.evaluation.answers import (
    closed_book,
    costs,
    evaluate_answers,
    gold_context,
    lcs_length,
    plain_text,
    rouge_l,
)
from liquid_ai.evaluation.grounding import (
    Judge,
    citation_hits,
    citation_quality,
    cite_judge,
    find_spans,
    groundedness,
    measured,
)
from liquid_ai.evaluation.squad import (
    Reference,
    Span,
    contains_answer,
    exact_match,
    normalise_answer,
    read_predictions,
    read_squad,
    score_predictions,
    token_f1,
)
from liquid_ai.indexing.embed import load_encoder
from liquid_ai.indexing.sparse import BM25Index, Words

SQUAD = Path(os.environ.get("LIQUID_AI_DATA") or ROOT.parent / "shared" / "data") / "squad"
WORDS = st.lists(
    st.sampled_from(["the", "a", "cat", "Cat,", "sat", "on", "mat.", "U.S.", "42"]), max_size=9
).map(" ".join)


# SQuAD


@pytest.mark.parametrize(
    ("data", "predictions", "exact", "f1", "missing"),
    [
        ("dev-v1.1", "v1.1-logistic-regression-baseline", 40.14, 50.98, 13),
        ("dev-v1.1", "v1.1-bert-ensemble", 86.21, 92.20, 0),
        ("dev-v2.0", "v2.0-bert-single", 78.74, 81.78, 0),
    ],
)
def test_the_official_figures_come_out(data, predictions, exact, f1, missing):
    if not SQUAD.exists():
        pytest.skip("SQuAD is not ours to ship: put it where LIQUID_AI_DATA points")
    squad = read_squad(SQUAD / f"{data}.json")
    scores = score_predictions(
        read_predictions(SQUAD / "predictions" / f"{predictions}.json"), squad.questions
    )
    assert round(100 * scores["exact"].mean(), 2) == exact
    assert round(100 * scores["f1"].mean(), 2) == f1
    assert scores.notes.get("missing predictions, scored 0", 0) == missing
    texts = {d.id: d.text for d in squad.documents}
    for q in squad.questions:
        assert {texts[s.document_id][s.start : s.end] for s in q.spans} == set(q.answers)


def official(prediction: str, golds: list[str]) -> tuple[float, float]:
    "Exact match and F1 as evaluate-v2.0.py defines them, written out."

    def normal(s):
        s = "".join(c for c in s.lower() if c not in r"""!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~""")
        return re.sub(r"\b(a|an|the)\b", " ", s).split()

    golds = [g for g in golds if normal(g)] or [""]
    f1 = []
    for gold in map(normal, golds):
        said = normal(prediction)
        same = sum((Counter(said) & Counter(gold)).values())
        if not said or not gold:
            f1.append(float(said == gold))
        elif not same:
            f1.append(0.0)
        else:
            p, r = same / len(said), same / len(gold)
            f1.append(2 * p * r / (p + r))
    return float(any(normal(prediction) == normal(g) for g in golds)), max(f1)


@settings(deadline=None)
@given(WORDS, st.lists(WORDS, min_size=1, max_size=4))
def test_exact_match_and_f1_equal_the_definition(prediction, golds):
    exact, f1 = official(prediction, golds)
    assert exact_match(prediction, golds) == exact
    assert math.isclose(token_f1(prediction, golds), f1, abs_tol=1e-12)
    assert exact <= contains_answer(prediction, golds) and exact <= token_f1(prediction, golds) + 1e-12


@settings(deadline=None)
@given(st.text())
def test_normalising_twice_is_normalising_once_and_a_text_matches_itself(text):
    once = normalise_answer(text)
    assume(once == once.lower())  # a few letters have no stable lower case
    assert normalise_answer(once) == once
    assert exact_match(text, [text]) == token_f1(text, [text]) == 1


def test_what_is_missing_is_counted_and_scores_nothing():
    references = [Reference("a", "?", ("yes",)), Reference("b", "?", (), True), Reference("c", "?", ("no",))]
    scores = score_predictions({"a": "Yes.", "x": "1", "y": "2"}, references)
    assert scores["exact"].tolist() == [1, 0, 0]
    assert scores.notes == {
        "missing predictions, scored 0": 2,
        "predictions for no question, left out": 2,
    }
    assert "missing" in repr(scores) and "missing" in scores._repr_html_()
    assert scores.summary()["exact"]["impossible"] == {"mean": 0.0, "n": 1, "undefined": 0}
    assert score_predictions({"a": "", "b": "", "c": ""}, references)["f1"].tolist() == [0, 1, 0]
    with pytest.raises(InputError, match="rouge.*exact, f1"):
        scores["rouge"]


QA = {"id": "q7", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}], "is_impossible": False}


def squad_file(folder: Path, *qas, context="Ann wrote it.") -> Path:
    path = folder / "small.json"
    path.write_text(json.dumps({"data": [{"title": "T", "paragraphs": [{"context": context, "qas": qas}]}]}))
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answers": [{"text": "Ann", "answer_start": 1}]}, "q7.*'Ann' does not stand at 1"),
        ({"answers": [{"text": "Ann", "answer_start": -3}]}, "q7.*does not stand"),
        ({"answers": [{"text": "Ann"}]}, "q7.*'answer_start' is missing"),
        ({"answers": [{"text": None, "answer_start": 0}]}, "q7.*'text' is missing"),
        ({"answers": []}, "q7 has no answer"),
        ({"answers": None}, "q7.*'answers' is missing"),
        ({"is_impossible": True}, "q7 is marked impossible, but has the answer 'Ann'"),
        ({"is_impossible": "no"}, "q7.*'is_impossible' is missing or no bool"),
        ({"question": "  "}, "q7"),
        ({"id": 7}, r"data\[0\].paragraphs\[0\].*'id'"),
    ],
)
def test_a_fault_in_a_squad_file_is_named(tmp_path, change, said):
    with pytest.raises(InputError, match=said):
        read_squad(squad_file(tmp_path, QA | change))


def test_other_files_are_refused_and_good_ones_read(tmp_path):
    assert read_squad(squad_file(tmp_path, QA)).questions[0].answers == ("Ann",)
    with pytest.raises(InputError, match="q7 stands in the file twice"):
        read_squad(squad_file(tmp_path, QA, QA))
    with pytest.raises(InputError, match="no questions"):
        read_squad(squad_file(tmp_path))
    path = tmp_path / "other.json"
    for text, said in {
        "[1]": "not an object",
        "{": "JSON",
        '{"data": 1}': "'data'",
        '{"data": [1]}': "paragraphs",
    }.items():
        path.write_text(text)
        with pytest.raises(InputError, match=said):
            read_squad(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_squad(tmp_path / "absent.json")
    path.write_text('{"q1": 7}')
    with pytest.raises(InputError, match="question q1"):
        read_predictions(path)


@pytest.mark.parametrize("score", [exact_match, token_f1, contains_answer, rouge_l])
def test_scores_want_texts(score):
    for prediction, answers in (("x", []), ("x", "x"), (None, ["x"]), ("x", [None]), (b"x", ["x"])):
        with pytest.raises(InputError):
            score(prediction, answers)


# ROUGE-L


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
def test_lcs_equals_the_table(a, b):
    table = np.zeros((len(a) + 1, len(b) + 1), int)
    for i, j in product(range(len(a)), range(len(b))):
        table[i + 1, j + 1] = table[i, j] + 1 if a[i] == b[j] else max(table[i, j + 1], table[i + 1, j])
    assert lcs_length(a, b) == lcs_length(b, a) == table[-1, -1]


@settings(deadline=None)
@given(
    st.text(alphabet="abX -_.,1\n", max_size=40),
    st.lists(st.text(alphabet="abX -_.,1\n", max_size=40), min_size=1, max_size=3),
)
def test_rouge_l_equals_rouge_score(prediction, answers):
    package = pytest.importorskip("rouge_score.rouge_scorer", reason="parity needs the rouge_score package")
    theirs = package.RougeScorer(["rougeL"], use_stemmer=False)
    wanted = max(theirs.score(answer, prediction)["rougeL"].fmeasure for answer in answers)
    assert math.isclose(rouge_l(prediction, answers), wanted, abs_tol=1e-12)


@pytest.mark.parametrize(
    ("said", "right", "score"),
    [
        ("東京", "東京", 1),
        ("東京です。", "東京", 2 / 3),
        ("Москва большая", "большая Москва", 1 / 2),
        ("Cafe\u0301", "café", 1),
        ("café", "cafe", 0),
        ("हिन्दी भाषा", "हिन्दी लिपि", 1 / 2),
        ("ที่นี่", "ที่นั่น", 2 / 5),
        ("한국 음식", "한국 사람", 1 / 2),
        ("Python で書く", "python", 2 / 5),
        ("…", "東京", 0),
    ],
)
def test_rouge_l_reads_every_script(said, right, score):
    assert rouge_l(said, [right]) == pytest.approx(score)


def test_rouge_l_of_long_texts_is_quick():
    rng = np.random.default_rng(0)
    a, b = (" ".join(map(str, rng.integers(0, 500, 20_000))) for _ in range(2))
    start = time.perf_counter()
    assert 0.07 < rouge_l(a, [b]) < 0.11  # about 2 / sqrt(500)
    assert time.perf_counter() - start < 10  # a table of 400 million cells takes minutes


# Abstention

CONFIDENCES = st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1)), min_size=1, max_size=6)


@settings(deadline=None, max_examples=50)
@given(CONFIDENCES)
def test_ties_count_as_the_mean_over_their_orders(pairs):
    curves = []
    for order in permutations(pairs):
        if all(a[0] >= b[0] for a, b in pairwise(order)):
            curves.append(np.cumsum([loss for _, loss in order]) / np.arange(1, len(order) + 1))
    confidence, loss = zip(*pairs, strict=True)
    curve = risk_coverage(confidence, loss)
    assert np.allclose(curve.risk, np.mean(curves, axis=0))
    assert math.isclose(curve.aurc, np.mean(curves), abs_tol=1e-12)
    assert curve.tied == sum(confidence.count(c) > 1 for c in confidence)


@settings(deadline=None)
@given(CONFIDENCES, st.floats(0.01, 1))
def test_curves_keep_their_properties(pairs, coverage):
    confidence, loss = map(np.array, zip(*pairs, strict=True))
    curve = risk_coverage(confidence, loss)
    assert curve.eaurc >= -1e-12 and math.isclose(curve.risk[-1], loss.mean(), abs_tol=1e-12)
    assert math.isclose(risk_coverage(np.zeros(len(loss)), loss).aurc, loss.mean(), abs_tol=1e-12)
    assert abs(risk_coverage(-loss, loss).eaurc) < 1e-12
    assert np.allclose(risk_coverage(np.exp(confidence), loss).risk, curve.risk)  # only the order counts
    for threshold in set(confidence.tolist()):  # what a threshold really gives
        kept = confidence >= threshold
        assert math.isclose(curve.risk_at(kept.mean()), loss[kept].mean(), abs_tol=1e-9)
    given = {c: confidence >= c for c in confidence.tolist()}
    for bar in (0.0, 0.3, float(loss.mean()), 1.0):
        allowed = [kept.mean() for kept in given.values() if loss[kept].mean() <= bar + 1e-12]
        assert math.isclose(curve.coverage_at(bar), max(allowed, default=0), abs_tol=1e-9)
    assert curve.risk_at(coverage) in curve.risk
    half = risk_coverage(confidence, loss, asked=2 * len(loss))
    assert np.allclose(half.coverage * 2, curve.coverage) and half.aurc == curve.aurc


@pytest.mark.parametrize(
    ("confidence", "loss", "said"),
    [
        ([0.5, float("nan")], [0, 1], "question b has the confidence nan"),
        ([0.5, 0.1], [float("inf"), 1], "question a has the loss inf"),
        ([0.5, 0.1], [0, -1], "question b has a negative loss"),
        ([0.5], [0], "one number for each"),
        ([0.5, "high"], [0, 1], "numbers are wanted"),
        ([0.5, 0.1], [[0, 1]], "shape"),
    ],
)
def test_what_cannot_be_ranked_is_named(confidence, loss, said):
    with pytest.raises(InputError, match=said):
        risk_coverage(confidence, loss, ids=["a", "b"])


def test_impossible_curves_are_refused():
    for arguments in (([], []), ([0.1], [0, 1]), ([0.1], [0], 0)):
        with pytest.raises(InputError):
            risk_coverage(*arguments)
    for coverage in (0, 0.6, 1.1, float("nan")):
        with pytest.raises(InputError, match="no coverage"):
            risk_coverage([0.1], [0], asked=2).risk_at(coverage)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_refusals_equal_sklearn(pairs):
    from sklearn.metrics import precision_recall_fscore_support

    abstained, impossible = map(np.array, zip(*pairs, strict=True))
    ours = abstention_scores(abstained, impossible)
    wanted = precision_recall_fscore_support(impossible, abstained, average="binary", zero_division=np.nan)[
        :3
    ]
    for value, reference in zip((ours.precision, ours.recall, ours.f1), wanted, strict=True):
        assert np.isclose(value, reference, equal_nan=True)
    json.dumps(ours.summary(), allow_nan=False)


def test_refusals_are_truth_values():
    for abstained, impossible in (([0.2], [True]), ([True], [True, False]), ([], [])):
        with pytest.raises(InputError):
            abstention_scores(abstained, impossible)


# Grounding: a judge that wants every word of the claim makes each case plain


def wordy(claim: str, passages) -> list[float]:
    told = set(re.findall(r"\w+", claim.lower()))
    return [len(told & set(re.findall(r"\w+", p.lower()))) / len(told) for p in passages]


JUDGE = Judge("all words", wordy, 1.0)


def cite(number: int, quote: str, start: int = 0) -> Citation:
    return Citation(number, "c", "d", start, start + len(quote), quote)


@pytest.mark.parametrize(
    ("text", "quotes", "grounded", "recalled", "precise"),
    [
        ("Ann is old [1].", ["ann is old"], 1, [1], [1]),
        ("Ann is old [1].", ["bob is old"], 0, [0], [0]),
        ("Ann is old.", ["ann is old"], 1, [0], []),  # grounded, but the mark is missing
        ("Ann is old [2].", ["ann is old"], 1, [0], [0]),  # a mark that leads nowhere
        ("Ann is old [1][2].", ["ann is", "is old"], 0, [1], [1, 1]),  # only together
        ("Ann is old [1, 2].", ["ann is old", "cats"], 1, [1], [1, 0]),  # the second is idle
        ("Ann is old [1][2].", ["ann is old", "ann is old too"], 1, [1], [1, 1]),
        ("Ann is old [1][2][3].", ["ann is", "is old", "cats"], 0, [1], [1, 1, 0]),
        ("Ann is old [1]. Bob is [2].", ["ann is old", "cats"], 0.5, [1, 0], [1, 0]),
    ],
)
def test_citations_are_judged_as_alce_does(text, quotes, grounded, recalled, precise):
    answer = Answer("?", text, citations=tuple(cite(n, q) for n, q in enumerate(quotes, 1)))
    assert groundedness(answer, JUDGE).share == grounded
    quality = citation_quality(answer, JUDGE)
    assert (list(quality.supported), list(quality.precise)) == (recalled, precise)
    assert quality.method == "all words, error not measured"


def test_an_answer_that_says_what_it_cites_is_believed():
    text = "Take x [1] of y: it is old [1]. It is not [2] new."
    answer = Answer(
        "?", text, (cite(1, "old"),), (Sentence(0, 31, 1.0, True, (1,)), Sentence(32, 50, 0.1, False))
    )
    assert plain_text(answer) == "Take x of y: it is old. It is not [2] new."
    assert math.isnan(groundedness(replace(answer, abstained=True), JUDGE).share)
    assert math.isnan(citation_quality(replace(answer, abstained=True), JUDGE).recall)
    assert plain_text(replace(answer, abstained=True)) == ""


def test_a_judge_is_measured_by_kind():
    known = [("true", "a b", "a b c", True), ("true", "a z", "a", True), ("false", "z", "a", False)]
    judge = measured(JUDGE, known, on="three claims")
    assert judge.errors == {"true": 0.5, "false": 0.0} and "true 50%" in str(judge)
    with pytest.raises(InputError):
        measured(JUDGE, [], on="none")


def test_the_judge_of_the_package_knows_its_error_only_where_it_was_measured():
    encoder = load_encoder(Settings())
    passages = ["The kettle holds 1.7 litres of water.", "It switches itself off."]
    index = BM25Index.build(passages, Words())
    judge = cite_judge(encoder, index)
    assert judge.supports("The kettle holds 1.7 litres.", passages) == [True, False]
    assert judge.supports("The kettle holds 1.9 litres.", passages) == [False, False]
    assert judge.supports("The kettle holds 1.7 litres.", []) == []
    assert len(judge.errors) == 3 and "64%" in str(judge)
    assert cite_judge(encoder, index, 0.5).errors == {}


@settings(deadline=None)
@given(st.text(alphabet="ab .\n", max_size=30), st.text(alphabet="ab.\n", max_size=10), st.text("ab .\n"))
def test_a_quote_is_found_where_it_stands(before, middle, after):
    quote = f"b{middle}a"
    text = before + quote + after
    document = Document.of(text, "x")
    spans = find_spans(" ".join(quote.split()), [document])
    assert all(text[s.start : s.end].split() == quote.split() for s in spans)
    assert spans and all(s.document_id == document.id for s in spans)


def test_hits_share_a_character_with_a_gold_span():
    answer = Answer(
        "?", "x", (cite(1, "abcd", 10), cite(2, "abcd", 14), replace(cite(3, "abcd", 10), document_id="e"))
    )
    reference = Reference("q", "?", ("x",), spans=(Span("d", 5, 11), Span("d", 90, 99)))
    assert citation_hits(answer, reference) == (True, False, False)
    with pytest.raises(InputError, match="question q"):
        citation_hits(answer, replace(reference, spans=()))
    with pytest.raises(InputError):
        find_spans(" ", [])


# All of it

REFERENCES = [
    Reference("a", "Who?", ("Ann",), spans=(Span("d", 0, 3),)),
    Reference("b", "Where?", ("In Rome", "Rome")),
    Reference("c", "When?", (), True),
    Reference("e", "Why?", (), True),
]
ANSWERS = {
    "e": Answer("Why?", "Because.", confidence=0.3),
    "a": Answer(
        "Who?", "Ann [1].", (cite(1, "Ann"),), confidence=0.9, usage=Usage(10, 2), timings={"total": 5.0}
    ),
    "b": Answer(" Where? ", "It was in Rome.", confidence=0.6, timings={"total": 7.0, "generate": 3.0}),
    "c": Answer("When?", "The documents do not say.", abstained=True, confidence=0.1),
}


def test_every_score_is_by_question():
    result = evaluate_answers(ANSWERS, REFERENCES, JUDGE)
    nan = float("nan")
    wanted = {
        "exact": [1, 0, 1, 0],
        "f1": [1, 2 * 2 / (4 + 2), 1, 0],
        "contains": [1, 1, 1, 0],
        "rouge_l": [1, 2 * 2 / (4 + 2), nan, nan],
        "gold_hit": [1, nan, nan, 0],
        "gold_precision": [1, nan, nan, nan],
        "grounded": [1, 0, nan, 0],
        "citation_recall": [1, 0, nan, 0],
        "citation_precision": [1, nan, nan, nan],
        "confidence": [0.9, 0.6, 0.1, 0.3],
    }
    assert result.scores.values.keys() == wanted.keys()
    for measure, values in wanted.items():
        assert np.allclose(result[measure], values, equal_nan=True), measure
    summary = json.loads(json.dumps(result.summary(), allow_nan=False))
    assert summary["scores"]["rouge_l"]["impossible"] == {"mean": None, "n": 0, "undefined": 2}
    assert summary["abstention"]["recall"] == 0.5 and summary["abstention"]["turned_away"] == 0
    assert summary["costs"]["generate ms"] == {"p50": 3.0, "p95": 3.0, "n": 1}
    assert "all words" in repr(result) and "undefined" in result._repr_html_()
    curve = result.risk_coverage("exact")
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75] and np.allclose(curve.risk, [0, 1 / 2, 2 / 3])
    with pytest.raises(InputError, match="question e has the loss nan"):
        result.risk_coverage("rouge_l")
    assert "grounded" not in evaluate_answers(ANSWERS, REFERENCES).scores.values


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"a": replace(ANSWERS["a"], confidence=float("nan"))}, "question a: the confidence nan"),
        ({"a": replace(ANSWERS["a"], confidence=1.5)}, "question a: the confidence 1.5"),
        ({"b": replace(ANSWERS["b"], text=None)}, "question b: an Answer with a text"),
        ({"b": "Rome"}, "question b: an Answer"),
        (
            {"b": replace(ANSWERS["b"], question="Who?")},
            "question b is 'Where\\?', but answered was 'Who\\?'",
        ),
        ({"z": ANSWERS["a"]}, "1 questions have no reference, the first is z"),
        ({"a": replace(ANSWERS["a"], timings={"total": float("nan")})}, "question a: total took nan"),
        ({"a": replace(ANSWERS["a"], timings={"total": -1.0})}, "question a: total took -1.0"),
    ],
)
def test_bad_answers_are_named(change, said):
    with pytest.raises(InputError, match=said):
        evaluate_answers(ANSWERS | change, REFERENCES)


def test_answers_and_references_must_belong_together():
    with pytest.raises(InputError, match="1 questions have no answer, the first is a"):
        evaluate_answers({k: v for k, v in ANSWERS.items() if k != "a"}, REFERENCES)
    with pytest.raises(InputError, match="no questions"):
        evaluate_answers({}, [])
    with pytest.raises(InputError, match="question a stands among the references 2 times"):
        evaluate_answers(ANSWERS, [*REFERENCES, REFERENCES[0]])
    with pytest.raises(InputError):
        costs({})
    for wrong in (
        {"id": ""},
        {"answers": ()},
        {"answers": (" ",)},
        {"answers": (7,)},
        {"is_impossible": True},
    ):
        with pytest.raises(InputError):
            replace(REFERENCES[0], **wrong)


# Baselines


class Parrot:
    "A language model that says one thing and remembers what it was asked."

    name, fingerprint, context = "parrot", "0", 400

    def count(self, messages):
        return sum(len(m["content"].split()) for m in messages)

    def stream(self, messages, max_tokens, stop=()):
        self.asked, self.limit = messages, max_tokens
        yield Generation("It is 12 euros [1]. It is then", Usage(self.count(messages), 9), finished=False)


def test_baselines_ask_the_same_model_with_and_without_the_passage():
    model, passages = Parrot(), ["A ticket to the tower costs 12 euros.", "It opens at nine."]
    for baseline, arguments in ((closed_book, ()), (gold_context, (passages,))):
        answer = baseline(model, "How much is it?", *arguments, max_tokens=20)
        said = model.asked[-1]["content"]
        assert "How much is it?" in said and model.limit == 20
        assert [p in said for p in passages] == [baseline is gold_context] * 2
        assert answer.text == "It is 12 euros." and answer.usage.answer_tokens == 9
        assert answer.usage.prompt_tokens == model.count(model.asked) and answer.timings["generate"] >= 0
        assert answer.versions["baseline"] == baseline.__name__.replace("_", " ") and not answer.abstained


def test_baselines_refuse_what_they_cannot_ask():
    for question, passages in (
        ("", ["x"]),
        ("How?", []),
        ("How?", "a text"),
        ("How?", ["x", " "]),
        ("How?", [None]),
    ):
        with pytest.raises(InputError):
            gold_context(Parrot(), question, passages)
    with pytest.raises(InputError):
        closed_book(Parrot(), " ")
    with pytest.raises(InputError):  # a gold passage is never cut in silence
        gold_context(Parrot(), "How?", ["word " * 200, "word " * 200])


def test_importing_the_room_loads_nothing_heavy():
    names = ("squad", "abstention", "grounding", "answers")
    code = "".join(f"import liquid_ai.evaluation.{n}\n" for n in names) + "import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "openvino", "faiss", "scipy", "pandas", "matplotlib", "sklearn"}
    assert not heavy & set(done.stdout.split())
