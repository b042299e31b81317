"""Smoothing while driving: the newest poses, seen again with what was measured since.

Every few updates one walk backwards (`smoother_pass`) goes over the frames that are not final yet
and says where the vehicle was. A frame older than the lag is final and forgotten. Frames go in and
trajectories come out, and nothing else is touched, so that live and offline runs agree and another
thread may do it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mdps_ros.core import estimates
from mdps_ros.runtime.outputs import Mode, SmoothedTrajectory
from mdps_ros.runtime.smoother_frames import FilterFrame, thinned
from mdps_ros.runtime.smoother_pass import SmoothedFrame, pass_setup, walk_back
from mdps_ros.settings import EstimateSettings, MapErrorSettings, Settings

FILTERED = 5000  # particles of a frame that are kept to meet the future
PREDICTED = 2000  # of its prediction: what guides a walk
FRAMES_MAX = 200  # remembered; older ones become final before their time


class Hindsight(NamedTuple):
    """What one walk back says: frames oldest first, and (K,) which of them are final."""

    frames: tuple[SmoothedFrame, ...]
    final: NDArray[np.bool_]


class Smoother:
    """The window of frames that are not final, and its own random numbers."""

    def __init__(
        self, settings: Settings, map_error: MapErrorSettings, device: torch.device
    ) -> None:
        """Begin without frames.

        Args:
            settings: the whole tree.
            map_error: the one that the filter reckons with.
            device: where particles live.
        """
        self._setup = pass_setup(settings, map_error, device)
        self._lag_ns = round(settings.smoother.lag * 1e9)
        self._stride = settings.smoother.stride
        self._estimate = settings.estimate
        # other numbers than the filter's, which must not depend on whether somebody smooths
        self._generator = torch.Generator(device).manual_seed(settings.runtime.seed + 1)
        self._frames: list[FilterFrame] = []
        self._waiting = 0
        self._revision = 0

    def forget(self) -> None:
        """The filter began anew: what came before has nothing to do with what comes."""
        self._frames.clear()
        self._waiting = 0

    def add(self, frame: FilterFrame) -> SmoothedTrajectory | None:
        """Remember a frame and, every `smoother.stride` frames, smooth all that are not final.

        Args:
            frame: newer than those before it.

        Returns:
            The trajectory of the remembered frames, or None between two walks. Frames that are
            final in it are not in the next one.
        """
        found = self.look_back(frame)
        return None if found is None else trajectory(found, self._revision, self._estimate)

    def look_back(self, frame: FilterFrame) -> Hindsight | None:
        """The same with whole beliefs."""
        self._frames.append(compact(frame))
        self._waiting += 1
        if self._waiting < self._stride:
            return None
        self._waiting = 0
        self._revision += 1
        frames = self._frames
        found = tuple(walk_back(frames, self._setup, self._generator))[::-1]
        final = np.array([f.stamp_ns <= frames[-1].stamp_ns - self._lag_ns for f in frames])
        final[: max(0, len(frames) - FRAMES_MAX)] = True
        self._frames = [f for f, is_final in zip(frames, final, strict=True) if not is_final]
        return Hindsight(found, final)


def compact(frame: FilterFrame) -> FilterFrame:
    """A frame with as many particles as meeting the future takes."""
    return frame._replace(
        predicted=thinned(frame.predicted, PREDICTED), filtered=thinned(frame.filtered, FILTERED)
    )


def trajectory(found: Hindsight, revision: int, settings: EstimateSettings) -> SmoothedTrajectory:
    """Smoothed beliefs in numbers: of each the top hypothesis, and the whole spread about it.

    Args:
        found: at least one frame.
        revision: number of the trajectory.
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
    )


def top_hypothesis(frame: SmoothedFrame, settings: EstimateSettings) -> Mode:
    """Mean and mass of the heaviest hypothesis; the covariance is of the whole belief about it."""
    cloud, log_weights = frame.pose.unsqueeze(0), frame.log_weights.unsqueeze(0)
    top = estimates.modes(cloud, log_weights, 1, settings.mode_radius, settings.mode_yaw)
    off = estimates.pose_difference(frame.pose, top.mean[0])
    spread = (off * frame.log_weights.exp().unsqueeze(-1)).mT @ off
    return Mode(
        T_map_base=top.mean[0, 0].cpu().double().numpy(),
        covariance=spread.cpu().double().numpy(),
        mass=float(top.mass[0, 0]),
    )
