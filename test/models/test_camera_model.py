from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mdps_ros.core.mapdata import LAYERS, Bounds, RasterTile
from mdps_ros.models.camera import model as model_module
from mdps_ros.models.camera.feature_tiles import SIDE, FeatureTiles
from mdps_ros.models.camera.files import halve, load_networks
from mdps_ros.models.camera.geometry import FOCAL, HEIGHT, WIDTH
from mdps_ros.models.camera.look import CameraLook, thin
from mdps_ros.models.camera.model import CameraModel
from mdps_ros.models.camera.networks import CameraNetworks, MapEncoder, named_parts
from mdps_ros.models.camera.raster import LEVELS, metre_layers
from mdps_ros.models.weights import WeightsError, load_weights, save_weights
from mdps_ros.settings import CameraSettings

CPU = torch.device("cpu")
INTRINSICS = (FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)


class Town:
    """A made-up map of blocks, larger than a few feature tiles."""

    id = "town"
    bounds = Bounds(-130.0, 40.0, 110.0, 220.0)
    tile_size = 64.0
    resolution = 0.5

    def tile(self, column: int, row: int) -> RasterTile:
        x = self.bounds.min_x + 64.0 * column
        y = self.bounds.min_y + 64.0 * row
        east = x + 0.25 + 0.5 * np.arange(128)
        north = (y + 0.25 + 0.5 * np.arange(128))[:, None]
        layers = np.zeros((len(LAYERS), 128, 128), np.uint8)
        inside = (
            (east >= self.bounds.min_x)
            & (east <= self.bounds.max_x)
            & (north >= self.bounds.min_y)
            & (north <= self.bounds.max_y)
        )
        for number in range(len(LAYERS)):
            wave = np.sin(0.13 * (number + 2) * east + number) * np.cos(0.11 * north - number)
            layers[number] = (wave > 0.5) & inside
        return RasterTile(layers, (x, y), 0.5)


def networks(seed: int = 0) -> CameraNetworks:
    torch.manual_seed(seed)
    return CameraNetworks().eval().requires_grad_(False)


def model(net: CameraNetworks, **settings: float) -> CameraModel:
    return CameraModel(Town(), CameraSettings(**settings), CPU, net)  # type: ignore[arg-type]


def ahead(height: float = 1.6) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    T[:3, 3] = (1.5, 0.2, height)
    return T


