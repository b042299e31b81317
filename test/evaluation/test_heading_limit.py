"""The ideal observer's heading against a line fit and against drawn streets."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mdps_ros.evaluation.heading_limit import Observer, heading_recall, heading_sd
from mdps_ros.maps.imperfect import ImperfectStyle
from mdps_ros.sim.odometry import OdometryErrors

WARP = ImperfectStyle()
CAR = OdometryErrors()
BLIND = math.radians(1e6)  # deviation of a heading that says nothing


def test_without_warp_and_drift_it_is_the_slope_of_a_line_fit() -> None:
    """Least squares: r / sqrt(sum (s - mean s)^2) for noise r of each place."""
    perfect = dataclasses.replace(CAR, gyro_bias_sd_radps=0.0, yaw_noise=0.0)
    flat = dataclasses.replace(WARP, warp_sd_m=0.0)
    observer = Observer(heading_sd_rad=BLIND)
    s = np.arange(0.0, 100.0, observer.every_m)
    expected = observer.place_sd_m / math.sqrt(((s - s.mean()) ** 2).sum())
    assert math.isclose(heading_sd(99.0, flat, perfect, observer), expected, rel_tol=1e-3)


DRIFTING = OdometryErrors(gyro_bias_sd_radps=0.0, yaw_noise=0.06)
BIASED = OdometryErrors(gyro_bias_sd_radps=0.03, yaw_noise=0.0)


@pytest.mark.parametrize(
    ("car", "sd_m", "every_m"), [(CAR, 1.0, 5.0), (DRIFTING, 0.1, 12.0), (BIASED, 0.1, 12.0)]
)
def test_drawn_streets_are_off_as_told(car: OdometryErrors, sd_m: float, every_m: float) -> None:
    """The best linear estimate, learned from half of 6000 drawn streets, on the other half.

    Regression knows nothing of the closed form. With n streets and p looks it loses (n - p) / n.
    """
    observer, warp = Observer(every_m=every_m), dataclasses.replace(WARP, warp_sd_m=sd_m)
    generator = np.random.default_rng(4)
    streets, looks = 6000, 13
    s = observer.every_m * np.arange(looks)
    step = car.yaw_noise * math.sqrt(observer.every_m / observer.speed_mps)
    bias = car.gyro_bias_sd_radps / observer.speed_mps * generator.normal(size=(streets, 1))
    walk = step * generator.normal(size=(streets, looks - 1)).cumsum(1)
    heading = 0.5 * generator.normal(size=(streets, 1)) + bias * s
    heading[:, 1:] += walk
    place = np.zeros((streets, looks))
    place[:, 1:] = (0.5 * observer.every_m * (heading[:, 1:] + heading[:, :-1])).cumsum(1)
    place += 50.0 * generator.normal(size=(streets, 1))
    # a warp by its spectrum: exp(-d^2 / (2 l^2)) has normal frequencies of deviation 1 / l
    waves = 200
    frequency = generator.normal(size=(streets, waves, 1)) / warp.warp_length_m
    phase = generator.uniform(0.0, math.tau, size=(streets, waves, 1)) + frequency * s
    size = warp.warp_sd_m * math.sqrt(2.0 / waves)
    place += size * np.cos(phase).sum(1)
    seen_heading = heading - size * (frequency * np.sin(phase)).sum(1)
    seen = np.hstack(
        (
            place + observer.place_sd_m * generator.normal(size=place.shape),
            seen_heading + observer.heading_sd_rad * generator.normal(size=place.shape),
        )
    )
    half = streets // 2
    weights, *_ = np.linalg.lstsq(seen[:half], heading[:half, -1], rcond=None)
    off = seen[half:] @ weights - heading[half:, -1]
    expected = heading_sd(float(s[-1]), warp, car, observer)
    ratio = off.std() / (expected * math.sqrt(half / (half - 2 * looks)))
    assert abs(ratio - 1.0) < 4.0 * math.sqrt(1.0 / (2 * half) + 1.0 / (2 * half))


def test_a_rougher_warp_hides_more_and_travel_tells_more() -> None:
    smooth = dataclasses.replace(WARP, warp_sd_m=0.3)
    one = math.radians(1.0)
    near, far = (heading_recall(one, (travel,), WARP, CAR, Observer()) for travel in (60.0, 400.0))
    assert near < far < heading_recall(one, (400.0,), smooth, CAR, Observer())
