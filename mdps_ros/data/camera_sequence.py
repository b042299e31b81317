"""The common form of camera images with known poses, wherever they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Intrinsics = tuple[float, float, float, float]
"""fx, fy, cx, cy in pixels; pixel centres lie at integers."""


class Place(Enum):
    """What the first two numbers of a sequence's poses are."""

    EARTH = "earth"
    """Latitude and longitude in degrees; yaw is counter-clockwise from true east."""
    MAP = "map"
    """x and y in metres of the map's frame."""
    NOWHERE = "nowhere"
    """x and y in metres of a frame whose place nobody knows."""


class CameraFrame(NamedTuple):
    """One image and where it was taken.

    Attributes:
        stamp_ns: exposure time, ns.
        rgb: (H, W, 3) uint8, free of distortion.
        pose: (3,) float64 of the base frame; the sequence's `place` says in what.
        intrinsics: of this image.
        T_base_camera: (4, 4), base <- optical frame (x right, y down, z forward); the base frame
            lies on the ground.
    """

    stamp_ns: int
    rgb: NDArray[np.uint8]
    pose: NDArray[np.float64]
    intrinsics: Intrinsics
    T_base_camera: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSequence:
    """Images of one drive in the order of time.

    Attributes:
        name: for people.
        place: what the poses are.
        frames: makes an iterator over the frames; images are decoded one by one.
    """

    name: str
    place: Place
    frames: Callable[[], Iterator[CameraFrame]]


def poses_at(
    stamps_ns: NDArray[np.int64],
    poses: NDArray[np.float64],
    wanted_ns: NDArray[np.int64],
    *,
    gap_ns: int,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Poses between those of a track, by straight lines.

    Args:
        stamps_ns: (T,) of the track, rising.
        poses: (T, 3), x, y and yaw rad; x and y may be degrees.
        wanted_ns: (N,) times.
        gap_ns: longest time between two poses that is bridged; as far as half of it, the track's
            ends are used beyond themselves.

    Returns:
        (N, 3) poses, yaw unwrapped, and (N,) whether the track says where the vehicle was then.
    """
    after = np.clip(np.searchsorted(stamps_ns, wanted_ns), 1, max(len(stamps_ns) - 1, 1))
    before, after = after - 1, np.minimum(after, len(stamps_ns) - 1)
    span = stamps_ns[after] - stamps_ns[before]
    # Differences first: nanoseconds of the present age do not fit into a float64.
    passed = np.clip(wanted_ns - stamps_ns[before], 0, span)
    share = (passed / np.maximum(span, 1))[:, None]
    straight = np.column_stack([poses[:, :2], np.unwrap(poses[:, 2])])
    found = straight[before] * (1.0 - share) + straight[after] * share
    outside = np.maximum(stamps_ns[0] - wanted_ns, wanted_ns - stamps_ns[-1])
    return found, (span <= gap_ns) & (outside <= gap_ns // 2)
