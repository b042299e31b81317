"""Whether the odometry of a new run continues that of a saved belief."""

from __future__ import annotations

import math

from mdps_ros.runtime.events import OdometryEvent
from mdps_ros.runtime.keeping.belief_file import SavedBelief

RESUME_S = 600.0
"""Odometry that goes on later than this is taken to be another one."""
FASTEST = 70.0
"""m/s; odometry that went on faster has started anew."""


def goes_on(saved: SavedBelief, event: OdometryEvent) -> bool:
    """Whether a sample can be of the same odometry, further on."""
    seconds = (event.stamp_ns - saved.stamp_ns) * 1e-9
    moved = math.dist(event.T_odom_base[:2], saved.T_odom_base[:2])
    return 0.0 < seconds < RESUME_S and moved < FASTEST * seconds
