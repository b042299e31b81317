"""The way of the vehicle: what was estimated at every frame, and what smoothers made of it."""

from __future__ import annotations

import math
import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.runtime.outputs import PoseEstimate, SmoothedTrajectory

MOST = 20_000
"""Frames that are remembered: half an hour at 10 Hz; some 20 MB with a smoother."""


class TrailPose(NamedTuple):
    """Where the vehicle was at a frame.

    Attributes:
        stamp_ns: of the frame.
        T_map_base: (3,) float64 mean x m, y m, yaw rad of the top hypothesis.
        covariance: (3, 3) float64 of the whole belief about that mean.
        mass: share of the belief in that hypothesis.
        smoothed: seen again with what was measured since.
        final: no smoother will see it again.
        moved: m from where the filter saw it at the frame, 0 where that is what is told; nan where
            it is not remembered.
    """

    stamp_ns: int
    T_map_base: NDArray[np.float64]
    covariance: NDArray[np.float64]
    mass: float
    smoothed: bool
    final: bool
    moved: float


class Trail:
    """Remembers the newest frames of a run on one map; any thread may write or ask.

    Args:
        smoothing: whether a smoother will have the last word on a frame.
    """

    def __init__(self, smoothing: bool = False) -> None:
        self._smoothing = smoothing
        self._lock = threading.Lock()
        self._filtered: dict[int, TrailPose] = {}
        self._smoothed: dict[int, TrailPose] = {}

    def forget(self) -> None:
        """The map was changed, or time went back."""
        with self._lock:
            self._filtered.clear()
            self._smoothed.clear()

    def add(self, estimate: PoseEstimate) -> None:
        """What the filter said of a frame; the last word at a stamp counts."""
        at, top = estimate.stamp_ns, estimate.modes[0].mass
        pose = TrailPose(at, estimate.T_map_base, estimate.covariance, top, False, True, 0.0)
        with self._lock:
            _keep(self._filtered, pose)

    def smooth(self, trajectory: SmoothedTrajectory) -> tuple[TrailPose, ...]:
        """What a smoother says of the newest frames; replaces what it said of them before.

        Returns:
            Its poses one by one, oldest first.
        """
        with self._lock:
            poses = self._poses(trajectory)
            # a walk may end after all was forgotten: then nothing of it is remembered
            if any(pose.stamp_ns in self._filtered for pose in poses):
                for pose in poses:
                    _keep(self._smoothed, pose)
        return poses

    @property
    def smoothing(self) -> bool:
        """Whether somebody smooths."""
        return self._smoothing

    def between(self, begin_ns: int, end_ns: int, smoothed: bool) -> tuple[TrailPose, ...]:
        """The poses of a time, oldest first.

        Args:
            begin_ns: stamp of the first one at the earliest.
            end_ns: stamp of the last one at the latest; 0 for the newest there is.
            smoothed: as a smoother sees them, where one has seen them; else as the filter did.
                Those that one has still to see are not final.
        """
        with self._lock:
            poses = dict(self._filtered)
            if smoothed and self._smoothing:
                seen = max((at for at, p in self._smoothed.items() if p.final), default=-1)
                poses = {at: p._replace(final=at <= seen) for at, p in poses.items()}
            if smoothed:
                poses |= self._smoothed
        until = end_ns or max(poses, default=0)
        return tuple(poses[at] for at in sorted(poses) if begin_ns <= at <= until)

    def _poses(self, trajectory: SmoothedTrajectory) -> tuple[TrailPose, ...]:
        """The poses of a trajectory one by one, beside those of the filter."""
        rows = zip(
            trajectory.stamps_ns.tolist(),
            trajectory.T_map_base,
            trajectory.covariance,
            trajectory.mass.tolist(),
            trajectory.smoothed.tolist(),
            trajectory.final.tolist(),
            strict=True,
        )
        poses = []
        for at, pose, covariance, mass, smoothed, final in rows:
            moved = self._moved(at, pose, smoothed)
            # copies: a row would keep all of its trajectory
            poses.append(
                TrailPose(at, pose.copy(), covariance.copy(), mass, smoothed, final, moved)
            )
        return tuple(poses)

    def _moved(self, at: int, pose: NDArray[np.float64], smoothed: bool) -> float:
        if not smoothed:
            return 0.0
        before = self._filtered.get(at)
        return math.nan if before is None else math.dist(pose[:2], before.T_map_base[:2])


def _keep(poses: dict[int, TrailPose], pose: TrailPose) -> None:
    poses[pose.stamp_ns] = pose
    if len(poses) > MOST:
        del poses[next(iter(poses))]
