"""How honest beliefs are: spread against error, and what shares of the belief are worth.

Figures of one run, as sums and counts from which those of many runs follow exactly
(`calibration_report`). Spread is judged over the frames that claim a pose (`metrics.CLAIM_MASS`):
before that a belief covers the map, on which test drives lie in a corner, so that the truth is no
draw from the prior. To select by the belief alone, as claims do, keeps an honest belief honest;
to select by the error would not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdps_ros.evaluation.metrics import CLAIM_MASS, CLAIM_RADIUS_M, errors, squared_distance
from mdps_ros.evaluation.pit import AXES
from mdps_ros.evaluation.results import Row
from mdps_ros.evaluation.run import Trace
from mdps_ros.runtime.outputs import State
from mdps_ros.settings import EstimateSettings

Floats = NDArray[np.float64]

POSITION_95, HEADING_95 = 5.991464547107979, 3.841458820694124
"""95 % points of chi-square with 2 and 1 degrees of freedom."""
PIT_BINS = 20
"""Of equal width, between 0 and 1."""
SHARE_EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Of the bins of the best hypothesis's share; most frames are in the last ones."""
COUNTS = (
    *(f"pit_{axis}_counts" for axis in AXES),
    "share_bin_frames",
    "share_bin_mass",
    "share_bin_inside",
    "share_bin_within_5m",
)
"""Keys whose value is a list of numbers, written with blanks between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeliefFrames:
    """What was believed at T frames with a truth.

    Attributes:
        estimate: (T, 3) best hypothesis, x m, y m, yaw rad.
        truth: (T, 3).
        covariance: (T, 3, 3) of the whole belief about the best hypothesis.
        mass: (T,) share of the belief in it: `top_mass` of the status.
        pit: (T, 3), see `pit.transform`.
        inside: (T,) whether the truth lies in the region whose share of the belief `mass` is.
        reliable: (T,) whether the status calls the pose reliable.
    """

    estimate: Floats
    truth: Floats
    covariance: Floats
    mass: Floats
    pit: Floats
    inside: NDArray[np.bool_]
    reliable: NDArray[np.bool_]


def inside_region(estimate: Floats, truth: Floats, settings: EstimateSettings) -> NDArray[np.bool_]:
    """(T,) whether the truth lies within a hypothesis's radii of its mean; False without one."""
    error = errors(estimate, truth)
    near = error.position_m <= settings.mode_radius
    aligned: NDArray[np.bool_] = near & (np.abs(error.heading_rad) <= settings.mode_yaw)
    return aligned


def of_trace(trace: Trace, pit: Floats, settings: EstimateSettings) -> BeliefFrames:
    """The frames of a run that have a truth.

    Args:
        trace: the run.
        pit: (T, 3) of `pit.PitWatch`.
        settings: what belongs to one hypothesis.
    """
    known = np.isfinite(trace.truth).all(axis=1)
    estimate, truth = trace.estimate[known], trace.truth[known]
    return BeliefFrames(
        estimate=estimate,
        truth=truth,
        covariance=trace.covariance[known],
        mass=trace.top_mass[known],
        pit=pit[known],
        inside=inside_region(estimate, truth, settings),
        reliable=trace.states[known] == State.TRACKING.value,
    )


def figures(said: BeliefFrames) -> Row:
    """Sums and counts of one run; flat, lists as text.

    `position_nees_*` has 2 degrees of freedom and `heading_nees_*` 1 (Bar-Shalom, Li and
    Kirubarajan 2001, section 5.4): their mean over the claimed frames, and the share of these in
    the region that should hold 95 %. Lists have PIT_BINS numbers, or one for each bin of
    SHARE_EDGES: frames, the sum of their shares, and how many have the truth inside of the
    hypothesis's region, or within 5 m. The same 5 m count for `reliable_within_5m_frames`.
    """
    claimed = said.mass >= CLAIM_MASS
    error = errors(said.estimate, said.truth)
    near = error.position_m <= CLAIM_RADIUS_M
    offset = (said.estimate - said.truth)[:, :2]
    position = squared_distance(offset, said.covariance[:, :2, :2])
    heading = squared_distance(error.heading_rad[:, None], said.covariance[:, 2:, 2:])
    # digitize puts the last edge into a bin of its own
    number = np.minimum(np.digitize(said.mass, SHARE_EDGES), len(SHARE_EDGES) - 1) - 1
    return {
        "claimed_frames": int(claimed.sum()),
        **_nees("position", position[claimed], POSITION_95),
        **_nees("heading", heading[claimed], HEADING_95),
        **{
            f"pit_{axis}_counts": _text(np.histogram(values, PIT_BINS, (0.0, 1.0))[0])
            for axis, values in zip(AXES, said.pit[claimed].T, strict=True)
        },
        "share_bin_frames": _binned(number, np.ones(len(number))),
        "share_bin_mass": _binned(number, said.mass),
        "share_bin_inside": _binned(number, said.inside),
        "share_bin_within_5m": _binned(number, near),
        "reliable_frames": int(said.reliable.sum()),
        "reliable_within_5m_frames": int((said.reliable & near).sum()),
    }


def _nees(name: str, values: Floats, limit: float) -> Row:
    """Mean and share below the limit; a covariance that is none has no value and lies beyond."""
    known = np.isfinite(values)
    return {
        f"{name}_nees_mean": float(values[known].mean()) if known.any() else None,
        f"{name}_nees_95_share": float(np.mean(values <= limit)) if len(values) else None,
    }


def _binned(number: NDArray[np.intp], values: NDArray[np.generic]) -> str:
    return _text(np.bincount(number, values, minlength=len(SHARE_EDGES) - 1))


def _text(values: NDArray[np.generic]) -> str:
    return " ".join(f"{value:.6g}" for value in values.tolist())


def numbers(text: object) -> Floats:
    """The list that a value of one of COUNTS stands for."""
    return np.array([float(word) for word in str(text).split()])
