"""The map is drawn into an image exactly where the pinhole camera sees it."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from mdps_ros.core.mapdata import Bounds, Building, Streetscape
from mdps_ros.maps.roads import RoadWay, build_network
from mdps_ros.runtime.events import ColourImageEvent, DepthImageEvent, PinholeCamera
from mdps_ros.runtime.outputs import Mode, PoseEstimate, State
from mdps_ros.runtime.watching.overlay import Scene, draw_overlay, map_layers, visible
from mdps_ros.runtime.watching.overlay_painter import OverlayPainter, picture_of
from mdps_ros.runtime.watching.projection import clip_near, to_camera, to_pixels

MOUNT = np.array([[0, 0, 1, 1.5], [-1, 0, 0, 0.2], [0, -1, 0, 1.6], [0, 0, 0, 1]], float)
LENS = PinholeCamera(width=320, height=240, fx=200.0, fy=210.0, cx=160.0, cy=120.0)
HERE = np.array([100.0, -50.0, math.radians(90.0)])


class Town:
    """One straight street to the north, and a house on its left."""

    def __init__(self, house=True):
        nodes = np.array([1, 2])
        street = RoadWay("residential", 6.0, False, nodes, np.zeros((2, 2), np.int64))
        ends = np.array([[100.0, -100.0], [100.0, 100.0]])
        self.roads = build_network([street], [ends])
        ring = np.array([[80.0, -30.0], [92.0, -30.0], [92.0, -10.0], [80.0, -10.0]])
        self.buildings = (Building(ring, (), 9.0),) if house else ()
        self.bounds = Bounds(0.0, -100.0, 200.0, 100.0)
        self.streetscape = Streetscape()


def pixel(x, y, z=0.0):
    """By hand, for a vehicle that looks north: 1.5 m ahead of the base and 0.2 m to its left."""
    ahead, left, up = y - (-50.0) - 1.5, 100.0 - x - 0.2, z - 1.6
    return 160.0 - 200.0 * left / ahead, 120.0 - 210.0 * up / ahead


def changed(picture, column, row, reach=1):
    """Whether something was drawn within so many pixels of a place."""
    row, column = round(row), round(column)
    window = picture[row - reach : row + reach + 1, column - reach : column + reach + 1]
    return bool(window.any())


@pytest.mark.parametrize("point", [(103.0, -30.0, 0.0), (92.0, -30.0, 0.0), (92.0, -30.0, 9.0)])
def test_a_point_of_the_map_is_projected_as_by_hand(point):
    found = to_pixels(to_camera(np.array(point), HERE, MOUNT), LENS)
    np.testing.assert_allclose(found, pixel(*point), atol=1e-9)


def test_a_turned_camera_sees_the_same_point_elsewhere():
    turned = HERE + np.array([0.0, 0.0, 0.1])
    a = to_pixels(to_camera(np.array([103.0, -30.0, 0.0]), HERE, MOUNT), LENS)
    b = to_pixels(to_camera(np.array([103.0, -30.0, 0.0]), turned, MOUNT), LENS)
    assert b[0] > a[0] + 10.0  # to the left by heading, so the point moves to the right


def test_segments_are_cut_at_the_near_plane():
    segments = np.array(
        [
            [[0.0, 0.0, -1.0], [4.0, 2.0, 3.0]],
            [[0.0, 0.0, 1.0], [1.0, 0.0, 2.0]],
            [[0.0, 0.0, -2.0], [1.0, 0.0, -1.0]],
        ]
    )
    clipped, left = clip_near(segments, 1.0)
    assert left.tolist() == [True, True, False]
    np.testing.assert_allclose(clipped[0], [[2.0, 1.0, 1.0], [4.0, 2.0, 3.0]])
    np.testing.assert_allclose(clipped[1], segments[1])


def test_kerbs_centre_line_and_house_are_where_they_should_be():
    dark = np.zeros((240, 320, 3), np.uint8)
    drawn = draw_overlay(dark, LENS, MOUNT, HERE, Scene(Town()))
    for place in ((97.0, -40.0), (103.0, -40.0), (100.0, -40.0), (92.0, -30.0), (92.0, -30.0, 3.0)):
        assert changed(drawn, *pixel(*place)), place
    assert not changed(drawn, *pixel(101.5, -42.0))  # asphalt between the lines
    assert changed(drawn, *pixel(92.0, -30.0, 9.0))
    assert not drawn[:30].any()  # sky above the roof
    assert not dark.any()  # the picture that came is left as it was
    colours = {tuple(c) for c in drawn.reshape(-1, 3)[drawn.reshape(-1, 3).any(axis=1)]}
    assert len(colours) > 2


def test_a_wrong_pose_draws_the_lines_elsewhere():
    dark = np.zeros((240, 320, 3), np.uint8)
    drawn = draw_overlay(
        dark, LENS, MOUNT, HERE + np.array([1.5, 0.0, 0.0]), Scene(Town(house=False))
    )
    assert not changed(drawn, *pixel(97.0, -40.0))
    assert not changed(drawn, *pixel(103.0, -40.0))


def test_what_a_house_hides_is_not_drawn():
    walls = np.array([[[0.0, 5.0], [10.0, 5.0]]])
    eye = np.array([5.0, 0.0])
    pieces = np.array(
        [
            [[4.0, 8.0, 0.0], [6.0, 8.0, 0.0]],  # behind the wall
            [[4.0, 5.0, 0.0], [6.0, 5.0, 0.0]],  # on it
            [[4.0, 3.0, 0.0], [6.0, 3.0, 0.0]],  # before it
            [[5.0, 90.0, 0.0], [5.0, 91.0, 0.0]],  # out of range
        ]
    )
    np.testing.assert_array_equal(visible(pieces, eye, walls), pieces[1:3])
    np.testing.assert_array_equal(visible(pieces, eye, np.zeros((0, 2, 2))), pieces[:3])


def test_the_edges_of_roads_that_meet_leave_the_junction_open():
    town = Town(house=False)
    nodes, here = np.array([3, 4]), np.array([[60.0, 0.0], [140.0, 0.0]])
    ways = [RoadWay("residential", 6.0, False, nodes, np.zeros((2, 2), np.int64)) for _ in range(2)]
    north = np.array([[100.0, -100.0], [100.0, 100.0]])
    town.roads = build_network(ways, [here, north])
    layers = {
        layer.name: layer for layer in map_layers(Scene(town), Bounds(50.0, -50.0, 150.0, 50.0))
    }
    middle = layers["road edge"].segments[:, :, :2].mean(axis=1)
    assert len(middle) >= 8
    assert (np.abs(middle - [100.0, 0.0]).max(axis=1) > 2.9).all()
    assert (layers["house"].segments.shape) == (0, 2, 3)


def estimate(stamp):
    mode = Mode(T_map_base=HERE, covariance=np.eye(3), mass=0.97)
    return PoseEstimate(
        stamp_ns=stamp,
        T_map_base=HERE,
        covariance=np.eye(3),
        modes=(mode,),
        state=State.TRACKING,
        particles=9,
        effective_particles=9.0,
        travelled=1.0,
        scale=(0.0, 0.0),
        yaw_bias=(0.0, 0.0),
        measurements=(),
    )


def image(stamp):
    rgb = np.zeros((240, 320, 3), np.uint8)
    return ColourImageEvent(stamp_ns=stamp, rgb=rgb, camera=LENS, T_base_camera=MOUNT)


class Gallery:
    """Takes what a painter delivers, and its errors."""

    def __init__(self, wanted=True, broken=False):
        self.pictures, self.errors, self.news = [], [], threading.Event()
        self._broken = broken
        self.painter = OverlayPainter(Town(), lambda: wanted, self._take, self._fail)

    def _take(self, stamp, picture):
        if self._broken:
            raise RuntimeError("no canvas")
        self.pictures.append((stamp, picture))
        self.news.set()

    def _fail(self, error):
        self.errors.append(error)
        self.news.set()


def test_the_painter_draws_the_image_of_the_estimate():
    gallery = Gallery()
    gallery.painter.start()
    for stamp in (1, 2, 3):
        gallery.painter.saw(image(stamp))
    gallery.painter.estimated(estimate(7))  # no image has this stamp
    gallery.painter.estimated(estimate(2))
    assert gallery.news.wait(30.0)
    gallery.painter.estimated(estimate(3))  # too soon after the last one
    gallery.painter.stop()
    (stamp, picture) = gallery.pictures[0]
    assert [number for number, _ in gallery.pictures] == [stamp] == [2]
    assert changed(picture, *pixel(103.0, -40.0))
    gallery.painter.stop()


def test_nothing_is_drawn_where_nobody_looks():
    gallery = Gallery(wanted=False)
    gallery.painter.start()
    gallery.painter.saw(image(1))
    gallery.painter.estimated(estimate(1))
    gallery.painter.stop()
    assert gallery.pictures == []


def test_a_painter_that_fails_says_so_and_ends():
    gallery = Gallery(broken=True)
    gallery.painter.start()
    gallery.painter.saw(image(1))
    gallery.painter.estimated(estimate(1))
    assert gallery.news.wait(30.0)
    gallery.painter.stop()
    assert [str(error) for error in gallery.errors] == ["no canvas"]


def test_depth_is_drawn_in_grey_and_no_depth_black():
    depth = np.array([[np.nan, 15.0], [30.0, 90.0]], np.float32)
    event = DepthImageEvent(stamp_ns=1, depth=depth, camera=LENS, T_base_camera=MOUNT)
    picture = picture_of(event)
    assert picture[..., 0].tolist() == [[0, 127], [255, 255]]
    assert (picture == picture[..., :1]).all()
