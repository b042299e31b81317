"""The offset between a place and its picture on the map."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mdps_ros.core.tree import gather_particles
from mdps_ros.models import map_error, motion
from mdps_ros.models.motion import VehicleState
from mdps_ros.models.prior import PosePrior
from mdps_ros.models.vehicle import VehicleModel
from mdps_ros.settings import MapErrorSettings, MotionSettings

SETTINGS = MapErrorSettings(sd=1.5, distance=40.0, turns=True)
WANDERING = MapErrorSettings(sd=1.5, distance=40.0)
COUNT = 100_000


def particles(seed: int, count: int = COUNT) -> VehicleState:
    generator = torch.Generator().manual_seed(seed)
    pose = 50.0 * torch.randn(1, count, 3, generator=generator)
    return motion.start_state(pose, MotionSettings(), generator)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def check_spread(values: Tensor, sd: float) -> None:
    """Of both components, within 5 standard errors."""
    assert (values.std(dim=1) / sd - 1).abs().max() < 5 / math.sqrt(2 * COUNT)


def test_poses_of_a_map_stay_where_the_map_draws_them() -> None:
    state = particles(0)
    begun = map_error.start(state, SETTINGS, generator(1), drawn=True)
    drawn = map_error.on_map(begun)
    torch.testing.assert_close(drawn[..., :2], state.pose[..., :2])
    # the turn is taken at the heading on the map, then at that on Earth
    assert (drawn[..., 2] - state.pose[..., 2]).abs().max() < 4 * (5 * 1.5 / 40.0) ** 2
    check_spread((begun.pose - state.pose)[..., :2], 1.5)
    check_spread((begun.pose - state.pose)[..., 2:], 1.5 / 40.0)


def test_poses_on_earth_stay_on_earth() -> None:
    state = particles(0)
    begun = map_error.start(state, SETTINGS, generator(1), drawn=False)
    assert torch.equal(begun.pose, state.pose)
    torch.testing.assert_close(
        map_error.on_map(begun)[..., :2] - state.pose[..., :2], begun.map_offset, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize(
    ("yaw", "slope", "turn"),
    [
        (0.0, (0.0, 0.03), 0.03),
        (0.0, (0.03, 0.0), 0.0),
        (math.pi / 2, (0.03, 0.0), -0.03),
        (math.pi, (0.0, 0.03), -0.03),
    ],
)
def test_a_street_whose_picture_drifts_to_the_left_is_turned_to_the_left(
    yaw: float, slope: tuple[float, float], turn: float
) -> None:
    """Driving on by ds, the picture moves by q ds: its heading is atan2 of both together."""
    found = map_error.turn(torch.tensor([[yaw]]), torch.tensor([[slope]]))
    assert float(found) == pytest.approx(turn, abs=1e-7)
    ahead = (math.cos(yaw) + slope[0], math.sin(yaw) + slope[1])
    drawn = math.atan2(ahead[1], ahead[0])
    assert math.remainder(drawn - yaw, math.tau) == pytest.approx(turn, abs=1e-3)


def check_process(steps: Tensor, settings: MapErrorSettings = SETTINGS) -> None:
    """Spread and correlation of offset and slope before and after 20 m, within 5 errors.

    The covariance over the travel is sd^2 (1 + x) exp(-x) at x = s / length, and its derivatives.
    """
    now = map_error.start(particles(0), settings, generator(2), drawn=True)
    first = torch.stack((now.map_offset / 1.5, now.map_slope * 40.0 / 1.5), -1)
    for seed, step in enumerate(steps):
        now = map_error.drift(now, step[None], settings, generator(3 + seed))
    last = torch.stack((now.map_offset / 1.5, now.map_slope * 40.0 / 1.5), -1)
    error = 5 / math.sqrt(COUNT)
    assert (last.std(dim=1) - 1).abs().max() < error / math.sqrt(2)
    x = 20.0 / 40.0
    found = (last.unsqueeze(-1) * first.unsqueeze(-2)).mean(dim=1)  # of each component
    expected = torch.tensor([[1 + x, x], [-x, 1 - x]]) * math.exp(-x)
    assert (found - expected).abs().max() < error * math.sqrt(2)


@pytest.mark.parametrize("steps", [[20.0], [5.0, 5.0, 10.0], [0.0, 20.0], [0.01] * 4 + [19.96]])
def test_the_error_is_a_stationary_matern_process_however_travel_is_cut(
    steps: list[float],
) -> None:
    check_process(torch.tensor(steps))


def test_an_error_that_changes_twice_as_fast_fails() -> None:
    with pytest.raises(AssertionError):
        check_process(torch.tensor([40.0]))


def check_wandering(settings: MapErrorSettings, steps: Tensor) -> None:
    """exp(-s / l) of the offset is left after s = 20 m, within 5 errors, and nothing is turned."""
    begun = now = map_error.start(particles(0), settings, generator(2), drawn=True)
    for seed, step in enumerate(steps):
        now = map_error.drift(now, step[None], settings, generator(3 + seed))
    check_spread(now.map_offset, 1.5)
    left = (now.map_offset * begun.map_offset).mean(dim=1) / 1.5**2
    assert (left - math.exp(-20.0 / 40.0)).abs().max() < 5 * math.sqrt(2 / COUNT)
    assert torch.equal(map_error.on_map(now)[..., 2], now.pose[..., 2])


@pytest.mark.parametrize("steps", [[20.0], [5.0, 15.0], [0.0, 20.0]])
def test_an_error_that_does_not_turn_is_an_ornstein_uhlenbeck_process(steps: list[float]) -> None:
    check_wandering(WANDERING, torch.tensor(steps))
    with pytest.raises(AssertionError):
        check_wandering(SETTINGS, torch.tensor(steps))


def test_the_offset_is_the_integral_of_its_slope() -> None:
    """Over a short way, where the slope has no time to change."""
    begun = map_error.start(particles(0, 1000), SETTINGS, generator(2), drawn=True)
    moved = map_error.drift(begun, torch.tensor([0.01]), SETTINGS, generator(3))
    change = (moved.map_offset - begun.map_offset) / 0.01
    assert (change - begun.map_slope).abs().max() < 0.2 * 1.5 / 40.0


def test_a_map_without_error_changes_nothing() -> None:
    state = particles(0, 100)
    exact = MapErrorSettings(sd=0.0)
    begun = map_error.start(state, exact, generator(1), drawn=True)
    moved = map_error.drift(begun, torch.tensor([10.0]), exact, generator(2))
    assert torch.equal(moved.pose, state.pose)
    assert torch.equal(map_error.on_map(moved), state.pose)


def test_offsets_end_when_the_map_is_said_to_be_exact() -> None:
    state = map_error.start(particles(0, 100), SETTINGS, generator(1), drawn=False)
    exact = MapErrorSettings(sd=0.0)
    moved = map_error.drift(state, torch.tensor([3.0]), exact, generator(2))
    assert not torch.equal(map_error.on_map(state), state.pose)
    assert torch.equal(map_error.on_map(moved), moved.pose)


def test_the_offset_travels_with_its_particle() -> None:
    state = map_error.start(particles(0, 10), SETTINGS, generator(1), drawn=True)
    index = torch.tensor([[3, 3, 7]])
    gathered = gather_particles(state, index)
    assert torch.equal(gathered.map_offset, state.map_offset[:, [3, 3, 7]])
    assert torch.equal(gathered.map_slope, state.map_slope[:, [3, 3, 7]])


def test_a_given_pose_keeps_its_covariance() -> None:
    model = VehicleModel(MotionSettings(), SETTINGS)
    prior = PosePrior(
        torch.tensor([10.0, 20.0, 0.5]).numpy().astype(float),
        torch.diag(torch.tensor([0.04, 0.09, 0.01])).numpy().astype(float),
    )
    state = model.sample_initial(1, COUNT, prior, generator(4))
    spread = state.pose[0].double().std(dim=0)
    wanted = torch.tensor([0.2, 0.3, 0.1], dtype=torch.float64)
    assert ((spread / wanted - 1).abs() < 5 / math.sqrt(2 * COUNT)).all()
