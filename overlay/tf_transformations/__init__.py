"""Stand-in for tf_transformations: quaternions (x, y, z, w), Euler angles, 4 x 4 matrices.

On transforms3d, as the package itself, whose quaternions begin with w. Angles are radians; the
default axes "sxyz" are roll, pitch, yaw about fixed axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import transforms3d
from numpy.typing import ArrayLike, NDArray

Matrix = NDArray[np.float64]
Quaternion = tuple[float, float, float, float]


def _w_first(quaternion: ArrayLike) -> NDArray[np.float64]:
    return np.roll(np.asarray(quaternion, dtype=np.float64), 1)


def _w_last(quaternion: Sequence[Any]) -> Quaternion:
    w, x, y, z = (float(value) for value in quaternion)
    return x, y, z, w


def _homogeneous(rotation: ArrayLike) -> Matrix:
    matrix: Matrix = np.identity(4)
    matrix[:3, :3] = rotation
    return matrix


def quaternion_from_euler(ai: float, aj: float, ak: float, axes: str = "sxyz") -> Quaternion:
    """Quaternion of three angles in radians."""
    return _w_last(transforms3d.euler.euler2quat(ai, aj, ak, axes=axes))


def euler_from_quaternion(quaternion: ArrayLike, axes: str = "sxyz") -> tuple[float, float, float]:
    """Three angles in radians of a quaternion."""
    ai, aj, ak = transforms3d.euler.quat2euler(_w_first(quaternion), axes=axes)
    return float(ai), float(aj), float(ak)


def quaternion_matrix(quaternion: ArrayLike) -> Matrix:
    """4 x 4 rotation matrix of a quaternion."""
    return _homogeneous(transforms3d.quaternions.quat2mat(_w_first(quaternion)))


def quaternion_from_matrix(matrix: ArrayLike) -> Quaternion:
    """Quaternion of the rotation in a 3 x 3 or 4 x 4 matrix."""
    rotation = np.asarray(matrix, dtype=np.float64)[:3, :3]
    return _w_last(transforms3d.quaternions.mat2quat(rotation))


def quaternion_about_axis(angle: float, axis: ArrayLike) -> Quaternion:
    """Quaternion of a rotation about an axis by an angle in radians."""
    return _w_last(transforms3d.quaternions.axangle2quat(np.asarray(axis), angle))


def quaternion_multiply(quaternion1: ArrayLike, quaternion0: ArrayLike) -> Quaternion:
    """First the rotation quaternion0, then quaternion1."""
    return _w_last(transforms3d.quaternions.qmult(_w_first(quaternion1), _w_first(quaternion0)))


def quaternion_conjugate(quaternion: ArrayLike) -> Quaternion:
    """The quaternion with its vector part negated."""
    return _w_last(transforms3d.quaternions.qconjugate(_w_first(quaternion)))


def quaternion_inverse(quaternion: ArrayLike) -> Quaternion:
    """The quaternion that undoes this one."""
    return _w_last(transforms3d.quaternions.qinverse(_w_first(quaternion)))


def euler_matrix(ai: float, aj: float, ak: float, axes: str = "sxyz") -> Matrix:
    """4 x 4 rotation matrix of three angles in radians."""
    return _homogeneous(transforms3d.euler.euler2mat(ai, aj, ak, axes=axes))


def euler_from_matrix(matrix: ArrayLike, axes: str = "sxyz") -> tuple[float, float, float]:
    """Three angles in radians of the rotation in a 3 x 3 or 4 x 4 matrix."""
    ai, aj, ak = transforms3d.euler.mat2euler(np.asarray(matrix)[:3, :3], axes=axes)
    return float(ai), float(aj), float(ak)


def translation_matrix(direction: ArrayLike) -> Matrix:
    """4 x 4 matrix of a translation."""
    matrix: Matrix = np.identity(4)
    matrix[:3, 3] = np.asarray(direction, dtype=np.float64)[:3]
    return matrix


def translation_from_matrix(matrix: ArrayLike) -> NDArray[np.float64]:
    """The translation in a 4 x 4 matrix."""
    return np.array(matrix, dtype=np.float64)[:3, 3]


def identity_matrix() -> Matrix:
    """4 x 4 identity."""
    return np.identity(4)


def inverse_matrix(matrix: ArrayLike) -> Matrix:
    """Inverse of a square matrix."""
    return np.asarray(np.linalg.inv(np.asarray(matrix, dtype=np.float64)))


def concatenate_matrices(*matrices: ArrayLike) -> Matrix:
    """Product of 4 x 4 matrices from left to right."""
    return np.asarray(reduce(np.dot, (np.asarray(m) for m in matrices), np.identity(4)))
