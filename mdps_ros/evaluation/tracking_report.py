"""The tracking study as Markdown and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdps_ros.evaluation.results import Row, markdown_table

COLUMNS = (
    "name",
    "particles",
    "position_rmse_m",
    "position_rmse_m_low",
    "position_rmse_m_high",
    "specified_position_rmse_m",
    "median_run_m",
    "specified_median_run_m",
    "velocity_rmse_mps",
    "specified_velocity_rmse_mps",
    "acceleration_rmse_mps2",
    "specified_acceleration_rmse_mps2",
    "diverged",
    "specified_diverged",
    "agrees",
    "seconds",
)
SCREEN_COLUMNS = (
    "name",
    "particles",
    "position_rmse_m",
    "specified_position_rmse_m",
    "median_run_m",
    "specified_median_run_m",
    "diverged",
    "specified_diverged",
    "agrees",
)
SMOOTHING_COLUMNS = (
    "name",
    "particles",
    "position_rmse_m",
    "position_rmse_m_low",
    "position_rmse_m_high",
    "median_run_m",
    "velocity_rmse_mps",
    "acceleration_rmse_mps2",
    "diverged",
)

_INTRODUCTION = """# Range-bearing tracking

Root mean square errors of a target's position, velocity and acceleration over {runs} runs,
from the sixth measurement on. `low` and `high` are the 95 % bootstrap interval over the runs;
`median_run_m` is the position error of the median run; a run diverged when its position error
exceeded 100 m once. `specified_*` are the figures of this project's NumPy prototype, and
`agrees` says whether the position errors differ by less than three standard errors of the
difference of two studies on different targets. With the default seed the targets are those of the
prototype (so the EKF row is equal); the filters' draws are not. Made by `mdps evaluate tracking`.

"""

_SMOOTHING = """
## Smoothing

The same targets, one run of the Rao-Blackwellised filter, and its smoothers.

"""


def is_smoother(row: Row) -> bool:
    """Whether a row belongs to the second table."""
    return "seconds" not in row


def markdown(rows: Sequence[Row]) -> str:
    """Both tables with a short explanation."""
    filters = [row for row in rows if not is_smoother(row)]
    smoothers = [row for row in rows if is_smoother(row)]
    text = _INTRODUCTION.format(runs=rows[0]["runs"]) + markdown_table(filters, COLUMNS)
    return text + _SMOOTHING + markdown_table(smoothers, SMOOTHING_COLUMNS)


def picture(rows: Sequence[Row], path: Path) -> None:
    """Position error against the number of particles, with bootstrap intervals."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    filters = [row for row in rows if not is_smoother(row)]
    for name in dict.fromkeys(str(row["name"]) for row in filters):
        own = [row for row in filters if row["name"] == name]
        errors = _numbers(own, "position_rmse_m")
        if own[0]["particles"] is None:
            axes.axhline(errors[0], color="grey", linestyle=":", label=name)
            continue
        counts = _numbers(own, "particles")
        interval = [
            errors - _numbers(own, "position_rmse_m_low"),
            _numbers(own, "position_rmse_m_high") - errors,
        ]
        axes.errorbar(counts, errors, yerr=interval, marker="o", capsize=3, label=name)
        specified = _numbers(own, "specified_position_rmse_m")
        axes.plot(counts, specified, linestyle="none", marker="x", color="black")
    axes.plot([], [], linestyle="none", marker="x", color="black", label="NumPy prototype")
    axes.set(xscale="log", yscale="log", xlabel="particles", ylabel="position RMSE (m)")
    axes.grid(which="both", alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def _numbers(rows: Sequence[Row], key: str) -> NDArray[np.float64]:
    """One column; NaN where a row lacks the value."""
    values = [row.get(key) for row in rows]
    numbers = [value if isinstance(value, (int, float)) else np.nan for value in values]
    return np.array(numbers, dtype=np.float64)
