from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from mdps_ros.core.mapdata import Bounds
from mdps_ros.models import depth as depth_module
from mdps_ros.models.depth import DepthModel, thin
from mdps_ros.models.depth_cells import CLASSES, ROAD_BINS, ROAD_ONLY
from mdps_ros.models.depth_points import DepthScan
from mdps_ros.models.depth_table import (
    DepthTable,
    bundled_table,
    load_table,
    parse_table,
    table_text,
)
from mdps_ros.settings import DepthSettings
from test.models.depth_worlds import INTRINSICS, SHAPE, DrawnTiles, mounted, seen

CPU = torch.device("cpu")
CAMERA = mounted(1.5, 1.6)
YAWS = [-math.pi, -3 * math.pi / 4, -math.pi / 2, -0.4, 0.0, 0.9, math.pi / 2, math.pi]


def sharp_table() -> DepthTable:
    """Obstacles belong to walls and free ground outside of buildings; all else is against it."""
    obstacle, free = np.full(CLASSES, -1.0), np.zeros(CLASSES)
    obstacle[2 * ROAD_BINS : 3 * ROAD_BINS] = 1.0
    free[: 2 * ROAD_BINS] = -1.0
    return DepthTable(tuple(obstacle.tolist()), tuple(free.tolist()), {})


def bare(x, y):
    return np.zeros(x.shape, bool)


class Corner:
    """Two walls that meet ahead and on the left of a pose: nothing about it is symmetric."""

    def __init__(self, pose) -> None:
        self.pose = pose

    def __call__(self, x, y):
        cos, sin = math.cos(self.pose[2]), math.sin(self.pose[2])
        forward = cos * (x - self.pose[0]) + sin * (y - self.pose[1])
        left = -sin * (x - self.pose[0]) + cos * (y - self.pose[1])
        ahead = (forward > 14) & (forward < 16) & (left > -12) & (left < 8)
        return ahead | ((left > 6) & (left < 8) & (forward > -5) & (forward < 16))


def model_of(solid, table=None, **settings) -> DepthModel:
    tiles = DrawnTiles({"building": solid, "road_minor": lambda x, y: np.abs(y + 90) < 3})
    return DepthModel(tiles, DepthSettings(**settings), CPU, table or sharp_table())


def scan_at(model, solid, pose, camera=CAMERA) -> DepthScan:
    scan = model.bind(seen(solid, pose, camera), INTRINSICS, camera)
    assert scan is not None
    return scan


def around(pose, axis, values):
    """(1, V, 3) poses displaced along a body axis: 0 forward, 1 left, 2 yaw."""
    poses = np.repeat(np.asarray(pose)[None], len(values), axis=0)
    if axis == 2:
        poses[:, 2] += values
    else:
        yaw = pose[2] + axis * math.pi / 2
        poses[:, :2] += np.outer(values, [math.cos(yaw), math.sin(yaw)])
    return torch.from_numpy(poses)[None].float()


def middle_of_best(score, values):
    best = score >= score.max() - 1e-4
    return float(values[best.numpy()].mean())


@pytest.mark.parametrize("yaw", YAWS)
def test_the_score_peaks_at_the_true_pose_to_half_a_cell(yaw) -> None:
    pose = np.array([3.2, -4.9, yaw])
    corner = Corner(pose)
    model = model_of(corner)
    scan = scan_at(model, corner, pose)
    for axis, values, allowed in (
        (0, np.arange(-4, 4.01, 0.1), 0.45),
        (1, np.arange(-4, 4.01, 0.1), 0.45),
        (2, np.radians(np.arange(-25, 25.1, 0.5)), math.radians(2.0)),
    ):
        score = model.log_likelihood(around(pose, axis, values), scan)
        assert score is not None
        assert abs(middle_of_best(score[0], values)) <= allowed, axis
        assert score[0, 0] < score.max() - 10
        assert score[0, -1] < score.max() - 10


def mirrored(scan: DepthScan) -> DepthScan:
    flip = torch.tensor([1.0, -1.0])
    return scan._replace(obstacles=scan.obstacles * flip, free=scan.free * flip)


