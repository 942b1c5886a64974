"""Bulk work on Ray: the same store as without it, whatever is killed meanwhile; clear words without one."""

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from liquid_ai import RAG
from liquid_ai.cluster import Stage, beside, connect, spread
from liquid_ai.core import ClusterError, InputError, Settings
from liquid_ai.indexing.embed import load_encoder
from liquid_ai.indexing.store import Store
from liquid_ai.ingestion.ingest import ingest
from liquid_ai.ingestion.on_ray import spreading

ray = pytest.importorskip("ray")
ON_RAY = Settings(executor="ray")
PATH = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])  # workers import this module
JOIN = {"log_to_driver": False, "runtime_env": {"env_vars": {"PYTHONPATH": PATH}}}


@pytest.fixture(scope="module", autouse=True)
def cluster():
    "One on this machine, of two processors, unless RAY_ADDRESS names another."
    ray.shutdown()
    own = (
        {}
        if os.environ.get("RAY_ADDRESS")
        else {"address": "local", "num_cpus": 2, "include_dashboard": False}
    )
    for attempt in range(3):  # Ray gives its own processes half a minute, which a busy machine may need
        try:
            ray.init(logging_level="ERROR", **own, **JOIN)
            break
        except Exception:
            ray.shutdown()
            if attempt == 2:
                pytest.skip("Ray could not start its own processes in time, three times")
    yield
    ray.shutdown()


def write(folder: Path, files: int = 24) -> Path:
    "Files of several formats, one inside another, one that cannot be read, one empty."
    folder.mkdir(parents=True)
    for n in range(files):
        text = "\n\n".join(
            f"Heron {n} came back on day {d}, and fed {d % 5} young near the weir." for d in range(12)
        )
        (folder / f"{n:02}.md").write_text(f"# Heron {n}\n\n{text}\n", "utf-8")
    (folder / "page.html").write_text("<h1>Weirs</h1><p>A weir raises a river.</p>", "utf-8")
    (folder / "table.csv").write_text("bird,eggs\nheron,4\nkite,2\n", "utf-8")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    (folder / "empty.txt").write_bytes(b"")
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("inside.md", "# Kites\n\nA kite hovers before it drops.")
    return folder


def content(rag: RAG) -> tuple:
    "Documents, chunks, vectors, and what a search finds."
    snapshot = rag.snapshot()
    chunks = snapshot.chunks(range(len(snapshot)))
    hits = [
        (h.chunk.id, round(h.score, 5)) for q in ("who fed young?", "weir", "kite") for h in rag.search(q)
    ]
    return sorted(rag.store.versions().items()), chunks, np.array(snapshot.vectors), hits


def same(one: tuple, other: tuple) -> None:
    for a, b in zip(one, other, strict=True):
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(a, b, atol=1e-5)
        else:
            assert a == b


def rows(report) -> list:
    return [replace(row, seconds=0) for row in report.rows]


def test_the_store_is_the_one_that_this_process_makes(tmp_path, monkeypatch):
    write(tmp_path / "docs")
    monkeypatch.chdir(tmp_path)  # paths are told as they were given, and mean what they mean here
    found = {}
    for executor in ("process", "ray"):
        with RAG.open(tmp_path / executor, executor=executor) as rag:
            reports = [rag.sync("docs", access=["birders"], progress=False)]
            first = content(rag)
            edited = tmp_path / "docs" / "03.md"
            before = edited.read_text("utf-8")
            edited.write_text(before.replace("on day 7,", "on the seventh day,"), "utf-8")
            (tmp_path / "docs" / "04.md").rename(tmp_path / "04.md")
            reports += [rag.sync("docs", progress=False), rag.sync("docs", progress=False)]
            found[executor] = reports, first, content(rag), sorted(p.name for p in rag.store.folder.iterdir())
            edited.write_text(before, "utf-8")
            (tmp_path / "04.md").rename(tmp_path / "docs" / "04.md")
    here, there = found["process"], found["ray"]
    assert [rows(r) for r in there[0]] == [rows(r) for r in here[0]]
    assert [(r.embedded, r.removed) for r in there[0]] == [(r.embedded, r.removed) for r in here[0]]
    assert there[0][0].embedded > 20 and there[0][1].embedded < 5 and there[0][2].embedded == 0
    same(there[1], here[1])
    same(there[2], here[2])
    assert there[3] == here[3]  # the file of vectors is gone


