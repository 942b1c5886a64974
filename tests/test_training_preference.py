"""Votes to pairs to a model that prefers what people preferred, and forgets nothing else for it."""

import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import liquid_ai.training.preference as preference
from liquid_ai.core import Answer, Chunk, Device, Hit, InputError, ModelError
from liquid_ai.evaluation.feedback import FeedbackStore
from liquid_ai.evaluation.feedback_set import Passage, Rated
from liquid_ai.generation.adapter_base import weights_hash
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.generation.transformers_model import TransformersModel, load_causal, load_tokenizer
from liquid_ai.training.export import fits, merge
from liquid_ai.training.options import TrainOptions
from liquid_ai.training.preference import dpo_loss, pair_logprobs, tune_preferences
from liquid_ai.training.preference_pairs import PreferencePair, preference_pairs
from liquid_ai.training.supervise import encode_sample

WIDE = Device("cpu", "float32", "a test")
HERONS = Passage("c1", "birds", 0, "Grey herons eat fish, frogs and small mammals.")
OPTIONS = TrainOptions(device="cpu", rank=4, epochs=3, batch=4, learning_rate=2e-3)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return random_lfm2(tmp_path_factory.mktemp("preference") / "tiny-lfm2")


def pair(n, chosen="yes, it is", rejected="no"):
    return PreferencePair(
        ({"role": "user", "content": f"Is {n} a number{'?' * (n % 7)}"},), chosen, rejected, f"t{n}"
    )


VOTES, UNSEEN = [pair(n) for n in range(12)], [pair(n) for n in range(100, 106)]


def tuned(tiny, output, pairs=VOTES, options=OPTIONS, **more):
    return tune_preferences(pairs, tiny, output=output, options=options, progress=False, **more)


# the loss


