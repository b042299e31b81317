"""Odometry from velocities, for vehicles that tell no pose."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mdps_ros.core import se2
from mdps_ros.notes import Note
from mdps_ros.runtime.events import OdometryEvent
from mdps_ros.runtime.frames import compose
from mdps_ros.runtime.inputs.messages import bad, stamp_ns

REGRESSION_NS = 1_000_000_000  # as in the session: further back is another run


class TwistOdometry:
    """Integrates velocities of the base; the first message is at the origin.

    Between two messages the velocity is their mean, on an arc.
    """

    def __init__(self) -> None:
        self._pose = np.zeros(3)
        self._last: tuple[int, NDArray[np.float64]] | None = None

    def event(self, header: Any, twist: Any) -> OdometryEvent | Note:
        """The pose after one more message.

        Args:
            header: std_msgs/Header of the message.
            twist: geometry_msgs/Twist, m/s and rad/s in the vehicle's frame.
        """
        stamp = stamp_ns(header)
        values = (twist.linear.x, twist.linear.y, twist.angular.z)
        velocity = np.array(values, dtype=np.float64)
        if not (np.isfinite(velocity).all() and np.abs(velocity).max() < 1e3):
            return bad("twist is not finite or too large; check the odometry")
        if self._last is None or stamp < self._last[0] - REGRESSION_NS:
            self._pose = np.zeros(3)
        elif stamp > self._last[0]:
            mean = 0.5 * (velocity + self._last[1]) * (stamp - self._last[0]) * 1e-9
            self._pose = compose(self._pose, se2.exp(torch.from_numpy(mean)).numpy())
        else:  # a duplicate or slightly late message, which the session passes over
            return OdometryEvent(stamp_ns=stamp, T_odom_base=self._pose)
        self._last = (stamp, velocity)
        return OdometryEvent(stamp_ns=stamp, T_odom_base=self._pose)
