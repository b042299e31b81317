"""`mdps evaluate`: measure the filter on drives whose truth is known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdps_ros.cli.evaluate_ablations import ablations
from mdps_ros.cli.evaluate_bearings import bearings
from mdps_ros.cli.evaluate_camera import camera_frames, camera_real
from mdps_ros.cli.evaluate_helsinki import helsinki
from mdps_ros.cli.evaluate_kidnap import kidnap
from mdps_ros.cli.evaluate_tracking import self_calibration, tracking
from mdps_ros.cli.options import (
    JobsOption,
    JsonOption,
    LagOption,
    PicturesOption,
    SetOption,
    read_settings,
)
from mdps_ros.cli.run_tasks import run_tasks

if TYPE_CHECKING:
    from mdps_ros.evaluation.results import Row

app = typer.Typer(no_args_is_help=True, help="Measure on drives whose truth is known.")
app.command()(ablations)
app.command()(bearings)
app.command(name="camera-frames")(camera_frames)
app.command(name="camera-real")(camera_real)
app.command()(helsinki)
app.command()(kidnap)
app.command()(tracking)
app.command(name="self-calibration")(self_calibration)

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of the data; MDPS_DATA when left out.")
]
SequenceOption = Annotated[
    list[str] | None, typer.Option("--sequence", help="e.g. 00; again for more; all when left out.")
]
SeedsOption = Annotated[int, typer.Option(help="Seeds 0 .. N-1, each one row.")]

KITTI_COLUMNS = (
    "name",
    "seed",
    "roads_km",
    "converged_after_m",
    "median_error_m",
    "mean_error_m",
    "p95_error_m",
    "wrong_claim_share",
    "claim_share",
    "particles_median",
    "seconds",
)


SMOOTHING_COLUMNS = (
    "name",
    "seed",
    "median_error_m",
    "mean_error_m",
    "p95_error_m",
    "mean_nll",
    "wrong_mode_share",
    "consistent_share",
    "median_nees",
    "first_claim_m",
    "seconds",
)


@app.command()
def kitti(
    odometry: Annotated[
        str, typer.Option(help="real: the visual odometry of the data set.")
    ] = "real",
    map: Annotated[
        str, typer.Option("--map", help="own: the sequence's map file; union: all of them as one.")
    ] = "own",
    data: DataOption = None,
    sequence: SequenceOption = None,
    lag: LagOption = None,
    pictures: PicturesOption = None,
    seeds: SeedsOption = 5,
    jobs: JobsOption = 0,
    assignments: SetOption = None,
    json_file: JsonOption = None,
) -> None:
    """Find KITTI drives on OpenStreetMap by odometry and roads alone.

    The start may be anywhere on any road of the map, with any heading. Writes, beside the JSON
    file, a page (_calibration.md) on how honest the beliefs are, and its picture; with --lag it
    (.md) compares the smoothers with the filter, too.

    Examples:
        mdps evaluate kitti --json out.json
        mdps evaluate kitti --map union --sequence 00 --seeds 1
        mdps evaluate kitti --lag 3 --lag 10 --json out.json
    """
    from mdps_ros.evaluation import calibration_report, hindsight_report, results
    from mdps_ros.evaluation import kitti as suite

    if odometry != "real":
        raise typer.BadParameter("only `real` odometry is built", param_hint="--odometry")
    if map not in ("own", "union"):
        raise typer.BadParameter("use own or union", param_hint="--map")
    root = _root(data)
    settings = read_settings(None, assignments or [])
    names = sequence or suite.sequences_with_odometry(root)
    tasks = [
        (root, name, map == "union", seed, settings) for name in names for seed in range(seeds)
    ]
    if lag:
        found = run_tasks(suite.smoothing_rows, [(*task, lag, pictures) for task in tasks], jobs)
        rows = [row for rows in found for row in rows]
        suite_name, columns = f"kitti {map} smoothing", SMOOTHING_COLUMNS
    else:
        rows = run_tasks(suite.run_row, tasks, jobs)
        suite_name, columns = f"kitti {map}", KITTI_COLUMNS
    groups = calibration_report.groups_of(rows, suite.method_and_sequence)
    _finish(suite_name, rows, columns, json_file, **calibration_report.content(groups))
    command = results.command_line()
    if json_file is not None and lag:
        hindsight_report.write_page(json_file, suite.by_drive(rows), command, groups)
    elif json_file is not None:
        title = f"Calibration on KITTI, {map} map"
        calibration_report.write_page(json_file, groups, title, command)


@app.command(name="kitti-depth")
def kitti_depth(
    data: DataOption = None,
    sequence: SequenceOption = None,
    seeds: SeedsOption = 5,
    jobs: JobsOption = 0,
    assignments: SetOption = None,
    json_file: JsonOption = None,
) -> None:
    """Compare road alone with road + depth where KITTI has stereo depth.

    Examples:
        mdps evaluate kitti-depth --sequence 00 --json out.json
    """
    from mdps_ros.evaluation import kitti as suite

    root = _root(data)
    settings = read_settings(None, assignments or [])
    tasks = [(root, name, seed, settings) for name in sequence or ["00"] for seed in range(seeds)]
    pairs = run_tasks(suite.depth_rows, tasks, jobs)
    rows = sorted((row for pair in pairs for row in pair), key=lambda row: str(row["name"]))
    _finish("kitti-depth", rows, tuple(rows[0]), json_file)


def _root(data: Path | None) -> Path:
    """The folder of the data.

    Raises:
        DataError: neither the option nor MDPS_DATA names one.
    """
    from mdps_ros.data.errors import DataError

    named = data or (Path(os.environ["MDPS_DATA"]) if os.environ.get("MDPS_DATA") else None)
    if named is None:
        raise DataError("where is the data? set MDPS_DATA or give --data FOLDER")
    return named


def _finish(
    suite: str,
    rows: list[Row],
    columns: tuple[str, ...],
    json_file: Path | None,
    **more: list[Row],
) -> None:
    """Add a summary row per name, print the table and write the file with `more` in it."""
    from rich.console import Console

    from mdps_ros.evaluation import results

    names = dict.fromkeys(str(row["name"]) for row in rows)
    groups = [[row for row in rows if row["name"] == name] for name in names]
    summaries = [
        results.summary_row(group, f"{group[0]['name']} median of {len(group)}") for group in groups
    ]
    ordered = [
        row for group, total in zip(groups, summaries, strict=True) for row in (*group, total)
    ]
    results.print_table(Console(), suite, ordered, columns)
    if json_file is not None:
        command = results.command_line()
        results.write_json(json_file, results.document(suite, ordered, 0, command=command) | more)
