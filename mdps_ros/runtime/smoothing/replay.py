"""Smoothing a whole drive afterwards: one walk from its end to its start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from mdps_ros.runtime.smoothing.frames import FilterFrame
from mdps_ros.runtime.smoothing.setup import Station, pass_setup
from mdps_ros.runtime.smoothing.walk import SmoothedFrame, walk_back
from mdps_ros.settings import MapErrorSettings, Settings


def smooth_replay(
    frames: Sequence[FilterFrame],
    settings: Settings,
    map_error: MapErrorSettings,
    device: torch.device,
) -> Iterator[SmoothedFrame]:
    """Beliefs of all frames given the whole drive, newest first, as they come about.

    Args:
        frames: oldest first, at least one, of a filter that was not started anew between them;
            `smoother.compact` makes them small.
        settings: the whole tree.
        map_error: the one that the filter reckoned with.
        device: where particles live.
    """
    generator = torch.Generator(device).manual_seed(settings.runtime.seed + 2)
    setup = pass_setup(settings, map_error, device)
    return walk_back([Station(frame, setup) for frame in frames], setup, generator)
