"""Where a filter starts: statistics of many draws from each prior."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from mdps_ros.core.mapdata import RoadNetwork
from mdps_ros.models.prior import (
    FLOOR_SPACING,
    FreePrior,
    PosePrior,
    Prior,
    RegionPrior,
    RoadPrior,
    sample_prior,
    start_count,
)
from mdps_ros.models.prior_parts import within
from test.models.road_worlds import distances, roads

COUNT = 20_000
# far apart, so that a draw tells its road; lengths 100, 300, 50, 200 m
STREETS = (
    ((0.0, 0.0), (100.0, 0.0)),
    ((0.0, 1000.0), (0.0, 1300.0)),
    ((2000.0, 0.0), (2050.0, 0.0)),
    ((2000.0, 1000.0), (2000.0 - 200.0 / math.sqrt(2), 1000.0 + 200.0 / math.sqrt(2))),
)
TOWN = roads(STREETS, oneway=[False, False, True, True])


def draw(prior: Prior, seed: int, count: int = COUNT, batch: int = 1) -> NDArray[np.float64]:
    generator = torch.Generator().manual_seed(seed)
    return sample_prior(prior, batch, count, generator).double().numpy()


def segment_and_direction(
    poses: NDArray[np.float64], network: RoadNetwork
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(N,) nearest segment and whether the pose heads start -> end."""
    segment = distances(poses[:, :2], network).argmin(1)
    return segment, np.cos(poses[:, 2] - network.yaw[segment]) > 0


def check_uniform_along_the_roads(poses: NDArray[np.float64], network: RoadNetwork) -> None:
    """Chi-square over pieces of 25 m and both directions; a rate of false alarms of 1e-4."""
    segment, forward = segment_and_direction(poses, network)
    edge = (network.end - network.start)[segment]
    along = ((poses[:, :2] - network.start[segment]) * edge).sum(-1) / network.lengths[segment]
    observed, expected = [], []
    directed = float(network.lengths.sum() + network.lengths[~network.oneway].sum())
    for number, length in enumerate(network.lengths):
        for heads in (True,) if network.oneway[number] else (True, False):
            mine = along[(segment == number) & (forward == heads)]
            pieces = round(length / 25)
            counts, _ = np.histogram(np.clip(mine, 0, length - 1e-9), pieces, (0, length))
            observed += counts.tolist()
            expected += [len(poses) * length / pieces / directed] * pieces
    statistic = float(((np.array(observed) - expected) ** 2 / expected).sum())
    assert statistic < stats.chi2.ppf(1 - 1e-4, len(observed) - 1), statistic


def test_road_prior_is_uniform_along_the_length_in_every_direction_of_traffic() -> None:
    check_uniform_along_the_roads(draw(RoadPrior(TOWN), 1)[0], TOWN)


