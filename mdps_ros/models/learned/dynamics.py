"""Learned motion: a residual on the pose with its angle lifted to (sin, cos).

Source: Younis and Sudderth, NeurIPS 2024, Figs. 15 and 19 and appendix D.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mdps_ros.models.learned.ensemble import EnsembleMLP, by_member

NOISE_DIMENSION = 4
RESIDUAL_SCALE = (5.0, 5.0, 2.0, 2.0)


def lift(poses: Float[Tensor, "*axes 3"]) -> Float[Tensor, "*axes 4"]:
    """(x, y, yaw) as (x, y, sin yaw, cos yaw)."""
    yaw = poses[..., 2:]
    return torch.cat((poses[..., :2], yaw.sin(), yaw.cos()), dim=-1)


def add_residual(
    poses: Float[Tensor, "B N 3"], change: Float[Tensor, "members 4 R"]
) -> Float[Tensor, "B N 3"]:
    """T^-1(T(pose) + change) with the change in columns (x, y, sin, cos); zero leaves the pose."""
    x, y, yaw = poses.unbind(-1)
    along = [part.reshape(x.shape) for part in change.unbind(1)]
    turned = torch.atan2(yaw.sin() + along[2], yaw.cos() + along[3])
    return torch.stack((x + along[0], y + along[1], turned), dim=-1)


class ResidualDynamics(nn.Module):
    """x_t = T^-1(T(x_t-1) + S (2 sigmoid(h) - 1)), h = MLP(MLP(sin, cos), noise).

    Blind to the position, as in the bearings-only study: the car may be anywhere.
    """

    scale: Tensor

    def __init__(
        self,
        generators: Sequence[torch.Generator],
        *,
        width: int = 8,
        scale: Sequence[float] = RESIDUAL_SCALE,
        noise_dimension: int = NOISE_DIMENSION,
    ) -> None:
        """Builds one network per generator.

        Args:
            generators: One for each member.
            width: Of all layers.
            scale: Largest change in a step, m, m, and of sin and cos.
            noise_dimension: Number of standard normal inputs; 0 gives a mean motion.
        """
        super().__init__()
        self.encoder = EnsembleMLP((2, width, width, width, width), generators)
        self.residual = EnsembleMLP((width + noise_dimension, width, width, width, 4), generators)
        self.members = len(generators)
        self.noise_dimension = noise_dimension
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32).unsqueeze(1))

    def forward(
        self, poses: Float[Tensor, "B N 3"], generator: torch.Generator
    ) -> Float[Tensor, "B N 3"]:
        """Draws the next pose of every particle; gradients pass to pose and parameters."""
        yaw = by_member(poses[..., 2], self.members)
        features = self.encoder(torch.stack((yaw.sin(), yaw.cos()), dim=1))
        if self.noise_dimension:
            noise = torch.randn(
                (self.members, self.noise_dimension, yaw.shape[1]),
                generator=generator,
                device=poses.device,
                dtype=poses.dtype,
            )
            features = torch.cat((features, noise), dim=1)
        return add_residual(poses, self.scale * torch.tanh(0.5 * self.residual(features)))
