"""Rigid transforms of the tf2_ros stand-in: compose, invert and interpolate, in plain floats."""

from __future__ import annotations

import math
from typing import NamedTuple

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


class Rigid(NamedTuple):
    """T_parent_child: translation in metres and unit quaternion (x, y, z, w)."""

    translation: Vector
    rotation: Quaternion


IDENTITY = Rigid((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))


def multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """Hamilton product: first the rotation b, then a."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def rotate(q: Quaternion, v: Vector) -> Vector:
    """Rotate a vector by a unit quaternion."""
    x, y, z, w = q
    tx = 2.0 * (y * v[2] - z * v[1])
    ty = 2.0 * (z * v[0] - x * v[2])
    tz = 2.0 * (x * v[1] - y * v[0])
    return (
        v[0] + w * tx + y * tz - z * ty,
        v[1] + w * ty + z * tx - x * tz,
        v[2] + w * tz + x * ty - y * tx,
    )


def compose(a_b: Rigid, b_c: Rigid) -> Rigid:
    """T_a_c from T_a_b and T_b_c."""
    x, y, z = rotate(a_b.rotation, b_c.translation)
    tx, ty, tz = a_b.translation
    return Rigid((tx + x, ty + y, tz + z), multiply(a_b.rotation, b_c.rotation))


def invert(a_b: Rigid) -> Rigid:
    """T_b_a from T_a_b."""
    x, y, z, w = a_b.rotation
    back = (-x, -y, -z, w)
    tx, ty, tz = rotate(back, a_b.translation)
    return Rigid((-tx, -ty, -tz), back)


def interpolate(a: Rigid, b: Rigid, share: float) -> Rigid:
    """Linear in translation, spherical along the shorter arc in rotation.

    Args:
        a: the transform at share 0.
        b: the transform at share 1.
        share: in [0, 1].
    """
    ax, ay, az = a.translation
    bx, by, bz = b.translation
    moved = (ax + share * (bx - ax), ay + share * (by - ay), az + share * (bz - az))
    cosine = sum(p * q for p, q in zip(a.rotation, b.rotation, strict=True))
    sign = -1.0 if cosine < 0.0 else 1.0
    angle = math.acos(min(abs(cosine), 1.0))
    if angle < 1e-6:
        weight_a, weight_b = 1.0 - share, share
    else:
        weight_a = math.sin((1.0 - share) * angle) / math.sin(angle)
        weight_b = math.sin(share * angle) / math.sin(angle)
    x, y, z, w = (
        weight_a * p + sign * weight_b * q for p, q in zip(a.rotation, b.rotation, strict=True)
    )
    norm = math.sqrt(x * x + y * y + z * z + w * w)
    return Rigid(moved, (x / norm, y / norm, z / norm, w / norm))
