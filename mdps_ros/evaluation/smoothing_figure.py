"""Picture of one drive in hindsight: when each method named the right place, and how surely."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mdps_ros.evaluation.metrics import CLAIM_MASS, CLAIM_RADIUS_M, errors
from mdps_ros.evaluation.smoothing_frames import MethodFrames

COLOURS = ("#bbbbbb", "#ee7733", "#009988", "#0077bb", "#cc3311", "#33bbee")
LEAST_M = 0.05
"""Errors below are drawn here."""


def draw_hindsight(path: Path, frames: Mapping[str, MethodFrames], title: str) -> None:
    """Write the picture.

    Args:
        path: An image file; its folder is made.
        frames: What each method said of the same frames, the filter first.
        title: Headline.
    """
    figure = Figure(figsize=(10.0, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for colour, (method, said) in zip(COLOURS, frames.items(), strict=False):
        error = errors(said.estimate, said.truth).position_m
        width = 2.5 if colour == COLOURS[0] else 1.2
        upper.plot(said.travelled, np.maximum(error, LEAST_M), color=colour, lw=width, label=method)
        lower.plot(said.travelled, said.mass, color=colour, lw=width)
    upper.axhline(CLAIM_RADIUS_M, color="#222222", lw=0.8, ls=":")
    lower.axhline(CLAIM_MASS, color="#222222", lw=0.8, ls=":")
    upper.set_yscale("log")
    upper.set_ylabel("error of the best hypothesis (m)")
    lower.set_ylabel("its share of the belief")
    lower.set_xlabel("travelled (m)")
    upper.set_title(title, loc="left")
    figure.legend(loc="outside lower center", ncols=len(frames), frameon=False)
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
