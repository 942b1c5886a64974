"""Measure, and write `results/NAME.json` and the leaderboard."""

import argparse
import importlib
import sys
import time

from .report import MissingData, context, leaderboard, record, show

NAMES = (
    "retrieval",
    "indexing",
    "ingest",
    "search",
    "quality",
    "ablation",
    "answers",
    "agent",
    "citations",
    "encoding",
    "scale",
    "peers",
    "startup",
    "cache_safety",
    "cache",
    "placement",
    "injection",
    "generation",
    "serving",
    "overload",
    "capacity",
    "encoder_tuning",
    "training",
    "demo",
    "office",
    "chunking",
    "duplicates",
    "cluster",
    "milvus",
)


def main() -> int:  # exit code
    "`python -m benchmarks [NAME ...] [--limit N] [--save]`"
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} or leaderboard; all")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="N documents only: a quick look")
    parser.add_argument("--save", action="store_true", help="save what was measured with --limit")
    args = parser.parse_args()
    if unknown := set(args.names) - {*NAMES, "leaderboard"}:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}, leaderboard")
    saving, failed = args.save or not args.limit, False
    around = context()  # before the first result makes the working tree differ
    for name in [n for n in args.names or NAMES if n != "leaderboard"]:
        bench, start = importlib.import_module(f"benchmarks.{name}"), time.perf_counter()
        try:
            figures = bench.measure(args.limit)
        except MissingData as e:
            print(f"{name}: {e}", file=sys.stderr)
            failed = True
            continue
        if saving:
            record(
                name, bench.__doc__.splitlines()[0], figures, around, time.perf_counter() - start, args.limit
            )
        print(show(name, figures), flush=True)
    if saving:
        leaderboard()
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
