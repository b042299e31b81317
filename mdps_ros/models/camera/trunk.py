"""The image trunk: EfficientNet-Lite0 (Tan and Le 2019; "lite": no squeeze, ReLU6) to stride 16.

Only what the camera model needs of it, in plain torch. Names and numbers of the blocks follow the
published network, so that its ImageNet weights fit (`training.camera_start`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

LOW = ((32, 16, 3, 1, 1), (16, 24, 3, 2, 6), (24, 24, 3, 1, 6))
"""Blocks 0-2 as (in, out, kernel, stride, expansion)."""

HIGH = (
    (24, 40, 5, 2, 6),
    (40, 40, 5, 1, 6),
    (40, 80, 3, 2, 6),
    (80, 80, 3, 1, 6),
    (80, 80, 3, 1, 6),
    (80, 112, 5, 1, 6),
    (112, 112, 5, 1, 6),
    (112, 112, 5, 1, 6),
)
"""Blocks 3-10."""

_STRIDE_8 = 1  # the block of HIGH after which stride 8 is tapped
_EPSILON = 1e-3  # of the batch norms, as published


class Taps(NamedTuple):
    """What the trunk gives of an image of H x W pixels, both multiples of 16."""

    s4: Float[Tensor, "B 24 H/4 W/4"]
    s8: Float[Tensor, "B 40 H/8 W/8"]
    s16: Float[Tensor, "B 112 H/16 W/16"]


class SameConv(nn.Conv2d):
    """A convolution without bias that pads like TensorFlow's SAME on even sizes."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        before = (kernel - stride) // 2
        self.margins = (before, kernel - stride - before)
        """Rows or columns that are padded before and after; after is the larger, by one or none."""

    def forward(self, x: Tensor) -> Tensor:
        """Pad, then convolve."""
        if self.groups > 1 and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            # Gradients of wide filters of single channels take 4 times as long in bfloat16.
            with torch.autocast("cpu", enabled=False):
                return self._convolve(x.float())
        return self._convolve(x)

    def _convolve(self, x: Tensor) -> Tensor:
        before, after = self.margins
        if before == after:
            return F.conv2d(x, self.weight, None, self.stride, before, 1, self.groups)
        padded = F.pad(x, self.margins * 2)
        return F.conv2d(padded, self.weight, None, self.stride, 0, 1, self.groups)


class Block(nn.Module):
    """Inverted bottleneck: expand, filter each channel, project."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = inputs * expansion
        self.skips = stride == 1 and inputs == outputs
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [SameConv(inputs, wide, 1, 1), FixedNorm(wide), nn.ReLU6()]
        layers += [SameConv(wide, wide, kernel, stride, groups=wide), FixedNorm(wide), nn.ReLU6()]
        layers += [SameConv(wide, outputs, 1, 1), FixedNorm(outputs)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Same size divided by the stride."""
        y: Tensor = self.layers(x)
        return x + y if self.skips else y


class FixedNorm(nn.BatchNorm2d):
    """A batch norm that always uses its running statistics, in training too."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=_EPSILON)
        self.eval()

    def train(self, mode: bool = True) -> FixedNorm:
        """Nothing: what an image gives does not depend on the others of its batch."""
        del mode
        return super().train(False)


class TrunkLow(nn.Module):
    """Stem and blocks 0-2: edges and textures, which nobody has to learn again."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, 32, 3, 2), FixedNorm(32), nn.ReLU6())
        self.blocks = nn.Sequential(*(Block(*numbers) for numbers in LOW))

    def forward(self, image: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B 24 H/4 W/4"]:
        """Features of an RGB image at stride 4."""
        x: Tensor = self.blocks(self.stem((image.float() - 127.0) / 128.0))
        return x


class TrunkHigh(nn.Module):
    """Blocks 3-10."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(*numbers) for numbers in HIGH)

    def forward(self, s4: Float[Tensor, "B 24 h w"]) -> Taps:
        """Features at strides 4 (as they came), 8 and 16."""
        x, s8 = s4, s4
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number == _STRIDE_8:
                s8 = x
        return Taps(s4, s8, x)


def input_of(rgb: UInt8[Tensor, "B H W 3"]) -> UInt8[Tensor, "B 3 H W"]:
    """The trunk's input, in the memory order that convolutions like best."""
    return rgb.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
