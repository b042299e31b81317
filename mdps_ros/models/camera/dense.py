"""Scores of all poses of a window: map features under a shifted view, correlated by FFT."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.models.camera.geometry import DEPTHS, SIDES


def window_cells(
    poses: Float[Tensor, "... 3"], reach: int, scale: Float[Tensor, ...]
) -> Float[Tensor, "... rows columns 2"]:
    """Places of the view's cells, and of those that shifts by up to `reach` cells need.

    Args:
        poses: of the camera: x m, y m, yaw rad.
        reach: cells around the view.
        scale: m per cell: camera height over the canonical one.

    Returns:
        x and y, m; row = depth - 1 + reach, column = offset to the right + SIDES // 2 + reach.
    """
    ahead = torch.arange(1 - reach, DEPTHS + 1 + reach, device=poses.device, dtype=poses.dtype)
    right = torch.arange(SIDES + 2 * reach, device=poses.device) - (SIDES // 2 + reach)
    ahead, right = torch.meshgrid(ahead, right.to(poses.dtype), indexing="ij")
    x, y, yaw = (part[..., None, None] for part in poses.unbind(-1))
    cos, sin = torch.cos(yaw), torch.sin(yaw)
    forward, side = ahead * scale[..., None, None], right * scale[..., None, None]
    return torch.stack([x + forward * cos + side * sin, y + forward * sin - side * cos], dim=-1)


def shift_scores(
    ground: Float[Tensor, "B C Z X"], windows: Float[Tensor, "B S C rows columns"]
) -> Float[Tensor, "B S forward right"]:
    """Inner product of the view with each window, at every shift that fits.

    Args:
        ground: features of the view.
        windows: map features at `window_cells`, rows = Z + 2 reach and columns = X + 2 reach.

    Returns:
        Entry (i, j): the camera i - reach cells forward and j - reach cells to the right of the
        window's pose.
    """
    return correlate(ground, spectrum(windows), windows.shape[-2:])


def spectrum(windows: Float[Tensor, "... rows columns"]) -> Tensor:
    """What `correlate` wants of windows; equal ones need it once."""
    spectra: Tensor = torch.fft.rfft2(windows)
    return spectra


def correlate(
    ground: Float[Tensor, "B C Z X"], spectra: Tensor, size: torch.Size
) -> Float[Tensor, "B S forward right"]:
    """`shift_scores` from the windows' spectra and size."""
    rows, columns = size
    view = torch.fft.rfft2(ground, s=(rows, columns)).conj()
    product = (spectra * view[:, None]).sum(2)
    scores: Tensor = torch.fft.irfft2(product, s=(rows, columns))
    forward, right = rows - ground.shape[-2] + 1, columns - ground.shape[-1] + 1
    return scores[..., :forward, :right]
