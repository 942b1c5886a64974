"""One command for every published number: `python -m benchmarks`."""
