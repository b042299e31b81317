"""Where else the vehicle could be: places around a claim, as likely as the map alone has them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.models.prior import MapPrior, RoadPrior, sample_prior
from mdps_ros.models.prior_parts import within

STALE = 0.25  # of the radius: a cut-out of the map serves until the vehicle is that far from there


class _CutOut(NamedTuple):
    """The part of a map's prior around a place; `of` is what the prior was made of."""

    prior: MapPrior | None
    of: object
    centre: NDArray[np.float64]
    radius: float


class Around:
    """Draws poses from the map's prior around a place.

    Its randomness is its own: what a filter draws does not depend on it.

    Args:
        seed: of the draws.
        device: where poses are wanted.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._generator = torch.Generator(device).manual_seed(seed)
        self._held: _CutOut | None = None

    def draw(
        self, prior: MapPrior, centre: NDArray[np.float64], radius: float, count: int
    ) -> Float[Tensor, "1 N 3"] | None:
        """Poses on the map; None where there is nothing to drive on.

        Args:
            prior: over the whole map.
            centre: (2,) m.
            radius: how far around it, m; 0: on the whole map.
            count: N.
        """
        near = prior if radius == 0.0 else self._cut_out(prior, centre, radius)
        return None if near is None else sample_prior(near, 1, count, self._generator)

    def _cut_out(
        self, prior: MapPrior, centre: NDArray[np.float64], radius: float
    ) -> MapPrior | None:
        of = prior.roads if isinstance(prior, RoadPrior) else prior.centres
        held = self._held
        if (
            held is None
            or held.of is not of
            or held.radius != radius
            or np.hypot(*(centre - held.centre)) > STALE * radius
        ):
            held = _CutOut(within(prior, centre, radius), of, centre, radius)
            self._held = held
        return held.prior
