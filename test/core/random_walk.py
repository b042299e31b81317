"""The random walk of the specification in its steady state, and a window over it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mdps_ros.core.fixed_lag import FixedLag, Frame
from mdps_ros.core.resampling import MixtureResampler
from mdps_ros.core.smoothing import GenerativeScorer, Scorer

from .gaussians import line_kernel
from .oracles import F64, ScalarModel, ScalarSystem
from .scalar_smoothing import ReversedModel, forward_filter, repeated_sequence, rts

ROWS, COUNT, STEPS, BANDWIDTH = 60, 500, 8, 0.05
LAGS = (0, 1, 2, 5)
Q, R = 0.3, 1.0
PREDICTED = 0.5 * (Q + math.sqrt(Q * Q + 4 * Q * R))
FILTERED = PREDICTED * R / (PREDICTED + R)
LEFT_OVER = R / (PREDICTED + R)  # C = F (1 - K)
SMOOTHED = FILTERED * PREDICTED / (FILTERED + PREDICTED)
WALK = ScalarSystem(torch.tensor(1.0, dtype=F64), Q, R, 0.7, FILTERED)
"""Its prior moves once before the first measurement, which makes it the steady prediction."""


def scorer(measurement: Tensor | None) -> Scorer:
    if measurement is None:
        return GenerativeScorer(None)
    return GenerativeScorer(lambda points: ScalarModel(WALK).update(points, measurement)[1])


def setup(lag: int = 1, stride: int = 1, **changes: Any) -> FixedLag:
    kernel = line_kernel(BANDWIDTH)
    arguments: dict[str, Any] = {
        "model": ReversedModel(WALK),
        "resampler": MixtureResampler(kernel),
        "kernel": kernel,
        "backward_kernel": kernel,
        "scorer": scorer,
        "window_count": COUNT,
        "count": COUNT,
    }
    return FixedLag(lag, stride, **(arguments | changes))


class Case:
    """Forward frames of one data set in all rows, and the exact smoother over it."""

    def __init__(self, rows: int, count: int) -> None:
        self.inputs, self.measurements, self.controls = repeated_sequence(WALK, STEPS, rows, 201)
        records = forward_filter(WALK, self.inputs, count, BANDWIDTH, 202)
        self.frames = [Frame(r, i) for r, i in zip(records, self.inputs, strict=True)]
        self.means, self.variances = rts(WALK, self.measurements, self.controls)


def closed_form(lag: int) -> float:
    """Variance of x_t-L given y_1..t in the steady state."""
    return SMOOTHED + (FILTERED - SMOOTHED) * LEFT_OVER ** (2 * lag)