def test_a_prior_that_gives_each_road_the_same_share_fails() -> None:
    """The same streets, told to have equal lengths when drawing."""
    poses = draw(RoadPrior(TOWN), 2)[0]
    segment, _ = segment_and_direction(poses, TOWN)
    rng = np.random.default_rng(3)
    equal = np.concatenate(
        [rng.choice(np.flatnonzero(segment == number), COUNT // 4) for number in range(4)]
    )
    with pytest.raises(AssertionError):
        check_uniform_along_the_roads(poses[equal], TOWN)


def test_one_way_roads_are_never_started_against_their_direction() -> None:
    """Starts are drawn with a spread of heading, so a right angle off is the bound."""
    segment, forward = segment_and_direction(draw(RoadPrior(TOWN), 4)[0], TOWN)
    against = ~forward & TOWN.oneway[segment]
    assert against.mean() < 0.002
    two_way = ~TOWN.oneway[segment]
    share = forward[two_way].mean()
    assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(two_way.sum())


def test_on_two_way_roads_starts_keep_to_the_right_in_the_mean() -> None:
    poses = draw(RoadPrior(TOWN), 5)[0]
    segment, forward = segment_and_direction(poses, TOWN)
    for number in (0, 1):
        for heads in (True, False):
            mine = poses[(segment == number) & (forward == heads)]
            yaw = TOWN.yaw[number] + (0.0 if heads else math.pi)
            left = (mine[:, :2] - TOWN.start[number]) @ np.array([-math.sin(yaw), math.cos(yaw)])
            assert left.mean() < -3 * left.std() / math.sqrt(len(mine))
    one_way = poses[segment == 2]
    assert abs(one_way[:, 1].mean()) < 5 * one_way[:, 1].std() / math.sqrt(len(one_way))


def test_a_known_heading_restricts_the_directions() -> None:
    """Heading east: only streets 0 and 2 fit, street 0 not westward; shares follow the length."""
    poses = draw(RoadPrior(TOWN, heading=(0.0, 0.1)), 6)[0]
    segment, forward = segment_and_direction(poses, TOWN)
    assert set(segment.tolist()) == {0, 2}
    assert (~forward).mean() < 0.002
    share = (segment == 0).mean()
    assert abs(share - 2 / 3) < 5 * math.sqrt(2 / 9 / COUNT)
    assert abs(np.angle(np.exp(1j * poses[:, 2]).mean())) < 0.05


def test_a_heading_of_west_takes_the_other_direction() -> None:
    poses = draw(RoadPrior(TOWN, heading=(math.pi, 0.1)), 7)[0]
    segment, forward = segment_and_direction(poses, TOWN)
    assert set(segment.tolist()) == {0}
    assert forward.mean() < 0.002


def test_pose_prior_has_the_moments_that_it_is_given() -> None:
    mean = np.array([120.0, -40.0, 1.2])
    root = np.array([[2.0, 0.0, 0.0], [1.0, 1.5, 0.0], [-0.1, 0.05, 0.1]])
    covariance = root @ root.T
    count = 200_000
    poses = draw(PosePrior(mean, covariance), 8, count)[0]
    variances = np.diag(covariance)
    assert (np.abs(poses.mean(0) - mean) < 5 * np.sqrt(variances / count)).all()
    error = np.sqrt((np.outer(variances, variances) + covariance**2) / count)
    assert (np.abs(np.cov(poses.T) - covariance) < 5 * error).all()


def test_pose_prior_without_spread_is_the_pose() -> None:
    poses = draw(PosePrior(np.array([3.0, 4.0, 0.5]), np.zeros((3, 3))), 9, 10)[0]
    np.testing.assert_allclose(poses, np.broadcast_to([3.0, 4.0, 0.5], (10, 3)), atol=1e-6)


CELLS = np.array([(0.25, 0.25), (0.75, 0.25), (10.25, 3.75), (-4.75, 8.25), (10.25, -7.75)])
FLOOR = FreePrior(CELLS, 0.5)


def test_free_prior_is_uniform_over_the_free_cells_and_all_headings() -> None:
    poses = draw(FLOOR, 10)[0]
    away = np.abs(poses[:, None, :2] - CELLS).max(-1)
    cell = away.argmin(1)
    assert away.min(1).max() <= 0.25 + 1e-5
    counts = np.bincount(cell, minlength=5)
    assert stats.chisquare(counts).pvalue > 1e-4
    inside = (poses[:, :2] - CELLS[cell]) / 0.5 + 0.5
    for axis in range(2):
        assert stats.kstest(inside[:, axis], "uniform").pvalue > 1e-4
    turn = np.angle(np.exp(1j * poses[:, 2])) / (2 * np.pi) + 0.5
    assert stats.kstest(turn, "uniform").pvalue > 1e-4


def test_free_prior_with_a_known_heading_draws_about_it() -> None:
    yaw = draw(FLOOR._replace(heading=(1.0, 0.2)), 11)[0, :, 2]
    assert abs(yaw.mean() - 1.0) < 5 * 0.2 / math.sqrt(COUNT)
    assert abs(yaw.std() / 0.2 - 1) < 5 / math.sqrt(2 * COUNT)


@pytest.mark.parametrize(
    "prior", [RoadPrior(TOWN), FLOOR, PosePrior(np.zeros(3), np.eye(3))], ids=["road", "free", "at"]
)
def test_draws_have_a_batch_axis_are_single_precision_and_follow_the_seed(prior: Prior) -> None:
    generators = [torch.Generator().manual_seed(seed) for seed in (12, 12, 13)]
    first, same, other = (sample_prior(prior, 3, 50, generator) for generator in generators)
    assert first.shape == (3, 50, 3)
    assert first.dtype == torch.float32
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_one_particle_can_be_drawn_from_every_prior() -> None:
    for prior in (RoadPrior(TOWN), FLOOR, PosePrior(np.zeros(3), np.eye(3))):
        assert np.isfinite(draw(prior, 14, 1)).all()


def test_start_count_is_directed_length_over_spacing() -> None:
    """Two-way 100 + 300 m count twice, one-way 50 + 200 m once."""
    assert start_count(RoadPrior(TOWN), 1.0) == 1050
    assert start_count(RoadPrior(TOWN), 2.5) == 420


def test_start_count_with_a_known_heading_counts_the_directions_that_fit() -> None:
    street = roads([((0.0, 0.0), (100.0, 0.0)), ((0.0, 500.0), (0.0, 700.0))])
    assert start_count(RoadPrior(street), 1.0) == 600
    assert start_count(RoadPrior(street, heading=(0.0, 0.05)), 1.0) in (100, 101)
    assert start_count(RoadPrior(street, heading=(0.0, 3.0)), 1.0) > 400


def test_start_count_of_floor_grows_with_its_area_and_shrinks_with_a_known_heading() -> None:
    square = 0.5 / FLOOR_SPACING  # one square per cell
    assert start_count(FLOOR, square) == 40
    assert start_count(FLOOR, square / 2) == 160
    assert start_count(FLOOR._replace(heading=(0.0, math.pi / 8)), square / 2) == 40
    assert start_count(PosePrior(np.zeros(3), np.eye(3)), 1.0) == 1


# -- regions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("elsewhere", [0.0, 0.25])
def test_a_region_prior_is_its_part_but_for_the_share_elsewhere(elsewhere: float) -> None:
    everywhere = RoadPrior(TOWN)
    inside = within(everywhere, np.array([50.0, 0.0]), 10.0)
    assert inside is not None
    prior = RegionPrior(inside, everywhere, elsewhere)
    segment, _ = segment_and_direction(draw(prior, 3)[0], TOWN)
    counts = np.bincount(segment, minlength=4)
    # of those anywhere, the first street gets its part of the directed length: 200 of 1050 m
    wanted = COUNT * elsewhere * np.array([200.0, 600.0, 50.0, 200.0]) / 1050.0
    wanted[0] += COUNT * (1.0 - elsewhere)
    assert np.abs(counts - wanted).max() < 0.01 * COUNT


def test_a_region_is_sampled_as_densely_as_without_it_and_so_is_the_map() -> None:
    everywhere = RoadPrior(TOWN)
    inside = within(everywhere, np.array([50.0, 0.0]), 10.0)
    assert inside is not None
    assert start_count(inside, 0.5) == 400
    assert start_count(everywhere, 0.5) == 2100
    assert start_count(RegionPrior(inside, everywhere, 0.4), 0.5) == 2100
    assert start_count(RegionPrior(inside, everywhere, 0.875), 0.5) == 3200
