"""Hashes and smooth noise for procedural surfaces, inlined into numba code."""

from __future__ import annotations

import math

import numba

inline = numba.njit(inline="always", fastmath=True)


@inline
def hashed(x: int, y: int, seed: int) -> float:
    """A number in [0, 1] that looks random and stays the same."""
    value = (x * 374761393 + y * 668265263 + seed * 2147483647) & 0xFFFFFFFF
    value = ((value ^ (value >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((value ^ (value >> 16)) & 0xFFFF) / 65535.0


@inline
def noise(x: float, y: float, seed: int) -> float:
    """Smooth noise of unit period in [0, 1]."""
    column, row = math.floor(x), math.floor(y)
    fx, fy = x - column, y - row
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    low = hashed(column, row, seed) * (1 - fx) + hashed(column + 1, row, seed) * fx
    high = hashed(column, row + 1, seed) * (1 - fx) + hashed(column + 1, row + 1, seed) * fx
    return low * (1 - fy) + high * fy
