"""Settings as text: YAML in, the commented parameter file of the node out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from mdps_ros.settings import Settings, SettingsError, describe, with_values


def from_mapping(tree: Mapping[str, Any], base: Settings | None = None) -> Settings:
    """Settings from a nested mapping such as a parsed YAML file.

    Raises:
        SettingsError: see `with_values`; also when a section is not a mapping.
    """
    flat: dict[str, Any] = {}
    for group, items in tree.items():
        if not isinstance(items, Mapping):
            raise SettingsError(f"{group} must be a section of settings, not {items!r}")
        flat.update({f"{group}.{item}": value for item, value in items.items()})
    return with_values(base or Settings(), flat)


def load(path: Path) -> Settings:
    """Read settings from a YAML file: plain sections, or ROS style `/**: ros__parameters:`.

    Raises:
        SettingsError: unreadable file or bad content.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"cannot read settings from {path}: {error}") from error
    if isinstance(tree, Mapping) and len(tree) == 1:
        only = next(iter(tree.values()))
        if isinstance(only, Mapping) and "ros__parameters" in only:
            tree = only["ros__parameters"]
    if not isinstance(tree, Mapping):
        raise SettingsError(f"{path} holds no settings; write sections such as `filter:`")
    return from_mapping(tree)


def to_ros_yaml(settings: Settings) -> str:
    """The commented parameter file of the node; `config/node.yaml` is this text."""
    lines = ["# Generated from mdps_ros/settings/ by `mdps settings`; edit freely.", "/**:"]
    lines.append("  ros__parameters:")
    group = ""
    for name, value, info in describe(settings):
        section, item = name.split(".")
        if section != group:
            group = section
            lines.append(f"    {section}:")
        if info["choices"]:
            span = ", one of " + " | ".join(info["choices"])
        elif info["low"] is not None:
            span = f", {info['low']} to {info['high']}"
        else:
            span = ""
        unit = f" [{info['unit']}{span}]" if info["unit"] else (f" [{span[2:]}]" if span else "")
        lines.append(f"      # {info['doc']}{unit}")
        lines.append(f"      {item}: {yaml.safe_dump(value).splitlines()[0]}")
    return "\n".join(lines) + "\n"


def to_markdown(settings: Settings) -> str:
    """Every setting as tables, one per section; `docs/parameters.md` is this text."""
    lines = [
        "# Parameters",
        "",
        "Every setting is a ROS parameter of the node, a line of a settings file, and an argument",
        "of `--set`. Those that are live may be set while the node runs (`ros2 param set`): they",
        "count from then on, and the belief is kept. All others are read when the node is",
        "configured; to change one, deactivate and clean up the node, set it, configure it again.",
        "Several that bound each other are set together by `set_parameters_atomically`.",
        "Generated from mdps_ros/settings/ by `mdps settings --markdown --out docs/parameters.md`.",
    ]
    sections = {item.name: item.default for item in fields(settings)}
    group = ""
    for name, value, info in describe(settings):
        section, _ = name.split(".")
        if section != group:
            group = section
            about = (type(sections[section]).__doc__ or "").strip()
            lines += ["", f"## {section}", "", about, ""]
            lines += [
                "| Parameter | Default | Unit | Range | Live | Meaning |",
                "|---|---|---|---|---|---|",
            ]
        span = " ".join(info["choices"])
        if info["low"] is not None:
            span = f"{info['low']} to {info['high']}"
        shown = yaml.safe_dump(value).splitlines()[0]
        live, doc = "yes" if info["live"] else "", info["doc"].replace("|", "\\|")
        cells = (f"`{name}`", f"`{shown}`", info["unit"], span, live, doc)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
