"""`mdps`: the command line. Errors of the input become one line and an exit code here."""

from __future__ import annotations

import os
import sys
from typing import Annotated, ClassVar

import typer

import mdps_ros
from mdps_ros.cli.lazy import LazyCommand, LazyGroup
from mdps_ros.runtime.waiting import wait_briefly

OK, MISSED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

COMMANDS = {
    "demo": LazyCommand(
        "mdps_ros.cli.demo", "demo", "Localize a simulated drive live over ROS 2; prints a report."
    ),
    "map": LazyCommand("mdps_ros.cli.map", "app", "Describe a map, or draw it."),
    "simulate": LazyCommand(
        "mdps_ros.cli.simulate", "simulate", "Drive through a map's streets and write a bag."
    ),
    "frames": LazyCommand(
        "mdps_ros.cli.frames", "frames", "Render labelled frames of a map's streets to train on."
    ),
    "convert": LazyCommand("mdps_ros.cli.convert", "app", "Turn data sets into bags."),
    "replay": LazyCommand(
        "mdps_ros.cli.replay", "replay", "Localize a recorded drive without ROS; writes a report."
    ),
    "report": LazyCommand(
        "mdps_ros.cli.report", "report", "Write a run as a page, or as a recording for a viewer."
    ),
    "doctor": LazyCommand(
        "mdps_ros.cli.doctor", "doctor", "Check a running graph or a bag; says what to do."
    ),
    "evaluate": LazyCommand("mdps_ros.cli.evaluate", "app", "Measure on known drives."),
    "calibrate": LazyCommand(
        "mdps_ros.cli.calibrate", "app", "Learn the constants of a measurement model."
    ),
    "train": LazyCommand(
        "mdps_ros.cli.train", "train", "Learn the weights of a model in stages; resumes."
    ),
    "finetune": LazyCommand(
        "mdps_ros.cli.finetune", "finetune", "Fit the camera model to one's own vehicle."
    ),
    "bench": LazyCommand(
        "mdps_ros.cli.bench", "bench", "Time the package against peers on the same work."
    ),
    "settings": LazyCommand(
        "mdps_ros.cli.settings", "settings", "Print every setting, or write a parameter file."
    ),
}


class MdpsGroup(LazyGroup):
    """The commands of `mdps`."""

    table: ClassVar[dict[str, LazyCommand]] = COMMANDS


HELP = """Find a car on a street map with a mixture-density particle filter.

Examples:
  mdps demo                                a drive through Helsinki, live
  mdps simulate --map helsinki --out drive make a bag
  mdps replay drive --map helsinki         localize it without ROS
  mdps map render helsinki --out map.png   look at a map

Exit codes: 0 done, 1 a target was missed, 2 bad input (one line says what to
do), 130 interrupted.
"""

app = typer.Typer(
    cls=MdpsGroup,
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mdps {mdps_ros.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main(args: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        args: words after `mdps`; None takes those of the process.

    Returns:
        Exit code; the help of `mdps` says what they mean.
    """
    wait_briefly(os.environ)
    try:
        app(args, prog_name="mdps")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except ValueError as error:
        if not _is_for_the_user(error):
            raise
        print(f"mdps: {error}", file=sys.stderr)
        return BAD_INPUT
    return OK


def _is_for_the_user(error: ValueError) -> bool:
    """Whether the text of an error says what to do about the input."""
    from mdps_ros.data.errors import DataError
    from mdps_ros.evaluation.run import RunError
    from mdps_ros.maps.errors import MapError
    from mdps_ros.models.weights import WeightsError
    from mdps_ros.settings import SettingsError
    from mdps_ros.training.errors import TrainingError

    kinds = (DataError, MapError, RunError, SettingsError, TrainingError, WeightsError)
    return isinstance(error, kinds)


if __name__ == "__main__":
    sys.exit(main())
