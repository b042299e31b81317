"""Moments and modes of pose beliefs (specification: 31)."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from mdps_ros.core import angles, estimates, mixture
from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.types import MixtureBelief

F64 = torch.float64
RADIUS_M = 5.0
RADIUS_YAW = math.radians(30.0)


def cloud(
    centres: list[tuple[float, float, float]], counts: list[int], seed: int
) -> tuple[Tensor, Tensor]:
    """Equally weighted particles, 0.3 m and 1 degree wide about each centre, in mixed order."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.tensor([0.3, 0.3, math.radians(1.0)], dtype=F64)
    parts = [
        torch.tensor(centre, dtype=F64) + spread * torch.randn(n, 3, generator=generator, dtype=F64)
        for centre, n in zip(centres, counts, strict=True)
    ]
    poses = torch.cat(parts)
    poses = poses[torch.randperm(len(poses), generator=generator)].unsqueeze(0)
    return poses, torch.full(poses.shape[:2], -math.log(poses.shape[1]), dtype=F64)


def assert_pose(actual: Tensor, expected: tuple[float, float, float]) -> None:
    difference = estimates.pose_difference(actual, torch.tensor(expected, dtype=F64))
    assert (difference.abs() < torch.tensor([0.1, 0.1, 0.01], dtype=F64)).all(), actual


def test_moments_are_circular_in_yaw() -> None:
    poses, log_weights = cloud([(3.0, -2.0, math.pi)], [4000], seed=1)
    poses[..., 2] = angles.wrap(poses[..., 2])
    mean, covariance = estimates.moments(poses, log_weights)
    assert_pose(mean[0], (3.0, -2.0, math.pi))
    expected = torch.tensor([0.09, 0.09, math.radians(1.0) ** 2], dtype=F64)
    error = (covariance[0].diagonal() / expected - 1).abs()
    assert (error < 5 * math.sqrt(2 / 4000)).all()


def test_moments_weigh_the_particles() -> None:
    poses = torch.tensor([[[0.0, 0.0, 0.1], [4.0, 2.0, 0.5]]], dtype=F64)
    log_weights = torch.tensor([[0.25, 0.75]], dtype=F64).log()
    mean, covariance = estimates.moments(poses, log_weights)
    torch.testing.assert_close(mean[0, :2], torch.tensor([3.0, 1.5], dtype=F64))
    torch.testing.assert_close(covariance[0, 0, 1].item(), 0.25 * 0.75 * 4.0 * 2.0)


def test_separated_modes_come_in_order_of_mass() -> None:
    """Specification 31."""
    centres = [(0.0, 0.0, 0.0), (40.0, 7.0, 2.0), (-30.0, 12.0, -3.0)]
    poses, log_weights = cloud(centres, [300, 900, 600], seed=2)
    found = estimates.modes(poses, log_weights, 4, RADIUS_M, RADIUS_YAW)
    assert_pose(found.mean[0, 0], centres[1])
    assert_pose(found.mean[0, 1], centres[2])
    assert_pose(found.mean[0, 2], centres[0])
    torch.testing.assert_close(found.mass[0], torch.tensor([0.5, 1 / 3, 1 / 6, 0.0], dtype=F64))
    assert found.mean[0, 3].isnan().all()
    assert found.covariance[0, 3].isnan().all()
    variance = found.covariance[0, :3].diagonal(dim1=-2, dim2=-1)
    assert (variance[:, 0] / 0.09 - 1).abs().max() < 0.5


@pytest.mark.parametrize(
    ("offset", "modes"),
    [
        ((4.0, 0.0, math.radians(10.0)), 1),
        ((6.0, 0.0, 0.0), 2),
        ((0.0, 0.0, math.radians(40.0)), 2),
        ((0.0, 0.0, math.pi), 2),
    ],
    ids=["4 m and 10 deg", "6 m", "40 deg", "opposite heading"],
)
@pytest.mark.parametrize("at", [(0.0, 0.0, 0.0), (5.0, 5.0, math.radians(30)), (103.0, -77.0, 3.1)])
def test_near_modes_merge_and_distant_ones_stay(
    offset: tuple[float, float, float], modes: int, at: tuple[float, float, float]
) -> None:
    """Specification 31, wherever the pair lies relative to the search grid and the cut in yaw."""
    other = (at[0] + offset[0], at[1] + offset[1], at[2] + offset[2])
    poses, log_weights = cloud([at, other], [1400, 600], seed=3)
    poses[..., 2] = angles.wrap(poses[..., 2])
    found = estimates.modes(poses, log_weights, 3, RADIUS_M, RADIUS_YAW)
    kept = found.mass[0] > 0.01
    assert int(kept.sum()) == modes
    if modes == 2:
        assert_pose(found.mean[0, 0], at)
        assert_pose(found.mean[0, 1], other)
        assert found.mass[0, 0].item() == pytest.approx(0.7, abs=0.01)


