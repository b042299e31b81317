"""Oncoming cars of a drive, and what moves in a picture."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mdps_ros.sim.mesh import prism, rectangle
from mdps_ros.sim.street_camera import StreetCamera
from mdps_ros.sim.street_mesh import Builder, Triangles
from mdps_ros.sim.street_shading import LABEL_SURFACE
from mdps_ros.sim.street_traffic import CLEAR_M, LEFT_M, Oncoming, draw_oncoming
from mdps_ros.sim.street_world import StreetFrame, render_frame
from test.sim.street_worlds import clear_look, street, world

STRAIGHT = np.column_stack([np.arange(-55.0, 55.0, 0.25), np.full(440, -1.5), np.zeros(440)])


def traffic(poses: np.ndarray, seed: int = 0) -> Oncoming:
    rng = np.random.default_rng(seed)
    return draw_oncoming(poses, 10.0, street(houses=()).ground, 8.0, rng)


def test_oncoming_cars_drive_the_other_lane_the_other_way() -> None:
    cars = traffic(STRAIGHT)
    early, late = cars.places(3.0), cars.places(4.0)
    there = np.isfinite(early[:, 0]) & np.isfinite(late[:, 0])
    assert there.sum() > 3
    assert np.allclose(early[there, 1], -1.5 + LEFT_M)
    assert np.allclose(early[there, 2], math.pi)
    # places are kept to half a metre of the path
    moved = late[there, 0] - early[there, 0]
    assert np.abs(moved + cars.speed[there]).max() <= 0.5


def test_where_there_is_no_other_lane_nobody_comes() -> None:
    beside = STRAIGHT + np.array([0.0, -20.0, 0.0])
    assert not traffic(beside).free.any()
    assert traffic(STRAIGHT).free.mean() > 0.9


def test_a_drive_that_comes_back_meets_nobody_in_its_own_lane() -> None:
    back = np.column_stack([STRAIGHT[::-1, 0], np.full(440, 1.5), np.full(440, math.pi)])
    turn = np.linspace(-math.pi / 2, math.pi / 2, 30)
    bend = np.column_stack([55.0 + 1.5 * np.cos(turn), 1.5 * np.sin(turn), turn + math.pi / 2])
    poses = np.concatenate([STRAIGHT, bend, back])
    cars = traffic(poses)
    for second in np.arange(0.0, 10.0, 0.5):
        places = cars.places(second)
        for place in places[np.isfinite(places[:, 0])]:
            assert np.hypot(*(poses[:, :2] - place[:2]).T).min() > CLEAR_M - 0.2


def box(near: float) -> Triangles:
    made = Builder()
    middle = np.array([near + 2.0, 0.0])
    made.add(prism(rectangle(middle, 0.0, 4.0, 2.0), 0.0, 3.0), "paint", 7)
    return made.all()


def picture(movers: Triangles | None, sun_side: float | None = None) -> StreetFrame:
    """Looking east; the sun stands in the east (1), in the west (-1) or nowhere."""
    look = clear_look("overcast" if sun_side is None else "sun")
    if sun_side is not None:
        sun = np.array([sun_side * math.cos(0.5), 0.0, math.sin(0.5)], np.float32)
        look = dataclasses.replace(look, sun=sun, sunlight=np.ones(3, np.float32), ambient=0.2)
    camera = StreetCamera(forward_m=1.0, up_m=1.5)
    pose, rng = np.array([-40.0, 0.0, 0.0]), np.random.default_rng(0)
    rays = camera.rays()
    return render_frame(world(houses=()), camera, rays, pose, (0.0, 0.0), look, rng, movers)


def test_a_mover_is_seen_where_it_is_and_hides_what_is_behind() -> None:
    without = picture(None)
    for near in (-29.0, -19.0):
        frame = picture(box(near))
        middle = (64, 160)
        assert frame.depth[middle] == pytest.approx(near + 39.0, abs=1e-4)
        assert frame.label[middle] == LABEL_SURFACE + 7
        assert frame.depth[middle] != pytest.approx(without.depth[middle], abs=0.1)
        beside = np.s_[:, :40]
        assert np.array_equal(frame.rgb[beside], without.rgb[beside])


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_mover_throws_its_shadow_away_from_the_sun(side: float) -> None:
    """The box begins 10 m ahead and is 3 m high: its shadow is 3 / tan(0.5) = 5.5 m long."""
    frame, free = picture(box(-29.0), side), picture(None, side)
    before = (frame.label < LABEL_SURFACE) & (frame.depth < 9.8)
    x = frame.depth
    left = (159.5 - np.arange(320)) / 160 * x
    shaded = before & (np.abs(left) < 0.9) & (x > 10.0 - 5.3)
    lit = before & (np.abs(left) < 0.9) & (x < 10.0 - 5.7)
    assert shaded.sum() > 300
    assert lit.sum() > 300
    ratio = frame.rgb[shaded].mean() / free.rgb[shaded].mean()
    assert ratio < 0.6 if side > 0 else ratio == 1.0
    assert np.array_equal(frame.rgb[lit], free.rgb[lit])
