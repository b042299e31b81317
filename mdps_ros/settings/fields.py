"""What a setting is (a default with unit, range and meaning), and how a tree of them changes.

A tree is a frozen dataclass of sections, each a frozen dataclass of fields made by `setting`.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Scalar = bool | int | float | str

WORDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "nothing",
    list: "a list",
    dict: "a section",
}
"""Types of values in words; the first four are those of settings."""

Tree = TypeVar("Tree", bound="DataclassInstance")


class SettingsError(ValueError):
    """A setting is unknown or out of range; the text names the key and the remedy."""


def setting(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    live: bool = False,
) -> Any:
    """A documented dataclass field.

    Args:
        default: value used when nothing is said.
        doc: one sentence on what the setting does.
        unit: unit of the value, empty for pure numbers.
        low: smallest legal value, inclusive.
        high: largest legal value, inclusive.
        choices: legal words, for settings that are one of a few words.
        live: whether it may change while a session runs, see `runtime.live_settings`.
    """
    metadata = {"doc": doc, "unit": unit, "low": low, "high": high, "choices": choices}
    metadata["live"] = live
    return dataclasses.field(default=default, metadata=metadata)


live_setting = functools.partial(setting, live=True)


def describe(settings: DataclassInstance) -> Iterator[tuple[str, Scalar, Mapping[str, Any]]]:
    """Yield (dotted name, value, metadata) of every setting, in declaration order."""
    for group in fields(settings):
        section = getattr(settings, group.name)
        for item in fields(section):
            yield f"{group.name}.{item.name}", getattr(section, item.name), item.metadata


def check(name: str, value: Scalar, info: Mapping[str, Any]) -> None:
    """Raise SettingsError when a value is outside its range or not one of its words."""
    low, high, choices = info["low"], info["high"], info["choices"]
    if choices and value not in choices:
        raise SettingsError(f"{name} = {value!r}; use one of {', '.join(choices)}")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        too_low = low is not None and not value >= low
        too_high = high is not None and not value <= high
        if too_low or too_high:
            raise SettingsError(
                f"{name} = {value} is outside [{low}, {high}] {info['unit']}".rstrip()
            )


def _coerce(name: str, value: Any, default: Scalar) -> Scalar:
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        given = WORDS.get(type(value), f"a {type(value).__name__}")
        raise SettingsError(f"{name} = {value!r} is {given}; write {WORDS[type(default)]}")
    checked: Scalar = value
    return checked


def with_values(settings: Tree, values: Mapping[str, Any]) -> Tree:
    """A copy of `settings` with dotted names replaced, e.g. {"filter.particles_min": 500}.

    Raises:
        SettingsError: unknown name (the nearest known one is named), wrong type, out of range.
    """
    known = {name: value for name, value, _ in describe(settings)}
    sections: dict[str, dict[str, Scalar]] = {}
    for name, value in values.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            hint = f"did you mean {near[0]}? `mdps settings` lists them all"
            raise SettingsError(f"unknown setting {name}; {hint}")
        group, item = name.split(".")
        sections.setdefault(group, {})[item] = _coerce(name, value, known[name])
    changed: dict[str, Any] = {
        group: dataclasses.replace(getattr(settings, group), **items)
        for group, items in sections.items()
    }
    return dataclasses.replace(settings, **changed)
