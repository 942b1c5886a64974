"""Traces: a tree in order and within its root, in the names of the conventions, and no request that waits."""

import http.server
import json
import secrets
import socket
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import Answer, CacheInfo, Chunk, Hit, Hits, InputError, LiquidError, Sentence, Step, Usage
from liquid_ai.metrics.trace import Tracer, parse_traceparent, span_tree, trace_id_of

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import TraceFlags

STAGES = ["load", "search", "evidence", "prompt", "generate", "check"]
TIMINGS = dict(zip(STAGES, [4.0, 31.0, 12.0, 3.0, 240.0, 21.0], strict=True)) | {"total": 320.0}
HITS = Hits([Hit(Chunk("c1", "d1", "She was healed in May.", 0, 22), 0.5, 1)])
ANSWER = Answer(
    "Is she ill?",
    "She is not.",
    hits=HITS,
    sentences=(Sentence(0, 11, 0.9, True),),
    timings=TIMINGS,
    usage=Usage(220, 8),
    versions={"model": "small", "index": "7"},
    confidence=0.75,
    trace_id="5f" * 8,
)
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def recorded(answer=ANSWER, parent=None, **options):
    "The id of the trace and the spans that a collector in memory was sent."
    memory = InMemorySpanExporter()
    tracer = Tracer(exporters=[memory], **options)
    trace_id = tracer.record(answer, 1_000_000_000, parent)
    tracer.close()
    assert (tracer.failed, tracer.dropped) == (0, 0)
    return trace_id, memory.get_finished_spans()


MS = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 1e6)
NAMES = st.sampled_from([*STAGES, "total", "decide", "plan"])
STEPS = st.builds(
    Step, st.sampled_from(["plan", "search", "read", "decide", "call"]), st.just("x"), milliseconds=MS
)


@settings(deadline=None)
@given(st.dictionaries(NAMES, MS), st.lists(STEPS, max_size=5), st.integers(0, 2**62))
def test_children_lie_within_the_root_and_in_order(timings, steps, started):
    root, *children = span_tree(replace(ANSWER, timings=timings, steps=tuple(steps)), started)
    assert (root.name, root.start) == ("ask", started)
    assert len(children) == (len(steps) or len(timings.keys() - {"total"}))
    places = [started, *(t for c in children for t in (c.start, c.end)), root.end]
    assert places == sorted(places)


def test_each_stage_is_a_span_of_its_own_length():
    root, *children = span_tree(ANSWER, 10**18)
    assert {c.name: (c.end - c.start) / 1e6 for c in children} == {
        "load": 4, "retrieve": 31, "rerank": 12, "prompt": 3, "generate": 240, "verify": 21
    }  # fmt: skip
    assert (root.end - root.start) / 1e6 == 320


def test_the_order_is_that_of_the_work_not_of_the_timings():
    mixed = dict(reversed(TIMINGS.items()))
    assert span_tree(replace(ANSWER, timings=mixed), 0) == span_tree(ANSWER, 0)


def test_an_agent_has_a_span_a_step():
    steps = (
        Step("plan", "parts", milliseconds=5.0),
        Step("search", "ill", HITS, milliseconds=20.0),
        Step("read", "read", usage=Usage(100, 5), milliseconds=200.0),
        Step("search", "well", HITS, milliseconds=20.0),
        Step("call", "search", milliseconds=1.0),
    )
    root, *children = span_tree(replace(ANSWER, steps=steps, timings={"search": 40, "total": 250}), 0)
    assert [c.name for c in children] == ["plan", "retrieve", "generate", "retrieve", "tool"]
    assert root.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert children[2].attributes["gen_ai.usage.input_tokens"] == 100


