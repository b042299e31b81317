"""Smoothing kernels on R^n x (S^1)^m: a Gaussian per line, a von Mises per circle.

With c = cos, s = sin, kappa (cos(a - b) - 1) = -kappa/2 [(c a - c b)^2 + (s a - s b)^2]. So every
dimension is a squared difference of scaled coordinates, (x / h) on a line and
sqrt(kappa) (cos, sin) on a circle; `features` returns them, and nothing cancels in float32.
Source: Younis and Sudderth, NeurIPS 2024, Eq. 6; kappa = 1 / (bandwidth + 1e-8) is theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

_LOG_2PI = math.log(2.0 * math.pi)


def concentration(bandwidth: Float[Tensor, "*_"]) -> Float[Tensor, "*_"]:
    """Von Mises kappa of an angular bandwidth (rad^2; sqrt(bandwidth) is about its sigma)."""
    return 1.0 / (bandwidth + 1e-8)


def gaussian_log_prob(
    difference: Float[Tensor, "*_"], sigma: Float[Tensor, "*_"]
) -> Float[Tensor, "*_"]:
    """Log of N(difference; 0, sigma^2)."""
    return -0.5 * (difference / sigma).square() - sigma.log() - 0.5 * _LOG_2PI


def von_mises_log_prob(
    difference: Float[Tensor, "*_"], kappa: Float[Tensor, "*_"]
) -> Float[Tensor, "*_"]:
    """Log of exp(kappa cos(difference)) / (2 pi I0(kappa)), per rad; finite for every kappa."""
    exponent = -2.0 * kappa * (0.5 * difference).sin().square()
    log_i0e: Tensor = torch.special.i0e(kappa).log()
    return exponent - _LOG_2PI - log_i0e


def sample_von_mises(
    kappa: Float[Tensor, "*_"], shape: tuple[int, ...], generator: torch.Generator
) -> Float[Tensor, "*_"]:
    """Exact draws of a von Mises angle about zero, rad in [-pi, pi], without gradient.

    Best and Fisher (Applied Statistics 28, 1979): rejection from a wrapped Cauchy, here by
    half-angle tangents so that sharp kernels keep their digits in float32. Each round draws
    again only for what was rejected (at most 34 %).

    Args:
        kappa: Concentration > 0, broadcastable to `shape`.
        shape: Shape of the result.
        generator: On the device of `kappa`.
    """
    exact = kappa.detach().double()
    tau = 1.0 + torch.sqrt(1.0 + 4.0 * exact.square())
    # the quotient is 0/0 at kappa -> 0, where it tends to kappa / 2
    rho = torch.where(exact < 1e-4, 0.5 * exact, (tau - torch.sqrt(2.0 * tau)) / (2.0 * exact))
    parts = (
        (1.0 - rho) / (1.0 + rho),
        exact * (1.0 - rho).square() / (2.0 * rho),
        2.0 * exact,
    )
    # one concentration for all stays one number
    own = kappa.numel() > 1
    width, floor, twice_kappa = (
        part.to(kappa.dtype).expand(shape).reshape(-1) if own else part.to(kappa.dtype).reshape(1)
        for part in parts
    )
    like = kappa.detach()
    tangents = like.new_empty(math.prod(shape))
    pending: Tensor | None = None  # None: all
    while pending is None or pending.numel() > 0:
        count = tangents.numel() if pending is None else pending.numel()
        uniform = torch.rand(2, count, generator=generator, device=like.device, dtype=like.dtype)
        mine = slice(None) if pending is None or not own else pending
        tangent = width[mine] * torch.tan(math.pi * (uniform[0] - 0.5))
        square = tangent.square()
        ratio = floor[mine] + twice_kappa[mine] * square / (1.0 + square)
        rejected = (uniform[1] >= ratio * torch.exp(1.0 - ratio)).nonzero().squeeze(-1)
        # what was rejected is written as well, and drawn over in the next round
        if pending is None:
            tangents, pending = tangent, rejected
        else:
            tangents[pending] = tangent
            pending = pending[rejected]
    return (2.0 * torch.atan(tangents)).reshape(shape)


@dataclass(frozen=True)
class ProductKernel:
    """Product of one kernel per dimension, the same for all particles.

    Attributes:
        bandwidth: (D,) or (B, D), > 0. Lines: standard deviation in the line's unit. Circles:
            rad^2, see `concentration`.
        circular: For each of the D dimensions, whether it is an angle.
    """

    bandwidth: Float[Tensor, "*B D"]
    circular: tuple[bool, ...]

    def __post_init__(self) -> None:
        """Checks that the two descriptions agree.

        Raises:
            ValueError: if `circular` does not have one entry per bandwidth.
        """
        if self.bandwidth.shape[-1] != len(self.circular):
            raise ValueError(
                f"{self.bandwidth.shape[-1]} bandwidths but {len(self.circular)} dimensions; "
                "give one bandwidth per dimension"
            )

    def features(self, points: Float[Tensor, "*B N D"]) -> Float[Tensor, "*B N F"]:
        """Coordinates whose squared differences sum to -2 times the kernel's exponent."""
        columns = []
        for dimension, circular in enumerate(self.circular):
            value = points[..., dimension]
            width = self.bandwidth[..., None, dimension]
            if circular:
                scale = concentration(width).sqrt()
                columns += [scale * value.cos(), scale * value.sin()]
            else:
                columns.append(value / width)
        return torch.stack(columns, dim=-1)

    def log_peak(self) -> Float[Tensor, "*B"]:
        """Log-density at zero difference."""
        total = torch.zeros_like(self.bandwidth[..., 0]) - 0.5 * _LOG_2PI * len(self.circular)
        for dimension, circular in enumerate(self.circular):
            width = self.bandwidth[..., dimension]
            if circular:
                total = total - torch.special.i0e(concentration(width)).log() - 0.5 * _LOG_2PI
            else:
                total = total - width.log()
        return total

    def log_prob(
        self, points: Float[Tensor, "B N D"], centres: Float[Tensor, "B N D"]
    ) -> Float[Tensor, "B N"]:
        """Log-density of each point under the kernel at its own centre."""
        difference = self.features(points) - self.features(centres)
        return self.log_peak()[..., None] - 0.5 * difference.square().sum(-1)

    def sample(
        self, centres: Float[Tensor, "B N D"], generator: torch.Generator
    ) -> Float[Tensor, "B N D"]:
        """One draw around each centre, without gradient. Angles are not wrapped."""
        centres = centres.detach()
        columns = []
        for dimension, circular in enumerate(self.circular):
            value = centres[..., dimension]
            width = self.bandwidth.detach()[..., None, dimension].to(centres.dtype)
            if circular:
                noise = sample_von_mises(concentration(width), tuple(value.shape), generator)
            else:
                noise = width * torch.randn(
                    value.shape, generator=generator, device=value.device, dtype=value.dtype
                )
            columns.append(value + noise)
        return torch.stack(columns, dim=-1)

    def spread(self) -> Float[Tensor, "*B D"]:
        """Standard deviation per dimension, in the line's unit or (about) in rad."""
        circular = torch.tensor(self.circular, device=self.bandwidth.device)
        return torch.where(circular, self.bandwidth.sqrt(), self.bandwidth)

    def widened(self, factor: float) -> ProductKernel:
        """The kernel with `factor` times the spread; no gradient."""
        powers = torch.tensor([2.0 if angle else 1.0 for angle in self.circular])
        scale = (factor**powers).to(self.bandwidth)
        return ProductKernel(self.bandwidth.detach() * scale, self.circular)


def pose_kernel(bandwidth: Float[Tensor, "*B 3"]) -> ProductKernel:
    """The kernel of (x m, y m, yaw rad); bandwidths (m, m, rad^2)."""
    return ProductKernel(bandwidth, (False, False, True))
