"""A vehicle's motion along a route: lane, smooth corners, speed, stops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from mdps_ros.sim.route import Route

PATH_STEP_M = 0.25
"""Spacing of the path samples on which corners are smoothed and speed is planned, m."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveLimits:
    """How the vehicle is driven.

    Attributes:
        rate_hz: rate of the true poses, Hz.
        cruise_mps: (lowest, highest) cruising speed, m/s; one is drawn per drive.
        lateral_mps2: largest lateral acceleration, m/s^2.
        yaw_rate_radps: largest yaw rate, rad/s.
        accelerate_mps2: largest speeding up, m/s^2.
        brake_mps2: largest braking, m/s^2.
        corner_m: standard deviation of the Gaussian that rounds corners, m of path.
        wander_m: standard deviation of the slow wander across the lane, m.
        wander_length_m: length over which the wander forgets itself, m of path.
        stop_probability: chance of a full stop at a junction.
        stop_s: (shortest, longest) full stop, s.
        stop_before_m: distance before the junction node at which the vehicle stands, m.
        stop_spacing_m: least distance between two stops, m.
    """

    rate_hz: float = 50.0
    cruise_mps: tuple[float, float] = (30 / 3.6, 45 / 3.6)
    lateral_mps2: float = 2.0
    yaw_rate_radps: float = 0.6
    accelerate_mps2: float = 1.5
    brake_mps2: float = 2.0
    corner_m: float = 5.0
    wander_m: float = 0.2
    wander_length_m: float = 20.0
    stop_probability: float = 0.3
    stop_s: tuple[float, float] = (2.0, 4.0)
    stop_before_m: float = 9.0
    stop_spacing_m: float = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """The true motion of the base frame, T samples.

    The base frame follows REP 103: x forward, y left, z up, its origin on the ground below the
    middle of the rear axle, so that the vehicle always moves along its own x axis.

    Attributes:
        stamps_ns: (T,) int64 ns, evenly spaced.
        poses: (T, 3) float64, T_map_base as x m, y m, yaw rad; yaw is unwrapped (continuous).
        speed: (T,) float64 m/s, along the base frame's x axis.
        yaw_rate: (T,) float64 rad/s.
    """

    stamps_ns: NDArray[np.int64]
    poses: NDArray[np.float64]
    speed: NDArray[np.float64]
    yaw_rate: NDArray[np.float64]

    @property
    def length(self) -> float:
        """Distance driven, m."""
        return float(np.hypot(*np.diff(self.poses[:, :2], axis=0).T).sum())


def drive_route(
    route: Route,
    length: float,
    limits: DriveLimits,
    generator: np.random.Generator,
    *,
    start_ns: int = 0,
) -> Drive:
    """Drive the first `length` metres of a route, from standstill to standstill.

    Args:
        route: where to go; must be longer than `length`.
        length: metres of path to drive.
        limits: speeds, accelerations, stops.
        generator: source of randomness (cruising speed, wander, stops).
        start_ns: stamp of the first pose, ns.

    Returns:
        The true motion at `limits.rate_hz`.

    Raises:
        ValueError: the route is too short for the length.
    """
    path = _lane_path(route, limits, generator)
    arc = _arc_length(path)
    if arc[-1] < length:
        raise ValueError(
            f"the route gives {arc[-1]:.0f} m of path, {length:g} m are asked; "
            "draw a route about 60 m longer than the drive"
        )
    x, y = CubicSpline(arc, path[:, 0]), CubicSpline(arc, path[:, 1])
    grid = np.linspace(0.0, length, int(np.ceil(length / PATH_STEP_M)) + 1)
    stops = _stops(route, path, arc, length, limits, generator)
    stop_index = np.unique(np.searchsorted(grid, stops).clip(1, len(grid) - 2))
    speed = _plan_speed(_curvature(x, y, grid), grid, stop_index, limits, generator)
    dwell = np.zeros(len(grid))
    dwell[stop_index] = generator.uniform(*limits.stop_s, size=len(stop_index))
    at, now = _sample(grid, speed, dwell, limits.rate_hz)
    yaw = np.unwrap(np.arctan2(y(at, 1), x(at, 1)))
    count = np.arange(len(at), dtype=np.int64)
    return Drive(
        stamps_ns=start_ns + np.round(count * (1e9 / limits.rate_hz)).astype(np.int64),
        poses=np.stack([x(at), y(at), yaw], axis=1),
        speed=now,
        yaw_rate=now * _curvature(x, y, at),
    )


def _arc_length(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])


