"""A target that a radar at the origin sees by range and bearing.

The study of Hendeby, Karlsson and Gustafsson (EURASIP JASP 2010:724087, section 5): position,
velocity and acceleration in the plane. That paper's noise values are not recovered; those here
are remembered from its companion (Karlsson, Schon and Gustafsson, IEEE TSP 53(11), 2005).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingScenario:
    """Linear motion, nonlinear measurement; states are x, y, vx, vy, ax, ay in m and s.

    Attributes:
        period_s: time between measurements.
        start: mean of the first state.
        start_variances: of the first state.
        process_variances: added to the state in every step.
        range_variance: m^2.
        bearing_variance: rad^2.
    """

    period_s: float = 1.0
    start: tuple[float, ...] = (2000.0, 2000.0, 20.0, 20.0, 0.0, 0.0)
    start_variances: tuple[float, ...] = (4.0, 4.0, 16.0, 16.0, 0.04, 0.04)
    process_variances: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 0.01, 0.01)
    range_variance: float = 100.0
    bearing_variance: float = 1e-6

    def transition(self) -> NDArray[np.float64]:
        """(6, 6) matrix of motion with constant acceleration over one period."""
        matrix = np.eye(6)
        matrix[:4, 2:] += self.period_s * np.eye(4)
        matrix[:2, 4:] += 0.5 * self.period_s**2 * np.eye(2)
        return matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingRuns:
    """R independent targets over T times.

    Attributes:
        states: (R, T, 6) m, m/s, m/s^2.
        measurements: (R, T, 2) range m, bearing rad in [-pi, pi] plus noise.
    """

    states: NDArray[np.float64]
    measurements: NDArray[np.float64]


def simulate_tracking(
    scenario: TrackingScenario, runs: int, steps: int, generator: np.random.Generator
) -> TrackingRuns:
    """Draw targets and what the radar measures of them."""
    transition = scenario.transition()
    spread = np.sqrt(scenario.process_variances)
    errors = np.sqrt([scenario.range_variance, scenario.bearing_variance])
    state = np.array(scenario.start) + generator.normal(size=(runs, 6)) * np.sqrt(
        scenario.start_variances
    )
    states, measurements = [], []
    for _ in range(steps):
        x, y = state[:, 0], state[:, 1]
        exact = np.stack([np.hypot(x, y), np.arctan2(y, x)], -1)
        states.append(state)
        measurements.append(exact + generator.normal(size=(runs, 2)) * errors)
        state = state @ transition.T + generator.normal(size=(runs, 6)) * spread
    return TrackingRuns(states=np.stack(states, 1), measurements=np.stack(measurements, 1))
