"""Frames for training, and drives through streets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mdps_ros.sim.street_camera import StreetCamera
from mdps_ros.sim.street_drive import StreetDriveStyle, simulate_street_drive
from mdps_ros.sim.street_frames import FrameStyle, draw_frames, true_camera
from mdps_ros.sim.street_look import draw_look
from mdps_ros.sim.street_split import HELSINKI_TEST, HELSINKI_TRAIN
from mdps_ros.sim.street_world import build_street


@pytest.fixture(scope="module")
def helsinki():
    from mdps_ros.maps import load_map  # tests stand above the layers

    return load_map("helsinki")


def frames_of(helsinki, seed: int):
    rng = np.random.default_rng(seed)
    street = build_street(
        helsinki.roads, helsinki.buildings, helsinki.streetscape, HELSINKI_TEST, rng.spawn(1)[0]
    )
    style = FrameStyle()
    return draw_frames(street, helsinki.roads, helsinki.buildings, HELSINKI_TEST, 12, style, rng)


def test_frames_are_those_of_their_seed_and_stay_in_their_split(helsinki) -> None:
    first, again, other = (frames_of(helsinki, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.rgb, other.rgb)
    assert first.rgb.shape == (12, 128, 320, 3)
    x, y = first.pose[:, 0], first.pose[:, 1]
    assert (y < HELSINKI_TEST.max_y).all()
    assert (np.abs(x) < HELSINKI_TEST.max_x).all()
    assert HELSINKI_TRAIN.min_y - HELSINKI_TEST.max_y == 60.0


def test_a_true_camera_differs_from_its_calibration_by_two_percent() -> None:
    rng = np.random.default_rng(0)
    nominal = StreetCamera(pitch_rad=0.01)
    made = [true_camera(nominal, 0.02, rng) for _ in range(4000)]
    focal = np.array([camera.fx / nominal.fx - 1 for camera in made])
    height = np.array([camera.up_m / nominal.up_m - 1 for camera in made])
    pitch = np.array([camera.pitch_rad - nominal.pitch_rad for camera in made])
    for errors, sd in ((focal, 0.02), (height, 0.02), (pitch, 0.01)):
        assert abs(errors.mean()) < 5 * sd / math.sqrt(4000)
        assert abs(errors.std() - sd) < 5 * sd / math.sqrt(8000)
    assert true_camera(nominal, 0.0, rng) == nominal


def test_a_drive_tells_the_nominal_camera_and_shows_the_true_one(helsinki) -> None:
    drive = simulate_street_drive(
        helsinki.roads,
        helsinki.buildings,
        helsinki.streetscape,
        HELSINKI_TEST,
        60.0,
        np.random.default_rng(4),
        StreetDriveStyle(rate_hz=1.0, weather="sun"),
    )
    assert drive.camera == StreetCamera()
    assert drive.true_camera != drive.camera
    frames = list(drive.frames())
    again = list(drive.frames())
    assert [stamp for stamp, _ in frames] == drive.frame_stamps_ns.tolist()
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(frames, again, strict=True))
    assert drive.look.weather == "sun"


def test_weather_changes_neither_route_nor_odometry(helsinki) -> None:
    sunny, dark = (
        simulate_street_drive(
            helsinki.roads,
            helsinki.buildings,
            helsinki.streetscape,
            HELSINKI_TEST,
            60.0,
            np.random.default_rng(4),
            StreetDriveStyle(weather=weather),
        )
        for weather in ("sun", "night")
    )
    assert np.array_equal(sunny.drive.poses, dark.drive.poses)
    assert np.array_equal(sunny.odometry.poses, dark.odometry.poses)


def test_too_short_a_drive_and_unknown_weather_are_refused(helsinki) -> None:
    with pytest.raises(ValueError, match="at least 10 m"):
        simulate_street_drive(
            helsinki.roads, (), helsinki.streetscape, HELSINKI_TEST, 1.0, np.random.default_rng(0)
        )
    with pytest.raises(ValueError, match="one of sun, overcast"):
        draw_look(np.random.default_rng(0), "snow")