def test_names_are_those_of_the_conventions():
    names = pytest.importorskip("opentelemetry.semconv._incubating.attributes.gen_ai_attributes")
    known = {v for k, v in vars(names).items() if k.startswith("GEN_AI_")}
    operations = {o.value for o in names.GenAiOperationNameValues}
    agent = replace(
        ANSWER, steps=(Step("search", "x"), Step("read", "x", usage=Usage(1, 1)), Step("call", "x"))
    )
    for answer in (ANSWER, agent):
        for span in span_tree(answer, 0, content=True):
            assert {n for n in span.attributes if n.startswith("gen_ai.")} <= known
            assert span.attributes.get("gen_ai.operation.name", "chat") in operations
    told = {s.name: s.attributes for s in span_tree(ANSWER, 0)}
    assert told["generate"] == {
        names.GEN_AI_OPERATION_NAME: "chat",
        names.GEN_AI_PROVIDER_NAME: "liquid_ai",
        names.GEN_AI_REQUEST_MODEL: "small",
        names.GEN_AI_RESPONSE_MODEL: "small",
        names.GEN_AI_USAGE_INPUT_TOKENS: 220,
        names.GEN_AI_USAGE_OUTPUT_TOKENS: 8,
    }
    assert told["retrieve"]["gen_ai.operation.name"] == "retrieval"


def test_content_is_told_only_where_it_was_asked_for():
    assert not any(word in str(span_tree(ANSWER, 0)) for word in ("ill", "She is not", "healed", "c1"))
    told = span_tree(ANSWER, 0, content=True)[0].attributes
    [message] = json.loads(told["gen_ai.input.messages"])
    assert message == {"role": "user", "parts": [{"type": "text", "content": "Is she ill?"}]}
    assert "She is not." in told["gen_ai.output.messages"]
    assert "healed" not in str(told)
    for attributes in (s.attributes for s in recorded(content=False)[1]):
        assert "ill?" not in str(dict(attributes))


def test_tokens_of_a_kept_answer_are_not_counted_again():
    kept = replace(ANSWER, cache=CacheInfo("exact", 12.0), timings={"total": 0.3})
    [root] = span_tree(kept, 0)
    assert not [n for n in root.attributes if n.startswith("gen_ai.usage")]
    assert root.attributes["liquid_ai.tokens_saved"] == 228
    assert root.attributes["liquid_ai.cache_age"] == 12.0


def test_a_collector_is_sent_one_tree():
    trace_id, (root, *children) = recorded()
    assert {f"{s.context.trace_id:032x}" for s in (root, *children)} == {trace_id}
    assert root.parent is None and {c.parent.span_id for c in children} == {root.context.span_id}
    ids = [s.context.span_id for s in (root, *children)]
    assert len(set(ids)) == len(ids) == 7 and all(ids)
    assert root.start_time == 1_000_000_000 and root.end_time - root.start_time == 320_000_000
    assert root.resource.attributes["service.name"] == "liquid_ai"
    assert all(s.context.trace_flags & TraceFlags.SAMPLED for s in (root, *children))


def test_a_callers_trace_is_joined():
    trace_id, (root, *_) = recorded(parent=parse_traceparent(PARENT))
    assert trace_id == PARENT[3:35] == f"{root.context.trace_id:032x}"
    assert f"{root.parent.span_id:016x}" == PARENT[36:52] and root.parent.is_remote


@pytest.mark.parametrize("own", ["", "no hex", "0" * 16, "5f" * 8, "ab" * 16, "5F" * 8])
def test_a_trace_id_is_always_one(own):
    found = {trace_id_of(replace(ANSWER, trace_id=own)) for _ in range(5)}
    assert len(found) == 5
    for id in found:
        assert parse_traceparent(f"00-{id}-{'1' * 16}-01").trace_id == id
        assert id.endswith(own) or own != "5f" * 8


def test_a_share_is_sampled_and_all_have_ids():
    memory = InMemorySpanExporter()
    tracer = Tracer(exporters=[memory], sample=0.25)
    ids = {tracer.record(replace(ANSWER, timings={"total": 1.0}), 0) for _ in range(800)}
    unsampled, sampled = (replace_flag(flag) for flag in ("00", "01"))
    tracer.record(ANSWER, 0, unsampled)
    tracer.record(ANSWER, 0, sampled)
    tracer.close()
    roots = [s for s in memory.get_finished_spans() if s.name == "ask"]
    joined = [s for s in roots if s.parent is not None]
    assert len(ids) == 800 and len(joined) == 1
    assert 120 < len(roots) - 1 < 280  # 200 ± 6.5 standard deviations
    assert not recorded(sample=0.0)[1]