def test_modes_of_rows_are_independent_and_inputs_stay() -> None:
    one, log_one = cloud([(0.0, 0.0, 0.0), (50.0, 0.0, 1.0)], [500, 300], seed=4)
    two, log_two = cloud([(9.0, 9.0, 1.0), (90.0, 4.0, -1.0)], [100, 700], seed=5)
    poses, log_weights = torch.cat((one, two)), torch.cat((log_one, log_two))
    before = poses.clone(), log_weights.clone()
    both = estimates.modes(poses, log_weights, 2, RADIUS_M, RADIUS_YAW)
    assert torch.equal(poses, before[0])
    assert torch.equal(log_weights, before[1])
    alone = estimates.modes(two, log_two, 2, RADIUS_M, RADIUS_YAW)
    torch.testing.assert_close(both.mean[1], alone.mean[0])
    torch.testing.assert_close(both.mass[1], alone.mass[0])


def test_modes_of_one_particle() -> None:
    found = estimates.modes(
        torch.tensor([[[1.0, 2.0, -3.0]]]), torch.zeros(1, 1), 2, RADIUS_M, RADIUS_YAW
    )
    torch.testing.assert_close(found.mean[0, 0], torch.tensor([1.0, 2.0, -3.0]))
    assert found.mass.tolist() == [[1.0, 0.0]]


def test_a_mode_among_many_scattered_particles_is_found() -> None:
    """300,000 particles over 4 km, 5 % of the mass in one place."""
    generator = torch.Generator().manual_seed(6)
    count = 300_000
    poses = torch.rand(1, count, 3, generator=generator) * torch.tensor([4000.0, 4000.0, 6.28])
    spread = torch.tensor([1.0, 1.0, 0.05])
    dense = torch.randn(15_000, 3, generator=generator) * spread
    poses[0, :15_000] = torch.tensor([1234.0, 321.0, 3.1]) + dense
    log_weights = torch.full((1, count), -math.log(count))
    found = estimates.modes(poses, log_weights, 5, RADIUS_M, RADIUS_YAW)
    assert found.mass[0, 0].item() == pytest.approx(0.05, rel=0.02)
    torch.testing.assert_close(
        found.mean[0, 0], torch.tensor([1234.0, 321.0, 3.1]), atol=0.05, rtol=0
    )


class Wide(NamedTuple):
    """A normal belief that is wide along one axis of the pose, and the radius there."""

    axis: int
    spread: float
    radius: float

    def off_its_top(self, count: int, clouds: int) -> float:
        """Root mean square distance of the first mode from the mean."""
        generator = torch.Generator().manual_seed(9)
        spread = torch.tensor([0.3, 0.3, 0.02], dtype=F64)
        spread[self.axis] = self.spread
        poses = spread * torch.randn(clouds, count, 3, generator=generator, dtype=F64)
        # cells lie everywhere about the mean
        first = 20.0 * self.radius * torch.linspace(0.0, 1.0, clouds, dtype=F64)
        poses[..., self.axis] += first[:, None]
        log_weights = torch.full((clouds, count), -math.log(count), dtype=F64)
        found = estimates.modes(poses, log_weights, 1, RADIUS_M, RADIUS_YAW)
        off = found.mean[:, 0, self.axis] - first
        return float((angles.wrap(off) if self.axis == 2 else off).square().mean().sqrt())


