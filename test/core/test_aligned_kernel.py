"""A kernel along and across a street against Silverman's closed form and the exact density."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mdps_ros.core import mixture
from mdps_ros.core.aligned_kernel import aligned_kernel
from mdps_ros.core.kernels import ProductKernel, pose_kernel
from mdps_ros.core.se2 import rotate
from mdps_ros.core.types import Belief, MixtureBelief
from mdps_ros.core.weights import uniform

F64 = torch.float64
HEADING = 2.2
COUNT = 4000
SHARP = torch.tensor([0.05, 0.05, 0.001], dtype=F64)
SILVERMAN = (4.0 / (5.0 * COUNT)) ** (1.0 / 7.0)


class Posed(NamedTuple):
    """The least that a state has."""

    pose: Tensor


def street(spread: tuple[float, float, float], heading: float = HEADING, seed: int = 1) -> Tensor:
    """Particles about (30, 70) with deviations along, across and of the heading."""
    generator = torch.Generator().manual_seed(seed)
    off = torch.randn(1, COUNT, 3, generator=generator, dtype=F64) * torch.tensor(spread, dtype=F64)
    place = torch.tensor([30.0, 70.0], dtype=F64) + rotate(torch.tensor(heading), off[..., :2])
    return torch.cat((place, heading + off[..., 2:]), -1)


def belief(poses: Tensor) -> Belief:
    return Belief(Posed(poses), uniform(1, poses.shape[1], poses))


def narrowest(scale: float = 1.0) -> ProductKernel:
    sharp = scale * SHARP
    return pose_kernel(torch.cat((sharp[:2], sharp[2:].square())))


def test_each_axis_has_silvermans_width() -> None:
    """Of a spread that is small against the radius; 5 standard errors of a deviation."""
    spread = (1.0, 0.3, 0.02)
    found = aligned_kernel(belief(street(spread)), narrowest())
    ratio = found.kernel.spread()[0] / torch.tensor(spread, dtype=F64) / SILVERMAN
    assert ((ratio - 1.0).abs() < 5.0 / math.sqrt(2.0 * COUNT)).all()
    assert abs(float(found.heading) - HEADING) < 5.0 * spread[2] / math.sqrt(COUNT)


def test_no_axis_is_narrower_than_asked() -> None:
    found = aligned_kernel(belief(street((0.1, 2.0, 0.001))), narrowest())
    along, across, yaw = found.kernel.spread()[0]
    assert (along, yaw) == (SHARP[0], SHARP[2])
    assert across > 3.0 * SHARP[1]


def test_where_streets_cross_no_line_is_wide() -> None:
    """A width along one street would smear the other one sideways."""
    crossing = torch.cat((street((4.0, 0.3, 0.02)), street((4.0, 0.3, 0.02), HEADING + 1.5)), 1)
    along, across, _ = aligned_kernel(belief(crossing), narrowest()).kernel.spread()[0]
    assert along == across
    assert along < 0.3


def test_a_belief_has_its_kernel_whatever_lies_beside_it() -> None:
    narrow, wide = street((2.3, 0.3, 0.02)), street((8.0, 0.3, 0.02))
    poses = torch.cat((narrow, wide))
    both = aligned_kernel(Belief(Posed(poses), uniform(2, COUNT, poses)), narrowest())
    for row, alone in enumerate((narrow, wide)):
        found = aligned_kernel(belief(alone), narrowest())
        torch.testing.assert_close(both.kernel.spread()[row], found.kernel.spread()[0])
        torch.testing.assert_close(both.heading[row], found.heading[0])


def test_few_particles_on_a_long_street_say_what_their_density_says() -> None:
    """Log-density at the particles' own places, up to a constant; the narrow kernel is lumps."""
    spread = (5.0, 0.4, 0.02)
    few, other = street(spread)[:, :300], street(spread, seed=2)[:, :300]
    exact = -0.5 * _standardised(other, spread).square().sum(-1)
    aligned = aligned_kernel(belief(few), narrowest(4.0))
    turned = MixtureBelief(aligned.turned(few), belief(few).log_weights, aligned.kernel)
    plain = MixtureBelief(few, belief(few).log_weights, narrowest(4.0))
    error = [
        (found - exact).std().item()
        for found in (
            mixture.log_prob(turned, aligned.turned(other)),
            mixture.log_prob(plain, other),
        )
    ]
    assert error[0] < 1.0
    assert error[1] > 3.0 * error[0]


def _standardised(poses: Tensor, spread: tuple[float, float, float]) -> Tensor:
    off = poses[..., :2] - torch.tensor([30.0, 70.0], dtype=F64)
    back = rotate(torch.tensor(-HEADING), off)
    return torch.cat((back, poses[..., 2:] - HEADING), -1) / torch.tensor(spread, dtype=F64)
