"""Every rule of the metrics, on runs small enough to score by hand."""

import numpy as np
import pytest

from mdps_ros.evaluation import metrics


def run(length_m=300, step_m=1.0):
    """A straight run that is right and sure from the first frame on."""
    travelled = np.arange(0.0, length_m + step_m, step_m)
    error = np.full(len(travelled), 1.0)
    mass = np.full(len(travelled), 0.95)
    return travelled, error, mass


def test_error_splits_along_the_true_heading():
    """Specification 32."""
    truth = np.array([[10.0, 20.0, np.pi / 2]])
    estimate = np.array([[9.0, 23.0, np.pi / 2 - 0.1]])
    error = metrics.errors(estimate, truth)
    assert error.position_m[0] == pytest.approx(np.sqrt(10.0))
    assert error.longitudinal_m[0] == pytest.approx(3.0)
    assert error.lateral_m[0] == pytest.approx(1.0)
    assert error.heading_rad[0] == pytest.approx(-0.1)


def test_heading_error_wraps_across_pi():
    truth = np.array([[0.0, 0.0, np.pi - 0.05]])
    estimate = np.array([[0.0, 0.0, -np.pi + 0.05]])
    assert metrics.errors(estimate, truth).heading_rad[0] == pytest.approx(0.1)


def test_errors_leave_their_arguments_alone():
    truth, estimate = np.zeros((2, 3)), np.full((2, 3), 7.0)
    metrics.nees(estimate, truth, np.tile(np.eye(3), (2, 1, 1)))
    metrics.errors(estimate, truth)
    assert (truth == 0.0).all()
    assert (estimate == 7.0).all()


def test_run_that_is_right_from_the_start_converges_at_once():
    assert metrics.converged_after_m(*run()) == 0.0


def test_run_converges_where_the_mass_arrives():
    travelled, error, mass = run()
    mass[travelled < 80] = 0.5
    assert metrics.converged_after_m(travelled, error, mass) == 80.0


def test_confident_but_wrong_is_not_converged():
    travelled, error, mass = run()
    error[travelled < 150] = 40.0
    assert metrics.converged_after_m(travelled, error, mass) == 150.0


def test_mass_and_radius_limits_count_as_reached():
    travelled, error, mass = run()
    error[:], mass[:] = 5.0, 0.9
    assert metrics.converged_after_m(travelled, error, mass) == 0.0
    assert metrics.converged_after_m(travelled, error + 1e-6, mass) is None
    assert metrics.converged_after_m(travelled, error, mass - 1e-6) is None


def test_lapse_within_the_hold_starts_the_count_again():
    travelled, error, mass = run()
    mass[travelled == 60.0] = 0.3
    assert metrics.converged_after_m(travelled, error, mass) == 61.0


def test_lapse_at_the_end_of_the_hold_counts_and_after_it_does_not():
    travelled, error, mass = run()
    error[travelled == 100.0] = 9.0
    assert metrics.converged_after_m(travelled, error, mass) == 101.0
    error[:] = 1.0
    error[travelled == 101.0] = 9.0
    assert metrics.converged_after_m(travelled, error, mass) == 0.0


def test_too_little_road_left_is_not_convergence():
    travelled, error, mass = run(length_m=300)
    mass[travelled < 200] = 0.5
    assert metrics.converged_after_m(travelled, error, mass) == 200.0
    mass[travelled < 201] = 0.5
    assert metrics.converged_after_m(travelled, error, mass) is None


def test_missing_truth_is_never_a_right_claim():
    travelled, error, mass = run()
    error[:] = np.nan
    assert metrics.converged_after_m(travelled, error, mass) is None


def test_sparse_frames_hold_over_metres_not_over_frames():
    travelled = np.array([0.0, 60.0, 99.0, 100.0, 140.0])
    mass = np.array([0.95, 0.95, 0.95, 0.95, 0.1])
    error = np.zeros(5)
    assert metrics.converged_after_m(travelled, error, mass) == 0.0
    assert metrics.converged_after_m(travelled[:3], error[:3], mass[:3]) is None


@pytest.mark.parametrize("seed", range(20))
def test_convergence_agrees_with_its_definition_word_for_word(seed):
    rng = np.random.default_rng(seed)
    travelled = np.cumsum(rng.uniform(0.0, 20.0, 60))
    right = np.repeat(rng.random(12) < 0.7, 5)
    error, mass = np.where(right, 2.0, 9.0), np.full(60, 0.95)

    def holds(i):
        window = (travelled >= travelled[i]) & (travelled <= travelled[i] + 100.0)
        window[:i] = False
        return right[window].all() and travelled[-1] >= travelled[i] + 100.0

    expected = next((travelled[i] for i in range(60) if holds(i)), None)
    assert metrics.converged_after_m(travelled, error, mass) == expected


def test_wrong_claims_are_counted_over_claiming_frames_only():
    error = np.array([50.0, 50.0, 1.0, 6.0, 5.0])
    mass = np.array([0.5, 0.95, 0.95, 0.9, 0.9])
    assert metrics.wrong_claim_share(error, mass) == pytest.approx(0.5)
    assert metrics.claim_share(mass) == pytest.approx(0.8)


