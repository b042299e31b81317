"""How a frame grows: one panel per quantity, time over its value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mdps_ros.evaluation.results import Row

PANELS = {
    "area": "map area, km²",
    "particles": "particles",
    "cameras": "cameras",
    "lag": "smoother's lag, s",
}


def points(rows: Sequence[Row], quantity: str) -> list[tuple[float, float]]:
    """(value, median ms per frame) of the cases that vary a quantity, rising."""
    found = []
    for row in rows:
        words = str(row["case"]).split()
        time = row["median_ns_per_item"]
        if row["suite"] == "scale" and words[0] == quantity and isinstance(time, float):
            found.append((float(words[1]), time / 1e6))
    return sorted(found)


def picture(rows: Sequence[Row], path: Path) -> None:
    """Draw the suite `scale`.

    Args:
        rows: of all suites.
        path: PNG to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 2.8), layout="constrained")
    for axes, (quantity, label) in zip(figure.subplots(1, 4), PANELS.items(), strict=True):
        drawn = points(rows, quantity)
        axes.plot(*zip(*drawn, strict=True), "o-") if drawn else axes.text(0.3, 0.5, "not run")
        if quantity in ("area", "particles"):
            axes.set_xscale("log")
        if quantity == "particles":
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0.0)
        axes.set_xlabel(label)
    figure.axes[0].set_ylabel("ms per frame, median")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
