"""Smoothing a whole drive afterwards: one walk from its end to its start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from mdps_ros.runtime.smoothing.frames import FilterFrame
from mdps_ros.runtime.smoothing.setup import PassSetup, Station
from mdps_ros.runtime.smoothing.walk import SmoothedFrame, walk_back


def smooth_replay(
    frames: Sequence[FilterFrame], seed: int, setup: PassSetup
) -> Iterator[SmoothedFrame]:
    """Beliefs of all frames given the whole drive, newest first, as they come about.

    Args:
        frames: oldest first, at least one, of a filter that was not started anew between them,
            unless it had searched in vain; `smoother.compact` makes them small.
        seed: of the filter.
        setup: of the walk; `setup.pass_setup` makes the one of a filter's settings.
    """
    generator = torch.Generator(setup.kernel.bandwidth.device).manual_seed(seed + 2)
    return walk_back([Station(frame, setup) for frame in frames], setup, generator)
