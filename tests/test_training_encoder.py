"""The encoder learns from pairs what is near, is written whole, and is served as it was trained."""

import errno
import math
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import liquid_ai.training.encoder as training
from liquid_ai.core import Document, InputError, ModelError, Settings
from liquid_ai.evaluation.collections import Collection
from liquid_ai.evaluation.ranking import Qrels
from liquid_ai.indexing.assets import folder_is_whole
from liquid_ai.indexing.embed import load_encoder
from liquid_ai.indexing.encoder_spec import packaged_spec, read_spec
from liquid_ai.training.encoder import (
    EncoderOptions,
    EncoderPair,
    compare_encoders,
    encoder_pairs,
    in_batch_loss,
    tune_encoder,
    with_negatives,
)

FRUITS = ["apple", "cherry", "lemon", "plum", "melon", "grape", "peach", "olive"]
CODES = ["zorb", "quax", "flim", "dree", "wost", "gand", "purl", "skev"]
PAIRS = [
    EncoderPair(f"What is a {code}?", f"The {fruit} is meant here.", (), f"doc-{code}")
    for code, fruit in zip(CODES, FRUITS, strict=True)
]
OPTIONS = EncoderOptions(epochs=8, batch=8, learning_rate=2e-4, max_tokens=32, device="cpu", threads=1)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    return tune_encoder(PAIRS, tmp_path_factory.mktemp("encoder") / "tuned", options=OPTIONS, progress=False)


def unit(rows):
    x = torch.tensor(rows, dtype=torch.float32)
    return x / x.norm(dim=1, keepdim=True).clamp_min(1e-6)


vectors = st.lists(st.floats(-1, 1, width=16), min_size=3, max_size=3).filter(
    lambda v: np.linalg.norm(v) > 0.1
)


@given(st.lists(st.tuples(vectors, vectors), min_size=2, max_size=5), st.lists(vectors, max_size=3))
def test_the_loss_is_the_cross_entropy_of_the_right_passage(pairs, negatives):
    questions = unit([q for q, _ in pairs])
    passages = unit([p for _, p in pairs] + negatives)
    wanted = 0.0
    for i, q in enumerate(questions):
        scores = [20 * float(q @ p) for p in passages]
        most = max(scores)
        wanted += most + math.log(sum(math.exp(s - most) for s in scores)) - scores[i]
    found = in_batch_loss(questions, passages, [""] * len(passages)).item()
    assert found == pytest.approx(wanted / len(questions), rel=1e-3, abs=1e-3)


def test_passages_of_one_document_are_not_held_against_each_other():
    questions, passages = unit([[1, 0], [1, 0.1]]), unit([[1, 0], [1, 0.05]])
    assert in_batch_loss(questions, passages, ["a", "a"]).item() == pytest.approx(0.0, abs=1e-6)
    assert in_batch_loss(questions, passages, ["a", "b"]).item() > 0.3


def test_no_question_stands_in_a_batch_twice():
    pairs = [EncoderPair("Same?", f"p{n}") for n in range(3)] + [EncoderPair(f"q{n}", "p") for n in range(5)]
    made = training._batches(pairs, EncoderOptions(batch=4, epochs=2))
    assert all(len({p.question for p in batch}) == len(batch) > 1 for batch in made)
    seen = [p.question for batch in made for p in batch]
    assert {f"q{n}" for n in range(5)} <= set(seen) and len(seen) <= 16


def test_negatives_are_near_and_of_other_documents():
    encoder = load_encoder(Settings(device="cpu", threads=1))
    pair = EncoderPair("What do herons eat?", "Grey herons eat fish and frogs.", (), "birds")
    passages = {
        "Herons nest in high trees.": "nests",
        "Herons eat fish.": "birds",  # the same document: may answer
        "Herons eat fish, frogs and insects.": "copy",  # as near as the right one: may answer
        "The stock market fell.": "money",
        pair.passage: "birds",
    }
    [found] = with_negatives([pair], passages, encoder, most=2, share=0.9)
    assert found.negatives == ("Herons nest in high trees.", "The stock market fell.")
    assert with_negatives([], passages, encoder) == []


def test_a_tuned_encoder_knows_what_it_was_told(tuned):
    losses = [h["loss"] for h in tuned.history]
    assert losses[-1] < 0.5 * losses[0]
    before, after = (
        load_encoder(Settings(device="cpu")),
        load_encoder(Settings(encoder=str(tuned.folder), device="cpu")),
    )

    def right(encoder):
        questions = encoder.encode([p.question for p in PAIRS], "query")
        passages = encoder.encode([p.passage for p in PAIRS], "document")
        return float(np.mean((questions @ passages.T).argmax(1) == np.arange(len(PAIRS))))

    assert right(before) < 0.5 < 0.9 < right(after)
    assert after.fingerprint != before.fingerprint and after.dimensions == before.dimensions


