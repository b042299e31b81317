"""What the filter leaves behind at every update, for those who go back over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core import weights
from mdps_ros.core.tree import gather_particles
from mdps_ros.core.types import Belief
from mdps_ros.models.motion import Control
from mdps_ros.models.vehicle_backward import PoseScore


@dataclass(frozen=True)
class WeighedScores:
    """Measurements of one time as one: (share of an independent look, its log-likelihood) each."""

    parts: tuple[tuple[float, PoseScore], ...]

    def __call__(self, poses: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N"] | None:
        """Sum over those that can score these poses on the map; None where none can."""
        total: Tensor | None = None
        for share, score in self.parts:
            found = score(poses)
            if found is not None:
                total = share * found if total is None else total + share * found
        return total


class FilterFrame(NamedTuple):
    """One update of the filter; one batch row.

    Attributes:
        stamp_ns: time of the update.
        predicted: belief over `VehicleState` after the motion, before anything was measured.
        filtered: belief given what was measured.
        control: of the motion that led here.
        dt_s: its duration.
        score: what was measured, weighed as the filter weighed it: log-likelihood of poses on the
            map, or None for those poses.
        searching: whether no place was claimed, and none of this belief had been until then.
        confirmed: whether nothing was against a claim; else the session told less of the belief.
        anew: whether it is the first one of another belief, after a search in vain.
    """

    stamp_ns: int
    predicted: Belief
    filtered: Belief
    control: Control
    dt_s: float
    score: PoseScore
    searching: bool = False
    confirmed: bool = True
    anew: bool = False

    def thinned(self, count: int) -> FilterFrame:
        """A copy with at most `count` particles in each belief."""
        return self._replace(
            predicted=thinned(self.predicted, count), filtered=thinned(self.filtered, count)
        )


def thinned(belief: Belief, count: int) -> Belief:
    """At most `count` particles that stand for a belief of one batch row; itself if it has so few.

    As `drawn`, but who was drawn several times comes once, with the weight of all its draws:
    copies would count as so many places, and a belief of one place be told as certain.
    """
    if belief.particle_count <= count:
        return belief
    index, draws = torch.unique_consecutive(_comb(belief, count), return_counts=True)
    state: Any = gather_particles(belief.state, index.unsqueeze(0))
    return Belief(state, (draws.to(belief.log_weights) / count).log().unsqueeze(0))


def drawn(belief: Belief, count: int) -> Belief:
    """`count` particles of equal weight that stand for a belief of one batch row, or all if fewer.

    Systematic resampling (Kitagawa 1996) with the fixed offset one half, so that equal beliefs
    give equal particles.
    """
    if belief.particle_count <= count:
        return belief
    state: Any = gather_particles(belief.state, _comb(belief, count).unsqueeze(0))
    return Belief(state, weights.uniform(1, count, belief.log_weights))


def _comb(belief: Belief, count: int) -> Int[Tensor, " count"]:
    """Who is drawn, in the order of the particles."""
    cumulative = belief.log_weights[0].double().exp().cumsum(0)
    comb = (torch.arange(count, device=cumulative.device) + 0.5) / count * cumulative[-1]
    return torch.searchsorted(cumulative, comb, right=True).clamp_max(len(cumulative) - 1)
