"""`mdps evaluate self-calibration`: does the filter find its odometer's scale and gyro bias?

The motion model of the node (mixture-density filter whose particles carry a Kalman filter for the
calibration) against a plain filter over the pose with more particles, on simulated drives.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdps_ros.evaluation.results import Row, Value
from mdps_ros.evaluation.self_calibration_filters import (
    Track,
    Tuning,
    node_settings,
    run,
    true_noise,
    without_calibration,
)
from mdps_ros.settings import MotionSettings
from mdps_ros.sim.calibration_drives import (
    CalibrationDrives,
    CalibrationScenario,
    simulate_calibration_drives,
)

SETTLED_S = 20.0  # errors count from here
LOST_M = 5.0  # mean error over the last ten seconds
END_S = 10.0
BOOTSTRAP_DRAWS = 1000

SCALE_TARGET_PERCENT = 0.3
BIAS_TARGET_DEGPS = 0.05

SCENARIOS = {
    "outliers": CalibrationScenario(),
    "ghosts": CalibrationScenario(ghost_offset_m=4.0),
}
SELF_CALIBRATING = "RB-MDPF"
PLAIN = "3-state filter"
TRUE_NOISE = "RB-MDPF, true noise"
NODE = "RB-MDPF, node's noise"


def _tuning(settings: MotionSettings, outlier_share: float) -> Tuning:
    """With a kernel that is small against the fixes' error."""
    return Tuning(
        settings=settings, outlier_share=outlier_share, bandwidth_m=0.05, bandwidth_rad=0.001
    )


