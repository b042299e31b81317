"""Whether images still fit the place that is claimed: a test whose false-alarm rate is known.

Every image is asked at poses of the belief, and at places as good as any for a vehicle that was
carried off: the same poses moved off and turned, and poses that the map has around. On a street the
moved ones alone are weak, as they stand in houses, where a street that only looks like the true one
is better than any. The evidence against the claim,

    d = log mean p(image | other place) - log mean p(image | pose of the belief),

times its share of an independent look, is added up and never falls below zero. The vehicle is lost
when the sum exceeds a threshold h (CUSUM; Page, Biometrika 41, 1954). While the claim is right and
the likelihood calibrated, E exp(d) is at most 1, so that on average at least exp(h) independent
looks lie between two false alarms (Lorden, Annals of Mathematical Statistics 42, 1971, theorem 2).
Only ratios of likelihoods count: what they are up to, and what kind of map they are of, does not
matter. An image that fits the other places as well says nothing, and never leads to an alarm.

The same evidence the other way round confirms a place that a search has found: the plain sum of -d,
of which each look counts its share and its part `between`.
For a wrong place E exp(-d) is at most 1, so that it ever gets to a threshold a with a chance of at
most exp(-a) (Wald, Annals of Mathematical Statistics 16, 1945; Ville's inequality).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.core.types import Belief
from mdps_ros.core.weights import masses
from mdps_ros.models.map_error import on_map
from mdps_ros.runtime.cameras import Look, PoseScore
from mdps_ros.runtime.smoothing.frames import drawn

POSES = 64  # of the belief that an image is asked at, of the moved ones, and of the map's
NEAREST, FARTHEST = 2.0, 40.0  # m, that they are moved off: across a room, or a street away
TURNED = 0.5  # of the moved poses: in any direction; the others keep their heading
Draw = Callable[[NDArray[np.float64], int], "Float[Tensor, '1 N 3'] | None"]
"""Around a place (2,) m so many poses that the map has there; None where it has none."""
PLASTIC = (0.7548776662466927, 0.5698402909980532, 0.43015970900194676)  # x^3 = x + 1, for evenness


class Doubt:
    """The evidence against the present claim, and for it; a belief begins without any."""

    def __init__(self) -> None:
        self._against = self._support = 0.0

    @property
    def against(self) -> float:
        """Evidence against the claim so far, nats, 0 or more."""
        return self._against

    @property
    def support(self) -> float:
        """Evidence for it so far, nats."""
        return self._support

    def forget(self) -> None:
        """Begin without evidence."""
        self._against = self._support = 0.0

    def lapse(self) -> None:
        """Nothing is claimed any more: what spoke for it does not speak for the next claim."""
        self._support = 0.0

    def look(
        self, look: Look, belief: Belief, share: float, around: Draw, alarms: bool = True
    ) -> None:
        """Take one image, or a place that was told.

        Args:
            look: the image or place.
            belief: over `VehicleState`, one batch row, when it was taken.
            share: how much of an independent look it is.
            around: draws poses from the map.
            alarms: false for one that may confirm a claim but never contradicts it.
        """
        weights = masses(belief.log_weights)[0]
        centre = weights @ belief.state.pose[0, :, :2].to(weights)
        places = around(centre.double().cpu().numpy(), POSES)
        found = evidence_against(look.log_likelihood, belief, POSES, look.on_earth, places)
        if found is None and places is not None:  # they may lie on more map than the model holds
            found = evidence_against(look.log_likelihood, belief, POSES, look.on_earth)
        if found is not None:  # else it was not used for the claim either
            if alarms:
                self._against = max(0.0, self._against + share * found)
            self._support -= look.between * share * found


def evidence_against(
    score: PoseScore,
    belief: Belief,
    count: int,
    on_earth: bool = False,
    places: Float[Tensor, "1 M 3"] | None = None,
) -> float | None:
    """How much more likely a measurement is at places around a belief than at the belief, nats.

    Args:
        score: log-likelihood of poses.
        belief: over `VehicleState`, one batch row.
        count: poses of it that are asked, and as many moved ones.
        on_earth: whether poses are scored on Earth, not as the map draws them.
        places: other places, which together weigh as much as the moved poses; None: there are none.

    Returns:
        The logarithm of the ratio; None where the cloud covers more map than the model holds.
    """
    few = drawn(belief, count)
    here = few.state.pose if on_earth else on_map(few.state)
    groups = [here, moved_off(here)] if places is None else [here, moved_off(here), places]
    scores = score(torch.cat([group.to(here) for group in groups], 1))
    if scores is None:
        return None
    claimed, *others = torch.split(scores, [group.shape[1] for group in groups], 1)
    claim = torch.logsumexp(few.log_weights + claimed, 1)
    means = [torch.logsumexp(group, 1) - math.log(group.shape[1]) for group in others]
    return float(torch.logsumexp(torch.stack(means), 0) - math.log(len(means)) - claim)


def moved_off(poses: Float[Tensor, "1 N 3"]) -> Float[Tensor, "1 N 3"]:
    """Each pose moved off and, half of them, turned: the same way every time, evenly spread."""
    index = torch.arange(poses.shape[1], device=poses.device, dtype=torch.float64)
    u, v, w = ((0.5 + index * step) % 1.0 for step in PLASTIC)
    distance = NEAREST * (FARTHEST / NEAREST) ** u
    step = torch.stack((distance * (math.tau * v).cos(), distance * (math.tau * v).sin()), -1)
    turn = torch.where(index % (1.0 / TURNED) < 1.0, math.tau * w, 0.0)
    return poses + torch.cat((step, turn.unsqueeze(-1)), -1).to(poses)