def image(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def cloud(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    spread = torch.tensor([90.0, 60.0, 6.0], dtype=torch.float64)
    middle = torch.tensor([-10.0, 130.0, 0.3], dtype=torch.float64)
    draw = torch.rand(1, count, 3, generator=generator, dtype=torch.float64) - 0.5
    return middle + draw * spread


def whole_map(net: CameraNetworks) -> tuple[torch.Tensor, tuple[float, float]]:
    """Features (rows, columns, C) of half-metre cells, and the corner, encoded in one go."""
    margin = 96.0
    box = Town.bounds
    window = Bounds(box.min_x - margin, box.min_y - margin, box.max_x + margin, box.max_y + margin)
    layers = torch.from_numpy(metre_layers(Town(), window))[None].float() / LEVELS
    fine = torch.nn.functional.interpolate(
        net.map(layers), scale_factor=2, mode="bilinear", align_corners=False
    )
    return fine[0].permute(1, 2, 0), (window.min_x, window.min_y)


def brute_force(
    features: torch.Tensor,
    corner: tuple[float, float],
    look: CameraLook,
    pose: torch.Tensor,
    side: float,
) -> float:
    """The score of one pose, cell by cell; `side` -1 swaps left and right."""
    x, y, yaw = pose.tolist()
    total = 0.0
    for (forward, left), own in zip(look.cells.tolist(), look.features, strict=True):
        east = x + forward * math.cos(yaw) - side * left * math.sin(yaw)
        north = y + forward * math.sin(yaw) + side * left * math.cos(yaw)
        row, column = int((north - corner[1]) * 2), int((east - corner[0]) * 2)
        total += float(own @ features[row, column])
    return total


def check_score(side: float) -> None:
    net = networks()
    found = model(net, cells=20_000)
    look = found.bind(image(), INTRINSICS, ahead())
    assert look is not None
    poses = cloud(6)
    scores = found.log_likelihood(poses, look)
    assert scores is not None
    assert scores.shape == (1, 6)
    whole = whole_map(net)
    wanted = torch.tensor([brute_force(*whole, look, pose, side) for pose in poses[0]])
    spread = float(wanted.std())
    assert (scores[0] - wanted).abs().max() < 0.02 * spread


def test_the_score_is_the_sum_over_cells() -> None:
    check_score(1.0)


def test_a_wrong_sign_of_the_lateral_axis_is_seen() -> None:
    with pytest.raises(AssertionError):
        check_score(-1.0)


def test_tiles_join_without_seams() -> None:
    net = networks()
    store = FeatureTiles(Town(), net.map, 64.0, CPU)
    features, corner = whole_map(net)
    # Points on a lattice that crosses borders of tiles, on the map and beside it.
    east = torch.arange(-190.25, 170.0, 3.5, dtype=torch.float64)
    north = torch.arange(-10.25, 270.0, 2.5, dtype=torch.float64)
    x, y = (axis.flatten() for axis in torch.meshgrid(east, north, indexing="ij"))
    poses = torch.stack([x, y, torch.zeros_like(x)], dim=1)
    assert store.hold(poses[:, :2], 1.0)
    assert store.held > 12
    found = store.at(store.rows_at(poses, torch.zeros(1, 2)))[:, 0].float()
    wanted = features[((y - corner[1]) * 2).long(), ((x - corner[0]) * 2).long()]
    scale = float(wanted.abs().max())
    # float16 has 11 bits.
    assert (found - wanted).abs().max() < 1e-3 * scale
    assert SIDE == 64


def test_a_window_has_the_cells_that_are_read_one_by_one() -> None:
    """Across borders of tiles, and at a corner of the map far into the empty ground about it."""
    store = FeatureTiles(Town(), networks().map, 64.0, CPU)
    for low, high in (([-40.0, 90.3], [70.7, 150.0]), ([-420.0, -250.0], [-150.0, 40.0])):
        box = torch.tensor([low, high], dtype=torch.float64)
        assert store.hold_box(*box)
        features, corner = store.window(*box)
        _, rows, columns = features.shape
        x = corner[0] + (torch.arange(columns) + 0.5) / 2
        y = corner[1] + (torch.arange(rows) + 0.5) / 2
        assert (corner <= box[0]).all()
        assert (torch.stack((x[-1], y[-1])) >= box[1]).all()
        north, east = torch.meshgrid(y, x, indexing="ij")
        poses = torch.stack((east, north, torch.zeros_like(east)), -1).view(-1, 3)
        wanted = store.at(store.rows_at(poses, torch.zeros(1, 2)))[:, 0].float()
        assert torch.equal(features.permute(1, 2, 0).reshape(wanted.shape), wanted)
        within = poses[::7].clone()
        within[:, 2] = torch.linspace(-4.0, 4.0, len(within))
        cells = torch.tensor([[0.0, 0.0], [0.3, -0.2]])
        found = store.in_patch(store.patch(*(box + torch.tensor([[-1.0], [1.0]]))), within, cells)
        assert torch.equal(found, store.at(store.rows_at(within, cells)))


def test_a_cloud_in_one_place_is_scored_as_if_it_were_not(monkeypatch: pytest.MonkeyPatch) -> None:
    one = model(networks(), volume=False)
    look = one.bind(image(), INTRINSICS, ahead())
    assert look is not None
    near = cloud(300) * torch.tensor([0.05, 0.05, 1.0])
    by_patch = one.log_likelihood(near, look)
    monkeypatch.setattr(model_module, "LARGEST_PATCH", 0)
    one_by_one = one.log_likelihood(near, look)
    assert by_patch is not None
    assert one_by_one is not None
    assert torch.equal(by_patch, one_by_one)


def test_a_box_holds_the_tiles_that_its_places_hold() -> None:
    boxed, placed = (FeatureTiles(Town(), networks().map, 64.0, CPU) for _ in range(2))
    low, high = torch.tensor([[-300.0, 100.0], [70.0, 190.0]], dtype=torch.float64)
    steps = torch.linspace(0.0, 1.0, 40, dtype=torch.float64)
    x, y = torch.meshgrid(*(low + steps[:, None] * (high - low)).T, indexing="ij")
    assert boxed.hold_box(low, high)
    assert placed.hold(torch.stack((x, y), -1).view(-1, 2), 0.0)
    assert boxed.held == placed.held > 4
    small = FeatureTiles(Town(), networks().map, 0.5, CPU)
    assert not small.hold_box(low, high)
    assert small.held == 0


def test_what_was_asked_before_changes_nothing() -> None:
    net = networks()
    one, two = model(net), model(net, tile_memory=4.0)
    look = one.bind(image(), INTRINSICS, ahead())
    assert look is not None
    near = cloud(50) * torch.tensor([0.1, 0.1, 1.0]) + torch.tensor([50.0, 150.0, 0.0])
    far = near - torch.tensor([120.0, 60.0, 0.0])
    first = one.log_likelihood(near, look)
    assert first is not None
    for poses in (near, far, near, far):
        assert two.log_likelihood(poses, look) is not None
    again = two.log_likelihood(near, look)
    assert again is not None
    assert torch.equal(first, again)


def test_scores_do_not_depend_on_rests_in_which_others_drive_out_the_tiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = networks()
    one, two = model(net, volume=False), model(net, volume=False)
    look = one.bind(image(), INTRINSICS, ahead())
    assert look is not None
    near = cloud(500) * torch.tensor([0.1, 0.1, 1.0]) + torch.tensor([50.0, 150.0, 0.0])
    far = near[:, :9] - torch.tensor([120.0, 60.0, 0.0])
    rests = []

    def rest() -> bool:
        rests.append(two.log_likelihood(far, look))
        return True

    monkeypatch.setattr(model_module, "CHUNK", 20 * len(look.thinned(500).cells))
    monkeypatch.setattr(model_module, "PIECE", 8)
    monkeypatch.setattr(model_module, "LARGEST_PATCH", 0)  # which would be a copy of its own
    whole = one.log_likelihood(near, look)
    two._store.capacity = one._store.held  # no more than the cloud needs
    found = two.log_likelihood(near, look, rest)
    assert whole is not None
    assert found is not None
    assert torch.equal(found, whole)
    assert len(rests) > 2
    assert None not in rests


def test_a_cloud_that_is_too_wide_is_refused() -> None:
    small = model(networks(), tile_memory=1.0)
    look = small.bind(image(), INTRINSICS, ahead())
    assert look is not None
    assert small.log_likelihood(cloud(200), look) is None


def test_thinned_cells_stand_for_all() -> None:
    net = load_networks()
    dense, thinned = model(net, cells=20_000), model(net, cells=500)
    look = dense.bind(image(), INTRINSICS, ahead())
    assert look is not None
    poses = cloud(400)
    full, part = dense.log_likelihood(poses, look), thinned.log_likelihood(poses, look)
    assert full is not None
    assert part is not None
    error = (part - part.mean()) - (full - full.mean())
    # Measured 0.12 of the score's own spread; random networks, whose features vary more from
    # cell to cell, have 0.18 to 0.48.
    assert float(error.std()) < 0.25 * float(full.std())
    kept, _ = thin(look.cells, look.features, 500)
    assert 450 < len(kept) <= 510


def test_a_look_keeps_the_cells_that_its_model_will_ask_for() -> None:
    bound = model(networks(), cells=300, volume=False)
    look = bound.bind(image(), INTRINSICS, ahead())
    assert look is not None
    assert look.thinned(300) is look.few
    anew, poses = look._replace(few=None), cloud(50)
    for asked in (300, 200):
        for one, other in zip(look.thinned(asked), anew.thinned(asked), strict=True):
            assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))
    found, wanted = bound.log_likelihood(poses, look), bound.log_likelihood(poses, anew)
    assert found is not None
    assert wanted is not None
    assert torch.equal(found, wanted)


