"""The belief is drawn where it is, on the part of the map that holds it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from mdps_ros.core.mapdata import Bounds
from mdps_ros.runtime.outputs import Mode, ParticleSnapshot, PoseEstimate, State
from mdps_ros.runtime.watching import belief_painter
from mdps_ros.runtime.watching.belief_painter import BeliefPainter, credit_of
from mdps_ros.runtime.watching.belief_picture import CLOUD, ESTIMATE, draw_belief, summary
from mdps_ros.runtime.watching.map_window import (
    FILLED,
    SIDE_M,
    Backdrop,
    Backdrops,
    extent,
    window_of,
)
from mdps_ros.runtime.watching.sights import Sight, Sights
from test.runtime.town import fast_settings

WHOLE = Bounds(-1000.0, -1000.0, 1000.0, 1000.0)
WHITE = Backdrop(np.full((400, 400, 3), 255, np.uint8), Bounds(0.0, 0.0, 100.0, 100.0))
LONG_S = 30.0


def mode(x, y, yaw=0.0, mass=1.0, sd=1.0):
    return Mode(
        T_map_base=np.array([x, y, yaw]), covariance=np.diag([sd**2, sd**2, 0.01]), mass=mass
    )


def estimate(*modes, stamp_ns=1, state=State.TRACKING):
    return PoseEstimate(
        stamp_ns=stamp_ns,
        T_map_base=modes[0].T_map_base,
        covariance=np.diag([4.0, 1.0, 0.01]),
        modes=tuple(modes),
        state=state,
        particles=1234,
        effective_particles=9.0,
        travelled=1.0,
        scale=(0.0, 0.0),
        yaw_bias=(0.0, 0.0),
        measurements=(),
    )


def sight(*modes, poses=None, weights=None, stamp_ns=1, state=State.TRACKING):
    poses = np.array([m.T_map_base for m in modes] if poses is None else poses, np.float32)
    weights = np.full(len(poses), 1.0 / len(poses)) if weights is None else np.array(weights)
    cloud = ParticleSnapshot(stamp_ns=stamp_ns, poses=poses, weights=weights.astype(np.float32))
    made = estimate(*modes, stamp_ns=stamp_ns, state=state)
    return Sight(made, tuple(range(len(modes))), cloud)


def painted(picture, colour, reach=70):
    """(P, 2) m of the pixels of a colour, in the white backdrop's bounds."""
    off = np.abs(picture.astype(int) - colour).sum(axis=2)
    rows, columns = np.nonzero(off <= reach)
    return np.stack([(columns + 0.5) / 4.0, 100.0 - (rows + 0.5) / 4.0], axis=1)


def test_pixels_are_counted_from_the_north_west():
    np.testing.assert_allclose(WHITE.pixels(np.array([0.125, 99.875])), [0.0, 0.0])
    np.testing.assert_allclose(WHITE.pixels(np.array([99.875, 0.125])), [399.0, 399.0])
    assert WHITE.pixels_per_m == 4.0


def test_a_particle_is_a_tick_that_starts_at_its_place_and_points_ahead():
    drawn = draw_belief(WHITE, sight(mode(20.0, 20.0), poses=[[70.0, 60.0, np.pi / 2]] * 5))
    found = painted(drawn, np.array(CLOUD) * 0.7 + 255 * 0.3, reach=120)
    near = found[np.hypot(*(found - [70.0, 60.0]).T) < 4.0]
    assert len(near) >= 4
    assert abs(near[:, 0] - 70.0).max() < 0.6
    assert near[:, 1].min() > 59.4
    assert 61.0 < near[:, 1].max() < 62.0  # six pixels of a quarter of a metre


@pytest.mark.parametrize(("yaw", "ahead"), [(0.0, (1, 0)), (np.pi / 2, (0, 1)), (np.pi, (-1, 0))])
def test_the_dart_of_the_estimate_points_where_it_heads_to(yaw, ahead):
    made = sight(mode(50.0, 50.0, yaw, mass=0.0, sd=0.01))
    found = painted(draw_belief(WHITE, made), ESTIMATE)
    along = (found - 50.0) @ np.array(ahead)
    across = (found - 50.0) @ np.array([-ahead[1], ahead[0]])
    assert along.max() > 4.0  # the point, a darts's length of 36 pixels times 0.6
    assert abs(across[along > 2.5]).max() < 1.5
    assert along.min() > -4.5


def test_a_pose_that_is_not_claimed_is_drawn_hollow():
    def count(state):
        # numbers and ellipse are drawn under the dart, in another colour
        return len(painted(draw_belief(WHITE, sight(mode(50.0, 50.0), state=state)), ESTIMATE))

    assert count(State.TRACKING) > 1.5 * count(State.AMBIGUOUS)


def test_every_hypothesis_is_drawn_at_its_place_and_the_backdrop_is_left_alone():
    drawn = draw_belief(WHITE, sight(mode(30.0, 70.0, mass=0.6), mode(80.0, 20.0, mass=0.4)))
    for x, y in ((30.0, 70.0), (80.0, 20.0)):
        column, row = WHITE.pixels(np.array([x, y])).astype(int)
        window = drawn[row - 12 : row + 12, column - 12 : column + 12]
        assert (window < 200).any()
    assert (WHITE.picture == 255).all()
    assert (draw_belief(WHITE, sight(mode(30.0, 70.0)))[row - 12 : row + 12, column:] == 255).all()


