"""Errors and scores of one run, as pure functions of arrays.

Axes: T frames, in order of time. Poses are (x m, y m, yaw rad) in the map frame. A frame
*claims* when its best hypothesis holds at least CLAIM_MASS of the belief.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLAIM_MASS = 0.9
"""Share of the belief that makes the best hypothesis a claim: the yardstick of every published
row, whatever `estimate.claim_mass` a filter runs with."""
CLAIM_RADIUS_M = 5.0
"""A claim farther than this from the truth is wrong."""
HOLD_M = 100.0
"""Travel through which a right claim must stay right to count as convergence."""
NEES_95 = 7.814727903251179
"""95 % point of chi-square with 3 degrees of freedom, for (x, y, yaw)."""


class Errors(NamedTuple):
    """Estimate minus truth, signed, axes of the true vehicle."""

    position_m: Floats  # (T,) distance
    longitudinal_m: Floats  # (T,) ahead of the truth is positive
    lateral_m: Floats  # (T,) left of the truth is positive
    heading_rad: Floats  # (T,) in [-pi, pi)


class Score(NamedTuple):
    """One run in numbers; a value is None where the run never got far enough to have it.

    Everything from `median_error_m` to `consistent_share` is over the frames from convergence
    to the end of the run.
    """

    converged_after_m: float | None
    median_error_m: float | None
    mean_error_m: float | None
    p95_error_m: float | None
    median_lateral_m: float | None
    median_longitudinal_m: float | None
    median_heading_deg: float | None
    recall_at_1m: float | None
    recall_at_2m: float | None
    recall_at_3m: float | None
    recall_at_5m: float | None
    recall_at_10m: float | None
    heading_recall_at_1deg: float | None
    heading_recall_at_2deg: float | None
    heading_recall_at_3deg: float | None
    heading_recall_at_5deg: float | None
    consistent_share: float | None
    wrong_claim_share: float
    longest_wrong_claim_m: float
    claim_share: float
    frames: int


AFTER_CONVERGENCE = Score._fields[1 : Score._fields.index("wrong_claim_share")]
"""Names of the fields of Score that need convergence."""
RECALL_RADII_M = (1, 2, 3, 5, 10)
RECALL_ANGLES_DEG = (1, 2, 3, 5)


def wrap(angle_rad: Floats) -> Floats:
    """Angles in [-pi, pi)."""
    wrapped: Floats = np.mod(angle_rad + np.pi, 2 * np.pi) - np.pi
    return wrapped


def errors(estimate: Floats, truth: Floats) -> Errors:
    """Errors of (T, 3) estimates against (T, 3) truth; the position error split by true yaw."""
    dx, dy = estimate[:, 0] - truth[:, 0], estimate[:, 1] - truth[:, 1]
    cos, sin = np.cos(truth[:, 2]), np.sin(truth[:, 2])
    return Errors(
        position_m=np.hypot(dx, dy),
        longitudinal_m=cos * dx + sin * dy,
        lateral_m=-sin * dx + cos * dy,
        heading_rad=wrap(estimate[:, 2] - truth[:, 2]),
    )


def converged_after_m(
    travelled: Floats, position_error_m: Floats, top_mass: Floats
) -> float | None:
    """Travel at the first right claim that stays a right claim for the next HOLD_M metres.

    Args:
        travelled: (T,) m since the start, never falling.
        position_error_m: (T,) m, of the best hypothesis.
        top_mass: (T,) share of the belief in the best hypothesis.

    Returns:
        Metres, or None: the run never did it, or ended less than HOLD_M after it began to.
    """
    wrong = (top_mass < CLAIM_MASS) | ~(position_error_m <= CLAIM_RADIUS_M)
    wrong_at = np.append(travelled[wrong], np.inf)
    # Only the first frame of each right streak can be the answer: later ones end no later.
    starts = np.flatnonzero(~wrong & np.append(True, wrong[:-1]))
    for start in starts:
        held_until = travelled[start] + HOLD_M
        next_wrong = wrong_at[np.count_nonzero(wrong[:start])]
        if travelled[-1] >= held_until and next_wrong > held_until:
            return float(travelled[start])
    return None


def wrong_claim_share(position_error_m: Floats, top_mass: Floats) -> float:
    """Claiming frames that are off by more than CLAIM_RADIUS_M, over all claiming frames.

    0.0 when no frame claims: nothing wrong was said. `claim_share` tells that case apart.
    """
    claims = top_mass >= CLAIM_MASS
    if not claims.any():
        return 0.0
    return float(np.mean(position_error_m[claims] > CLAIM_RADIUS_M))


def longest_wrong_claim_m(travelled: Floats, position_error_m: Floats, top_mass: Floats) -> float:
    """Longest travel (m) from the first to the last frame of an unbroken streak of wrong claims."""
    wrong = (top_mass >= CLAIM_MASS) & (position_error_m > CLAIM_RADIUS_M)
    edges = np.diff(np.concatenate([[0], wrong.astype(np.int8), [0]]))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    return float(np.max(travelled[last] - travelled[first], initial=0.0))


def claim_share(top_mass: Floats) -> float:
    """Share of the (T,) frames that claim a pose."""
    return float(np.mean(top_mass >= CLAIM_MASS))


def recall_at(error: Floats, limit: float) -> float:
    """Share of the frames whose error is within a limit.

    Args:
        error: (T,), or (T, K) of K hypotheses, of which the nearest counts; NaN for one that was
            not found.
        limit: In the unit of `error`.
    """
    near = error <= limit
    return float(np.mean(near.reshape(len(near), -1).any(axis=1)))


def nees(estimate: Floats, truth: Floats, covariance: Floats) -> Floats:
    """Normalised estimation error squared (T,): 3 on average when the covariance is honest.

    Bar-Shalom, Li and Kirubarajan 2001, section 5.4. NaN where a (3, 3) covariance is not
    positive definite.
    """
    error = estimate - truth
    error[:, 2] = wrap(error[:, 2])
    return squared_distance(error, covariance)


def squared_distance(error: Floats, covariance: Floats) -> Floats:
    """Mahalanobis distance squared (T,) of (T, D) errors under their (T, D, D) covariances.

    NaN where a covariance is not positive definite.
    """
    lowest = np.linalg.eigvalsh(covariance)[:, 0]
    value = np.full(len(error), np.nan)
    good = lowest > 0.0
    solved = np.linalg.solve(covariance[good], error[good][:, :, None])[:, :, 0]
    value[good] = np.einsum("ti,ti->t", error[good], solved)
    return value


def score(
    travelled: Floats,
    estimate: Floats,
    truth: Floats,
    top_mass: Floats,
    covariance: Floats,
) -> Score:
    """All numbers of one run.

    Args:
        travelled: (T,) m, never falling.
        estimate: (T, 3) best hypothesis.
        truth: (T, 3); frames with NaN have no truth and are left out.
        top_mass: (T,) share of the belief in the best hypothesis.
        covariance: (T, 3, 3) claimed for the estimate.

    Raises:
        ValueError: no frame has a truth.
    """
    known = np.isfinite(truth).all(axis=1)
    if not known.any():
        raise ValueError("no estimate falls into the time span of the truth; nothing to score")
    travelled, estimate, truth = travelled[known], estimate[known], truth[known]
    top_mass, covariance = top_mass[known], covariance[known]
    error = errors(estimate, truth)
    start = converged_after_m(travelled, error.position_m, top_mass)
    after = (
        {}
        if start is None
        else _after(error, nees(estimate, truth, covariance), travelled >= start)
    )
    return Score(
        converged_after_m=start,
        **{name: after.get(name) for name in AFTER_CONVERGENCE},
        wrong_claim_share=wrong_claim_share(error.position_m, top_mass),
        longest_wrong_claim_m=longest_wrong_claim_m(travelled, error.position_m, top_mass),
        claim_share=claim_share(top_mass),
        frames=len(travelled),
    )


def _after(error: Errors, nees_value: Floats, frames: NDArray[np.bool_]) -> dict[str, float]:
    """The statistics over the chosen (T,) frames."""
    position = error.position_m[frames]
    heading_deg = np.degrees(np.abs(error.heading_rad[frames]))
    recalls = {f"recall_at_{r}m": recall_at(position, r) for r in RECALL_RADII_M}
    recalls |= {f"heading_recall_at_{a}deg": recall_at(heading_deg, a) for a in RECALL_ANGLES_DEG}
    return {
        "median_error_m": float(np.median(position)),
        "mean_error_m": float(np.mean(position)),
        "p95_error_m": float(np.percentile(position, 95)),
        "median_lateral_m": float(np.median(np.abs(error.lateral_m[frames]))),
        "median_longitudinal_m": float(np.median(np.abs(error.longitudinal_m[frames]))),
        "median_heading_deg": float(np.median(heading_deg)),
        **recalls,
        "consistent_share": float(np.mean(nees_value[frames] <= NEES_95)),
    }
