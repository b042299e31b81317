"""The estimators of the bearings-only study: which networks each method has, and how it filters.

Training and evaluation run the same code. One network set holds several members (see `ensemble`);
rows are member-major. Positions in metres, angles in radians, 0.75 s between times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mdps_ros.core.kernels import ProductKernel, sample_von_mises
from mdps_ros.core.types import StateTree
from mdps_ros.models.learned.bandwidth import Bandwidth
from mdps_ros.models.learned.dynamics import ResidualDynamics
from mdps_ros.models.learned.ensemble import member_generators
from mdps_ros.models.learned.measurement import BearingEncoder, SmootherNetwork, WeightNetwork

Part = TypeVar("Part", bound=nn.Module)

FILTERS = ("tg_pf", "sr_pf", "ot_pf", "mdpf", "a_mdpf", "mdpf_backward")
METHODS = (*FILTERS, "ffbs", "mdps")

STEP_S = 0.75
HALF_SIDE_M = 10.0
START_SIGMA_M = 0.01
START_CONCENTRATION = 100.0

RESAMPLING_START = (0.4, 0.4, 0.03)
OUTPUT_START = (2.0, 2.0, 0.3)
LEAST_BANDWIDTH = (0.1, 0.1, 0.001)


class Observed(NamedTuple):
    """What an estimator may know of B drives.

    Attributes:
        bearings: (B, T), rad.
        start: True pose at t = 0, (B, 3), which forward filters get with a little noise; backward
            filters and the smoother's backward half start anywhere and do not look at it.
    """

    bearings: Float[Tensor, "B T"]
    start: Float[Tensor, "B 3"]


@dataclass(frozen=True)
class LearnedModel:
    """A `core.protocols.StateSpaceModel` of poses; a measurement is its encoded features.

    Attributes:
        dynamics: Motion of one direction of time.
        weights: Scores poses.
    """

    dynamics: ResidualDynamics
    weights: WeightNetwork

    def sample_initial(
        self,
        batch: int,
        count: int,
        prior: Float[Tensor, "B 3"] | None,
        generator: torch.Generator,
    ) -> Float[Tensor, "B N 3"]:
        """Poses near `prior`, or anywhere in the world if it is None."""
        return sample_start(batch, count, prior, generator)

    def propagate(
        self, state: StateTree, control: Any, dt_s: float, generator: torch.Generator
    ) -> StateTree:
        """Moves every particle by one step; there are no controls and one duration."""
        return self.dynamics(state, generator)

    def update(
        self, state: StateTree, measurement: Float[Tensor, "B width"]
    ) -> tuple[StateTree, Float[Tensor, "B N"]]:
        """The particles as they came and their log-weights."""
        return state, self.weights(state, measurement)


def sample_start(
    batch: int, count: int, prior: Float[Tensor, "B 3"] | None, generator: torch.Generator
) -> Float[Tensor, "B N 3"]:
    """First particles: N(0.01 m), von Mises(100) around `prior`; uniform in the world without."""
    shape = (batch, count)
    if prior is None:
        uniform = torch.rand((*shape, 3), generator=generator, device=generator.device)
        scale = uniform.new_tensor([HALF_SIDE_M, HALF_SIDE_M, math.pi])
        return (2.0 * uniform - 1.0) * scale
    noise = START_SIGMA_M * torch.randn((*shape, 2), generator=generator, device=prior.device)
    kappa = prior.new_tensor(START_CONCENTRATION)
    turn = sample_von_mises(kappa, shape, generator).unsqueeze(-1)
    return prior.unsqueeze(1) + torch.cat((noise, turn), dim=-1)


class FilterNetworks(nn.Module):
    """Everything that one direction of time learns.

    `resampling_weights` is there only where weights are decoupled (A-MDPF).
    """

    def __init__(self, seeds: Sequence[int], *, decoupled: bool = False) -> None:
        """Builds one member per seed."""
        super().__init__()
        generators = member_generators(seeds)
        self.dynamics = ResidualDynamics(generators)
        self.encoder = BearingEncoder(generators)
        self.weights = WeightNetwork(generators)
        self.resampling_weights = WeightNetwork(generators) if decoupled else None
        self.resampling = Bandwidth(RESAMPLING_START, LEAST_BANDWIDTH, len(seeds))
        self.output = Bandwidth(OUTPUT_START, LEAST_BANDWIDTH, len(seeds))

    def model(self) -> LearnedModel:
        """The model that filters and resamples."""
        return LearnedModel(self.dynamics, self.resampling_weights or self.weights)


class BearingsNetworks(nn.Module):
    """The networks of one method, all members.

    Attributes:
        method: One of `METHODS`.
        seeds: Of the members.
        forward_filter: None for `mdpf_backward` and `ffbs`.
        backward_filter: For `mdpf_backward` and `mdps`.
        mean_dynamics: For `ffbs`.
        scorer: For `mdps`.
        output: Output bandwidth of `ffbs` and `mdps`; filters have their own.
    """

    def __init__(self, method: str, seeds: Sequence[int]) -> None:
        """Builds one member per seed.

        Raises:
            ValueError: there is no such method.
        """
        super().__init__()
        if method not in METHODS:
            raise ValueError(f"no method {method}; choose one of {', '.join(METHODS)}")
        self.method = method
        self.seeds = tuple(seeds)
        forward = method not in ("mdpf_backward", "ffbs")
        backward = method in ("mdpf_backward", "mdps")
        learned_smoother = method == "mdps"
        generators = member_generators([seed + 1_000_000 for seed in seeds])
        self.forward_filter = (
            FilterNetworks(seeds, decoupled=method == "a_mdpf") if forward else None
        )
        self.backward_filter = FilterNetworks(seeds) if backward else None
        self.scorer = SmootherNetwork(generators) if learned_smoother else None
        self.mean_dynamics = (
            ResidualDynamics(generators, noise_dimension=0) if method == "ffbs" else None
        )
        self.output = (
            Bandwidth(OUTPUT_START, LEAST_BANDWIDTH, len(seeds))
            if method in ("ffbs", "mdps")
            else None
        )

    @property
    def members(self) -> int:
        """Number of members."""
        return len(self.seeds)

    def output_kernel(self, batch: int) -> ProductKernel:
        """The kernel of the method's final density for `batch` rows."""
        side = self.forward_filter or self.backward_filter
        bandwidth = self.output or needed(side).output
        return bandwidth.kernel(batch)


def needed(part: Part | None) -> Part:
    """A part that the method at hand has.

    Raises:
        ValueError: it has not; the caller asked a method for what belongs to another.
    """
    if part is None:
        raise ValueError("this method has no such network; look at BearingsNetworks")
    return part


def member_seeds(seed: int, members: int) -> range:
    """The seeds of the members of a run: `seed` and those after it."""
    return range(seed, seed + members)


def named_modules(networks: BearingsNetworks) -> dict[str, nn.Module]:
    """Every part that learns by itself, by the name that recipes and files use.

    Such as `forward.dynamics`, `backward.resampling`, `scorer`, `output`.
    """
    named: dict[str, nn.Module] = {}
    sides = (("forward", networks.forward_filter), ("backward", networks.backward_filter))
    for prefix, side in sides:
        if side is not None:
            named |= {f"{prefix}.{name}": part for name, part in side.named_children()}
    for name in ("scorer", "mean_dynamics", "output"):
        part = getattr(networks, name)
        if part is not None:
            named[name] = part
    return named
