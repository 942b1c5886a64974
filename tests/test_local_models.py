"""The local models keep one contract, are loaded once, and refuse what they must not load."""

import gc
import os
import shutil
import subprocess
import sys
import threading
import warnings
import weakref
from dataclasses import replace

import pytest
from lfm2_gguf import lfm2_to_gguf
from model_contract import ASK, OTHERS, check_contract
from openai_server import Server
from transformers.utils import logging

import liquid_ai.generation.models as models
import liquid_ai.generation.openvino_model as openvino_model
import liquid_ai.generation.transformers_model as transformers_model
import liquid_ai.indexing.assets as assets
from liquid_ai.core import Device, Generation, InputError, ModelError, Settings
from liquid_ai.generation.llama_model import LlamaModel
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.generation.models import load_model, model_fingerprint
from liquid_ai.generation.openvino_model import OpenVINOModel, cpu_options, writable
from liquid_ai.generation.packaged import PACKAGED, pull_packaged
from liquid_ai.generation.streams import Left, my_turn
from liquid_ai.generation.transformers_model import TransformersModel
from liquid_ai.indexing.assets import quiet_transformers

CPU = Device("cpu", "float32", "a test")


@pytest.fixture(scope="module")
def packaged():
    model = OpenVINOModel(pull_packaged(), PACKAGED)
    yield model
    model.close()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return random_lfm2(tmp_path_factory.mktemp("models") / "tiny-lfm2")


@pytest.fixture(scope="module")
def lfm2(tiny):
    return TransformersModel(tiny, "tiny-lfm2", CPU)


@pytest.fixture(scope="module")
def gguf(tiny):
    return lfm2_to_gguf(tiny, tiny.with_name("tiny-lfm2.gguf"))


@pytest.fixture(scope="module")
def llama(gguf):
    model = LlamaModel(gguf, "tiny-lfm2 on llama.cpp")
    yield model
    model.close()


def test_the_packaged_model_keeps_its_contract(packaged):
    check_contract(packaged)


def test_lfm2_keeps_its_contract(lfm2):
    check_contract(lfm2)


def test_lfm2_on_llama_cpp_keeps_its_contract(llama):
    check_contract(llama)


@pytest.mark.parametrize("which", ["packaged", "lfm2", "llama"])
@pytest.mark.parametrize(
    "messages, stop, told",
    [
        ([], (), "no message"),
        ([{"role": "user"}], (), "a role and a content"),
        ("Hello", (), "give a list of messages"),
        (None, (), "give a list of messages"),
        (ASK[0], (), "give a list of messages"),
        (["Hello"], (), "a message is a mapping"),
        ([{"role": "user", "content": None}], (), "both text"),
        ([{"role": "user", "content": "\ud800"}], (), "lone surrogate"),
        (ASK, ("",), "none of them empty"),
        (ASK, "stop", "sequence of texts"),
    ],
)
def test_what_cannot_be_asked_is_refused(request, which, messages, stop, told):
    model = request.getfixturevalue(which)
    for call in (model.generate, model.stream, lambda m, n, stop, model=model: model.batch([m], n, stop)):
        with pytest.raises(InputError, match=told):
            call(messages, 8, stop=stop)


@pytest.mark.parametrize("which", ["packaged", "lfm2", "llama"])
@pytest.mark.parametrize(
    "tokens, told",
    [(0, "whole number"), (2.5, "whole number"), (None, "whole number"), (True, "whole number")]
    + [(float("nan"), "whole number"), (10**6, "Settings.answer_tokens")],
)
def test_a_length_that_cannot_be_is_refused(request, which, tokens, told):
    with pytest.raises(InputError, match=told):
        request.getfixturevalue(which).generate(ASK, tokens)


@pytest.mark.parametrize("which", ["lfm2", "llama"])
def test_a_stop_string_ends_each_row_of_a_batch_by_itself(request, which):
    lfm2 = request.getfixturevalue(which)
    alone = [lfm2.generate(ask, 24) for ask in OTHERS]
    stop = [alone[0].text[4:6]]
    got = lfm2.batch(OTHERS, 24, stop=stop)
    assert got == [lfm2.generate(ask, 24, stop=stop) for ask in OTHERS]
    assert got[0].finished and got[0].text == alone[0].text[: alone[0].text.index(stop[0])]
    assert any(g.text == a.text for g, a in zip(got, alone, strict=True))


