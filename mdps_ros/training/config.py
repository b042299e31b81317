"""What `mdps train` reads: a YAML file of task, seed, members, stages and options, checked.

task: bearings
seed: 0
members: 5
options: {particles: 50}
stages:
  - name: filters
    iterations: 2000
    learning_rates: {dynamics: 1e-3, bandwidth: 1e-4}
    clip_norm: 50
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union

import yaml

from mdps_ros.training.errors import TrainingError
from mdps_ros.training.stages import Stage

Fields = TypeVar("Fields")


@dataclass(frozen=True, kw_only=True)
class CardText:
    """What the model card says and the run cannot know.

    Attributes:
        summary: one sentence on what the weights are for.
        data: where the data come from.
        licence: of the weights.
        limits: what they should not be used for.
    """

    summary: str
    data: str
    licence: str
    limits: str


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A run.

    Attributes:
        task: a name of `tasks.TASKS`, or module:function.
        stages: one or more, in order.
        seed: of initial weights and batches, at least 0.
        members: networks that are trained side by side, at least 1.
        options: of the task.
        card: texts of the model card; without them no card is written.
    """

    task: str
    stages: tuple[Stage, ...]
    seed: int = 0
    members: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    card: CardText | None = None

    def __post_init__(self) -> None:
        """Checks ranges.

        Raises:
            TrainingError: a value is out of its range.
        """
        if self.seed < 0:
            raise TrainingError(f"seed is {self.seed}; give 0 or more")
        if self.members < 1:
            raise TrainingError(f"members is {self.members}; give 1 or more")
        if not self.stages:
            raise TrainingError("stages is empty; write at least one")


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # untyped library
    """Reads 1e-3 as a number, which YAML 1.1 takes for a word."""


_Loader.yaml_implicit_resolvers = {
    key: list(resolvers) for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def load_config(path: Path, assignments: Sequence[str] = ()) -> TrainConfig:
    """Read a run from a YAML file.

    Args:
        path: the file.
        assignments: words such as "seed=3", "options.particles=50" or, by the stage's name,
            "stages.filters.iterations=10"; they win over the file.

    Raises:
        TrainingError: the file cannot be read, or a key or a value is wrong.
    """
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise TrainingError(f"cannot read {path}: {reason}") from error
    if not isinstance(tree, dict):
        raise TrainingError(f"{path} holds no recipe; write task: and stages:")
    for word in assignments:
        _assign(tree, word)
    return read_fields(TrainConfig, tree, "")


def _assign(tree: dict[str, Any], word: str) -> None:
    """Put the value of NAME=VALUE into the tree.

    Raises:
        TrainingError: there is no `=`, or no such place.
    """
    name, sign, text = word.partition("=")
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError:
        sign = ""
    if not sign:
        raise TrainingError(f"--set {word}: write key=value, e.g. seed=3")
    path, last = _split(name.strip())
    node: Any = tree
    for depth, key in enumerate(path):
        if isinstance(node, list):
            node = {str(item.get("name")): item for item in node if isinstance(item, dict)}
            if key not in node:
                known = ", ".join(node)
                raise TrainingError(f"--set {word}: no stage {key}; the file has {known}")
        node = node.setdefault(key, {})
        if not isinstance(node, (dict, list)):
            raise TrainingError(f"--set {word}: {'.'.join(path[: depth + 1])} has no parts")
    if isinstance(node, list):
        raise TrainingError(f"--set {word}: write stages.NAME.key=value")
    node[last] = value


def _split(name: str) -> tuple[list[str], str]:
    """The place that a dotted name leads to, and the key in it.

    What follows `learning_rates.` is one key: names of modules may have dots.
    """
    before, rates, module = name.partition("learning_rates.")
    if rates:
        return [*before.split(".")[:-1], "learning_rates"], module
    *path, last = name.split(".")
    return path, last


def read_fields(kind: type[Fields], tree: Any, where: str) -> Fields:
    """A dataclass from a mapping, checked by the types of its fields.

    Understood are bool, int, float, str, Any, mappings from words, tuples of one type, dataclasses,
    and each of them or None.

    Args:
        kind: the dataclass.
        tree: what the file holds.
        where: name of the place in the file, for errors; "" is the top.

    Raises:
        TrainingError: a key is unknown or missing, or a value has the wrong type; the text names
            the key.
    """
    if not isinstance(tree, Mapping):
        raise TrainingError(f"{where or 'the file'} is {tree!r}; write keys and values")
    hints = typing.get_type_hints(kind)
    known = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in tree:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise TrainingError(f"{_join(where, key)} is unknown; {hint}")
    for key, item in known.items():
        optional = (
            item.default is not dataclasses.MISSING
            or item.default_factory is not dataclasses.MISSING
        )
        if key not in tree and not optional:
            raise TrainingError(f"{_join(where, key)} is missing; add it")
    return kind(**{key: _value(hints[key], tree[key], _join(where, key)) for key in tree})


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _value(hint: Any, value: Any, where: str) -> Any:
    """The value as the type that `hint` wants.

    Raises:
        TrainingError: it is of another type.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, UnionType):
        (wanted,) = (part for part in inner if part is not type(None))
        return None if value is None else _value(wanted, value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(
            _value(inner[0], item, f"{where}[{_label(item, index)}]")
            for index, item in enumerate(value)
        )
    if origin is Mapping and isinstance(value, dict):
        return {str(key): _value(inner[1], item, _join(where, key)) for key, item in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return read_fields(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (bool, int, float, str) and type(value) is hint:
        return value
    raise TrainingError(f"{where} is {value!r}; give {_wanted(hint)}")


def _label(item: Any, index: int) -> object:
    """The name of an item of a list, or its number."""
    return item.get("name", index) if isinstance(item, Mapping) else index


def _wanted(hint: Any) -> str:
    """What a type asks of the writer of a file."""
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
    if typing.get_origin(hint) is tuple:
        return "a list"
    return words.get(hint, "keys and values")