def _curvature(x: CubicSpline, y: CubicSpline, s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signed curvature, 1/m, left positive."""
    dx, dy, ddx, ddy = x(s, 1), y(s, 1), x(s, 2), y(s, 2)
    return np.asarray((dx * ddy - dy * ddx) / np.hypot(dx, dy) ** 3)


def _lane_path(
    route: Route, limits: DriveLimits, generator: np.random.Generator
) -> NDArray[np.float64]:
    """(P, 2) m, evenly spaced samples of the driven line."""
    # A one-way carriageway is driven along its middle, a two-way one a quarter to the right.
    offset = np.where(route.oneway, 0.0, np.clip(route.width / 4, 1.0, 2.5))
    line = _resample(_offset_right(route.xy, offset))
    sigma = limits.corner_m / PATH_STEP_M
    line = gaussian_filter1d(line, sigma, axis=0, mode="nearest")
    wander_sigma = limits.wander_length_m / PATH_STEP_M
    wander = gaussian_filter1d(generator.standard_normal(len(line)), wander_sigma, mode="reflect")
    # Smoothed white noise has variance 1 / (2 sqrt(pi) sigma).
    wander *= limits.wander_m * np.sqrt(2 * np.sqrt(np.pi) * wander_sigma)
    tangent = np.gradient(line, axis=0)
    tangent /= np.hypot(*tangent.T)[:, None]
    # "nearest" bunches the samples at the ends of the line; a second pass evens them out.
    margin = int(3 * sigma)
    moved = line + wander[:, None] * np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    return _resample(moved[margin:-margin])


def _resample(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    arc = _arc_length(xy)
    at = np.linspace(0.0, arc[-1], max(2, int(arc[-1] / PATH_STEP_M) + 1))
    return np.stack([np.interp(at, arc, xy[:, 0]), np.interp(at, arc, xy[:, 1])], axis=1)


def _offset_right(xy: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shift each leg of a polyline to its right and join the legs with mitres.

    Where two legs have different offsets (lane numbers change) the mean of both is used.
    """
    step = np.diff(xy, axis=0)
    step /= np.hypot(*step.T)[:, None]
    right = np.stack([step[:, 1], -step[:, 0]], axis=1)
    before, after = np.vstack([right[:1], right]), np.vstack([right, right[-1:]])
    mean_offset = (np.append(offset[0], offset) + np.append(offset, offset[-1])) / 2
    bisector = before + after
    # |bisector|^2 / 2 = 1 + cos(turn); the mitre is cut at twice the offset for sharp turns.
    stretch = 2 / np.maximum((bisector**2).sum(axis=1), 1.0)
    return np.asarray(xy + bisector * (stretch * mean_offset)[:, None])


def _stops(
    route: Route,
    path: NDArray[np.float64],
    arc: NDArray[np.float64],
    length: float,
    limits: DriveLimits,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Path positions of the full stops, m."""
    chosen: list[float] = []
    # The path and the route run side by side; junctions are found along the path by their
    # share of the route, then by the nearest path sample around it.
    share = _arc_length(route.xy) / route.length
    for vertex in np.flatnonzero(route.junction):
        if generator.random() >= limits.stop_probability:
            continue
        around = np.abs(arc - share[vertex] * arc[-1]) < 40.0
        if not around.any():
            continue
        distance = np.hypot(*(path[around] - route.xy[vertex]).T)
        at = float(arc[around][distance.argmin()]) - limits.stop_before_m
        last = chosen[-1] if chosen else 0.0
        if at - last >= limits.stop_spacing_m and length - at >= limits.stop_spacing_m / 2:
            chosen.append(at)
    return np.array(chosen)


def _plan_speed(
    curvature: NDArray[np.float64],
    grid: NDArray[np.float64],
    stop_index: NDArray[np.int64],
    limits: DriveLimits,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """(P,) m/s, fastest speed that keeps every limit; zero at both ends and at the stops."""
    bend = np.maximum(np.abs(curvature), 1e-6)
    speed = np.minimum(np.sqrt(limits.lateral_mps2 / bend), limits.yaw_rate_radps / bend)
    speed = np.minimum(speed, generator.uniform(*limits.cruise_mps))
    speed[[0, -1]] = 0.0
    speed[stop_index] = 0.0
    square = speed**2
    ds = float(grid[1] - grid[0])
    for i in range(1, len(square)):
        square[i] = min(square[i], square[i - 1] + 2 * limits.accelerate_mps2 * ds)
    for i in range(len(square) - 2, -1, -1):
        square[i] = min(square[i], square[i + 1] + 2 * limits.brake_mps2 * ds)
    return np.asarray(np.sqrt(square))


def _sample(
    grid: NDArray[np.float64],
    speed: NDArray[np.float64],
    dwell: NDArray[np.float64],
    rate_hz: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Path position and speed at even times; acceleration is constant between grid points."""
    leg_s = 2 * np.diff(grid) / (speed[:-1] + speed[1:])
    arrive = np.concatenate([[0.0], np.cumsum(leg_s + dwell[:-1])])
    leave = arrive + dwell
    t = np.arange(0.0, arrive[-1], 1.0 / rate_hz)
    leg = np.clip(np.searchsorted(arrive, t, side="right") - 1, 0, len(leg_s) - 1)
    tau = np.maximum(t - leave[leg], 0.0)
    acceleration = (speed[leg + 1] - speed[leg]) / leg_s[leg]
    position = grid[leg] + speed[leg] * tau + 0.5 * acceleration * tau**2
    return position, speed[leg] + acceleration * tau
