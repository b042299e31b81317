"""The self-calibration study as Markdown and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mdps_ros.evaluation.results import Row, markdown_table
from mdps_ros.evaluation.self_calibration import Verdict

COLUMNS = (
    "name",
    "filter",
    "particles",
    "position_rmse_m",
    "position_rmse_m_low",
    "position_rmse_m_high",
    "specified_position_rmse_m",
    "median_drive_m",
    "outage_rmse_m",
    "yaw_rmse_deg",
    "lost",
    "scale_error_percent",
    "scale_claimed_sd_percent",
    "bias_error_degps",
    "bias_claimed_sd_degps",
    "seconds",
)
SCREEN_COLUMNS = (
    "name",
    "filter",
    "particles",
    "position_rmse_m",
    "outage_rmse_m",
    "lost",
    "scale_error_percent",
    "bias_error_degps",
)

_INTRODUCTION = """# Odometry self-calibration

{drives} simulated drives of 120 s per scenario: the odometer is 3 % wrong, the gyroscope 0.3 deg/s,
a position fix comes once a second (sd 0.5 m, every tenth is an outlier of 5 m) but for two outages
of 12 s and 15 s. With `ghosts` every fix comes with a second one, 4 m to a side that flips now and
then, in unknown order. Position errors count from 20 s on; `low` and `high` are the 95 % bootstrap
interval over drives; a drive is lost when its mean error over the last 10 s exceeds 5 m. Scale and
bias errors are root mean squares at the end of the drives, beside the standard deviations that the
filter claims. `specified_*` are the figures of this project's NumPy prototype, on other
drives. The noise settings were chosen for both scenarios together from a
grid on {drives_tuning} other drives (`--tune`, self_calibration_tuning.json). Made by
`mdps evaluate self-calibration`.

`RB-MDPF` is the node's motion model with the mixture resampling; its pose noise is four times the
true one, and it believes that more fixes are bad than truly are. `true noise` shows why the first
is needed; `node's noise` has the node's default settings with starts wide enough for these drives.
`3-state filter` is the same filter over the pose alone. The second belief was tuned for both. All
filters have five times the stated particles for the first ten seconds.

"""


def markdown(rows: Sequence[Row], verdicts: Sequence[Verdict], tuning_drives: int) -> str:
    """The table, an explanation, and which targets were met."""
    text = _INTRODUCTION.format(drives=rows[0]["drives"], drives_tuning=tuning_drives)
    text += markdown_table(rows, COLUMNS) + "\n## Targets\n\n"
    lines = [f"- {verdict.text}: {'met' if verdict.met else 'missed'}" for verdict in verdicts]
    return text + "\n".join(lines) + "\n"


def picture(rows: Sequence[Row], path: Path) -> None:
    """Position errors of all filters, one panel per scenario."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(str(row["name"]) for row in rows))
    figure = Figure(figsize=(4.5 * len(names), 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        own = [row for row in rows if row["name"] == name]
        labels = [f"{row['filter']}, {row['particles']}" for row in own]
        table = np.array(
            [[row[f"position_rmse_m{part}"] for part in ("", "_low", "_high")] for row in own],
            dtype=np.float64,
        )
        error = [table[:, 0] - table[:, 1], table[:, 2] - table[:, 0]]
        panel.barh(labels, table[:, 0], xerr=error, capsize=3)
        panel.set(xscale="log", xlabel="position RMSE (m)", title=name)
        panel.grid(axis="x", which="both", alpha=0.3)
    panels[0].invert_yaxis()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
