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
from mdps_ros.evaluation.run import Track, answers, collect_trace
from mdps_ros.evaluation.smoothing_frames import FILTER, Floats, MethodFrames
from mdps_ros.maps import Map
from mdps_ros.runtime.device import choose_device
from mdps_ros.runtime.events import Event
from mdps_ros.runtime.session import Session
from mdps_ros.runtime.smoother import Smoother, compact, top_hypothesis
from mdps_ros.runtime.smoother_frames import FilterFrame
from mdps_ros.runtime.smoother_pass import SmoothedFrame
from mdps_ros.runtime.smoother_replay import smooth_replay
from mdps_ros.settings import EstimateSettings, MapErrorSettings, Settings, with_values

TRUTH_KERNEL = (0.5, 0.5, 0.02)
"""m, m, rad about every particle: what a belief of particles is as a density."""
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


def hindsight(
    place: Map,
    settings: Settings,
    events: Iterable[Event],
    truth: Track,
    lags_s: Sequence[float],
) -> dict[str, MethodFrames]:
    """Drive once, and say what the filter and every smoother made of each frame.

    Args:
        place: the localizer's map.
        settings: the whole tree; its own online smoother is off.
        events: of the drive, in order.
        truth: true poses in the map frame.
        lags_s: see `Comparison`.
    """
    settings = with_values(settings, {"smoother.enabled": False})
    device, _ = choose_device(settings.runtime.device)
    comparison = Comparison(settings, lags_s, truth, settings.map_error, device)
    trace = collect_trace(answers(Session(place, settings, comparison.watch), events))
    travelled = dict(zip(trace.stamps_ns.tolist(), trace.travelled.tolist(), strict=True))
    return comparison.frames(travelled)


def _as_told(frame: FilterFrame) -> SmoothedFrame:
    """The filter's belief in the form of a smoothed one."""
    state, log_weights = frame.filtered
    return SmoothedFrame(frame.stamp_ns, state.pose[0], log_weights[0], False)


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