def test_the_caption_tells_the_belief_in_numbers():
    text = summary(sight(mode(0.0, 0.0, mass=0.75), mode(9.0, 9.0, mass=0.25)))
    assert text == "TRACKING  top 75 %  sigma 2.0 m  1234 particles"


def test_a_belief_without_modes_or_far_outside_is_drawn_without_trouble():
    lost = sight(mode(50.0, 50.0, mass=0.0), poses=[[1e7, -1e7, 0.0], [50.0, 50.0, 1.0]])
    assert draw_belief(WHITE, lost, np.array([[0.0, 0.0], [1e8, 1e8]])).shape == (400, 400, 3)


def test_the_extent_holds_the_particles_but_for_stragglers():
    poses = np.zeros((1000, 3))
    poses[:, 0] = np.linspace(-50.0, 50.0, 1000)
    poses[0] = [5000.0, 5000.0, 0.0]
    box = extent((sight(mode(0.0, 3.0), mode(90.0, 0.0, mass=0.2), poses=poses),))
    assert -50.0 < box.min_x < -48.0
    assert box.max_x == 90.0
    assert (box.min_y, box.max_y) == (0.0, 3.0)


def test_a_window_holds_its_box_and_stays_while_the_box_moves_a_little():
    windows = set()
    for step in np.linspace(0.0, 9.0, 10):
        box = Bounds(step - 20.0, -10.0, step + 20.0, 10.0)
        window = window_of(box, WHOLE)
        assert window.min_x <= box.min_x
        assert window.max_x >= box.max_x
        assert window.width == window.height == SIDE_M
        windows.add(window)
    assert len(windows) == 1


@pytest.mark.parametrize("size", [10.0, 70.0, 200.0, 500.0])
def test_windows_of_all_sizes_hold_their_boxes(size):
    for x in (-33.0, 0.0, 471.3):
        box = Bounds(x, 5.0, x + size, 6.0)
        window = window_of(box, WHOLE)
        assert window.min_x <= box.min_x
        assert window.max_x >= box.max_x
        assert size <= FILLED * window.width


def test_a_belief_over_the_whole_map_is_shown_on_the_whole_map():
    assert window_of(Bounds(-900.0, -900.0, 900.0, 900.0), WHOLE) == WHOLE


def test_the_backdrop_is_drawn_once_while_the_window_stays(town):
    backdrops = Backdrops(town, 64)
    first = backdrops.behind(sight(mode(0.0, 20.0)))
    assert backdrops.behind(sight(mode(1.0, 20.0))) is first
    assert backdrops.behind(sight(mode(500.0, 20.0))) is not first


def test_pictures_of_openstreetmap_name_it_and_those_of_floors_nobody(town, floor):
    assert credit_of(town) == "(c) OpenStreetMap contributors"
    assert credit_of(floor) == ""


def test_a_sight_is_whole_with_the_particles_of_its_estimate_and_keeps_its_numbers():
    sights = Sights(fast_settings().estimate)
    first = sight(mode(0.0, 0.0), mode(50.0, 0.0), stamp_ns=1)
    later = sight(mode(51.0, 0.0), mode(1.0, 0.0), stamp_ns=2)
    assert sights.see(first.cloud) is None
    assert sights.see(first.estimate) is None
    assert sights.see(first.cloud).ids == (0, 1)
    assert sights.see(later.estimate) is None
    assert sights.see(first.cloud) is None  # of another time
    assert sights.see(later.cloud).ids == (1, 0)


class Gallery:
    """Takes what a painter delivers."""

    def __init__(self, town, wanted=True):
        self.pictures, self.errors, self.news = [], [], threading.Event()
        self.painter = BeliefPainter(town, lambda: wanted, self._take, self.errors.append)

    def _take(self, stamp_ns, picture):
        self.pictures.append((stamp_ns, picture))
        self.news.set()


def test_the_painter_draws_for_those_who_look(town, monkeypatch):
    monkeypatch.setattr(belief_painter, "PERIOD_S", 1e6)  # however busy the machine is
    gallery = Gallery(town)
    gallery.painter.start()
    gallery.painter.saw(sight(mode(0.0, 20.0), stamp_ns=7))
    assert gallery.news.wait(LONG_S)
    gallery.painter.saw(sight(mode(0.0, 20.0), stamp_ns=8))  # too soon
    gallery.painter.stop()
    ((stamp_ns, picture),) = gallery.pictures
    assert (stamp_ns, picture.shape, gallery.errors) == (7, (640, 640, 3), [])


def test_nothing_is_drawn_where_nobody_looks(town):
    gallery = Gallery(town, wanted=False)
    gallery.painter.start()
    gallery.painter.saw(sight(mode(0.0, 20.0)))
    gallery.painter.stop()
    assert gallery.pictures == []
