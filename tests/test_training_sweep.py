"""A sweep chooses on one part and reports on another, goes on after a kill, and tells of what failed."""

import json

import pytest

import liquid_ai.training.sweep as sweeping
from liquid_ai.core import InputError, ModelError, Settings
from liquid_ai.generation.model_folder import random_lfm2
from liquid_ai.training.formats import Sample
from liquid_ai.training.options import TrainOptions
from liquid_ai.training.sweep import likelihoods, sweep_training, variants

OPTIONS = TrainOptions(device="cpu", rank=4, epochs=3, batch=8, four_bit="off")
SPACE = {"learning_rate": [1e-6, 5e-3], "targets": ["all"]}
LOW, HIGH = "learning_rate=1e-06, targets=all", "learning_rate=0.005, targets=all"


def part(*numbers, answer="Yes, it is."):
    return [Sample.of(f"Is {n} a number?", answer) for n in range(*numbers)]


DATA, DEV, TEST = part(16), part(20, 28), part(30, 38)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return random_lfm2(tmp_path_factory.mktemp("sweep") / "tiny-lfm2")


def sweep(tiny, output, space=SPACE, parts=(DATA, DEV, TEST), **more):
    return sweep_training(space, *parts, tiny, output, OPTIONS, **{"track": False, "progress": False} | more)


def test_the_winner_is_chosen_on_dev_and_reported_on_test(tiny, tmp_path):
    asked = []

    def score(base, adapter, samples):
        asked.append((adapter, samples))
        return likelihoods(base, adapter, samples, "cpu")

    found = sweep(tiny, tmp_path / "out", score=score)
    assert found.winner == HIGH and set(found.adapters) == {LOW, HIGH} and not found.failed
    assert [c.system for c in found.test.contrasts] == [LOW, HIGH]
    assert found.test.contrasts[1].verdict == "better" and found.test.contrasts[1].interval[0] > 0
    on_test = [adapter for adapter, samples in asked if samples is TEST]
    assert on_test == [None, found.adapters[LOW], found.adapters[HIGH]]  # once each, after all choices
    assert [samples for _, samples in asked[:3]] == [DEV] * 3
    told = json.loads(json.dumps(found.summary()))
    assert told["winner"] == HIGH and told["test"][HIGH]["difference"] > 1


def test_likelihoods_are_the_models_own_whatever_stands_beside_a_sample(tiny):
    import torch

    from liquid_ai.generation.transformers_model import load_causal, load_tokenizer
    from liquid_ai.training.supervise import encode_sample

    samples = [
        Sample.of("Hello?", "Yes."),
        Sample.of("A longer question, is it?", "A much longer answer. " * 4),
    ]
    model, tokenizer = load_causal(tiny, sweeping.pick_device("cpu")), load_tokenizer(tiny)
    for sample, found in zip(samples, likelihoods(tiny, None, samples, "cpu"), strict=True):
        e = encode_sample(sample, tokenizer, [4])
        with torch.inference_mode():
            logits = model(torch.tensor([e.ids.tolist()])).logits[0].float().log_softmax(-1)
        wanted = sum(logits[at - 1, e.ids[at]].item() for at in range(e.start, len(e))) / e.learnt
        assert found == pytest.approx(wanted, abs=0.02)


def test_a_sweep_that_was_killed_goes_on_and_trains_nothing_twice(tiny, tmp_path, monkeypatch):
    real, trained = sweeping.finetune, []

    def killed(*args, **kwargs):
        if trained:
            raise KeyboardInterrupt
        trained.append(args)
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(sweeping, "finetune", killed)
        with pytest.raises(KeyboardInterrupt):
            sweep(tiny, tmp_path / "out")
    monkeypatch.setattr(sweeping, "finetune", lambda *a, **k: (trained.append(a), real(*a, **k))[1])
    assert sweep(tiny, tmp_path / "out").winner == HIGH and len(trained) == 2
    assert sweep(tiny, tmp_path / "out").winner == HIGH and len(trained) == 2
    with pytest.raises(InputError, match="of another sweep"):
        sweep(tiny, tmp_path / "out", parts=(part(16, answer="No."), DEV, TEST))


def test_a_configuration_that_fails_ends_nothing(tiny, tmp_path, monkeypatch):
    real = sweeping.finetune

    def fails(data, model, output, options, **more):
        if options.learning_rate < 1e-4:
            raise ModelError("the loss is nan")
        return real(data, model, output, options, **more)

    monkeypatch.setattr(sweeping, "finetune", fails)
    found = sweep(tiny, tmp_path / "out")
    assert found.failed == {LOW: "the loss is nan"} and found.winner == HIGH
    assert "the loss is nan" in found._repr_html_()
    with pytest.raises(ModelError, match="no configuration could be trained"):
        sweep(tiny, tmp_path / "none", {"learning_rate": [1e-6]})


def test_a_configuration_that_cannot_read_the_data_is_one_that_failed(tiny, tmp_path):
    found = sweep(tiny, tmp_path / "out", {"max_tokens": [4, 0]})
    assert list(found.failed) == ["max_tokens=4"] and list(found.adapters) == ["max_tokens=0"]


def test_where_nothing_is_better_than_the_base_nothing_is_reported(tiny, tmp_path):
    worse = {None: 1.0}
    found = sweep(tiny, tmp_path / "out", score=lambda base, a, samples: [worse.get(a, 0.0)] * len(samples))
    assert (found.winner, found.test) == ("base", None)


def test_every_configuration_is_a_run_of_its_own(tiny, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    settings = Settings(tracking_uri=f"sqlite:///{tmp_path / 'runs.db'}")
    found = sweep(tiny, tmp_path / "out", track=True, settings=settings)
    client = mlflow.MlflowClient(settings.tracking_uri)
    parent = client.get_run(found.run_id)
    runs = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{found.run_id}'")
    assert {r.data.params["learning_rate"] for r in runs} == {"1e-06", "0.005"}
    assert all("dev log-likelihood per token" in r.data.metrics for r in runs)
    assert {"data.train", "data.dev", "data.test"} <= parent.data.tags.keys()


@pytest.mark.parametrize(
    "space, parts, told",
    [
        ({}, (DATA, DEV, TEST), "nothing is varied"),
        ({"ranks": [4]}, (DATA, DEV, TEST), "no field 'ranks'"),
        ({"rank": 4}, (DATA, DEV, TEST), "list of values"),
        ({"targets": "all"}, (DATA, DEV, TEST), "list of values"),
        ({"rank": [4, 0]}, (DATA, DEV, TEST), "rank=0"),
        ({"targets": ["all", "o_proj"]}, (DATA, DEV, TEST), "targets=o_proj: no layer .* 'o_proj'"),
        ({"targets": ["all", ""]}, (DATA, DEV, TEST), "names nothing"),
        (SPACE, (DATA, DATA[:4], TEST), "in data and in dev"),
        (SPACE, (DATA, DEV, DEV[:3]), "in dev and in test"),
        (SPACE, (DATA, DEV, TEST[:1]), "test has 1 samples"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_any_work(tiny, tmp_path, space, parts, told):
    with pytest.raises(InputError, match=told):
        sweep(tiny, tmp_path / "out", space, parts)
    assert not list(tmp_path.iterdir())


def test_variants_are_every_combination():
    found = variants({"rank": [4, 8], "method": ["lora", "dora"]}, OPTIONS)
    assert [(o.rank, o.method) for o in found.values()] == [
        (4, "lora"),
        (4, "dora"),
        (8, "lora"),
        (8, "dora"),
    ]
    assert len(found) == 4 and all(o.batch == OPTIONS.batch for o in found.values())
