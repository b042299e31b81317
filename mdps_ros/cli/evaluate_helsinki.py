"""`mdps evaluate helsinki`: the camera on rendered streets of a real map."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mdps_ros.cli.options import (
    JobsOption,
    JsonOption,
    LagOption,
    PicturesOption,
    SetOption,
    among,
)
from mdps_ros.cli.street_options import MapsOption, SplitOption, street_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mdps_ros.evaluation.results import Row
    from mdps_ros.evaluation.street_drives import StreetRun
    from mdps_ros.settings import Settings

COLUMNS = (
    "name",
    "converged_after_m",
    "median_error_m",
    "recall_at_5m",
    "heading_recall_at_1deg",
    "longest_wrong_claim_m",
    "nll_nats",
    "seconds",
)


def helsinki(
    split: SplitOption = "test",
    drives: Annotated[int, typer.Option(min=1, help="Drives 0 .. N-1 of 500 m.")] = 24,
    maps: MapsOption = None,
    headings: Annotated[
        list[str] | None, typer.Option("--heading", help="known to 30 degrees, or unknown.")
    ] = None,
    methods: Annotated[
        list[str] | None, typer.Option("--method", help="mdpf, a-mdpf, dense ...; again for more.")
    ] = None,
    control: Annotated[
        bool, typer.Option(help="Show the images of another drive: nothing must converge.")
    ] = False,
    lag: LagOption = None,
    seeds: Annotated[int, typer.Option(min=1, help="Filter seeds of each drive, with --lag.")] = 1,
    pictures: PicturesOption = None,
    jobs: JobsOption = 0,
    assignments: SetOption = None,
    json_file: JsonOption = None,
) -> None:
    """Find drives in central Helsinki by a colour camera, starting anywhere in the extract.

    Writes, beside the JSON file, a page (.md), the curves of recall over distance (.png) and how
    honest the beliefs are (_calibration.png); with --lag a page that compares the filter with its
    smoothers.

    Examples:
        mdps evaluate helsinki --split test --json out.json
        mdps evaluate helsinki --drives 6 --map clean --heading unknown --method mdpf
        mdps evaluate helsinki --method mdpf --lag 3 --lag 10 --seeds 5 --json out.json
    """
    from rich.console import Console

    from mdps_ros.cli.run_tasks import run_tasks
    from mdps_ros.evaluation import calibration_report, results, street_report, street_scenes
    from mdps_ros.evaluation import street_drives as suite

    among("--split", [split], street_scenes.SPLITS)
    known_methods = suite.FILTERS if lag else suite.METHODS
    usual = [method for method in known_methods if method != suite.SINGLE]
    runs = tuple(
        suite.StreetRun(
            method=method, map=map, heading_known=heading == "known", own_images=not control
        )
        for method in among("--method", methods or usual, known_methods)
        for heading in among("--heading", headings or ["known"], ("known", "unknown"))
        for map in among("--map", maps or [*street_scenes.USUAL_MAPS], street_scenes.MAPS)
    )
    settings = street_settings(assignments)
    numbers = range(drives)
    study = (
        _hindsight_study(split, numbers, seeds, runs, settings, lag, pictures)
        if lag
        else _recall_study(split, numbers, runs, settings)
    )
    found = run_tasks(study.work, study.tasks, jobs)
    rows = street_report.grouped([row for group in found for row in group])
    results.print_table(Console(), f"helsinki {split}", study.totals(rows), study.columns)
    if json_file is not None:
        command = results.command_line()
        honesty = calibration_report.content(calibration_report.groups_of(rows))
        content = results.document("helsinki", rows, 0, command=command)
        results.write_json(json_file, content | honesty)
        study.write_page(json_file, rows, command)


class _Study(NamedTuple):
    """What is run, and how it is told.

    Attributes:
        work: one task's rows.
        tasks: arguments of `work`.
        columns: of the table that is printed.
        totals: one row per way to localize.
        write_page: writes what lies beside the JSON file.
    """

    work: Callable[..., list[Row]]
    tasks: list[tuple[Any, ...]]
    columns: tuple[str, ...]
    totals: Callable[[Sequence[Row]], list[Row]]
    write_page: Callable[[Path, Sequence[Row], str], None]


def _recall_study(
    split: str, drives: range, runs: tuple[StreetRun, ...], settings: Settings
) -> _Study:
    """Who finds the car, and how soon."""
    from mdps_ros.evaluation import street_report
    from mdps_ros.evaluation.street_drives import drive_rows

    tasks: list[tuple[Any, ...]] = [(split, index, runs, settings) for index in drives]
    return _Study(drive_rows, tasks, COLUMNS, street_report.totals, street_report.write_page)


def _hindsight_study(
    split: str,
    drives: range,
    seeds: int,
    runs: tuple[StreetRun, ...],
    settings: Settings,
    lags_s: list[float],
    pictures: Path | None,
) -> _Study:
    """What smoothers make of the same frames."""
    from mdps_ros.evaluation import hindsight_report as report
    from mdps_ros.evaluation.street_drives import hindsight_rows

    tasks: list[tuple[Any, ...]] = [
        (split, index, seed, runs, settings, lags_s) for index in drives for seed in range(seeds)
    ]
    work = partial(hindsight_rows, pictures=pictures)
    return _Study(work, tasks, report.COLUMNS, report.totals, report.write_page)
