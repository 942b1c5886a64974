"""A model in a process of its own keeps every promise of a model, and is felt by nobody while it works."""

import os
import signal
import threading
import time

import pytest
from model_contract import ASK, check_contract

from liquid_ai.core import InputError, ModelError, Settings
from liquid_ai.generation.model_process import ModelProcess
from liquid_ai.generation.models import load_model, writer_fingerprint

SETTINGS = Settings(generator="packaged", model_process=True)


@pytest.fixture(scope="module")
def model():
    model = ModelProcess(SETTINGS)
    yield model
    model.close()


def test_the_promises_of_a_language_model(model):
    check_contract(model)


def test_it_writes_what_the_model_here_writes(model):
    here = load_model(Settings(generator="packaged"))
    assert model.generate(ASK, 16) == here.generate(ASK, 16)
    assert list(model.stream(ASK, 16)) == list(here.stream(ASK, 16))
    assert (model.fingerprint, model.context, model.name) == (here.fingerprint, here.context, here.name)
    assert model.fingerprint == writer_fingerprint(SETTINGS)


def test_other_threads_run_while_it_works(model):
    longest, done = [0.0], threading.Event()

    def watch():
        while not done.is_set():
            start = time.perf_counter()
            time.sleep(0.001)
            longest[0] = max(longest[0], time.perf_counter() - start)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    model.generate([{"role": "user", "content": "The heron stands. " * 250}], 8)
    took = time.perf_counter() - start
    done.set()
    watcher.join()
    assert longest[0] < took / 4  # in this process a step of the prompt stops everything for most of it


def test_nobody_who_waits_is_left_waiting_when_it_is_killed():
    model, errors = ModelProcess(SETTINGS), []

    def ask():
        try:
            for _ in model.stream(ASK, 400):
                begun.set()
        except ModelError as e:
            errors.append(str(e))

    begun = threading.Event()
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait(60)
    os.kill(model._line.process.pid, signal.SIGKILL)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert len(errors) == 3 and all("has ended" in e for e in errors)
    assert model.closed and not model._line.waiting
    with pytest.raises(ModelError, match="has ended"):
        model.count(ASK)


def test_closing_ends_the_process_and_loading_again_begins_another(nothing_loaded):
    model = load_model(SETTINGS)
    assert load_model(SETTINGS) is model
    process = model._line.process
    model.close()
    assert process.poll() is not None
    again = load_model(SETTINGS)
    assert again is not model and again.generate(ASK, 4).text
    again.close()


def test_a_model_that_is_not_there_is_refused_as_here(tmp_path):
    for wrong in (str(tmp_path / "nothing"), "no/such-model"):
        with pytest.raises(ModelError) as there:
            ModelProcess(Settings(generator=wrong, model_process=True))
        with pytest.raises(ModelError) as here:
            load_model(Settings(generator=wrong))
        assert str(there.value) == str(here.value)


def test_what_is_no_message_is_refused_before_it_is_sent(model):
    for wrong in ([{"role": "user"}], [{"role": "user", "content": 7}], "hello"):
        with pytest.raises(InputError):
            model.generate(wrong, 4)
    assert not model._line.waiting


def test_who_leaves_ends_the_work(model):
    before = time.perf_counter()
    stream = model.stream(ASK, 2_000)
    next(stream)
    stream.close()
    assert model.generate(ASK, 4).text  # not after two thousand tokens
    assert time.perf_counter() - before < 30 and not model._line.waiting
