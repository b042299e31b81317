"""Height above the ground where the vehicle pitches and rolls on its springs.

The extrinsics are those of the standing vehicle; half a degree of pitch moves the ground at 30 m
by a quarter of a metre, as much as a kerb. The plane under the wheels is therefore found anew in
every image, close to where the extrinsics put it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PITCH_LIMIT = np.radians(3.0)  # rad searched either way
PITCH_STEPS = 25
FIT_RANGE = 18.0  # m ahead; farther ground may belong to another slope
FIT_POINTS = 4000  # points that vote, evenly taken
MIN_INLIERS = 60
# Prior of the plane (height m, slope forward, slope left) about the extrinsics: springs and the
# road's own camber. One residual counts with INLIER_SD, a hundred points count as one.
PRIOR_SD = np.array([0.05, np.radians(1.0), np.radians(1.0)])
INLIER_SD = 0.05
POINTS_PER_LOOK = 100.0


def level_heights(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights above the ground plane that the points themselves show.

    A vote over the pitch (points near the plane) starts a least-squares fit with a Gaussian
    prior about the extrinsics' plane z = 0. Where too little ground is seen, z itself is kept.

    Args:
        points: (M, 3) m, base frame.

    Returns:
        (M,) m.
    """
    distance = np.hypot(points[:, 0], points[:, 1])
    tolerance = np.tan(PITCH_LIMIT) * distance + 0.15
    low = (distance < FIT_RANGE) & (np.abs(points[:, 2]) < tolerance)
    sample = points[low]
    if len(sample) < MIN_INLIERS:
        return np.asarray(points[:, 2])
    sample = sample[:: max(1, len(sample) // FIT_POINTS)]
    slopes = np.tan(np.linspace(-PITCH_LIMIT, PITCH_LIMIT, PITCH_STEPS))
    residual = sample[:, 2] - slopes[:, None] * sample[:, 0]
    votes = np.exp(-0.5 * (residual / 0.1) ** 2).sum(axis=1)
    # Equal votes go to the slope nearest to the extrinsics.
    plane = np.array([0.0, slopes[np.argmax(votes - 1e-3 * np.abs(slopes))], 0.0])
    design = np.column_stack([np.ones(len(sample)), sample[:, 0], sample[:, 1]])
    for band in (0.15, 0.1, 0.1):
        inlier = np.abs(sample[:, 2] - design @ plane) < band
        if inlier.sum() < MIN_INLIERS:
            return np.asarray(points[:, 2])
        plane = _fit(design[inlier], sample[inlier, 2])
    return np.asarray(points[:, 2] - plane[0] - points[:, :2] @ plane[1:])


def _fit(design: NDArray[np.float64], height: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) height m, slope forward, slope left: the posterior mean under PRIOR_SD."""
    precision = design.T @ design / (POINTS_PER_LOOK * INLIER_SD**2) + np.diag(PRIOR_SD**-2.0)
    pull = design.T @ height / (POINTS_PER_LOOK * INLIER_SD**2)
    return np.asarray(np.linalg.solve(precision, pull))
