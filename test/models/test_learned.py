from __future__ import annotations

import math

import pytest
import torch

from mdps_ros.core.angles import wrap
from mdps_ros.core.kernels import concentration
from mdps_ros.models.learned.bandwidth import Bandwidth
from mdps_ros.models.learned.dynamics import ResidualDynamics, add_residual
from mdps_ros.models.learned.ensemble import EnsembleMLP, by_member, member_generators
from mdps_ros.models.learned.measurement import (
    BearingEncoder,
    SmootherNetwork,
    WeightNetwork,
    bounded_log_weight,
)

SEEDS = (5, 6, 7)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def parameter_count(module):
    return sum(parameter[0].numel() for parameter in module.parameters())


def random_poses(rows, particles, seed=1):
    scale = torch.tensor([8.0, 8.0, 3.0])
    return torch.randn(rows, particles, 3, generator=generator(seed)) * scale


# Networks of the papers' sizes


def test_networks_have_the_parameter_counts_of_the_specification():
    seeds = member_generators([0])
    assert parameter_count(ResidualDynamics(seeds)) == 524
    assert parameter_count(BearingEncoder(seeds)) == 168
    assert parameter_count(WeightNetwork(seeds)) == 401
    assert parameter_count(SmootherNetwork(seeds)) == 561 + 2  # and the two shares of lost filters


def test_members_side_by_side_equal_networks_alone():
    poses, bearings = random_poses(6, 4), torch.linspace(-3.0, 3.0, 12).reshape(6, 2)
    densities = torch.randn(2, 6, 4, generator=generator(2))

    def outputs(seeds, rows):
        generators = member_generators(seeds)
        encoder, weights = BearingEncoder(generators), WeightNetwork(generators)
        dynamics = ResidualDynamics(generators, noise_dimension=0)
        scorer = SmootherNetwork(generators)
        features = encoder(bearings[rows])[:, 0]
        log_weights = weights(poses[rows], features)
        scores = scorer(poses[rows], features, log_weights, *densities[:, rows])
        return dynamics(poses[rows], generator()), log_weights, scores

    together = outputs(SEEDS, slice(None))
    for member, seed in enumerate(SEEDS):
        rows = slice(2 * member, 2 * member + 2)
        for all_members, alone in zip(together, outputs((seed,), rows), strict=True):
            torch.testing.assert_close(all_members[rows], alone)


def test_gradient_of_a_member_does_not_see_the_others():
    network = EnsembleMLP((2, 3, 1), member_generators(SEEDS))
    columns = torch.randn(3, 2, 10, generator=generator())
    network(columns)[1].sum().backward()
    for parameter in network.parameters():
        assert parameter.grad[1].abs().sum() > 0.0
        assert parameter.grad[[0, 2]].abs().sum() == 0.0


def test_rows_that_cannot_be_shared_are_refused():
    with pytest.raises(ValueError, match="same number of rows"):
        by_member(torch.zeros(7, 2), 3)


# Motion


@pytest.mark.parametrize("yaw", [0.0, 1.0, math.pi / 2.0, math.pi, -math.pi, 3.0, -3.1, 7.0])
def test_zero_residual_returns_the_very_pose(yaw):
    poses = torch.tensor([[[1.5, -20.0, yaw]]], dtype=torch.float64)
    moved = add_residual(poses, torch.zeros(1, 4, 1, dtype=torch.float64))
    assert torch.equal(moved[..., :2], poses[..., :2])
    assert float(wrap(moved[..., 2] - poses[..., 2]).abs()) < 1e-12


def test_motion_with_zeroed_last_layer_stands_still():
    dynamics = ResidualDynamics(member_generators(SEEDS))
    with torch.no_grad():
        for parameter in dynamics.residual.layers[-1].parameters():
            parameter.zero_()
    poses = random_poses(6, 5)
    moved = dynamics(poses, generator())
    torch.testing.assert_close(moved[..., :2], poses[..., :2])
    assert float(wrap(moved[..., 2] - poses[..., 2]).abs().max().detach()) < 1e-5


