"""Tempering against clouds whose effective size is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from mdps_ros.core import weights
from mdps_ros.core.tempering import PARTS, bearable_share, weigh_in_parts
from mdps_ros.core.types import Belief


def gaussian_cloud(count: int = 20_001) -> tuple[torch.Tensor, torch.Tensor]:
    """Equal weights on a grid over (-50, 50), and log-likelihood -x^2 / 2."""
    x = torch.linspace(-50.0, 50.0, count, dtype=torch.float64)[None]
    return weights.uniform(1, count, x), -0.5 * x**2


def test_the_share_leaves_just_the_effective_size_asked_for() -> None:
    """Weights exp(-s x^2 / 2) at density rho have the effective size 2 rho sqrt(pi / s)."""
    log_weights, score = gaussian_cloud()
    density = 200.0
    for size in (1000.0, 2000.0):
        share = float(bearable_share(log_weights, score, 1.0, size)[0])
        assert share == pytest.approx(4 * math.pi * (density / size) ** 2, rel=1e-3)


def test_a_cloud_that_bears_all_gets_all() -> None:
    log_weights, score = gaussian_cloud()
    assert float(bearable_share(log_weights, score, 0.4, 100.0)[0]) == 0.4


@pytest.mark.parametrize("most", [0.1, 0.3, 1 / 3, 0.7])
def test_all_of_a_measurement_leaves_no_remainder_even_in_single_precision(most: float) -> None:
    """A remainder of a rounding would be taken for a second part, with a fresh draw before it."""
    log_weights, score = (part.float() for part in gaussian_cloud())
    share = float(bearable_share(log_weights, score, most, 10.0)[0])
    assert most - share == 0.0
    assert float(torch.tensor(most)) != most  # float32 would have left one


def test_a_cloud_too_small_still_makes_progress() -> None:
    log_weights, score = gaussian_cloud()
    assert float(bearable_share(log_weights, score, 0.4, 1e6)[0]) == pytest.approx(0.04)


def test_rows_are_told_apart_and_zero_likelihoods_are_legal() -> None:
    log_weights, score = gaussian_cloud()
    cut = score.clone()
    cut[:, ::2] = -math.inf
    rows = bearable_share(log_weights.expand(2, -1), torch.cat([score, cut]), 1.0, 1000.0)
    half = 4 * math.pi * (100.0 / 1000.0) ** 2
    assert rows.tolist() == pytest.approx([0.5026548, half], rel=1e-2)


def in_parts(share: float, size: float) -> tuple[Belief | None, list[float]]:
    """Of the Gaussian cloud, whose draws are the cloud again; and the parts that were taken."""
    log_weights, score = gaussian_cloud()
    taken: list[float] = []

    def weigh(belief: Belief, part: torch.Tensor) -> Belief:
        taken.append(float(part[0, 0] / score[0, 0]))
        return Belief(belief.state, weights.normalise(belief.log_weights + part)[0])

    def redraw(belief: Belief) -> Belief:
        return Belief(belief.state, log_weights)

    found = weigh_in_parts(Belief(score, log_weights), lambda _: score, weigh, redraw, share, size)
    return found, taken


def test_parts_add_up_to_the_share_where_it_is_borne_in_time() -> None:
    borne = 4 * math.pi * 0.2**2  # see above, of 1000 particles
    found, taken = in_parts(1.2 * borne, 1000.0)
    assert found is not None
    assert taken == pytest.approx([borne, 0.2 * borne], rel=1e-3)


def test_what_is_left_after_the_last_part_is_dropped() -> None:
    _, taken = in_parts(1000.0, 15_000.0)
    assert len(taken) == PARTS
    assert sum(taken) < 1000.0


def test_what_cannot_be_scored_is_not_weighed() -> None:
    log_weights, score = gaussian_cloud()
    belief = Belief(score, log_weights)
    assert weigh_in_parts(belief, lambda _: None, in_parts, in_parts, 1.0, 10.0) is None