def tunings(scenario: CalibrationScenario) -> dict[str, Tuning]:
    """The filters, with what `tune` found best on other drives.

    Two things that a small number of particles needs are not those of the drives. Several times
    the true pose noise: with little of it each particle's path pins the calibration, and
    resampling then throws the right one away. And less trust in a single fix: one
    bad fix in an ambiguous moment makes the true place five hundred times less likely, which is
    right, but then no particle is left there when the next fixes speak for it.
    """
    return {
        SELF_CALIBRATING: _tuning(true_noise(scenario, 4.0), 0.7),
        PLAIN: _tuning(without_calibration(0.3, math.radians(1.5)), 0.5),
        TRUE_NOISE: _tuning(true_noise(scenario, 1.0), 0.7),
        NODE: _tuning(node_settings(), 0.7),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationStudy:
    """What is run.

    Attributes:
        drives: per scenario.
        counts: (filter name, N) in the order of the table.
    """

    drives: int = 40
    counts: tuple[tuple[str, int], ...] = (
        (SELF_CALIBRATING, 100),
        (SELF_CALIBRATING, 200),
        (SELF_CALIBRATING, 1000),
        (TRUE_NOISE, 200),
        (NODE, 200),
        (PLAIN, 200),
        (PLAIN, 3000),
    )


SPECIFIED_POSITION_M: dict[tuple[str, str, int], float] = {
    ("outliers", SELF_CALIBRATING, 100): 1.27,
    ("outliers", SELF_CALIBRATING, 200): 1.02,
    ("outliers", SELF_CALIBRATING, 1000): 1.02,
    ("outliers", TRUE_NOISE, 200): 33.23,
    ("outliers", PLAIN, 200): 2.46,
    ("outliers", PLAIN, 3000): 2.29,
    ("ghosts", SELF_CALIBRATING, 100): 5.94,
    ("ghosts", SELF_CALIBRATING, 200): 1.86,
    ("ghosts", SELF_CALIBRATING, 1000): 1.55,
    ("ghosts", PLAIN, 200): 3.03,
}
"""Figures of a NumPy prototype of this project, on its own drives and with index resampling."""


def measure(
    track: Track,
    drives: CalibrationDrives,
    scenario: CalibrationScenario,
    generator: np.random.Generator,
) -> dict[str, Value]:
    """Errors of the pose over the drives, and of the calibration at their end.

    Args:
        track: the estimates.
        drives: the truth.
        scenario: of the drives.
        generator: of the bootstrap over drives.
    """
    position, yaw = _pose_errors(track, drives)
    times = np.arange(position.shape[1]) * scenario.period_s
    settled = times >= SETTLED_S
    outage = np.array([scenario.in_outage(t) for t in times])
    per_drive = np.square(position[:, settled]).mean(1)
    drawn = generator.integers(len(per_drive), size=(BOOTSTRAP_DRAWS, len(per_drive)))
    low, high = np.quantile(np.sqrt(per_drive[drawn].mean(1)), [0.025, 0.975])
    truth = np.stack([drives.scale, drives.gyro_bias], -1)
    scale, bias = np.sqrt(np.square(track.calibration - truth).mean(0))
    scale_sd, bias_sd = track.calibration_sd.mean(0)
    return {
        "position_rmse_m": float(np.sqrt(per_drive.mean())),
        "position_rmse_m_low": float(low),
        "position_rmse_m_high": float(high),
        "median_drive_m": float(np.sqrt(np.median(per_drive))),
        "outage_rmse_m": float(np.sqrt(np.square(position[:, outage]).mean())),
        "yaw_rmse_deg": math.degrees(np.sqrt(np.square(yaw[:, settled]).mean())),
        "lost": int((position[:, times >= times[-1] - END_S].mean(1) > LOST_M).sum()),
        "scale_error_percent": 100.0 * float(scale),
        "scale_claimed_sd_percent": 100.0 * float(scale_sd),
        "bias_error_degps": math.degrees(bias),
        "bias_claimed_sd_degps": math.degrees(bias_sd),
    }


def _pose_errors(
    track: Track, drives: CalibrationDrives
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(R, T) position m and yaw rad."""
    difference = track.pose - drives.poses
    yaw = np.remainder(difference[..., 2] + np.pi, 2.0 * np.pi) - np.pi
    return np.linalg.norm(difference[..., :2], axis=-1), yaw


def run_study(study: CalibrationStudy, seed: int) -> Iterator[Row]:
    """One row per scenario, filter and particle number.

    Args:
        study: what to run.
        seed: of the drives; the filters' and the bootstrap's follow from it.
    """
    for name, scenario in SCENARIOS.items():
        drives = simulate_calibration_drives(scenario, study.drives, np.random.default_rng(seed))
        for filter_name, count in study.counts:
            tuning = tunings(scenario)[filter_name]
            started = time.perf_counter()
            track = run(drives, scenario, tuning, count, seed + 1)
            seconds = time.perf_counter() - started
            values = measure(track, drives, scenario, np.random.default_rng(seed + 2))
            if filter_name == PLAIN:
                values = {key: value for key, value in values.items() if not _of_z(key)}
            yield {
                "name": name,
                "filter": filter_name,
                "particles": count,
                "drives": study.drives,
                **values,
                "seconds": seconds,
                "specified_position_rmse_m": SPECIFIED_POSITION_M.get((name, filter_name, count)),
            }


def _of_z(key: str) -> bool:
    return key.startswith(("scale_", "bias_"))


@dataclass(frozen=True)
class Verdict:
    """One target: what it is, whether it was met."""

    text: str
    met: bool


def verdicts(rows: list[Row]) -> list[Verdict]:
    """The acceptance targets at N = 200, for each scenario in the rows."""
    found = []
    for name in dict.fromkeys(str(row["name"]) for row in rows):
        ours = _row(rows, name, SELF_CALIBRATING, 200)
        other = _row(rows, name, PLAIN, 3000)
        scale, bias = _number(ours, "scale_error_percent"), _number(ours, "bias_error_degps")
        position, plain = _number(ours, "position_rmse_m"), _number(other, "position_rmse_m")
        lost = _number(ours, "lost")
        found += [
            Verdict(f"{name}: scale error {scale:.2f} < 0.3 %", scale < SCALE_TARGET_PERCENT),
            Verdict(f"{name}: bias error {bias:.3f} < 0.05 deg/s", bias < BIAS_TARGET_DEGPS),
            Verdict(f"{name}: {lost:.0f} of {ours['drives']} drives lost", lost == 0),
            Verdict(f"{name}: position {position:.2f} < {plain:.2f} m (plain)", position < plain),
        ]
    return found


def _row(rows: list[Row], name: str, filter_name: str, count: int) -> Row:
    for row in rows:
        if (row["name"], row["filter"], row["particles"]) == (name, filter_name, count):
            return row
    raise ValueError(f"no row of {filter_name} with {count} particles on {name}; run the study")


def _number(row: Row, key: str) -> float:
    value = row[key]
    if not isinstance(value, (int, float)):
        raise ValueError(f"{key} of {row['filter']} is {value!r}, not a number")
    return float(value)


TUNING_SEED = 2
TUNING_DRIVES = 40


def tune(count_ours: int = 200, count_plain: int = 1000) -> Iterator[Row]:
    """Position error over a grid of noise settings, on drives that the study does not use.

    Args:
        count_ours: particles of the self-calibrating filter.
        count_plain: of the plain filter.
    """
    for name, scenario in SCENARIOS.items():
        generator = np.random.default_rng(TUNING_SEED)
        drives = simulate_calibration_drives(scenario, TUNING_DRIVES, generator)
        for filter_name, label, tuning in _grid(scenario):
            count = count_plain if filter_name == PLAIN else count_ours
            track = run(drives, scenario, tuning, count, TUNING_SEED + 1)
            values = measure(track, drives, scenario, generator)
            yield {
                "name": name,
                "filter": filter_name,
                "noise": label,
                "particles": count,
                "drives": TUNING_DRIVES,
                "position_rmse_m": values["position_rmse_m"],
                "lost": values["lost"],
            }


def _grid(scenario: CalibrationScenario) -> Iterator[tuple[str, str, Tuning]]:
    """Filter, description and tuning of every grid point."""
    for share in (scenario.outlier_share, 0.5, 0.7):
        for factor in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0):
            label = f"x{factor:g}, outliers {share:g}"
            yield SELF_CALIBRATING, label, _tuning(true_noise(scenario, factor), share)
        for forward in (0.08, 0.15, 0.3):
            for yaw in (0.7, 1.5, 3.0):
                settings = without_calibration(forward, math.radians(yaw))
                label = f"{forward:g} m/sqrt(m), {yaw:g} deg/sqrt(s), outliers {share:g}"
                yield PLAIN, label, _tuning(settings, share)
