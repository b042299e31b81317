"""`mdps settings`: print every setting, or write them as the node's parameter file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mdps_ros.cli.options import SetOption, SettingsOption, read_settings


def settings(
    out: Annotated[
        Path | None, typer.Option(help="File to write instead of printing, e.g. config/node.yaml.")
    ] = None,
    file: SettingsOption = None,
    assignments: SetOption = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Tables for people, as docs/parameters.md.")
    ] = False,
) -> None:
    """Print every setting with unit, range and meaning, as the node's parameter file.

    Examples:
        mdps settings
        mdps settings --set depth.enabled=false --out mine.yaml
        mdps settings --markdown --out docs/parameters.md
    """
    from mdps_ros.settings import SettingsError
    from mdps_ros.settings_file import to_markdown, to_ros_yaml

    chosen = read_settings(file, assignments or [])
    text = to_markdown(chosen) if markdown else to_ros_yaml(chosen)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"cannot write {out}: {error}") from error
    typer.echo(f"wrote {out}")