@pytest.mark.slow
def test_documents_go_to_ray_as_well(tmp_path):
    from liquid_ai.core import Document

    documents = [Document.of(f"Heron {n} has {k} eggs.", f"{n}-{k}") for n in range(40) for k in range(30)]
    found, embedded = {}, {}
    for executor in ("process", "ray"):
        with RAG.open(tmp_path / executor, executor=executor) as rag:
            embedded[executor] = rag.ingest(documents, progress=False).embedded
            found[executor] = content(rag)
    assert embedded["ray"] == embedded["process"] == len(documents) == len(found["ray"][1])
    same(found["ray"], found["process"])


def once(folder: Path, work):
    "A worker that is killed at its third batch, the first time."

    def make():
        seen = []

        def do(batch):
            seen.append(batch)
            mark = folder / "killed"
            if len(seen) == 3 and not mark.exists():
                mark.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            return work(batch)

        return do

    return make


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(tmp_path):
    stage = Stage(once(tmp_path, lambda batch: [n * n for n in batch]), batch=2, cpus=0.5, workers=2)
    assert list(spread(range(60), [stage], ON_RAY)) == [n * n for n in range(60)]
    assert (tmp_path / "killed").exists()


class Counting:
    "An encoder that writes down how many texts it was given."

    def __init__(self, log: Path, pause: float):
        self.encoder, self.log, self.pause = load_encoder(Settings(threads=1)), log, pause
        for name in ("name", "fingerprint", "dimensions", "max_tokens", "token_spans"):
            setattr(self, name, getattr(self.encoder, name))

    def encode(self, texts, kind="document", progress=False):
        time.sleep(self.pause)
        with self.log.open("a") as log:
            log.write(f"{len(texts)}\n")
        return self.encoder.encode(texts, kind)


def take_in(folder: Path, store: Path, log: Path, pause: float) -> None:
    "What the driver does in the next test, to be killed."
    encoder, made = load_encoder(), Store(store)
    with spreading(made, encoder, ON_RAY, partial(Counting, log, pause)) as work:
        ingest(made, work.encoder, [folder], ON_RAY, progress=False, work=work)
    made.close()


@pytest.mark.slow
def test_a_driver_that_is_killed_goes_on_where_it_ended(tmp_path):
    docs = write(tmp_path / "docs", 90)
    code = (
        "import ray; from pathlib import Path; from test_ray import JOIN, take_in\n"
        f"ray.init(address={ray.get_runtime_context().gcs_address!r}, **JOIN)\n"
        f"take_in(*map(Path, {[str(docs), str(tmp_path / 'store'), str(tmp_path / 'first')]!r}), 0.5)"
    )
    driver = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": PATH})
    deadline = time.monotonic() + 240
    store = Store(tmp_path / "store")
    spool = lambda: sum(f.stat().st_size for f in store.folder.glob("vectors-*-spread.db*"))  # noqa: E731
    while spool() < 100_000 and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert driver.poll() is None, "it was to be killed in the middle"
    driver.kill()
    driver.wait()
    assert store.generation == 0 and store.counts()["documents"] == 0
    store.close()
    take_in(docs, tmp_path / "store", tmp_path / "second", 0)
    with RAG.open(tmp_path / "whole") as rag:
        report = rag.ingest(docs, progress=False)
        with RAG.open(tmp_path / "store") as again:
            same(content(again), content(rag))
    embedded = sum(map(int, (tmp_path / "second").read_text().split()))
    assert 0 < embedded < report.embedded, "what had been embedded was embedded again"
    assert not [*(tmp_path / "store").glob("vectors-*")]


def test_what_the_work_raises_is_raised_here():
    def refusing():
        def work(batch):
            raise InputError(f"{batch[0]} is not wanted")

        return work

    with pytest.raises(InputError, match="7 is not wanted"):
        list(spread([7], [Stage(refusing, workers=1), Stage(lambda: lambda b: b, workers=1)], ON_RAY))

    def failing(tell):
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        beside(failing, ON_RAY)
    with pytest.raises(ClusterError, match="GPUs are asked"):
        list(spread([1], [Stage(refusing, gpus=0.5)], ON_RAY))


