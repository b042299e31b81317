from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdps_ros.sim.drive import Drive, DriveLimits, drive_route
from mdps_ros.sim.route import Route, RouteStyle, build_graph, random_route

from .town import BOUNDS, distance_to_centreline, town

LIMITS = DriveLimits()


def drive(seed: int, limits: DriveLimits = LIMITS, oneway: bool = False) -> tuple[Drive, Route]:
    rng = np.random.default_rng(seed)
    roads = town(oneway_rows=oneway)
    route = random_route(build_graph(roads), BOUNDS, 900.0, rng, RouteStyle(margin_m=10.0))
    return drive_route(route, 800.0, limits, rng), route


def straight(width: float, oneway: bool) -> Route:
    return Route(
        xy=np.array([[0.0, 0.0], [90.0, 120.0], [180.0, 240.0]]),
        width=np.full(2, width),
        oneway=np.full(2, oneway),
        junction=np.zeros(3, dtype=np.bool_),
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_vehicle_stays_on_the_carriageway(seed):
    run, _ = drive(seed)
    # Carriageways are 7 m wide; where a corner is rounded, half a lane more is allowed.
    distance = distance_to_centreline(town(), run.poses[:, :2])
    assert distance.max() < 3.5 + 1.75
    assert np.quantile(distance, 0.8) < 3.5 - 0.9  # the whole car, 1.8 m, away from corners


def test_two_way_roads_are_driven_on_the_right_and_one_way_roads_in_the_middle():
    calm = replace(LIMITS, wander_m=0.0)
    for oneway, expected in ((False, 1.75), (True, 0.0)):
        run = drive_route(straight(7.0, oneway), 200.0, calm, np.random.default_rng(0))
        right_of_line = run.poses[:, :2] @ np.array([0.8, -0.6])
        np.testing.assert_allclose(right_of_line, expected, atol=1e-6)


def test_the_wander_across_the_lane_has_the_size_asked():
    limits = replace(LIMITS, wander_m=0.3)
    runs = [
        drive_route(straight(7.0, True), 200.0, limits, np.random.default_rng(seed))
        for seed in range(200)
    ]
    middle = np.array([run.poses[len(run.poses) // 2, :2] @ [0.8, -0.6] for run in runs])
    standard_error = 0.3 / np.sqrt(2 * len(middle))
    assert abs(middle.std() - 0.3) < 5 * standard_error


@pytest.mark.parametrize("seed", range(5))
def test_speed_acceleration_and_yaw_rate_keep_their_limits(seed):
    run, _ = drive(seed)
    dt = np.diff(run.stamps_ns) / 1e9
    acceleration = np.diff(run.speed) / dt
    assert run.speed.min() >= 0.0
    assert run.speed.max() <= LIMITS.cruise_mps[1]
    assert acceleration.max() <= 1.01 * LIMITS.accelerate_mps2
    assert acceleration.min() >= -1.01 * LIMITS.brake_mps2
    # Speed is planned on a grid of path points; between them the curvature may be a bit larger.
    assert np.abs(run.yaw_rate).max() < 1.3 * LIMITS.yaw_rate_radps
    assert np.abs(run.yaw_rate * run.speed).max() < 1.3 * LIMITS.lateral_mps2


def test_poses_speed_and_yaw_rate_describe_one_motion():
    run, _ = drive(7)
    step = np.diff(run.poses, axis=0)
    dt = np.diff(run.stamps_ns) / 1e9
    speed = (run.speed[1:] + run.speed[:-1]) / 2
    rate = (run.yaw_rate[1:] + run.yaw_rate[:-1]) / 2
    np.testing.assert_allclose(np.hypot(step[:, 0], step[:, 1]), speed * dt, atol=2e-3)
    np.testing.assert_allclose(step[:, 2], rate * dt, atol=2e-3)
    heading = (run.poses[1:, 2] + run.poses[:-1, 2]) / 2
    sideways = step[:, 1] * np.cos(heading) - step[:, 0] * np.sin(heading)
    assert np.abs(sideways).max() < 1e-3  # a rear axle does not slide
    assert run.length == pytest.approx(800.0, abs=0.5)
    np.testing.assert_array_equal(np.diff(run.stamps_ns), 20_000_000)


def test_full_stops_happen_at_junctions_and_last_as_long_as_asked():
    run, route = drive(3, replace(LIMITS, stop_probability=1.0))
    still = (run.speed < 1e-9) & (run.stamps_ns > run.stamps_ns[0])
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(int), [0]])))
    lasting = [(a, b) for a, b in edges.reshape(-1, 2) if b - a > 10]
    assert len(lasting) >= 3
    for begin, end in lasting:
        assert 1.9 <= (end - begin) * 0.02 <= 4.1
        gap = np.hypot(*(route.xy[route.junction] - run.poses[begin, :2]).T).min()
        assert LIMITS.stop_before_m - 3 < gap < LIMITS.stop_before_m + 3
    never, _ = drive(3, replace(LIMITS, stop_probability=0.0))
    assert (never.speed[5:-50] > 0).all()


def test_a_route_that_is_too_short_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match="60 m longer"):
        drive_route(straight(7.0, False), 299.0, LIMITS, np.random.default_rng(0))
