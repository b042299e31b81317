"""Drives with a wrong odometer and a biased gyroscope, seen by position fixes now and then.

Made for measuring how well a filter finds its odometer's scale and its gyroscope's bias. The
odometry is drawn such that the motion model of a filter with the true noise holds exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPEED_CHANGE_S = 5.0  # a new target speed and turn rate that often


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationScenario:
    """What the drives are like; the noise is per sample.

    Attributes:
        duration_s: of a drive.
        period_s: between odometry samples.
        scale: the odometer reads (1 +- scale) times the distance; the sign is drawn.
        gyro_bias_radps: the gyroscope reads too much by +- this; the sign is drawn.
        slip_sd_mps: standard deviation of the lateral slip velocity.
        slip_time_s: its correlation time.
        forward_noise_m: constant part of the odometer's noise.
        forward_noise_share: part that grows with the distance.
        lateral_noise_m: noise across the vehicle.
        yaw_noise_rad: noise of the gyroscope.
        fix_period_s: between position fixes.
        fix_sd_m: of a good fix.
        outlier_sd_m: of a bad one.
        outlier_share: how many are bad.
        outages_s: (start, end) of times without fixes.
        ghost_offset_m: every fix comes with a second one, that far to a side that flips now and
            then, in unknown order; 0 for none.
        ghost_flip: chance that the side changes from fix to fix.
    """

    duration_s: float = 120.0
    period_s: float = 0.1
    scale: float = 0.03
    gyro_bias_radps: float = math.radians(0.3)
    slip_sd_mps: float = 0.1
    slip_time_s: float = 2.0
    forward_noise_m: float = 0.002
    forward_noise_share: float = 0.01
    lateral_noise_m: float = 0.004
    yaw_noise_rad: float = math.radians(0.05)
    fix_period_s: float = 1.0
    fix_sd_m: float = 0.5
    outlier_sd_m: float = 5.0
    outlier_share: float = 0.1
    outages_s: tuple[tuple[float, float], ...] = ((30.0, 42.0), (70.0, 85.0))
    ghost_offset_m: float = 0.0
    ghost_flip: float = 0.3

    @property
    def samples(self) -> int:
        """Odometry samples T of a drive."""
        return round(self.duration_s / self.period_s)

    def in_outage(self, time_s: float) -> bool:
        """Whether there are no fixes at that time."""
        return any(start <= time_s < end for start, end in self.outages_s)

    def has_fix(self, sample: int) -> bool:
        """Whether a fix comes with the sample."""
        every = round(self.fix_period_s / self.period_s)
        return sample % every == 0 and not self.in_outage(sample * self.period_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationDrives:
    """R drives of T samples.

    Attributes:
        poses: (R, T, 3) T_map_base as x m, y m, yaw rad (unwrapped).
        scale: (R,) s in: true distance = (1 + s) times measured distance.
        gyro_bias: (R,) rad/s, measured minus true.
        distance: (R, T - 1) m measured from sample t to t + 1; may be negative by noise.
        turn: (R, T - 1) rad measured by the gyroscope over the same time.
        fixes: (R, T, C, 2) m, C candidates of the position in unknown order; NaN where none.
    """

    poses: NDArray[np.float64]
    scale: NDArray[np.float64]
    gyro_bias: NDArray[np.float64]
    distance: NDArray[np.float64]
    turn: NDArray[np.float64]
    fixes: NDArray[np.float64]


def simulate_calibration_drives(
    scenario: CalibrationScenario, drives: int, generator: np.random.Generator
) -> CalibrationDrives:
    """Draw drives of 2-15 m/s with turns and stops, their odometry and their fixes."""
    signs = generator.choice([-1.0, 1.0], size=(2, drives))
    scale = 1.0 / (1.0 + signs[0] * scenario.scale) - 1.0
    bias = signs[1] * scenario.gyro_bias_radps
    forward, turn = _manoeuvres(scenario, drives, generator)
    poses = _integrate(scenario, forward, turn, generator)
    noise = scenario.forward_noise_m + scenario.forward_noise_share * forward
    distance = (forward - noise * generator.normal(size=forward.shape)) / (1.0 + scale[:, None])
    error = scenario.yaw_noise_rad * generator.normal(size=turn.shape)
    measured_turn = turn + scenario.period_s * bias[:, None] - error
    return CalibrationDrives(
        poses=poses,
        scale=scale,
        gyro_bias=bias,
        distance=distance,
        turn=measured_turn,
        fixes=_fixes(scenario, poses, generator),
    )


def _manoeuvres(
    scenario: CalibrationScenario, drives: int, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(R, T - 1) true forward motion m and turn rad per sample."""
    dt = scenario.period_s
    speed, rate = np.full(drives, 8.0), np.zeros(drives)
    forward, turn = [], []
    for sample in range(scenario.samples - 1):
        if sample % round(SPEED_CHANGE_S / dt) == 0:
            moving = generator.uniform(size=drives) > 0.1
            wanted_speed = generator.uniform(2.0, 15.0, drives) * moving
            turning = generator.uniform(size=drives) > 0.4
            wanted_rate = np.radians(10.0) * generator.normal(size=drives) * turning
        speed = speed + np.clip(wanted_speed - speed, -2.0, 2.0) * dt
        rate = rate + np.clip(wanted_rate - rate, -0.3, 0.3) * 2.0 * dt
        forward.append(speed * dt)
        turn.append(np.where(speed > 0.5, rate, 0.0) * dt)
    return np.stack(forward, 1), np.stack(turn, 1)


