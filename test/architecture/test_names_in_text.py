from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"`(mdps_ros(?:\.\w+)+)(?:\(\))?`")


def texts() -> Iterator[tuple[str, str]]:
    """Where a text stands, and the text: documents whole, of modules every docstring."""
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("*.rst"), *ROOT.glob("docs/**/*.md")]):
        yield path.name, path.read_text()
    for path in sorted((ROOT / "mdps_ros").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                yield str(path.relative_to(ROOT)), ast.get_docstring(node) or ""


def resolve(name: str) -> object:
    """The module, class, function or attribute of that name."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        try:
            found: object = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not module.startswith(error.name):
                raise
            continue
        for attribute in parts[length:]:
            found = getattr(found, attribute)
        return found
    raise ModuleNotFoundError(name)


def test_every_name_of_ours_in_documents_and_docstrings_exists() -> None:
    names = {(name, place) for place, text in texts() for name in NAME.findall(text)}
    assert names
    broken = []
    for name, place in sorted(names):
        try:
            resolve(name)
        except (ImportError, AttributeError) as error:
            broken.append(f"{place}: {name} ({error})")
    assert not broken, "\n".join(broken)


def test_a_name_that_does_not_exist_is_found_out() -> None:
    assert NAME.findall("see `mdps_ros.core.nowhere` and `mdps_ros.notes.Note()`") == [
        "mdps_ros.core.nowhere",
        "mdps_ros.notes.Note",
    ]
    resolve("mdps_ros.notes.Note")
    with pytest.raises((ImportError, AttributeError)):
        resolve("mdps_ros.core.nowhere")
