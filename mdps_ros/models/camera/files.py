"""The camera's networks as files: the package's own, and those that `mdps train` writes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import torch

from mdps_ros.models.camera.networks import CameraNetworks, named_parts
from mdps_ros.models.weights import load_weights, save_weights

FILE = "camera/weights/camera.safetensors"


def bundled_file() -> Path:
    """The weights that come with the package."""
    return Path(str(resources.files("mdps_ros.models"))) / FILE


def load_networks(path: str | Path = "") -> CameraNetworks:
    """Networks from a file, in eval mode, without gradients.

    Args:
        path: file of `mdps train` or `halve`; the package's own where empty.

    Raises:
        WeightsError: the file cannot be read or holds other networks.
    """
    networks = CameraNetworks()
    load_weights(Path(path) if path else bundled_file(), named_parts(networks))
    return networks.eval().requires_grad_(False)


def save_half(path: Path, networks: CameraNetworks, metadata: Mapping[str, str]) -> None:
    """Write the weights with convolutions in float16, half as large and as good.

    Args:
        path: file to write, *.safetensors.
        networks: keep their own precision.
        metadata: facts of their making.
    """
    half = CameraNetworks()
    half.load_state_dict(networks.state_dict())
    for part in half.modules():
        if isinstance(part, torch.nn.Conv2d):
            part.half()
    save_weights(path, named_parts(half), metadata)


def halve(source: Path, target: Path) -> None:
    """Turn a file of `mdps train` to one with convolutions in float16, as the package ships.

    Raises:
        WeightsError: the source cannot be read or holds other networks.
    """
    networks = CameraNetworks()
    metadata = load_weights(source, named_parts(networks))
    save_half(target, networks, metadata)
