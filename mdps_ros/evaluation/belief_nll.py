"""How much density a belief gives to the truth, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch

from mdps_ros.core import mixture
from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.types import MixtureBelief
from mdps_ros.evaluation.run import Floats, Track
from mdps_ros.runtime.outputs import Output, ParticleSnapshot

CAP_NATS = 18.42
"""The density has a floor of 1e-8 per m^2 rad, as in the paper's loss (Eq. 22)."""


class MixtureNll:
    """Negative log density of the belief's mixture at the truth, frame by frame.

    Args:
        truth: T_map_base over time.
        kernel: at each particle.
    """

    def __init__(self, truth: Track, kernel: ProductKernel) -> None:
        self._truth = truth
        self._kernel = kernel
        self._values: list[float] = []

    def watch(self, outputs: Iterable[Output]) -> Iterator[Output]:
        """Pass outputs on, and look at the particles among them."""
        for output in outputs:
            if isinstance(output, ParticleSnapshot):
                self._values.append(self._of(output))
            yield output

    def means(self, travelled: Floats) -> dict[str, float | None]:
        """Mean NLL, nats per (m^2 rad), over all frames and over those beyond 100 m of travel."""
        values = np.minimum(np.array(self._values), CAP_NATS)
        known = np.isfinite(values)
        late = known & (travelled[: len(values)] > 100.0)
        return {
            "nll_nats": float(values[known].mean()) if known.any() else None,
            "nll_after_100m_nats": float(values[late].mean()) if late.any() else None,
        }

    def _of(self, snapshot: ParticleSnapshot) -> float:
        pose = self._truth.at(np.array([snapshot.stamp_ns]))
        if not np.isfinite(pose).all():
            return math.nan
        poses = torch.from_numpy(snapshot.poses).double()[None]
        log_weights = torch.from_numpy(snapshot.weights).double().log()[None]
        belief = MixtureBelief(poses, log_weights, self._kernel)
        return -float(mixture.log_prob(belief, torch.from_numpy(pose)[None])[0, 0])