@pytest.mark.slow
def test_a_file_that_other_machines_do_not_see_is_told(tmp_path):
    from liquid_ai.ingestion.load import FoundFile
    from liquid_ai.ingestion.on_ray import reading

    with pytest.raises(ClusterError, match="put the files where all of them see them"):
        list(
            spread(
                [FoundFile(tmp_path / "gone", "gone")], [Stage(partial(reading, ON_RAY, tmp_path))], ON_RAY
            )
        )


def test_an_address_where_nobody_answers_is_told_in_time():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    code = (
        "from liquid_ai.cluster import connect; from liquid_ai.core import Settings\n"
        f"connect(Settings(executor='ray://127.0.0.1:{port}', cluster_seconds=2))"
    )
    start = time.monotonic()
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert f"ClusterError: nobody answers at 127.0.0.1:{port}" in run.stderr
    assert time.monotonic() - start < 60


def python_of(folder: Path, version: str) -> str:
    "A Python that sees all packages of this one but this project, or another version of it."
    site = folder / "site"
    site.mkdir(parents=True)
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "liquid_ai" not in path.name:
            (site / path.name).symlink_to(path)
    if version:
        (site / f"liquid_ai-{version}.dist-info").mkdir()
        told = f"Metadata-Version: 2.1\nName: liquid_ai\nVersion: {version}\n"
        (site / f"liquid_ai-{version}.dist-info" / "METADATA").write_text(told)
    venv.create(folder / "venv", with_pip=False)
    [own] = (folder / "venv").glob("lib/python*/site-packages")
    (own / "all.pth").write_text(str(site))
    return str(folder / "venv" / "bin" / "python")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "told"), [("", "does not have liquid_ai"), ("0.0.1", "has liquid_ai 0.0.1, not ")]
)
def test_a_machine_without_the_package_is_told_before_any_work(tmp_path, version, told):
    address = ray.get_runtime_context().gcs_address
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    node = subprocess.Popen(
        [python_of(tmp_path / "other", version), "-m", "ray.scripts.scripts", "start", "--address", address]
        + ["--num-cpus", "1", "--block"],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        machines(2)
        code = "from liquid_ai.cluster import connect; from liquid_ai import Settings\n"
        code += "connect(Settings(executor='ray'))"
        run = [sys.executable, "-c", code]
        here = env | {"RAY_ADDRESS": address}
        done = subprocess.run(run, cwd=tmp_path, env=here, capture_output=True, text=True, timeout=240)
        assert f"in the cluster {told}" in done.stderr and "run pip install liquid_ai==" in done.stderr
    finally:
        os.killpg(node.pid, signal.SIGTERM)
        node.wait()
        machines(1)


def machines(number: int) -> None:
    "Wait until there are so many."
    end = time.monotonic() + 120
    while sum(n["Alive"] for n in ray.nodes()) != number:
        assert time.monotonic() < end, "the second machine did not come, or did not go"
        time.sleep(0.2)


@pytest.mark.slow
def test_the_address_that_a_dead_cluster_left_is_not_joined():
    with tempfile.TemporaryDirectory(prefix="lq") as home, socket.create_server(("127.0.0.1", 0)) as server:
        (Path(home) / "ray").mkdir()
        left = f"127.0.0.1:{server.getsockname()[1]}"  # somebody listens there, and is no cluster
        (Path(home) / "ray" / "ray_current_cluster").write_text(left)
        env = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"} | {"RAY_TMPDIR": home}
        code = "from liquid_ai.cluster import connect; from liquid_ai import Settings\n"
        code += "print(connect(Settings(executor='ray')).get_runtime_context().gcs_address)"
        run = [sys.executable, "-c", code]
        done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0 and done.stdout.strip() not in ("", left), done.stderr


@pytest.mark.parametrize("executor", ["dask", "ray://head", "ray://head:99999", "ray://:10001"])
def test_an_executor_that_is_none_is_refused_before_anything_is_read(tmp_path, executor):
    with (
        RAG.open(tmp_path / "store", executor=executor) as rag,
        pytest.raises(InputError, match="ray://host"),
    ):
        rag.ingest(write(tmp_path / "docs", 1), progress=False)


def test_a_cluster_that_is_joined_is_not_joined_again():
    assert connect(ON_RAY) is connect(ON_RAY) is ray


BIRDS = [
    "The grey heron stands still in shallow water and waits for fish.",
    "The barn owl hunts mice at night and hears them under the snow.",
    "Swifts sleep on the wing and land only to breed.",
    "Bees tell each other where flowers are by a waggle dance.",
]


@pytest.mark.slow
def test_a_sweep_on_ray_ranks_as_this_process_does(tmp_path):
    from liquid_ai.core import Document
    from liquid_ai.evaluation.collections import Collection
    from liquid_ai.evaluation.experiment import sweep
    from liquid_ai.evaluation.ranking import Qrels

    documents = tuple(Document.of(text, f"d{n}") for n, text in enumerate(BIRDS))
    asked = [
        "Who waits for fish?",
        "Which bird hunts at night?",
        "Which bird sleeps in the air?",
        "Who dances?",
    ]
    queries = {f"q{n}": text for n, text in enumerate(asked)}
    birds = Collection(
        "birds", "test", documents, queries, Qrels({f"q{n}": {f"d{n}": 1} for n in range(4)}, "me")
    )
    space = {"mode": ["dense", "sparse", "hybrid"], "chunk_tokens": [32, 64]}
    quiet = {"track": False, "progress": False, "latency_queries": 0, "times": 1_000}
    here = sweep(space, birds, settings=Settings(), cache=tmp_path / "here", **quiet)
    there = sweep(space, birds, settings=ON_RAY, cache=tmp_path / "there", **quiet)
    for one, other in zip(here.trials, there.trials, strict=True):
        assert one.scores.values.keys() == other.scores.values.keys() and one.same_as == other.same_as
        for metric, values in one.scores.values.items():
            np.testing.assert_array_equal(values, other.scores[metric])
    assert here.comparison == there.comparison and there.embedded >= here.embedded > 0
    assert sweep(space, birds, settings=ON_RAY, cache=tmp_path / "there", **quiet).embedded == 0


def passages(encoder) -> list:
    from liquid_ai.core import Document
    from liquid_ai.ingestion.chunk import split

    return [c for cut in split([Document.of(t, t[:9]) for t in BIRDS], encoder) for c in cut]


@pytest.mark.slow
def test_questions_are_written_on_ray_as_here(tmp_path):
    from liquid_ai.generation.model_folder import random_lfm2
    from liquid_ai.generation.models import load_model
    from liquid_ai.training.written import model_pairs

    written = Settings(generator="packaged", threads=1)
    model, chunks = load_model(written), passages(load_encoder(written))
    here = list(model_pairs(chunks, model, 32, 1))
    there = model_pairs(chunks, model, 32, 1, replace(written, executor="ray"), tmp_path)
    assert here and list(there) == here
    assert list(model_pairs(chunks, Silent(model), 32, 1, folder=tmp_path)) == here
    other = replace(written, executor="ray", generator=str(random_lfm2(tmp_path / "tiny-lfm2")))
    with pytest.raises(InputError, match="name a model that all of them have"):
        list(model_pairs(chunks, model, 33, 1, other))


class Silent:
    "A model that has the name of another and cannot be asked."

    def __init__(self, model):
        self.name, self.fingerprint = model.name, model.fingerprint


@pytest.mark.slow
def test_a_sweep_of_training_on_ray_scores_as_here(tmp_path):
    from liquid_ai.generation.model_folder import random_lfm2
    from liquid_ai.training.formats import Sample
    from liquid_ai.training.options import TrainOptions
    from liquid_ai.training.sweep import sweep_training

    tiny = random_lfm2(tmp_path / "tiny-lfm2")
    parts = [
        [Sample.of(f"Is {n} a number?", "Yes, it is.") for n in range(*r)]
        for r in ((16,), (20, 28), (30, 38))
    ]
    options = TrainOptions(device="cpu", rank=4, epochs=2, batch=8, four_bit="off", threads=1)
    space = {"learning_rate": [1e-6, 5e-3], "targets": ["all"]}
    found = {}
    for executor in ("process", "ray"):
        found[executor] = sweep_training(
            space,
            *parts,
            tiny,
            tmp_path / executor,
            options,
            settings=Settings(executor=executor),
            track=False,
            progress=False,
        )
    here, there = (found[e] for e in ("process", "ray"))
    assert there.winner == here.winner and not there.failed
    for one, other in zip(here.dev.systems, there.dev.systems, strict=True):
        assert (one.name, pytest.approx(one.mean, abs=1e-4)) == (other.name, other.mean)
    assert {n: a.name for n, a in there.adapters.items()} == {n: a.name for n, a in here.adapters.items()}
    assert all((a / "adapter_model.safetensors").is_file() for a in there.adapters.values())
