"""Where the particles of the newest updates were, for measurements that come late.

As in YabLoc (Autoware), whose correctors weigh particles by what their ancestors would have seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core import se2
from mdps_ros.core.genealogy import ancestors
from mdps_ros.core.tree import gather_axis
from mdps_ros.models.map_error import on_map
from mdps_ros.models.motion import VehicleState
from mdps_ros.runtime.cameras import Look
from mdps_ros.runtime.frames import between, inverse
from mdps_ros.runtime.inputs.odometry_buffer import OdometrySample

TOO_LATE = "it came after newer ones; runtime.image_late bounds how late"
TOO_OLD = "the present belief has begun since it was taken"
TOO_MANY = "it came after newer ones, and the search has too many particles to look back"
MOST = 50_000
"""Particles of an update that is remembered; a search over more has no use for a late image."""


class Generation(NamedTuple):
    """The particles after one update.

    Attributes:
        now: odometry of the update.
        state: of the particles, one batch row.
        parents: index of each one's parent in the update before.
    """

    now: OdometrySample
    state: VehicleState
    parents: Int[Tensor, "1 N"]


class Weighed(NamedTuple):
    """A look that weighed the particles.

    Attributes:
        now: odometry where it was taken.
        look: what it says.
        part: how much of its share was counted.
    """

    now: OdometrySample
    look: Look
    part: float


class Lineage:
    """The newest generations of one belief, and what weighed them.

    Args:
        window: s that is remembered.
    """

    def __init__(self, window: float) -> None:
        self._window_ns = round(window * 1e9)
        self._generations: tuple[Generation, ...] = ()
        self._weighed: tuple[Weighed, ...] = ()
        self._too_many = False

    def forget(self) -> None:
        """Another belief begins."""
        self._generations, self._weighed, self._too_many = (), (), False

    def weighed_by(self, now: OdometrySample, look: Look, part: float = 1.0) -> None:
        """Remember a look, in time or late, until it is too old.

        Args:
            now: odometry when it was made.
            look: what it said.
            part: how much of its share was counted.
        """
        self._weighed = (*self._weighed, Weighed(now, look, part))

    def weighed_at(self, name: str, travelled: float) -> Weighed | None:
        """The look of a measurement at an odometer reading; None where there was none.

        Args:
            name: of the measurement.
            travelled: m.
        """
        for seen in reversed(self._weighed):
            if seen.look.name == name and seen.now.travelled == travelled:
                return seen
        return None

    def add(self, generation: Generation) -> None:
        """Remember an update; those before it that are too old are forgotten."""
        oldest_ns = generation.now.stamp_ns - self._window_ns
        self._weighed = tuple(s for s in self._weighed if s.now.stamp_ns >= oldest_ns)
        if generation.state.pose.shape[1] > MOST:
            self._generations, self._too_many = (), True
            return
        kept = (*self._generations, generation)
        # one before the window, so that all of it lies between two updates
        new = [index for index, old in enumerate(kept) if old.now.stamp_ns >= oldest_ns]
        self._generations = kept[max(new[0] - 1, 0) :]

    def out_of_reach(self, then: OdometrySample) -> str | None:
        """Why an odometry no newer than the last update lies outside of what is remembered.

        Returns:
            None where it lies within.
        """
        unknown = TOO_MANY if self._too_many else TOO_OLD
        if not self._generations:
            return unknown
        first, last = self._generations[0].now.stamp_ns, self._generations[-1].now.stamp_ns
        if then.stamp_ns < last - self._window_ns:
            return TOO_LATE
        return None if first < then.stamp_ns <= last else unknown

    def late(
        self, then: OdometrySample, score: Callable[[Tensor], Tensor | None]
    ) -> Float[Tensor, "1 N"] | None:
        """Log-likelihood that a measurement of the past gives to the particles of now.

        Args:
            then: odometry when it was made.
            score: log-likelihood of poses on the map, None where they cannot be scored.

        Returns:
            None where the poses cannot be scored.

        Raises:
            ValueError: the measurement is older than what is remembered, or newer.
        """
        if self.out_of_reach(then) is not None:
            raise ValueError("no update is remembered on both sides of the measurement")
        after, *later = (old for old in self._generations if old.now.stamp_ns >= then.stamp_ns)
        found = score(moved_back(on_map(after.state), then, after.now))
        if found is None or not later:
            return found
        return gather_axis(found, ancestors([old.parents for old in later]))


def moved_back(
    poses: Float[Tensor, "1 N 3"], then: OdometrySample, now: OdometrySample
) -> Float[Tensor, "1 N 3"]:
    """Where vehicles at these poses were at an earlier odometry."""
    T_now_then: np.ndarray = inverse(between(then.T_odom_base, now.T_odom_base))
    return se2.compose(poses, torch.from_numpy(T_now_then).to(poses))
