"""Vehicles that were carried off, as one table, one page and one picture."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mdps_ros.evaluation.results import (
    Row,
    markdown_table,
    ninth_decile,
    numbers,
    statistic,
)
from mdps_ros.evaluation.street_kidnaps import CARRIED_AT_M

COLUMNS = (
    "name",
    "drives",
    "tracked_before",
    "false_alarms",
    "tracked_before_km",
    "noticed",
    "alarm_after_m",
    "alarm_after_m_p90",
    "found",
    "found_after_m",
    "found_after_m_p90",
    "blind_m",
    "wrong_again_m",
    "wrong_again_drives",
    "median_error_m",
    "seconds",
)
AXIS_M = np.arange(0.0, 501.0, 5.0)

_INTRODUCTION = """# Carried off and found again

{drives} drives through central Helsinki begin anywhere in the extract. After {cut:.0f} m the
vehicle is carried to another street, {near:.0f} to {far:.0f} m away, and drives on for 500 m;
odometry and images go on as if nothing had been. A frame claims a pose while the state is TRACKING.

`noticed`: drives that raised an alarm (LOST), after `alarm_after_m` of travel (median, and the
ninth decile); till then the old place is claimed, at most for `blind_m`. `found`: a right claim
(within 5 m) that stays right for 100 m, after `found_after_m` of travel since the vehicle was
carried off; `median_error_m` from there on (median of drives). `wrong_again_m` is the longest wrong
claim after the alarm, in `wrong_again_drives` drives. `false_alarms` called a right
claim wrong before the vehicle was carried off, in `tracked_before_km` of travel. Only drives
`tracked_before` count.

Made by

    {command}

"""


def totals(rows: Sequence[Row]) -> list[Row]:
    """One row per map, over its drives; only those count that were tracked before."""
    names = dict.fromkeys(str(row["name"]) for row in rows)
    return [_total(name, [row for row in rows if row["name"] == name]) for name in names]


def _total(name: str, rows: Sequence[Row]) -> Row:
    tracked = [row for row in rows if row["tracked_before"]]
    alarms, found = numbers(tracked, "alarm_after_m"), numbers(tracked, "found_after_m")
    again = numbers(tracked, "wrong_again_m")
    return {
        "name": name,
        "drives": len(rows),
        "tracked_before": len(tracked),
        "false_alarms": int(sum(numbers(rows, "false_alarms"))),
        "tracked_before_km": sum(numbers(rows, "tracked_before_m")) / 1e3,
        "noticed": len(alarms),
        "alarm_after_m": statistic(statistics.median, alarms),
        "alarm_after_m_p90": statistic(ninth_decile, alarms),
        "found": len(found),
        "found_after_m": statistic(statistics.median, found),
        "found_after_m_p90": statistic(ninth_decile, found),
        "blind_m": max(numbers(tracked, "blind_m"), default=None),
        "wrong_again_m": max(again, default=None),
        "wrong_again_drives": sum(length > 0.0 for length in again),
        "median_error_m": statistic(statistics.median, numbers(tracked, "median_error_m")),
        "seconds": statistic(statistics.median, numbers(rows, "seconds")),
    }


def write_page(json_file: Path, rows: Sequence[Row], command: str) -> None:
    """Write the page (.md) and its picture (.png) beside a result file."""
    picture = json_file.with_suffix(".png")
    draw_shares(picture, rows)
    away = numbers(rows, "carried_m")
    text = _INTRODUCTION.format(
        drives=len({row["seed"] for row in rows}),
        cut=CARRIED_AT_M,
        near=min(away),
        far=max(away),
        command=command,
    )
    text += markdown_table(totals(rows), COLUMNS)
    text += f"\n![Noticed and found over distance]({picture.name})\n"
    json_file.with_suffix(".md").write_text(text, encoding="utf-8")


def draw_shares(path: Path, rows: Sequence[Row]) -> None:
    """Draw the shares of drives with an alarm, and with the vehicle found, over the travel."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate(dict.fromkeys(str(row["name"]) for row in rows)):
        tracked = [row for row in rows if row["name"] == name and row["tracked_before"]]
        for key, style, what in (
            ("alarm_after_m", ":", "noticed"),
            ("found_after_m", "-", "found"),
        ):
            at = np.array(numbers(tracked, key))
            share = [(at <= distance).sum() / max(len(tracked), 1) for distance in AXIS_M]
            axes.plot(AXIS_M, share, style, color=f"C{number}", label=f"{what}, {name}")
    axes.set_xlabel("distance driven since the vehicle was carried off (m)")
    axes.set_ylabel("share of the drives")
    axes.set_ylim(-0.03, 1.03)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=110)