def replace_flag(flag: str):
    return parse_traceparent(PARENT[:-2] + flag)


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (PARENT, True),
        (PARENT.encode(), True),
        (f" {PARENT}\t", True),
        (PARENT[:-2] + "00", True),
        (PARENT[:-2] + "ff", True),
        ("01" + PARENT[2:] + "-what-comes-later", True),
        ("cc" + PARENT[2:], True),
        (PARENT + "-more", False),
        ("01" + PARENT[2:] + "more", False),
        ("ff" + PARENT[2:], False),
        (PARENT.upper(), False),
        (PARENT.replace("-", "_"), False),
        ("00-" + "0" * 32 + PARENT[35:], False),
        (PARENT[:36] + "0" * 16 + PARENT[52:], False),
        (PARENT[:-1], False),
        (PARENT + "\n", False),
        ("٠" + PARENT[1:], False),
        ("01" + PARENT[2:] + "-" + "x" * 10_000, False),
        ("", False),
        (None, False),
        (b"\xff\xfe", False),
    ],
)
def test_traceparent(header, read):
    found = parse_traceparent(header)
    assert (found is not None) == read
    if found:
        assert (found.trace_id, found.span_id) == (PARENT[3:35], PARENT[36:52])


@given(st.binary(max_size=80) | st.text(max_size=80))
def test_any_header_is_read_or_not(header):
    found = parse_traceparent(header)
    assert found is None or (len(bytes.fromhex(found.trace_id)), len(bytes.fromhex(found.span_id))) == (16, 8)


@settings(deadline=None)
@given(st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8), st.integers(0, 255))
def test_every_valid_header_is_read(trace, span, flags):
    found = parse_traceparent(f"00-{trace.hex()}-{span.hex()}-{flags:02x}")
    assert (found is None) == (not any(trace) or not any(span))
    if found:
        assert (found.trace_id, found.span_id, found.sampled) == (trace.hex(), span.hex(), bool(flags & 1))


class Collector:
    "Does with spans what it is told to."

    def __init__(self, does):
        self.does, self.closed = does, False

    def export(self, spans):
        return self.does(spans)

    def shutdown(self):
        self.closed = True


def test_a_collector_that_hangs_slows_nobody():
    free = threading.Event()
    collector, memory = Collector(lambda spans: free.wait(60)), InMemorySpanExporter()
    tracer = Tracer(exporters=[collector, memory], waiting=20)
    began = time.monotonic()
    for _ in range(5_000):
        tracer.record(ANSWER, 0)
    taken = time.monotonic() - began
    assert taken < 5
    assert not tracer.flush(0.05)
    began = time.monotonic()
    tracer.close(0.1)
    assert time.monotonic() - began < 2
    assert tracer._senders[0].dropped >= 5_000 - 20 - 64
    assert len(memory.get_finished_spans()) > 0  # the other goes on
    free.set()


@pytest.mark.parametrize("fault", ["raises", "refuses"])
def test_a_collector_at_fault_is_counted_and_tried_again(fault):
    faults = iter([True, False])
    taken = []

    def does(spans):
        if next(faults) and fault == "raises":
            raise ConnectionError("gone")
        taken.append(len(spans))
        return (
            SpanExportResult.FAILURE if len(taken) == 1 and fault == "refuses" else SpanExportResult.SUCCESS
        )

    collector = Collector(does)
    tracer = Tracer(exporters=[collector])
    for _ in range(2):
        tracer.record(ANSWER, 0)
        assert tracer.flush()
    tracer.close()
    assert (tracer.failed, tracer.dropped, collector.closed) == (1, 0, True)
    assert taken[-1] == 7


def test_an_answer_that_is_odd_is_counted_not_raised():
    tracer = Tracer(exporters=[InMemorySpanExporter()])
    assert tracer.record(replace(ANSWER, timings={"total": "long"}), 0)
    tracer.close()
    assert tracer.failed == 1


