"""A server wears the champion of a registry: swapped under load, left as it was by whatever goes wrong."""

import json
import logging
import threading
import time
from contextlib import contextmanager

import pytest
from served import opened, running, served, service_in, until
from tiny_adapters import gate_of, made_adapter

from liquid_ai.core import InputError, Settings
from liquid_ai.evaluation.track import client_of, load_mlflow
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.serving.options import ServerSettings, check_options
from liquid_ai.training.adapter_files import WEIGHTS
from liquid_ai.training.registry import promote, register, rollback

QUESTION = "What do grey herons eat?"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("made")
    base = random_lfm2(home / "tiny-lfm2")
    for n, name in enumerate(("one", "two", "three")):
        made_adapter(base, home / name, n)
    return home


@pytest.fixture
def registry(made, tmp_path):
    "A registry with a champion and a version that may follow it."
    here = Settings(tracking_uri=f"sqlite:///{tmp_path}/runs.db")
    base = made / "tiny-lfm2"
    one = register(made / "one", gate_of(made / "one", base), "law", here)
    promote("law", settings=here)
    register(made / "two", gate_of(made / "two", base, before=one.adapter), "law", here)
    return here


@contextmanager
def server(made, tmp_path, uri, **options):
    rag = opened(
        tmp_path / "store",
        generator=str(made / "tiny-lfm2"),
        limit_queue=1_000,
        limit_requests=1_000_000,
        min_confidence=0.0,
    )
    own = {"adapters": str(tmp_path / "adapters"), "adapter_model": "law", "adapter_registry": uri}
    app = served(rag, **own | {"adapter_seconds": 0.1, "wait_seconds": 60} | options)
    with running(app, timeout_graceful_shutdown=5) as s:
        s.service = service_in(app)
        yield s


def worn(s) -> str:
    return s.http.get("/adapter").json()["name"]


@contextmanager
def asked(s, threads=3):
    "Questions without end, and what became of them."
    told, over = [], threading.Event()

    def ask(n):
        while not over.is_set():
            body = {"question": f"{QUESTION} {n} {len(told) % 40}"}
            told.append(s.http.post("/ask/simple", json=body, headers={"Cache-Control": "no-store"}))

    pool = [threading.Thread(target=ask, args=(n,)) for n in range(threads)]
    for t in pool:
        t.start()
    try:
        yield told
    finally:
        over.set()
        for t in pool:
            t.join()


def test_the_champion_is_worn_and_changes_under_load(made, registry, tmp_path, nothing_loaded):
    with server(made, tmp_path, registry.tracking_uri) as s:
        assert until(lambda: worn(s) == "law-v1", 60)
        seen = {}
        with asked(s) as told:
            for step, wanted in ((lambda: promote("law", 2, settings=registry), "law-v2"),
                                 (lambda: rollback("law", registry), "law-v1")):  # fmt: skip
                step()
                assert until(lambda w=wanted: worn(s) == w, 60)
                seen[wanted] = s.http.post("/ask/simple", json={"question": QUESTION}).json()["versions"][
                    "weights"
                ]
                time.sleep(0.5)
        assert {r.status_code for r in told} == {200} and len(told) > 10
        weights = {r.json()["versions"]["weights"] for r in told}
        assert len(set(seen.values())) == 2 <= len(weights) and set(seen.values()) & weights
        assert sorted(p.name for p in (tmp_path / "adapters").iterdir()) == ["law-v1", "law-v2"]


def test_what_goes_wrong_leaves_the_old_one_on_and_is_said_once(
    made, registry, tmp_path, nothing_loaded, caplog
):
    caplog.set_level(logging.INFO, "liquid_ai.serving.registry")

    def said(level=logging.WARNING):
        mine = [r for r in caplog.records if r.name == "liquid_ai.serving.registry"]
        return [r.getMessage() for r in mine if r.levelno == level]

    with server(made, tmp_path, registry.tracking_uri) as s:
        assert until(lambda: worn(s) == "law-v1", 60) and not said()
        kept = {}
        for path in tmp_path.rglob(f"registered/*/adapter/{WEIGHTS}"):  # of version 2 as well
            kept[path] = path.read_bytes()
            path.write_bytes(kept[path][:-1] + b"\1")
        client = client_of(load_mlflow(), registry.tracking_uri)
        client.set_registered_model_alias("law", "champion", "2")
        assert until(lambda: len(said()) == 1, 30) and "not the file that was registered" in said()[0]
        time.sleep(1.0)
        assert len(said()) == 1 and worn(s) == "law-v1"
        assert s.http.post("/ask/simple", json={"question": QUESTION}).status_code == 200
        for path, whole in kept.items():  # the storage is mended: no other champion is needed
            path.write_bytes(whole)
        assert until(lambda: worn(s) == "law-v2", 30)


def test_an_adapter_for_another_base_is_not_worn(made, tmp_path, nothing_loaded, caplog):
    here = Settings(tracking_uri=f"sqlite:///{tmp_path}/runs.db")
    other = random_lfm2(tmp_path / "other", seed=1)  # of the same shape
    register(made / "one", gate_of(made / "one", other), "law", here)
    promote("law", settings=here)
    with server(made, tmp_path, here.tracking_uri) as s:
        assert until(lambda: any("is for a model with hash" in r.getMessage() for r in caplog.records), 60)
        assert worn(s) == "" and not list((tmp_path / "adapters").glob("*"))


def test_an_adapter_that_names_no_base_is_not_worn(made, registry, tmp_path, nothing_loaded, caplog):
    client = client_of(load_mlflow(), registry.tracking_uri)
    client.set_model_version_tag("law", "1", "liquid_ai.base", "")
    with server(made, tmp_path, registry.tracking_uri) as s:
        assert until(lambda: "does not say which model it is for" in caplog.text, 60)
        assert worn(s) == "" and not list((tmp_path / "adapters").glob("*"))


def test_a_registry_that_is_down_holds_up_nothing_and_is_said_once(made, tmp_path, nothing_loaded, caplog):
    with server(made, tmp_path, "http://ann:s3cret@127.0.0.1:9") as s:
        assert s.http.post("/ask/simple", json={"question": QUESTION}).status_code == 200 and worn(s) == ""
        assert until(lambda: "no look at the champion" in caplog.text, 60)
        time.sleep(3)
    said = [r.getMessage() for r in caplog.records if "no look at the champion" in r.getMessage()]
    assert len(said) == 1 and "s3cret" not in said[0]


def test_the_swap_is_on_the_record(made, registry, tmp_path, nothing_loaded):
    with server(made, tmp_path, registry.tracking_uri, audit=str(tmp_path / "audit")) as s:
        assert until(lambda: worn(s) == "law-v1", 60)
        assert until(
            lambda: (tmp_path / "audit").exists() and b"registry" in (tmp_path / "audit").read_bytes()
        )
    rows = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
    assert any("law-v1" in json.dumps(r) and "registry" in json.dumps(r) for r in rows)


def test_options_that_cannot_work():
    with pytest.raises(InputError, match="adapters"):
        check_options(ServerSettings(adapter_model="law"))
    with pytest.raises(InputError, match="adapter_seconds"):
        check_options(ServerSettings(adapter_model="law", adapters="a", adapter_seconds=0.0))
