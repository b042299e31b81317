"""`mdps evaluate ablations`: what each part of the localizer gives, one change at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mdps_ros.cli.options import JobsOption, JsonOption, SetOption, among
from mdps_ros.cli.street_options import SplitOption, street_settings

if TYPE_CHECKING:
    from mdps_ros.evaluation.results import Row

COLUMNS = (
    "name",
    "converged_drives",
    "converged_after_m",
    "median_error_m",
    "recall_at_1m",
    "recall_at_5m_after_100m",
    "nll_after_100m_nats",
)


def ablations(
    split: SplitOption = "test",
    drives: Annotated[int, typer.Option(min=1, help="Drives 0 .. N-1 of 500 m.")] = 6,
    variants: Annotated[
        list[str] | None,
        typer.Option("--variant", help="base, 'no kernels' ...; again for more; all if left out."),
    ] = None,
    jobs: JobsOption = 0,
    assignments: SetOption = None,
    json_file: JsonOption = None,
) -> None:
    """Change one thing at a time: parts of the filter, particles, maps, weather, camera, city.

    Writes, beside the JSON file, a page (.md) with differences to the base drive by drive, and
    their picture (.png). Rows are kept as they come: the same command goes on where it was stopped.

    Examples:
        mdps evaluate ablations --json out.json
        mdps evaluate ablations --drives 2 --variant base --variant night
    """
    from rich.console import Console

    from mdps_ros.cli.run_tasks import run_tasks
    from mdps_ros.evaluation import ablation_report, results, street_report, street_scenes
    from mdps_ros.evaluation import street_ablations as suite
    from mdps_ros.evaluation.kept_rows import KeptRows

    among("--split", [split], street_scenes.SPLITS)
    known = (*suite.VARIANTS, suite.SMOOTHERS)
    names = among("--variant", variants or list(known), known)
    settings = street_settings(assignments)
    wanted = suite.tasks_of(names, split, drives, settings)
    kept = None
    if json_file is not None:
        kept = KeptRows(json_file.with_suffix(".rows"), f"{split} {settings}")
    done: dict[tuple[str, int], list[Row]] = {} if kept is None else dict(kept.done)
    missing = [task for task in wanted if (task[0], task[2]) not in done]

    def take(number: int, rows: list[Row]) -> None:
        name, _, index, _ = missing[number]
        done[name, index] = rows
        if kept is not None:
            kept.take((name, index), rows)

    run_tasks(suite.ablation_rows, missing, jobs, take)
    found = {
        name: street_report.grouped([row for index in range(drives) for row in done[name, index]])
        for name in names
    }
    smoothed = found.pop(suite.SMOOTHERS, [])
    rows = [row for group in found.values() for row in group]
    totals = ablation_report.totals(rows)
    results.print_table(Console(), f"ablations {split}", totals, COLUMNS)
    if json_file is not None and kept is not None:
        command = results.command_line()
        content = results.document("ablations", [*rows, *smoothed], 0, command=command)
        results.write_json(json_file, content)
        ablation_report.write_page(json_file, rows, smoothed, command)
        kept.remove()
