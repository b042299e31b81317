"""Options of the commands that drive through rendered streets of Helsinki."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mdps_ros.cli.options import read_settings

if TYPE_CHECKING:
    from mdps_ros.settings import Settings

SplitOption = Annotated[
    str, typer.Option(help="test: streets never trained on; train: for tuning.")
]
MapsOption = Annotated[
    list[str] | None, typer.Option("--map", help="clean, imperfect; again for more.")
]


def street_settings(assignments: Sequence[str] | None) -> Settings:
    """Settings with what one knows of the simulated car and of the map; assignments win.

    Raises:
        SettingsError: a word, a name or a value is wrong.
    """
    from mdps_ros.cli.live import WHEEL_ODOMETER
    from mdps_ros.evaluation.street_drives import TOLD

    return read_settings(None, [*WHEEL_ODOMETER, *TOLD, *(assignments or ())])
