"""Other people's packages, run beside us where they are installed; we do not depend on them.

pip install particles filterpy torch-kf, and for pydpf, which asks for Python 3.12 but runs on 3.11:
pip install --ignore-requires-python --no-deps pydpf; pip install polars
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any

from mdps_ros.evaluation.bench.timing import Contender

INSTALL = {
    "particles": "particles",
    "filterpy": "filterpy",
    "torch_kf": "torch-kf",
    "pydpf": "--ignore-requires-python --no-deps pydpf; pip install polars",
}
"""What pip is to install for each module's first name."""


def beside(
    name: str, modules: tuple[str, ...], make: Callable[..., Callable[[], Any]]
) -> Contender:
    """A peer's contender; without its package one that says how to get it.

    Args:
        name: for people.
        modules: what the peer needs, in the order in which `make` takes them.
        make: builds the work from the imported modules.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = [importlib.import_module(module) for module in modules]
    except ImportError as error:
        package = INSTALL[modules[0].split(".")[0]]
        return Contender(name, None, f"not run: {error}; pip install {package}")
    return Contender(name, make(*found))
