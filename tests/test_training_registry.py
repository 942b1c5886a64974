"""The champion moves only through a gate that has passed, and nothing is fetched that was not registered."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_adapters import gate_of, made_adapter

from liquid_ai.cli.app import main
from liquid_ai.core import InputError, LiquidError, ModelError, Settings
from liquid_ai.evaluation.track import client_of, load_mlflow
from liquid_ai.generation.adapter_base import check_base, read_base, record_base
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.training import registry
from liquid_ai.training.adapter_files import CONFIG, WEIGHTS, adapter_hash, check_manifest, manifest_of
from liquid_ai.training.card import write_card
from liquid_ai.training.formats import Sample
from liquid_ai.training.gate import judge
from liquid_ai.training.registry import (
    GateError,
    champion,
    champion_version,
    check_name,
    promote,
    register,
    rollback,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    "A base and three adapters, and a registry whose tables are made."
    home = tmp_path_factory.mktemp("made")
    base = random_lfm2(home / "tiny-lfm2")
    for n, name in enumerate(("one", "two", "three")):
        made_adapter(base, home / name, n)
    client_of(load_mlflow(), f"sqlite:///{home}/empty.db").search_experiments()
    return home


@pytest.fixture
def here(made, tmp_path):
    shutil.copyfile(made / "empty.db", tmp_path / "runs.db")
    return Settings(tracking_uri=f"sqlite:///{tmp_path}/runs.db")


def client(here):
    return client_of(load_mlflow(), here.tracking_uri)


def stored(here, version) -> Path:
    return Path(client(here).get_run(version.run_id).info.artifact_uri.removeprefix("file://")) / version.at


def alias(here):
    return client(here).get_registered_model("law").aliases


def test_the_champion_is_fetched_as_it_was_registered(here, made, tmp_path):
    write_card(made / "one", "b" * 16, {"train": [Sample.of("What?", "That.")]}, licence="CC0-1.0")
    version = register(made / "one", gate_of(made / "one"), "law", here)
    assert (version.version, version.champion, version.base_name) == (1, False, "tiny-lfm2")
    assert champion_version("law", here) is None
    with pytest.raises(InputError, match="no champion"):
        champion("law", here, tmp_path / "adapters")
    assert promote("law", settings=here).champion and promote("law", settings=here).version == 1
    folder = champion("law", here, tmp_path / "adapters")
    assert folder == tmp_path / "adapters" / "law-v1" and adapter_hash(folder) == adapter_hash(made / "one")
    assert "CC0-1.0" in (folder / "README.md").read_text()
    assert [p.name for p in (tmp_path / "adapters").iterdir()] == ["law-v1"]
    before = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert champion("law", here, tmp_path / "adapters") == folder  # nothing is fetched again
    assert before == {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    for path in stored(here, version).rglob("*"):
        assert path.is_dir() or str(made).encode() not in path.read_bytes()


@pytest.mark.parametrize("how", [{"gain": 0.0}, {"loss": 0.2}, {"control": 0.2}])
def test_a_gate_that_refuses_moves_nothing(here, made, how):
    register(made / "one", gate_of(made / "one", **how), "law", here)
    with pytest.raises(GateError, match="is refused"):
        promote("law", settings=here)
    assert alias(here) == {}


@pytest.mark.parametrize("weak", [{"margin": 0.9}, {"level": 0.5}])
def test_the_margin_that_counts_is_that_of_who_promotes(here, made, weak):
    gate, how = gate_of(made / "one"), {"margin": 0.05, "level": 0.95} | weak
    even = {"f1": {name: [1.0] * 20 for name in ("before", "after")}}
    gate = judge(gate.scores["task"], even, facts=gate.facts, **how)
    assert gate.passed
    register(made / "one", gate, "law", here)
    with pytest.raises(GateError, match="could have stayed unseen"):
        promote("law", settings=here)
    assert alias(here) == {}
    assert promote("law", settings=here, margin=0.2).champion  # who promotes may put up with more


def test_a_gate_of_another_adapter_or_of_other_data_is_refused(here, made):
    with pytest.raises(GateError, match="not of"):
        register(made / "two", gate_of(made / "one"), "law", here)
    register(made / "one", gate_of(made / "one"), "law", here)
    register(made / "two", gate_of(made / "two", gain=0.0), "law", here)
    for other in (gate_of(made / "one"), gate_of(made / "two", gain=0.3)):
        with pytest.raises(GateError, match="not the gate"):
            promote("law", 2, other, here)
    with pytest.raises(GateError, match="task data"):
        promote("law", 1, settings=here, data={"task": "0" * 16})
    assert alias(here) == {}
    assert promote("law", 1, gate_of(made / "one"), here, data={"task": "t" * 16}).champion


def test_the_base_travels_and_a_gate_on_none_or_on_another_is_refused(here, made, tmp_path):
    shutil.copytree(made / "one", pinned := tmp_path / "pinned")
    shutil.copytree(made / "tiny-lfm2", tmp_path / "tiny-lfm2")
    told = record_base(pinned, made / "tiny-lfm2", "nf4", "float32")
    gate, other = gate_of(pinned), random_lfm2(tmp_path / "other", seed=1)
    for base in ("", None):
        with pytest.raises(GateError, match="names no base"):
            register(pinned, replace(gate, facts={**gate.facts, "base": base}), "law", here)
    with pytest.raises(GateError, match="was trained on base"):
        register(pinned, gate_of(pinned, other), "law", here)
    register(pinned, gate, "law", here)
    promote("law", settings=here)
    folder = champion("law", here, tmp_path / "adapters")
    assert read_base(folder) == told
    with pytest.raises(ModelError, match="was trained on weights"):
        check_base(folder, other)


def test_a_gate_against_an_older_champion_is_refused(here, made):
    one = register(made / "one", gate_of(made / "one"), "law", here)
    promote("law", settings=here)
    register(made / "two", gate_of(made / "two"), "law", here)  # against the base alone
    with pytest.raises(GateError, match="gate it again"):
        promote("law", settings=here)
    register(made / "two", gate_of(made / "two", before=one.adapter), "law", here)
    assert promote("law", settings=here).version == 3
    register(made / "three", gate_of(made / "three", before=one.adapter), "law", here)
    with pytest.raises(GateError, match="version 3"):
        promote("law", settings=here)
    assert champion_version("law", here).version == 3


def test_a_promotion_in_between_is_not_undone(here, made, monkeypatch):
    for name in ("one", "two"):
        register(made / name, gate_of(made / name), "law", here)
    whole, planted = registry.fetch, []

    def fetch(*args):
        if not planted:
            planted.append(1)
            promote("law", 2, settings=here)
        return whole(*args)

    monkeypatch.setattr(registry, "fetch", fetch)
    with pytest.raises(GateError, match="is version 2 since a moment ago"):
        promote("law", 1, settings=here)
    assert champion_version("law", here).version == 2
    assert client(here).get_registered_model("law").tags["liquid_ai.champions"] == "2"
    with pytest.raises(InputError, match="before version 2"):
        rollback("law", here)


def test_of_promotions_at_once_one_wins(here, made):
    for name in ("one", "two", "three"):
        register(made / name, gate_of(made / name), "law", here)
    with ThreadPoolExecutor(3) as pool:
        tried = [pool.submit(promote, "law", n, settings=here) for n in (1, 2, 3)]
    failed = [t.exception() for t in tried if t.exception()]
    assert len(failed) == 2 and all(isinstance(e, GateError) for e in failed)
    (won,) = (t.result() for t in tried if not t.exception())
    assert champion_version("law", here).version == won.version
    assert client(here).get_registered_model("law").tags["liquid_ai.champions"] == str(won.version)


def test_back_and_forth(here, made):
    with pytest.raises(InputError, match="no adapter"):
        promote("law", settings=here)
    one = register(made / "one", gate_of(made / "one"), "law", here)
    with pytest.raises(InputError, match="no champion"):
        rollback("law", here)
    promote("law", settings=here)
    with pytest.raises(InputError, match="before version 1"):
        rollback("law", here)
    two = register(made / "two", gate_of(made / "two", before=one.adapter), "law", here)
    promote("law", settings=here)
    register(made / "three", gate_of(made / "three", before=two.adapter), "law", here)
    promote("law", settings=here)
    assert [rollback("law", here).version for _ in range(2)] == [2, 1]
    with pytest.raises(InputError):
        rollback("law", here)
    assert promote("law", 2, settings=here).version == 2  # its gate was against version 1, which it is again
    assert rollback("law", here).version == 1
    c = client(here)
    assert c.get_registered_model("law").tags["liquid_ai.champions"] == "1"
    assert "liquid_ai.promoted" in c.get_model_version("law", "3").tags


def test_a_promotion_that_was_cut_off_leaves_the_old_champion_and_its_line(here, made):
    one = register(made / "one", gate_of(made / "one"), "law", here)
    promote("law", settings=here)
    two = register(made / "two", gate_of(made / "two", before=one.adapter), "law", here)
    promote("law", settings=here)
    client(here).set_registered_model_tag("law", "liquid_ai.champions", "1 2 3")  # and then it died
    register(made / "three", gate_of(made / "three", before=two.adapter), "law", here)
    assert champion_version("law", here).version == 2
    assert rollback("law", here).version == 1
    for line in ("", "7 8", "x y", "1 2 " * 400):
        client(here).set_registered_model_tag("law", "liquid_ai.champions", line)
        assert champion_version("law", here).version == 1
        assert promote("law", 2, settings=here).version == 2
        assert rollback("law", here).version == 1


def test_a_record_that_was_changed_is_found_out(here, made):
    version = register(made / "one", gate_of(made / "one", gain=0.0), "law", here)
    (path,) = (stored(here, version) / "gate").iterdir()
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"passed": True, "refusals": []}))
    with pytest.raises(GateError, match="was changed"):
        promote("law", settings=here)
    path.unlink()
    with pytest.raises(GateError, match="no record"):
        promote("law", settings=here)


def other_weights(folder):
    weights = bytearray((folder / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (folder / WEIGHTS).write_bytes(weights)


def longer(folder):
    with (folder / WEIGHTS).open("ab") as f:
        f.write(b"x")


@pytest.mark.parametrize(
    "spoil",
    [
        other_weights,
        longer,
        lambda f: (f / WEIGHTS).unlink(),
        lambda f: (f / CONFIG).write_text("{}"),
        lambda f: ((f / WEIGHTS).unlink(), (f / WEIGHTS).mkdir()),
        lambda f: ((f / WEIGHTS).unlink(), (f / WEIGHTS).symlink_to("/etc/passwd")),
    ],
)
def test_files_that_are_not_those_are_not_taken(here, made, tmp_path, spoil):
    version = register(made / "one", gate_of(made / "one"), "law", here)
    spoil(stored(here, version) / "adapter")
    with pytest.raises(LiquidError):
        promote("law", settings=here)
    assert alias(here) == {}
    client(here).set_registered_model_alias("law", "champion", "1")  # around the gate, by hand
    with pytest.raises(LiquidError):
        champion("law", here, tmp_path / "adapters")
    assert not list((tmp_path / "adapters").iterdir())


def test_what_else_lies_there_is_left_there(here, made, tmp_path):
    version = register(made / "one", gate_of(made / "one"), "law", here)
    promote("law", settings=here)
    (stored(here, version) / "adapter" / "adapter_model.bin").write_bytes(b"cos\nsystem\n")
    (stored(here, version) / "adapter" / "evil.py").write_text("raise SystemExit")
    folder = champion("law", here, tmp_path / "adapters")
    assert {p.name for p in folder.iterdir()} == set(version.manifest)


@pytest.mark.parametrize("tag", ["files", "at", "gate", "adapter"])
def test_tags_that_were_changed_lead_nowhere(here, made, tmp_path, tag):
    version = register(made / "one", gate_of(made / "one"), "law", here)
    promote("law", settings=here)
    values = {"at": "../../../../etc", "gate": "0" * 16, "adapter": "0" * 16}
    values["files"] = json.dumps({"../../evil": [1, "0" * 64]} | dict(version.manifest))
    client(here).set_model_version_tag("law", "1", f"liquid_ai.{tag}", values[tag])
    client(here).delete_registered_model_alias("law", "champion")
    with pytest.raises(LiquidError):
        promote("law", 1, settings=here)
    client(here).set_registered_model_alias("law", "champion", "1")
    if tag != "gate":  # whoever moves the alias by hand goes around the gate, not around the hashes
        with pytest.raises(LiquidError):
            champion("law", here, tmp_path / "adapters")
    assert not list((tmp_path / "adapters").glob("*"))


def test_a_version_of_somebody_else_is_refused(here):
    c = client(here)
    c.create_registered_model("law")
    run = c.create_run("0")
    c.create_model_version("law", "file:///etc", run.info.run_id)
    with pytest.raises(ModelError, match="not made by"):
        promote("law", settings=here)
    c.set_registered_model_alias("law", "champion", "1")
    with pytest.raises(ModelError, match="not made by"):
        champion("law", here)


@pytest.mark.parametrize(
    "name", ["", "..", "a/b", "a\\b", "law ", "ä", "x" * 65, ".law", "-law", "a.b", None]
)
def test_names_that_are_no_folder(name):
    with pytest.raises(InputError):
        check_name(name)


def test_pickled_weights_are_not_registered(here, made, tmp_path):
    shutil.copytree(made / "one", tmp_path / "bin")
    gate = gate_of(tmp_path / "bin", made / "tiny-lfm2")
    (tmp_path / "bin" / WEIGHTS).rename(tmp_path / "bin" / "adapter_model.bin")
    with pytest.raises(ModelError, match="pickled"):
        register(tmp_path / "bin", gate, "law", here)


def test_a_manifest_is_bounded():
    good = {CONFIG: [10, "0" * 64], WEIGHTS: [10, "0" * 64]}
    assert check_manifest(good)
    sizes = (0, -1, 5 << 30, True, 1.5, "9", None)
    wrong = [good | {WEIGHTS: [size, "0" * 64]} for size in sizes]
    wrong += [good | {name: [2 << 20, "0" * 64]} for name in (CONFIG, "base.json")]
    wrong += [good | {WEIGHTS: [10, "0" * 63]}, good | {WEIGHTS: [10]}]
    wrong += [good | {name: [1, "0" * 64]} for name in ("a/b", "..", "", "adapter_model.bin", "x.py")]
    for told in [*wrong, {}, [], None, {CONFIG: good[CONFIG]}]:
        with pytest.raises(ModelError):
            check_manifest(told)


def test_manifests_are_of_the_adapter_alone(made):
    assert set(manifest_of(made / "two")) <= {CONFIG, WEIGHTS, "README.md", "base.json"}


def test_a_registry_that_is_not_there_is_one_sentence_without_secrets(made, tmp_path):
    nowhere = Settings(tracking_uri="http://ann:s3cret@127.0.0.1:9")
    for call in (
        lambda: register(made / "one", gate_of(made / "one"), "law", nowhere),
        lambda: promote("law", settings=nowhere),
        lambda: rollback("law", nowhere),
        lambda: champion("law", nowhere, tmp_path),
    ):
        with pytest.raises(LiquidError, match="cannot be used") as e:
            call()
        assert "s3cret" not in str(e.value)


def test_from_a_shell(here, made, monkeypatch, capsys):
    monkeypatch.setenv("LIQUID_AI_TRACKING_URI", here.tracking_uri)
    one = register(made / "one", gate_of(made / "one"), "law", here)
    register(made / "two", gate_of(made / "two", gain=0.0, before=one.adapter), "law", here)
    register(made / "two", gate_of(made / "two", before=one.adapter), "law", here)
    assert main(["promote", "law", "--version", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == 1 and told["champion"] is True
    assert main(["promote", "law", "--version", "2"]) == 1
    assert "is refused" in capsys.readouterr().err
    assert main(["promote", "law"]) == 0 and main(["rollback", "law"]) == 0
    assert "law version 1, champion" in capsys.readouterr().out
    assert (
        main(["rollback", "law"]) == 2 and main(["promote", "no-such"]) == 2 and main(["promote", "a/b"]) == 2
    )
    assert main(["runs", "--json"]) == 0
    assert "mlflow ui --backend-store-uri" in json.loads(capsys.readouterr().out)["look"]
