"""Rendered streets against the pinhole equation."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mdps_ros.core.mapdata import PointFeature
from mdps_ros.sim.street_camera import StreetCamera
from mdps_ros.sim.street_ground import GROUNDS
from mdps_ros.sim.street_shading import LABEL_GROUND, LABEL_SKY, LABEL_SURFACE
from mdps_ros.sim.street_world import StreetFrame, render_frame
from test.sim.street_worlds import WALL_X, clear_look, world

CAMERA = StreetCamera(forward_m=1.0, up_m=1.5)
AT_WALL = np.array([3.0, 15.0, 0.0])
ON_ROAD = np.array([-40.0, -1.5, 0.0])
BESIDE_ROAD = np.array([-40.0, -20.0, 0.0])


def look_at(
    pose: np.ndarray,
    camera: StreetCamera = CAMERA,
    *points: PointFeature,
    tilt: tuple[float, float] = (0.0, 0.0),
    weather: str = "overcast",
    **scene,
) -> StreetFrame:
    generator = np.random.default_rng(5)
    place = world(*points, **scene)
    return render_frame(place, camera, camera.rays(), pose, tilt, clear_look(weather), generator)


def test_a_wall_across_the_view_has_one_depth() -> None:
    frame = look_at(AT_WALL)
    wall = frame.label == LABEL_SURFACE
    assert wall.sum() > 5000
    expected = WALL_X - AT_WALL[0] - CAMERA.forward_m
    assert np.abs(frame.depth[wall] - expected).max() < 1e-4
    off = look_at(np.array([3.5, 15.0, 0.0]))
    assert np.abs(off.depth[off.label == LABEL_SURFACE] - expected).min() > 0.4


def test_the_top_of_a_wall_lies_where_the_pinhole_equation_says() -> None:
    frame = look_at(AT_WALL, dataclasses.replace(CAMERA, hfov_rad=math.radians(110.0), height=256))
    camera = dataclasses.replace(CAMERA, hfov_rad=math.radians(110.0), height=256)
    distance = WALL_X - AT_WALL[0] - CAMERA.forward_m
    column = frame.label[:, camera.width // 2]
    top = np.flatnonzero(column == LABEL_SURFACE)[0]
    expected = camera.cy - camera.fy * (12.0 - CAMERA.up_m) / distance
    assert top == pytest.approx(expected, abs=1.0)


def test_ground_labels_stand_where_they_are_painted() -> None:
    frame = look_at(ON_ROAD, houses=())
    rows, columns = np.nonzero(frame.label == LABEL_GROUND + GROUNDS.index("asphalt"))
    depth = frame.depth[rows, columns].astype(float)
    left = -(columns - CAMERA.cx) / CAMERA.fx * depth
    y = ON_ROAD[1] + left
    assert len(y) > 3000
    assert np.abs(y).max() < 3.0 + 0.15
    mirrored = ON_ROAD[1] - left  # the broken variant: left and right exchanged
    assert np.abs(mirrored).max() > 4.0


def test_ground_depth_follows_the_height_of_the_camera() -> None:
    frame = look_at(ON_ROAD, houses=())
    row = 100
    expected = CAMERA.up_m * CAMERA.fy / (row - CAMERA.cy)
    assert np.allclose(frame.depth[row], expected, rtol=1e-4)


def test_pitch_moves_the_horizon_by_its_tangent() -> None:
    down = math.radians(4.0)
    for camera, tilt in (
        (dataclasses.replace(CAMERA, pitch_rad=down), (0.0, 0.0)),
        (CAMERA, (down, 0.0)),
    ):
        frame = look_at(ON_ROAD, camera, tilt=tilt, houses=())
        sky = (frame.label[:, 160] == LABEL_SKY).sum()
        # the ground ends 400 m away, a little below the horizon
        expected = CAMERA.cy - CAMERA.fy * math.tan(down - CAMERA.up_m / 400.0)
        assert sky == pytest.approx(expected, abs=1.5)


def test_a_mounting_turned_left_shows_things_on_the_right() -> None:
    post = PointFeature("bollard", np.array([-30.0, -20.0]), 0.0)
    straight = look_at(BESIDE_ROAD, CAMERA, *[post] * 8, houses=())
    turned = look_at(
        BESIDE_ROAD, dataclasses.replace(CAMERA, yaw_rad=math.radians(10.0)), *[post] * 8, houses=()
    )
    metal = LABEL_SURFACE + 2
    middle = np.nonzero(straight.label == metal)[1].mean()
    right = np.nonzero(turned.label == metal)[1].mean()
    shift = CAMERA.fx * math.tan(math.radians(10.0))
    assert middle == pytest.approx(CAMERA.cx, abs=2.0)
    assert right == pytest.approx(CAMERA.cx + shift, abs=2.0)


def test_the_shadow_of_a_house_falls_away_from_the_sun() -> None:
    """Ground west of the house is dark when the sun stands in the east, and bright otherwise."""
    camera = dataclasses.replace(CAMERA, up_m=30.0, pitch_rad=math.radians(89.0), forward_m=0.0)
    place, brightness = world(), {}
    for side in (1.0, -1.0):
        height = math.radians(45.0)
        sun = np.array([side * math.cos(height), 0.0, math.sin(height)], np.float32)
        look = dataclasses.replace(
            clear_look("sun"), sun=sun, sunlight=np.ones(3, np.float32), ambient=0.2
        )
        above = np.array([14.0, 15.0, 0.0])
        generator = np.random.default_rng(0)
        frame = render_frame(place, camera, camera.rays(), above, (0.0, 0.0), look, generator)
        brightness[side] = frame.rgb[60:68, 156:164].mean()
    assert brightness[-1.0] > 2.0 * brightness[1.0]


def test_equal_seeds_give_equal_pictures_and_noise_differs_otherwise() -> None:
    place, look = world(), dataclasses.replace(clear_look(), noise=0.02)
    first, again, other = (
        render_frame(
            place, CAMERA, CAMERA.rays(), ON_ROAD, (0.0, 0.0), look, np.random.default_rng(seed)
        ).rgb
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("weather", ["sun", "overcast", "rain", "fog", "night"])
def test_no_weather_makes_a_picture_of_one_colour(weather: str) -> None:
    frame = look_at(ON_ROAD, weather=weather)
    assert frame.rgb.std() > 8.0
    assert 5 < frame.rgb.mean() < 250
