"""Looks at every belief that a session tells, beside the truth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import numpy as np

from mdps_ros.evaluation.run import Floats, Track
from mdps_ros.runtime.outputs import Output, ParticleSnapshot, PoseEstimate

Found = TypeVar("Found")


class BeliefWatch(ABC, Generic[Found]):
    """What `look` finds in each belief.

    Args:
        truth: T_map_base over time.

    Attributes:
        found: one entry per belief, in order; None where there is no truth.
    """

    def __init__(self, truth: Track) -> None:
        self.found: list[Found | None] = []
        self._truth = truth
        self._heading = 0.0

    def watch(self, outputs: Iterable[Output]) -> Iterator[Output]:
        """Pass outputs on, and look at the particles that follow each estimate."""
        for output in outputs:
            if isinstance(output, PoseEstimate):
                self._heading = float(output.T_map_base[2])
            elif isinstance(output, ParticleSnapshot):
                true = self._truth.at(np.array([output.stamp_ns]))[0]
                known = bool(np.isfinite(true).all())
                self.found.append(self.look(output, self._heading, true) if known else None)
            yield output

    @abstractmethod
    def look(self, belief: ParticleSnapshot, heading: float, true: Floats) -> Found:
        """Look at one belief.

        Args:
            belief: the particles.
            heading: rad, of the best hypothesis.
            true: (3,) x m, y m, yaw rad.
        """
