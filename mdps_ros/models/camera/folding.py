"""The networks as they are used: batch norms are part of the convolutions before them.

In eval mode a batch norm is a factor and an offset for each channel, which the convolution before
it can apply itself; and a convolution that pads unevenly is one that pads evenly, by a kernel with
one more row and column, of zeros. What comes out is the same to rounding, in half the time.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mdps_ros.models.camera.networks import CameraNetworks
from mdps_ros.models.camera.trunk import SameConv


def folded(networks: CameraNetworks) -> CameraNetworks:
    """A copy that encodes images faster; it cannot be trained or saved any more.

    Args:
        networks: in eval mode; they stay as they are.
    """
    other = copy.deepcopy(networks)
    for part in (other.low, other.high, other.ground):
        _fold(part)
    return other.eval().requires_grad_(False)


def _fold(module: nn.Module) -> None:
    """Folds all chains of layers within a module."""
    for name, part in list(module.named_children()):
        if isinstance(part, nn.Sequential):
            part = nn.Sequential(*_chain(part))
            setattr(module, name, part)
        _fold(part)


def _chain(layers: nn.Sequential) -> Iterator[nn.Module]:
    """The layers without batch norms; what bounds a convolution's result does so in its place."""
    waiting: nn.Conv2d | None = None
    for layer in layers:
        if waiting is not None and isinstance(layer, nn.BatchNorm2d):
            waiting = fuse_conv_bn_eval(waiting, layer)
            continue
        if waiting is not None:
            yield waiting
        after, waiting = waiting is not None, None
        if isinstance(layer, nn.Conv2d):
            waiting = _even(layer) if isinstance(layer, SameConv) else layer
        else:
            yield nn.ReLU6(inplace=True) if after and isinstance(layer, nn.ReLU6) else layer
    if waiting is not None:
        yield waiting


def _even(conv: SameConv) -> nn.Conv2d:
    """A convolution that pads evenly: the row and column that it reads too many meet zeros."""
    before, padding = conv.margins
    missing = padding - before
    weight = F.pad(conv.weight.detach(), (missing, 0, missing, 0))
    even = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        weight.shape[-1],
        conv.stride[0],
        padding,
        groups=conv.groups,
        bias=False,
        device="meta",  # no weights are drawn
    )
    even.weight = nn.Parameter(weight)
    return even.eval()
