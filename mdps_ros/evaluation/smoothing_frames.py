"""What each method said of the frames of a drive, and the numbers that sum it up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdps_ros.evaluation.calibration import BeliefFrames, figures
from mdps_ros.evaluation.metrics import (
    CLAIM_MASS,
    CLAIM_RADIUS_M,
    NEES_95,
    claim_share,
    converged_after_m,
    errors,
    longest_wrong_claim_m,
    nees,
    recall_at,
    wrong_claim_share,
)
from mdps_ros.evaluation.results import Row

Floats = NDArray[np.float64]

FILTER = "filter"


@dataclass(frozen=True)
class MethodFrames:
    """One method on T frames with a truth.

    Attributes:
        travelled: (T,) m since the start.
        estimate: (T, 3) best hypothesis, x m, y m, yaw rad.
        truth: (T, 3).
        covariance: (T, 3, 3) of the whole belief about the best hypothesis.
        mass: (T,) share of the belief in it.
        nll: (T,) nats (m^2 rad) at the truth.
        pit: (T, 3), see `pit.transform`.
        inside: (T,) whether the truth lies in the hypothesis's region.
        smoothed: (T,) whether hindsight had a say.
        seconds: that the smoother worked.
    """

    travelled: Floats
    estimate: Floats
    truth: Floats
    covariance: Floats
    mass: Floats
    nll: Floats
    pit: Floats
    inside: NDArray[np.bool_]
    smoothed: NDArray[np.bool_]
    seconds: float

    @property
    def converged_m(self) -> float | None:
        """Travel at the first right claim that lasts."""
        error = errors(self.estimate, self.truth).position_m
        return converged_after_m(self.travelled, error, self.mass)

    def row(self, start_m: float | None) -> Row:
        """Numbers of all frames, and of those from `start_m` on (None where there are none)."""
        error = errors(self.estimate, self.truth)
        position = error.position_m
        after = np.zeros(len(position), bool) if start_m is None else self.travelled >= start_m
        squared = nees(self.estimate, self.truth, self.covariance)
        late: dict[str, float] = {}
        if after.any():
            off = {name: np.abs(values[after]) for name, values in error._asdict().items()}
            late = {
                "median_error_m": float(np.median(off["position_m"])),
                "mean_error_m": float(np.mean(off["position_m"])),
                "p95_error_m": float(np.percentile(off["position_m"], 95)),
                "median_lateral_m": float(np.median(off["lateral_m"])),
                "median_longitudinal_m": float(np.median(off["longitudinal_m"])),
                "median_heading_deg": float(np.degrees(np.median(off["heading_rad"]))),
                **{f"recall_at_{r}m": recall_at(off["position_m"], r) for r in (1, 2, 5)},
                "heading_recall_at_1deg": recall_at(np.degrees(off["heading_rad"]), 1.0),
                "mean_nll": float(np.mean(self.nll[after])),
                "median_nees": float(np.nanmedian(squared[after])),
                "consistent_share": float(np.mean(squared[after] <= NEES_95)),
            }
        return {
            "converged_after_m": self.converged_m,
            **{name: late.get(name) for name in AFTER},
            "wrong_mode_share": float(np.mean(position > CLAIM_RADIUS_M)),
            "wrong_claim_share": wrong_claim_share(position, self.mass),
            "longest_wrong_claim_m": longest_wrong_claim_m(self.travelled, position, self.mass),
            "claim_share": claim_share(self.mass),
            "first_claim_m": _first(self.travelled, self.mass >= CLAIM_MASS),
            "mean_nll_of_all": float(np.mean(self.nll)),
            "smoothed_share": float(np.mean(self.smoothed)),
            "frames": len(position),
            "frames_after": int(after.sum()),
            "seconds": self.seconds,
            **figures(self._believed()),
        }

    def _believed(self) -> BeliefFrames:
        """The same for figures of calibration; reliable is what claims."""
        return BeliefFrames(
            estimate=self.estimate,
            truth=self.truth,
            covariance=self.covariance,
            mass=self.mass,
            pit=self.pit,
            inside=self.inside,
            reliable=self.mass >= CLAIM_MASS,
        )


AFTER = (
    "median_error_m",
    "mean_error_m",
    "p95_error_m",
    "median_lateral_m",
    "median_longitudinal_m",
    "median_heading_deg",
    "recall_at_1m",
    "recall_at_2m",
    "recall_at_5m",
    "heading_recall_at_1deg",
    "mean_nll",
    "median_nees",
    "consistent_share",
)
"""Numbers over the frames from the filter's convergence on, the same for all methods."""


def _first(travelled: Floats, holds: NDArray[np.bool_]) -> float | None:
    """Travel at the first frame where something holds."""
    return float(travelled[holds][0]) if holds.any() else None


def rows_of(name: str, seed: int, frames: Mapping[str, MethodFrames]) -> list[Row]:
    """One row per method; errors are of the frames from the filter's convergence on.

    Args:
        name: of the drive.
        seed: of the filter.
        frames: see `smoothing.hindsight`.
    """
    start = frames[FILTER].converged_m
    return [
        {"name": f"{name} {method}", "seed": seed, **said.row(start)}
        for method, said in frames.items()
    ]
