"""A smooth random displacement of the plane, in memory that does not grow with the city."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WAVES = 256
_PIECE = 0.05  # m before and behind a place
_CHUNK = 4096  # points at a time: 4096 x 256 waves x 2 axes of float64 is 16 MiB


@dataclass(frozen=True, slots=True)
class SmoothWarp:
    """A Gaussian random field per axis, as a sum of plane waves (random Fourier features).

    Over the draws of the waves the covariance of an axis is exactly sd^2 exp(-d^2 / (2 l^2)).

    Attributes:
        sd: m per axis.
        wave_vectors: (2, K, 2) rad/m, of each axis.
        phases: (2, K) rad.

    Source:
        A. Rahimi, B. Recht, "Random features for large-scale kernel machines", NIPS 2007.
    """

    sd: float
    wave_vectors: NDArray[np.float64]
    phases: NDArray[np.float64]

    def __call__(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Displacement (N, 2) m at the points (N, 2) m."""
        moved = np.empty_like(xy)
        for first in range(0, len(xy), _CHUNK):
            part = slice(first, first + _CHUNK)
            angles = np.einsum("akd,nd->nak", self.wave_vectors, xy[part]) + self.phases
            moved[part] = np.cos(angles).sum(axis=2)
        scaled: NDArray[np.float64] = moved * (self.sd * np.sqrt(2.0 / self.phases.shape[1]))
        return scaled

    def drawn(self, poses: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 3) poses x m, y m, yaw rad as the warped map draws them.

        The heading is that of the picture of a short straight piece of road.
        """
        ahead = np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=1)
        tips = [poses[:, :2] + sign * _PIECE * ahead for sign in (-1.0, 1.0)]
        back, front = (tip + self(tip) for tip in tips)
        yaw = np.arctan2(*(front - back).T[::-1])
        return np.column_stack([poses[:, :2] + self(poses[:, :2]), yaw])


def smooth_warp(sd: float, length: float, generator: np.random.Generator) -> SmoothWarp:
    """Draw a warp.

    Args:
        sd: m, standard deviation of either axis.
        length: m, the l of the correlation exp(-d^2 / (2 l^2)) between points at distance d.
        generator: source of randomness.
    """
    return SmoothWarp(
        sd,
        generator.standard_normal((2, _WAVES, 2)) / length,
        generator.uniform(0.0, 2.0 * np.pi, (2, _WAVES)),
    )
