"""Greedy decoding with guesses from the prompt writes what plain decoding writes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

import liquid_ai.generation.greedy as greedy
from liquid_ai.generation.greedy import Prefixes, PromptLookup, decode, decode_batch, new_cache, read
from liquid_ai.generation.model_folder import random_lfm2

END = 4
TOKENS = st.integers(5, 40)
# few different tokens, repeated: guesses are frequent, and often wrong
PROMPTS = st.lists(TOKENS, min_size=1, max_size=12).flatmap(
    lambda ids: st.integers(1, 4).map(lambda n: (ids * n)[:40])
)


@pytest.fixture(scope="module")
def lfm2(tmp_path_factory):
    folder = random_lfm2(tmp_path_factory.mktemp("models") / "tiny-lfm2")
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def llama():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.2, pad_token_id=0, bos_token_id=1, eos_token_id=END,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


@pytest.fixture(params=["lfm2", "llama"])
def model(request):
    return request.getfixturevalue(request.param)


def plain(model, ids, most):
    out = model.generate(torch.tensor([ids]), max_new_tokens=most, do_sample=False, pad_token_id=0)
    return out[0, len(ids) :].tolist()


def decoded(model, ids, most, **options):
    out = []
    decode(model, ids, most, {END}, lambda new: out.extend(new) or True, **options)
    return out


@settings(max_examples=12, deadline=None)
@given(ids=PROMPTS, most=st.integers(1, 20), fixed=st.integers(0, 12))
def test_guesses_and_prefixes_leave_no_trace(lfm2, llama, ids, most, fixed):
    for model in (lfm2, llama):
        wanted, prefixes = plain(model, ids, most), Prefixes()
        assert decoded(model, ids, most) == wanted
        assert decoded(model, ids, most, lookup=False) == wanted
        for _ in range(2):
            assert decoded(model, ids, most, cache=prefixes.begin(model, ids, fixed)) == wanted


def test_wrong_guesses_are_cut_out_of_the_state(model, monkeypatch):
    ids = [7, 9, 11, 30, 12]
    wanted = plain(model, ids, 16)
    for most in (1, 3, 10):
        # a guess that begins right and goes on wrong, at every step
        told = iter(range(10_000))
        right = [*wanted, *[5] * 20]
        monkeypatch.setattr(
            PromptLookup,
            "propose",
            lambda self, most=most, told=told, right=right: (
                right[(at := len(self.ids) - len(ids)) : at + next(told) % (most + 1)] + [6] * most
            ),
        )
        assert decoded(model, ids, 16) == wanted


def test_a_good_guess_saves_forwards(model, monkeypatch):
    ids = [7, 9, 11, 30, 12]
    wanted = plain(model, ids, 16)
    monkeypatch.setattr(PromptLookup, "propose", lambda self: wanted[len(self.ids) - len(ids) :][:5])
    forwards = decode(model, ids, 16, {END}, lambda new: True)
    assert forwards == 1 + -(-(len(wanted) - 1) // 6)


def test_decoding_stops_where_it_is_told(model):
    seen = []
    decode(model, [7, 9, 11], 40, (), lambda new: seen.append(new) or len(seen) < 3)
    assert len(seen) == 3
    first = plain(model, [7, 9, 11], 1)[0]
    assert decode(model, [7, 9, 11], 40, {first}, lambda new: True) == 1


@settings(max_examples=12, deadline=None)
@given(prompts=st.lists(st.lists(TOKENS, min_size=1, max_size=30), min_size=1, max_size=5))
def test_the_filling_of_a_batch_is_not_read(lfm2, llama, prompts):
    for model in (lfm2, llama):
        got = [[] for _ in prompts]
        decode_batch(model, prompts, 8, {END}, lambda row, token, got=got: got[row].append(token) or True)
        assert got == [plain(model, ids, 8) for ids in prompts]


def test_a_row_that_is_done_leaves_the_others_alone(model):
    prompts, got = [[7, 9, 11], [30, 8], [12, 13, 14, 15, 16]], [[], [], []]
    decode_batch(
        model, prompts, 10, (), lambda row, token: got[row].append(token) or len(got[row]) < 3 * (row + 1)
    )
    assert [len(tokens) for tokens in got] == [3, 6, 9]
    assert got == [decoded(model, p, 10)[: len(g)] for p, g in zip(prompts, got, strict=True)]


def test_prefixes_are_bounded_and_found_by_their_tokens(model, monkeypatch):
    prefixes, seen = Prefixes(entries=2, tokens=10), []
    monkeypatch.setattr(
        greedy, "read", lambda model, cache, ids: (seen.append(ids[0]), read(model, cache, ids))
    )
    for first in (5, 6, 7, 7, 6, 5):  # the longest unused goes
        assert prefixes.begin(model, [first] * 6, 4).get_seq_length() == 4
    assert seen == [5, 6, 7, 5] and len(prefixes) == 2
    for ids, fixed in (
        ([6] * 6, 0),
        ([6] * 4, 4),
        ([8] * 20, 11),
    ):  # none, all of the prompt, too long to keep
        assert prefixes.begin(model, ids, fixed).get_seq_length() == 0
    assert (
        prefixes.begin(model, [6] * 9, 6).get_seq_length() == 6
    )  # another beginning, though it begins alike
    assert seen[4:] == [6] and len(prefixes) == 2
    prefixes.clear()
    assert len(prefixes) == 0


def test_a_kept_prefix_is_not_changed_by_who_uses_it(model):
    prefixes, ids = Prefixes(), [7, 9, 11, 30, 12, 13]
    wanted = decoded(model, ids, 8)
    prefixes.begin(model, ids, 4)
    for other in ([7, 9, 11, 30, 20], ids, [7, 9, 11, 30, 5, 5, 5, 5], ids):
        got = decoded(model, other, 8, cache=prefixes.begin(model, other, 4))
        assert got == (wanted if other is ids else decoded(model, other, 8))


def test_reading_in_parts_is_reading_at_once(model):
    at_once, parts = new_cache(model), new_cache(model)
    whole = read(model, at_once, [7, 9, 11, 30, 12], keep=5)
    assert read(model, parts, [7, 9], keep=2) + read(model, parts, [11, 30, 12], keep=3) == whole


@given(ids=st.lists(st.integers(0, 3), max_size=30), most=st.integers(1, 5))
def test_a_proposal_is_what_followed_the_last_time(ids, most):
    proposed = PromptLookup(ids, most).propose()
    for size in (3, 2):
        places = [at for at in range(size, len(ids)) if ids[at - size : at] == ids[-size:]]
        if len(ids) >= size and places:
            assert proposed == ids[places[-1] : places[-1] + most]
            return
    assert proposed == []
