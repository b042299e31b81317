"""The study of single frames as Markdown and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mdps_ros.evaluation.camera_examples import Example
from mdps_ros.evaluation.camera_frames import AS_DRAWN, LEVELS, RADII_M, reliability
from mdps_ros.evaluation.camera_real import RealFrame
from mdps_ros.evaluation.camera_window import FrameResult, WindowScore, best_pose
from mdps_ros.evaluation.results import Row, markdown_table
from mdps_ros.models.camera.networks import AUXILIARY, Ground

SCREEN_COLUMNS = (
    "name",
    "frames",
    *(f"recall_{radius:g}m" for radius in RADII_M),
    "median_error_m",
    "median_yaw_error_deg",
    "nll_nats",
    "calibration_error",
)
_COLOURS = np.array(
    [
        [0.45, 0.42, 0.40],
        [0.25, 0.30, 0.75],
        [0.80, 0.70, 0.45],
        [0.85, 0.20, 0.50],
        [0.50, 0.75, 0.35],
        [0.10, 0.40, 0.10],
    ]
)
"""Of the classes AUXILIARY."""

_INTRODUCTION = """# Single frames: the camera's score in a window

Held-out streets (`{folder}`, {frames} frames, weights `{weights}`). Every frame is scored alone on
a grid of 64 x 64 m in steps of 1 m (times the camera's height over 1.6 m) and +-30 degrees in
steps of 2.5 degrees ({poses} poses for 1.6 m), whose middle lies up to 16 m per axis and 15
degrees from the truth. `recall_5m` is the share of the frames whose best pose (mean of the best
grid pose and its neighbours) lies within 5 m. `nll_nats` is the mean of -log p of the true pose's
grid cell; a uniform guess has {uniform:.2f}. `calibration_error` is the mean distance of the
reliability curve from the diagonal: for every mass m, the share of the frames whose truth lies in
the most likely poses that together have the mass m should be m.

`as it is` is the map that the frames were rendered from. `imperfect` is the headline: a smooth
warp of 1 m per axis (15 m correlation length), 30 % of the small things and 5 % of the buildings
missing, 10 % of the road widths wrong by 30 %. In both rows the camera's height, pitch and focal
length differ from what the model is told by 2 %, and the vehicle tilts.

`imperfect, where it is drawn` holds the same answers against the place where the warped map draws
the truth: how well the image is found on the map. `imperfect, best possible` is what a model would
reach that finds every frame exactly there: the rest is the map's own error, which no single image
can tell.

"""


def markdown(rows: Sequence[Row], folder: str, weights: str, command: str) -> str:
    """The table with what its columns mean."""
    poses = 65 * 65 * 25
    text = _INTRODUCTION.format(
        folder=folder,
        weights=weights,
        frames=rows[0]["frames"],
        poses=poses,
        uniform=float(np.log(poses)),
    )
    return f"{text}{markdown_table(rows)}\nMade by\n\n```\n{command}\n```\n"


def draw(
    path: Path,
    results: Mapping[str, Sequence[FrameResult]],
    examples: Sequence[Example],
) -> None:
    """Draw examples (frame, ground plan, score on each map) and the curves of all frames.

    Args:
        path: PNG to write.
        results: of all frames, by the name of the map.
        examples: frames to show.
    """
    names = [name for name in results if not name.endswith(AS_DRAWN)]
    columns = 2 + len(names)
    figure = Figure(figsize=(4.0 * columns, 2.9 * len(examples) + 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        len(examples) + 1,
        columns,
        height_ratios=[1.0] * len(examples) + [1.35],
        width_ratios=[1.7, 0.8] + [1.0] * len(names),
    )
    for line, (rgb, ground, windows, pose) in enumerate(examples):
        axes = figure.add_subplot(grid[line, 0])
        axes.imshow(rgb)
        axes.set_axis_off()
        draw_plan(figure.add_subplot(grid[line, 1]), ground)
        for column, name in enumerate(names):
            panel = figure.add_subplot(grid[line, 2 + column])
            _score(panel, windows[name], pose)
            panel.set_title(f"score, map {name}" if line == 0 else "", fontsize=10)
    half = columns // 2
    _curves(figure.add_subplot(grid[-1, :half]), results)
    _recall(figure.add_subplot(grid[-1, half:]), results)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def draw_real(path: Path, frames: Sequence[RealFrame]) -> None:
    """Draw real images, what the model sees in them, and where the car drives (red)."""
    figure = Figure(figsize=(9.0, 2.4 * len(frames)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(frames), 2, width_ratios=[2.6, 1.0])
    for line, frame in enumerate(frames):
        axes = figure.add_subplot(grid[line, 0])
        axes.imshow(frame.rgb)
        axes.set_axis_off()
        axes = figure.add_subplot(grid[line, 1])
        draw_plan(axes, frame.ground)
        track = np.where(frame.driven, 1.0, np.nan)[::-1]
        axes.imshow(track, cmap="autumn", vmin=1.0, vmax=2.0, alpha=0.45, interpolation="nearest")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def draw_plan(axes: Axes, ground: Ground) -> None:
    """Classes of the ground before the camera, the camera at the bottom."""
    share = torch.sigmoid(ground.classes[0].float()).numpy()
    visible = ground.visible[0, 0].numpy()[..., None]
    strength = share.transpose(1, 2, 0)
    colour = np.ones((*strength.shape[:2], 3))
    for number in range(len(AUXILIARY)):
        part = strength[..., number : number + 1]
        colour = colour * (1 - part) + part * _COLOURS[number]
    axes.imshow((colour * visible + 0.93 * (1 - visible))[::-1], interpolation="nearest")
    axes.set_axis_off()


def _score(axes: Axes, window: WindowScore, pose: NDArray[np.float64]) -> None:
    """Log of the mass over x and y, the best heading at each place, about the true pose."""
    best = window.log_share.max(axis=0)
    middle = window.poses[len(window.poses) // 2]
    drawn = axes.pcolormesh(
        middle[..., 0] - pose[0],
        middle[..., 1] - pose[1],
        np.maximum(best, best.max() - 20.0),
        cmap="magma",
        shading="nearest",
        rasterized=True,
    )
    drawn.set_clim(best.max() - 20.0, best.max())
    found = best_pose(window) - pose
    axes.plot(0.0, 0.0, "o", mfc="none", mec="cyan", ms=9, label="truth")
    axes.plot(found[0], found[1], "x", color="lime", ms=7, label="best")
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7)


def _curves(axes: Axes, results: Mapping[str, Sequence[FrameResult]]) -> None:
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    for name, values in results.items():
        axes.plot(LEVELS, reliability(values), marker="o", ms=3, label=name)
    axes.set(
        xlabel="mass of the likeliest poses", ylabel="share of the frames with the truth there"
    )
    axes.set_title("calibration", fontsize=10)
    axes.legend()
    axes.grid(alpha=0.3)


def _recall(axes: Axes, results: Mapping[str, Sequence[FrameResult]]) -> None:
    for name, values in results.items():
        errors = np.sort([value.error_m for value in values])
        axes.plot(errors, np.arange(1, len(errors) + 1) / len(errors), label=name)
    axes.set(xscale="log", xlim=(0.1, 50), ylim=(0, 1), xlabel="error of the best pose (m)")
    axes.set_ylabel("share of the frames")
    axes.set_title("recall", fontsize=10)
    axes.legend()
    axes.grid(alpha=0.3, which="both")