def test_motion_is_blind_to_where_the_car_is_and_draws_noise():
    dynamics = ResidualDynamics(member_generators(SEEDS))
    poses = random_poses(6, 5)
    shifted = poses + torch.tensor([3.0, -4.0, 0.0])
    first, elsewhere = (dynamics(start, generator(3)) for start in (poses, shifted))
    torch.testing.assert_close(elsewhere - shifted, first - poses, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(first, dynamics(poses, generator(4)))


def test_a_step_is_never_longer_than_its_scale():
    dynamics = ResidualDynamics(member_generators([0]))
    with torch.no_grad():
        for parameter in dynamics.parameters():
            parameter.mul_(1e3)
    poses = random_poses(2, 50)
    step = (dynamics(poses, generator()) - poses)[..., :2].abs()
    assert float(step.max().detach()) <= 5.0 + 1e-4


# Weights


def test_weights_lie_between_the_bound_and_one():
    scores = torch.tensor([-1e4, -5.0, 0.0, 5.0, 1e4], dtype=torch.float64)
    logs = bounded_log_weight(scores)
    expected = torch.log(1e-5 + (1.0 - 1e-5) * torch.sigmoid(scores))
    torch.testing.assert_close(logs, expected, atol=1e-12, rtol=1e-12)
    assert float(logs[0]) == pytest.approx(math.log(1e-5))


def test_smoother_starts_as_bayes_rule_where_no_filter_is_lost():
    network = SmootherNetwork(member_generators([0]), lost_share=1e-12)
    with torch.no_grad():
        for parameter in network.head.layers[-1].parameters():
            parameter.zero_()
    points, features = random_poses(3, 7), torch.rand(3, 8, generator=generator(4))
    log_forward, log_backward, log_likelihood = torch.randn(3, 3, 7, generator=generator(5))
    score = network(points, features, log_likelihood, log_forward, log_backward)
    excess = score - (log_likelihood + log_forward + log_backward)
    torch.testing.assert_close(excess, excess[:1, :1].expand_as(excess), atol=1e-5, rtol=1e-5)


def test_smoother_keeps_a_point_that_one_filter_excludes():
    network = SmootherNetwork(member_generators([0]))
    flat = torch.zeros(1, 2)
    features = torch.zeros(1, 8)
    points = torch.zeros(1, 2, 3)
    lost = torch.tensor([[0.0, -1e4]])
    score = network(points, features, flat, flat, lost)
    assert bool(torch.isfinite(score).all())
    assert float((score[0, 0] - score[0, 1]).detach()) == pytest.approx(-math.log(0.02), abs=1.0)


# Bandwidths


def test_bandwidth_is_never_at_or_below_its_minimum_and_learns():
    bandwidth = Bandwidth((0.4, 0.4, 0.03), (0.1, 0.1, 0.001), members=2)
    torch.testing.assert_close(bandwidth()[0], torch.tensor([0.5, 0.5, 0.031]))
    with torch.no_grad():
        bandwidth.rho.fill_(-10.0)
    assert bool((bandwidth() > bandwidth.minimum).all())
    bandwidth().sum().backward()
    assert bool((bandwidth.rho.grad > 0.0).all())


def test_rows_of_a_member_share_its_bandwidth():
    bandwidth = Bandwidth((1.0, 1.0, 0.1), (0.0, 0.0, 0.0), members=2)
    with torch.no_grad():
        bandwidth.rho[1] += 1.0
    rows = bandwidth.kernel(6).bandwidth
    assert torch.equal(rows[0], rows[2])
    assert torch.equal(rows[3], rows[5])
    torch.testing.assert_close(rows[3], math.e * rows[0])
    assert float(concentration(rows[0, 2]).detach()) == pytest.approx(10.0, rel=1e-5)


def test_bandwidths_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="starts must be positive"):
        Bandwidth((0.0, 1.0, 1.0), (0.1, 0.1, 0.1), members=1)
