"""Self-calibration on simulated drives (rbpf.md section 9.4): test v, and the study's figures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mdps_ros.evaluation import self_calibration, self_calibration_filters, self_calibration_report
from mdps_ros.evaluation.results import Row
from mdps_ros.evaluation.self_calibration import PLAIN, SELF_CALIBRATING, TRUE_NOISE
from mdps_ros.evaluation.self_calibration_filters import FixModel, Track
from mdps_ros.models import motion
from mdps_ros.sim.calibration_drives import CalibrationScenario, simulate_calibration_drives

OUTLIERS = self_calibration.SCENARIOS["outliers"]


def check_calibration(filter_name: str, position_m: float) -> None:
    """24 drives, N = 200: targets of the study, and the position error below `position_m`."""
    drives = simulate_calibration_drives(OUTLIERS, 24, np.random.default_rng(1))
    tuning = self_calibration.tunings(OUTLIERS)[filter_name]
    track = self_calibration_filters.run(drives, OUTLIERS, tuning, 200, 2)
    found = self_calibration.measure(track, drives, OUTLIERS, np.random.default_rng(3))
    assert found["lost"] == 0
    assert isinstance(found["scale_error_percent"], float)
    assert found["scale_error_percent"] < self_calibration.SCALE_TARGET_PERCENT
    assert isinstance(found["bias_error_degps"], float)
    assert found["bias_error_degps"] < self_calibration.BIAS_TARGET_DEGPS
    assert isinstance(found["position_rmse_m"], float)
    assert found["position_rmse_m"] < position_m


@pytest.mark.slow
def test_v_rao_blackwell_filter_finds_scale_and_bias_and_loses_no_drive() -> None:
    """rbpf.md test v: scale within 0.3 %, bias within 0.05 deg/s; position under 2 m, which the
    filter without calibration does not reach with any number of particles."""
    check_calibration(SELF_CALIBRATING, 2.0)


@pytest.mark.slow
@pytest.mark.parametrize("filter_name", [TRUE_NOISE, PLAIN])
def test_v_with_the_true_noise_or_without_calibration_fails(filter_name: str) -> None:
    """The tuning trap of rbpf.md 9.5, and the filter that knows no z."""
    with pytest.raises(AssertionError):
        check_calibration(filter_name, 2.0)


def test_plain_filter_never_changes_its_mind_about_the_calibration() -> None:
    drives = simulate_calibration_drives(
        CalibrationScenario(duration_s=3.0), 2, np.random.default_rng(4)
    )
    tuning = self_calibration.tunings(OUTLIERS)[PLAIN]
    track = self_calibration_filters.run(drives, OUTLIERS, tuning, 50, 5)
    assert (track.calibration == 0.0).all()


def test_fix_likelihood_is_the_mixture_of_its_candidates() -> None:
    scenario = CalibrationScenario(ghost_offset_m=4.0)
    settings = self_calibration_filters.true_noise(scenario, 1.0)
    pose = torch.tensor([[[1.0, 2.0, 0.3]]], dtype=torch.float64)
    state = motion.start_state(pose, settings, torch.Generator().manual_seed(6))
    fix = torch.tensor([[[1.5, 2.0], [4.0, 6.0]]], dtype=torch.float64)
    _, found = FixModel(settings, scenario, 0.2).update(state, fix)
    expected = sum(
        weight * math.exp(-0.5 * square / sd**2) / sd**2
        for square in (0.25, 25.0)
        for weight, sd in ((0.8, 0.5), (0.2, 5.0))
    )
    assert found.item() == pytest.approx(math.log(expected))


def test_measures_are_those_of_known_errors() -> None:
    scenario = CalibrationScenario(duration_s=40.0, outages_s=((30.0, 35.0),))
    drives = simulate_calibration_drives(scenario, 2, np.random.default_rng(7))
    pose = drives.poses.copy()
    pose[0, :, :2] += (3.0, 4.0)
    pose[1, :, 2] += 2.0 * np.pi + math.radians(1.0)
    pose[1, 300:350, 0] += 2.0
    pose[1, -101:, 1] += 6.0
    truth = np.stack([drives.scale, drives.gyro_bias], -1)
    offset = np.array([[0.003, 0.0], [0.001, math.radians(0.02)]])
    track = Track(pose, truth + offset, np.full((2, 2), 0.002))
    found = self_calibration.measure(track, drives, scenario, np.random.default_rng(8))
    assert found["scale_error_percent"] == pytest.approx(100.0 * math.sqrt((9e-6 + 1e-6) / 2))
    assert found["bias_error_degps"] == pytest.approx(0.02 / math.sqrt(2.0))
    assert found["yaw_rmse_deg"] == pytest.approx(1.0 / math.sqrt(2.0))
    assert found["lost"] == 1  # 5.0 m is not more than 5 m
    assert found["scale_claimed_sd_percent"] == pytest.approx(0.2)
    # drive 1 in the outage: 2 m, and 6 m sideways with it in the last 10 s from sample 299 on
    assert found["outage_rmse_m"] == pytest.approx(math.sqrt((25.0 + 40.0) / 2), rel=1e-3)


def rows(position: float, plain: float, lost: int) -> list[Row]:
    shared: Row = {"name": "ghosts", "drives": 40}
    ours: Row = {
        **shared, "filter": SELF_CALIBRATING, "particles": 200, "position_rmse_m": position,
        "position_rmse_m_low": position, "position_rmse_m_high": position, "lost": lost,
        "scale_error_percent": 0.2, "bias_error_degps": 0.06,
    }  # fmt: skip
    other: Row = {
        **shared, "filter": PLAIN, "particles": 3000, "position_rmse_m": plain,
        "position_rmse_m_low": plain, "position_rmse_m_high": plain, "lost": 0,
    }  # fmt: skip
    return [ours, other]


def test_verdicts_say_which_targets_were_met() -> None:
    met = [verdict.met for verdict in self_calibration.verdicts(rows(1.0, 2.0, 0))]
    assert met == [True, False, True, True]
    met = [verdict.met for verdict in self_calibration.verdicts(rows(3.0, 2.0, 1))]
    assert met == [True, False, False, False]


def test_verdicts_need_the_rows_that_they_compare() -> None:
    with pytest.raises(ValueError, match="run the study"):
        self_calibration.verdicts(rows(1.0, 2.0, 0)[:1])


def test_report_has_table_targets_and_picture(tmp_path: Path) -> None:
    made = rows(1.0, 2.0, 0)
    text = self_calibration_report.markdown(made, self_calibration.verdicts(made), 60)
    assert "bias error 0.060 < 0.05 deg/s: missed" in text
    assert f"| ghosts | {PLAIN} | 3000 |" in text
    self_calibration_report.picture(made, tmp_path / "out" / "calibration.png")
    assert (tmp_path / "out" / "calibration.png").stat().st_size > 5000
