"""Systems timed in turns, so that a slow minute of the machine meets all of them."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .report import Figure

BLOCK = 20  # questions


def in_turns(
    systems: Mapping[str, Callable[[str], float]],  # takes a question, returns milliseconds
    questions: Sequence[str],  # each system gets each of them once
    block: int = BLOCK,  # questions that a system gets in a row, its model then being in the CPU's cache
    rest: float = 0.05,  # seconds before each block: threads of the system before stop waiting for work
) -> dict[str, np.ndarray]:  # (questions,) milliseconds
    "How long each system takes for each question; whose turn it is, is random."
    taken = {name: np.zeros(len(questions)) for name in systems}
    rng = np.random.default_rng(0)
    for start in range(0, len(questions), block):
        for name in rng.permutation(list(systems)).tolist():
            time.sleep(rest)
            for n in range(start, min(start + block, len(questions))):
                taken[name][n] = systems[name](questions[n])
    return taken


def _interval(statistic: Callable[[np.ndarray], float], n: int, block: int) -> tuple[float, float]:
    "95 % of `statistic`, a function of positions, over resampled blocks: neighbours are not independent."
    blocks, rng = np.array_split(np.arange(n), max(2, n // block)), np.random.default_rng(0)
    drawn = rng.integers(0, len(blocks), (2_000, len(blocks)))
    found = [statistic(np.concatenate([blocks[b] for b in row])) for row in drawn]
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def p50(taken: np.ndarray, block: int = BLOCK, note: str = "") -> Figure:  # milliseconds
    "The median."
    return Figure(
        value=float(np.median(taken)),
        unit="ms",
        interval=_interval(lambda at: np.median(taken[at]), len(taken), block),
        interval_is="95 % block bootstrap",
        note=note,
    )


def p50_ratio(
    slow: np.ndarray,  # (n,) milliseconds
    fast: np.ndarray,  # (n,) on the same questions
    target: str = "",
    block: int = BLOCK,
    note: str = "",
) -> Figure:
    "The median of one over the median of the other."
    return Figure(
        value=float(np.median(slow) / np.median(fast)),
        unit="times",
        interval=_interval(lambda at: np.median(slow[at]) / np.median(fast[at]), len(slow), block),
        interval_is="95 % paired block bootstrap",
        target=target,
        note=note,
    )
