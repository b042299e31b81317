"""A picture of a run's losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mdps_ros.evaluation.panels import ESTIMATE, FAINT, INK, PARTICLE
from mdps_ros.training.run_log import read_log

FILE = "curves.png"
_WINDOWS = 100  # of the smoothed training loss, over the whole run


def draw_curves(run_dir: Path) -> Path:
    """Draw the losses of all stages over the steps of the run; returns the picture's path.

    Thin lines are members, thick ones their median. The training loss is a running mean.
    """
    lines = read_log(run_dir)
    starts = _stage_starts(lines)
    figure = Figure(figsize=(9.0, 6.4), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    losses, norms = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1.0])
    train = _series(lines, starts, "train_loss")
    norm = _series(lines, starts, "gradient_norm")
    valid = _series(lines, starts, "validation_loss")
    window = max(1, len(train[0]) // _WINDOWS)
    _draw(losses, train[0], _running_mean(train[1], window), FAINT, "training")
    _draw(losses, *valid, PARTICLE, "validation")
    _draw(norms, norm[0], _running_mean(norm[1], window), ESTIMATE, "gradient norm")
    shown = np.concatenate([valid[1].ravel(), _running_mean(train[1], window).ravel()])
    low, high = np.nanquantile(shown, [0.0, 0.98])
    losses.set_ylim(low - 0.05 * (high - low) - 1e-9, high + 0.1 * (high - low) + 1e-9)
    norms.set_yscale("log")
    losses.set_title("Loss", loc="left", fontsize=11, weight="bold", color=INK)
    norms.set_title("Norm of the gradient before clipping", loc="left", fontsize=11, color=INK)
    norms.set_xlabel("step", fontsize=9.5)
    losses.legend(loc="upper center", frameon=False, fontsize=9)
    for panel in (losses, norms):
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(True, color="#e8ebee", lw=0.8)
        panel.tick_params(labelsize=8.5)
        for start in starts.values():
            panel.axvline(start, color=FAINT, lw=0.9, ls=(0, (4, 2)))
    for name, start in starts.items():
        losses.annotate(
            name,
            (start, 0.99),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=9,
            va="top",
            color=INK,
        )
    path = run_dir / FILE
    figure.savefig(path, format="png", dpi=110, metadata={"Software": "mdps_ros"})
    return path


def _stage_starts(lines: list[dict[str, Any]]) -> dict[str, int]:
    """Steps of the run at which its stages began."""
    starts: dict[str, int] = {}
    step = 0
    for line in lines:
        starts.setdefault(line["stage"], step)
        step = starts[line["stage"]] + line["iteration"]
    return starts


def _series(
    lines: list[dict[str, Any]], starts: dict[str, int], key: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps (K,) and values (K, M); what was not finite is NaN."""
    found = [line for line in lines if key in line]
    steps = np.array([starts[line["stage"]] + line["iteration"] for line in found], dtype=float)
    return steps, np.array([line[key] for line in found], dtype=float)


def _running_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Mean over the last `window` values that are finite, per member; of fewer at the start."""
    finite = np.isfinite(values)
    sums = np.cumsum(np.where(finite, values, 0.0), axis=0)
    counts = np.cumsum(finite, axis=0).astype(float)
    sums[window:] -= sums[:-window].copy()
    counts[window:] -= counts[:-window].copy()
    mean: NDArray[np.float64] = np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)
    return mean


def _draw(
    axes: Axes,
    steps: NDArray[np.float64],
    values: NDArray[np.float64],
    colour: str,
    label: str,
) -> None:
    """One line per member and their median."""
    if values.shape[1] > 1:
        axes.plot(steps, values, color=colour, lw=0.7, alpha=0.45)
    axes.plot(steps, np.nanmedian(values, axis=1), color=colour, lw=1.8, label=label)
