"""The shapes of things that can be exchanged: models and resamplers."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core.types import Resampled, StateTree


@runtime_checkable
class StateSpaceModel(Protocol):
    """Prior, motion and measurement of one system."""

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> StateTree:
        """Draws a state tree with axes (B, N) from p(x_0 | prior)."""
        ...

    def propagate(
        self, state: StateTree, control: Any, dt_s: float, generator: torch.Generator
    ) -> StateTree:
        """Draws x_t from p(x_t | x_t-1, control), reparameterised where it can be."""
        ...

    def update(self, state: StateTree, measurement: Any) -> tuple[StateTree, Float[Tensor, "B N"]]:
        """Returns the conditioned state and log p(y_t | particle), the latter unnormalised.

        A plain particle filter returns the state as it came; a Rao-Blackwellised one returns the
        conditioned bank.
        """
        ...


@runtime_checkable
class Resampler(Protocol):
    """Turns N weighted particles into `count` others that stand for the same distribution."""

    def __call__(
        self,
        state: StateTree,
        log_weights: Float[Tensor, "B N"],
        count: int,
        generator: torch.Generator,
    ) -> Resampled:
        """Draws; `log_weights` are normalised."""
        ...


@runtime_checkable
class IndexScheme(Protocol):
    """Chooses `count` particle indices with E[number of i] = count * weight of i."""

    def __call__(
        self, log_weights: Float[Tensor, "B N"], count: int, generator: torch.Generator
    ) -> Int[Tensor, "B M"]:
        """Draws; an index of zero weight is never chosen."""
        ...