def test_left_is_not_right() -> None:
    pose = np.array([3.2, -4.9, 2.6])
    corner = Corner(pose)
    model = model_of(corner)
    scan = scan_at(model, corner, pose)
    true = model.log_likelihood(around(pose, 0, np.zeros(1)), scan)
    wrong = model.log_likelihood(around(pose, 0, np.zeros(1)), mirrored(scan))
    assert true is not None
    assert wrong is not None
    assert true.item() > wrong.item() + 20


def test_yaw_counts_modulo_a_turn() -> None:
    pose = np.array([3.2, -4.9, 2.6])
    corner = Corner(pose)
    model = model_of(corner)
    scan = scan_at(model, corner, pose)
    turns = around(pose, 2, np.array([0.0, 2 * math.pi, -2 * math.pi]))
    score = model.log_likelihood(turns, scan)
    assert score is not None
    assert (score - score[0, 0]).abs().max() <= 4  # float32 moves a few points over a border


def test_without_the_extrinsics_the_peak_moves() -> None:
    pose = np.array([3.2, -4.9, 0.7])
    corner = Corner(pose)
    model = model_of(corner)
    turned = mounted(1.5, 1.6, yaw=math.radians(20))
    image = seen(corner, pose, turned)
    values = np.radians(np.arange(-30, 30.1, 1.0))
    peaks = []
    for camera in (turned, CAMERA):
        scan = model.bind(image, INTRINSICS, camera)
        assert scan is not None
        score = model.log_likelihood(around(pose, 2, values), scan)
        assert score is not None
        peaks.append(math.degrees(middle_of_best(score[0], values)))
    assert abs(peaks[0]) <= 2
    assert abs(peaks[1]) > 10


def test_an_empty_image_binds_to_none() -> None:
    assert model_of(bare).bind(np.full(SHAPE, np.nan, np.float32), INTRINSICS, CAMERA) is None


def test_poses_outside_of_the_map_score_finite() -> None:
    pose = np.array([3.2, -4.9, 0.7])
    corner = Corner(pose)
    model = model_of(corner, bundled_table())
    scan = scan_at(model, corner, pose)
    poses = torch.tensor([[[1e4, 0.0, 0.0], [-99.9, 99.9, 1.0], [-1e7, 1e7, 9.0]]])
    score = model.log_likelihood(poses, scan)
    assert score is not None
    assert score.isfinite().all()
    assert score[0, 0] == 0


def test_a_cloud_too_wide_for_the_memory_gives_none() -> None:
    bounds = Bounds(0.0, 0.0, 3000.0, 3000.0)
    tiles = DrawnTiles({"building": bare}, bounds=bounds, tile_size=128.0)
    model = DepthModel(tiles, DepthSettings(tile_memory=1.0), CPU, sharp_table())
    free = torch.tensor([[5.0, 0.0], [9.0, 1.0]])
    scan = DepthScan(torch.zeros(0, 2), free, 0, 2, 9.1)
    spread = torch.rand(1, 400, 3, generator=torch.Generator().manual_seed(1)) * 3000
    assert model.log_likelihood(spread, scan) is None
    assert model.log_likelihood(spread * 0.02, scan) is not None


def test_scores_do_not_depend_on_rests_in_which_others_drive_out_the_tiles(monkeypatch) -> None:
    pose = np.array([3.2, -4.9, 0.7])
    corner = Corner(pose)
    one, two = model_of(corner), model_of(corner)
    scan = scan_at(one, corner, pose)
    near = around(pose, 1, np.linspace(-3, 3, 500))
    far = near[:, :9] + 60.0 * torch.tensor([-1.0, 1.0, 0.0])
    rests = []

    def rest() -> bool:
        rests.append(two.log_likelihood(far, scan))
        return True

    monkeypatch.setattr(depth_module, "CHUNK", 20 * max(len(scan.obstacles), len(scan.free)))
    monkeypatch.setattr(depth_module, "PIECE", 8)
    whole = one.log_likelihood(near, scan)
    two._cache.capacity = one._cache.held  # no more than the cloud needs
    found = two.log_likelihood(near, scan, rest)
    assert whole is not None
    assert found is not None
    assert torch.equal(found, whole)
    assert len(rests) > 2
    assert None not in rests


