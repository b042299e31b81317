"""The last claimed pose, moved on to the newest odometry; never ahead of it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mdps_ros.models.motion import Control, coupling, pose_noise
from mdps_ros.notes import Note
from mdps_ros.runtime.events import OdometryEvent
from mdps_ros.runtime.frames import between, compose, inverse
from mdps_ros.runtime.jumps import CAUSES
from mdps_ros.runtime.outputs import Output, PoseEstimate, State, TransformEstimate
from mdps_ros.settings import MotionSettings


class PredictedPose(NamedTuple):
    """Pose (3,) m, m, rad and covariance (3, 3) in the map frame, at an odometry stamp."""

    stamp_ns: int
    T_map_base: NDArray[np.float64]
    covariance: NDArray[np.float64]


class _Anchor(NamedTuple):
    """A claimed pose and the odometry that it was claimed at."""

    estimate: PoseEstimate
    T_map_odom: NDArray[np.float64]
    T_odom_base: NDArray[np.float64]


class Predictor:
    """Predicts at odometry stamps, at a bounded rate.

    `see` and `predict` may be called by two threads: they share one reference to a value.

    Args:
        settings: noise of the motion.
        rate_hz: at most this many predictions per second of odometry; 0 for none.
    """

    def __init__(self, settings: MotionSettings, rate_hz: float) -> None:
        self._due_ns: int | None = None
        self.adopt(settings, rate_hz)
        self._newest_ns: int | None = None
        self._estimate: PoseEstimate | None = None
        self._anchor: _Anchor | None = None

    def adopt(self, settings: MotionSettings, rate_hz: float) -> None:
        """Predict by another noise and rate from now on."""
        self._settings = settings
        self._period_ns = round(1e9 / rate_hz) if rate_hz > 0.0 else None
        self._due_ns = None

    def see(self, output: Output) -> None:
        """Take what a session says, in its order."""
        if isinstance(output, PoseEstimate):
            self._estimate = output
            if output.state is not State.TRACKING:
                self._anchor = None
        elif isinstance(output, TransformEstimate) and self._estimate is not None:
            T_odom_base = compose(inverse(output.T_map_odom), self._estimate.T_map_base)
            self._anchor = _Anchor(self._estimate, output.T_map_odom, T_odom_base)
        elif isinstance(output, Note) and output.code in CAUSES:
            self._anchor = None

    def forget(self) -> None:
        """Nothing is claimed until the next estimate."""
        self._anchor = None

    def predict(self, event: OdometryEvent) -> PredictedPose | None:
        """The pose at this odometry; None when nothing is claimed or the rate is kept already."""
        anchor, newest, stamp = self._anchor, self._newest_ns, event.stamp_ns
        if newest is not None and newest - 1_000_000_000 <= stamp <= newest:
            return None  # a duplicate or slightly late sample; further back is another run
        if newest is not None and stamp < newest:
            self._due_ns = None
        self._newest_ns = stamp
        if anchor is None or stamp < anchor.estimate.stamp_ns or not self._due(stamp):
            return None
        covariance = self._grown(anchor, event)
        return PredictedPose(stamp, compose(anchor.T_map_odom, event.T_odom_base), covariance)

    def _due(self, stamp: int) -> bool:
        """Whether it is time for another one; on the average the rate is kept exactly."""
        if self._period_ns is None:
            return False
        due = self._due_ns
        if due is not None and stamp < due - self._period_ns // 100:
            return False
        late = due is None or stamp > due + self._period_ns
        self._due_ns = (stamp if late or due is None else due) + self._period_ns
        return True

    def _grown(self, anchor: _Anchor, event: OdometryEvent) -> NDArray[np.float64]:
        """(3, 3) covariance after the motion since the anchor, by the filter's motion model.

        The odometry is taken as it comes, so its estimated calibration is an error, too.
        """
        estimate, settings = anchor.estimate, self._settings
        increment = between(anchor.T_odom_base, event.T_odom_base)
        control = Control(
            increment=torch.from_numpy(increment)[None],
            distance=torch.tensor([math.hypot(increment[0], increment[1])]),
            dt=torch.tensor([(event.stamp_ns - estimate.stamp_ns) * 1e-9], dtype=torch.float64),
        )
        share = settings.weak_share
        wander = (1 - share) * settings.wander_sd**2 + share * settings.weak_wander_sd**2
        errors = (
            *(sum(value**2 for value in pair) for pair in (estimate.scale, estimate.yaw_bias)),
            *(settings.slip_sd**2, wander),
        )
        gain = coupling(control)[0].numpy()
        noise = pose_noise(control, settings)[0].numpy()
        body = (gain * np.array(errors)) @ gain.T + np.diag(noise**2)
        yaw = estimate.T_map_base[2]
        cos, sin = math.cos(yaw), math.sin(yaw)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        moved = turn @ [increment[0], increment[1], 0.0]
        lever = np.eye(3)
        lever[0, 2], lever[1, 2] = -moved[1], moved[0]
        grown: NDArray[np.float64] = lever @ estimate.covariance @ lever.T + turn @ body @ turn.T
        return grown
