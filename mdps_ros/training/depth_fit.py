"""Fitting the depth table: a conditional logit of the true pose among displaced ones.

The score of a pose is linear in the class counts of its points. Maximising the probability of
the true pose among the candidates of a look (McFadden 1974) is convex, is a proper scoring rule,
and sets in one go the log-ratios of the classes and how much a point counts among neighbours
that depend on it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.models.depth_cells import (
    BUILDING_BINS,
    BUILDING_ONLY,
    CLASSES,
    ROAD_BINS,
    ROAD_ONLY,
    UNKNOWN,
)

# Prior precision per look of a value, and of the difference between neighbouring bins: the best
# of (0.001, 0.01), (0.003, 0.03), (0.01, 0.1), (0.01, 0.5) by log-loss on left-out drives (with a
# map error of 1 m); the loss differs by less than 0.005 nats between the first three.
RIDGE = 3e-3
SMOOTH = 3e-2
ITERATIONS = 200
SPANS = {
    "both": slice(0, ROAD_ONLY),
    "roads": slice(ROAD_ONLY, BUILDING_ONLY),
    "buildings": slice(BUILDING_ONLY, UNKNOWN),
}
SHAPES = {
    "both": (BUILDING_BINS, ROAD_BINS),
    "roads": (1, ROAD_BINS),
    "buildings": (BUILDING_BINS, 1),
}


class Fit(NamedTuple):
    """Values per kind and class, and how well they do.

    Attributes:
        values: (2, CLASSES) for obstacle and free points.
        log_loss: mean over looks of -log p(true pose among its candidates), nats, per view.
    """

    values: NDArray[np.float64]
    log_loss: dict[str, float]


def views(counts: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """The counts as maps with buildings and roads, roads alone, buildings alone show them.

    Args:
        counts: (..., CLASSES), drawn from a map that knows both.

    Returns:
        name -> (..., b, r) with b and r the bins that the view knows.
    """
    joint = counts[..., :ROAD_ONLY].reshape(*counts.shape[:-1], BUILDING_BINS, ROAD_BINS)
    return {
        "both": joint,
        "roads": joint.sum(-2, keepdims=True),
        "buildings": joint.sum(-1, keepdims=True),
    }


def fit_table(counts: NDArray[np.float32], ridge: float = RIDGE, smooth: float = SMOOTH) -> Fit:
    """Fit all views.

    Args:
        counts: (F, K, 2, CLASSES); candidate 0 is the true pose.
        ridge: pull to zero.
        smooth: pull of neighbouring bins to each other.
    """
    values = np.zeros((2, CLASSES))
    loss = {}
    for name, view in views(counts).items():
        fitted, loss[name] = _fit_view(torch.from_numpy(view), ridge, smooth)
        values[:, SPANS[name]] = fitted.reshape(2, -1).numpy()
    return Fit(values, loss)


def table_views(values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The parts of a table (2, CLASSES) for each view, (2, b, r) as `views` shapes counts."""
    return {name: values[:, span].reshape(2, *SHAPES[name]) for name, span in SPANS.items()}


def log_loss(score: NDArray[np.float64]) -> float:
    """Mean -log p(candidate 0) of scores (F, K), nats."""
    top = score.max(axis=1, keepdims=True)
    normaliser = top[:, 0] + np.log(np.exp(score - top).sum(axis=1))
    return float(np.mean(normaliser - score[:, 0]))


def _fit_view(counts: Tensor, ridge: float, smooth: float) -> tuple[Tensor, float]:
    """(2, b, r) values and the training log-loss of counts (F, K, 2, b, r)."""
    looks, candidates = counts.shape[:2]
    design = counts.flatten(2).double()
    # A look counts by what differs between its candidates.
    design = design - design[:, :1]
    values = torch.zeros(counts.shape[2:], dtype=torch.float64, requires_grad=True)

    def loss() -> Tensor:
        score = design.reshape(looks * candidates, -1) @ values.flatten()
        return torch.logsumexp(score.view(looks, candidates), 1).mean()

    def penalty() -> Tensor:
        steps = [values.diff(dim=axis).square().sum() for axis in (1, 2)]
        return ridge * values.square().sum() + smooth * (steps[0] + steps[1])

    optimiser = torch.optim.LBFGS(
        [values],
        max_iter=ITERATIONS,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        objective = loss() + penalty()
        objective.backward()  # type: ignore[no-untyped-call]
        return objective

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return values.detach(), float(loss())
