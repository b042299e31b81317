"""Which settings may change while a session runs, and what a change of them is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.settings import Scalar, Settings, describe


class Change(NamedTuple):
    """Settings that differ: name and new value of the live ones, names of those that are fixed."""

    live: dict[str, Scalar]
    fixed: tuple[str, ...]


def compare(now: Settings, wanted: Settings) -> Change:
    """What would have to change for the settings in force to become the wanted ones."""
    live: dict[str, Scalar] = {}
    fixed: list[str] = []
    for (name, old, info), (_, new, _) in zip(describe(now), describe(wanted), strict=True):
        if new == old:
            continue
        if info["live"]:
            live[name] = new
        else:
            fixed.append(name)
    return Change(live, tuple(fixed))


def told(changed: Mapping[str, Scalar]) -> Note:
    """What is told of a change."""
    text = "settings changed: " + ", ".join(f"{name} = {value}" for name, value in changed.items())
    return Note(Code.SETTINGS, Severity.INFO, text)
