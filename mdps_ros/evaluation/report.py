"""The report of one run: picture, page, table, JSON file and TUM trajectories in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mdps_ros.data.trajectory import write_tum
from mdps_ros.evaluation import results
from mdps_ros.evaluation.html_report import Look, write_html
from mdps_ros.evaluation.moving_picture import draw_moving
from mdps_ros.evaluation.pictures import draw_report
from mdps_ros.evaluation.run import RunError, Trace
from mdps_ros.maps import Map

KEY_COLUMNS = (
    "name",
    "seed",
    "converged_after_m",
    "median_error_m",
    "mean_error_m",
    "p95_error_m",
    "recall_at_5m",
    "wrong_claim_share",
    "claim_share",
    "particles_median",
    "seconds",
)
"""What people look at first; the JSON file has more."""


class ReportFiles(NamedTuple):
    """Where a report lies."""

    picture: Path
    page: Path
    table: Path
    summary: Path
    estimate: Path
    truth: Path | None
    film: Path | None = None


def row_of(name: str, seed: int, trace: Trace) -> results.Row:
    """One run as a flat row: its score, if there is a truth, particles, lengths and seconds."""
    row: results.Row = {"name": name, "seed": seed}
    if trace.has_truth:
        row.update(trace.score()._asdict())
    row.update(
        travelled_m=float(trace.travelled[-1]),
        drive_seconds=trace.seconds_of_drive,
        particles_max=int(trace.particles.max()),
        particles_median=int(np.median(trace.particles)),
        seconds=trace.seconds,
    )
    return row


def key_columns(row: results.Row) -> list[str]:
    """The columns of KEY_COLUMNS that a row has."""
    return [column for column in KEY_COLUMNS if column in row]


def _paths(out_dir: Path, *, with_truth: bool = True, with_film: bool = True) -> ReportFiles:
    """Where the files of a report lie in a folder."""
    return ReportFiles(
        picture=out_dir / "report.png",
        page=out_dir / "report.html",
        table=out_dir / "table.md",
        summary=out_dir / "summary.json",
        estimate=out_dir / "estimate.tum",
        truth=out_dir / "truth.tum" if with_truth else None,
        film=out_dir / "drive.webp" if with_film else None,
    )


def remove_report(out_dir: Path) -> None:
    """Remove the files of an older report from a folder, which may be missing.

    Raises:
        RunError: a file cannot be removed.
    """
    try:
        for path in _paths(out_dir):
            if path is not None:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot remove the older report in {out_dir}: {error}") from error


def write_report(
    out_dir: Path,
    trace: Trace,
    map: Map,
    title: str,
    *,
    row: results.Row,
    suite: str,
    command: str,
    looks: Sequence[Look] = (),
    film: bool = False,
) -> ReportFiles:
    """Write report.png, report.html, table.md, summary.json, estimate.tum and truth.tum.

    Positions in the TUM files are in the map frame. The truth has one pose per estimate that
    falls into its time span, and there is no truth.tum for a run without truth.

    Args:
        out_dir: folder, made where it is missing; files of an older report are replaced.
        trace: the run.
        map: what it ran on.
        title: headline of the picture and the table.
        row: see `row_of`.
        suite: what was evaluated, for summary.json.
        command: see `results.command_line`.
        looks: camera images for the page.
        film: whether drive.webp is written, too; that takes some ten seconds.

    Raises:
        RunError: the folder cannot be written.
    """
    known = np.isfinite(trace.truth).all(axis=1)
    with_film = film and bool(trace.snapshots)
    files = _paths(out_dir, with_truth=bool(known.any()), with_film=with_film)
    seed = row["seed"]
    assert isinstance(seed, int)
    content = results.document(suite, [row], seed, command=command)
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        remove_report(out_dir)
        write_tum(files.estimate, trace.stamps_ns, trace.estimate)
        if files.truth is not None:
            write_tum(files.truth, trace.stamps_ns[known], trace.truth[known])
        results.write_json(files.summary, content)
        table = results.markdown_table([row], key_columns(row))
        files.table.write_text(f"# {title}\n\n{table}\n`{command}`\n", encoding="utf-8")
        draw_report(files.picture, trace, map, title)
        if files.film is not None:
            draw_moving(files.film, trace, map)
        write_html(files.page, trace, map, title, row=row, command=command, looks=looks)
    except OSError as error:
        raise RunError(f"cannot write the report to {out_dir}: {error}") from error
    return files
