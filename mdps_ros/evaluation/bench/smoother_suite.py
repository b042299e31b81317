"""Suite `smoother`: two filters combined at one time, and paths drawn backwards."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mdps_ros.core import smoothing
from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.smoothing import GenerativeScorer, Proposal
from mdps_ros.core.types import Belief, MixtureBelief
from mdps_ros.core.weights import normalise
from mdps_ros.evaluation.bench.baselines import dense_log_prob
from mdps_ros.evaluation.bench.timing import Case, Contender, Setup

SPREAD = (5.0, 5.0, 0.1)  # m, m, rad of each filter's cloud
BANDWIDTH = (1.0, 1.0, 0.01)  # m, m, rad^2


def cases(setup: Setup) -> Iterator[Case]:
    """All cases of the suite."""
    for count in (30,) if setup.small else (250, 1000, 4000):
        yield combine(setup, count)


def combine(setup: Setup, count: int) -> Case:
    """Both predictive mixtures at the particles of both, and the weights (MDPS, Eqs. 16-21)."""
    generator = torch.Generator(setup.device).manual_seed(0)
    kernel = pose_kernel(torch.tensor(BANDWIDTH, device=setup.device))

    def mixture() -> MixtureBelief:
        spread = torch.tensor(SPREAD, device=setup.device)
        poses = spread * torch.randn(1, count, 3, generator=generator, device=setup.device)
        weights = torch.randn(1, count, generator=generator, device=setup.device)
        return MixtureBelief(poses, weights.log_softmax(-1), kernel)

    forward, backward = mixture(), mixture()
    scorer = GenerativeScorer(None)

    def ours() -> Belief:
        return smoothing.combine_two_filter(
            forward, backward, scorer, count, generator, Proposal.UNION_DETACHED
        )

    def wide(part: MixtureBelief) -> MixtureBelief:
        exact = pose_kernel(kernel.bandwidth.double())
        return MixtureBelief(part.poses.double(), part.log_weights.double(), exact)

    exact = _published(wide(forward), wide(backward))
    error = float((ours().log_weights.exp() - exact.exp()).abs().max() / exact.exp().max())
    contenders = (
        Contender("ours", ours, error=error),
        Contender("dense", lambda: _published(forward, backward), "all pairs at once, no clamp"),
    )
    name = f"two-filter combination, {count} particles each"
    return Case(name, 4 * count * count, "pair", contenders, 3 if count > 2000 else None)


def _published(forward: MixtureBelief, backward: MixtureBelief) -> Tensor:
    """Log-weights of the union of both filters' particles, by dense densities."""
    points = torch.cat((forward.poses, backward.poses), 1)
    base = torch.cat((forward.log_weights, backward.log_weights), 1)
    log_forward, log_backward = dense_log_prob(forward, points), dense_log_prob(backward, points)
    log_q = torch.logaddexp(log_forward, log_backward)
    return normalise(log_forward + log_backward - log_q + base)[0]
