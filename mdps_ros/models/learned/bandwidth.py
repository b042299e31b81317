"""Kernel bandwidths that are learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mdps_ros.core.kernels import ProductKernel, pose_kernel


class Bandwidth(nn.Module):
    """One bandwidth per pose dimension and member, beta = exp(rho) + minimum.

    The minimum is added, not clamped to, so that the gradient never vanishes
    (Younis and Sudderth, NeurIPS 2024, released code; `mixture` says what the numbers mean).

    Attributes:
        rho: (members, 3), trainable.
        minimum: (3,), m, m, rad^2.
    """

    minimum: Tensor

    def __init__(self, start: Sequence[float], minimum: Sequence[float], members: int) -> None:
        """Starts every member at exp(rho) = `start`.

        Raises:
            ValueError: a start is not positive or a minimum is negative.
        """
        super().__init__()
        if min(start) <= 0.0 or min(minimum) < 0.0:
            raise ValueError(
                f"bandwidths start {tuple(start)}, minimum {tuple(minimum)}: "
                "starts must be positive and minima not negative"
            )
        rho = torch.tensor(start, dtype=torch.float32).log()
        self.rho = nn.Parameter(rho.repeat(members, 1))
        self.register_buffer("minimum", torch.tensor(minimum, dtype=torch.float32))

    def forward(self) -> Float[Tensor, "members 3"]:
        """The bandwidths, above their minimum."""
        return self.rho.exp() + self.minimum

    def kernel(self, batch: int) -> ProductKernel:
        """The pose kernel of each of `batch` rows, member-major."""
        members = self.rho.shape[0]
        return pose_kernel(self().repeat_interleave(batch // members, dim=0))