def alone(model, tokenizer, messages, answer):
    "The log-probability of an answer: one row, no padding, the logits of the whole model."
    before = tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
    start = len(tokenizer(before, add_special_tokens=False)["input_ids"])
    ids = tokenizer(f"{before}{answer}<|im_end|>", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(logits[at - 1, ids[at]].item() for at in range(start, len(ids)))


def test_log_probabilities_are_those_of_each_answer_alone_whatever_stands_beside_it(tiny):
    model, tokenizer = load_causal(tiny, WIDE), load_tokenizer(tiny)
    pairs = [pair(3), pair(5, "a much longer answer than the others have", "x"), pair(13, "7" * 60, "no")]
    encoded = [tuple(encode_sample(s, tokenizer, [4]) for s in p.samples) for p in pairs]
    wanted = torch.tensor(
        [[alone(model, tokenizer, p.prompt, a) for a in (p.chosen, p.rejected)] for p in pairs]
    )
    with torch.no_grad():
        together = pair_logprobs(model, encoded, 0, "cpu")
        apart = torch.cat([pair_logprobs(model, [e], 0, "cpu") for e in encoded])
        other_padding = pair_logprobs(model, encoded, 77, "cpu")
    for found in (together, apart, other_padding):
        assert torch.allclose(found, wanted, atol=1e-3, rtol=1e-4)


@given(st.lists(st.tuples(*[st.floats(-80, 0)] * 4), min_size=1, max_size=5), st.floats(0.01, 2))
def test_the_loss_is_that_of_the_paper(rows, beta):
    policy, reference = torch.tensor([r[:2] for r in rows]), torch.tensor([r[2:] for r in rows])
    wanted = []
    for chosen, rejected, chosen_before, rejected_before in rows:
        x = beta * ((chosen - chosen_before) - (rejected - rejected_before))
        wanted.append(math.log1p(math.exp(-x)) if x > -30 else -x)
    assert torch.allclose(dpo_loss(policy, reference, beta), torch.tensor(wanted), atol=1e-3, rtol=1e-3)


def test_what_is_reported_is_what_the_whole_model_gained(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(preference, "pick_device", lambda name: WIDE)  # bfloat16 would blur it
    done = tuned(
        tiny, tmp_path / "one", VOTES[:4], TrainOptions(device="cpu", rank=4, epochs=2, batch=4, warmup=0)
    )
    assert done.history[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert done.history[1]["loss"] < done.history[0]["loss"]
    tokenizer = load_tokenizer(tiny)
    before, after = load_causal(tiny, WIDE), load_causal(merge(tiny, done.adapter, tmp_path / "m"), WIDE)
    gains = [
        [
            alone(after, tokenizer, p.prompt, a) - alone(before, tokenizer, p.prompt, a)
            for a in (p.chosen, p.rejected)
        ]
        for p in VOTES[:4]
    ]
    margin = sum(c - r for c, r in gains) / 4
    assert done.report["train"]["margin"] == pytest.approx(margin, rel=0.01)


# training


def test_what_was_preferred_is_preferred_for_questions_that_were_not_asked(tiny, tmp_path):
    done = tuned(tiny, tmp_path / "a", dev=UNSEEN)
    assert done.report["dev"]["accuracy"] == 1.0 and done.report["dev"]["margin"] > 0.5
    assert done.history[-1]["loss"] < done.history[0]["loss"] == pytest.approx(math.log(2), abs=1e-3)
    told = json.loads((done.adapter / "training.json").read_text())
    assert told["pairs"] == len(VOTES) and len(told["history"]) == len(done.history) == 9
    assert fits(tiny, done.adapter).weights == weights_hash(tiny)
    served = TransformersModel(tiny, "tiny", WIDE, adapter=str(done.adapter))
    assert served.adapter == "a"


def test_the_same_seed_gives_the_same_losses_and_the_other_way_round_the_opposite(tiny, tmp_path):
    one, again = (tuned(tiny, tmp_path / name) for name in ("one", "again"))
    assert one.history == again.history
    turned = [PreferencePair(p.prompt, p.rejected, p.chosen, p.origin) for p in VOTES]
    back = tuned(tiny, tmp_path / "back", turned, dev=UNSEEN)
    assert back.report["dev"]["accuracy"] == 0.0


def test_a_large_beta_stays_nearer_to_what_was(tiny, tmp_path):
    near, far = (tuned(tiny, tmp_path / str(b), beta=b).report["train"]["margin"] for b in (5.0, 0.02))
    assert 0 < near < far


def test_small_micro_batches_change_nothing_but_memory(tiny, tmp_path):
    small = TrainOptions(**{**{f: getattr(OPTIONS, f) for f in ("device", "rank", "epochs", "batch")},
                            "learning_rate": 2e-3, "micro_tokens": 1})  # fmt: skip
    one, other = tuned(tiny, tmp_path / "one"), tuned(tiny, tmp_path / "other", options=small)
    for a, b in zip(one.history, other.history, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=0.05)


def test_it_goes_on_from_an_adapter_and_stays_near_to_that(tiny, tmp_path):
    first = tuned(tiny, tmp_path / "first")
    other = [pair(n, "perhaps", "yes, it is") for n in range(12)]
    second = tuned(tiny, tmp_path / "second", other, adapter=first.adapter)
    assert second.history[0]["loss"] == pytest.approx(
        math.log(2), abs=1e-3
    )  # against the adapter, not the base
    assert second.report["train"]["accuracy"] == 1.0
    with pytest.raises(ModelError, match="was trained on weights"):
        stranger = random_lfm2(tmp_path / "stranger", seed=3)
        tuned(stranger, tmp_path / "third", other, adapter=first.adapter)
    assert not (tmp_path / "third").exists()


def test_on_four_bits(tiny, tmp_path):
    pytest.importorskip("bitsandbytes")
    four = TrainOptions(device="cpu", rank=4, epochs=2, batch=4, learning_rate=2e-3, four_bit="on")
    done = tuned(tiny, tmp_path / "four", options=four)
    assert done.report["train"]["accuracy"] == 1.0 and fits(tiny, done.adapter).quantization == "nf4"


def test_the_threads_that_are_asked_for_compute_and_no_others_afterwards(tiny, tmp_path, monkeypatch):
    before, used, real = torch.get_num_threads(), set(), preference.token_losses
    monkeypatch.setattr(
        preference, "token_losses", lambda m, b: (used.add(torch.get_num_threads()), real(m, b))[1]
    )
    tuned(tiny, tmp_path / "out", VOTES[:4], replace(OPTIONS, threads=before + 1, epochs=1))
    assert used == {before + 1} and torch.get_num_threads() == before


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_what_is_written_down_is_what_was_computed_in(tiny, tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(preference, "pick_device", lambda _: Device("cpu", dtype, "a test"))
    used, real = [], preference.token_losses
    monkeypatch.setattr(preference, "token_losses", lambda m, b: (used.append(m.dtype), real(m, b))[1])
    first = tuned(tiny, tmp_path / "first", VOTES[:4])
    for done in (first, tuned(tiny, tmp_path / "second", VOTES[:4], adapter=first.adapter)):
        told = json.loads((done.adapter / "base.json").read_text())["dtype"]
        assert {f"torch.{told}"} == set(map(str, used)) and done.report["weights"] == f"{told} on cpu"
    assert told == ("float32" if dtype == "float16" else dtype)


@pytest.mark.parametrize(
    "pairs, more, told",
    [
        ([], {}, "give pairs"),
        (VOTES, {"beta": 0}, "a beta above 0"),
        ([pair(1, "same", " same ")], {}, "nothing is preferred"),
        (VOTES, {"dev": VOTES[:1]}, "take them out"),
        ([pair(1, "x" * 400)], {"options": TrainOptions(device="cpu", max_tokens=64)}, "shorter passages"),
        ([pair(1, "")], {}, "completion is empty"),
        ([pair(1, "a<|im_end|>b")], {}, "steers the model"),
        (VOTES, {"options": TrainOptions(device="cpu", method="full")}, "lora or dora"),
        (VOTES, {"options": TrainOptions(device="cpu", dropout=0.1)}, "dropout 0"),
        (VOTES, {"options": TrainOptions(device="cpu", patience=2)}, "patience=2: not there"),
        (VOTES, {"options": TrainOptions(device="cpu", eval_every=5)}, "eval_every=5: not there"),
        (VOTES, {"options": TrainOptions(device="cpu", save_every=5)}, "save_every=5: not there"),
        (VOTES, {"options": TrainOptions(device="cpu", too_long="drop")}, "too_long=drop: not there"),
        (VOTES, {"options": TrainOptions(device="cpu", checkpointing="on")}, "checkpointing=on: not there"),
    ],
)
def test_what_cannot_be_learnt_is_refused_before_a_step(tiny, tmp_path, pairs, more, told):
    with pytest.raises(InputError, match=told):
        tuned(tiny, tmp_path / "out", pairs, **more)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_leaves_nothing(tiny, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(preference, "save_adapter", full)
    with pytest.raises(ModelError, match="No space left"):
        tuned(tiny, tmp_path / "out", VOTES[:4])
    assert not list(tmp_path.iterdir())


# votes


def rated(
    trace, text, rating, question="What do herons eat?", asker="ann", correction="", passages=(HERONS,)
):
    return Rated(trace, "", asker, rating, "", correction, 0.0, question, text, False, (), tuple(passages))


def test_a_liked_answer_stands_before_a_disliked_one():
    rows = [rated("1", "Fish.", 5), rated("2", "Bread.", 1), rated("3", "Cake.", 2, "what do  HERONS eat?")]
    found = preference_pairs(rows)
    assert [(p.chosen, p.rejected, p.origin) for p in found.pairs] == [
        ("Fish.", "Bread.", "2"),
        ("Fish.", "Cake.", "3"),
    ]
    assert HERONS.text in found.pairs[0].prompt[-1]["content"] and not found.aside


def test_a_correction_counts_where_it_stands_in_a_passage():
    rows = [
        rated("1", "Bread.", 1, correction="fish, frogs"),
        rated("2", "Rain.", 1, "Why?", correction="Pay me"),
    ]
    found = preference_pairs(rows)
    assert [(p.chosen, p.rejected) for p in found.pairs] == [("fish, frogs", "Bread.")]
    assert found.aside == {"corrected with words that stand in no passage": 1}


def test_votes_that_disagree_or_say_nothing_make_no_pair():
    rows = [rated("1", "Fish.", 5), rated("1", "Fish.", 1, asker="bob")]  # 3 on average
    rows += [
        rated("2", "Bread.", 1),
        rated("3", "Oak.", 5, "What is a tree?"),
        rated("4", "Oak.", 1, "What is a tree?"),
    ]
    found = preference_pairs(rows)
    assert not found.pairs
    assert found.aside == {"disliked, and nothing is better": 1, "the same answer was liked and disliked": 1}
    assert len(preference_pairs([])) == 0


def test_an_answer_that_was_corrected_is_no_example_though_it_was_liked():
    rows = [rated("1", "Bread.", 5, correction="frogs"), rated("2", "Cake.", 1)]
    found = preference_pairs(rows)
    assert [(p.chosen, p.rejected) for p in found.pairs] == [("frogs", "Bread.")]


def test_votes_in_the_store_become_pairs(tmp_path):
    chunk = Chunk("c1", "birds", HERONS.text, 0, len(HERONS.text))
    with_hits = {"hits": (Hit(chunk, 1.0, 1),)}
    store = FeedbackStore(tmp_path / "feedback.db")
    for trace, text in (("t1", "Fish, frogs and small mammals."), ("t2", "Bread.")):
        store.remember(Answer("What do herons eat?", text, **with_hits, trace_id=trace))
    store.add("t1", "up")
    store.add("t2", "down")
    found = preference_pairs(store.rows())
    assert [(p.chosen, p.rejected) for p in found.pairs] == [("Fish, frogs and small mammals.", "Bread.")]
    assert found.pairs[0].samples[0].completion == "Fish, frogs and small mammals."
    store.close()
