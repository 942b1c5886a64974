"""GGUF files on llama.cpp: the contract, LFM2 as transformers computes it, false files, a dying child."""

import os
import signal
import struct
import subprocess
import sys
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lfm2_gguf import lfm2_to_gguf
from model_contract import ASK, OTHERS, check_contract

import liquid_ai.generation.llama_process as llama_process
from liquid_ai.core import Device, InputError, ModelError, Settings
from liquid_ai.generation.gguf_file import find_gguf, read_gguf
from liquid_ai.generation.llama_model import LlamaModel
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.generation.models import choose_model, load_model, model_fingerprint, writer_fingerprint
from liquid_ai.generation.packaged import PACKAGED, packaged_torch_folder, pull_packaged
from liquid_ai.generation.transformers_model import TransformersModel

CPU = Device("cpu", "float32", "a test")
TOPICS = ("rain", "iron", "bees", "why the sea is salt", "1, 2, 3", "Ünïcödé ☔", "a", "word " * 300)

TOLERANCE = 0.03  # of a log-probability: llama.cpp attends in 16 bits; the logits' deviation is 0.8

GROUNDED = [
    ("Text: The museum opens at nine. Question: When does the museum open?", "nine"),
    ("Text: Iron melts at 1538 degrees Celsius. Question: At what temperature does iron melt?", "1538"),
    ("Text: The bridge was opened in 1932 by the mayor. Question: When was the bridge opened?", "1932"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return random_lfm2(tmp_path_factory.mktemp("models") / "tiny-lfm2")


@pytest.fixture(scope="module")
def file(folder):
    return lfm2_to_gguf(folder, folder.parent / "tiny-lfm2.gguf")


@pytest.fixture(scope="module")
def llama(file):
    model = LlamaModel(file, "tiny-lfm2", threads=1)
    yield model
    model.close()


@pytest.fixture(scope="module")
def lfm2(folder):
    return TransformersModel(folder, "tiny-lfm2", CPU)


@pytest.fixture(scope="module")
def packaged():
    model = LlamaModel(pull_packaged() / "model.gguf", PACKAGED)
    yield model
    model.close()


@pytest.fixture(scope="module")
def torch_copy():
    return TransformersModel(packaged_torch_folder(), PACKAGED, CPU)


def ask(topic):
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Tell me of {topic}."}]


@pytest.mark.slow
def test_the_packaged_model_on_llama_cpp_keeps_its_contract(packaged):
    check_contract(packaged)


def test_lfm2_reads_the_same_tokens_as_in_transformers(llama, lfm2):
    for topic in TOPICS:
        ids = lfm2._tokenizer.apply_chat_template(ask(topic), add_generation_prompt=True)["input_ids"]
        assert llama.count(ask(topic)) == len(ids)
        status, told = llama._llama.ask("/apply-template", {"messages": ask(topic)})
        text = {"content": told["prompt"], "add_special": True, "parse_special": True}
        assert (status, llama._llama.ask("/tokenize", text)[1]["tokens"]) == (200, ids)


@pytest.mark.parametrize("topic", TOPICS)
def test_lfm2_computes_what_transformers_computes(llama, lfm2, topic):
    "Its greedy tokens are transformers' choices after the same ones, with the same chances."
    import torch

    ids = lfm2._tokenizer.apply_chat_template(ask(topic), add_generation_prompt=True)["input_ids"]
    greedy = {"temperature": 0, "samplers": ["temperature"], "cache_prompt": False, "return_tokens": True}
    _, told = llama._llama.ask("/completion", greedy | {"prompt": ids, "n_predict": 48})
    written, compared = told["tokens"], 0
    with torch.inference_mode():
        logs = lfm2._model(torch.tensor([ids + written])).logits[0, len(ids) - 1 : -1].log_softmax(-1)
    for row, token in zip(logs, written, strict=True):
        assert row.max() - row[token] <= TOLERANCE
    for n in range(0, len(written), 8):
        one = greedy | {"prompt": ids + written[:n], "n_predict": 1, "n_probs": 10}
        _, told = llama._llama.ask("/completion", one)
        for chance in told.get("completion_probabilities", ()):  # none where half a character was written
            for t in chance["top_logprobs"]:
                assert abs(logs[n][t["id"]].item() - t["logprob"]) <= TOLERANCE
                compared += 1
    assert compared >= 10


@pytest.mark.parametrize("question, answer", GROUNDED)
def test_the_packaged_file_says_what_its_torch_copy_says(packaged, torch_copy, question, answer):
    "Both have Q8_0 weights; llama.cpp also rounds what it multiplies them with to 8 bits."
    asked = [{"role": "user", "content": question}]
    assert packaged.count(asked) == torch_copy.count(asked)
    assert packaged.generate(asked, 24) == replace(
        torch_copy.generate(asked, 24), fingerprint=packaged.fingerprint
    )
    assert answer in packaged.generate(asked, 24).text


# files that are not what they say


def swapped(old: bytes, new: bytes):
    def spoil(data: bytes) -> bytes:
        assert old in data and len(old) == len(new)
        return data.replace(old, new)

    return spoil


def with_number(name: bytes, value: int):
    def spoil(data: bytes) -> bytes:
        at = data.index(name + struct.pack("<I", 4)) + len(name) + 4
        return data[:at] + struct.pack("<I", value) + data[at + 4 :]

    return spoil


def with_template(template: str):
    def spoil(data: bytes) -> bytes:
        at = data.index(b"tokenizer.chat_template") + len(b"tokenizer.chat_template") + 4
        (size,) = struct.unpack_from("<Q", data, at)
        return data[: at + 8] + template.encode().ljust(size) + data[at + 8 + size :]

    return spoil


def claiming(counts: bytes):
    return lambda data: data[:8] + counts + data[8 + len(counts) :]


BAD = [
    (lambda data: data[:-1], "bytes where its header promises"),
    (lambda data: data[: len(data) // 2], "bytes where its header promises"),
    (lambda data: data[:2_000], "longer than the file"),
    (lambda data: b"", "cannot be used"),
    (lambda data: b"GG", "longer than the file"),
    (lambda data: b"A text that somebody renamed.\n" * 99, "does not begin with GGUF"),
    (lambda data: b"PK\x03\x04" + data[4:], "does not begin with GGUF"),
    (lambda data: data[:4] + struct.pack(">I", 3) + data[8:], "version 50331648"),
    (claiming(struct.pack("<QQ", 2**63, 1)), "longer than the file|dimensions"),
    (claiming(struct.pack("<QQ", 1, 2**63)), "longer than the file|unknown kind"),
    (swapped(b"tokenizer.chat_template", b"tokenizer.chat_tomplate"), "no chat template"),
    (with_template(""), "no chat template"),
    (swapped(b"general.architecture", b"general.archivecture"), "what kind of language model"),
    (with_number(b"lfm2.context_length", 0), "how much that reads"),
    # what only llama.cpp notices
    (swapped(b"lfm2", b"lfmX"), "unknown model architecture: 'lfmX'"),
    (swapped(b"gpt-2", b"gpt-x"), "unknown pre-tokenizer"),
    (with_number(b"lfm2.attention.head_count", 3), "wrong shape"),
    (with_number(b"lfm2.block_count", 255), "wrong array length"),
    (swapped(b"token_embd.weight", b"token_emxx.weight"), "cannot be loaded by llama.cpp"),
    (with_template("{% for m in %}{{ x"), "cannot be loaded by llama.cpp"),
    (with_template("{{ raise_exception('nobody') }}"), "cannot be loaded by llama.cpp"),
]


@pytest.mark.parametrize("spoil, reason", BAD)
def test_a_bad_file_is_refused(tmp_path, file, spoil, reason):
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(ModelError, match=reason):
        LlamaModel(bad, "bad", threads=1)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_header_is_read_or_refused_whatever_stands_in_it(file, tmp_path_factory, data):
    whole = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 9_000))
        new = data.draw(st.binary(min_size=1, max_size=9))
        whole[at : at + len(new)] = new
    bad = tmp_path_factory.getbasetemp() / "mutated.gguf"
    bad.write_bytes(whole[: data.draw(st.sampled_from([len(whole), 9_000, 700, 30]))])
    try:
        assert read_gguf(bad).context > 0
    except ModelError as e:
        assert "mutated.gguf" in str(e)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_what_passes_the_reader_does_not_end_this_process(file, tmp_path_factory, data):
    whole = bytearray(file.read_bytes())
    at = data.draw(st.integers(24, 9_000))
    whole[at] = data.draw(st.integers(0, 255))
    bad = tmp_path_factory.getbasetemp() / "mutated.gguf"
    bad.write_bytes(whole)
    try:
        model = LlamaModel(bad, "bad", threads=1, context=512)
        try:
            model.generate(ASK, 3)
        finally:
            model.close()
    except (ModelError, InputError) as e:
        assert str(e)


def test_a_template_without_an_end_is_given_up(tmp_path, file, monkeypatch):
    loop = "{% for i in range(100000) %}" * 3 + "{% endfor %}" * 3
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(with_template(loop)(file.read_bytes()))
    monkeypatch.setattr(llama_process, "_LOADING", 1)
    with pytest.raises(ModelError, match="it ended by signal 14"):
        LlamaModel(bad, "bad", threads=1)


def test_a_template_that_refuses_says_so(tmp_path, file):
    refuse = "{{ bos_token }}{% if messages[0].content == 'Hi' %}{{ raise_exception('not you') }}{% endif %}x"
    (odd := tmp_path / "odd.gguf").write_bytes(with_template(refuse)(file.read_bytes()))
    model = LlamaModel(odd, "odd", threads=1)
    assert model.generate(ASK, 2).usage.answer_tokens > 0
    with pytest.raises(InputError, match="refuses the messages: .*not you"):
        model.count([{"role": "user", "content": "Hi"}])
    model.close()


def test_sampling_that_a_file_brings_along_changes_nothing(folder, llama, tmp_path):
    def more(writer):
        writer.add_sampling_temp(1.5)
        writer.add_sampling_mirostat(2)
        writer.add_sampling_penalty_repeat(3.0)
        writer.add_sampling_penalty_last_n(64)

    model = LlamaModel(lfm2_to_gguf(folder, tmp_path / "odd.gguf", more), "odd", threads=1)
    for question in OTHERS:
        assert model.generate(question, 40).text == llama.generate(question, 40).text
    model.close()


# the window, the child, the settings


def test_prompt_and_answer_fill_the_window_to_the_last_token(file):
    model = LlamaModel(file, "tiny-lfm2", threads=1, context=256)
    assert model.context == 256
    room = 256 - model.count(ASK)
    assert model.generate(ASK, room).usage.answer_tokens == room
    with pytest.raises(InputError, match="do not fit the 256"):
        model.generate(ASK, room + 1)
    model.close()
    assert LlamaModel(file, "tiny-lfm2", threads=1, context=10**6).context == 8_192


def test_readers_that_pause_hold_up_nobody(llama):
    whole = llama.generate(ASK, 40)
    streams = [llama.stream(ASK, 40) for _ in range(8)]
    first = [next(stream) for stream in streams]
    assert llama.generate(ASK, 40) == whole
    for piece, stream in zip(first, streams, strict=True):
        assert piece + "".join(p for p in stream if isinstance(p, str)) == whole.text


def test_a_child_that_dies_is_an_error_and_the_model_is_loaded_again(file, nothing_loaded):
    wanted = Settings(generator=str(file), threads=1)
    model = load_model(wanted)
    whole = model.generate(ASK, 8)
    stream = model.stream(ASK, 4_000)
    next(stream)
    model._llama._process.kill()
    with pytest.raises(ModelError, match="llama.cpp ended while it ran .* load it again"):
        list(stream)
    assert model.closed
    again = load_model(wanted)
    assert again is not model and again.generate(ASK, 8) == whole
    again.close()


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for the child in /proc")
@pytest.mark.parametrize("ending", ["", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"])
def test_the_child_ends_with_python(file, ending):
    code = (
        "from liquid_ai.generation.models import load_model, Settings\n"
        f"model = load_model(Settings(generator={str(file)!r}, threads=1))\n"
        "next(model.stream([{'role': 'user', 'content': 'Hi'}], 8000))\n"
        f"print(model._llama._process.pid, flush=True)\n{ending}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == ((-9, "") if ending else (0, ""))
    until = time.monotonic() + 60
    while not gone(int(done.stdout)) and time.monotonic() < until:
        time.sleep(0.05)
    assert gone(int(done.stdout))


@pytest.mark.skipif(not hasattr(os, "getpgid"), reason="process groups are another thing here")
def test_interrupting_python_leaves_the_model_alone(llama):
    assert os.getpgid(llama._llama._process.pid) != os.getpgid(0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(sys.platform == "darwin", reason="this llama.cpp has a GPU")
def test_a_gpu_that_is_not_there_is_refused(file):
    with pytest.raises(InputError, match="device='cuda' was asked for"):
        LlamaModel(file, "tiny-lfm2", device="cuda")


def test_a_path_or_a_folder_means_its_gguf_file(file, folder, tmp_path):
    (tmp_path / "one").mkdir()
    one = tmp_path / "one" / "LFM2-Q8_0.gguf"
    one.symlink_to(file)
    assert find_gguf(tmp_path / "one") == find_gguf(str(one)) == one
    assert choose_model(Settings(generator=str(tmp_path / "one")))[1] == one
    assert choose_model(Settings(generator=str(folder)))[1] == folder  # safetensors: transformers
    (tmp_path / "one" / "LFM2-Q4_0.gguf").symlink_to(file)
    with pytest.raises(ModelError, match="2 GGUF files: name one of them, such as .*LFM2-Q4_0.gguf"):
        load_model(Settings(generator=str(tmp_path / "one")))
    with pytest.raises(ModelError, match="there is no file .*gone.gguf"):
        load_model(Settings(generator=str(tmp_path / "gone.gguf")))


def test_the_fingerprint_follows_the_file_and_is_known_unloaded(folder, tmp_path, nothing_loaded):
    wanted = Settings(generator=str(lfm2_to_gguf(folder, tmp_path / "m.gguf")), threads=1)
    seen = {model_fingerprint(wanted)}
    model = load_model(wanted)
    assert model.fingerprint in seen and load_model(wanted) is model
    assert model.generate(ASK, 3).fingerprint == writer_fingerprint(wanted) == model.fingerprint
    assert "llama.cpp" in model.why
    for changed in (
        Settings(generator=wanted.generator, threads=2),
        Settings(generator=wanted.generator, device="cpu", threads=1),
    ):
        assert model_fingerprint(changed) not in seen
    other = random_lfm2(tmp_path / "other", seed=1)
    lfm2_to_gguf(other, tmp_path / "m.gguf")  # other weights in the same place
    assert writer_fingerprint(wanted) == model_fingerprint(wanted) != model.fingerprint
    again = load_model(wanted)
    assert again is not model and again.generate(ASK, 9).text != model.generate(ASK, 9).text
    model.close()
    again.close()


@pytest.mark.parametrize(
    "changes", [{"adapter": "law"}, {"quantization": "nf4"}, {"runtime": "torch"}, {"runtime": "openvino"}]
)
def test_what_llama_cpp_does_not_do_is_refused(file, changes):
    for ask_for in (load_model, model_fingerprint):
        with pytest.raises(InputError, match="is a GGUF file|a GGUF file runs on llama.cpp"):
            ask_for(Settings(generator=str(file), **changes))


def test_without_the_wheel_the_error_says_what_to_install(file, monkeypatch, nothing_loaded):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    llama_process._installed.cache_clear()
    monkeypatch.setattr(metadata, "distribution", missing)
    for ask_for in (load_model, model_fingerprint):
        with pytest.raises(ModelError, match=r"pip install 'liquid_ai\[llama\]', or run its llama-server"):
            ask_for(Settings(generator=str(file)))
