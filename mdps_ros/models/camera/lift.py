"""From image features to the ground plane: columns to rays, rays to cells."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from mdps_ros.models.camera.geometry import (
    DEPTHS,
    HEIGHT,
    WIDTH,
    cell_columns,
)


def conv(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int] = 3,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | None = None,
) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    if padding is None:
        assert isinstance(kernel, int)
        padding = kernel // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, channels: int, dilation: int = 1, rows: int = 3) -> None:
        """Kernels of `rows` x 3; the first one's lie apart by `dilation`."""
        super().__init__()
        kernel, margin = (rows, 3), (rows // 2, 1)
        apart = (margin[0] * dilation, margin[1] * dilation)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, 1, apart, dilation, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, kernel, 1, margin, bias=False),
            nn.BatchNorm2d(channels),
        )

    def begin_as_identity(self) -> None:
        """Hand on what comes in, as long as nothing else was learned; it must not be negative."""
        norm = self.layers[-1]
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.zeros_(norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        return F.relu(x + self.layers(x))


class ColumnLift(nn.Module):
    """Each image column, with its neighbours, becomes features at all depths along its ray.

    As in Roddick and Cipolla (2020): a column is squeezed to one vector, which is unfolded into
    depths. The canonical view makes rows mean the same in every image.
    """

    def __init__(self, inputs: int, wide: int, outputs: int, rows: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.layers = nn.Sequential(
            conv(inputs, wide, (rows, 1), padding=0),
            conv(wide, wide, (1, 3), padding=(0, 1)),
            nn.Conv2d(wide, DEPTHS * outputs, 1),
        )
        self.refine = Residual(wide, rows=1)

    def forward(self, x: Float[Tensor, "B C rows U"]) -> Float[Tensor, "B D Z U"]:
        """Features along the rays, depth 1 .. DEPTHS metres."""
        squeeze, neighbours, unfold = self.layers
        y: Tensor = unfold(self.refine(neighbours(squeeze(x))))[:, :, 0]
        return y.reshape(len(y), self.outputs, DEPTHS, y.shape[-1])


class RaysToCells(nn.Module):
    """Reads polar features (depth, image column) at the ground cells."""

    grid: Tensor
    columns: Tensor

    def __init__(self) -> None:
        super().__init__()
        column = cell_columns()
        across = (column + 0.5) / WIDTH * 2 - 1
        rows = torch.arange(DEPTHS) + 0.5
        along = (rows / DEPTHS * 2 - 1)[:, None].expand_as(across)
        self.register_buffer("grid", torch.stack([across, along], -1)[None], persistent=False)
        self.register_buffer("columns", column, persistent=False)

    def forward(self, rays: Float[Tensor, "B D Z U"]) -> Float[Tensor, "B D Z X"]:
        """Features at the cells; those beside the view take its edge's."""
        grid = self.grid.expand(len(rays), -1, -1, -1)
        return F.grid_sample(rays.float(), grid, align_corners=False, padding_mode="border")

    def visible(self, mask: Bool[Tensor, "B H W"]) -> Float[Tensor, "B 1 Z X"]:
        """1 where the picture has a cell's column, at the horizon where all depths meet."""
        row = mask[:, HEIGHT // 2]
        column = self.columns.round().long()
        inside = (column >= 0) & (column < WIDTH)
        return (row[:, column.clamp(0, WIDTH - 1)] & inside)[:, None].float()
