"""The bearings-only world: a car between way-points, seen by one radar that tells angles only.

Source: Younis and Sudderth, NeurIPS 2024, section 5.1 and appendix D.1; written from the
description. Metres, radians, seconds; yaw is counter-clockwise from +x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class BearingsWorld:
    """Everything that is constant.

    Attributes:
        half_side: The world is [-half_side, half_side]^2, m.
        sensor: Position of the radar, m.
        band: Way-points lie this close to one of the four borders, m.
        sensor_cone: A way-point is not drawn within this angle of the direction to the radar, rad.
        reach: A way-point counts as reached from this distance, m.
        patience: After so many simulator steps a way-point is given up.
        speeds: One of them is drawn with each way-point, m/s.
        max_turn: Largest change of heading in a simulator step, rad.
        step_s: Simulator step, s.
        keep_every: Every so many simulator states one is kept.
        concentration: Von Mises kappa of a bearing that is no outlier.
        outlier_share: Probability of a bearing from anywhere.
    """

    half_side: float = 10.0
    sensor: tuple[float, float] = (-5.0, 0.0)
    band: float = 2.0
    sensor_cone: float = math.radians(30.0)
    reach: float = 0.5
    patience: int = 1000
    speeds: tuple[float, ...] = (1.0, 2.0)
    max_turn: float = math.radians(30.0)
    step_s: float = 0.25
    keep_every: int = 3
    concentration: float = 50.0
    outlier_share: float = 0.15

    @property
    def spacing_s(self) -> float:
        """Time between two kept states, s."""
        return self.step_s * self.keep_every


class BearingsSequences(NamedTuple):
    """S drives of T steps.

    Attributes:
        poses: True (x m, y m, yaw rad), (S, T, 3); yaw in (-pi, pi].
        bearings: What the radar told, rad in (-pi, pi], (S, T).
        outliers: Which bearings came from anywhere, (S, T); nobody but a test may look.
        speeds: Speed at each kept state, m/s, (S, T); likewise.
    """

    poses: Floats
    bearings: Floats
    outliers: Flags
    speeds: Floats


@dataclass
class _Cars:
    """State of S cars: position (S, 2), heading, way-point (S, 2), speed, steps since it."""

    position: Floats
    heading: Floats
    target: Floats
    speed: Floats
    age: NDArray[np.int64]


def simulate(
    count: int,
    steps: int,
    generator: np.random.Generator,
    world: BearingsWorld = BearingsWorld(),
) -> BearingsSequences:
    """Draw `count` drives with `steps` kept states each; equal generators give equal drives.

    Raises:
        ValueError: nothing to draw.
    """
    if count < 1 or steps < 1:
        raise ValueError(f"cannot simulate {count} drives of {steps} steps; give at least one each")
    cars = _start(count, generator, world)
    poses = np.empty((count, steps, 3))
    speeds = np.empty((count, steps))
    for step in range(steps):
        for _ in range(world.keep_every if step else 0):
            _advance(cars, generator, world)
        poses[:, step, :2] = cars.position
        poses[:, step, 2] = cars.heading
        speeds[:, step] = cars.speed
    bearings, outliers = observe(poses, generator, world)
    return BearingsSequences(poses, bearings, outliers, speeds)


def observe(
    poses: Floats, generator: np.random.Generator, world: BearingsWorld
) -> tuple[Floats, Flags]:
    """Bearings of poses (..., 3) as the radar tells them, and which are outliers."""
    true = np.arctan2(poses[..., 1] - world.sensor[1], poses[..., 0] - world.sensor[0])
    outliers = generator.random(true.shape) < world.outlier_share
    anywhere = generator.uniform(-math.pi, math.pi, true.shape)
    noisy = _wrap(true + generator.vonmises(0.0, world.concentration, true.shape))
    return np.where(outliers, anywhere, noisy), outliers


def _start(count: int, generator: np.random.Generator, world: BearingsWorld) -> _Cars:
    position = generator.uniform(-world.half_side, world.half_side, (count, 2))
    heading = generator.uniform(-math.pi, math.pi, count)
    target = _draw_targets(position, generator, world)
    speed = generator.choice(world.speeds, count)
    return _Cars(position, heading, target, speed, np.zeros(count, dtype=np.int64))


def _advance(cars: _Cars, generator: np.random.Generator, world: BearingsWorld) -> None:
    """One simulator step: turn toward the way-point, drive, take a new one where it is reached."""
    offset = cars.target - cars.position
    wanted = _wrap(np.arctan2(offset[:, 1], offset[:, 0]) - cars.heading)
    cars.heading = _wrap(cars.heading + np.clip(wanted, -world.max_turn, world.max_turn))
    direction = np.stack([np.cos(cars.heading), np.sin(cars.heading)], axis=1)
    cars.position = cars.position + world.step_s * cars.speed[:, None] * direction
    cars.age += 1
    distance = np.linalg.norm(cars.target - cars.position, axis=1)
    done = np.flatnonzero((distance < world.reach) | (cars.age >= world.patience))
    if done.size:
        cars.target[done] = _draw_targets(cars.position[done], generator, world)
        cars.speed[done] = generator.choice(world.speeds, done.size)
        cars.age[done] = 0


def _draw_targets(position: Floats, generator: np.random.Generator, world: BearingsWorld) -> Floats:
    """A way-point (S, 2) in one of the four bands for each position, never toward the radar."""
    target = np.empty_like(position)
    open_rows = np.arange(position.shape[0])
    while open_rows.size:
        drawn = _points_in_bands(open_rows.size, generator, world)
        there = drawn - position[open_rows]
        sensor = np.asarray(world.sensor) - position[open_rows]
        apart = _wrap(np.arctan2(there[:, 1], there[:, 0]) - np.arctan2(sensor[:, 1], sensor[:, 0]))
        good = np.abs(apart) > world.sensor_cone
        target[open_rows[good]] = drawn[good]
        open_rows = open_rows[~good]
    return target


def _points_in_bands(count: int, generator: np.random.Generator, world: BearingsWorld) -> Floats:
    along = generator.uniform(-world.half_side, world.half_side, count)
    across = world.half_side - generator.uniform(0.0, world.band, count)
    border = generator.integers(4, size=count)
    across = np.where(border % 2 == 0, across, -across)
    upright = border < 2
    return np.stack([np.where(upright, across, along), np.where(upright, along, across)], axis=1)


def _wrap(angle: Floats) -> Floats:
    """The same angle in (-pi, pi]."""
    wrapped: Floats = math.pi - np.mod(math.pi - angle, 2.0 * math.pi)
    return wrapped
