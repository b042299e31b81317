"""Map panels of a report: a belief at one moment, and the whole drive coloured by its error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds
from mdps_ros.evaluation.layout import frame_of, window_around
from mdps_ros.evaluation.metrics import CLAIM_MASS, Errors
from mdps_ros.evaluation.run import Trace
from mdps_ros.maps import Map
from mdps_ros.maps.render import ATTRIBUTION, render
from mdps_ros.runtime.outputs import ParticleSnapshot

INK = "#22262b"
FAINT = "#8a9097"
PARTICLE = "#d0147a"
ESTIMATE = "#1259c3"
TRUTH = "#101418"
GOOD = "#15803d"

LIKELY_MASS = 0.5
"""A best hypothesis with this share of the belief is worth a thin line."""
NEAR_M = 400.0
"""A window that is narrower shows headings."""
NICE_LENGTHS_M = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)


class Style(NamedTuple):
    """How pale the map is behind the data, and how large its picture may be."""

    fade: float = 0.35
    pixels_max: int = 900


def draw_map(axes: Axes, map: Map, window: Bounds, style: Style | None = None) -> None:
    """Paint a window of the map, with scale bar and without ticks."""
    style = style or Style()
    image, extent = render(map, window, style.pixels_max)
    pale = image + (255 - image.astype(np.float32)) * style.fade
    axes.imshow(pale.astype(np.uint8), extent=extent, interpolation="antialiased", zorder=0)
    axes.set_xlim(window.min_x, window.max_x)
    axes.set_ylim(window.min_y, window.max_y)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#c9ced4")
    _scale_bar(axes, window)


def attribute(axes: Axes, map: Map) -> None:
    """Credit the map's authors, where it lies on Earth and so comes from OpenStreetMap."""
    if map.anchor is not None:
        axes.text(
            0.995,
            0.008,
            ATTRIBUTION,
            transform=axes.transAxes,
            ha="right",
            va="bottom",
            fontsize=6.5,
            color="#5b6168",
            zorder=9,
        )


def _scale_bar(axes: Axes, window: Bounds) -> None:
    """A bar of a round length, lower left."""
    metres = max(
        (n for n in NICE_LENGTHS_M if n <= 0.3 * window.width),
        default=NICE_LENGTHS_M[0],
    )
    x = window.min_x + 0.03 * window.width
    y = window.min_y + 0.035 * window.height
    for colour, points in (("white", 5.0), (INK, 2.2)):
        axes.plot([x, x + metres], [y, y], color=colour, lw=points, zorder=9)
    label = f"{metres} m" if metres < 1000 else f"{metres // 1000} km"
    axes.text(
        x,
        y + 0.015 * window.height,
        label,
        fontsize=7.5,
        color=INK,
        va="bottom",
        zorder=9,
    )


def draw_belief(axes: Axes, map: Map, trace: Trace, index: int, aspect: float) -> None:
    """Particles, hypotheses, estimate and truth at the time of one snapshot."""
    frame = frame_of(trace, trace.snapshots[index])
    window = belief_window(map, trace, index, aspect)
    draw_map(axes, map, window)
    draw_particles(axes, trace.snapshots[index], window)
    draw_answer(axes, trace, frame, window)
    attribute(axes, map)


def belief_window(map: Map, trace: Trace, index: int, aspect: float) -> Bounds:
    """The part of the map that a belief is on at the time of one snapshot."""
    snapshot = trace.snapshots[index]
    frame = frame_of(trace, snapshot)
    edges = np.quantile(snapshot.poses[:, :2].astype(np.float64), [0.05, 0.95], axis=0)
    # A hypothesis that is nearly dead does not widen the window.
    alive = trace.modes[frame, trace.mode_mass[frame] >= 0.05, :2]
    points = np.concatenate([edges, alive, trace.estimate[[frame], :2], trace.truth[[frame], :2]])
    if index == 0 and trace.top_mass[frame] < LIKELY_MASS:  # a global start is on the whole map
        points = np.concatenate([points, np.reshape(map.bounds, (2, 2))])
    return window_around(points[np.isfinite(points).all(axis=1)], map.bounds, aspect)


