"""What ablations draw, and what they tell of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mdps_ros.evaluation import street_drives
from mdps_ros.evaluation.street_scenes import BORDER_M, MAPS, SCENES, told_map
from mdps_ros.maps import load_map
from mdps_ros.maps.imperfect import imperfect_map

STANDARD_ERRORS = 4.0
SHARES = (0.1, 0.3, 0.5)


def check_missing(left: int, everything: int, share: float) -> None:
    """That share of all buildings, within standard errors."""
    error = math.sqrt(everything * share * (1.0 - share))
    assert abs(everything - left - share * everything) < STANDARD_ERRORS * error


@pytest.mark.parametrize("share", SHARES)
def test_as_many_buildings_are_missing_as_the_map_is_called(share: float) -> None:
    wrong = told_map(f"clean, {100 * share:.0f} % of buildings missing", 1)
    left, everything = len(wrong.buildings), len(load_map("helsinki").buildings)
    check_missing(left, everything, share)
    for other in {*SHARES} - {share}:
        with pytest.raises(AssertionError):
            check_missing(left, everything, other)


def test_a_clean_map_without_buildings_lacks_nothing_else() -> None:
    right, wrong = load_map("helsinki"), told_map("clean, 50 % of buildings missing", 1)
    np.testing.assert_array_equal(right.roads.start, wrong.roads.start)
    np.testing.assert_array_equal(right.roads.width, wrong.roads.width)
    assert len(right.streetscape.points) == len(wrong.streetscape.points)
    assert right.id != wrong.id


def test_a_drive_is_always_told_the_same_map_and_others_another_one() -> None:
    kind = "clean, 30 % of buildings missing"
    again = imperfect_map(load_map("helsinki"), MAPS[kind], np.random.default_rng(1))
    assert told_map(kind, 1).id == again.id
    assert told_map(kind, 1).id != told_map(kind, 2).id


def test_roads_lie_two_metres_off_each_in_a_direction_of_its_own() -> None:
    right, wrong = load_map("helsinki").roads, told_map("clean, roads shifted 2 m", 0).roads
    off = wrong.start - right.start
    length = np.hypot(*off.T)
    moved = length > 1e-9  # what no drawn way holds stays
    assert moved.mean() > 0.99
    np.testing.assert_allclose(length[moved], 2.0, atol=1e-6)
    # no common direction: the mean of n unit vectors is about 1 / sqrt(n) long
    assert np.hypot(*off.mean(0)) < 0.3
    assert len(np.unique(np.round(off, 6), axis=0)) > 100


@pytest.mark.parametrize("name", MAPS)
def test_imperfect_maps_keep_their_other_errors(name: str) -> None:
    style = MAPS[name]
    if style is None or name.startswith("clean"):
        assert style is None or style.warp_sd_m == style.widths_wrong == 0.0
    else:
        usual = MAPS["imperfect"]
        assert usual is not None
        same = replace(
            style, buildings_missing=usual.buildings_missing, road_shift_m=usual.road_shift_m
        )
        assert same == usual


def test_weather_and_camera_change_the_images_and_not_the_drive(short_drives) -> None:
    usual, night, camera = (
        street_drives.recorded_drive("test", 0, scene)
        for scene in ("as drawn", "night", "other camera")
    )
    for other in (night, camera):
        np.testing.assert_array_equal(other.truth.poses, usual.truth.poses)
        poses = [event.T_odom_base for event in other.odometry]
        np.testing.assert_array_equal(poses, [event.T_odom_base for event in usual.odometry])
    assert night.images[0].rgb.mean() < 0.7 * usual.images[0].rgb.mean()
    drawn = SCENES["other camera"].style.camera
    assert camera.images[0].rgb.shape == (drawn.height, drawn.width, 3)
    assert camera.images[0].camera.fx == pytest.approx(drawn.fx)
    height = camera.images[0].T_base_camera[2, 3]
    assert height == drawn.up_m != usual.images[0].T_base_camera[2, 3]
    assert SCENES["rain"].style.weather == "rain"


def test_the_suburb_is_another_city_and_drives_keep_off_its_border(short_drives) -> None:
    scene = SCENES["suburb"]
    bounds, whole = scene.bounds("test"), load_map("suburb").bounds
    assert bounds.min_x == whole.min_x + BORDER_M
    assert bounds == scene.bounds("train")
    truth = street_drives.recorded_drive("test", 0, "suburb").truth.poses
    assert (truth[:, 0] > whole.min_x).all()
    assert (truth[:, 1] < whole.max_y).all()
    assert told_map("imperfect", 0, "suburb").bounds == whole
