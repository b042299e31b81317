from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from mdps_ros.sim.clutter import ClutterStyle, clutter_triangles
from mdps_ros.sim.depth_camera import DepthCamera, DepthErrors
from mdps_ros.sim.route import RouteStyle
from mdps_ros.sim.simulate import SimulationStyle, simulate_drive

from .town import BOUNDS, blocks, town

STYLE = SimulationStyle(
    route=RouteStyle(margin_m=10.0), camera=DepthCamera(width=40, height=24), depth_rate_hz=5.0
)


def run(seed: int, style: SimulationStyle = STYLE, length: float = 300.0):
    return simulate_drive(town(), blocks(), BOUNDS, length, np.random.default_rng(seed), style)


def test_equal_seeds_give_equal_drives_and_images():
    one, two = run(3), run(3)
    np.testing.assert_array_equal(one.drive.poses, two.drive.poses)
    np.testing.assert_array_equal(one.odometry.poses, two.odometry.poses)
    for (stamp, depth), (other_stamp, other) in zip(one.frames(), two.frames(), strict=True):
        assert stamp == other_stamp
        np.testing.assert_array_equal(depth, other)
    assert run(4).drive.poses.tolist() != one.drive.poses.tolist()


def test_depth_noise_and_clutter_do_not_change_the_drive_or_the_odometry():
    plain = run(3)
    other = run(
        3, replace(STYLE, depth=DepthErrors(dropout=0.5), clutter=ClutterStyle(pole_spacing_m=9.0))
    )
    np.testing.assert_array_equal(plain.drive.poses, other.drive.poses)
    np.testing.assert_array_equal(plain.odometry.poses, other.odometry.poses)


def test_images_show_buildings_and_road_and_keep_their_rate():
    result = run(5)
    frames = list(result.frames())
    np.testing.assert_array_equal(np.diff(result.frame_stamps_ns), 200_000_000)
    assert len(frames) == len(result.frame_stamps_ns)
    for _, depth in frames:
        assert depth.shape == (24, 40)
        assert np.isfinite(depth[-4:]).mean() > 0.9  # road just ahead
    assert np.mean([np.isfinite(depth[:8]).mean() for _, depth in frames]) > 0.1  # facades


def test_clutter_keeps_the_lane_free_and_is_not_in_buildings():
    path = run(6).drive.poses[:, :2]
    style = ClutterStyle(car_share=(0.9, 0.9), pole_spacing_m=10.0, tree_spacing_m=15.0)
    rng = np.random.default_rng(0)
    corners = clutter_triangles(town(), blocks(), path, 100.0, style, rng).reshape(-1, 3)
    assert len(corners) > 5000
    low = np.unique(corners[corners[:, 2] < 2.0][:, :2], axis=0)
    gap = shapely.distance(shapely.points(low), shapely.LineString(path[::5]))
    assert gap.min() > 0.9  # half a car: nobody is hit
    inside = shapely.STRtree([shapely.Polygon(b.exterior).buffer(-3.0) for b in blocks()])
    assert len(inside.query(shapely.points(low), predicate="intersects")[0]) == 0


def test_a_length_that_makes_no_drive_is_refused():
    with pytest.raises(ValueError, match="at least 10 m"):
        run(0, length=5.0)
