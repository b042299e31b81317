"""A street map is off by a metre or two, differently from place to place.

Beside KITTI 00 the mapped centreline runs from 2.1 m left to 1.7 m right of the car, and stays so
for tens of metres. A filter that takes the map for the truth follows it, and soon claims to know
its place better than the map does. Each particle therefore carries a guess of the offset between
a place and its picture on the map: independent components east and north, each an
Ornstein-Uhlenbeck process in the distance travelled. Measurements see the pose on the map;
what is reported is the pose on Earth.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.models.motion import VehicleState
from mdps_ros.settings import MapErrorSettings


def start(
    state: VehicleState, settings: MapErrorSettings, generator: torch.Generator, *, drawn: bool
) -> VehicleState:
    """Particles with an offset.

    Args:
        state: particles with poses.
        settings: spread of the offset.
        generator: on the particles' device.
        drawn: whether the poses are as the map draws them (a start on any road) and are to be
            taken back to Earth, or are on Earth already.
    """
    offset = settings.sd * _normal(state, generator)
    pose = _shift(state.pose, -offset) if drawn else state.pose
    return state._replace(pose=pose, map_offset=offset)


def drift(
    state: VehicleState,
    distance: Float[Tensor, " B"],
    settings: MapErrorSettings,
    generator: torch.Generator,
) -> VehicleState:
    """The offset after `distance` m of travel; stationary with standard deviation `sd`."""
    if settings.sd == 0.0:
        return state
    kept = torch.exp(-distance.double() / settings.distance).to(state.pose)[:, None, None]
    noise = settings.sd * (1.0 - kept.square()).sqrt() * _normal(state, generator)
    return state._replace(map_offset=kept * state.map_offset + noise)


def on_map(state: VehicleState) -> Float[Tensor, "B N 3"]:
    """Poses as the map draws them: x m, y m, yaw rad."""
    return _shift(state.pose, state.map_offset)


def _normal(state: VehicleState, generator: torch.Generator) -> Tensor:
    like = state.map_offset
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)


def _shift(pose: Tensor, offset: Tensor) -> Tensor:
    return torch.cat((pose[..., :2] + offset, pose[..., 2:]), -1)