def test_thinning_is_right_on_average_over_constant_maps() -> None:
    generator = torch.Generator().manual_seed(3)
    features = torch.rand(1000, 8, generator=generator) + 0.1
    cells = torch.rand(1000, 2, generator=generator)
    _, kept = thin(cells, features, 200)
    torch.testing.assert_close(kept.sum(0), features.sum(0), rtol=0.1, atol=0.0)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(
            (kept / kept.norm(dim=1, keepdim=True)).sum(0), features.sum(0), rtol=0.1, atol=0.0
        )


def test_a_look_costs_the_same_cells_however_often_it_is_asked() -> None:
    found = model(networks())
    look = found.bind(image(), INTRINSICS, ahead())
    assert look is not None
    one, two = found.log_likelihood(cloud(30), look), found.log_likelihood(cloud(30), look)
    assert one is not None
    assert two is not None
    assert torch.equal(one, two)


def test_half_precision_weights_come_back(tmp_path: Path) -> None:
    net = networks(1)
    whole, file = tmp_path / "whole.safetensors", tmp_path / "camera.safetensors"
    save_weights(whole, named_parts(net), {"seed": "1"})
    halve(whole, file)
    assert file.stat().st_size < 0.6 * whole.stat().st_size
    assert load_weights(file, named_parts(networks(2))) == {"seed": "1"}
    back = load_networks(file)
    assert not back.training
    for name, value in net.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_weights_of_other_networks_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "map.safetensors"
    save_weights(file, {"map": MapEncoder()}, {})
    with pytest.raises(WeightsError, match="lacks"):
        load_networks(file)
