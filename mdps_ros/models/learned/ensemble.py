"""Small networks of several members that are trained side by side.

Every parameter has a leading member axis. The batch axis B of the data is members x rows,
member-major: row b belongs to member b // rows. One member is the ordinary network. Members never
mix, so the gradient of one does not see the others.

Inside networks values are *columns* (members, features, R), R the rows and particles of a member:
thin layers are several times faster on a CPU when the long axis is the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


class EnsembleLinear(nn.Module):
    """One affine map per member, initialised as `torch.nn.Linear` does.

    Attributes:
        weight: (members, outputs, inputs).
        bias: (members, outputs, 1).
    """

    def __init__(self, inputs: int, outputs: int, generators: Sequence[torch.Generator]) -> None:
        """Draws the parameters of each member from its own generator."""
        super().__init__()
        bound = inputs**-0.5
        weights = [_uniform((outputs, inputs), bound, generator) for generator in generators]
        biases = [_uniform((outputs, 1), bound, generator) for generator in generators]
        self.weight = nn.Parameter(torch.stack(weights))
        self.bias = nn.Parameter(torch.stack(biases))

    def forward(
        self, columns: Float[Tensor, "members inputs R"]
    ) -> Float[Tensor, "members outputs R"]:
        """Maps the R columns of every member."""
        return torch.baddbmm(self.bias, self.weight, columns)


class EnsembleMLP(nn.Module):
    """Linear layers with ReLU between them, one network per member."""

    def __init__(
        self,
        widths: Sequence[int],
        generators: Sequence[torch.Generator],
        *,
        activate_last: bool = False,
    ) -> None:
        """Builds `len(widths) - 1` layers.

        Args:
            widths: Number of inputs, of each layer's outputs.
            generators: One for each member.
            activate_last: Whether ReLU follows the last layer too.
        """
        super().__init__()
        self.layers = nn.ModuleList(
            EnsembleLinear(inputs, outputs, generators) for inputs, outputs in pairwise(widths)
        )
        self.activate_last = activate_last

    def forward(
        self, columns: Float[Tensor, "members inputs R"]
    ) -> Float[Tensor, "members outputs R"]:
        """Maps every column."""
        last = len(self.layers) - 1
        for position, layer in enumerate(self.layers):
            columns = layer(columns)
            if position < last or self.activate_last:
                columns = torch.relu(columns)
        return columns


def by_member(values: Float[Tensor, B * N], members: int) -> Float[Tensor, "members R"]:
    """Rows and particles of every member side by side.

    Raises:
        ValueError: B is no multiple of the number of members.
    """
    if values.shape[0] % members:
        raise ValueError(
            f"{values.shape[0]} rows cannot be shared by {members} members; "
            "give every member the same number of rows"
        )
    return values.reshape(members, -1)


def member_generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """One CPU generator per member; a member's numbers do not depend on the others."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def _uniform(shape: tuple[int, int], bound: float, generator: torch.Generator) -> Tensor:
    return (2.0 * torch.rand(shape, generator=generator) - 1.0) * bound
