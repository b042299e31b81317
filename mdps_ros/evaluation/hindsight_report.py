"""What hindsight is worth: the filter and its smoothers on the same frames of many runs, paired."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from mdps_ros.evaluation import calibration_report
from mdps_ros.evaluation.results import (
    Row,
    Value,
    markdown_table,
    numbers,
    paired_differences,
    statistic,
    with_error,
)
from mdps_ros.evaluation.smoothing_frames import FILTER

Run = tuple[Value, Value]
"""Drive and filter seed."""
GAINS = ("median_error_m", "p95_error_m", "mean_nll", "recall_at_1m", "heading_recall_at_1deg")
"""Numbers of which the mean difference to the filter is told, with its standard error."""
MEANS = (
    "recall_at_2m",
    "recall_at_5m",
    "wrong_mode_share",
    "wrong_claim_share",
    "consistent_share",
)
COLUMNS = ("name", "runs", *GAINS, *(f"{key}_gain" for key in GAINS), *MEANS)

_INTRODUCTION = """# Hindsight: the filter and its smoothers on the same frames

`filter` is the mixture-density filter (MDPF), `lag L s` its two-filter smoother (MDPS) over a
window of L seconds, `offline` the same over the whole drive. All rows of a group see the same runs
of the filter ({drives} drives, {seeds} filter seeds) and the same frames: those from the filter's
convergence on that all methods had their last word on. Columns ending in `_gain` are the mean
difference to the filter over the runs, plus or minus its standard error; negative is better for
errors and NLL, positive for recalls. `wrong_mode_share` and `wrong_claim_share` are over all
frames, also those before convergence: share of frames whose best hypothesis is more than 5 m off,
and share at which a wrong place was claimed with 90 % of the belief. Masses are those that a
session tells: of a place that it searched for less than a claim needs until images confirm it
(`recovery.confirmation`), and of a smoothed one until the walk back begins at a confirmed one.

Made by

    {command}

"""


def totals(rows: Sequence[Row]) -> list[Row]:
    """One row per name; names of a group differ in their last words, `filter` being its first.

    Args:
        rows: of `smoothing_frames.rows_of`, with `filter_seed`.
    """
    names = dict.fromkeys(str(row["name"]) for row in rows)
    filtered: dict[Run, Row] = {}
    found = []
    for name in names:
        own = {(row["seed"], row["filter_seed"]): row for row in rows if row["name"] == name}
        if name.endswith(f" {FILTER}"):
            filtered = own
        found.append(_total(name, own, filtered))
    return found


def _total(
    name: str,
    own: dict[Run, Row],
    filtered: dict[Run, Row],
) -> Row:
    total: Row = {"name": name, "runs": len(own)}
    for key in (*GAINS, *MEANS):
        total[key] = statistic(statistics.fmean, numbers(list(own.values()), key))
    for key in GAINS:
        gains = paired_differences(own, filtered, key)
        total[f"{key}_gain"] = None if own is filtered else with_error(gains)
    return total


def write_page(
    json_file: Path,
    rows: Sequence[Row],
    command: str,
    groups: Sequence[calibration_report.Group] | None = None,
) -> None:
    """Write the page (.md) beside a result file.

    Args:
        json_file: the result file.
        rows: as for `totals`.
        command: that made them.
        groups: whose calibration the page tells; None: names of the rows.
    """
    drives = len({row["seed"] for row in rows})
    seeds = len({row["filter_seed"] for row in rows})
    text = _INTRODUCTION.format(drives=drives, seeds=seeds, command=command)
    text += markdown_table(totals(rows), COLUMNS)
    judged = calibration_report.groups_of(rows) if groups is None else groups
    text += calibration_report.section(json_file, judged)
    json_file.with_suffix(".md").write_text(text, encoding="utf-8")
