"""Where the road model likes a car to be, on hand-made streets and with settings of its own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from mdps_ros.core.mapdata import RoadNetwork
from mdps_ros.models import road
from mdps_ros.models.road import road_log_likelihood
from mdps_ros.models.road_index import RoadIndex, build_road_index
from mdps_ros.settings import RoadSettings
from test.models.road_worlds import random_roads, roads

CPU = torch.device("cpu")
SETTINGS = RoadSettings(
    lateral_free=0.0,
    lateral_sd=0.8,
    heading_sd=0.1,
    turning_sd=0.4,
    turning_share=0.2,
    off_road=0.02,
    off_heading=0.04,
)
FLOOR = math.log(0.02) + math.log(0.04)
TWO_WAY = roads([((0.0, 0.0), (200.0, 0.0))], width=8.0)
ONE_WAY = roads([((0.0, 0.0), (200.0, 0.0))], width=8.0, oneway=True)
EAST, NORTH, WEST = 0.0, math.pi / 2, math.pi


def scores(network: RoadNetwork, poses: list[tuple[float, float, float]]) -> Tensor:
    """(N,) log-likelihoods."""
    index = build_road_index(network, CPU)
    return road_log_likelihood(torch.tensor([poses]), index, SETTINGS)[0]


def best_offset(network: RoadNetwork, yaw: float) -> float:
    """Metres north of the centreline at which a car on the middle of the street scores best."""
    across = np.arange(-6.0, 6.01, 0.05)
    return float(across[scores(network, [(100.0, float(y), yaw) for y in across]).argmax()])


@pytest.mark.parametrize(("yaw", "side"), [(EAST, -1.0), (WEST, 1.0)])
def test_on_a_two_way_road_the_best_place_is_on_the_right_half(yaw: float, side: float) -> None:
    best = side * best_offset(TWO_WAY, yaw)
    assert 0.3 < best < 4.0
    keeping_right, keeping_left = scores(TWO_WAY, [(90.0, side * 2, yaw), (90.0, -side * 2, yaw)])
    assert keeping_right > keeping_left + 0.5


def test_on_a_one_way_road_the_best_place_is_the_centreline() -> None:
    assert abs(best_offset(ONE_WAY, EAST)) < 0.06


def test_the_peak_over_the_heading_is_along_the_road() -> None:
    yaws = np.linspace(-math.pi, math.pi, 629)
    best = yaws[scores(ONE_WAY, [(90.0, 0.0, float(yaw)) for yaw in yaws]).argmax()]
    assert abs(best) < 0.006


def test_the_wrong_way_costs_everything_on_one_way_roads_and_nothing_on_two_way_roads() -> None:
    right, wrong, across = scores(ONE_WAY, [(90.0, 0.0, yaw) for yaw in (EAST, WEST, NORTH)])
    assert right == pytest.approx(math.log(1.0), abs=1e-5)
    assert wrong == pytest.approx(math.log(SETTINGS.off_heading), abs=1e-5)
    assert wrong <= across < right - 2
    there, back = scores(TWO_WAY, [(90.0, -1.0, EAST), (90.0, 1.0, WEST)])
    assert there == pytest.approx(float(back), abs=1e-5)


def test_at_a_junction_any_arm_will_do() -> None:
    cross = roads(
        [
            ((0.0, 0.0), (80.0, 0.0)),
            ((0.0, 0.0), (-80.0, 0.0)),
            ((0.0, 0.0), (0.0, 80.0)),
            ((0.0, -80.0), (0.0, 0.0)),
        ]
    )
    along = scores(cross, [(0.0, 0.0, yaw) for yaw in (EAST, NORTH, WEST, -NORTH)])
    assert along.max() - along.min() < 1e-4
    (between,) = scores(cross, [(0.0, 0.0, math.pi / 4)])
    assert between < along.min() - 1


def test_the_tangent_turns_at_a_bend_and_not_at_a_corner_of_three() -> None:
    """At the node of a gentle bend the bisector fits better than either segment."""
    turn = 0.6
    far = (100 * math.cos(turn), 100 * math.sin(turn))
    bend = [((-100.0, 0.0), (0.0, 0.0)), ((0.0, 0.0), far)]
    poses = [(0.0, 0.0, turn / 2), (0.0, 0.0, 0.0), (-60.0, -1.0, 0.0), (-60.0, -1.0, turn / 2)]
    bisector, straight, before, turned = scores(roads(bend, oneway=True), poses)
    assert bisector > straight + 1
    assert before > turned + 1
    side = ((0.0, 0.0), (30.0, -100.0))
    at_three = scores(roads([*bend, side], oneway=True), poses[:2])
    assert at_three[1] > at_three[0] + 1


def test_off_the_roads_the_floor_holds_exactly() -> None:
    away = [(100.0, 60.0, EAST), (-500.0, 0.0, EAST), (100.0, -30.0, 1.0), (230.0, 25.0, 2.0)]
    np.testing.assert_allclose(scores(TWO_WAY, away).numpy(), FLOOR, rtol=1e-6)


def test_no_pose_scores_below_the_floor_or_above_one() -> None:
    rng = np.random.default_rng(1)
    network = random_roads(2, 80)
    index = build_road_index(network, CPU)
    poses = torch.from_numpy(rng.uniform((-100, -100, -9), (1000, 500, 9), (30_000, 3))).float()
    score = road_log_likelihood(poses[None], index, SETTINGS)
    assert (score >= FLOOR - 1e-4).all()
    assert (score <= 1e-5).all()
    assert (score > FLOOR + 1).any()


@pytest.mark.parametrize("far", [50.0, 1e4, 1e7, 1e12])
@pytest.mark.parametrize(("x", "y"), [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, 1), (1, -1)])
def test_scores_are_finite_anywhere(x: int, y: int, far: float) -> None:
    (score,) = scores(TWO_WAY, [(100.0 + x * far, y * far, 40.0)])
    assert torch.isfinite(score)
    if far > 200.0:
        assert score == pytest.approx(FLOOR, rel=1e-6)


def test_moving_away_from_the_lane_never_helps() -> None:
    lanes = [(100.0, float(y), EAST) for y in np.arange(-1.0, -14.0, -0.25)]
    score = scores(TWO_WAY, lanes)
    assert (score.diff() <= 1e-5).all()
    assert score[0] > score[-1] + 2


def test_past_the_end_of_a_road_the_score_falls() -> None:
    on, short, far = scores(ONE_WAY, [(199.0, 0.0, EAST), (204.0, 0.0, EAST), (212.0, 0.0, EAST)])
    assert on > short > far >= FLOOR - 1e-5


def test_a_turned_world_gives_the_same_scores() -> None:
    """A street network that is wider than high, and the same one on its side."""
    # one-way, because the score of a two-way road steps where the pose is square to it
    network = replace(random_roads(3, 60), oneway=np.ones(60, np.bool_))
    index = build_road_index(network, CPU)
    quarter = roads(
        [
            ((-a[1], a[0]), (-b[1], b[0]))
            for a, b in zip(network.start.tolist(), network.end.tolist(), strict=True)
        ],
        oneway=True,
    )
    turned_index = build_road_index(quarter, CPU)
    rng = np.random.default_rng(4)
    near = network.start[rng.integers(60, size=3000)] + rng.normal(size=(3000, 2))
    poses = np.column_stack((near, rng.uniform(-3, 3, 3000)))
    turned = np.column_stack((-poses[:, 1], poses[:, 0], poses[:, 2] + math.pi / 2))
    here, there = (
        road_log_likelihood(torch.from_numpy(p).float()[None], i, SETTINGS)
        for p, i in ((poses, index), (turned, turned_index))
    )
    torch.testing.assert_close(here, there, atol=2e-3, rtol=0)


def test_rows_of_a_batch_are_scored_alone_and_large_clouds_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = build_road_index(random_roads(5, 60), CPU)
    rng = np.random.default_rng(6)
    poses = torch.from_numpy(rng.uniform((0, 0, -3), (900, 400, 3), (3, 700, 3))).float()
    together = road_log_likelihood(poses, index, SETTINGS)
    assert together.shape == (3, 700)
    for row in range(3):
        alone = road_log_likelihood(poses[row : row + 1], index, SETTINGS)
        assert torch.equal(alone[0], together[row])
    monkeypatch.setattr(road, "CHUNK", 7)
    assert torch.equal(road_log_likelihood(poses, index, SETTINGS), together)


def test_scoring_changes_no_pose_and_knows_no_turn_count() -> None:
    index = build_road_index(TWO_WAY, CPU)
    poses = torch.tensor([[[90.0, -1.0, 0.3], [90.0, -1.0, 0.3 + 8 * math.pi]]])
    copy = poses.clone()
    score = road_log_likelihood(poses, index, SETTINGS)
    assert torch.equal(poses, copy)
    torch.testing.assert_close(score[0, 0], score[0, 1], atol=1e-4, rtol=0)


def test_a_wrong_side_of_the_road_would_be_noticed() -> None:
    """The network with every segment's lane on the left: the test of the right half fails."""
    index = build_road_index(TWO_WAY, CPU)
    mirrored = RoadIndex(
        index.segments * torch.tensor([1, 1, 1, 1, 1, 1, -1, 1, 1, 1.0]), *index[1:]
    )
    poses = torch.tensor([[[90.0, -2.0, EAST], [90.0, 2.0, EAST]]])
    plain = road_log_likelihood(poses, index, SETTINGS)[0]
    wrong = road_log_likelihood(poses, mirrored, SETTINGS)[0]
    assert plain[0] > plain[1]
    assert wrong[0] < wrong[1]


def test_lateral_and_heading_parts_are_one_at_best_and_never_below_their_floors() -> None:
    width = torch.tensor(6.0)
    offsets = torch.linspace(0.0, 50.0, 200)
    fit = road.lateral(offsets, width, SETTINGS)
    assert fit[0] == 1.0
    assert (fit.diff() <= 0).all()
    assert fit[-1] == pytest.approx(SETTINGS.off_road)
    turned = road.heading_fit(torch.linspace(0.0, math.pi, 200), SETTINGS)
    assert turned[0] == pytest.approx(1.0)
    assert (turned.diff() <= 1e-7).all()
    assert turned[-1] == pytest.approx(SETTINGS.off_heading, rel=1e-3)