def test_it_is_off_by_default_and_still_gives_ids():
    threads = threading.active_count()
    tracer = Tracer()
    assert tracer.record(ANSWER, 0).endswith(ANSWER.trace_id)
    assert threading.active_count() == threads
    tracer.close()
    for wrong in ({"sample": 1.5}, {"sample": float("nan")}, {"waiting": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Tracer(**wrong)


def test_mlflow_keeps_the_tree_under_our_id(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{(tmp_path / 'traces.db').as_posix()}"
    tracer = Tracer(uri, content=True)
    started = time.time_ns()
    trace_id = tracer.record(ANSWER, started)
    joined = tracer.record(replace(ANSWER, abstained=True), started, parse_traceparent(PARENT))
    tracer.close(60)
    assert (tracer.failed, tracer.dropped) == (0, 0)
    client = mlflow.MlflowClient(uri)
    found = client.get_trace(f"tr-{trace_id}")
    assert [s.name for s in found.data.spans] == [s.name for s in span_tree(ANSWER, 0)]
    root, *children = found.data.spans
    assert root.parent_id is None and {s.parent_id for s in children} == {root.span_id}
    assert root.start_time_ns == started and root.end_time_ns - started == 320_000_000
    assert children[4].attributes["gen_ai.usage.input_tokens"] == 220
    assert found.info.token_usage["total_tokens"] == 228
    assert "She is not." in found.info.response_preview
    assert joined == PARENT[3:35] and client.get_trace(f"tr-{joined}").data.spans[0].parent_id is None
    experiment = client.get_experiment_by_name("liquid_ai traces")
    again = Tracer(uri)
    again.record(ANSWER, started)
    again.close(60)
    assert len(client.search_traces(locations=[experiment.experiment_id])) == 3


def test_mlflow_that_cannot_be_reached_is_counted(tmp_path):
    pytest.importorskip("mlflow")
    tracer = Tracer(f"sqlite:///{(tmp_path / 'none' / 'there' / 'x.db').as_posix()}")
    (tmp_path / "none").write_text("a file where a folder would have to be")
    tracer.record(ANSWER, 0)
    tracer.close(60)
    assert tracer.failed == 1


@pytest.fixture
def collector():
    "An OTLP collector on loopback, and what it was sent."
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_): ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()


OTLP = "opentelemetry.exporter.otlp.proto.http"


def otlp():
    try:
        return pytest.importorskip(OTLP)
    except ModuleNotFoundError:
        pytest.skip(f"{OTLP} is not installed")


def test_a_collector_over_http_is_sent_one_tree(collector):
    otlp()
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    address, got = collector
    tracer = Tracer(otlp_endpoint=address)
    trace_id = tracer.record(ANSWER, time.time_ns())
    tracer.close(10)
    [(path, body)] = got
    sent = ExportTraceServiceRequest.FromString(body)
    spans = sent.resource_spans[0].scope_spans[0].spans
    assert path == "/v1/traces" and tracer.failed == 0
    assert {s.trace_id.hex() for s in spans} == {trace_id} and len(spans) == 7


def test_a_collector_over_http_that_never_answers_slows_nobody():
    otlp()
    with socket.create_server(("127.0.0.1", 0)) as server:
        tracer = Tracer(otlp_endpoint=f"http://127.0.0.1:{server.getsockname()[1]}", waiting=5)
        began = time.monotonic()
        for _ in range(500):
            tracer.record(ANSWER, 0)
        tracer.close(0.1)
        assert time.monotonic() - began < 3
        assert tracer.dropped > 400


def test_what_is_missing_is_named(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for options, extra in (
        ({"mlflow_uri": "sqlite:///x.db"}, "eval"),
        ({"otlp_endpoint": "http://x"}, "trace"),
    ):
        with pytest.raises(LiquidError, match=rf"liquid_ai\[{extra}\]"):
            Tracer(**options)


def test_trace_ids_do_not_repeat_across_answers_without_one():
    assert len({trace_id_of(replace(ANSWER, trace_id=secrets.token_hex(8))) for _ in range(1_000)}) == 1_000
