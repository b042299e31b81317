"""Ablations as one table, one table of paired differences, one picture and one page."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from mdps_ros.evaluation import hindsight_report, street_report
from mdps_ros.evaluation.dense_search import SINGLE_EVERY_M
from mdps_ros.evaluation.results import (
    Row,
    Value,
    markdown_table,
    mean_and_error,
    numbers,
    paired_differences,
    statistic,
    with_error,
)
from mdps_ros.evaluation.street_ablations import BASE, VARIANTS
from mdps_ros.evaluation.street_drives import A_MDPF, METHODS, OUTPUTS

COLUMNS = (
    "name",
    "drives",
    "converged_drives",
    "converged_after_m",
    "median_error_m",
    "recall_at_1m",
    "heading_recall_at_1deg",
    "recall_at_1m_after_100m",
    "recall_at_5m_after_100m",
    "nll_nats",
    "nll_after_100m_nats",
    "wrong_claim_share",
    "longest_wrong_claim_m",
    "particles_median",
)
DIFFERENCES: Mapping[str, str] = {
    "converged_after_m": "converged after (m)",
    "median_error_m": "median error (m)",
    "recall_at_1m": "recall at 1 m",
    "heading_recall_at_1deg": "heading recall at 1 deg",
    "recall_at_5m_after_100m": "recall at 5 m after 100 m",
    "nll_nats": "NLL (nats)",
    "nll_after_100m_nats": "NLL after 100 m (nats)",
}
"""Columns that are compared drive by drive, and what pictures call them."""
DRAWN = ("median_error_m", "recall_at_5m_after_100m", "nll_after_100m_nats")
LINEAR_NATS = 1.0
"""Up to which the axis of an NLL is linear; beyond it is logarithmic."""
SMOOTHER_COLUMNS = (
    "name",
    "runs",
    *hindsight_report.GAINS,
    *(f"{key}_gain" for key in hindsight_report.GAINS),
    "wrong_mode_share",
    "wrong_claim_share",
)

_INTRODUCTION = """# What each part gives: ablations in central Helsinki

