"""Wheel and gyro odometry with the errors that real ones have."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdps_ros.sim.drive import Drive


@dataclass(frozen=True, slots=True, kw_only=True)
class OdometryErrors:
    """Size of the odometry errors.

    The defaults are those of a car's wheel encoders and a consumer MEMS gyro after start-up
    calibration: scale and bias are drawn once per drive, the rest anew for every sample.

    Attributes:
        rate_hz: rate of the odometry, Hz.
        scale_sd: standard deviation of the distance scale error (1 % : worn or warm tyres).
        gyro_bias_sd_radps: standard deviation of the constant yaw rate error, rad/s.
        distance_noise: white noise of the distance, m per sqrt(m) driven.
        lateral_noise: white noise across the vehicle (side slip), m per sqrt(m) driven.
        yaw_noise: angular random walk, rad per sqrt(s).
    """

    rate_hz: float = 20.0
    scale_sd: float = 0.01
    gyro_bias_sd_radps: float = math.radians(0.1)
    distance_noise: float = 0.015
    lateral_noise: float = 0.005
    yaw_noise: float = math.radians(0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Odometry:
    """What dead reckoning reports, T samples.

    Attributes:
        stamps_ns: (T,) int64 ns.
        poses: (T, 3) float64, T_odom_base as x m, y m, yaw rad (unwrapped); starts at zero.
        twist: (T, 3) float64, measured velocity in the base frame: forward m/s, left m/s, rad/s.
        covariance: (T, 3, 3) float64, covariance of `poses` that the error model implies for
            straight driving: scale and bias grow with distance and time, noise adds.
    """

    stamps_ns: NDArray[np.int64]
    poses: NDArray[np.float64]
    twist: NDArray[np.float64]
    covariance: NDArray[np.float64]


def measure_odometry(
    drive: Drive, errors: OdometryErrors, generator: np.random.Generator
) -> Odometry:
    """Integrate the drive's body-frame increments after adding errors.

    Args:
        drive: the true motion.
        errors: magnitudes.
        generator: source of randomness.

    Returns:
        Odometry at `errors.rate_hz`; the stamps are a subset of the drive's times.
    """
    stamps = np.arange(
        drive.stamps_ns[0], drive.stamps_ns[-1] + 1, round(1e9 / errors.rate_hz), dtype=np.int64
    )
    true = increments(interpolate_poses(drive.stamps_ns, drive.poses, stamps))
    dt = np.diff(stamps) / 1e9
    distance = np.hypot(true[:, 0], true[:, 1])
    scale = 1.0 + generator.normal(0.0, errors.scale_sd)
    bias = generator.normal(0.0, errors.gyro_bias_sd_radps)
    noise = generator.standard_normal(true.shape)
    size = np.stack(
        [
            errors.distance_noise * np.sqrt(distance),
            errors.lateral_noise * np.sqrt(distance),
            errors.yaw_noise * np.sqrt(dt),
        ],
        axis=1,
    )
    measured = true * [scale, scale, 1.0] + size * noise
    measured[:, 2] += bias * dt
    twist = measured / dt[:, None]
    return Odometry(
        stamps_ns=stamps,
        poses=integrate(measured),
        twist=np.vstack([twist[:1], twist]),
        covariance=_covariance(distance, dt, errors),
    )


def interpolate_poses(
    stamps_ns: NDArray[np.int64], poses: NDArray[np.float64], at_ns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Poses at other times, linear in x, y and (unwrapped) yaw.

    Args:
        stamps_ns: (T,) ns, rising.
        poses: (T, 3) m, m, rad; yaw unwrapped.
        at_ns: (Q,) ns, inside the range of `stamps_ns`.

    Returns:
        (Q, 3) poses.
    """
    # Relative times: absolute nanoseconds do not fit a float64 exactly.
    known, wanted = (stamps_ns - stamps_ns[0]) / 1e9, (at_ns - stamps_ns[0]) / 1e9
    return np.stack([np.interp(wanted, known, poses[:, i]) for i in range(3)], axis=1)


def increments(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Motion between neighbouring poses, each in the frame of the earlier one.

    Args:
        poses: (T, 3) m, m, rad.

    Returns:
        (T - 1, 3) forward m, left m, turn rad in (-pi, pi].
    """
    step = np.diff(poses, axis=0)
    cos, sin = np.cos(poses[:-1, 2]), np.sin(poses[:-1, 2])
    forward = cos * step[:, 0] + sin * step[:, 1]
    left = -sin * step[:, 0] + cos * step[:, 1]
    turn = np.arctan2(np.sin(step[:, 2]), np.cos(step[:, 2]))
    return np.stack([forward, left, turn], axis=1)


def integrate(motion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chain body-frame increments from the origin; the inverse of `increments`.

    Args:
        motion: (T - 1, 3) forward m, left m, turn rad.

    Returns:
        (T, 3) x m, y m, yaw rad (unwrapped).
    """
    yaw = np.concatenate([[0.0], np.cumsum(motion[:, 2])])
    cos, sin = np.cos(yaw[:-1]), np.sin(yaw[:-1])
    x = np.cumsum(cos * motion[:, 0] - sin * motion[:, 1])
    y = np.cumsum(sin * motion[:, 0] + cos * motion[:, 1])
    return np.stack([np.append(0.0, x), np.append(0.0, y), yaw], axis=1)


def _covariance(
    distance: NDArray[np.float64], dt: NDArray[np.float64], errors: OdometryErrors
) -> NDArray[np.float64]:
    d = np.concatenate([[0.0], np.cumsum(distance)])
    t = np.concatenate([[0.0], np.cumsum(dt)])
    yaw = (errors.gyro_bias_sd_radps * t) ** 2 + errors.yaw_noise**2 * t
    along = (errors.scale_sd * d) ** 2 + errors.distance_noise**2 * d
    # A yaw error that grows evenly moves the end sideways by half the distance times it.
    across = errors.lateral_noise**2 * d + yaw * (d / 2) ** 2
    covariance = np.zeros((len(d), 3, 3))
    for axis, variance in enumerate((along + across, along + across, yaw)):
        covariance[:, axis, axis] = variance
    return covariance
