"""The filter on a map, without stamps or messages."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mdps_ros.models.prior import FreePrior, PosePrior, RoadPrior
from mdps_ros.runtime.cameras import Look
from mdps_ros.runtime.localizer import Localizer, Motion
from test.runtime.town import fast_settings

CPU = torch.device("cpu")
STREET = PosePrior(np.array([-140.0, 18.5, 0.0]), np.diag([1.0, 1.0, 0.03]) ** 2)
FORWARD = Motion(np.array([2.0, 0.0, 0.0]), 2.0, 0.2)
STILL = Motion(np.zeros(3), 0.0, 0.0)


def localizer(place, **changes) -> Localizer:
    return Localizer(place, fast_settings(**changes), CPU)


def started(place, prior=STREET, **changes) -> Localizer:
    made = localizer(place, **changes)
    made.start(prior)
    return made


def test_before_the_start_there_is_no_belief(town) -> None:
    made = localizer(town)
    assert not made.started
    for ask in (made.summary, lambda: made.snapshot(0), lambda: made.advance(FORWARD, None)):
        with pytest.raises(RuntimeError, match="start the localizer"):
            ask()


def test_the_prior_of_a_map_with_roads_is_its_roads(town) -> None:
    prior = localizer(town).global_prior((1.0, 0.1))
    assert isinstance(prior, RoadPrior)
    assert prior.roads is town.roads
    assert prior.heading == (1.0, 0.1)


def test_the_prior_of_a_map_without_roads_is_its_free_floor(floor) -> None:
    prior = localizer(floor).global_prior(None)
    assert isinstance(prior, FreePrior)
    assert len(prior.centres) == 40 * 20
    assert prior.cell == pytest.approx(0.1)
    np.testing.assert_allclose(prior.centres.min(0), [0.15, 5.95], atol=1e-9)
    np.testing.assert_allclose(prior.centres.max(0), [4.05, 7.85], atol=1e-9)


@pytest.mark.parametrize(
    ("spacing", "most", "expected"), [(4.0, 5000, None), (0.1, 700, 700), (50.0, 5000, 400)]
)
def test_the_start_count_follows_the_spacing_within_its_bounds(
    town, spacing: float, most: int, expected: int | None
) -> None:
    """Bounds: `particles_max`, and four times `particles_min`."""
    made = localizer(
        town,
        filter__start_spacing=spacing,
        filter__particles_max=most,
        filter__particles_min=100,
    )
    made.start(made.global_prior(None))
    directed = 2 * town.drivable_length
    assert made.summary().particles == (expected or math.ceil(directed / spacing))


def test_a_start_at_a_pose_is_summarised_as_that_pose(town) -> None:
    made = started(
        town, filter__particles_min=1000, filter__particles_max=4000, motion__scale_sd=0.03
    )
    summary = made.summary()
    error = np.abs(summary.T_map_base - STREET.mean)
    assert (error < 5 * np.sqrt(np.diag(STREET.covariance) / 4000) + 1e-4).all()
    assert len(summary.modes) == 1
    assert summary.modes[0].mass == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(
        np.sqrt(np.diag(summary.covariance)), [1.0, 1.0, 0.03], rtol=5 / math.sqrt(8000)
    )
    assert summary.effective_particles == pytest.approx(summary.particles, rel=1e-3)
    assert summary.scale == pytest.approx((0.0, 0.03), abs=1e-5)


def test_a_sharp_look_is_taken_in_parts_and_starves_no_cloud(town) -> None:
    """A cloud of 1 m standard deviation meets a likelihood of 5 cm, 2 m from its middle."""
    place = torch.tensor([-138.0, 20.0])

    def sharp(poses: torch.Tensor) -> torch.Tensor:
        return -0.5 * ((poses[..., :2] - place) / 0.05).square().sum(-1)

    look = Look("sharp", sharp, decorrelation=1.0)
    sizes = {}
    for least in (1.0, 100.0):
        made = started(town, filter__tempering_size=least, map_error__sd=0.0)
        made.advance(STILL, look)
        summary = made.summary()
        sizes[least] = summary.effective_particles
        assert np.hypot(*(summary.T_map_base[:2] - place.numpy())) < 0.5
    assert sizes[100.0] > 50.0
    assert sizes[1.0] < 10.0


def test_the_whole_belief_has_a_wider_covariance_than_its_modes(town) -> None:
    made = localizer(town, estimate__mode_radius=5.0)
    made.start(made.global_prior(None))
    summary = made.summary()
    assert summary.modes[0].mass < 0.5
    assert np.trace(summary.covariance[:2, :2]) > 100**2
    assert (
        np.trace(summary.modes[0].covariance[:2, :2]) < 2 * made._settings.estimate.mode_radius**2
    )


def test_measurements_are_named_as_they_take_part(town, floor) -> None:
    look = Look("walls", lambda poses: torch.zeros(poses.shape[:2]), decorrelation=20.0)
    beyond = look._replace(log_likelihood=lambda poses: None)
    made = started(town)
    assert made.advance(STILL, None) == ()
    assert made.advance(FORWARD, None) == ("road",)
    assert made.advance(FORWARD, look) == ("road", "walls")
    assert made.advance(FORWARD, beyond) == ("road",)
    off = started(town, road__enabled=False)
    assert off.advance(FORWARD, look) == ("walls",)
    assert off.advance(FORWARD, None) == ()
    assert started(floor).advance(FORWARD, None) == ()


def test_odometry_moves_the_belief(town) -> None:
    made = started(town, road__enabled=False)
    turn = Motion(np.array([3.0, 0.5, 0.4]), 3.1, 0.3)
    before = made.summary().T_map_base
    made.advance(turn, None)
    moved = made.summary().T_map_base - before
    np.testing.assert_allclose(moved, [3.0, 0.5, 0.4], atol=0.3)


def test_the_road_pulls_the_belief_to_the_street(town) -> None:
    wide = PosePrior(np.array([-140.0, 28.0, 0.0]), np.diag([3.0, 6.0, 0.05]) ** 2)
    offsets = []
    for enabled in (True, False):
        made = started(town, wide, road__enabled=enabled)
        for _ in range(10):
            made.advance(FORWARD, None)
        offsets.append(abs(made.summary().T_map_base[1] - 20.0))
    assert offsets[0] < 4.0 < offsets[1]


def test_particles_become_fewer_as_the_belief_narrows(town) -> None:
    # always resampled, so that the number follows at once
    made = localizer(town, filter__ess_fraction=1.0, filter__start_spacing=2.0,
                     filter__particles_max=4000)  # fmt: skip
    made.start(made.global_prior(None))
    wide = made.summary().particles
    made.start(STREET._replace(covariance=np.diag([0.2, 0.2, 0.01]) ** 2))
    for _ in range(5):
        made.advance(FORWARD, None)
    assert 100 <= made.summary().particles < wide / 2


def test_a_drive_off_all_roads_fits_badly_and_a_new_start_does_not(town) -> None:
    made = started(town, filter__lost_distance=10.0)
    for _ in range(20):
        made.advance(FORWARD, None)
    assert made.fit > -1.5
    meadow = PosePrior(np.array([-60.0, 80.0, 0.6]), np.diag([1.0, 1.0, 0.05]) ** 2)
    made.start(meadow)
    assert made.fit == 0.0
    for _ in range(20):
        made.advance(Motion(np.array([0.5, 0.0, 0.6]), 2.0, 0.2), None)
    assert made.fit < -2.0
    made.start(STREET)
    assert made.fit == 0.0


def test_a_snapshot_is_a_copy_with_weights_that_sum_to_one_and_wrapped_yaw(town) -> None:
    made = started(town, PosePrior(np.array([-140.0, 18.5, 40.0]), np.diag([1.0, 1.0, 0.1])))
    snapshot = made.snapshot(17)
    kept = snapshot.poses.copy()
    assert snapshot.stamp_ns == 17
    assert snapshot.poses.dtype == snapshot.weights.dtype == np.float32
    assert snapshot.weights.sum() == pytest.approx(1.0, abs=1e-4)
    assert np.abs(snapshot.poses[:, 2]).max() <= math.pi + 1e-6
    made.advance(FORWARD, None)
    np.testing.assert_array_equal(snapshot.poses, kept)


def test_equal_seeds_give_equal_beliefs(town) -> None:
    clouds = []
    for seed in (1, 1, 2):
        made = started(town, runtime__seed=seed)
        for _ in range(3):
            made.advance(FORWARD, None)
        clouds.append(made.snapshot(0).poses)
    np.testing.assert_array_equal(clouds[0], clouds[1])
    assert not np.array_equal(clouds[0], clouds[2])