@pytest.mark.parametrize("wide", [Wide(0, 6.0, RADIUS_M), Wide(2, 1.25 * RADIUS_YAW, RADIUS_YAW)])
def test_the_mode_of_a_belief_wider_than_its_radius_is_its_top(
    wide: Wide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean of n draws within R of a point is that point, give or take s / sqrt(n D).

    With the mass P within R of the mean, the density p there and D = P - 2 R p(R): the mean offset
    of the members has the derivative -D and the variance s^2 D / n. Two steps of mean shift, as
    before, end half a radius off.
    """
    count, clouds = 4000, 40
    reach = wide.radius / wide.spread
    within = math.erf(reach / math.sqrt(2.0))
    at_edge = math.exp(-0.5 * reach**2) / (wide.spread * math.sqrt(math.tau))
    contraction = within - 2.0 * wide.radius * at_edge
    expected = wide.spread / math.sqrt(count * contraction)
    error = expected / math.sqrt(2.0 * clouds)  # of a root mean square
    settled = estimates._SETTLED * wide.radius / contraction
    bound = math.hypot(expected, settled) + 3.0 * error
    assert wide.off_its_top(count, clouds) < bound
    monkeypatch.setattr(estimates, "_CLIMBS", 1)
    monkeypatch.setattr(estimates, "_SHIFTS_UNSEEN", 2)
    assert wide.off_its_top(count, clouds) > 3.0 * bound


def test_mixture_modes_find_the_peaks_of_the_density() -> None:
    """Specification 31."""
    centres = [(0.0, 0.0, 0.0), (40.0, 7.0, 3.1)]
    poses, log_weights = cloud(centres, [200, 100], seed=7)
    belief = MixtureBelief(
        poses, log_weights, pose_kernel(torch.tensor([0.5, 0.5, 0.01], dtype=F64))
    )
    means, density = estimates.mixture_modes(
        belief, 2, 5000, (5.0, 5.0, RADIUS_YAW), torch.Generator().manual_seed(8)
    )
    for found, centre, value in zip(means[0], centres, density[0], strict=True):
        truth = torch.tensor([[centre]], dtype=F64)
        assert estimates.pose_difference(found, truth[0, 0])[:2].norm() < 0.35
        assert value > mixture.log_prob(belief, truth)[0, 0] - 0.5
    assert density[0, 0] > density[0, 1]


def check_suppression(radius: tuple[float, float, float]) -> None:
    """Three modes in order of their density; what lies within the ellipsoid of one is not next."""
    heavy, near = (0.0, 0.0, 3.1), (4.0, 0.0, -3.01)  # 10 degrees across the cut
    far, third = (-6.0, 0.0, 3.1), (40.0, 7.0, 0.0)
    poses, log_weights = cloud([heavy, near, far, third], [400, 300, 200, 100], seed=10)
    kernel = pose_kernel(torch.tensor([0.5, 0.5, 0.01], dtype=F64))
    means, density = estimates.mixture_modes(
        MixtureBelief(poses, log_weights, kernel),
        3,
        3000,
        radius,
        torch.Generator().manual_seed(11),
    )
    for found, centre in zip(means[0], (heavy, far, third), strict=True):
        assert estimates.pose_difference(found, torch.tensor(centre, dtype=F64))[:2].norm() < 0.5
    assert (density[0].diff() < 0).all()


def test_mixture_modes_come_in_order_and_neighbours_are_suppressed() -> None:
    """Specification 31: a mode 4 m and 10 degrees away is left out, one 6 m away is kept."""
    check_suppression((5.0, 5.0, RADIUS_YAW))


@pytest.mark.parametrize("radius_m", [3.0, 8.0])
def test_mixture_modes_with_another_radius_fail(radius_m: float) -> None:
    """Specification 31."""
    with pytest.raises(AssertionError):
        check_suppression((radius_m, radius_m, RADIUS_YAW))


def test_mixture_modes_say_where_no_particle_is_left() -> None:
    belief = MixtureBelief(
        torch.zeros(2, 1, 3), torch.zeros(2, 1), pose_kernel(torch.tensor([0.1, 0.1, 0.01]))
    )
    means, density = estimates.mixture_modes(
        belief, 2, 50, (5.0, 5.0, RADIUS_YAW), torch.Generator().manual_seed(9)
    )
    assert torch.isfinite(means[:, 0]).all()
    assert means[:, 1].isnan().all()
    assert (density[:, 1] == -math.inf).all()


def test_mode_search_ends_when_rounding_hides_the_cells_that_hold_weight() -> None:
    """Weights over thirteen decades; the eighth cloud once kept the search busy for ever."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(10):
        poses = torch.randn(3000, 3, generator=generator) * torch.tensor([8.0, 8.0, 0.3])
        weights = torch.exp(-30.0 * torch.rand(3000, generator=generator))
        log_weights = (weights / weights.sum()).log()
        found = estimates.modes(poses[None], log_weights[None], 40, 2.0, 0.5)
        assert (found.mass > 0.0).all()
        assert 0.5 < float(found.mass.sum()) <= 1.0 + 1e-5
