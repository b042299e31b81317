"""The range-bearing study (rbpf.md section 6): its model, its figures, test c."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mdps_ros.evaluation import tracking, tracking_filters, tracking_report
from mdps_ros.evaluation.results import Row
from mdps_ros.evaluation.tracking import TrackingStudy
from mdps_ros.evaluation.tracking_filters import Radar, TrackingModel
from mdps_ros.sim.tracking import TrackingRuns, TrackingScenario, simulate_tracking

SCENARIO = TrackingScenario()
RADAR = Radar(torch.diag(torch.tensor([10.0, 0.001], dtype=torch.float64)))


def test_radar_wraps_the_bearing() -> None:
    position = torch.tensor([[[-100.0, -1.0]]], dtype=torch.float64)
    measured = torch.tensor([[100.0, math.pi - 0.01]], dtype=torch.float64)
    residual = RADAR.residual(position, measured)
    assert residual[0, 0, 1].item() == pytest.approx(-0.02, abs=1e-4)


def test_radar_jacobian_is_the_derivative() -> None:
    position = torch.tensor([[[300.0, -400.0]]], dtype=torch.float64)
    measured = torch.zeros(1, 2, dtype=torch.float64)
    exact = torch.autograd.functional.jacobian(
        lambda p: -RADAR.residual(p, measured)[0, 0], position
    )
    torch.testing.assert_close(RADAR.jacobian(position)[0, 0], exact[:, 0, 0])


def test_radar_likelihood_is_the_gaussian_of_range_and_bearing() -> None:
    position = torch.tensor([[[30.0, 40.0]]], dtype=torch.float64)
    measured = torch.tensor([[53.0, math.atan2(40.0, 30.0) + 0.002]], dtype=torch.float64)
    expected = -0.5 * (0.3**2 + 2.0**2) - math.log(10.0 * 0.001) - math.log(2.0 * math.pi)
    assert RADAR.log_likelihood(position, measured).item() == pytest.approx(expected)


def few_runs(runs: int, steps: int, seed: int) -> tuple[TrackingModel, TrackingRuns]:
    drawn = simulate_tracking(SCENARIO, runs, steps, np.random.default_rng(seed))
    return TrackingModel(SCENARIO), drawn


def test_c_all_filters_have_the_error_of_the_extended_kalman_filter() -> None:
    """20 runs of 30 steps: the problem is nearly linear, so enough particles must agree."""
    model, runs = few_runs(20, 30, 1)
    filtered, _ = tracking_filters.extended_kalman(model, runs.measurements)
    reference = position_rmse(filtered, runs)
    for means in (
        tracking_filters.rao_blackwell(model, runs.measurements, 1000, 2),
        tracking_filters.guided(model, runs.measurements, 200, 3),
        tracking_filters.plain(model, runs.measurements, 2000, 4),
    ):
        assert abs(position_rmse(means, runs) / reference - 1.0) < 0.1


def position_rmse(means: NDArray[np.float64], runs: TrackingRuns) -> float:
    position = tracking.errors(means, runs)[0, :, tracking.BURN_IN :]
    return float(np.sqrt(np.square(position).mean()))


def check_few_particles(count: int) -> None:
    """100 runs: the Rao-Blackwellised filter with `count` beats the plain one with 1000."""
    model, runs = few_runs(100, 100, 5)
    ours = tracking_filters.rao_blackwell(model, runs.measurements, count, 6)
    plain = tracking_filters.plain(model, runs.measurements, 1000, 7)
    assert position_rmse(ours, runs) < position_rmse(plain, runs)
    assert tracking.errors(ours, runs)[0].max() < tracking.DIVERGED_M


@pytest.mark.slow
def test_c_rao_blackwell_with_200_beats_1000_plain_particles_and_never_diverges() -> None:
    """rbpf.md test c."""
    check_few_particles(200)


@pytest.mark.slow
def test_c_rao_blackwell_with_20_particles_fails() -> None:
    with pytest.raises(AssertionError):
        check_few_particles(20)


@pytest.mark.slow
def test_smoothers_beat_the_filter_on_the_same_particles() -> None:
    """20 runs of 40 steps, N = 100: position error at least 20 % lower."""
    model, runs = few_runs(20, 40, 8)
    means = tracking_filters.smoothing(model, runs.measurements, 100, 5, 20, 9)
    filtered = position_rmse(means.filtered, runs)
    assert position_rmse(means.lagged, runs) < 0.8 * filtered
    assert position_rmse(means.smoothed, runs) < 0.8 * filtered


def test_measures_are_those_of_known_errors() -> None:
    """A constant offset of (3, 4) m in one of two runs, and 150 m once in the other."""
    states = np.zeros((2, 10, 6))
    runs = TrackingRuns(states=states, measurements=np.zeros((2, 10, 2)))
    means = states.copy()
    means[0, :, :2] = (3.0, 4.0)
    means[1, 2, 0] = 150.0  # before errors count, but it has diverged
    means[:, :, 4] = 0.5
    values = tracking.measure(means, runs, np.random.default_rng(1))
    assert values["position_rmse_m"] == pytest.approx(math.sqrt(12.5))
    assert values["acceleration_rmse_mps2"] == pytest.approx(0.5)
    assert values["acceleration_rmse_mps2_low"] == pytest.approx(0.5)
    assert values["velocity_rmse_mps"] == 0.0
    assert values["diverged"] == 1


def test_comparison_needs_more_than_chance_to_disagree() -> None:
    near = {"position_rmse_m": 8.5, "position_rmse_m_se": 0.2}
    far = {"position_rmse_m": 9.5, "position_rmse_m_se": 0.2}
    assert tracking.compare("RBPF", 200, dict(near))["agrees"] == "yes"
    assert tracking.compare("RBPF", 200, dict(far))["agrees"] == "no"
    assert tracking.compare("RBPF", 201, dict(far)) == {}


def study_rows() -> list[Row]:
    study = TrackingStudy(
        runs=4, steps=8, particle_counts=(("RBPF", 50), ("PF", 100), ("EKF", 0)),
        smoothing_particles=20, lag=2, paths=5,
    )  # fmt: skip
    return [*tracking.run_filters(study, 3), *tracking.run_smoothers(study, 3)]


def test_study_gives_one_row_per_filter_and_smoother() -> None:
    rows = study_rows()
    assert [(row["name"], row["particles"]) for row in rows[:3]] == [
        ("RBPF", 50),
        ("PF", 100),
        ("EKF", None),
    ]
    assert [tracking_report.is_smoother(row) for row in rows] == [False] * 3 + [True] * 5


def test_report_has_both_tables_and_a_picture(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rows = study_rows()
    text = tracking_report.markdown(rows)
    assert text.count("| RBPF |") == 1
    assert "RB-FFBSi, 5 paths" in text
    tracking_report.picture(rows, tmp_path / "out" / "tracking.png")
    assert (tmp_path / "out" / "tracking.png").stat().st_size > 5000
