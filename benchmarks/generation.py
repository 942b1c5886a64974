"""Local language models: how fast they read and write, what guessing saves, what the pipeline adds."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from liquid_ai.core import Device, Generation, LanguageModel, Settings
from liquid_ai.generation.greedy import decode
from liquid_ai.generation.openvino_model import OpenVINOModel
from liquid_ai.generation.packaged import PACKAGED, packaged_torch_folder, pull_packaged
from liquid_ai.generation.transformers_model import TransformersModel
from liquid_ai.indexing.store import Store
from liquid_ai.ingestion.quickstart import corpus, questions
from liquid_ai.pipeline import RAG

from .report import Figure, bootstrap
from .turns import p50_ratio

SEED, WARM_UP = 0, 2
READ, ASKED, ON_TORCH = 24, 40, 24  # prompts that are retold, questions that are asked, those also on torch
ANSWER = 60  # tokens
Messages = Sequence[Mapping[str, str]]


def measure(limit: int) -> dict[str, Figure]:
    "`limit` is of questions."
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(generator="packaged", context_tokens=600, answer_cache="none")
        with RAG.open(Path(folder) / "store", settings) as rag:
            rag.ingest(corpus(), progress=False)
            asked = [q.question for q in questions() if q.answerable]
            order = np.random.default_rng(SEED).permutation(len(asked))
            asked = [asked[n] for n in order[: limit or ASKED]]
            figures, prompts = pipeline(rag, asked)
            figures |= reading_and_writing(rag, limit or READ)
    return figures | guessing(prompts[: limit or ON_TORCH])


def p50(values: Sequence[float], unit: str, target: str = "", note: str = "") -> Figure:
    "The median over prompts."
    values = np.array(values)
    return Figure(
        value=float(np.median(values)),
        unit=unit,
        interval=bootstrap(values, np.median),
        interval_is="95 % bootstrap",
        target=target,
        note=note,
    )


def timed(work: Callable[[], object]) -> tuple[float, object]:  # seconds, what it returned
    "Run `work` once."
    start = time.perf_counter()
    out = work()
    return time.perf_counter() - start, out


def watched(
    model: LanguageModel, messages: Messages, tokens: int, stop: Sequence[str] = ()
) -> tuple[float, float, Generation]:
    "Seconds to the first piece of text and to the end, and the answer."
    start, first = time.perf_counter(), None
    for piece in model.stream(messages, tokens, stop):  # noqa: B007
        first = time.perf_counter() - start if first is None else first
    return first, time.perf_counter() - start, piece


def pipeline(rag: RAG, asked: Sequence[str]) -> tuple[dict[str, Figure], list[Messages]]:
    "Whole answers over 600 tokens of context, against the model alone on the same prompts, in turns."
    sent, model, whole, bare, first = [], rag.model, [], [], []
    stream = model.stream

    def noting(*arguments):
        sent.append(arguments)
        return stream(*arguments)

    for n, question in enumerate([*asked[:WARM_UP], *asked]):
        sent.clear()
        model.stream = noting  # which prompt the pipeline makes
        try:
            seconds, answer = timed(lambda question=question: rag.ask(question))
        finally:
            del model.stream
        if answer.abstained or len(sent) != 1 or n < WARM_UP:
            continue
        again, _ = timed(lambda: model.generate(*sent[0]))
        whole.append((seconds, answer, sent[0][0]))
        bare.append(again)
        first.append(watched(model, *sent[0])[0])
    seconds = np.array([s for s, *_ in whole])
    over = p50_ratio(seconds, np.array(bare), block=1)
    extra = (seconds - np.array(bare)) * 1e3
    share = {"value": (over.value - 1) * 100, "interval": tuple((x - 1) * 100 for x in over.interval)}
    figures = {
        "questions answered": Figure(
            value=len(whole), note=f"of {len(asked)}; the others are abstained from"
        ),
        "a cited answer over 600 tokens of context, p50": p50(seconds, "s", "< 1"),
        "prompt of those answers, p50": p50([a.usage.prompt_tokens for _, a, _ in whole], "tokens"),
        "the answers, p50": p50([a.usage.answer_tokens for _, a, _ in whole], "tokens"),
        "time to first token of those prompts, p50": p50(np.array(first) * 1e3, "ms"),
        "whole pipeline over bare generate": Figure(
            **share, unit="%", interval_is=over.interval_is, target="< 5", note="medians, the same prompts"
        ),
        "what the pipeline adds to an answer, p50": p50(extra, "ms"),
    }
    return figures | paragraphs(rag, asked), [messages for *_, messages in whole]


def paragraphs(rag: RAG, asked: Sequence[str]) -> dict[str, Figure]:
    "What is gained and lost where the model is stopped at its first blank line, on the same questions."
    known = {q.question: q.quote for q in questions()}
    with RAG(Store(rag.store.folder), replace(rag.settings, one_paragraph=False)) as other:
        figures = {}
        for name, asking in {"one paragraph": rag, "as many as it writes": other}.items():
            timed_answers = [timed(lambda q=q, asking=asking: asking.ask(q)) for q in asked]
            given = [a for _, a in timed_answers if not a.abstained]
            right = [
                known[a.question] in " ".join(" ".join(c.quote.split()) for c in a.citations) for a in given
            ]
            said = [s for a in given for s in a.sentences]
            figures |= {
                f"{name}: answer p50": p50([s for s, a in timed_answers if not a.abstained], "s"),
                f"{name}: tokens written": Figure(value=sum(a.usage.answer_tokens for a in given)),
                f"{name}: answers that cite the marked place": Figure(
                    value=sum(right), note=f"of {len(given)}"
                ),
                f"{name}: sentences that no passage supports": Figure(
                    value=sum(not s.supported for s in said), note=f"of {len(said)}"
                ),
            }
    return figures


def reading_and_writing(rag: RAG, count: int) -> dict[str, Figure]:
    "Rates of the packaged model on distinct prompts of about 600 tokens, without prefix cache."
    model = OpenVINOModel(pull_packaged(), PACKAGED, prefix_cache=False)
    found = rag.search_many([q.question for q in questions()], top_k=3)
    texts = list(dict.fromkeys(hit.chunk.text for hits in found for hit in hits))
    rng = np.random.default_rng(SEED)
    prompts = []
    for _ in range(count + WARM_UP):
        body = "\n".join(texts[n] for n in rng.choice(len(texts), 3, replace=False))[:2_400]
        prompts.append([{"role": "user", "content": f"{body}\n\nRetell all of this at length."}])
    read, write = [], []
    for messages in prompts:
        first, whole, answer = watched(model, messages, ANSWER)
        if answer.usage.answer_tokens == ANSWER:
            read.append(answer.usage.prompt_tokens / first)
            write.append((ANSWER - 1) / (whole - first))
    rows = prompts[-8:]
    seconds, answers = timed(lambda: model.batch(rows, ANSWER))
    alone, _ = timed(lambda: [model.generate(row, ANSWER) for row in rows])
    model.close()
    figures = plain_pipeline(prompts, model_file=pull_packaged() / "model.gguf")
    tokens = sum(a.usage.answer_tokens for a in answers)
    note = f"{len(read[WARM_UP:])} distinct prompts of about 600 tokens, answers of {ANSWER}, no prefix cache"
    return figures | {
        "packaged model reads": p50(read[WARM_UP:], "tokens/s", ">= 3400", note),
        "packaged model writes": p50(write[WARM_UP:], "tokens/s", ">= 110", note),
        "packaged model, a batch of 8": Figure(
            value=tokens / seconds, unit="tokens/s", note="written, the time to read the prompts included"
        ),
        "a batch of 8 over one by one": Figure(value=alone / seconds, unit="times"),
    }


def plain_pipeline(prompts: Sequence[Messages], model_file: Path) -> dict[str, Figure]:
    "OpenVINO GenAI's own `LLMPipeline` as it comes, on the same prompts: what this machine gives."
    import openvino_genai as genai

    pipe, config = genai.LLMPipeline(str(model_file), "CPU"), genai.GenerationConfig()
    tokenizer = pipe.get_tokenizer()
    config.max_new_tokens, config.do_sample, config.apply_chat_template = ANSWER, False, False
    read, write = [], []
    for messages in prompts:
        ids = tokenizer.encode(tokenizer.apply_chat_template(list(messages), add_generation_prompt=True))
        taken = pipe.generate(ids, config).perf_metrics
        read.append(ids.input_ids.shape[1] / (taken.get_ttft().mean / 1e3))
        write.append(1e3 / taken.get_tpot().mean)
    return {
        "OpenVINO GenAI's LLMPipeline reads": p50(
            read[WARM_UP:], "tokens/s", note="the same prompts and file"
        ),
        "OpenVINO GenAI's LLMPipeline writes": p50(
            write[WARM_UP:], "tokens/s", note="the same prompts and file"
        ),
    }


def guessing(prompts: Sequence[Messages]) -> dict[str, Figure]:
    "transformers in float32: plain `generate`, our decoding with prompt lookup, and the whole model."
    import torch

    folder, cpu = packaged_torch_folder(), Device("cpu", "float32", "where texts can be compared")
    model, most = TransformersModel(folder, PACKAGED, cpu), 64
    engine, ends = model._model, model._ends
    taken: dict[str, list[float]] = {"plain": [], "lookup": [], "model": []}
    same = tokens = forwards = 0
    for n, messages in enumerate([*prompts[:1], *prompts]):
        ids = model._tokenizer.apply_chat_template(list(messages), add_generation_prompt=True)["input_ids"]
        written: list[int] = []

        def plain(ids=ids):
            inputs = torch.tensor([ids])
            with torch.inference_mode():
                return engine.generate(
                    inputs, attention_mask=torch.ones_like(inputs), max_new_tokens=most, do_sample=False
                )[0, len(ids) :].tolist()

        def lookup(ids=ids, written=written):
            return decode(engine, ids, most, ends, lambda new: written.extend(new) or True)

        slow, wanted = timed(plain)
        fast, steps = timed(lookup)
        whole, answer = timed(lambda messages=messages: model.generate(messages, most))
        if n == 0:
            continue  # the first one warms up
        for name, seconds in (("plain", slow), ("lookup", fast), ("model", whole)):
            taken[name].append(seconds)
        text = model._tokenizer.decode(wanted, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        same += written == wanted and answer.text == text
        tokens, forwards = tokens + len(written), forwards + steps
    model.close()
    assert same == len(prompts), f"{len(prompts) - same} of {len(prompts)} texts differ from plain decoding"
    times = {name: np.array(values) for name, values in taken.items()}
    note = f"{len(prompts)} prompts of the pipeline, float32, answers of at most {most} tokens"
    return {
        "transformers, same text as plain generate": Figure(
            value=same, unit=f"of {len(prompts)}", target=f">= {len(prompts)}"
        ),
        "transformers, tokens a forward with lookup": Figure(value=tokens / forwards, note=note),
        "transformers, lookup over plain generate": p50_ratio(
            times["plain"], times["lookup"], ">= 1.3", block=1, note=note
        ),
        "transformers, with lookup and kept prefix over plain generate": p50_ratio(
            times["plain"], times["model"], block=1, note=note
        ),
    }