def _integrate(
    scenario: CalibrationScenario,
    forward: NDArray[np.float64],
    turn: NDArray[np.float64],
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """(R, T, 3) poses, with slip and lateral noise."""
    drives, steps = forward.shape
    decay = math.exp(-scenario.period_s / scenario.slip_time_s)
    slip = np.zeros(drives)
    pose = np.stack([np.zeros(drives), np.zeros(drives), generator.uniform(-np.pi, np.pi, drives)])
    poses = [pose]
    for step in range(steps):
        left = scenario.period_s * slip + scenario.lateral_noise_m * generator.normal(size=drives)
        middle = pose[2] + 0.5 * turn[:, step]
        cos, sin = np.cos(middle), np.sin(middle)
        ahead = forward[:, step]
        pose = pose + np.stack([cos * ahead - sin * left, sin * ahead + cos * left, turn[:, step]])
        poses.append(pose)
        kick = scenario.slip_sd_mps * math.sqrt(1.0 - decay**2)
        slip = decay * slip + kick * generator.normal(size=drives)
    return np.moveaxis(np.stack(poses), -1, 0)


def _fixes(
    scenario: CalibrationScenario, poses: NDArray[np.float64], generator: np.random.Generator
) -> NDArray[np.float64]:
    """(R, T, C, 2) candidates."""
    drives, samples, _ = poses.shape
    candidates = 2 if scenario.ghost_offset_m else 1
    fixes = np.full((drives, samples, candidates, 2), np.nan)
    side = np.ones(drives)
    for sample in range(samples):
        if not scenario.has_fix(sample):
            continue
        bad = generator.uniform(size=drives) < scenario.outlier_share
        sd = np.where(bad, scenario.outlier_sd_m, scenario.fix_sd_m)
        position, yaw = poses[:, sample, :2], poses[:, sample, 2]
        fixes[:, sample, 0] = position + sd[:, None] * generator.normal(size=(drives, 2))
        if candidates == 1:
            continue
        side = np.where(generator.uniform(size=drives) < scenario.ghost_flip, -side, side)
        leftward = np.stack([-np.sin(yaw), np.cos(yaw)], -1)
        ghost = position + scenario.ghost_offset_m * side[:, None] * leftward
        fixes[:, sample, 1] = ghost + scenario.fix_sd_m * generator.normal(size=(drives, 2))
        swap = generator.uniform(size=drives) < 0.5
        fixes[swap, sample] = fixes[swap, sample][:, ::-1]
    return fixes
