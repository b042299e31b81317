"""`mdps evaluate kidnap`: vehicles that are carried off amid a drive."""

from __future__ import annotations

from typing import Annotated

import typer

from mdps_ros.cli.options import (
    JobsOption,
    JsonOption,
    SetOption,
    among,
)
from mdps_ros.cli.street_options import MapsOption, SplitOption, street_settings

COLUMNS = ("name", "drives", "noticed", "alarm_after_m", "found", "found_after_m", "wrong_again_m")


def kidnap(
    split: SplitOption = "test",
    drives: Annotated[int, typer.Option(min=1, help="Drives 0 .. N-1.")] = 24,
    maps: MapsOption = None,
    jobs: JobsOption = 0,
    assignments: SetOption = None,
    json_file: JsonOption = None,
) -> None:
    """Carry a vehicle with a colour camera to another street of Helsinki amid its drive.

    Tells how soon that is noticed and the vehicle found again, and how often one that is tracked
    is called lost. Writes, beside the JSON file, a page (.md) and a picture (.png).

    Examples:
        mdps evaluate kidnap --json out.json
        mdps evaluate kidnap --split train --drives 4 --map clean
    """
    from rich.console import Console

    from mdps_ros.cli.run_tasks import run_tasks
    from mdps_ros.evaluation import kidnap_report, results, street_scenes
    from mdps_ros.evaluation.street_kidnaps import kidnap_rows

    among("--split", [split], street_scenes.SPLITS)
    chosen = tuple(among("--map", maps or [*street_scenes.USUAL_MAPS], street_scenes.MAPS))
    settings = street_settings(assignments)
    tasks = [(split, index, chosen, settings) for index in range(drives)]
    rows = [row for group in run_tasks(kidnap_rows, tasks, jobs) for row in group]
    results.print_table(Console(), f"kidnap {split}", kidnap_report.totals(rows), COLUMNS)
    if json_file is not None:
        command = results.command_line()
        results.write_json(json_file, results.document("kidnap", rows, 0, command=command))
        kidnap_report.write_page(json_file, rows, command)
