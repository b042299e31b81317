"""Picture of calibration: the reliability diagram of the share, and histograms of the transform."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mdps_ros.evaluation.calibration_report import Group, reliability
from mdps_ros.evaluation.pit import AXES


def draw(path: Path, groups: Sequence[Group]) -> None:
    """Write the picture.

    Args:
        path: an image file; its folder is made.
        groups: one line each.
    """
    figure = Figure(figsize=(15.0, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 1 + len(AXES))
    panels[0].plot([0, 1], [0, 1], color="grey", linestyle=":")
    for group in groups:
        _reliability(panels[0], group)
        for counts, panel in zip(group.whole().pit[0], panels[1:], strict=True):
            density = counts / max(counts.mean(), 1e-300)
            panel.stairs(density, np.linspace(0.0, 1.0, len(counts) + 1))
    panels[0].set(
        xlabel="share of the best hypothesis",
        ylabel="share of the frames with the truth there",
        title="reliability (area: frames)",
        ylim=(-0.03, 1.03),
    )
    for axis, panel in zip(AXES, panels[1:], strict=True):
        panel.axhline(1.0, color="grey", linestyle=":")
        panel.set(xlabel="distribution function at the truth", title=f"PIT, {axis}", ylim=(0, None))
    panels[1].set_ylabel("frames, relative to uniform")
    for panel in panels:
        panel.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=min(len(groups), 4), fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _reliability(panel: Axes, group: Group) -> None:
    """How often each bin's hypotheses hold the truth, with standard errors over drives."""
    rows = reliability([group])
    mean, inside, error, frames = (
        np.array([row[key] for row in rows], float)
        for key in ("mean_share", "inside_share", "inside_share_se", "frames")
    )
    line = panel.errorbar(mean, inside, yerr=error, capsize=2, lw=1, label=group.name)
    panel.scatter(mean, inside, s=4.0 + 200.0 * frames / frames.sum(), color=line[0].get_color())
