from __future__ import annotations

import torch
from safetensors import safe_open

from mdps_ros.models.camera.files import bundled_file, load_networks
from mdps_ros.models.camera.networks import CHANNELS, named_parts


def test_the_package_s_weights_fit_the_networks() -> None:
    networks = load_networks()
    assert set(named_parts(networks)) == {"low", "high", "ground", "map", "scale"}
    assert not any(parameter.requires_grad for parameter in networks.parameters())
    assert all(bool(torch.isfinite(value).all()) for value in networks.state_dict().values())


def test_the_package_s_weights_are_small_and_tell_their_making() -> None:
    assert bundled_file().stat().st_size < 20e6
    assert (bundled_file().parent / "README.md").exists()
    with safe_open(bundled_file(), framework="pt") as file:
        facts = file.metadata()
    assert facts["licence"] == "Apache-2.0"
    assert "OpenStreetMap" in facts["data"]
    assert facts["command"].startswith("mdps train config/train/camera")


def test_trained_weights_tell_houses_from_open_ground() -> None:
    networks = load_networks()
    layers = torch.zeros(2, networks.map.layers, 32, 32)
    layers[0, 0] = 1.0  # buildings everywhere
    layers[1, 2] = 1.0  # a minor road everywhere
    house, road = networks.map(layers)[:, :, 16, 16]
    assert house.shape == (CHANNELS,)
    cosine = torch.nn.functional.cosine_similarity(house, road, dim=0)
    assert float(cosine) < 0.5
