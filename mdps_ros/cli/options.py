"""Options that several commands share: how their words become Settings."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from mdps_ros.settings import Scalar, Settings, SettingsError, start_heading, with_values
from mdps_ros.settings_file import load

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="YAML file, see `mdps settings`.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="One value, e.g. filter.particles_min=500; again for more."),
]
HeadingOption = Annotated[
    str | None, typer.Option("--heading", help="unknown, or degrees counter-clockwise from east.")
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write rows and machine to this file.")
]
JobsOption = Annotated[int, typer.Option(help="Runs at a time; 0 takes one for each core.")]
PicturesOption = Annotated[
    Path | None, typer.Option(help="Folder for a picture of each run (with --lag).")
]
OdometryTopicOption = Annotated[
    str | None, typer.Option(help="Where the bag has several topics of odometry.")
]
ImageTopicOption = Annotated[
    str | None, typer.Option(help="Where the bag has several Image topics, raw or compressed.")
]
FixTopicOption = Annotated[
    str | None, typer.Option(help="GNSS fixes (NavSatFix) that are to take part; else none do.")
]
LagOption = Annotated[
    list[float] | None,
    typer.Option(help="Compare with smoothers of this lag, s, and offline; again for more."),
]


def read_settings(
    file: Path | None = None,
    assignments: Sequence[str] = (),
    *,
    seed: int | None = None,
    heading: str | None = None,
    heading_sd_deg: float = 30.0,
) -> Settings:
    """Settings from a file and from options; options win.

    Args:
        file: YAML file, or None for the defaults.
        assignments: words such as "filter.particles_min=500".
        seed: value of runtime.seed, None to leave it.
        heading: see `start_heading`, None to leave it.
        heading_sd_deg: standard deviation of a known heading, degrees.

    Raises:
        SettingsError: a word, a name or a value is wrong.
    """
    values = dict(parse_assignment(word) for word in assignments)
    if seed is not None:
        values["runtime.seed"] = seed
    if heading is not None:
        values |= start_heading(heading) | {"start.heading_sd": math.radians(heading_sd_deg)}
    return with_values(Settings() if file is None else load(file), values)


def parse_assignment(word: str) -> tuple[str, Scalar]:
    """Name and value of NAME=VALUE; numbers and true or false are read as such.

    Raises:
        SettingsError: there is no `=`.
    """
    name, sign, text = word.partition("=")
    if not sign:
        raise SettingsError(f"--set {word}: write name=value, e.g. filter.particles_min=500")
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = text
    return name.strip(), value if isinstance(value, (bool, int, float)) else text.strip()


def among(option: str, given: list[str], known: Iterable[str]) -> list[str]:
    """The words given to an option, if all are known.

    Raises:
        BadParameter: one is not.
    """
    words = list(known)
    for word in given:
        if word not in words:
            raise typer.BadParameter(f"{word}: use {', '.join(words)}", param_hint=option)
    return given
