"""The filter, the fixed-lag smoother and the offline smoother on the same frames of a drive.

All of them see one run of the filter; hindsight differs only in how much of the future it knows.
Whole beliefs are compared: how far the best hypothesis is off, and how much density a belief gives
to the true pose, through one kernel for all methods.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mdps_ros.core.kernels import ProductKernel, pose_kernel
from mdps_ros.core.nll import mixture_nll
from mdps_ros.core.types import MixtureBelief
from mdps_ros.evaluation import pit
from mdps_ros.evaluation.calibration import inside_region
from mdps_ros.evaluation.run import Track, answers, collect_trace
from mdps_ros.evaluation.smoothing_frames import FILTER, Floats, MethodFrames
from mdps_ros.maps import Map
from mdps_ros.runtime.device import choose_device
from mdps_ros.runtime.events import Event
from mdps_ros.runtime.outputs import Mode
from mdps_ros.runtime.session import Session
from mdps_ros.runtime.smoothing.frames import FilterFrame
from mdps_ros.runtime.smoothing.replay import smooth_replay
from mdps_ros.runtime.smoothing.setup import pass_setup
from mdps_ros.runtime.smoothing.smoother import Smoother, compact, top_hypothesis
from mdps_ros.runtime.smoothing.walk import SmoothedFrame, as_smoothed
from mdps_ros.settings import EstimateSettings, MapErrorSettings, Settings, with_values

TRUTH_KERNEL = (0.5, 0.5, 0.02)
"""m, m, rad about every particle: what a belief of particles is as a density."""
OFFLINE = "offline"
WalkChanges = Mapping[str, Any]
"""Fields of `PassSetup` that differ."""
WALKS: Mapping[str, WalkChanges] = MappingProxyType({OFFLINE: {}})
"""Offline smoothers by name; here the one of the settings."""


class Said(NamedTuple):
    """What one method said of one frame.

    Attributes:
        top: best pose with its mass; the covariance is of the whole belief about it.
        nll: nats at the truth; NaN where that is unknown.
        pit: (3,) see `pit.transform`; NaN where the truth is unknown.
        smoothed: whether hindsight had a say.
    """

    top: Mode
    nll: float
    pit: Floats
    smoothed: bool


@dataclass
class Told:
    """What one method said of each frame, by stamp."""

    truth: Track
    estimate: EstimateSettings
    kernel: ProductKernel
    seconds: float = 0.0
    rows: dict[int, Said] = field(default_factory=dict)

    def take(self, frames: Iterable[SmoothedFrame]) -> None:
        """Add beliefs."""
        for frame in frames:
            top = top_hypothesis(frame, self.estimate)
            true = self.truth.at(np.array([frame.stamp_ns]))[0]
            nll, place = np.nan, np.full(len(pit.AXES), np.nan)
            if np.isfinite(true).all():
                nll = float(_nll(frame, true))
                weights, heading = frame.log_weights.exp(), float(top.T_map_base[2])
                place = pit.transform(frame.pose, weights, self.kernel, heading, true)
            self.rows[frame.stamp_ns] = Said(top, nll, place, frame.smoothed)


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
        walks: offline smoothers.
    """

    def __init__(
        self,
        settings: Settings,
        lags_s: Sequence[float],
        truth: Track,
        map_error: MapErrorSettings,
        device: torch.device,
        walks: Mapping[str, WalkChanges] = WALKS,
    ) -> None:
        self._settings, self._map_error, self._device = settings, map_error, device
        self._smoothers = {
            f"lag {lag:g} s": Smoother(
                with_values(settings, {"smoother.lag": lag}), map_error, device
            )
            for lag in map(float, lags_s)
        }
        self._frames: list[FilterFrame] = []
        self._walks = walks
        names = (FILTER, *self._smoothers, *walks)
        kernel = pit.output_kernel(settings)
        self.told = {name: Told(truth, settings.estimate, kernel) for name in names}

    def watch(self, frame: FilterFrame | None) -> None:
        """Take one update of the filter; None where it began anew."""
        if frame is None:
            self._finish()
            for smoother in self._smoothers.values():
                smoother.forget()
            return
        small = compact(frame)
        self._frames.append(small)
        self.told[FILTER].take([as_smoothed(frame)])
        for name, smoother in self._smoothers.items():
            start = time.perf_counter()
            found = smoother.look_back(small)
            self.told[name].seconds += time.perf_counter() - start
            if found is not None:
                final = [f for f, is_final in zip(*found, strict=True) if is_final]
                self.told[name].take(final)

    def _finish(self) -> None:
        """Smooth offline what one belief has left."""
        usual = pass_setup(self._settings, self._map_error, self._device)
        for name, changes in self._walks.items() if self._frames else ():
            start = time.perf_counter()
            setup, told = dataclasses.replace(usual, **changes), self.told[name]
            told.take(smooth_replay(self._frames, self._settings.runtime.seed, setup))
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


def hindsight(
    place: Map,
    settings: Settings,
    events: Iterable[Event],
    truth: Track,
    lags_s: Sequence[float],
    walks: Mapping[str, WalkChanges] = WALKS,
) -> dict[str, MethodFrames]:
    """Drive once, and say what the filter and every smoother made of each frame.

    Args:
        place: the localizer's map.
        settings: the whole tree; its own online smoother is off.
        events: of the drive, in order.
        truth: true poses in the map frame.
        lags_s: see `Comparison`.
        walks: offline smoothers.
    """
    settings = with_values(settings, {"smoother.enabled": False})
    device, _ = choose_device(settings.runtime.device)
    comparison = Comparison(settings, lags_s, truth, settings.map_error, device, walks)
    trace = collect_trace(answers(Session(place, settings, comparison.watch), events))
    travelled = dict(zip(trace.stamps_ns.tolist(), trace.travelled.tolist(), strict=True))
    return comparison.frames(travelled)


def _scored(told: Told, stamps: NDArray[np.int64], travelled: Floats) -> MethodFrames:
    said = [told.rows[int(stamp)] for stamp in stamps]
    truth = told.truth.at(stamps)
    known = np.isfinite(truth).all(axis=1)
    estimate = np.stack([row.top.T_map_base for row in said])
    whole = MethodFrames(
        travelled=travelled,
        estimate=estimate,
        truth=truth,
        covariance=np.stack([row.top.covariance for row in said]),
        mass=np.array([row.top.mass for row in said]),
        nll=np.array([row.nll for row in said]),
        pit=np.stack([row.pit for row in said]),
        inside=inside_region(estimate, truth, told.estimate),
        smoothed=np.array([row.smoothed for row in said]),
        seconds=told.seconds,
    )
    arrays = {
        item.name: getattr(whole, item.name)[known]
        for item in dataclasses.fields(whole)
        if item.name != "seconds"
    }
    return dataclasses.replace(whole, **arrays)
