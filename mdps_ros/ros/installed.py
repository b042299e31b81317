"""Types of packages that need not be there."""

from __future__ import annotations

import importlib
from typing import Any


def installed(module: str, name: str) -> Any | None:
    """What a module has by that name, None where the module is not installed."""
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError:
        return None
