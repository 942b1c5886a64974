"""Training on Ray: two workers of this machine learn what one process learns."""

import pytest
from test_ray import cluster  # noqa: F401  # for all tests of this file
from test_training_processes import home, job, left, one, same  # noqa: F401  # fixtures

from liquid_ai.core import ClusterError, InputError, Settings
from liquid_ai.training.on_ray import finetune_on_ray

pytestmark = pytest.mark.slow


def test_workers_learn_what_one_process_learns(home, one):  # noqa: F811
    trained = finetune_on_ray(job(home, "on-ray"), workers=2)
    assert trained.report["processes"] == 2
    same(home, one, "on-ray")
    assert left(home) == set()
    with pytest.raises(InputError, match="there already"):
        finetune_on_ray(job(home, "on-ray"), workers=2)


def test_nothing_is_started_for_what_cannot_be():
    for workers, retries in ((0, 0), (2, -1)):
        with pytest.raises(InputError, match="give 1 worker or more"):
            finetune_on_ray({"data": "a.jsonl", "output": "a"}, workers, retries=retries)
    with pytest.raises(InputError, match="has no workers"):
        finetune_on_ray({"data": "a.jsonl", "output": "a"}, settings=Settings())


def test_more_workers_than_there_are_processors_are_refused(home):  # noqa: F811
    with pytest.raises(ClusterError, match="64 workers need a CPU each, and the cluster has 2"):
        finetune_on_ray(job(home, "too-many"), workers=64)
