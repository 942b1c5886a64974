"""Grounded question answering with small local models: documents in, cited answers out."""

import os
from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # nothing is sent anywhere unless the user named the address

if TYPE_CHECKING:
    from liquid_ai.agent import Agent
    from liquid_ai.core import Answer, Document, InputError, LiquidError, ModelError, Settings, StoreError
    from liquid_ai.pipeline import RAG, quickstart

# What `from liquid_ai import …` finds, and where; imported when first asked for, so that the package itself stays light.
_HOMES = {
    "liquid_ai.agent": ("Agent",),
    "liquid_ai.core": ("Answer", "Document", "InputError", "LiquidError", "ModelError", "Settings", "StoreError"),
    "liquid_ai.pipeline": ("RAG", "quickstart"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = [
    "RAG", "Agent", "Answer", "Document", "InputError", "LiquidError", "ModelError", "Settings", "StoreError", "quickstart"
]  # fmt: skip


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__():
    return [*globals(), *__all__]
