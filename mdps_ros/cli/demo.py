"""`mdps demo`: a simulated drive, localized live by the node over DDS."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdps_ros.cli.options import JsonOption, SetOption

if TYPE_CHECKING:
    from mdps_ros.evaluation.results import Row

TARGET_CONVERGED_M = 500.0
TARGET_RECALL = 0.95
HEADING_SD_DEG = 30.0


def demo(
    seed: Annotated[int, typer.Option(min=0, help="Seed of drive, heading and filter.")] = 0,
    rate: Annotated[
        float, typer.Option(min=0.0, help="Times real time; 0: as fast as the node can.")
    ] = 2.0,
    heading: Annotated[
        str, typer.Option(help="`known` to 30 degrees, or `unknown`, at the start.")
    ] = "known",
    camera: Annotated[
        str, typer.Option(help="rgb: colour images and the learned model; depth: a depth camera.")
    ] = "rgb",
    length: Annotated[float, typer.Option(min=200.0, help="Length of the drive, metres.")] = 1000.0,
    map: Annotated[
        str, typer.Option("--map", help=".osm or .osm.pbf file, helsinki or suburb.")
    ] = "helsinki",
    out: Annotated[Path, typer.Option(help="Folder of report, logs and drives.")] = Path(
        "out", "demo"
    ),
    assignments: SetOption = None,
    json_file: JsonOption = None,
) -> None:
    """Localize a simulated drive live, from an unknown position, and write a report.

    The drive starts anywhere on the map. The node runs as its own process and
    gets odometry and images over DDS; the player never runs ahead of it.
    Done (exit code 0) when it converged within 500 m and then stayed within
    5 m of the truth in 95 % of the frames. A second run reuses the drive.

    Examples:
        mdps demo
        mdps demo --seed 3 --heading unknown --rate 4
        mdps demo --camera depth
    """
    from mdps_ros.cli.live import LiveRun, run_live
    from mdps_ros.cli.looks import page_looks
    from mdps_ros.cli.processes import LiveError
    from mdps_ros.cli.show import print_run
    from mdps_ros.evaluation import report, results
    from mdps_ros.settings import SettingsError

    if heading not in ("known", "unknown"):
        raise SettingsError(f"--heading {heading}: write known or unknown")
    if camera not in ("rgb", "depth"):
        raise SettingsError(f"--camera {camera}: write rgb or depth")
    wanted = LiveRun(
        map=map,
        length=length,
        seed=seed,
        rate=rate,
        heading_sd_deg=HEADING_SD_DEG if heading == "known" else None,
        camera=camera,
        assignments=tuple(assignments or ()),
    )
    report.remove_report(out)  # one of an older run beside the files of this one would mislead
    try:
        place, trace, drive = run_live(wanted, out)
    except LiveError as error:
        print(f"mdps demo: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    row = report.row_of(place.name, seed, trace)
    command = results.command_line()
    title = f"Live over ROS 2: {place.name}, seed {seed}, heading {heading}"
    files = report.write_report(
        out,
        trace,
        place,
        title,
        row=row,
        suite="demo",
        command=command,
        looks=page_looks(drive, trace, place),
        film=True,
    )
    if json_file is not None:
        results.write_json(json_file, results.document("demo", [row], seed, command=command))
    print_run(title, row, files)
    missed = missed_targets(row)
    verdict = missed or [
        f"passed: converged within {TARGET_CONVERGED_M:g} m, then within 5 m of the truth in "
        f"{TARGET_RECALL:.0%} of the frames or more"
    ]
    for line in [*verdict, *last_lines(row)]:
        typer.echo(line)
    if missed:
        raise typer.Exit(1)


def missed_targets(row: Row) -> list[str]:
    """One line per target that a run missed.

    Args:
        row: see `evaluation.report.row_of`.
    """
    converged, recall = row.get("converged_after_m"), row.get("recall_at_5m")
    if not isinstance(converged, float) or not isinstance(recall, float):
        return [f"MISSED: it never converged; target within {TARGET_CONVERGED_M:g} m"]
    missed = []
    if converged > TARGET_CONVERGED_M:
        missed.append(f"MISSED: converged after {converged:.0f} m; target {TARGET_CONVERGED_M:g} m")
    if recall < TARGET_RECALL:
        missed.append(f"MISSED: recall@5m {recall:.3f}; target {TARGET_RECALL:g}")
    return missed


def last_lines(row: Row) -> list[str]:
    """The result for machines: three lines NAME=VALUE, `none` where there is no value."""
    keys = {
        "converged_after_m": "converged_after_m",
        "median_error_m": "median_error_m",
        "recall@5m": "recall_at_5m",
    }
    values = {name: row.get(key) for name, key in keys.items()}
    return [
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}=none"
        for name, value in values.items()
    ]
