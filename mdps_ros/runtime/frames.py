"""Planar transforms of single poses (3,) m, m, rad in float64; batches are in core.se2."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Pose = NDArray[np.float64]


def compose(T_a_b: Pose, T_b_c: Pose) -> Pose:
    """T_a_c."""
    cos, sin = math.cos(T_a_b[2]), math.sin(T_a_b[2])
    x = T_a_b[0] + cos * T_b_c[0] - sin * T_b_c[1]
    y = T_a_b[1] + sin * T_b_c[0] + cos * T_b_c[1]
    return np.array([x, y, math.remainder(T_a_b[2] + T_b_c[2], 2 * math.pi)])


def inverse(T_a_b: Pose) -> Pose:
    """T_b_a."""
    cos, sin = math.cos(T_a_b[2]), math.sin(T_a_b[2])
    x = -cos * T_a_b[0] - sin * T_a_b[1]
    y = sin * T_a_b[0] - cos * T_a_b[1]
    return np.array([x, y, -T_a_b[2]])


def between(T_a_b: Pose, T_a_c: Pose) -> Pose:
    """T_b_c."""
    return compose(inverse(T_a_b), T_a_c)
