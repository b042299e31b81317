"""The learned parts: image features to ground features, map to features, and the score's scale."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from mdps_ros.core.mapdata import LAYERS
from mdps_ros.models.camera.geometry import HEIGHT, STRIDE
from mdps_ros.models.camera.lift import ColumnLift, RaysToCells, Residual, conv
from mdps_ros.models.camera.trunk import Taps, TrunkHigh, TrunkLow, input_of

CHANNELS = 8  # of the features that image and map are compared by
AUXILIARY = ("building", "road", "pavement", "tram", "grass", "tree")
"""What the ground features must be able to tell of the true map; "road" is any carriageway."""

_WIDTH = 48  # of the image features before the lift
_CELL = 32  # of the features at the cells
_TYPICAL = 800.0  # sum over the cells of the features' lengths


class Ground(NamedTuple):
    """What an image says about the ground before the camera.

    Attributes:
        features: weighted by confidence; zero where nothing is seen.
        classes: logits of AUXILIARY.
        visible: 1 where the cell lies in the view.
    """

    features: Float[Tensor, "B C Z X"]
    classes: Float[Tensor, "B K Z X"]
    visible: Float[Tensor, "B 1 Z X"]


class GroundEncoder(nn.Module):
    """Image features to features of ground cells."""

    def __init__(self) -> None:
        super().__init__()
        self.from_s4 = nn.Conv2d(24, _WIDTH, 3, 2, 1)
        self.from_s8 = nn.Conv2d(40, _WIDTH, 1)
        self.from_s16 = nn.Conv2d(112, _WIDTH, 1)
        self.merge = conv(_WIDTH, _WIDTH)
        self.refine = Residual(_WIDTH)
        self.lift = ColumnLift(_WIDTH, 256, _CELL, HEIGHT // STRIDE)
        self.to_cells = RaysToCells()
        self.cells = nn.Sequential(*(Residual(_CELL, dilation) for dilation in (1, 2, 1, 4, 1)))
        self.head = nn.Conv2d(_CELL, CHANNELS + 1, 1)
        self.classes = nn.Conv2d(_CELL, len(AUXILIARY), 1)

    def forward(self, taps: Taps, mask: Bool[Tensor, "B H W"]) -> Ground:
        """Ground features of images.

        Args:
            taps: of the trunk.
            mask: true where the canonical image holds something.
        """
        s4 = self.from_s4(taps.s4)
        size = s4.shape[-2:]
        x = s4 + _enlarge(self.from_s8(taps.s8), size) + _enlarge(self.from_s16(taps.s16), size)
        seen = F.interpolate(mask[:, None].float(), size=size, mode="area")
        x = self.refine(self.merge(F.relu(x) * seen))
        visible = self.to_cells.visible(mask)
        cells = self.cells(self.to_cells(self.lift(x)) * visible)
        head = self.head(cells)
        confidence = torch.sigmoid(head[:, CHANNELS:])
        return Ground(head[:, :CHANNELS] * confidence * visible, self.classes(cells), visible)


class MapEncoder(nn.Module):
    """Map layers averaged to 1 m cells to features, cell by cell."""

    layers = len(LAYERS)

    def __init__(self) -> None:
        super().__init__()
        self.fine = conv(self.layers, 24)
        self.coarse = nn.Sequential(conv(24, 32, 3, 2), Residual(32), Residual(32, 2))
        self.refine = nn.Sequential(Residual(32), Residual(32, 2), Residual(32, 4), Residual(32))
        self.head = nn.Sequential(conv(56, 32, 1), nn.Conv2d(32, CHANNELS, 3, 1, 1))

    def forward(self, layers: Float[Tensor, "B L rows columns"]) -> Float[Tensor, "B C r c"]:
        """Features of cells; rows and columns are even, r and c the same."""
        fine = self.fine(layers)
        coarse = _enlarge(self.coarse(fine), fine.shape[-2:])
        mix, choose = self.head
        features: Tensor = choose(self.refine(mix(torch.cat([fine, coarse], dim=1))))
        return features


class Scale(nn.Module):
    """The factor of each image that makes its inner product a log-likelihood.

    A power of the image's total evidence: the errors of a map reach over many cells, so twice the
    evidence is not twice as sure.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_factor = nn.Parameter(torch.tensor(-3.9))
        self.slope = nn.Parameter(torch.tensor(0.0))

    def forward(self, features: Float[Tensor, "B C Z X"]) -> Float[Tensor, " B"]:
        """The factors of images with these ground features."""
        total = features.float().norm(dim=1).sum(dim=(1, 2))
        return (self.log_factor + self.slope * torch.log(total / _TYPICAL + 0.01)).exp()


class CameraNetworks(nn.Module):
    """All parts of the camera model."""

    def __init__(self) -> None:
        super().__init__()
        self.low = TrunkLow()
        self.high = TrunkHigh()
        self.ground = GroundEncoder()
        self.map = MapEncoder()
        self.scale = Scale()

    def encode_image(self, rgb: UInt8[Tensor, "B H W 3"], mask: Bool[Tensor, "B H W"]) -> Ground:
        """Ground features of canonical images."""
        ground: Ground = self.ground(self.high(self.low(input_of(rgb))), mask)
        return ground


def named_parts(networks: CameraNetworks) -> dict[str, nn.Module]:
    """The parts by the names of recipes and of weights files."""
    return dict(networks.named_children())


def _enlarge(x: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