def test_batches_score_like_single_clouds() -> None:
    pose = np.array([3.2, -4.9, 0.7])
    corner = Corner(pose)
    model = model_of(corner)
    scan = scan_at(model, corner, pose)
    poses = torch.cat([around(pose, axis, np.linspace(-2, 2, 33)) for axis in (0, 1, 2)])
    whole = model.log_likelihood(poses, scan)
    assert whole is not None
    assert whole.shape == (3, 33)
    for row in range(3):
        alone = model.log_likelihood(poses[row : row + 1], scan)
        assert alone is not None
        assert torch.equal(alone[0], whole[row])


def test_fewer_points_for_large_clouds_keep_the_scale(monkeypatch) -> None:
    pose = np.array([3.2, -4.9, 0.7])
    corner = Corner(pose)
    model = model_of(corner)
    scan = scan_at(model, corner, pose)
    poses = around(pose, 1, np.linspace(-3, 3, 200))
    full = model.log_likelihood(poses, scan)
    monkeypatch.setattr(depth_module, "BUDGET", 200 * 60)
    fewer = model.log_likelihood(poses, scan)
    assert full is not None
    assert fewer is not None
    assert not torch.equal(full, fewer)
    assert torch.corrcoef(torch.stack([full[0], fewer[0]]))[0, 1] > 0.95
    assert abs(fewer.std() / full.std() - 1) < 0.15


def test_the_weight_multiplies_the_score() -> None:
    pose = np.array([3.2, -4.9, 0.7])
    corner = Corner(pose)
    one, half = model_of(corner), model_of(corner, weight=0.5)
    scan = scan_at(one, corner, pose)
    poses = around(pose, 1, np.linspace(-3, 3, 9))
    a, b = one.log_likelihood(poses, scan), half.log_likelihood(poses, scan)
    assert a is not None
    assert b is not None
    assert torch.allclose(0.5 * a, b)


def test_thin_is_even_and_repeatable() -> None:
    points = torch.arange(20.0).view(10, 2)
    assert thin(points, 0.5)[:, 0].tolist() == [0.0, 4.0, 8.0, 12.0, 16.0]
    assert torch.equal(thin(points, 3.0), points)
    assert len(thin(points, 0.001)) == 1


def test_the_bundled_table_prefers_walls_for_obstacles_and_roads_for_free_ground() -> None:
    table = bundled_table()
    obstacle = np.array(table.obstacle[:ROAD_ONLY]).reshape(-1, ROAD_BINS)
    free = np.array(table.free[:ROAD_ONLY]).reshape(-1, ROAD_BINS)
    assert (obstacle[2, 1:] > obstacle[0, 1:]).all()
    assert obstacle[-1, 0] < obstacle[-1, 2]
    assert (free[-1] > free[0]).all()
    assert table.obstacle[-1] == table.free[-1] == 0
    for key in ("command", "version", "data", "seeds", "metrics"):
        assert table.provenance[key]
    loss = table.provenance["metrics"]["log_loss_left_out_nats"]
    assert max(loss.values()) < table.provenance["metrics"]["log_loss_chance_nats"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "other"}, "format"),
        ({"building_edges_m": [0, 1]}, "distance bins"),
        ({"obstacle": [0.0]}, "finite numbers"),
        ({"free": [float("nan")] * CLASSES}, "finite numbers"),
        ({"free": [True] * CLASSES}, "finite numbers"),
        ({"provenance": "nobody"}, "where it comes from"),
        ({"extra": 1}, "exactly"),
    ],
)
def test_a_table_file_is_read_strictly(change, said) -> None:
    tree = json.loads(table_text(bundled_table())) | change
    with pytest.raises(ValueError, match=said) as caught:
        parse_table(json.dumps(tree), "my.json")
    assert "my.json" in str(caught.value)
    assert "calibrate" in str(caught.value)


def test_a_table_survives_its_file(tmp_path) -> None:
    table = bundled_table()
    (tmp_path / "t.json").write_text(table_text(table))
    assert table_text(load_table(tmp_path / "t.json")) == table_text(table)
    with pytest.raises(ValueError, match="cannot read"):
        load_table(tmp_path / "none.json")
    with pytest.raises(ValueError, match="not JSON"):
        parse_table("{", "x")
