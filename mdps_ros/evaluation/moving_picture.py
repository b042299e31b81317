"""A run as a moving picture: the belief shrinks from the map to the vehicle, then follows it."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from mdps_ros.core.mapdata import Bounds
from mdps_ros.evaluation.layout import found_at, frame_of
from mdps_ros.evaluation.panels import (
    Style,
    attribute,
    belief_window,
    draw_answer,
    draw_map,
    draw_particles,
)
from mdps_ros.evaluation.run import Trace
from mdps_ros.maps import Map

SIZE_PX, CAPTION_PX = 560, 24
QUALITY = 60
SEARCH, SEARCH_MS = 14, 450
"""Most pictures of the search, and how long one stands."""
GLIDE, GLIDE_MS = 5, 70
"""Most pictures for the way of the window to the next one, and how long one stands."""
GLIDE_FROM = 1.15
"""Windows that differ by this factor are glided between."""
FOLLOW, FOLLOW_MS = 40, 130
"""Most pictures of the drive after the search, and how long one stands."""
FOLLOW_M = 160.0
"""Width of their window."""
END_MS = 3000


class _Shot(NamedTuple):
    """One picture: of which estimate and which snapshot's particles, where, and for how long."""

    frame: int
    snapshot: int | None
    window: Bounds
    ms: int


def draw_moving(path: Path, trace: Trace, map: Map) -> None:
    """Draw one run as an animated WebP, which browsers show.

    Args:
        path: file to write.
        trace: the run; at least one snapshot.
        map: what it ran on.

    Raises:
        OSError: it cannot be written.
    """
    shots = list(_shots(trace, map))
    durations = [shot.ms for shot in shots[:-1]] + [END_MS]
    first, *rest = (_picture(trace, map, shot) for shot in shots)
    first.save(
        path,
        "WEBP",
        quality=QUALITY,
        save_all=True,
        append_images=list(rest),
        duration=durations,
        loop=0,
    )


def _shots(trace: Trace, map: Map) -> Iterator[_Shot]:
    """The search by its snapshots, then the drive."""
    found = found_at(trace)
    before: _Shot | None = None
    for index in _evenly(0, found, SEARCH):
        frame = frame_of(trace, trace.snapshots[index])
        shot = _Shot(frame, index, belief_window(map, trace, index, 1.0), SEARCH_MS)
        if before is not None:
            yield from _glide(before, shot.window)
        yield shot
        before = shot
    assert before is not None
    drive = _evenly(before.frame, len(trace.stamps_ns) - 1, FOLLOW)[1:]
    for frame in drive:
        window = _around(trace.estimate[frame, :2], FOLLOW_M)
        if frame == drive[0]:
            yield from _glide(before, window)
        yield _Shot(frame, None, window, FOLLOW_MS)


def _evenly(first: int, last: int, most: int) -> list[int]:
    """At most so many whole numbers from one to another, both included."""
    numbers: list[int] = np.unique(np.linspace(first, last, most).round().astype(int)).tolist()
    return numbers


def _glide(shot: _Shot, window: Bounds) -> Iterator[_Shot]:
    """The same picture while the window moves on to another one."""
    growth = math.log(window.width / shot.window.width)
    if abs(growth) < math.log(GLIDE_FROM):
        return
    here, there = _centre(shot.window), _centre(window)
    for share in np.arange(1, GLIDE) / GLIDE:
        width = shot.window.width * math.exp(share * growth)
        # in the picture the middle of the new window moves evenly, however much it grows
        part = (shot.window.width - width) / (shot.window.width - window.width)
        yield shot._replace(window=_around(here + part * (there - here), width), ms=GLIDE_MS)


def _centre(window: Bounds) -> NDArray[np.float64]:
    return np.array([window.min_x + window.max_x, window.min_y + window.max_y]) / 2.0


def _around(centre: NDArray[np.float64], width: float) -> Bounds:
    return Bounds(*(centre - width / 2), *(centre + width / 2))


def _picture(trace: Trace, map: Map, shot: _Shot) -> Image.Image:
    height = SIZE_PX + CAPTION_PX
    figure = Figure(figsize=(SIZE_PX / 100, height / 100), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98 * SIZE_PX / height))
    draw_map(axes, map, shot.window, Style(pixels_max=SIZE_PX))
    if shot.snapshot is not None:
        draw_particles(axes, trace.snapshots[shot.snapshot], shot.window)
    draw_answer(axes, trace, shot.frame, shot.window)
    attribute(axes, map)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100)
    return Image.open(drawn).convert("RGB")
