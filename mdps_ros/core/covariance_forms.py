"""The same Kalman steps on (mean, covariance): standard and Joseph form.

For comparison with the array form of `kalman`, which the package uses: in single precision the
standard form's covariances lose their sign where P0 / R is large, Joseph's do so rarely, the
array form's cannot (test_covariance_forms has the numbers). Leading axes are free and broadcast.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core.kalman import matvec


class Moments(NamedTuple):
    """A Gaussian by mean and covariance."""

    mean: Float[Tensor, "*_ n"]
    covariance: Float[Tensor, "*_ n n"]


@runtime_checkable
class Update(Protocol):
    """Conditions x ~ N(mean, covariance) on y = H x + d + r, r ~ N(0, R)."""

    def __call__(
        self,
        prior: Moments,
        H: Float[Tensor, "*_ m n"],
        d: Float[Tensor, "*_ m"],
        R: Float[Tensor, "*_ m m"],
        y: Float[Tensor, "*_ m"],
    ) -> tuple[Moments, Float[Tensor, "*_"]]:
        """Moments of x given y, and log p(y)."""
        ...


def predict(
    prior: Moments,
    F: Float[Tensor, "*_ k n"],
    c: Float[Tensor, "*_ k"],
    Q: Float[Tensor, "*_ k k"],
) -> Moments:
    """Moments of F x + c + q, q ~ N(0, Q)."""
    return Moments(matvec(F, prior.mean) + c, F @ prior.covariance @ F.mT + Q)


def standard_update(
    prior: Moments, H: Tensor, d: Tensor, R: Tensor, y: Tensor
) -> tuple[Moments, Tensor]:
    """P - K S K^T; see `Update`.

    Where rounding made S singular or indefinite the row holds infinities or NaN: the failure that
    the comparison counts.
    """
    residual, innovation, gain = _innovation(prior, H, d, R, y)
    covariance = prior.covariance - gain @ innovation @ gain.mT
    new = Moments(prior.mean + matvec(gain, residual), covariance)
    return new, _log_density(residual, innovation)


def joseph_update(
    prior: Moments, H: Tensor, d: Tensor, R: Tensor, y: Tensor
) -> tuple[Moments, Tensor]:
    """(I - K H) P (I - K H)^T + K R K^T; see `Update`. Symmetric, and right for any gain."""
    residual, innovation, gain = _innovation(prior, H, d, R, y)
    keep = torch.eye(H.shape[-1], dtype=H.dtype, device=H.device) - gain @ H
    covariance = keep @ prior.covariance @ keep.mT + gain @ R @ gain.mT
    new = Moments(prior.mean + matvec(gain, residual), covariance)
    return new, _log_density(residual, innovation)


def condition_leading(
    prior: Moments, leading: Float[Tensor, "*_ m"], update: Update
) -> tuple[Moments, Float[Tensor, "*_"]]:
    """Conditions the joint Gaussian of (xi, z) on its first m components, xi.

    Step 5 of Algorithm 2 of Hendeby, Karlsson and Gustafsson (EURASIP JASP 2010:724087): the
    "virtual measurement" of xi without noise. The array form does this without any update; see
    `kalman_bank`.

    Returns:
        Moments of z given xi, and log p(xi).
    """
    width, size = leading.shape[-1], prior.mean.shape[-1]
    H = torch.eye(size, dtype=leading.dtype, device=leading.device)[:width]
    nothing = leading.new_zeros(width)
    joint, log_density = update(prior, H, nothing, torch.diag(nothing), leading)
    return Moments(joint.mean[..., width:], joint.covariance[..., width:, width:]), log_density


def _innovation(
    prior: Moments, H: Tensor, d: Tensor, R: Tensor, y: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Residual, its covariance and the Kalman gain."""
    cross = H @ prior.covariance
    innovation = cross @ H.mT + R
    gain = torch.linalg.solve_ex(innovation, cross).result.mT
    return y - matvec(H, prior.mean) - d, innovation, gain


def _log_density(residual: Tensor, covariance: Tensor) -> Tensor:
    whitened = torch.linalg.solve_ex(covariance, residual.unsqueeze(-1)).result.squeeze(-1)
    constant = residual.shape[-1] * math.log(2.0 * math.pi)
    square: Tensor = (residual * whitened).sum(-1)
    return -0.5 * (square + torch.logdet(covariance) + constant)
