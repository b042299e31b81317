"""Places that others measured, such as GNSS fixes, as looks of the filter.

A place is used at the next update, whatever its stamp: particles are moved back to the time of
the measurement by odometry. So a fast receiver neither causes updates nor makes images late.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.core import angles, se2
from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.cameras import Look
from mdps_ros.runtime.events import PlaceEvent
from mdps_ros.runtime.frames import between
from mdps_ros.runtime.inputs.odometry_buffer import OdometryBuffer, OdometrySample
from mdps_ros.settings import PlaceSettings

WAITING = 100  # places of a name that may wait for odometry or a late image
FLOOR = np.diag([0.1**2, 0.1**2, 0.02**2])  # least variance of a place: m^2, m^2, rad^2


class Places:
    """Holds places until the next update, which uses the newest of each name up to its stamp.

    Args:
        settings: how much a place says.
    """

    def __init__(self, settings: PlaceSettings) -> None:
        self._settings = settings
        self._waiting: dict[str, deque[PlaceEvent]] = {}
        self._newest_ns: dict[str, int] = {}

    def adopt(self, settings: PlaceSettings) -> None:
        """Look by other settings from now on."""
        self._settings = settings

    def clear(self) -> None:
        """Forget everything."""
        self._waiting.clear()
        self._newest_ns.clear()

    def hear(self, event: PlaceEvent) -> bool:
        """Keep a place for the next update; false for one that is not newer than the last."""
        if self._settings.weight == 0.0:
            return False
        if event.stamp_ns != 0 and event.stamp_ns <= self._newest_ns.get(event.name, -(2**63)):
            return False
        if event.stamp_ns != 0:
            self._newest_ns[event.name] = event.stamp_ns
        self._waiting.setdefault(event.name, deque(maxlen=WAITING)).append(event)
        return True

    def take(self, now: OdometrySample, odometry: OdometryBuffer) -> tuple[list[Look], list[Note]]:
        """Looks of all places up to an update, and notes on those that are too old."""
        looks, notes = [], []
        for waiting in self._waiting.values():
            event = None
            while waiting and waiting[0].stamp_ns <= now.stamp_ns:
                event = waiting.popleft()
            if event is None:
                continue
            then = now if event.stamp_ns == 0 else odometry.at(event.stamp_ns)
            if then is None:
                text = f"{event.name} dropped: it is older than the odometry that is kept"
                data = {"stamp_s": event.stamp_ns * 1e-9}
                notes.append(Note(Code.PLACE_DROPPED, Severity.WARN, text, data))
                continue
            looks.append(self._look(event, between(now.T_odom_base, then.T_odom_base)))
        return looks, notes

    def _look(self, event: PlaceEvent, T_now_then: NDArray[np.float64]) -> Look:
        settings = self._settings
        score = PlaceScore(event, T_now_then, settings.outlier)
        return Look(
            name=event.name,
            log_likelihood=lambda poses: settings.weight * score(poses),
            decorrelation=settings.decorrelation,
            on_earth=True,
        )


class PlaceScore:
    """Log-likelihood of poses by one place: a Gaussian on a floor, so that an outlier costs little.

    Args:
        event: the place.
        T_now_then: (3,) motion from the poses' time back to that of the place.
        outlier: the floor, against the middle of the Gaussian.
    """

    def __init__(self, event: PlaceEvent, T_now_then: NDArray[np.float64], outlier: float) -> None:
        size = 3 if event.with_yaw else 2
        values, vectors = np.linalg.eigh(event.covariance[:size, :size] + FLOOR[:size, :size])
        # numbers of any size may come; a direction without information has a huge variance
        spread = np.clip(values, FLOOR[size - 1, size - 1], 1e12)
        self._whiten = torch.from_numpy(vectors / np.sqrt(spread))
        self._mean = torch.from_numpy(np.asarray(event.T_map_base, dtype=np.float64))
        self._back = torch.from_numpy(T_now_then)
        self._floor = math.log(outlier)

    def __call__(self, poses: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N"]:
        """Zero in the middle, log(outlier) far away."""
        back = self._back.to(poses.device).expand(poses.shape)
        error = se2.compose(poses.double(), back) - self._mean.to(poses.device)
        error[..., 2] = angles.wrap(error[..., 2])
        whitened = error[..., : len(self._whiten)] @ self._whiten.to(poses.device)
        near = -0.5 * whitened.square().sum(-1)
        score: Float[Tensor, "B N"] = torch.logaddexp(near, near.new_tensor(self._floor))
        return score.to(poses)
