"""Tiles on disk: equal features, other ones for other maps and weights, no harm from bad files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mdps_ros.core.mapdata import RasterTile
from mdps_ros.models.camera.feature_tiles import FeatureTiles
from mdps_ros.models.camera.tile_cache import cache_folder
from test.models.test_camera_model import CPU, Town, networks

PLACES = torch.tensor([[0.0, 130.0], [60.0, 100.0]], dtype=torch.float64)


class Undrawn(Town):
    """The town, whose tiles nobody may ask for."""

    def tile(self, column: int, row: int) -> RasterTile:
        raise AssertionError("a tile was drawn")


def features(tiles: Town, cache: Path | None, seed: int = 0) -> torch.Tensor:
    store = FeatureTiles(tiles, networks(seed).map, 64.0, CPU, cache)
    assert store.hold(PLACES, 20.0)
    poses = torch.nn.functional.pad(PLACES, (0, 1))
    return store.at(store.rows_at(poses, torch.tensor([[0.0, 0.0], [7.0, -9.0]])))


def test_a_second_start_encodes_nothing(tmp_path: Path) -> None:
    first = features(Town(), tmp_path)
    assert torch.equal(first, features(Town(), None))
    assert torch.equal(features(Undrawn(), tmp_path), first)
    with pytest.raises(AssertionError, match="drawn"):
        features(Undrawn(), None)


def test_other_maps_and_other_weights_are_other_folders(tmp_path: Path) -> None:
    class Other(Town):
        id = "other"

    encoder = networks().map
    folders = {
        cache_folder(tmp_path, Town(), encoder, "a"),
        cache_folder(tmp_path, Town(), encoder, "b"),
        cache_folder(tmp_path, Other(), encoder, "a"),
        cache_folder(tmp_path, Town(), networks(1).map, "a"),
    }
    assert len(folders) == 4
    assert cache_folder(tmp_path, Town(), networks().map, "a") in folders


def test_half_a_file_is_encoded_again(tmp_path: Path) -> None:
    first = features(Town(), tmp_path)
    files = sorted(tmp_path.rglob("*.f16"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:1000])
    assert torch.equal(features(Town(), tmp_path), first)
    assert all(file.stat().st_size > 1000 for file in files)


def test_a_disk_that_takes_nothing_does_no_harm(tmp_path: Path) -> None:
    wall = tmp_path / "file"
    wall.write_text("not a folder")
    assert torch.equal(features(Town(), wall), features(Town(), None))
