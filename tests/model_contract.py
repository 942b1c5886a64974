"""What every language model promises: the same checks run on local, served and replayed models."""

import threading
import time

import pytest

from liquid_ai.core import Generation, InputError, LanguageModel

ASK = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": "Text: The museum opens at nine. Question: When does the museum open, and why?",
    },
]
OTHERS = [
    [{"role": "user", "content": f"Say something about {topic}."}] for topic in ("rain", "iron", "bees")
]


def check_contract(
    model: LanguageModel,
    tokens: int = 12,  # of an answer
    exact: bool = True,  # `count` is what the model reads, not an estimate
) -> None:
    "Fails where `model` breaks the protocol."
    check_identity(model)
    check_stream(model, tokens)
    check_batch(model, tokens)
    check_stop(model, tokens)
    check_limits(model, tokens, exact)
    check_leaving(model, tokens)
    check_threads(model, tokens)


def check_identity(model):
    assert isinstance(model, LanguageModel)
    assert isinstance(model.name, str) and model.name
    assert isinstance(model.fingerprint, str) and model.fingerprint
    assert isinstance(model.context, int) and model.context > 0


def check_stream(model, tokens):
    *pieces, last = model.stream(ASK, tokens)
    assert pieces and all(isinstance(p, str) and p for p in pieces)
    assert isinstance(last, Generation) and last.text == "".join(pieces)
    assert (
        model.generate(ASK, tokens) == last == list(model.stream(ASK, tokens))[-1]
    )  # greedy: the same again
    assert model.fingerprint == model.fingerprint


def check_batch(model, tokens):
    alone = [model.generate(ask, tokens) for ask in OTHERS]
    assert len({answer.text for answer in alone}) == len(OTHERS)  # else the order would not show
    assert model.batch(OTHERS, tokens) == alone
    assert model.batch(OTHERS[::-1], tokens) == alone[::-1]
    assert model.batch([], tokens) == []


def check_stop(model, tokens):
    whole = model.generate(ASK, tokens).text
    middle = whole[len(whole) // 2 : len(whole) // 2 + 2]
    for stop in ([middle], ["never said", middle], [whole[-1], middle]):
        wanted = whole[: min(whole.find(s) for s in stop if s in whole)]
        *pieces, last = model.stream(ASK, tokens, stop=stop)
        assert "".join(pieces) == last.text == wanted and last.finished
        assert model.generate(ASK, tokens, stop=stop).text == wanted
        assert model.batch([ASK], tokens, stop=stop)[0].text == wanted
    assert model.generate(ASK, tokens, stop=["never said"]).text == whole


def check_limits(model, tokens, exact):
    # not without the system prompt: some templates then put in a longer one of their own
    assert (
        model.count([*ASK[:-1], {"role": "user", "content": ASK[-1]["content"] * 2}]) > model.count(ASK) > 0
    )
    for most in (1, 3, tokens):
        answer = model.generate(ASK, most)
        assert 0 < answer.usage.answer_tokens <= most
        assert (answer.usage.prompt_tokens == model.count(ASK)) or (not exact)
    assert not model.generate(ASK, 1).finished
    with pytest.raises(InputError):
        model.generate(ASK, 0)
    with pytest.raises(InputError):
        model.generate(ASK, model.context)
    endless = [{"role": "user", "content": "word " * model.context}]
    for call in (model.generate, lambda m, n: list(model.stream(m, n)), lambda m, n: model.batch([m], n)):
        with pytest.raises(InputError, match="do not fit"):
            call(endless, tokens)


def check_leaving(model, tokens):
    whole = list(model.stream(ASK, tokens))
    before, start = threading.active_count(), time.monotonic()
    for _ in range(3):
        stream = model.stream(ASK, tokens)
        assert next(stream) == whole[0]
        stream.close()
    while threading.active_count() > before and time.monotonic() - start < 20:
        time.sleep(0.01)
    assert threading.active_count() <= before and time.monotonic() - start < 20
    assert list(model.stream(ASK, tokens)) == whole  # and the model is free again


def check_threads(model, tokens):
    alone, got = [model.generate(ask, tokens) for ask in OTHERS], {}

    def ask(n):
        got[n] = [model.generate(OTHERS[n], tokens), list(model.stream(OTHERS[n], tokens))[-1]]

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(OTHERS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [got[n] for n in range(len(OTHERS))] == [[answer, answer] for answer in alone]
