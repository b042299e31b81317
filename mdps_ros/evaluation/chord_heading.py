"""The heading of a vehicle from where it was, without regard to the headings that a truth tells.

A truth's positions may be good to decimetres and its headings off by half a degree for hundreds of
metres. Odometry knows its own heading well over tens of metres. The turn that lays the chords of
the odometry's track on those of the positions is then the heading of the odometry's frame. As both
are tracks of one point, it does not matter how the sensor is mounted, which a direction of travel
alone would take for heading.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CHORD_M = 8.0
"""Length of a chord; noise of positions counts the less, the longer it is."""
WINDOW_M = 25.0
"""Standard deviation of the weights with which chords along the track count for a pose."""


def chord_heading(positions: Floats, track: Floats) -> Floats:
    """Headings, rad, of the vehicle in the frame of the positions.

    Args:
        positions: (T, 2) m, where it was.
        track: (T, 3) x m, y m, yaw rad: odometry of the same point at the same times.

    Returns:
        (T,) not wrapped.

    Raises:
        ValueError: the track is shorter than a chord.
    """
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(track[:, :2], axis=0).T))])
    end = np.searchsorted(travelled, travelled + CHORD_M)
    begin = np.flatnonzero(end < len(travelled))
    if not len(begin):
        raise ValueError(f"a track of {travelled[-1]:.1f} m has no chord of {CHORD_M:g} m")
    end = end[begin]
    place, odometry = (_chords(xy, begin, end) for xy in (positions, track[:, :2]))
    turn = np.unwrap(np.angle(place / odometry))
    middle = (travelled[begin] + travelled[end]) / 2
    weights = np.exp(-0.5 * ((travelled[:, None] - middle) / WINDOW_M) ** 2) * np.abs(odometry)
    found: Floats = track[:, 2] + (weights @ turn) / weights.sum(axis=1)
    return found


def _chords(xy: Floats, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.complex128]:
    """(C,) from begin to end, as complex numbers."""
    chord = xy[end] - xy[begin]
    return chord[:, 0] + 1j * chord[:, 1]