{drives} simulated drives of 500 m on streets that no training frame shows (but for the suburb, all
of which was in the training of the camera's network). The base is the filter (MDPF) as it comes, on
an imperfect map, with a start anywhere in the extract and its heading known to 30 degrees. Every
other row changes one thing; columns are those of [helsinki.md](helsinki.md), and
`recall_at_*_after_100m` is over all frames beyond 100 m of travel, whether the drive converged or
not. Claims are by the masses that the session tells, which are less than the particles' until
images confirm a place that it searched for (`recovery.confirmation`); those of `a-mdpf` and of
`single frame` are by whole masses.

* `a-mdpf`: the mixture that is told weighs the newest frame by a power of its own, and has
  bandwidths of its own ({output}); the filter runs on `camera.weight` {weight:g}. All four were
  chosen on drives 0 to 5 of split `train`, by the NLL of all frames. `camera weight 2`: the filter
  of `a-mdpf`, coupled.
* `no stratification`: independent (multinomial) draws. `no kernels`: the plain particle filter.
  `no tempering`: a sharp image is taken at once. `no map error`: `map_error.sd` 0. `no roads`: the
  camera alone (the start is on a road all the same). `no camera`: roads and odometry alone.
* `single frame`: a dense search of each image by itself, every {single:g} m, over all roads; its
  heading prior is the start's, turned by the odometer.
* `N particles`: so many from the start to the end. The base begins with {begun} particles (median)
  and goes down as far as 500.
* `% of buildings missing`: of all buildings of the map, drawn at random. `roads shifted 2 m`: every
  road way by 2 m in a random direction of its own; ways that meet stay joined. The rows that begin
  with `clean` have no other errors of the map and are compared with `clean map`.
* `night`, `rain`: drawn so; the base's days are drawn at random, mostly sun or clouds.
  `other camera`: 62 degrees wide, 480 x 300 pixels, 2.2 m high, pitched by 6 and turned by 10
  degrees, all outside of what was drawn for training but the resolution, which is scaled.
* `suburb`: drives anywhere in the second extract, which has 48 km of roads.

Made by

    {command}

"""
_DIFFERENCES = """
## Differences, drive by drive

Mean difference to the base (rows that begin with `clean`: to `clean map`) over the drives for which
both have a value, plus or minus its standard error. Negative is better for metres and nats,
positive for recalls. Columns up to `heading_recall_at_1deg` are over the frames after convergence:
a variant that converges on few drives is compared on these only.

"""
_SMOOTHERS = """
## Smoothers on the same frames

The filter of the base, the smoother with a lag, and the offline smoother, on the frames from the
filter's convergence on. Mostly the filter's own particles are weighed anew by the future.
`all drawn from q` draws all particles from both filters' mixture instead, with weights divided by
its density q (Eq. 20 of MDPS); `without 1/q` leaves the division out, which is wrong on purpose.
`_gain` is the mean difference to the filter over the drives, plus or minus its standard error.

"""


def totals(rows: Sequence[Row]) -> list[Row]:
    """One row per variant, over its drives."""
    found = []
    for total in street_report.totals(rows):
        own = [row for row in rows if row["name"] == total["name"]]
        for key in ("recall_at_1m_after_100m", "recall_at_5m_after_100m"):
            total[key] = statistic(statistics.fmean, numbers(own, key))
        particles = statistic(statistics.median, numbers(own, "particles_median"))
        total["particles_median"] = None if particles is None else round(particles)
        found.append(total)
    return found


def gains(rows: Sequence[Row], key: str, name: str, against: str) -> list[float]:
    """Differences of a column over the drives for which both variants have a value."""

    def by_drive(variant: str) -> dict[Value, Row]:
        return {row["seed"]: row for row in rows if row["name"] == variant}

    return paired_differences(by_drive(name), by_drive(against), key)


def differences(rows: Sequence[Row]) -> list[Row]:
    """One row per variant that is compared with another one that is there."""
    names = list(dict.fromkeys(str(row["name"]) for row in rows))
    found = []
    for name in names:
        against = VARIANTS[name].against
        if name == against or against not in names:
            continue
        row: Row = {"name": name}
        for key in DIFFERENCES:
            row[key] = with_error(gains(rows, key, name, against))
        found.append(row)
    return found


def write_page(json_file: Path, rows: Sequence[Row], smoothed: Sequence[Row], command: str) -> None:
    """Write the page (.md) and its picture (.png) beside a result file.

    Args:
        json_file: the result file.
        rows: of the variants.
        smoothed: of the smoothers; may be none.
        command: that made them.
    """
    text = _introduction(rows, smoothed, command) + markdown_table(totals(rows), COLUMNS)
    compared = differences(rows)
    if compared:
        picture = json_file.with_suffix(".png")
        draw_differences(picture, rows)
        text += _DIFFERENCES + markdown_table(compared, ("name", *DIFFERENCES))
        text += f"\n![Differences to the base]({picture.name})\n"
    if smoothed:
        text += _SMOOTHERS + markdown_table(hindsight_report.totals(smoothed), SMOOTHER_COLUMNS)
    json_file.with_suffix(".md").write_text(text, encoding="utf-8")


def _introduction(rows: Sequence[Row], smoothed: Sequence[Row], command: str) -> str:
    told = OUTPUTS[A_MDPF]
    base = [row for row in rows if row["name"] == BASE] or rows
    begun = statistic(statistics.median, numbers(base, "particles_max"))
    return _INTRODUCTION.format(
        drives=len({row["seed"] for row in (*rows, *smoothed)}),
        output=f"power {told.power:g}, {told.bandwidth_position} m, {told.bandwidth_yaw} rad",
        weight=METHODS[A_MDPF]["camera.weight"],
        single=SINGLE_EVERY_M,
        begun="many" if begun is None else round(begun),
        command=command,
    )


def draw_differences(path: Path, rows: Sequence[Row]) -> None:
    """Draw the differences of DRAWN with their standard errors, one line per variant."""
    from matplotlib.figure import Figure

    compared = [str(row["name"]) for row in differences(rows)][::-1]
    figure = Figure(figsize=(12.0, 1.6 + 0.27 * len(compared)), layout="constrained")
    panels = figure.subplots(1, len(DRAWN), sharey=True, squeeze=False)[0]
    for panel, key in zip(panels, DRAWN, strict=True):
        for place, name in enumerate(compared):
            values = gains(rows, key, name, VARIANTS[name].against)
            if values:
                mean, error = mean_and_error(values)
                colour = "tab:blue" if VARIANTS[name].against == BASE else "tab:green"
                panel.errorbar(mean, place, xerr=error or 0.0, fmt="o", color=colour, capsize=3)
        panel.axvline(0.0, color="0.4", linewidth=1.0)
        if key.endswith("_nats"):
            panel.set_xscale("symlog", linthresh=LINEAR_NATS)
        panel.set_xlabel(f"difference in {DIFFERENCES[key]}")
        panel.grid(alpha=0.3)
    panels[0].set_ylim(-0.7, len(compared) - 0.3)
    panels[0].set_yticks(range(len(compared)), [_label(rows, name) for name in compared])
    figure.suptitle("Blue: to the base. Green: to the clean map. In brackets: converged drives")
    figure.savefig(path, dpi=110)


def _label(rows: Sequence[Row], name: str) -> str:
    own = [row for row in rows if row["name"] == name]
    return f"{name} ({len(numbers(own, 'converged_after_m'))}/{len(own)})"
