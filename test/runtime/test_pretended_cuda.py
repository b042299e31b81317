"""Whole frames on a device that is not there: image, map, filter and smoother."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mdps_ros.evaluation.bench.frame import Drive, Load
from mdps_ros.maps import Map
from mdps_ros.runtime.localizer import Localizer, Motion
from mdps_ros.runtime.summary import Summary
from test.pretended_cuda import CUDA, Device, pretended_cuda
from test.runtime.town import fast_settings

FRAMES = 6
PLACE = (-140.0, 18.5)


def drive(town: Map, load: Load, device: str) -> list[Summary]:
    car = Drive(town, load, device, PLACE)
    return [car.frame() for _ in range(FRAMES)]


def both(town: Map, load: Load) -> Device:
    """Drive here and there, compare, and say what was counted there."""
    here = drive(town, load, "cpu")
    with pretended_cuda() as device:
        there = drive(town, load, "cuda:0")
    for left, right in zip(here, there, strict=True):
        np.testing.assert_array_equal(left.T_map_base, right.T_map_base)
        np.testing.assert_array_equal(left.covariance, right.covariance)
        assert left.effective_particles == right.effective_particles
    assert not any("elsewhere" in place for place in device.waits), device.waits
    return device


def test_a_frame_waits_forty_times_at_most(town: Map) -> None:
    device = both(town, Load(particles=300, lag=None))
    assert 0 < device.waits.total() <= 40 * FRAMES, device.waits


def test_a_smoother_stays_on_the_device(town: Map) -> None:
    both(town, Load(particles=200, lag=1.2, stride=2))


@pytest.mark.parametrize("heading", [None, (0.0, 0.2)])
def test_a_start_over_the_whole_map(town: Map, heading: tuple[float, float] | None) -> None:
    motion = Motion(np.array([2.0, 0.0, 0.0]), 2.0, 0.2)
    found = []
    for device in ("cpu", CUDA):
        with pretended_cuda():
            car = Localizer(town, fast_settings(), device=torch.device(device))
            car.start(car.global_prior(heading))
            for _ in range(3):
                car.advance(motion, None)
            found.append(car.summary())
    np.testing.assert_array_equal(found[0].T_map_base, found[1].T_map_base)
