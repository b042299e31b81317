"""Picture of one drive in hindsight: where and when each method named the right place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mdps_ros.evaluation.layout import window_around
from mdps_ros.evaluation.metrics import CLAIM_MASS, CLAIM_RADIUS_M, errors
from mdps_ros.evaluation.panels import TRUTH, attribute, draw_map
from mdps_ros.evaluation.smoothing_frames import MethodFrames
from mdps_ros.maps import Map

COLOURS = ("#8a9097", "#ee7733", "#009988", "#0077bb", "#cc3311", "#33bbee")
SIZES = (46.0, 26.0, 16.0, 8.0, 8.0, 8.0)
"""Of the dots, in points squared: those of the later methods lie on those of the first."""
LEAST_M = 0.05
"""Errors below are drawn here."""
AFTER_M = 60.0
"""Travel that the map shows after the last method has found the place."""
REACH_M = 400.0
"""Hypotheses this far or farther from the drive are not on the map."""


def draw_hindsight(path: Path, frames: Mapping[str, MethodFrames], title: str, map: Map) -> None:
    """Write the picture.

    Args:
        path: An image file; its folder is made.
        frames: What each method said of the same frames, the filter first.
        title: Headline.
        map: Drawn behind the start of the drive.
    """
    figure = Figure(figsize=(14.0, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    place, curves = figure.subfigures(1, 2, squeeze=False, width_ratios=(5, 8))[0]
    _places(place.subplots(), frames, map)
    upper, lower = curves.subplots(2, 1, sharex=True, height_ratios=(2, 1))
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
    curves.legend(loc="outside lower center", ncols=len(frames), frameon=False)
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _places(axes: Axes, frames: Mapping[str, MethodFrames], map: Map) -> None:
    """The best hypotheses of every method on the map, until all have found the vehicle."""
    until = search_m(frames)
    first = next(iter(frames.values()))
    driven = first.truth[first.travelled <= until, :2]
    points = [driven]
    for size, colour, (method, said) in zip(SIZES, COLOURS, frames.items(), strict=False):
        shown = said.estimate[said.travelled <= until, :2]
        gap = np.linalg.norm(shown[:, None] - driven[None], axis=-1).min(1)
        near = shown[gap < REACH_M]
        points.append(near)
        away = len(shown) - len(near)
        label = f"{method} ({away} of {len(shown)} elsewhere)" if away else method
        axes.scatter(near[:, 0], near[:, 1], s=size, color=colour, lw=0, zorder=4, label=label)
    draw_map(axes, map, window_around(np.concatenate(points), map.bounds, 1.0))
    axes.plot(driven[:, 0], driven[:, 1], color=TRUTH, lw=1.0, zorder=5, label="truth")
    axes.plot(*driven[0], color=TRUTH, marker="o", ms=8, mfc="none", zorder=6)
    axes.set_title(f"best hypotheses of the first {until:.0f} m", loc="left")
    axes.legend(loc="upper right", fontsize=7.5, framealpha=0.9)
    attribute(axes, map)


def search_m(frames: Mapping[str, MethodFrames]) -> float:
    """Travel until which the map shows the drive, m: all of it where a method never arrives."""
    end = float(next(iter(frames.values())).travelled[-1])
    found = [said.converged_m for said in frames.values()]
    arrived = [metres for metres in found if metres is not None]
    return min(max(arrived) + AFTER_M, end) if len(arrived) == len(found) else end