def draw_particles(axes: Axes, snapshot: ParticleSnapshot, window: Bounds) -> None:
    """Particles, with their headings where the window is small."""
    poses, near = snapshot.poses.astype(np.float64), window.width < NEAR_M
    axes.scatter(
        poses[:, 0],
        poses[:, 1],
        s=7 if near else 3.5,
        c=PARTICLE,
        alpha=0.35 if near else 0.5,
        linewidths=0,
        zorder=3,
        rasterized=True,
    )
    if near:
        _draw_headings(axes, poses[:: max(1, len(poses) // 60)], 0.03 * window.width)


def draw_answer(axes: Axes, trace: Trace, frame: int, window: Bounds) -> None:
    """Hypotheses, the way until then, and the truth at one estimate; a caption above."""
    _draw_paths(axes, trace, frame)
    _draw_modes(axes, trace, frame, window)
    size = 0.024 if window.width < NEAR_M else 0.035
    _draw_pose(axes, trace.truth[frame], size * window.width)
    _caption(axes, trace, frame, int(trace.particles[frame]))


def _draw_paths(axes: Axes, trace: Trace, frame: int) -> None:
    """The truth so far, and the estimate as far back as it claimed a pose."""
    axes.plot(*trace.truth[: frame + 1, :2].T, color=TRUTH, lw=1.6, alpha=0.75, zorder=2)
    claims = trace.top_mass[: frame + 1] >= CLAIM_MASS
    claimed = np.where(claims[:, None], trace.estimate[: frame + 1, :2], np.nan)
    axes.plot(*claimed.T, color=ESTIMATE, lw=1.8, zorder=4)


def _draw_headings(axes: Axes, poses: NDArray[np.float64], length_m: float) -> None:
    """Short strokes along the headings of (N, 3) poses."""
    ahead = np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=1) * length_m
    strokes = np.stack([poses[:, :2], poses[:, :2] + ahead], axis=1)
    axes.add_collection(
        LineCollection(list(strokes), colors=PARTICLE, linewidths=0.7, alpha=0.45, zorder=3)
    )


def _draw_modes(axes: Axes, trace: Trace, frame: int, window: Bounds) -> None:
    """Rings around the hypotheses, the wider the more mass, with their share."""
    for rank, (mode, mass) in enumerate(
        zip(trace.modes[frame], trace.mode_mass[frame], strict=True)
    ):
        inside = window.min_x < mode[0] < window.max_x and window.min_y < mode[1] < window.max_y
        if not (inside and mass >= 0.01):
            continue
        axes.scatter(
            mode[0],
            mode[1],
            s=60 + 500 * mass,
            facecolors="none",
            edgecolors=ESTIMATE,
            linewidths=1.8 if rank == 0 else 1.1,
            zorder=5,
        )
        right = mode[0] < window.min_x + 0.8 * window.width
        axes.annotate(
            f"{100 * mass:.0f} %",
            mode[:2],
            xytext=((6 + 9 * mass) * (1 if right else -1), 6 + 9 * mass),
            textcoords="offset points",
            ha="left" if right else "right",
            fontsize=8,
            color=ESTIMATE,
            weight="bold" if rank == 0 else "normal",
            bbox={
                "boxstyle": "round,pad=0.12",
                "fc": "white",
                "ec": "none",
                "alpha": 0.75,
            },
            zorder=6,
        )


def _draw_pose(axes: Axes, pose: NDArray[np.float64], size_m: float) -> None:
    """A dart at a pose (3,); nothing when the pose is unknown."""
    if not np.isfinite(pose).all():
        return
    outline = np.array([[1.0, 0.0], [-0.7, 0.6], [-0.35, 0.0], [-0.7, -0.6]]) * size_m
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    corners = outline @ np.array([[cos, sin], [-sin, cos]]) + pose[:2]
    axes.fill(*corners.T, facecolor=TRUTH, edgecolor="white", linewidth=1.0, zorder=7)


def _caption(axes: Axes, trace: Trace, frame: int, particles: int) -> None:
    """When and with how many particles, above the panel."""
    seconds = (trace.stamps_ns[frame] - trace.stamps_ns[0]) * 1e-9
    axes.set_title(
        f"{trace.travelled[frame]:.0f} m",
        loc="left",
        fontsize=11,
        color=INK,
        weight="bold",
    )
    axes.set_title(
        f"{seconds:.0f} s · {particles:,} particles".replace(",", "\u2009"),
        loc="right",
        fontsize=8.5,
        color=FAINT,
    )


def draw_drive(axes: Axes, map: Map, trace: Trace, error: Errors | None, aspect: float) -> None:
    """The whole drive: truth, and the claimed estimates coloured by their error."""
    paths = trace.truth[:, :2] if error is not None else trace.estimate[:, :2]
    window = window_around(paths[np.isfinite(paths).all(axis=1)], map.bounds, aspect)
    draw_map(axes, map, window, Style(fade=0.5, pixels_max=1400))
    if error is None:
        claims = trace.top_mass >= CLAIM_MASS
        path = np.where(claims[:, None], trace.estimate[:, :2], np.nan)
        axes.plot(*path.T, color=ESTIMATE, lw=2.5, zorder=4)
    else:
        axes.plot(*trace.truth[:, :2].T, color=TRUTH, lw=1.0, ls=(0, (4, 2)), zorder=3)
        _draw_coloured(axes, trace, error.position_m)
        _draw_pose(axes, trace.truth[np.isfinite(error.position_m)][-1], 0.02 * window.width)
    attribute(axes, map)


def _draw_coloured(axes: Axes, trace: Trace, error_m: NDArray[np.float64]) -> None:
    """The best hypothesis coloured by its (T,) error: wide where claimed, thin where likely."""
    path = trace.estimate[:, :2]
    strokes = np.stack([path[:-1], path[1:]], axis=1)
    mass = np.minimum(trace.top_mass[:-1], trace.top_mass[1:])
    shown = (mass >= LIKELY_MASS) & np.isfinite(error_m[1:])
    widths = np.where(mass >= CLAIM_MASS, 5.0, 2.0)[shown]
    lines = LineCollection(list(strokes[shown]), cmap="turbo", linewidths=widths, zorder=4)
    lines.set_array(error_m[1:][shown])
    lines.set_clim(0.0, 5.0)
    lines.set_capstyle("round")
    axes.add_collection(lines)
    box = axes.inset_axes((0.66, 0.925, 0.325, 0.065), zorder=8)
    box.set_facecolor((1.0, 1.0, 1.0, 0.85))
    box.set_xticks([])
    box.set_yticks([])
    box.spines[:].set_visible(False)
    bar_axes = box.inset_axes((0.05, 0.52, 0.87, 0.24))
    bar = axes.figure.colorbar(lines, cax=bar_axes, orientation="horizontal", extend="max")
    bar.set_ticks([0, 1, 2, 3, 4, 5], labels=["0", "1", "2", "3", "4", "5 m"])
    bar.ax.tick_params(labelsize=7.5, color=INK, length=2, pad=1.5)
