"""What the map panels of a report show: which moments, and which part of the map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds
from mdps_ros.evaluation.metrics import CLAIM_MASS
from mdps_ros.evaluation.run import Trace
from mdps_ros.runtime.outputs import ParticleSnapshot

SMALLEST_WINDOW_M = 70.0
MOST_OF_THE_MAP = 0.6
"""A window that would show this share of the map's height shows all of it."""


def choose_snapshots(trace: Trace, count: int) -> list[int]:
    """Snapshots that tell the story: more of the search, fewer of the tracking after it.

    The search ends where the longest streak of claims begins. It gets two thirds of the panels,
    evenly in time from the very start to its end; the rest of the run gets the others.

    Args:
        trace: one run.
        count: how many at most.

    Returns:
        Rising indices into `trace.snapshots`.
    """
    total = len(trace.snapshots)
    if total <= count:
        return list(range(total))
    found = found_at(trace)
    searching = min(-(-2 * count // 3), found + 1)
    tracking = min(count - searching, total - 1 - found)
    searching = count - tracking
    before = np.linspace(0, found, min(searching, found + 1))
    after = np.linspace(found, total - 1, tracking + 1)[1:]
    return sorted({round(index) for index in (*before.tolist(), *after.tolist())})


def found_at(trace: Trace) -> int:
    """Index of the snapshot at which the longest streak of claims begins; the last without any."""
    best, best_length, length = len(trace.snapshots) - 1, 0, 0
    for index, snapshot in enumerate(trace.snapshots):
        claims = trace.top_mass[frame_of(trace, snapshot)] >= CLAIM_MASS
        length = length + 1 if claims else 0
        if length > best_length:
            best, best_length = index - length + 1, length
    return best


def window_around(points: NDArray[np.float64], bounds: Bounds, aspect: float) -> Bounds:
    """A window of the given width / height that holds the points, not larger than the map.

    Args:
        points: (P, 2) m.
        bounds: of the map.
        aspect: width over height of the window.

    Returns:
        Centred on the points, or on the map along an axis where the map is smaller.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.maximum((high - low) * 1.2, SMALLEST_WINDOW_M)
    height = max(size[1], size[0] / aspect)
    whole = max(bounds.height, bounds.width / aspect)
    if height > MOST_OF_THE_MAP * whole:
        height = whole
    half = 0.5 * np.array([aspect * height, height])
    map_low = np.array([bounds.min_x, bounds.min_y])
    map_high = np.array([bounds.max_x, bounds.max_y])
    first, last = map_low + half, map_high - half
    centre = np.clip(0.5 * (low + high), np.minimum(first, last), np.maximum(first, last))
    centre = np.where(first > last, 0.5 * (map_low + map_high), centre)
    return Bounds(*(centre - half), *(centre + half))


def frame_of(trace: Trace, snapshot: ParticleSnapshot) -> int:
    """Index of the estimate that was given with a snapshot, or the next one after it."""
    index = int(np.searchsorted(trace.stamps_ns, snapshot.stamp_ns))
    return min(index, len(trace.stamps_ns) - 1)
