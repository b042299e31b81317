"""Picture of the bearings-only study: every seed's NLL, its median, and what was published."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mdps_ros.evaluation.results import Row

SEED, MEDIAN, PUBLISHED = "#4477aa", "#222222", "#cc3311"


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the picture.

    Args:
        rows: One per set-up, method and seed; see `bearings.study_rows`.
        path: An image file; its folder is made.
    """
    setups = list(dict.fromkeys(_setup(row) for row in rows))
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(setups), squeeze=False)[0]
    for panel, setup in zip(axes, setups, strict=True):
        _panel(panel, setup, [row for row in rows if _setup(row) == setup])
    axes[0].set_ylabel("NLL at the true pose (nats)")
    handles = [
        Line2D([], [], marker="o", linestyle="", color=SEED, label="one seed"),
        Line2D([], [], color=MEDIAN, label="median"),
        Line2D([], [], marker="x", linestyle="", color=PUBLISHED, label="published median"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _setup(row: Row) -> str:
    return str(row["name"]).split(" ", 1)[0]


def _panel(panel: Axes, setup: str, rows: Sequence[Row]) -> None:
    methods = list(dict.fromkeys(str(row["name"]) for row in rows))
    by_method = [[row for row in rows if row["name"] == name] for name in methods]
    values = [[float(row["nll"] or 0.0) for row in group] for group in by_method]
    order = sorted(range(len(methods)), key=lambda i: statistics.median(values[i]))
    for place, i in enumerate(order):
        middle, published = statistics.median(values[i]), by_method[i][0]["published_nll"]
        panel.plot([place] * len(values[i]), values[i], "o", color=SEED, alpha=0.6)
        panel.plot([place - 0.25, place + 0.25], [middle, middle], color=MEDIAN)
        if published is not None:
            panel.plot(place, published, "x", color=PUBLISHED)
    panel.set_xticks(
        range(len(order)), [methods[i].split(" ", 1)[1] for i in order], rotation=40, ha="right"
    )
    first_row = rows[0]
    panel.set_title(f"{setup}: {first_row['particles']} particles, {first_row['steps']} steps")
    panel.grid(axis="y", alpha=0.3)