def test_longest_wrong_claim_is_the_longest_unbroken_streak():
    travelled = np.arange(10) * 3.0
    error = np.array([9.0, 9, 1, 9, 9, 9, 9, 1, 9, 9])
    mass = np.array([0.95, 0.95, 0.95, 0.95, 0.95, 0.95, 0.5, 0.95, 0.95, 0.95])
    assert metrics.longest_wrong_claim_m(travelled, error, mass) == 6.0
    assert metrics.longest_wrong_claim_m(travelled, np.zeros(10), mass) == 0.0
    assert metrics.longest_wrong_claim_m(travelled, np.full(10, 9.0), np.ones(10)) == 27.0


def test_run_that_claims_nothing_has_no_wrong_claims():
    mass = np.full(3, 0.5)
    assert metrics.wrong_claim_share(np.full(3, 99.0), mass) == 0.0
    assert metrics.claim_share(mass) == 0.0


def test_recall_of_several_hypotheses_takes_the_nearest_of_each_frame():
    """Specification 32: the second frame is saved by its third hypothesis, the last one lost."""
    errors = np.array([[1.0, 9.0, 9.0], [9.0, 8.0, 4.9], [np.nan] * 3, [5.1, 6.0, np.nan]])
    assert metrics.recall_at(errors, 5.0) == 0.5
    assert metrics.recall_at(errors[:, 0], 5.0) == 0.25


def test_lateral_error_of_a_vehicle_heading_north_is_east():
    """Specification 32: to the right, which is negative."""
    error = metrics.errors(np.array([[3.0, 0.5, np.pi / 2]]), np.array([[0.0, 0.0, np.pi / 2]]))
    assert error.lateral_m[0] == pytest.approx(-3.0)
    assert error.longitudinal_m[0] == pytest.approx(0.5)


def test_recall_counts_frames_within_the_radius():
    """Specification 32."""
    assert metrics.recall_at(np.array([1.0, 5.0, 5.1, 9.0]), 5.0) == 0.5


def test_nees_of_an_honest_gaussian_averages_its_dimension():
    rng = np.random.default_rng(3)
    frames = 4000
    factor = np.array([[2.0, 0, 0], [1.0, 0.5, 0], [0.1, 0.02, 0.05]])
    truth = rng.uniform(-3, 3, (frames, 3))
    estimate = truth + rng.standard_normal((frames, 3)) @ factor.T
    covariance = np.tile(factor @ factor.T, (frames, 1, 1))
    value = metrics.nees(estimate, truth, covariance)
    five_standard_errors = 5 * np.sqrt(2 * 3 / frames)
    assert abs(value.mean() - 3.0) < five_standard_errors
    share_error = 5 * np.sqrt(0.95 * 0.05 / frames)
    assert abs(np.mean(value <= metrics.NEES_95) - 0.95) < share_error
    overconfident = metrics.nees(estimate, truth, covariance / 4)
    assert abs(overconfident.mean() - 3.0) > five_standard_errors


def test_nees_without_a_proper_covariance_is_nan():
    covariance = np.stack([np.eye(3), np.diag([1.0, 1.0, 0.0])])
    value = metrics.nees(np.ones((2, 3)), np.zeros((2, 3)), covariance)
    assert value[0] == pytest.approx(3.0)
    assert np.isnan(value[1])


def test_score_takes_its_statistics_after_convergence():
    travelled, _, mass = run()
    truth = np.stack([travelled, 0 * travelled, 0 * travelled], axis=1)
    estimate = truth.copy()
    estimate[travelled < 100, 1] = 80.0
    estimate[travelled >= 100, 1] = 1.0
    estimate[travelled >= 250, 1] = -3.0
    covariance = np.tile(np.diag([1.0, 1.0, 0.01]), (len(travelled), 1, 1))
    score = metrics.score(travelled, estimate, truth, mass, covariance)
    assert score.converged_after_m == 100.0
    assert score.median_error_m == 1.0
    assert score.mean_error_m == pytest.approx((150 * 1.0 + 51 * 3.0) / 201)
    assert score.p95_error_m == 3.0
    assert score.median_lateral_m == 1.0
    assert score.median_longitudinal_m == 0.0
    assert score.recall_at_2m == pytest.approx(150 / 201)
    assert score.recall_at_5m == 1.0
    assert score.recall_at_1m == pytest.approx(150 / 201)
    assert score.heading_recall_at_1deg == 1.0
    assert score.consistent_share == pytest.approx(150 / 201)
    assert score.wrong_claim_share == pytest.approx(100 / 301)
    assert score.frames == 301


def test_score_of_a_run_that_never_converged_has_no_error_figures():
    travelled, _, mass = run()
    truth = np.zeros((len(travelled), 3))
    covariance = np.tile(np.eye(3), (len(travelled), 1, 1))
    score = metrics.score(travelled, truth + 30.0, truth, mass * 0.5, covariance)
    assert score.converged_after_m is None
    assert all(getattr(score, name) is None for name in metrics.AFTER_CONVERGENCE)
    assert score.wrong_claim_share == 0.0


def test_score_leaves_out_frames_without_truth():
    travelled, _, mass = run()
    truth = np.zeros((len(travelled), 3))
    estimate = truth.copy()
    estimate[:50] = 500.0
    truth[:50] = np.nan
    covariance = np.tile(np.eye(3), (len(travelled), 1, 1))
    score = metrics.score(travelled, estimate, truth, mass, covariance)
    assert score.frames == 251
    assert score.converged_after_m == 50.0
    with pytest.raises(ValueError, match="time span of the truth"):
        metrics.score(travelled, estimate, truth * np.nan, mass, covariance)
