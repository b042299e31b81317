"""The simulated targets have the moments of their scenario."""

from __future__ import annotations

import numpy as np

from mdps_ros.sim.tracking import TrackingScenario, simulate_tracking

SCENARIO = TrackingScenario(period_s=0.5)


def test_transition_is_motion_with_constant_acceleration() -> None:
    state = np.array([1.0, 2.0, 3.0, -4.0, 5.0, 6.0])
    moved = SCENARIO.transition() @ state
    expected = [1 + 1.5 + 0.625, 2 - 2.0 + 0.75, 3 + 2.5, -4 + 3.0, 5.0, 6.0]
    np.testing.assert_allclose(moved, expected)


def test_start_steps_and_errors_have_the_variances_of_the_scenario() -> None:
    """4000 runs, within 5 standard errors of a variance."""
    runs = simulate_tracking(SCENARIO, 4000, 2, np.random.default_rng(1))
    steps = runs.states[:, 1] - runs.states[:, 0] @ SCENARIO.transition().T
    x, y = runs.states[:, 1, 0], runs.states[:, 1, 1]
    exact = np.stack([np.hypot(x, y), np.arctan2(y, x)], -1)
    for sample, variances in (
        (runs.states[:, 0] - SCENARIO.start, SCENARIO.start_variances),
        (steps, SCENARIO.process_variances),
        (runs.measurements[:, 1] - exact, (SCENARIO.range_variance, SCENARIO.bearing_variance)),
    ):
        ratio = np.square(sample).mean(0) / variances
        assert (np.abs(ratio - 1.0) < 5 * np.sqrt(2.0 / 4000)).all(), ratio


def test_equal_seeds_give_equal_targets() -> None:
    one, same, other = (
        simulate_tracking(SCENARIO, 3, 4, np.random.default_rng(seed)).measurements
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()