@pytest.mark.parametrize("which", ["lfm2", "llama"])
@pytest.mark.parametrize("rows", [1, 3, 11])  # 11: more than are computed together
def test_a_batch_of_unequal_lengths_is_the_single_answers(request, which, rows):
    lfm2 = request.getfixturevalue(which)
    asks = [[{"role": "user", "content": f"{n} " * (1 + 7 * n % 60)}] for n in range(rows)]
    assert lfm2.batch(asks, 10) == [lfm2.generate(ask, 10) for ask in asks]


def test_prefixes_and_lookup_do_not_change_the_text(tiny, lfm2):
    plain = TransformersModel(tiny, "tiny-lfm2", CPU, lookup=False)
    for topic in ("rain rain rain", "iron", "rain rain"):
        ask = [ASK[0], {"role": "user", "content": topic * 5}]
        assert lfm2.generate(ask, 30) == plain.generate(ask, 30)
    assert 0 < len(lfm2._prefixes) <= lfm2._prefixes.entries


def close_in_the_middle(model):
    stream = model.stream(OTHERS[0], 1_000)
    next(stream)
    model.close()
    with pytest.raises(ModelError, match="closed"):
        for _ in stream:
            pass
    calls = [lambda: model.count(ASK), lambda: model.generate(ASK, 3), lambda: list(model.stream(ASK, 3))]
    for call in (*calls, lambda: model.batch([ASK], 3)):
        with pytest.raises(ModelError, match="load it again"):
            call()
    model.close()  # twice is no error


def test_after_close_a_model_says_so(tiny, gguf):
    close_in_the_middle(TransformersModel(tiny, "tiny-lfm2", CPU))
    close_in_the_middle(LlamaModel(gguf, "tiny-lfm2"))
    model = OpenVINOModel(pull_packaged(), PACKAGED)
    close_in_the_middle(model)
    assert not model._loop._thread.is_alive()


def test_who_waits_for_his_turn_may_leave(lfm2):
    asked, left = threading.Event(), []

    def push(text):
        asked.set()
        return False

    def wait():
        try:
            with my_turn(lfm2._lock, push):
                left.append("had its turn")
        except Left:
            left.append("left")

    with lfm2._lock:  # another generation under way
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert asked.wait(30)  # while it waits, it asks whether anybody still reads
        waiting.join(30)
    assert left == ["left"]
    assert isinstance(lfm2.generate(ASK, 8), Generation)


def test_a_step_that_fails_reaches_its_callers_and_nobody_else(packaged, monkeypatch):
    class Broken:
        def __init__(self, pipe):
            self.pipe, self.left = pipe, 1

        def add_request(self, *args):
            return self.pipe.add_request(*args)

        def has_non_finished_requests(self):
            return self.pipe.has_non_finished_requests()

        def step(self):
            self.left -= 1
            if self.left == 0:
                raise RuntimeError("no memory")
            return self.pipe.step()

    whole = packaged.generate(ASK, 8)
    monkeypatch.setattr(packaged._loop, "_pipe", Broken(packaged._loop._pipe))
    with pytest.raises(ModelError, match="no memory"):
        packaged.generate(ASK, 8)
    assert packaged.generate(ASK, 8) == whole


@pytest.mark.slow
def test_the_step_loop_ends_with_its_model():
    model = OpenVINOModel(pull_packaged(), PACKAGED)
    thread = model._loop._thread
    del model
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()


