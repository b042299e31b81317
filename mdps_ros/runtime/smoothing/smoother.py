"""Smoothing while driving: the newest poses, seen again with what was measured since.

Every few updates one walk backwards (`walk`) goes over the frames that are not final yet
and says where the vehicle was. A frame older than the lag is final and forgotten. Frames go in and
trajectories come out, and nothing else is touched, so that another thread may do it
(`worker`). Every walk has random numbers of its own, those of its revision: whether an
earlier one was left out makes no difference to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mdps_ros.core import estimates
from mdps_ros.core.weights import masses
from mdps_ros.runtime.outputs import Mode, SmoothedTrajectory
from mdps_ros.runtime.recovery.confirmation import unconfirmed_share
from mdps_ros.runtime.smoothing.frames import FilterFrame, thinned
from mdps_ros.runtime.smoothing.setup import Station, pass_setup
from mdps_ros.runtime.smoothing.walk import SmoothedFrame, walk_back
from mdps_ros.settings import EstimateSettings, MapErrorSettings, Settings

FILTERED = 5000  # particles of a frame that are kept to meet the future
PREDICTED = 2000  # of its prediction: what guides a walk
FRAMES_MAX = 200  # remembered; older ones become final before their time
SEEDS_APART = 1_000_003  # from one run to the next, so that no two share a walk's numbers


class Hindsight(NamedTuple):
    """What one walk back says: frames oldest first, and (K,) which of them are final."""

    frames: tuple[SmoothedFrame, ...]
    final: NDArray[np.bool_]


class Smoother:
    """The window of frames that are not final."""

    def __init__(
        self, settings: Settings, map_error: MapErrorSettings, device: torch.device
    ) -> None:
        """Begin without frames.

        Args:
            settings: the whole tree.
            map_error: the one that the filter reckons with.
            device: where particles live.
        """
        # other numbers than the filter's, which must not depend on whether somebody smooths
        self._seed = (settings.runtime.seed + 1) * SEEDS_APART
        self._generator = torch.Generator(device)
        self._stations: list[Station] = []
        self.adopt(settings, map_error)
        self._waiting = 0
        self._revision = 0
        self._belief = 0

    def adopt(self, settings: Settings, map_error: MapErrorSettings) -> None:
        """Smooth by other settings from the next walk on; the window stays.

        Args:
            settings: the whole tree; `runtime` counts no more.
            map_error: the one that the filter reckons with from now on.
        """
        self._setup = pass_setup(settings, map_error, self._generator.device)
        self._stations = [Station(station.frame, self._setup) for station in self._stations]
        self._lag_ns = round(settings.smoother.lag * 1e9)
        self._stride = settings.smoother.stride
        self._estimate = settings.estimate

    @property
    def stride(self) -> int:
        """Frames between two walks."""
        return self._stride

    def forget(self) -> None:
        """The filter began anew: what came before has nothing to do with what comes."""
        self._stations.clear()
        self._waiting = 0
        self._belief += 1

    def watch(self, frame: FilterFrame | None) -> SmoothedTrajectory | None:
        """Take what a session hands on: `add` a frame, or `forget` where it is None."""
        if frame is None:
            self.forget()
            return None
        return self.add(frame)

    def add(self, frame: FilterFrame) -> SmoothedTrajectory | None:
        """Remember a frame and, every `smoother.stride` frames, smooth all that are not final.

        Args:
            frame: newer than those before it.

        Returns:
            The trajectory of the remembered frames, or None between two walks. Frames that are
            final in it are not in the next one.
        """
        return self.revise() if self.remember(frame) else None

    def look_back(self, frame: FilterFrame) -> Hindsight | None:
        """The same with whole beliefs."""
        return self._walk() if self.remember(frame) else None

    def remember(self, frame: FilterFrame) -> bool:
        """Remember a frame, newer than those before it; whether a walk is due with it."""
        self._belief += frame.anew
        self._stations.append(Station(compact(frame), self._setup))
        self._waiting += 1
        if self._waiting < self._stride:
            return False
        self._waiting = 0
        self._revision += 1
        return True

    def revise(
        self, part: float = 1.0, go_on: Callable[[], bool] = lambda: True
    ) -> SmoothedTrajectory | None:
        """Smooth all remembered frames that are not final.

        Args:
            part: of the lag, for who has no time for all of it; what is older becomes final.
            go_on: asked before every frame; False gives the walk up, and all stays as it is.

        Returns:
            The trajectory, or None where the walk was given up.
        """
        found = self._walk(part, go_on)
        if found is None:
            return None
        return trajectory(found, self._revision, self._belief, self._estimate)

    def _walk(
        self, part: float = 1.0, go_on: Callable[[], bool] = lambda: True
    ) -> Hindsight | None:
        stations, found = self._stations, list[SmoothedFrame]()
        self._generator.manual_seed(self._seed + self._revision)
        walk = walk_back(stations, self._setup, self._generator)
        for _ in stations:
            if not go_on():
                return None
            found.append(next(walk))
        horizon_ns = stations[-1].frame.stamp_ns - round(part * self._lag_ns)
        final = np.array([station.frame.stamp_ns <= horizon_ns for station in stations])
        final[: max(0, len(stations) - FRAMES_MAX)] = True
        self._stations = [s for s, is_final in zip(stations, final, strict=True) if not is_final]
        return Hindsight(tuple(found[::-1]), final)


@torch.inference_mode()
def compact(frame: FilterFrame) -> FilterFrame:
    """A frame with as many particles as meeting the future takes."""
    return frame._replace(
        predicted=thinned(frame.predicted, PREDICTED), filtered=thinned(frame.filtered, FILTERED)
    )


@torch.inference_mode()
def trajectory(
    found: Hindsight, revision: int, belief: int, settings: EstimateSettings
) -> SmoothedTrajectory:
    """Smoothed beliefs in numbers: of each the top hypothesis, and the whole spread about it.

    Args:
        found: at least one frame.
        revision: number of the trajectory.
        belief: number of the belief.
        settings: what belongs to one hypothesis.
    """
    tops = [top_hypothesis(frame, settings) for frame in found.frames]
    return SmoothedTrajectory(
        stamps_ns=np.array([frame.stamp_ns for frame in found.frames], np.int64),
        T_map_base=np.stack([top.T_map_base for top in tops]),
        covariance=np.stack([top.covariance for top in tops]),
        mass=np.array([top.mass for top in tops]),
        smoothed=np.array([frame.smoothed for frame in found.frames]),
        final=found.final,
        revision=revision,
        belief=belief,
    )


def top_hypothesis(frame: SmoothedFrame, settings: EstimateSettings) -> Mode:
    """Mean and mass of the heaviest hypothesis; the covariance is of the whole belief about it.

    As of the filter, a mass that would do for a claim is told as less until the place is confirmed.
    """
    cloud, log_weights = frame.pose.unsqueeze(0), frame.log_weights.unsqueeze(0)
    top = estimates.modes(cloud, log_weights, 1, settings.mode_radius, settings.mode_yaw)
    off = estimates.pose_difference(frame.pose, top.mean[0])
    spread = (off * masses(frame.log_weights).unsqueeze(-1)).mT @ off
    mass, claim_mass = float(top.mass[0, 0]), settings.claim_mass
    if mass >= claim_mass and not frame.confirmed:
        mass *= unconfirmed_share(claim_mass)
    return Mode(
        T_map_base=top.mean[0, 0].cpu().double().numpy(),
        covariance=spread.cpu().double().numpy(),
        mass=mass,
    )
