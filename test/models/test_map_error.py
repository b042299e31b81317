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

SETTINGS = MapErrorSettings(sd=1.5, distance=40.0)
COUNT = 100_000


def particles(seed: int, count: int = COUNT) -> VehicleState:
    generator = torch.Generator().manual_seed(seed)
    pose = 50.0 * torch.randn(1, count, 3, generator=generator)
    return motion.start_state(pose, MotionSettings(), generator)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_poses_of_a_map_stay_where_the_map_draws_them() -> None:
    state = particles(0)
    begun = map_error.start(state, SETTINGS, generator(1), drawn=True)
    torch.testing.assert_close(map_error.on_map(begun), state.pose)
    spread = (begun.pose - state.pose)[..., :2].std(dim=1)
    assert (spread - 1.5).abs().max() < 5 * 1.5 / math.sqrt(2 * COUNT)


def test_poses_on_earth_stay_on_earth() -> None:
    state = particles(0)
    begun = map_error.start(state, SETTINGS, generator(1), drawn=False)
    assert torch.equal(begun.pose, state.pose)
    torch.testing.assert_close(
        map_error.on_map(begun)[..., :2] - state.pose[..., :2], begun.map_offset, atol=1e-4, rtol=0
    )
    assert torch.equal(map_error.on_map(begun)[..., 2], state.pose[..., 2])


def check_process(steps: Tensor, expected_correlation: float) -> None:
    """Spread and correlation of offsets before and after, within 5 standard errors."""
    now = map_error.start(particles(0), SETTINGS, generator(2), drawn=True)
    first = now.map_offset
    for seed, step in enumerate(steps):
        now = map_error.drift(now, step[None], SETTINGS, generator(3 + seed))
    error = 5 / math.sqrt(COUNT)
    spread = now.map_offset.std(dim=1) / 1.5
    assert (spread - 1).abs().max() < error / math.sqrt(2)
    correlation = (first * now.map_offset).mean(dim=1) / 1.5**2
    assert (correlation - expected_correlation).abs().max() < error * math.sqrt(2)


@pytest.mark.parametrize("steps", [[20.0], [5.0, 5.0, 10.0], [0.0, 20.0]])
def test_the_offset_is_stationary_and_forgets_with_travel_however_it_is_cut(
    steps: list[float],
) -> None:
    check_process(torch.tensor(steps), math.exp(-20.0 / 40.0))


def test_an_offset_that_forgets_twice_as_fast_fails() -> None:
    with pytest.raises(AssertionError):
        check_process(torch.tensor([40.0]), math.exp(-20.0 / 40.0))


def test_a_map_without_error_changes_nothing() -> None:
    state = particles(0, 100)
    exact = MapErrorSettings(sd=0.0)
    begun = map_error.start(state, exact, generator(1), drawn=True)
    moved = map_error.drift(begun, torch.tensor([10.0]), exact, generator(2))
    assert torch.equal(moved.pose, state.pose)
    assert torch.equal(map_error.on_map(moved), state.pose)


def test_the_offset_travels_with_its_particle() -> None:
    state = map_error.start(particles(0, 10), SETTINGS, generator(1), drawn=True)
    index = torch.tensor([[3, 3, 7]])
    assert torch.equal(gather_particles(state, index).map_offset, state.map_offset[:, [3, 3, 7]])


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
