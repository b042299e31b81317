"""What a running node said, as one row per estimate: `pose`, `hypotheses` and `status` joined."""

from __future__ import annotations

import math
from typing import Any

from mdps_ros.runtime.inputs.messages import stamp_ns
from mdps_ros.runtime.outputs import PoseEstimate, State

Row = dict[str, Any]
"""JSON-ready: stamp_ns, pose [x m, y m, yaw rad], covariance (3 x 3 of x, y, yaw), modes (each
pose, covariance, mass), state, particles, effective_particles, travelled_m."""

PENDING_MAX = 1000


class LiveRecord:
    """Joins the messages of one stamp, in whatever order the three topics come."""

    def __init__(self) -> None:
        self._parts: dict[int, Row] = {}

    def pose(self, msg: Any) -> Row | None:
        """Add a PoseWithCovarianceStamped; returns the row once it is whole."""
        return self._add(msg, _planar(msg.pose))

    def hypotheses(self, msg: Any) -> Row | None:
        """Add a HypothesisArray; returns the row once it is whole."""
        modes = [_planar(item.pose) | {"mass": float(item.share)} for item in msg.hypotheses]
        return self._add(msg, {"modes": modes})

    def status(self, msg: Any) -> Row | None:
        """Add a LocalizerStatus; returns the row once it is whole."""
        part = {
            "state": state_name(msg),
            "particles": int(msg.particles),
            "effective_particles": float(msg.effective_particles),
            "travelled_m": float(msg.travelled_m),
        }
        return self._add(msg, part)

    def _add(self, msg: Any, part: Row) -> Row | None:
        stamp = stamp_ns(msg.header)
        row = self._parts.setdefault(stamp, {"stamp_ns": stamp})
        row.update(part)
        if len(self._parts) > PENDING_MAX:  # a part was lost on the way
            del self._parts[min(self._parts)]
        if {"pose", "modes", "state"} <= row.keys():
            return self._parts.pop(stamp)
        return None


def row_of(estimate: PoseEstimate) -> Row:
    """The row that a node would be recorded with for this estimate."""
    return {
        "stamp_ns": estimate.stamp_ns,
        "pose": estimate.T_map_base.tolist(),
        "covariance": estimate.covariance.tolist(),
        "modes": [
            {
                "pose": mode.T_map_base.tolist(),
                "covariance": mode.covariance.tolist(),
                "mass": float(mode.mass),
            }
            for mode in estimate.modes
        ],
        "state": estimate.state.name,
        "particles": int(estimate.particles),
        "effective_particles": float(estimate.effective_particles),
        "travelled_m": float(estimate.travelled),
    }


def state_name(msg: Any) -> str:
    """Name of the state of a LocalizerStatus, which carries the constants itself."""
    names = (state.name for state in State if getattr(msg, state.name) == msg.state)
    return next(names, str(msg.state))


def _planar(value: Any) -> Row:
    """Pose and (3, 3) covariance of a PoseWithCovariance with zero roll and pitch."""
    pose, full = value.pose, value.covariance
    yaw = 2.0 * math.atan2(pose.orientation.z, pose.orientation.w)
    kept = (0, 1, 5)
    return {
        "pose": [pose.position.x, pose.position.y, math.remainder(yaw, math.tau)],
        "covariance": [[float(full[6 * i + j]) for j in kept] for i in kept],
    }
