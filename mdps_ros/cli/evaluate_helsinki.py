"""`mdps evaluate helsinki`: the camera on rendered streets of a real map."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

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
    split: Annotated[
        str, typer.Option(help="test: streets never trained on; train: for tuning.")
    ] = "test",
    drives: Annotated[int, typer.Option(min=1, help="Drives 0 .. N-1 of 500 m.")] = 24,
    maps: Annotated[
        list[str] | None, typer.Option("--map", help="clean, imperfect ...; again for more.")
    ] = None,
    headings: Annotated[
        list[str] | None, typer.Option("--heading", help="known to 30 degrees, or unknown.")
    ] = None,
    methods: Annotated[
        list[str] | None, typer.Option("--method", help="mdpf, road ...; again for more.")
    ] = None,
    control: Annotated[
        bool, typer.Option(help="Show the images of another drive: nothing must converge.")
    ] = False,
    lag: Annotated[
        list[float] | None,
        typer.Option(help="Compare with smoothers of this lag, s, and offline; again for more."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Filter seeds of each drive, with --lag.")] = 1,
    jobs: Annotated[int, typer.Option(help="Drives at a time; 0 takes one for each core.")] = 0,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="One value, e.g. camera.decorrelation=10.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write rows and machine to this file.")
    ] = None,
) -> None:
    """Find drives in central Helsinki by a colour camera, starting anywhere in the extract.

    Writes, beside the JSON file, a page (.md) and the curves of recall over distance (.png); with
    --lag a page that compares the filter with its smoothers.

    Examples:
        mdps evaluate helsinki --split test --json out.json
        mdps evaluate helsinki --drives 6 --map clean --heading unknown --method mdpf
        mdps evaluate helsinki --method mdpf --lag 3 --lag 10 --seeds 5 --json out.json
    """
    from rich.console import Console

    from mdps_ros.cli.live import WHEEL_ODOMETER
    from mdps_ros.cli.options import read_settings
    from mdps_ros.cli.run_tasks import run_tasks
    from mdps_ros.evaluation import hindsight_report, results, street_report
    from mdps_ros.evaluation import street_drives as suite

    _check("--split", [split], suite.SPLITS)
    runs = tuple(
        suite.StreetRun(
            method=method, map=map, heading_known=heading == "known", own_images=not control
        )
        for method in _check("--method", methods or list(suite.METHODS), suite.METHODS)
        for heading in _check("--heading", headings or ["known"], ("known", "unknown"))
        for map in _check("--map", maps or ["clean", "imperfect"], suite.MAPS)
    )
    settings = read_settings(None, [*WHEEL_ODOMETER, *suite.TOLD, *(assignments or [])])
    page: ModuleType = hindsight_report if lag else street_report
    if lag:
        numbers = [(index, seed) for index in range(drives) for seed in range(seeds)]
        tasks = [(split, index, seed, runs, settings, lag) for index, seed in numbers]
        found = run_tasks(suite.hindsight_rows, tasks, jobs)
    else:
        found = run_tasks(
            suite.drive_rows, [(split, index, runs, settings) for index in range(drives)], jobs
        )
    rows = street_report.grouped([row for group in found for row in group])
    columns = hindsight_report.COLUMNS if lag else COLUMNS
    results.print_table(Console(), f"helsinki {split}", page.totals(rows), columns)
    if json_file is not None:
        command = results.command_line()
        results.write_json(json_file, results.document("helsinki", rows, 0, command=command))
        page.write_page(json_file, rows, command)


def _check(option: str, given: list[str], known: object) -> list[str]:
    """The words, if all are known.

    Raises:
        BadParameter: one is not.
    """
    words = list(known)  # type: ignore[call-overload]
    for word in given:
        if word not in words:
            raise typer.BadParameter(f"{word}: use {', '.join(words)}", param_hint=option)
    return given
