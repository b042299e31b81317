"""Networks with batch norms folded into convolutions against the networks as they were trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mdps_ros.models.camera.files import load_networks
from mdps_ros.models.camera.folding import folded
from mdps_ros.models.camera.geometry import HEIGHT, WIDTH
from mdps_ros.models.camera.networks import CameraNetworks

ERROR = 1e-5
"""Stated error of the features, over their largest; measured 2.4e-6."""


def restless(seed: int) -> CameraNetworks:
    """Networks whose batch norms are far from doing nothing."""
    torch.manual_seed(seed)
    networks = CameraNetworks()
    for part in networks.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values in (part.running_mean, part.bias):
                nn.init.normal_(values, std=0.2)
            for values in (part.running_var, part.weight):
                nn.init.uniform_(values, 0.5, 1.5)
    return networks.eval()


def check(wanted: CameraNetworks, found: CameraNetworks) -> None:
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randint(0, 256, (2, HEIGHT, WIDTH, 3), generator=generator, dtype=torch.uint8)
    mask = torch.ones(2, HEIGHT, WIDTH, dtype=torch.bool)
    mask[1, :, :100] = False
    with torch.no_grad():
        for one, other in zip(
            wanted.encode_image(rgb, mask), found.encode_image(rgb, mask), strict=True
        ):
            assert (one - other).abs().max() < ERROR * one.abs().max()
        for number in range(2):  # and the trunk alone, where images have edges
            s4 = (networks.low(rgb.permute(0, 3, 1, 2)) for networks in (wanted, found))
            one, other = (
                networks.high(x)[number + 1]
                for networks, x in zip((wanted, found), s4, strict=True)
            )
            assert (one - other).abs().max() < ERROR * one.abs().max()


@pytest.mark.parametrize("seed", [None, 1])
def test_folded_networks_give_the_same_features(seed: int | None) -> None:
    networks = load_networks() if seed is None else restless(seed)
    fast = folded(networks)
    check(networks, fast)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in fast.ground.modules())
    assert any(isinstance(part, nn.BatchNorm2d) for part in networks.ground.modules())


def test_a_kernel_that_reads_one_pixel_beside_is_seen() -> None:
    networks = restless(2)
    fast = folded(networks)
    stem = fast.low.stem[0]
    assert isinstance(stem, nn.Conv2d)
    assert stem.weight.shape[-1] == 4
    stem.weight.data = stem.weight.roll(-1, -1)
    with pytest.raises(AssertionError):
        check(networks, fast)


def test_the_map_s_features_stay_bit_for_bit() -> None:
    networks = restless(3)
    layers = torch.rand(1, networks.map.layers, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(networks.map(layers), folded(networks).map(layers))
