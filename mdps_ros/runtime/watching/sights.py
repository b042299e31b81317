"""Beliefs as somebody who looks at them wants them: estimate, lasting numbers and particles."""

from __future__ import annotations

from typing import NamedTuple

from mdps_ros.runtime.mode_ids import ModeIds
from mdps_ros.runtime.outputs import Output, ParticleSnapshot, PoseEstimate
from mdps_ros.settings import EstimateSettings


class Sight(NamedTuple):
    """One belief.

    Attributes:
        estimate: its summary.
        ids: a lasting number for each of the estimate's modes.
        cloud: its particles, all of them.
    """

    estimate: PoseEstimate
    ids: tuple[int, ...]
    cloud: ParticleSnapshot


class Sights:
    """Joins what a session says of each update.

    Args:
        settings: reach of a hypothesis; the numbers are those of the topic `hypotheses`.
    """

    def __init__(self, settings: EstimateSettings) -> None:
        self._ids = ModeIds(settings)
        self._estimate: tuple[PoseEstimate, tuple[int, ...]] | None = None

    def adopt(self, settings: EstimateSettings) -> None:
        """Go by another reach from now on; numbers stay."""
        self._ids.adopt(settings)

    def see(self, output: Output) -> Sight | None:
        """Take what a session says, in its order; an update is whole with its particles."""
        if isinstance(output, PoseEstimate):
            self._estimate = output, tuple(self._ids.assign(output.modes))
        elif isinstance(output, ParticleSnapshot) and self._estimate is not None:
            estimate, ids = self._estimate
            if estimate.stamp_ns == output.stamp_ns:
                return Sight(estimate, ids, output)
        return None
