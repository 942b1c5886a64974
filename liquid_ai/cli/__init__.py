"""`liquid-ai …`, told in nbs/cli; the entry point is all that others need."""

from liquid_ai.cli.app import main

__all__ = ["main"]
