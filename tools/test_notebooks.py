"""Runs every notebook as `nbdev_test` does, the longest first: so no worker ends long before the others."""

import sys
from functools import partial
from pathlib import Path

from fastcore.parallel import parallel
from nbdev.config import get_config
from nbdev.doclinks import nbglob
from nbdev.test import test_nb

# those of five seconds and more; where one is missing here the run only takes longer
LONGEST = (
    "tutorials/serve_and_share",
    "tutorials/experiment",
    "training/loop",
    "serving/registry",
    "explanations/packing_lfm2",
    "indexing/approximate",
    "training/encoder",
    "pipeline",
    "training/registry",
    "index",
    "generation/greedy",
    "agent",
    "evaluation/commands",
    "evaluation/experiment",
    "explanations/threat_model",
    "cli/synth",
    "explanations/honest_comparison",
    "evaluation/tune",
    "evaluation/significance",
)


def longest_first(
    notebooks: list[Path],
    nbs: Path,  # that the names of `LONGEST` begin in
) -> list[Path]:
    "Notebooks that are known to take long, in the order of `LONGEST`; then the others by path."
    place = {nbs / f"{name}.ipynb": n for n, name in enumerate(LONGEST)}
    return sorted(notebooks, key=lambda path: (place.get(path, len(place)), path))


def main(workers: int) -> int:
    config = get_config()
    run = partial(test_nb, skip_flags=config.tst_flags.split(), basepath=config.config_path)
    notebooks = longest_first([Path(p).absolute() for p in nbglob(as_path=True)], config.nbs_path)
    done = parallel(run, notebooks, n_workers=workers, pause=0.01)
    slowest = sorted(zip(notebooks, done, strict=True), key=lambda pair: -pair[1][1])[:20]
    for path, (_, seconds) in slowest:
        print(f"{seconds:5.0f} s  {path.relative_to(config.nbs_path)}")
    failed = [
        str(path.relative_to(config.nbs_path))
        for path, (passed, _) in zip(notebooks, done, strict=True)
        if not passed
    ]
    print(f"{len(notebooks)} notebooks" + (", these failed: " + ", ".join(failed) if failed else ""))
    return len(failed) > 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2))
