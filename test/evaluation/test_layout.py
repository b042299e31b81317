"""Which moments and which windows the panels of a report show."""

import dataclasses

import numpy as np
import pytest

from mdps_ros.core.mapdata import Bounds
from mdps_ros.evaluation.layout import choose_snapshots, frame_of, window_around


def test_small_multiples_show_more_of_the_search_than_of_the_tracking(run):
    chosen = choose_snapshots(run, 6)
    assert len(chosen) == 6
    assert chosen[0] == 0
    assert chosen[-1] == len(run.snapshots) - 1
    claims = [run.top_mass[frame_of(run, run.snapshots[i])] >= 0.9 for i in chosen]
    assert claims == [False, False, False, True, True, True]


def test_small_multiples_take_what_there_is(run):
    assert choose_snapshots(dataclasses.replace(run, snapshots=()), 6) == []
    few = dataclasses.replace(run, snapshots=run.snapshots[:3])
    assert choose_snapshots(few, 6) == [0, 1, 2]
    lost = dataclasses.replace(run, mode_mass=0.5 * run.mode_mass)
    sure = dataclasses.replace(run, mode_mass=np.ones_like(run.mode_mass))
    for other in (lost, sure):
        chosen = choose_snapshots(other, 6)
        assert len(chosen) == 6
        assert chosen == sorted(set(chosen))
        assert (chosen[0], chosen[-1]) == (0, len(run.snapshots) - 1)


def test_windows_hold_their_points_and_stay_on_the_map():
    bounds = Bounds(-500.0, -800.0, 500.0, 800.0)
    rng = np.random.default_rng(1)
    for _ in range(200):
        points = rng.uniform([-500, -800], [500, 800], (3, 2))
        points = points[0] + (points - points[0]) * rng.uniform(0.0, 1.0)
        window = window_around(points, bounds, 1.25)
        assert window.width / window.height == pytest.approx(1.25)
        assert (points[:, 1] >= window.min_y).all()
        assert (points[:, 1] <= window.max_y).all()
        assert (points[:, 0] >= window.min_x).all()
        assert (points[:, 0] <= window.max_x).all()
        if window.height < bounds.height:
            assert window.min_y >= bounds.min_y - 1e-9
            assert window.max_y <= bounds.max_y + 1e-9
