"""What a task brings: modules, losses and data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mdps_ros.training.stages import Stage


class Task(Protocol):
    """What is learned from what.

    With `members` M > 1 every parameter has the shape (M, ...) and loss m depends on row m only.
    """

    @property
    def members(self) -> int:
        """Number M of members, networks that learn side by side."""
        ...

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """Modules by the names that stages use; no parameter is in two of them."""
        ...

    def loss(self, stage: Stage, generator: torch.Generator) -> Float[Tensor, " M"]:
        """Loss of each member on a batch that the task draws from `generator`.

        Args:
            stage: its `loss` and `options` say what to compute.
            generator: on the device of the parameters; the only source of randomness.

        Raises:
            DegenerateWeightsError: the weights of a filter could not be normalised; all members
                leave out this step.
        """
        ...

    def validate(self, stage: Stage) -> Float[Tensor, " M"]:
        """Loss of each member on held-out data, the same at every call for the same weights.

        Called without gradients and with all modules in eval mode.
        """
        ...
