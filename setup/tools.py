"""What the machine itself must bring, because pip cannot: Python, its headers, compilers, make."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path

OLDEST_PYTHON = (3, 10)


def missing() -> list[str]:
    """One line for each tool that is missing; each names the tool and the Debian package."""
    lines = []
    version = sys.version_info[:2]
    if version < OLDEST_PYTHON:
        lines.append(
            f"Python {version[0]}.{version[1]} is too old, 3.10 or newer is needed: "
            "install python3 (Debian 12, Ubuntu 22.04 or later) or name one with `make PYTHON=...`"
        )
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        lines.append("the Python module venv (with ensurepip) is missing: install python3-venv")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        lines.append("the Python headers (Python.h) are missing: install python3-dev")
    if not _is_there(os.environ.get("CC"), "cc", "gcc", "clang"):
        lines.append("a C compiler (cc) is missing: install gcc")
    if not _is_there(os.environ.get("CXX"), "c++", "g++", "clang++"):
        lines.append("a C++ compiler (c++) is missing: install g++")
    if not _is_there("make"):
        lines.append("make is missing: install make")
    return lines


def _is_there(*names: str | None) -> bool:
    return any(shutil.which(name.split()[0]) for name in names if name)
