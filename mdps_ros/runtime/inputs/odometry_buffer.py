"""Odometry by stamp: ordered, bounded, interpolating; it never extrapolates."""

from __future__ import annotations

import bisect
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_PRUNE = 256  # samples that may be too old before the lists are cut


class OdometrySample(NamedTuple):
    """Odometry at one stamp: T_odom_base (3,) m, m, rad, and metres of path since the start."""

    stamp_ns: int
    T_odom_base: NDArray[np.float64]
    travelled: float


class OdometryBuffer:
    """Keeps the last `span` seconds of samples."""

    def __init__(self, span: float) -> None:
        """Args: span: seconds kept behind the newest sample."""
        self._span_ns = round(span * 1e9)
        self._stamps: list[int] = []
        self._samples: list[OdometrySample] = []

    @property
    def newest(self) -> OdometrySample | None:
        """The last sample, None while empty."""
        return self._samples[-1] if self._samples else None

    @property
    def oldest_ns(self) -> int | None:
        """Stamp of the first sample, None while empty."""
        return self._stamps[0] if self._stamps else None

    def clear(self) -> None:
        """Forget everything."""
        self._stamps.clear()
        self._samples.clear()

    def add(self, stamp_ns: int, T_odom_base: NDArray[np.float64]) -> bool:
        """Append a sample; False (and no change) unless its stamp is newer than all others."""
        travelled = 0.0
        if self._samples:
            last = self._samples[-1]
            if stamp_ns <= last.stamp_ns:
                return False
            moved = T_odom_base[:2] - last.T_odom_base[:2]
            travelled = last.travelled + math.hypot(moved[0], moved[1])
        self._stamps.append(stamp_ns)
        self._samples.append(OdometrySample(stamp_ns, T_odom_base, travelled))
        old = bisect.bisect_left(self._stamps, stamp_ns - self._span_ns)
        if old > _PRUNE:
            del self._stamps[:old], self._samples[:old]
        return True

    def at(self, stamp_ns: int) -> OdometrySample | None:
        """Odometry at a stamp, interpolated between its neighbours; None outside the samples."""
        index = bisect.bisect_left(self._stamps, stamp_ns)
        if index == len(self._stamps):
            return None
        after = self._samples[index]
        if after.stamp_ns == stamp_ns:
            return after
        if index == 0:
            return None
        before = self._samples[index - 1]
        share = (stamp_ns - before.stamp_ns) / (after.stamp_ns - before.stamp_ns)
        step = after.T_odom_base - before.T_odom_base
        step[2] = math.remainder(step[2], 2 * math.pi)
        travelled = before.travelled + share * (after.travelled - before.travelled)
        return OdometrySample(stamp_ns, before.T_odom_base + share * step, travelled)
