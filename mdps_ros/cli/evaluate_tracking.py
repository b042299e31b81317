"""`mdps evaluate tracking` and `mdps evaluate self-calibration`: the filter-bank studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdps_ros.cli.options import JsonOption

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mdps_ros.evaluation.results import Row

SeedOption = Annotated[int, typer.Option(help="Seed of the simulation; the filters' follow.")]
MarkdownOption = Annotated[
    Path | None, typer.Option("--markdown", help="Write the tables to this file.")
]
PictureOption = Annotated[
    Path | None, typer.Option("--picture", help="Draw the comparison to this PNG.")
]


def tracking(
    runs: Annotated[int, typer.Option(min=2, help="Simulated targets.")] = 100,
    seed: SeedOption = 5,
    json_file: JsonOption = None,
    markdown_file: MarkdownOption = None,
    picture_file: PictureOption = None,
) -> None:
    """Track a target by range and bearing: Rao-Blackwellised, plain and extended Kalman filter.

    Examples:
        mdps evaluate tracking --json out.json
        mdps evaluate tracking --runs 20 --picture tracking.png
    """
    from mdps_ros.evaluation import tracking as study
    from mdps_ros.evaluation import tracking_report as report

    what = study.TrackingStudy(runs=runs)
    rows = _follow(study.run_filters(what, seed), len(what.particle_counts))
    smoothers = study.run_smoothers(what, seed)
    _print("tracking", rows, report.SCREEN_COLUMNS)
    _print("smoothing", smoothers, report.SCREEN_COLUMNS[:3])
    rows = [*rows, *smoothers]
    if json_file is not None:
        _write_json(json_file, "tracking", rows, seed)
    if markdown_file is not None:
        _write_text(markdown_file, report.markdown(rows))
    if picture_file is not None:
        report.picture(rows, picture_file)


def self_calibration(
    drives: Annotated[int, typer.Option(min=2, help="Simulated drives per scenario.")] = 40,
    seed: SeedOption = 77,
    tune: Annotated[
        bool, typer.Option("--tune", help="Instead try noise settings on other drives.")
    ] = False,
    json_file: JsonOption = None,
    markdown_file: MarkdownOption = None,
    picture_file: PictureOption = None,
) -> None:
    """Find a wrong odometer's scale and a gyroscope's bias while driving.

    Exit code 1 when a target of the study was missed.

    Examples:
        mdps evaluate self-calibration --json out.json
        mdps evaluate self-calibration --tune
    """
    from mdps_ros.evaluation import self_calibration as study
    from mdps_ros.evaluation import self_calibration_report as report

    if tune:
        rows = _follow(study.tune(), None)
        _print("tuning", rows, ())
        if json_file is not None:
            _write_json(json_file, "self-calibration tuning", rows, study.TUNING_SEED)
        return
    what = study.CalibrationStudy(drives=drives)
    rows = _follow(study.run_study(what, seed), len(study.SCENARIOS) * len(what.counts))
    _print("self-calibration", rows, report.SCREEN_COLUMNS)
    verdicts = study.verdicts(rows)
    for verdict in verdicts:
        typer.echo(f"{'met   ' if verdict.met else 'MISSED'} {verdict.text}")
    if json_file is not None:
        _write_json(json_file, "self-calibration", rows, seed)
    if markdown_file is not None:
        _write_text(markdown_file, report.markdown(rows, verdicts, study.TUNING_DRIVES))
    if picture_file is not None:
        report.picture(rows, picture_file)
    if not all(verdict.met for verdict in verdicts):
        raise typer.Exit(1)


def _follow(rows: Iterable[Row], total: int | None) -> list[Row]:
    """The rows, with a progress bar while they come."""
    from rich.console import Console
    from rich.progress import track

    return list(track(rows, "filters", total, console=Console(stderr=True)))


def _print(title: str, rows: Sequence[Row], columns: Sequence[str]) -> None:
    from rich.console import Console

    from mdps_ros.evaluation import results

    results.print_table(Console(), title, rows, columns)


def _write_json(path: Path, suite: str, rows: Sequence[Row], seed: int) -> None:
    from mdps_ros.evaluation import results

    document = results.document(suite, rows, seed, command=results.command_line())
    results.write_json(path, document)


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
