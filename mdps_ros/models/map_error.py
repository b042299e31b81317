"""A street map is off by a metre or two, differently from place to place.

Beside KITTI 00 the mapped centreline runs from 2.1 m left to 1.7 m right of the car, and stays so
for tens of metres. A filter that takes the map for the truth follows it, and soon claims to know
its place better than the map does. Each particle therefore carries a guess of the offset o between
a place and its picture on the map, east and north, and of its slope q = do/ds along the travel s.

A picture that drifts to the left while one drives on is also turned to the left: the heading on
the map is the heading plus the part of q across it. A warp of 1 m over 15 m turns streets by some
degrees, which a filter without slopes would take for its own heading.

Each component is a Gaussian process over the travel, of one of two kinds. A warped map
(`map_error.turns`) has the Matern 3/2 covariance sd^2 (1 + s / l) exp(-s / l), the roughest that
has a slope. As a state-space model (Hartikainen and Sarkka, MLSP 2010, section 3.1; here with the
matrix exponential in closed form)

    (o, q)' = A (o, q) + w      A = exp(-s/l) [[1 + s/l, s], [-s/l^2, 1 - s/l]]
                                Cov w = P - A P A^T,  P = diag(sd^2, sd^2 / l^2)

Else it is the Matern 1/2 or Ornstein-Uhlenbeck process, sd^2 exp(-s / l), which has none: q = 0,
and o' = exp(-s/l) o + w. So are the mapped streets of KITTI, drawn as straight lines: with slopes a
filter by roads alone takes a street's direction for less than it tells.

Measurements see the pose on the map; what is reported is the pose on Earth.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mdps_ros.models.motion import VehicleState
from mdps_ros.settings import MapErrorSettings


def start(
    state: VehicleState, settings: MapErrorSettings, generator: torch.Generator, *, drawn: bool
) -> VehicleState:
    """Particles with an offset and its slope.

    Args:
        state: particles with poses.
        settings: spread of the offset.
        generator: on the particles' device.
        drawn: whether the poses are as the map draws them (a start on any road) and are to be
            taken back to Earth, or are on Earth already.
    """
    offset = settings.sd * _normal(state, generator)
    slope = slope_sd(settings) * _normal(state, generator)
    begun = state._replace(map_offset=offset, map_slope=slope)
    if not drawn:
        return begun
    return begun._replace(pose=_shift(state.pose, -offset, -turn(state.pose[..., 2], slope)))


def drift(
    state: VehicleState,
    distance: Float[Tensor, " B"],
    settings: MapErrorSettings,
    generator: torch.Generator,
) -> VehicleState:
    """The offset and its slope after `distance` m of travel; stationary."""
    if settings.sd == 0.0:  # also where it was not, before the setting was changed
        none = torch.zeros_like(state.map_offset)
        return state._replace(map_offset=none, map_slope=none)
    (a, b, c, d), (first, _, cross, second) = (
        part.to(state.pose).flatten(1).T[..., None, None] for part in transition(distance, settings)
    )
    offset, slope = state.map_offset, state.map_slope
    noise = _normal(state, generator)
    # element by element: a product of matrices for each particle takes twice as long
    return state._replace(
        map_offset=a * offset + b * slope + first * noise,
        map_slope=c * offset + d * slope + cross * noise + second * _normal(state, generator),
    )


def transition(
    distance: Float[Tensor, " B"], settings: MapErrorSettings
) -> tuple[Float64[Tensor, "B 2 2"], Float64[Tensor, "B 2 2"]]:
    """A, and the lower factor of Cov w, of one component's (offset, slope).

    Read backwards in travel the process is the same with the slope's sign turned.

    Args:
        distance: m of travel.
        settings: spread and length of the offset.
    """
    length, s = settings.distance, distance.double()
    x = s / length
    if not settings.turns:
        none, left = torch.zeros_like(x), settings.sd * (-torch.expm1(-2.0 * x)).sqrt()
        return _matrix(torch.exp(-x), none, none, none), _matrix(left, none, none, none)
    kept = torch.exp(-x)[:, None, None] * _matrix(1.0 + x, s, -x / length, 1.0 - x)
    spread = settings.sd**2 * torch.diag(s.new_tensor([1.0, length**-2]))
    left = spread - kept @ spread @ kept.mT
    # by hand: at rest nothing is left, and what is left of a short way is near singular
    first = left[:, 0, 0].clamp_min(0.0).sqrt()
    cross = torch.where(first > 0.0, left[:, 1, 0] / first.clamp_min(1e-300), 0.0)
    second = (left[:, 1, 1] - cross.square()).clamp_min(0.0).sqrt()
    return kept, _matrix(first, torch.zeros_like(first), cross, second)


def slope_sd(settings: MapErrorSettings) -> float:
    """Standard deviation of the slope, m per m."""
    return settings.sd / settings.distance if settings.turns else 0.0


def on_map(state: VehicleState) -> Float[Tensor, "B N 3"]:
    """Poses as the map draws them: x m, y m, yaw rad."""
    return _shift(state.pose, state.map_offset, turn(state.pose[..., 2], state.map_slope))


def turn(yaw: Float[Tensor, "B N"], slope: Float[Tensor, "B N 2"]) -> Float[Tensor, "B N"]:
    """How far the map turns a street at that heading, rad; slopes of a tenth at most are meant.

    Args:
        yaw: heading; on Earth or on the map makes a difference of second order.
        slope: east and north, m per m.
    """
    return yaw.cos() * slope[..., 1] - yaw.sin() * slope[..., 0]


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    return torch.stack((torch.stack((a, b), -1), torch.stack((c, d), -1)), -2)


def _normal(state: VehicleState, generator: torch.Generator) -> Tensor:
    like = state.map_offset
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)


def _shift(pose: Tensor, offset: Tensor, angle: Tensor) -> Tensor:
    return torch.cat((pose[..., :2] + offset, (pose[..., 2] + angle).unsqueeze(-1)), -1)
