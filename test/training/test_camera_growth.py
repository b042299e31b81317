"""Networks that have grown go on from the weights of smaller ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mdps_ros.models.camera.geometry import HEIGHT, WIDTH
from mdps_ros.models.camera.networks import CameraNetworks, named_parts
from mdps_ros.models.weights import WeightsError, save_weights
from mdps_ros.training.camera_start import load_start

BLOCKS = ("ground.refine", "ground.cells.3", "ground.lift.refine", "map.refine.1", "map.refine.3")


def networks(seed: int) -> CameraNetworks:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return CameraNetworks().eval()


def file_without(path: Path, net: CameraNetworks, names: tuple[str, ...]) -> Path:
    save_weights(path, named_parts(net), {})
    kept = {k: v for k, v in load_file(path).items() if not k.startswith(names)}
    save_file(kept, path)
    return path


def outputs(net: CameraNetworks) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    rgb = torch.randint(0, 256, (1, HEIGHT, WIDTH, 3), generator=generator, dtype=torch.uint8)
    ground = net.encode_image(rgb, torch.ones(1, HEIGHT, WIDTH, dtype=torch.bool))
    layers = torch.rand((1, net.map.layers, 24, 24), generator=generator)
    return ground.features, net.map(layers)


def test_new_blocks_change_nothing_at_first(tmp_path: Path) -> None:
    small, grown = networks(1), networks(2)
    file = file_without(tmp_path / "small.safetensors", small, BLOCKS)
    load_start(file, named_parts(grown))
    small.ground.refine = nn.Identity()  # type: ignore[assignment]
    small.ground.lift.refine = nn.Identity()  # type: ignore[assignment]
    small.ground.cells[3], small.map.refine[1] = nn.Identity(), nn.Identity()
    small.map.refine[3] = nn.Identity()
    with torch.no_grad():
        for ours, theirs in zip(outputs(grown), outputs(small), strict=True):
            torch.testing.assert_close(ours, theirs)
            assert float(ours.abs().sum()) > 0.0


def test_new_blocks_learn(tmp_path: Path) -> None:
    grown = networks(2)
    load_start(file_without(tmp_path / "w.safetensors", networks(1), BLOCKS), named_parts(grown))
    sum(part.square().sum() for part in outputs(grown)).backward()  # type: ignore[union-attr]
    for name in BLOCKS:
        gradient = grown.get_parameter(f"{name}.layers.4.weight").grad
        assert gradient is not None
        assert float(gradient.abs().sum()) > 0.0


def test_what_was_learned_of_a_block_stays(tmp_path: Path) -> None:
    whole, other = networks(1), networks(2)
    load_start(file_without(tmp_path / "w.safetensors", whole, ()), named_parts(other))
    with torch.no_grad():
        for ours, theirs in zip(outputs(other), outputs(whole), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("missing", ["ground.merge", "ground.cells.3.layers.0", "map.head"])
def test_other_networks_are_no_start(tmp_path: Path, missing: str) -> None:
    file = file_without(tmp_path / "w.safetensors", networks(1), (missing,))
    with pytest.raises(WeightsError, match="lacks"):
        load_start(file, named_parts(networks(2)))
