"""Learned weights: how well a bearing fits a pose, for filters and for the smoother.

Source: Younis and Sudderth, NeurIPS 2024, Figs. 17 and 18 and appendix D.1. Positions are divided
by 10 m before the first layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mdps_ros.models.learned.ensemble import EnsembleMLP, by_member

POSITION_UNIT_M = 10.0
LOWEST_WEIGHT = 1e-5


def bounded_log_weight(
    score: Float[Tensor, "*axes"], lowest: float = LOWEST_WEIGHT
) -> Float[Tensor, "*axes"]:
    """log(lowest + (1 - lowest) sigmoid(score)): no observation can rule a particle out."""
    floor = torch.full_like(score, math.log(lowest))
    return torch.logaddexp(floor, nn.functional.logsigmoid(score) + math.log1p(-lowest))


def pose_columns(poses: Float[Tensor, "B N 3"], members: int) -> Float[Tensor, "members 4 R"]:
    """What networks see of a pose: (x, y) in units of 10 m, sin and cos of the yaw."""
    x, y, yaw = (by_member(part, members) for part in poses.unbind(-1))
    return torch.stack((x / POSITION_UNIT_M, y / POSITION_UNIT_M, yaw.sin(), yaw.cos()), dim=1)


def _spread(
    features: Float[Tensor, "B width"], count: int, members: int
) -> Float[Tensor, "members width R"]:
    """The features of each row for `count` particles of the row, in columns."""
    columns = features.reshape(members, -1, features.shape[-1]).mT
    return columns.unsqueeze(-1).expand(-1, -1, -1, count).flatten(2)


class BearingEncoder(nn.Module):
    """Features of a bearing: three layers on (sin, cos)."""

    def __init__(self, generators: Sequence[torch.Generator], *, width: int = 8) -> None:
        """Builds one network per generator."""
        super().__init__()
        self.members = len(generators)
        self.layers = EnsembleMLP((2, width, width, width), generators, activate_last=True)

    def forward(self, bearings: Float[Tensor, "B T"]) -> Float[Tensor, "B T width"]:
        """Features of bearings in rad, of all times at once."""
        angle = by_member(bearings, self.members)
        columns = self.layers(torch.stack((angle.sin(), angle.cos()), dim=1))
        features: Tensor = columns.mT.reshape(*bearings.shape, -1)
        return features


class WeightNetwork(nn.Module):
    """log l(x; y) in [log 1e-5, 0] from a pose and the features of what was seen."""

    def __init__(self, generators: Sequence[torch.Generator], *, width: int = 8) -> None:
        """Builds one network per generator."""
        super().__init__()
        self.members = len(generators)
        self.particle = EnsembleMLP((4, width, width, width), generators, activate_last=True)
        self.head = EnsembleMLP((2 * width, width, width, 1), generators)

    def forward(
        self, poses: Float[Tensor, "B N 3"], features: Float[Tensor, "B width"]
    ) -> Float[Tensor, "B N"]:
        """Scores every particle of a row against the row's observation."""
        seen = _spread(features, poses.shape[1], self.members)
        joint = torch.cat((self.particle(pose_columns(poses, self.members)), seen), dim=1)
        return bounded_log_weight(self.head(joint).reshape(poses.shape[:2]))


class SmootherNetwork(nn.Module):
    """log l(x; y, m_f, m_b) of the smoother, with the exact combination built in.

    log l = NN + log l_filter(x; y) + log(m_f + e_f q) + log(m_b + e_b q), q = (m_f + m_b) / 2.
    NN is bounded and sees pose, observation and the two density ratios, clamped; constant NN and
    e = 0 are Bayes' rule (Eq. 16 of the paper). The e are the learned share of times at which
    a filter is lost; they keep two filters that exclude each other from silencing everything.
    """

    def __init__(
        self,
        generators: Sequence[torch.Generator],
        *,
        width: int = 8,
        lost_share: float = 0.02,
    ) -> None:
        """Builds one network per generator."""
        super().__init__()
        self.members = len(generators)
        layers = (4, width, width, width, width)
        self.particle = EnsembleMLP(layers, generators, activate_last=True)
        self.head = EnsembleMLP((2 * width + 2, width, width, width, 1), generators)
        self.log_lost = nn.Parameter(torch.full((len(generators), 2), math.log(lost_share)))

    def forward(
        self,
        points: Float[Tensor, "B M 3"],
        features: Float[Tensor, "B width"],
        log_likelihood: Float[Tensor, "B M"],
        log_forward: Float[Tensor, "B M"],
        log_backward: Float[Tensor, "B M"],
    ) -> Float[Tensor, "B M"]:
        """Scores every point.

        Args:
            points: Where.
            features: Of the observation.
            log_likelihood: The forward filter's log l(x; y).
            log_forward: Log-density of the forward predictive mixture.
            log_backward: Likewise backward.
        """
        log_q = torch.logaddexp(log_forward, log_backward) - math.log(2.0)
        lost = self.log_lost.repeat_interleave(points.shape[0] // self.log_lost.shape[0], dim=0)
        total = log_likelihood
        ratios = []
        for side, log_density in enumerate((log_forward, log_backward)):
            robust = torch.logaddexp(log_density, log_q + lost[:, side, None])
            total = total + robust
            ratio = (robust - log_q).clamp(-30.0, 2.0)
            ratios.append(by_member(ratio, self.members).unsqueeze(1))
        seen = _spread(features, points.shape[1], self.members)
        joint = (self.particle(pose_columns(points, self.members)), seen, *ratios)
        score = self.head(torch.cat(joint, dim=1)).reshape(points.shape[:2])
        return total + bounded_log_weight(score)


@dataclass(frozen=True)
class LearnedScorer:
    """A `core.smoothing.Scorer`: the network with the observations of the rows in place.

    Attributes:
        network: The smoother's.
        weights: The forward filter's.
        features: Of the observation of each row, (B, width).
    """

    network: SmootherNetwork
    weights: WeightNetwork
    features: Float[Tensor, "B width"]

    def __call__(
        self,
        points: Float[Tensor, "B M 3"],
        log_forward: Float[Tensor, "B M"],
        log_backward: Float[Tensor, "B M"],
    ) -> Float[Tensor, "B M"]:
        """Scores every point."""
        log_likelihood = self.weights(points, self.features)
        score: Tensor = self.network(
            points, self.features, log_likelihood, log_forward, log_backward
        )
        return score
