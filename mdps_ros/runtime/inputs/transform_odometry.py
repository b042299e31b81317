"""Odometry from TF, for vehicles whose driver tells it by transforms alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdps_ros.notes import Note
from mdps_ros.runtime.events import OdometryEvent
from mdps_ros.runtime.frames import between
from mdps_ros.runtime.inputs.messages import bad, frame_name, stamp_ns, transform_matrix

DEEPEST = 100  # frames between the base and the odometry frame, before it is taken for a loop


class TransformOdometry:
    """Reads the pose of the base from the transforms out of the odometry frame.

    The frame that moves may be the base or one that carries it, such as a footprint; what lies
    between that one and the base is taken as it is at the time of the message.

    Args:
        odom: the odometry frame.
        base: the vehicle's frame.
        parents: frame -> parent of all frames that TF knows.
        placement: (4, 4) frame <- base, the latest; None where TF does not tie them.
    """

    def __init__(
        self,
        odom: str,
        base: str,
        parents: Callable[[], Mapping[str, str]],
        placement: Callable[[str], NDArray[np.float64] | None],
    ) -> None:
        self._odom = odom
        self._base = base
        self._parents = parents
        self._placement = placement
        self._carrier: str | None = None
        self._last: OdometryEvent | None = None

    def events(self, transforms: Any) -> Iterator[tuple[OdometryEvent | Note, NDArray[np.float64]]]:
        """What a message tells: each pose with the mean velocity since the one before.

        Args:
            transforms: list of geometry_msgs/TransformStamped; others than those are passed over.

        Returns:
            Events, or BAD_MESSAGE notes, each with (3,) m/s forward, m/s left and rad/s.
        """
        for item in transforms:
            if frame_name(item.header.frame_id) != self._odom:
                continue
            child = frame_name(item.child_frame_id)
            if child != self._base and child != self._found():
                continue
            T_odom_child = transform_matrix(item.transform)
            if T_odom_child is None:
                text = f"transform {self._odom} -> {child} is not finite or its quaternion is zero"
                yield bad(f"{text}; check the odometry"), np.zeros(3)
                continue
            T_child_base = np.eye(4) if child == self._base else self._placement(child)
            if T_child_base is not None:
                yield self._event(stamp_ns(item.header), T_odom_child @ T_child_base)

    def _event(
        self, stamp: int, T_odom_base: NDArray[np.float64]
    ) -> tuple[OdometryEvent, NDArray[np.float64]]:
        yaw = math.atan2(T_odom_base[1, 0], T_odom_base[0, 0])
        pose = np.array([T_odom_base[0, 3], T_odom_base[1, 3], yaw])
        event = OdometryEvent(stamp_ns=stamp, T_odom_base=pose)
        last, self._last = self._last, event
        if last is None or stamp <= last.stamp_ns:
            return event, np.zeros(3)
        seconds = (stamp - last.stamp_ns) * 1e-9
        return event, between(last.T_odom_base, pose) / seconds

    def _found(self) -> str | None:
        """The frame below the odometry frame that carries the base, once TF ties the two."""
        if self._carrier is None:
            parents, frame = self._parents(), self._base
            for _ in range(DEEPEST):
                parent = parents.get(frame)
                if parent == self._odom:
                    self._carrier = frame
                if parent is None or parent == self._odom:
                    break
                frame = parent
        return self._carrier
