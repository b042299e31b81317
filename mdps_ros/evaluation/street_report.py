"""Drives through rendered streets as one table, one page and one set of recall curves."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mdps_ros.evaluation import calibration_report
from mdps_ros.evaluation.dense_search import CELL_M, HEADINGS
from mdps_ros.evaluation.heading_limit import Observer, heading_recall
from mdps_ros.evaluation.results import (
    Row,
    Statistic,
    markdown_table,
    ninth_decile,
    numbers,
    statistic,
)
from mdps_ros.evaluation.street_drives import CURVE_M, LENGTH_M
from mdps_ros.maps.imperfect import ImperfectStyle
from mdps_ros.sim.odometry import OdometryErrors

RADII_M = (1.0, 5.0)
"""Recall curves are drawn for these radii."""
TOTAL_COLUMNS = (
    "name",
    "drives",
    "converged_drives",
    "converged_after_m",
    "converged_after_m_p90",
    "median_error_m",
    "median_lateral_m",
    "median_longitudinal_m",
    "median_heading_deg",
    "recall_at_1m",
    "recall_at_2m",
    "recall_at_5m",
    "recall_at_5m_worst",
    "heading_recall_at_1deg",
    "nll_nats",
    "nll_after_100m_nats",
    "consistent_share",
    "wrong_claim_share",
    "longest_wrong_claim_m",
    "seconds",
)

_INTRODUCTION = """# A camera in central Helsinki

{drives} simulated drives of 500 m on streets that no training frame shows. The start may be
anywhere in the extract. `converged_after_m` is the median travel to the first right claim (90 % of
the belief within 5 m of the truth) that stays right for 100 m, over the drives that have one;
errors and recalls are over the frames after it, pooled as means over drives (medians of drives for
`median_*`); `longest_wrong_claim_m` is the worst of all drives. The images are drawn from the map
as it is; the imperfect map is warped by 1 m over 15 m, lacks 30 % of the small objects and 5 % of
the buildings, and has 10 % of the road widths wrong by 30 %. In all runs the camera's height, pitch
and focal length differ from the calibration by about 2 %, and images show cars that no map knows.
`seconds` is the time of a drive, loading of the map's features included; a method `dense` weighs
every pose of a grid ({cell:g} m, {heading:g} degrees) by the same camera model; `a-mdpf` tells
another mixture than it resamples from, see [the ablations](helsinki_ablations.md).

Made by

    {command}

"""


def grouped(rows: Sequence[Row]) -> list[Row]:
    """The rows with those of one way to localize together, drives rising."""
    names = list(dict.fromkeys(str(row["name"]) for row in rows))
    return sorted(rows, key=lambda row: (names.index(str(row["name"])), int(row["seed"] or 0)))


def totals(rows: Sequence[Row]) -> list[Row]:
    """One row per way to localize, over its drives."""
    names = dict.fromkeys(str(row["name"]) for row in rows)
    return [_total(name, [row for row in rows if row["name"] == name]) for name in names]


def _total(name: str, rows: Sequence[Row]) -> Row:
    converged = numbers(rows, "converged_after_m")
    total: Row = {"name": name, "drives": len(rows), "converged_drives": len(converged)}
    total["converged_after_m"] = statistic(statistics.median, converged)
    total["converged_after_m_p90"] = statistic(ninth_decile, converged)
    for key in TOTAL_COLUMNS[5:]:
        values = numbers(rows, key.removesuffix("_worst"))
        pick: Statistic = statistics.fmean
        if key.startswith("median_"):
            pick = statistics.median
        elif key.endswith("_worst"):
            pick = min
        elif key == "longest_wrong_claim_m":
            pick = max
        total[key] = statistic(pick, values)
    return total


def recall_curve(rows: Sequence[Row], radius_m: float) -> list[float]:
    """Share of the drives within a radius at each travel of CURVE_M, over those that go so far."""
    shares = []
    for distance in CURVE_M:
        errors = np.array(numbers(rows, f"error_at_{distance}m_m"))
        shares.append(float(np.mean(errors <= radius_m)) if len(errors) else float("nan"))
    return shares


def write_page(json_file: Path, rows: Sequence[Row], command: str) -> None:
    """Write the page (.md) and its picture (.png) beside a result file."""
    drives = len({row["seed"] for row in rows})
    picture = json_file.with_suffix(".png")
    draw_curves(picture, rows)
    text = _INTRODUCTION.format(drives=drives, command=command, cell=CELL_M, heading=360 / HEADINGS)
    text += markdown_table(totals(rows), TOTAL_COLUMNS)
    text += _best_heading(rows)
    text += f"\n![Recall over distance]({picture.name})\n"
    text += calibration_report.section(json_file, calibration_report.groups_of(rows))
    json_file.with_suffix(".md").write_text(text, encoding="utf-8")


def _best_heading(rows: Sequence[Row]) -> str:
    """What one who sees the street beside the car knows of the heading on the warped map."""
    warped = totals([row for row in rows if row.get("map") == "imperfect"])
    starts = [start for start in numbers(warped, "converged_after_m") if start < LENGTH_M]
    if not starts:
        return ""
    travels = tuple(np.arange(min(starts), LENGTH_M, 20.0).tolist())
    warp, car = ImperfectStyle(), OdometryErrors()
    share = heading_recall(math.radians(1.0), travels, warp, car, Observer())
    return f"""
On the imperfect map the warp turns streets by some degrees, which only travel averages out. Who
sees every 3 m how the car stands to a straight street beside it, as well as on the map as it is,
and has this odometer, has a `heading_recall_at_1deg` of {share:.3f} from {min(starts):.0f} to
{LENGTH_M:.0f} m (`evaluation/heading_limit.py`); who also uses the street ahead, where the warp is
another one, can know more, and so can smoothers, which know what came later.
"""


def draw_curves(path: Path, rows: Sequence[Row]) -> None:
    """Draw recall over distance, one panel per radius, one line per way to localize."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 4.2), layout="constrained")
    panels = figure.subplots(1, len(RADII_M), sharey=True)
    for panel, radius in zip(panels, RADII_M, strict=True):
        for name in dict.fromkeys(str(row["name"]) for row in rows):
            own = [row for row in rows if row["name"] == name]
            panel.plot(CURVE_M, recall_curve(own, radius), marker=".", label=name)
        panel.set_title(f"within {radius:g} m of the truth")
        panel.set_xlabel("distance driven (m)")
        panel.set_ylim(-0.03, 1.03)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("share of the drives")
    panels[-1].legend(fontsize="small", loc="lower right")
    figure.savefig(path, dpi=110)
