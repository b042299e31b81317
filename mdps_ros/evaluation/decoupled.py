"""A-MDPF on a street: the mixture that is told is decoupled from the one that resamples.

In A-MDPF (Younis and Sudderth, NeurIPS 2023) two weight networks and two sets of bandwidths are
learned, one for the output and one for resampling; the filter runs on the latter. The street filter
has one camera network, so the honest counterpart of a second one is a second power of its
likelihood. With the weights before a frame, w, and its likelihood l as the filter takes it,

    the filter resamples from  w l,   and tells  w l^power  with bandwidths of its own.

How strongly the filter itself believes an image is `camera.weight`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.types import Belief
from mdps_ros.core.weights import normalise
from mdps_ros.evaluation.pit import output_kernel
from mdps_ros.models.map_error import on_map
from mdps_ros.runtime.outputs import Output, ParticleSnapshot, PoseEstimate
from mdps_ros.runtime.smoothing.frames import FilterFrame
from mdps_ros.runtime.summary import Summary, summarise
from mdps_ros.settings import EstimateSettings, Settings, with_values


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputMixture:
    """How what is told differs from what resamples.

    Attributes:
        power: of the newest frame's likelihood; 1 is coupled.
        bandwidth_position: m; None is that of resampling.
        bandwidth_yaw: rad; None is that of resampling.
    """

    power: float = 1.0
    bandwidth_position: float | None = None
    bandwidth_yaw: float | None = None

    def kernel(self, settings: Settings) -> ProductKernel:
        """The kernel at each particle of what is told."""
        own = {
            "filter.bandwidth_position": self.bandwidth_position,
            "filter.bandwidth_yaw": self.bandwidth_yaw,
        }
        told = {name: value for name, value in own.items() if value is not None}
        return output_kernel(with_values(settings, told))


COUPLED = OutputMixture()
"""What resamples is what is told: MDPF."""


def output_weights(
    log_weights: Float[Tensor, "B N"], log_likelihood: Float[Tensor, "B N"], power: float
) -> Float[Tensor, "B N"]:
    """Normalised log-weights w l^power, from those of the filter, w l.

    Args:
        log_weights: of the filter, given the frame.
        log_likelihood: of the frame, as the filter took it; what is -inf stays without weight.
        power: of the likelihood.
    """
    dead = torch.isneginf(log_likelihood)
    change = ((power - 1.0) * log_likelihood).masked_fill(dead, 0.0)
    return normalise(log_weights + change)[0]


class DecoupledOutput:
    """Replaces what a session tells of its belief by the decoupled mixture.

    The state stays that of the filter, as do searches for a vehicle that is lost. Masses are told
    whole also before images confirm what a search found (`recovery.confirmation`).

    Args:
        mixture: what is told.
        estimate: how a belief becomes hypotheses.
    """

    def __init__(self, mixture: OutputMixture, estimate: EstimateSettings) -> None:
        self._power = mixture.power
        self._estimate = estimate
        self._told: dict[int, tuple[Summary, Tensor]] = {}

    def watch(self, frame: FilterFrame | None) -> None:
        """Take one update of the filter: a session's `watch`."""
        if frame is None:
            return
        belief = frame.filtered
        if self._power != 1.0:
            score = frame.score(on_map(belief.state))
            if score is not None:
                belief = Belief(
                    belief.state, output_weights(belief.log_weights, score, self._power)
                )
        self._told[frame.stamp_ns] = summarise(belief, self._estimate), belief.log_weights[0]

    def tell(self, outputs: Iterable[Output]) -> Iterator[Output]:
        """Pass outputs on, those about the belief by the decoupled mixture."""
        for output in outputs:
            if isinstance(output, PoseEstimate):
                summary, _ = self._told[output.stamp_ns]
                yield replace(output, **summary._asdict())
            elif isinstance(output, ParticleSnapshot):
                _, log_weights = self._told.pop(output.stamp_ns)
                yield replace(output, weights=log_weights.exp().float().cpu().numpy())
            else:
                yield output