def test_every_runtime_serves_the_same_vectors(tuned):
    texts = ["What is a zorb?", "A longer text about apples, cherries and lemons. " * 5]
    some = [
        load_encoder(
            Settings(encoder=str(tuned.folder), runtime=r, device="cpu", precision="float32")
        ).encode(texts)
        for r in ("torch", "openvino")
    ]
    assert np.abs(some[0] - some[1]).max() < 1e-3


def test_the_folder_is_whole_and_differs_in_its_weights_alone(tuned):
    root, spec = packaged_spec().folder, read_spec(tuned.folder)
    assert folder_is_whole(tuned.folder)
    for file in ("modules.json", "1_Pooling/config.json", "tokenizer.json", "config.json"):
        assert (tuned.folder / file).read_bytes() == (root / file).read_bytes()
    assert spec.weights_sha256 != packaged_spec().weights_sha256
    assert not list(tuned.folder.rglob("*.bin"))


def test_the_same_seed_gives_the_same_weights_and_leaves_the_callers_lot_alone(tuned, tmp_path):
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    again = tune_encoder(PAIRS, tmp_path / "again", options=OPTIONS, progress=False)
    assert torch.equal(torch.rand(3), wanted)
    assert [h["loss"] for h in again.history] == pytest.approx([h["loss"] for h in tuned.history], rel=1e-3)


def test_it_can_be_tuned_again(tuned, tmp_path):
    few = EncoderOptions(batch=8, max_tokens=32, device="cpu", threads=1)
    more = tune_encoder(PAIRS, tmp_path / "more", str(tuned.folder), few, progress=False)
    assert more.history[0]["loss"] < 0.5 * tuned.history[0]["loss"] and more.base != tuned.base


def test_compared_on_questions_with_an_interval(tuned, tmp_path):
    documents = tuple(Document.of(p.passage, f"d{n}") for n, p in enumerate(PAIRS))
    queries = {f"q{n}": p.question for n, p in enumerate(PAIRS)}
    grades = {f"q{n}": {documents[n].source: 1} for n in range(len(PAIRS))}
    data = Collection("codes", "test", documents, queries, Qrels(grades, "the test"))
    found = compare_encoders({"before": "packaged", "after": str(tuned.folder)}, data, cache=tmp_path)
    [contrast] = found.comparison.contrasts
    assert contrast.difference > 0.3 and contrast.interval[0] > 0


@pytest.mark.parametrize(
    "pairs, told",
    [
        ([], "fewer than two questions"),
        (PAIRS[:1], "fewer than two questions"),
        ([PAIRS[0]] * 5, "fewer than two questions"),
        ([EncoderPair("", "x"), *PAIRS], "without a question"),
        ([EncoderPair("x", "  "), *PAIRS], "without a question"),
    ],
)
def test_what_teaches_nothing_is_refused(tmp_path, pairs, told):
    with pytest.raises(InputError, match=told):
        tune_encoder(pairs, tmp_path / "out", options=OPTIONS, progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "wrong", [{"batch": 1}, {"epochs": 0}, {"learning_rate": math.nan}, {"warmup": 1}, {"scale": 0}]
)
def test_options_that_cannot_work_are_refused(wrong):
    with pytest.raises(InputError, match="cannot work"):
        EncoderOptions(**wrong)


def test_a_full_disk_and_a_loss_that_is_no_number_leave_nothing(tmp_path, monkeypatch):
    few = EncoderOptions(batch=8, max_tokens=16, device="cpu", threads=1)
    with monkeypatch.context() as patch:
        patch.setattr(training, "in_batch_loss", lambda *a: (a[0] * math.nan).sum())
        with pytest.raises(ModelError, match="lower the learning rate"):
            tune_encoder(PAIRS, tmp_path / "out", options=few, progress=False)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "move", full)
    with pytest.raises(ModelError, match="No space left"):
        tune_encoder(PAIRS, tmp_path / "out", options=few, progress=False)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ModelError, match="no folder and no downloaded model"):
        tune_encoder(PAIRS, tmp_path / "out", "nobody/has-this", few, progress=False)


def test_pairs_without_an_answer_are_left_out():
    from liquid_ai.core import Chunk
    from liquid_ai.training.pairs import Pair

    chunk = Chunk("c", "birds", "Herons eat fish.", 0, 16, title="Birds", context="Birds")
    pairs = [Pair("What do herons eat?", "fish", chunk), Pair("what do  herons eat?", "fish", chunk)]
    pairs += [Pair("Who pays?", "", chunk, answerable=False)]
    [found] = encoder_pairs(pairs)
    assert found.passage == chunk.encoded and found.document == "birds"
