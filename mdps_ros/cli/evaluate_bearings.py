"""`mdps evaluate bearings`: the papers' synthetic study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mdps_ros.cli.options import JsonOption

COLUMNS = (
    "name",
    "seed",
    "nll",
    "nll_min",
    "nll_max",
    "nll_standard_error",
    "rmse",
    "published_nll",
)
TRAINED = Path("out/bearings")
RECIPES = Path("config/train")


def bearings(
    json_file: JsonOption = None,
    figure: Annotated[Path | None, typer.Option(help="Draw the NLL of all seeds (.png).")] = None,
    sequences: Annotated[int, typer.Option(min=1, help="Held-out drives per set-up.")] = 500,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain",
            help="First train all methods by config/train/bearings_*.yaml into out/bearings "
            "(an hour or more; goes on where it was stopped).",
        ),
    ] = False,
    weights: Annotated[
        Path | None,
        typer.Option(help="Folder of NAME.safetensors; those of the package when left out."),
    ] = None,
) -> None:
    """Track a car by bearings alone: learned filters and smoothers, five seeds each.

    NLL is the negative log-density at the true pose, nats, the lower the better.

    Examples:
        mdps evaluate bearings --json out.json

        mdps evaluate bearings --sequences 50 --figure bearings.png
    """
    from rich.console import Console

    from mdps_ros.evaluation import bearings as suite
    from mdps_ros.evaluation import results
    from mdps_ros.evaluation.bearings_figure import draw
    from mdps_ros.models.learned.bearings_files import bundled_folder

    if retrain:
        _train_all()
        suite.collect(TRAINED, TRAINED / "weights")
        weights = TRAINED / "weights"
    said = Console(stderr=True)
    rows = suite.study_rows(weights or bundled_folder(), sequences, said.print)
    ordered = suite.with_summaries(rows)
    results.print_table(Console(), f"bearings, {sequences} drives", ordered, COLUMNS)
    if json_file is not None:
        command = results.command_line()
        results.write_json(
            json_file,
            results.document("bearings", ordered, suite.EVALUATION_SEED, command=command),
        )
    if figure is not None:
        draw(rows, figure)


def _train_all() -> None:
    """Train every method, each after what it starts from."""
    from mdps_ros.cli.train import train
    from mdps_ros.evaluation.bearings import ENTRIES

    names = ("mdpf", "mdpf_backward", *(entry.weights for entry in ENTRIES))
    for name in ("start", *dict.fromkeys(names)):
        train(RECIPES / f"bearings_{name}.yaml", TRAINED / name, True, None, "cpu", 30.0)
