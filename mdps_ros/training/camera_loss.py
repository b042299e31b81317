"""The log-loss of the true pose among a few thousand others, and of what lies on the ground."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from mdps_ros.core.mapdata import LAYERS
from mdps_ros.models.camera.dense import correlate, spectrum, window_cells
from mdps_ros.models.camera.networks import AUXILIARY, Ground

REACH = 16  # cells of shift to each side
NEAR_YAW = math.radians(2.5)  # the nearest wrong heading
HALF_STEP = math.radians(1.25)  # the true heading is known to the headings' grid by this much
CARRIAGEWAYS = ("road_major", "road_minor", "service")


class Candidates(NamedTuple):
    """Windows of poses around each frame's true one.

    Attributes:
        poses: of the windows' middles, m and rad in the frame's piece of map. The first holds the
            truth; the next two differ by small and larger headings, the fourth by any.
        shift: of the truth within the first window, cells forward and right of its middle.
    """

    poses: Float[Tensor, "B 4 3"]
    shift: Float[Tensor, "B 2"]


def draw_candidates(
    poses: Float[Tensor, "B 3"], scale: Float[Tensor, " B"], generator: torch.Generator
) -> Candidates:
    """Windows at random places around the truth, which falls between their grid points."""
    count, device = len(poses), poses.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator, device=device)

    sign = torch.where(uniform(2) < 0.5, -1.0, 1.0)
    turn = torch.stack(
        [
            (2 * uniform() - 1) * HALF_STEP,
            sign[:, 0] * NEAR_YAW * (1 + 2 * uniform()),
            sign[:, 1] * math.radians(8.0) * (1 + 4 * uniform()),
            (2 * uniform() - 1) * math.pi,
        ],
        dim=1,
    )
    shift = (2 * uniform(4, 2) - 1) * 6.5
    shift[:, 0] = (2 * uniform(2) - 1) * (REACH - 0.75)
    yaw = poses[:, None, 2] + turn
    cos, sin = torch.cos(yaw), torch.sin(yaw)
    forward, right = (shift * scale[:, None, None]).unbind(-1)
    x = poses[:, None, 0] - forward * cos - right * sin
    y = poses[:, None, 1] - forward * sin + right * cos
    return Candidates(torch.stack([x, y, yaw], dim=-1), shift[:, 0])


def pose_loss(
    ground: Ground,
    map_features: Float[Tensor, "K C S S"],
    factor: Float[Tensor, " B"],
    poses: Float[Tensor, "B 3"],
    scale: Float[Tensor, " B"],
    generator: torch.Generator,
) -> Float[Tensor, " B"]:
    """-log of the share that the true pose gets, between grid points by interpolation.

    Six windows of poses compete: four around the truth, and two on other pieces of map, where
    other frames were taken.

    Args:
        ground: of the images.
        map_features: of the pieces; the first B / K images belong to the first piece.
        factor: of each image's score.
        poses: of the cameras in their pieces.
        scale: camera height over the canonical one.
        generator: source of randomness.
    """
    around = draw_candidates(poses, scale, generator)
    own = poses.clone()
    own[:, 2] += 0.1 * torch.randn(len(poses), generator=generator, device=poses.device)
    middles = torch.cat([around.poses, own[:, None]], dim=1)
    windows = _look_up(map_features, window_cells(middles, REACH, scale[:, None].expand(-1, 5)))
    spectra = spectrum(windows)
    per_piece = len(poses) // len(map_features)
    strange = [spectra[:, 4:].roll(step * per_piece, 0) for step in (1, 2)]
    spectra = torch.cat([spectra[:, :4], *strange], dim=1)
    score = correlate(ground.features.float(), spectra, windows.shape[-2:])
    score = factor[:, None, None, None] * score
    share = F.log_softmax(score.flatten(1), dim=1).view_as(score)
    return -_between(share[:, 0], around.shift + REACH)


def class_loss(
    ground: Ground,
    true: Float[Tensor, "K L S S"],
    poses: Float[Tensor, "B 3"],
    scale: Float[Tensor, " B"],
) -> Float[Tensor, ""]:
    """Cross entropy of the classes of visible cells against the right map."""
    cells = window_cells(poses[:, None], 0, scale[:, None])
    wanted = _look_up(auxiliary_layers(true), cells)[:, 0]
    loss = F.binary_cross_entropy_with_logits(ground.classes.float(), wanted, reduction="none")
    return (loss * ground.visible).sum() / (ground.visible.sum().clamp_min(1.0) * wanted.shape[1])


def auxiliary_layers(layers: Float[Tensor, "K L S S"]) -> Float[Tensor, "K A S S"]:
    """The layers that the classes AUXILIARY stand for."""

    def one(name: str) -> Tensor:
        names = CARRIAGEWAYS if name == "road" else (name,)
        return layers[:, [LAYERS.index(layer) for layer in names]].amax(dim=1)

    return torch.stack([one(name) for name in AUXILIARY], dim=1)


def _look_up(
    layers: Float[Tensor, "K C S S"], cells: Float[Tensor, "B W rows columns 2"]
) -> Float[Tensor, "B W C rows columns"]:
    """Values at places (m from the south-west corner) of the pieces; zero beyond."""
    pieces, channels, side, _ = layers.shape
    count, windows, rows, columns, _ = cells.shape
    grid = (cells * (2 / side) - 1).reshape(pieces, -1, columns, 2)
    found = F.grid_sample(layers, grid, align_corners=False)
    found = found.view(pieces, channels, count // pieces, windows, rows, columns)
    return found.permute(0, 2, 3, 1, 4, 5).reshape(count, windows, channels, rows, columns)


def _between(
    share: Float[Tensor, "B rows columns"], place: Float[Tensor, "B 2"]
) -> Float[Tensor, " B"]:
    """Log of the bilinear interpolation of exp(share) at places in cells."""
    assert share.shape[1:] == (2 * REACH + 1, 2 * REACH + 1)
    first = place.floor().long()
    after = place - first
    batch = torch.arange(len(share), device=share.device)
    corners = [
        share[batch, first[:, 0] + down, first[:, 1] + across]
        + (
            (after[:, 0] if down else 1 - after[:, 0])
            * (after[:, 1] if across else 1 - after[:, 1])
        )
        .clamp_min(1e-9)
        .log()
        for down in (0, 1)
        for across in (0, 1)
    ]
    return torch.logsumexp(torch.stack(corners), dim=0)
