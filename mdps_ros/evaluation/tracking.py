"""`mdps evaluate tracking`: how many particles does Rao-Blackwellisation save?

Range-bearing tracking, the study of section 5 of Hendeby, Karlsson and Gustafsson (EURASIP JASP
2010:724087), on the same simulated targets for all filters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.evaluation import tracking_filters
from mdps_ros.evaluation.results import Row, Value
from mdps_ros.evaluation.tracking_filters import TrackingModel
from mdps_ros.sim.tracking import TrackingRuns, TrackingScenario, simulate_tracking

BURN_IN = 5  # measurements before errors count
DIVERGED_M = 100.0
BOOTSTRAP_DRAWS = 1000


class Published(NamedTuple):
    """A row of the specification's table, measured by its NumPy prototype on 100 runs."""

    position_m: float
    median_m: float | None
    velocity: float
    acceleration: float
    diverged: int


SPECIFICATION: dict[tuple[str, int], Published] = {
    ("RBPF", 50): Published(14.48, 9.84, 4.17, 0.567, 1),
    ("RBPF", 100): Published(9.21, 8.32, 3.52, 0.541, 0),
    ("RBPF", 200): Published(8.03, 7.64, 3.38, 0.537, 0),
    ("RBPF", 500): Published(7.55, 7.36, 3.29, 0.534, 0),
    ("RBPF", 1000): Published(7.43, 7.30, 3.28, 0.532, 0),
    ("RBPF + EKF proposal", 50): Published(9.54, 9.03, 3.67, 0.550, 0),
    ("RBPF + EKF proposal", 200): Published(7.85, 7.50, 3.35, 0.535, 0),
    ("PF", 100): Published(470.5, 57.5, 20.1, 1.03, 57),
    ("PF", 500): Published(85.6, 8.63, 5.02, 0.674, 7),
    ("PF", 1000): Published(10.29, 7.87, 3.54, 0.613, 1),
    ("PF", 2000): Published(7.70, 7.36, 3.34, 0.570, 0),
    ("PF", 5000): Published(7.55, 7.33, 3.30, 0.551, 0),
    ("EKF", 0): Published(7.29, None, 3.23, 0.530, 0),
}
"""Figures of a NumPy prototype of this project; N = 0 where there are no particles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingStudy:
    """What is run.

    Attributes:
        runs: targets.
        steps: measurements of each.
        particle_counts: (filter name, N) in the order of the table; N = 0 for the EKF.
        smoothing_particles: N of the smoothers.
        lag: of the fixed-lag smoother, in measurements.
        paths: of backward simulation.
    """

    runs: int = 100
    steps: int = 100
    particle_counts: tuple[tuple[str, int], ...] = tuple(SPECIFICATION)
    smoothing_particles: int = 500
    lag: int = 5
    paths: int = 30


def errors(means: NDArray[np.float64], runs: TrackingRuns) -> NDArray[np.float64]:
    """(3, R, T) distance between estimate and truth of position, velocity, acceleration."""
    difference = (means - runs.states).reshape(*means.shape[:2], 3, 2)
    return np.moveaxis(np.linalg.norm(difference, axis=-1), -1, 0)


def measure(
    means: NDArray[np.float64], runs: TrackingRuns, generator: np.random.Generator
) -> dict[str, Value]:
    """Root mean square errors over runs and time, with the bootstrap over runs.

    Args:
        means: (R, T, 6) estimates.
        runs: the truth.
        generator: of the bootstrap.
    """
    error = errors(means, runs)
    per_run = np.square(error[:, :, BURN_IN:]).mean(-1)  # (3, R)
    drawn = generator.integers(per_run.shape[1], size=(BOOTSTRAP_DRAWS, per_run.shape[1]))
    spread = np.sqrt(per_run[:, drawn].mean(-1))  # (3, draws)
    values: dict[str, Value] = {}
    names = ("position_rmse_m", "velocity_rmse_mps", "acceleration_rmse_mps2")
    for name, mean_square, draws in zip(names, per_run, spread, strict=True):
        values[name] = float(np.sqrt(mean_square.mean()))
        values[f"{name}_low"], values[f"{name}_high"] = (
            float(level) for level in np.quantile(draws, [0.025, 0.975])
        )
    values["position_rmse_m_se"] = float(spread[0].std())
    values["median_run_m"] = float(np.sqrt(np.median(per_run[0])))
    values["diverged"] = int((error[0].max(-1) > DIVERGED_M).sum())
    return values


def compare(name: str, count: int, values: dict[str, Value]) -> dict[str, Value]:
    """The specification's figures beside ours, and whether they differ by more than chance.

    Chance: three times the standard error of the difference of two studies of this size, as the
    bootstrap tells it of ours.
    """
    published = SPECIFICATION.get((name, count))
    if published is None:
        return {}
    ours, error = values["position_rmse_m"], values["position_rmse_m_se"]
    assert isinstance(ours, float)
    assert isinstance(error, float)
    agrees = abs(ours - published.position_m) <= 3.0 * np.sqrt(2.0) * error
    return {
        "specified_position_rmse_m": published.position_m,
        "specified_median_run_m": published.median_m,
        "specified_velocity_rmse_mps": published.velocity,
        "specified_acceleration_rmse_mps2": published.acceleration,
        "specified_diverged": published.diverged,
        "agrees": "yes" if agrees else "no",
    }


Filter = Callable[[TrackingModel, NDArray[np.float64], int, int], NDArray[np.float64]]


def _extended(
    model: TrackingModel, measurements: NDArray[np.float64], count: int, seed: int
) -> NDArray[np.float64]:
    del count, seed
    return tracking_filters.extended_kalman(model, measurements)[0]


FILTERS: dict[str, Filter] = {
    "RBPF": tracking_filters.rao_blackwell,
    "RBPF + EKF proposal": tracking_filters.guided,
    "PF": tracking_filters.plain,
    "EKF": _extended,
}


def run_filters(study: TrackingStudy, seed: int) -> Iterator[Row]:
    """One row per filter and particle number, as soon as it is there.

    Args:
        study: what to run.
        seed: of the targets; the filters' and the bootstrap's follow from it.
    """
    scenario = TrackingScenario()
    runs = simulate_tracking(scenario, study.runs, study.steps, np.random.default_rng(seed))
    model = TrackingModel(scenario)
    for name, count in study.particle_counts:
        started = time.perf_counter()
        means = FILTERS[name](model, runs.measurements, count, seed + 1)
        seconds = time.perf_counter() - started
        values = measure(means, runs, np.random.default_rng(seed + 2))
        yield {
            "name": name,
            "particles": count or None,
            "runs": study.runs,
            **values,
            "seconds": seconds,
            **compare(name, count, values),
        }


def run_smoothers(study: TrackingStudy, seed: int) -> list[Row]:
    """Filter, fixed-lag smoother and backward simulation on one set of particles and targets.

    The extended Kalman filter with its smoother is the reference: nearly exact on these targets.
    """
    scenario = TrackingScenario()
    runs = simulate_tracking(scenario, study.runs, study.steps, np.random.default_rng(seed))
    model = TrackingModel(scenario)
    means = tracking_filters.smoothing(
        model,
        runs.measurements,
        study.smoothing_particles,
        study.lag,
        study.paths,
        seed + 3,
    )
    filtered, smoothed = tracking_filters.extended_kalman(model, runs.measurements)
    count = study.smoothing_particles
    estimates: list[tuple[str, int | None, NDArray[np.float64]]] = [
        ("RBPF, filtered", count, means.filtered),
        (f"RBPF, fixed lag of {study.lag}", count, means.lagged),
        (f"RB-FFBSi, {study.paths} paths", count, means.smoothed),
        ("EKF", None, filtered),
        ("EKF, RTS smoother", None, smoothed),
    ]
    return [
        {
            "name": name,
            "particles": particles,
            "runs": study.runs,
            **measure(estimate, runs, np.random.default_rng(seed + 2)),
        }
        for name, particles, estimate in estimates
    ]
