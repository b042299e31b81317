"""The filter, the fixed-lag smoother and the offline smoother on the same frames of a drive.

All of them see one run of the filter; hindsight differs only in how much of the future it knows.
Whole beliefs are compared: how far the best hypothesis is off, and how much density a belief gives
to the true pose, through one kernel for all methods.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.nll import mixture_nll
from mdps_ros.core.types import MixtureBelief
from mdps_ros.evaluation.metrics import (
    CLAIM_MASS,
    CLAIM_RADIUS_M,
    NEES_95,
    claim_share,
    converged_after_m,
    errors,
    nees,
    recall_at,
    wrong_claim_share,
)
from mdps_ros.evaluation.results import Row
from mdps_ros.evaluation.run import Track
from mdps_ros.runtime.smoother import Smoother, compact, top_hypothesis
from mdps_ros.runtime.smoother_frames import FilterFrame
from mdps_ros.runtime.smoother_pass import SmoothedFrame
from mdps_ros.runtime.smoother_replay import smooth_replay
from mdps_ros.settings import EstimateSettings, MapErrorSettings, Settings, with_values

Floats = NDArray[np.float64]

TRUTH_KERNEL = (0.5, 0.5, 0.02)
"""m, m, rad about every particle: what a belief of particles is as a density."""
FILTER = "filter"
OFFLINE = "offline"


@dataclass
class Told:
    """What one method said of each frame, by stamp."""

    truth: Track
    estimate: EstimateSettings
    seconds: float = 0.0
    rows: dict[int, tuple[Floats, Floats, float, float, bool]] = field(default_factory=dict)

    def take(self, frames: Iterable[SmoothedFrame]) -> None:
        """Add beliefs: best pose, covariance about it, its mass, nats at the truth, smoothed."""
        for frame in frames:
            top = top_hypothesis(frame, self.estimate)
            true = self.truth.at(np.array([frame.stamp_ns]))[0]
            nll = float(_nll(frame, true)) if np.isfinite(true).all() else np.nan
            said = (top.T_map_base, top.covariance, top.mass, nll, frame.smoothed)
            self.rows[frame.stamp_ns] = said


def _nll(frame: SmoothedFrame, true: Floats) -> torch.Tensor:
    """-log density of a belief at the true pose, nats (m^2 rad), floored."""
    x, y, yaw = TRUTH_KERNEL
    kernel = pose_kernel(torch.tensor([x, y, yaw**2], device=frame.pose.device))
    belief = MixtureBelief(frame.pose.unsqueeze(0), frame.log_weights.unsqueeze(0), kernel)
    return mixture_nll(belief, torch.tensor(true).to(frame.pose).unsqueeze(0))[0]


class Comparison:
    """Gathers the frames of a run (`Session`'s `watch`) and what every method says of them.

    Args:
        settings: the whole tree; lags are its `smoother.lag` replaced.
        lags_s: ages at which a fixed-lag smoother has its last word, s.
        truth: true poses in the map frame.
        map_error: the one that the filter reckons with.
        device: where particles live.
    """

    def __init__(
        self,
        settings: Settings,
        lags_s: Sequence[float],
        truth: Track,
        map_error: MapErrorSettings,
        device: torch.device,
    ) -> None:
        self._settings, self._map_error, self._device = settings, map_error, device
        self._smoothers = {
            f"lag {lag:g} s": Smoother(
                with_values(settings, {"smoother.lag": lag}), map_error, device
            )
            for lag in map(float, lags_s)
        }
        self._frames: list[FilterFrame] = []
        names = (FILTER, *self._smoothers, OFFLINE)
        self.told = {name: Told(truth, settings.estimate) for name in names}

    def watch(self, frame: FilterFrame | None) -> None:
        """Take one update of the filter; None where it began anew."""
        if frame is None:
            self._finish()
            for smoother in self._smoothers.values():
                smoother.forget()
            return
        small = compact(frame)
        self._frames.append(small)
        self.told[FILTER].take([_as_told(frame)])
        for name, smoother in self._smoothers.items():
            start = time.perf_counter()
            found = smoother.look_back(small)
            self.told[name].seconds += time.perf_counter() - start
            if found is not None:
                final = [f for f, is_final in zip(*found, strict=True) if is_final]
                self.told[name].take(final)

    def _finish(self) -> None:
        """Smooth offline what one belief has left."""
        if self._frames:
            start = time.perf_counter()
            told = self.told[OFFLINE]
            told.take(smooth_replay(self._frames, self._settings, self._map_error, self._device))
            told.seconds += time.perf_counter() - start
        self._frames = []

    def frames(self, travelled: dict[int, float]) -> dict[str, MethodFrames]:
        """What every method said of the frames of which all had their last word.

        Args:
            travelled: m at each stamp since the start of the run, never falling.
        """
        self._finish()
        common = set(travelled).intersection(*(told.rows for told in self.told.values()))
        stamps = np.array(sorted(common), np.int64)
        distance = np.array([travelled[int(stamp)] for stamp in stamps])
        return {method: _scored(told, stamps, distance) for method, told in self.told.items()}


def rows_of(name: str, seed: int, frames: dict[str, MethodFrames]) -> list[Row]:
    """One row per method; errors are of the frames from the filter's convergence on.

    Args:
        name: of the drive.
        seed: of the filter.
        frames: see `Comparison.frames`.
    """
    start = frames[FILTER].converged_m
    return [
        {"name": f"{name} {method}", "seed": seed, **said.row(start)}
        for method, said in frames.items()
    ]


def _as_told(frame: FilterFrame) -> SmoothedFrame:
    """The filter's belief in the form of a smoothed one."""
    state, log_weights = frame.filtered
    return SmoothedFrame(frame.stamp_ns, state.pose[0], log_weights[0], False)


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
        smoothed: (T,) whether hindsight had a say.
        seconds: that the smoother worked.
    """

    travelled: Floats
    estimate: Floats
    truth: Floats
    covariance: Floats
    mass: Floats
    nll: Floats
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
                "recall_at_2m": recall_at(off["position_m"], 2.0),
                "mean_nll": float(np.mean(self.nll[after])),
                "median_nees": float(np.nanmedian(squared[after])),
                "consistent_share": float(np.mean(squared[after] <= NEES_95)),
            }
        return {
            "converged_after_m": self.converged_m,
            **{name: late.get(name) for name in AFTER},
            "wrong_mode_share": float(np.mean(position > CLAIM_RADIUS_M)),
            "wrong_claim_share": wrong_claim_share(position, self.mass),
            "claim_share": claim_share(self.mass),
            "first_claim_m": _first(self.travelled, self.mass >= CLAIM_MASS),
            "mean_nll_of_all": float(np.mean(self.nll)),
            "smoothed_share": float(np.mean(self.smoothed)),
            "frames": len(position),
            "frames_after": int(after.sum()),
            "seconds": self.seconds,
        }


AFTER = (
    "median_error_m",
    "mean_error_m",
    "p95_error_m",
    "median_lateral_m",
    "median_longitudinal_m",
    "median_heading_deg",
    "recall_at_2m",
    "mean_nll",
    "median_nees",
    "consistent_share",
)
"""Numbers over the frames from the filter's convergence on, the same for all methods."""


def _first(travelled: Floats, holds: NDArray[np.bool_]) -> float | None:
    """Travel at the first frame where something holds."""
    return float(travelled[holds][0]) if holds.any() else None


def _scored(told: Told, stamps: NDArray[np.int64], travelled: Floats) -> MethodFrames:
    said = [told.rows[int(stamp)] for stamp in stamps]
    truth = told.truth.at(stamps)
    known = np.isfinite(truth).all(axis=1)
    whole = MethodFrames(
        travelled=travelled,
        estimate=np.stack([row[0] for row in said]),
        truth=truth,
        covariance=np.stack([row[1] for row in said]),
        mass=np.array([row[2] for row in said]),
        nll=np.array([row[3] for row in said]),
        smoothed=np.array([row[4] for row in said]),
        seconds=told.seconds,
    )
    arrays = {
        item.name: getattr(whole, item.name)[known]
        for item in dataclasses.fields(whole)
        if item.name != "seconds"
    }
    return dataclasses.replace(whole, **arrays)
