"""Flat densities on boxes of poses: an interval on each line, an arc on each circle."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mdps_ros.core.angles import circular_mean, wrap


class Box(NamedTuple):
    """One box per batch row.

    Attributes:
        centre: (B, D).
        half_width: (B, D), > 0; at most pi on circles.
        circular: For each of the D dimensions, whether it is an angle.
    """

    centre: Float[Tensor, "B D"]
    half_width: Float[Tensor, "B D"]
    circular: tuple[bool, ...]


def bounding_box(
    poses: Float[Tensor, "B N D"], margin: Float[Tensor, "*B D"], circular: tuple[bool, ...]
) -> Box:
    """The box that holds all poses and `margin` on either side of them; no gradient.

    On a circle it is the arc about the mean direction.
    """
    poses = poses.detach()
    centres, halves = [], []
    for dimension, is_angle in enumerate(circular):
        values = poses[..., dimension]
        if is_angle:
            centre = circular_mean(values, torch.ones_like(values))
            half = wrap(values - centre.unsqueeze(-1)).abs().amax(-1)
        else:
            low, high = values.amin(-1), values.amax(-1)
            centre, half = 0.5 * (low + high), 0.5 * (high - low)
        half = half + margin.detach()[..., dimension]
        centres.append(centre)
        halves.append(half.clamp(max=math.pi) if is_angle else half)
    return Box(torch.stack(centres, -1), torch.stack(halves, -1), circular)


def log_volume(box: Box) -> Float[Tensor, " B"]:
    """Log of the product of the sides; minus this is the flat log-density inside."""
    return (2.0 * box.half_width).log().sum(-1)


def contains(box: Box, points: Float[Tensor, "B M D"]) -> Bool[Tensor, "B M"]:
    """Which points lie in the box of their row."""
    difference = points - box.centre.unsqueeze(1)
    circular = torch.tensor(box.circular, device=points.device)
    difference = torch.where(circular, wrap(difference), difference)
    return (difference.abs() <= box.half_width.unsqueeze(1)).all(-1)


def sample(box: Box, count: int, generator: torch.Generator) -> Float[Tensor, "B M D"]:
    """`count` independent points in each row's box; angles are not wrapped."""
    shape = (box.centre.shape[0], count, box.centre.shape[1])
    like = box.centre
    chance = torch.rand(shape, generator=generator, device=like.device, dtype=like.dtype)
    return box.centre.unsqueeze(1) + (2.0 * chance - 1.0) * box.half_width.unsqueeze(1)