def test_python_ends_in_the_middle_of_an_answer():
    code = (
        "ask = [{'role': 'user', 'content': 'Hi'}]\n"
        "from liquid_ai.generation.models import load_model, Settings\n"
        "stream = load_model(Settings(generator='packaged')).stream(ask, 4000)\n"
        "next(stream)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=120, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "flags, wanted",
    [
        ((True, True), {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f16"}),
        ((False, True), {"KV_CACHE_PRECISION": "bf16"}),
        ((False, False), {"KV_CACHE_PRECISION": "f32"}),
    ],
)
def test_number_formats_follow_the_cpu(monkeypatch, flags, wanted):
    amx, bf16 = flags
    monkeypatch.setattr(openvino_model, "cpu_has_amx", lambda: amx)
    monkeypatch.setattr(openvino_model, "cpu_has_bf16", lambda: bf16)
    options = cpu_options(threads=3)
    assert options.pop("INFERENCE_NUM_THREADS") == 3 and options.pop("ENABLE_CPU_PINNING") is False
    assert options.pop("DYNAMIC_QUANTIZATION_GROUP_SIZE", None) == (0 if amx else None)
    assert options == wanted


def test_a_damaged_gguf_is_refused(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be loaded by OpenVINO"):
        OpenVINOModel(tmp_path, "bad")


READ_ONLY = """
set -e
mount --bind "$1" "$2"
mount -o remount,ro,bind "$2"
exec "$3" -c "$4" "$2"
"""
LOADS = """
import os, sys, tempfile
from pathlib import Path
from liquid_ai.generation.openvino_model import OpenVINOModel, writable
folder = Path(sys.argv[1])
assert not os.access(folder / "model.gguf", os.W_OK)
before = set(os.listdir(tempfile.gettempdir()))
with writable(folder / "manifest.json") as copy:
    assert copy.parent != folder and copy.read_bytes() == (folder / "manifest.json").read_bytes()
model = OpenVINOModel(folder, "packaged")
print(model.generate([{"role": "user", "content": "Say hello."}], 8).text)
assert not {n for n in os.listdir(tempfile.gettempdir()) if n.startswith("liquid_ai-")} - before
"""


def test_a_model_on_a_read_only_file_system_is_loaded(packaged, tmp_path):
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"]).returncode:
        pytest.skip("this user may not mount")
    (tmp_path / "model").mkdir()
    (tmp_path / "temporary").mkdir()
    words = [pull_packaged(), tmp_path / "model", sys.executable, LOADS]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", READ_ONLY, "sh", *map(str, words)],
        capture_output=True,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path / "temporary")},
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    said = packaged.generate([{"role": "user", "content": "Say hello."}], 8).text
    assert done.stdout.strip() == said.strip()


def test_a_file_that_may_be_written_is_read_where_it_is(tmp_path):
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    with writable(file) as source:
        assert source == file
    file.chmod(0o444)
    with writable(file) as source:
        assert (source == file) == os.access(file, os.W_OK) and source.read_bytes() == b"GGUF"
    assert file.exists() and source.exists() == (source == file)


def settings_of(folder, **changes):
    return Settings(generator=str(folder), device="cpu", **changes)


def test_two_threads_load_one_model(tiny, nothing_loaded, monkeypatch):
    made, both = [], threading.Barrier(2)
    init = TransformersModel.__init__

    def counting(self, *args, **kwargs):
        made.append(self)
        init(self, *args, **kwargs)

    monkeypatch.setattr(TransformersModel, "__init__", counting)
    got = []
    threads = [
        threading.Thread(target=lambda: (both.wait(), got.append(load_model(settings_of(tiny)))))
        for _ in range(2)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(made) == 1 and got[0] is got[1]
    got[0].close()
    assert load_model(settings_of(tiny)) is not got[0]


def test_the_fingerprint_is_known_before_the_model_is_loaded(tmp_path, nothing_loaded):
    folder = random_lfm2(tmp_path / "model")
    seen = {model_fingerprint(settings_of(folder))}
    model = load_model(settings_of(folder))
    assert model.fingerprint in seen
    seen.add(model_fingerprint(settings_of(folder, quantization="nf4")))
    assert len(seen) == 2
    random_lfm2(folder, seed=1)  # other weights in the same place
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert model_fingerprint(settings_of(folder)) not in seen
    again = load_model(settings_of(folder))
    assert again is not model and again.fingerprint == model_fingerprint(settings_of(folder))


def test_a_model_in_use_is_found_though_others_were_loaded(tiny, nothing_loaded):
    held = load_model(settings_of(tiny))
    for threads in (1, 2):
        load_model(settings_of(tiny, threads=threads))
    assert len(models._loaded) == models._KEPT and load_model(settings_of(tiny)) is held
    once = weakref.ref(load_model(settings_of(tiny, threads=2)))  # used last but one, and held by nobody
    load_model(settings_of(tiny, threads=3))
    assert load_model(settings_of(tiny, threads=2)) is once()
    for threads in (3, 4):
        load_model(settings_of(tiny, threads=threads))
    gc.collect()
    assert once() is None and load_model(settings_of(tiny)) is held


def test_an_answer_mutes_nobody(lfm2, monkeypatch):
    def now():
        return list(warnings.filters), logging.get_verbosity(), logging.is_progress_bar_enabled()

    seen, outside = [], now()
    for name in ("decode", "decode_batch"):
        real = getattr(transformers_model, name)
        monkeypatch.setattr(transformers_model, name, lambda *a, real=real: (seen.append(now()), real(*a)))
    lfm2.generate(ASK, 3)
    lfm2.batch([ASK], 3)
    assert seen == [outside, outside]


def test_only_one_at_a_time_mutes_transformers():
    free = []
    with quiet_transformers(), quiet_transformers():
        other = threading.Thread(target=lambda: free.append(assets._quiet.acquire(blocking=False)))
        other.start()
        other.join()
    assert free == [False]


def test_transformers_says_nothing_once_a_model_is_loaded(tiny):
    code = (
        "from pathlib import Path; from liquid_ai.generation.transformers_model import *\n"
        "from liquid_ai.core import Device\n"
        f"model = TransformersModel(Path({str(tiny)!r}), 'tiny', Device('cpu', 'float32', 'a test'))\n"
        "model.generate([{'role': 'user', 'content': 'Hi'}], 5)\n"
        "model.batch([[{'role': 'user', 'content': 'Hi'}]], 5)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_a_quantised_model_answers(tiny, lfm2, kind):
    model = TransformersModel(tiny, "tiny-lfm2", CPU, quantization=kind)
    answer = model.generate(ASK, 8)
    assert answer.usage.answer_tokens > 0 and model.generate(ASK, 8) == answer
    kinds = {type(m).__name__ for m in model._model.modules()}
    assert ({"int8": "Linear8bitLt", "nf4": "Linear4bit"})[kind] in kinds
    assert model.fingerprint != lfm2.fingerprint


def test_quantisation_without_bitsandbytes_or_of_an_unknown_kind(tiny, monkeypatch):
    with pytest.raises(InputError, match="quantization 'int3'"):
        TransformersModel(tiny, "tiny", CPU, quantization="int3")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install bitsandbytes"):
        TransformersModel(tiny, "tiny", CPU, quantization="nf4")


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"runtime": "tpu"}, "runtime 'tpu'"),
        ({"server": "http://localhost:9"}, "name one it lists"),
        ({"server": "http://localhost:9", "generator": "m", "adapter": "x"}, "not for a server's"),
    ],
)
def test_settings_that_contradict_themselves(changes, told):
    for ask in (load_model, model_fingerprint):
        with pytest.raises(InputError, match=told):
            ask(Settings(**changes))


@pytest.mark.parametrize("changes", [{"adapter": "law"}, {"quantization": "nf4"}, {"device": "cuda"}])
def test_openvino_runs_no_adapter(changes):
    with pytest.raises(ModelError, match="on the CPU, without adapter"):
        load_model(Settings(generator="packaged", runtime="openvino", **changes))


def test_a_server_is_loaded_with_the_key_of_the_environment(monkeypatch, nothing_loaded):
    monkeypatch.setenv("LIQUID_AI_API_KEY", "secret-key")
    with Server() as server:
        settings = Settings.load(server=server.url, generator="tiny")
        named = model_fingerprint(settings)
        assert named != model_fingerprint(replace(settings, generator="other"))
        model = load_model(settings)
        assert load_model(settings) is model and model_fingerprint(settings) == model.fingerprint
        assert "secret-key" in repr(server.seen)
        model.close()
        assert load_model(settings) is not model
