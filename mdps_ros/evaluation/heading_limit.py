"""What a warped map lets one know of the heading who sees the street beside the car alone.

A warp of 1 m over 15 m turns streets by some degrees. Who sees exactly how the car stands on the
map must still average that over the travel, by an odometer that drifts. With travel s, the car's
heading t(s) = t0 + b s + random walk, its place across the street y' = t, and the warp o(s), a
Gaussian process with covariance sd^2 exp(-d^2 / (2 l^2)), he sees y + o and t + o' every few
metres. All are jointly normal, so the deviation of t given all that was seen is a closed form
(Rasmussen and Williams, Gaussian Processes for Machine Learning, Eqs. 2.19 and 9.1). He is told
which street he is on and sees nothing else wrong. A camera also sees the street ahead, where the
warp is another one, and corners: who could use all of that would know more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdps_ros.maps.imperfect import ImperfectStyle
from mdps_ros.sim.odometry import OdometryErrors

Floats = NDArray[np.float64]

START_SD = 0.5  # rad, of the heading
PLACE_SD = 50.0  # m, across the street


@dataclass(frozen=True, slots=True, kw_only=True)
class Observer:
    """What is seen of the pose on the map.

    Attributes:
        every_m: travel between two looks.
        place_sd_m: noise of the place, of each look.
        heading_sd_rad: noise of the heading; both as on a map without errors.
        speed_mps: at which a drift over time becomes one over travel.
    """

    every_m: float = 3.0
    place_sd_m: float = 0.3
    heading_sd_rad: float = math.radians(0.4)
    speed_mps: float = 10.0


def heading_sd(
    travel_m: float, warp: ImperfectStyle, odometer: OdometryErrors, observer: Observer
) -> float:
    """Standard deviation of the heading at the end of a straight street, rad.

    Args:
        travel_m: length of the street.
        warp: of the map; only the warp counts.
        odometer: only the errors of yaw count.
        observer: what is seen.
    """
    step = observer.every_m
    s = np.arange(0.0, travel_m + 1e-9, step)
    looks = len(s)
    # columns: t0, y at the start, b, one step of the random walk between two looks each
    heading = np.hstack((np.ones((looks, 1)), np.zeros((looks, 1)), s[:, None], _lower(looks)))
    between = 0.5 * (heading[1:] + heading[:-1])
    place = np.vstack((np.zeros((1, heading.shape[1])), step * between.cumsum(0)))
    place[:, 1] = 1.0
    bias = odometer.gyro_bias_sd_radps / observer.speed_mps
    walk = odometer.yaw_noise * math.sqrt(step / observer.speed_mps)
    sds = np.array([START_SD, PLACE_SD, bias, *[walk] * (looks - 1)])
    seen = np.vstack((place, heading)) * sds
    noise = np.repeat([observer.place_sd_m**2, observer.heading_sd_rad**2], looks)
    total = seen @ seen.T + _warp_covariance(s, warp) + np.diag(noise)
    wanted = heading[-1] * sds
    known = seen @ wanted
    return math.sqrt(wanted @ wanted - known @ np.linalg.solve(total, known))


def heading_recall(
    within_rad: float,
    travels_m: tuple[float, ...],
    warp: ImperfectStyle,
    odometer: OdometryErrors,
    observer: Observer,
) -> float:
    """Share of the poses at these travels whose heading the observer knows that well."""
    sds = [heading_sd(travel, warp, odometer, observer) for travel in travels_m]
    return float(np.mean([math.erf(within_rad / sd / math.sqrt(2.0)) for sd in sds]))


def _lower(looks: int) -> Floats:
    """(looks, looks - 1): the steps of a random walk that lie before each look."""
    return np.tri(looks, looks - 1, -1)


def _warp_covariance(s: Floats, warp: ImperfectStyle) -> Floats:
    """(2 looks, 2 looks) of the warp across the street, and of its slope."""
    length = warp.warp_length_m
    d = s[:, None] - s[None]
    place = warp.warp_sd_m**2 * np.exp(-0.5 * (d / length) ** 2)
    cross = place * d / length**2
    slope = place * (1.0 / length**2 - d**2 / length**4)
    return np.block([[place, cross], [cross.T, slope]])
