"""The volume of scores against the bilinear sum over all cells, pose by pose."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mdps_ros.models.camera import volume
from mdps_ros.models.camera.feature_tiles import FINER, FeatureTiles
from mdps_ros.models.camera.files import load_networks
from mdps_ros.models.camera.look import CameraLook, Lattice
from mdps_ros.models.camera.model import CameraModel
from mdps_ros.settings import CameraSettings
from test.models.test_camera_model import CPU, INTRINSICS, Town, ahead, image

PLACE = torch.tensor([-20.0, 130.0, 3.1])  # the cloud's yaws lie on both sides of the turn


def store() -> FeatureTiles:
    found = FeatureTiles(Town(), load_networks("").map, 64.0, CPU)
    assert found.hold(PLACE[None, :2].double(), 100.0)
    return found


def view(seed: int = 0) -> Lattice:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(8, 12, 15, generator=generator)
    return Lattice(
        features,
        torch.tensor([2.0, 6.5]),
        torch.tensor([0.9, 0.12]),
        torch.tensor([0.12, -0.9]),
    )


def cloud(count: int, spread: tuple[float, float, float], seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    draws = torch.rand(count, 3, generator=generator, dtype=torch.float64) * 2.0 - 1.0
    return PLACE.double() + draws * torch.tensor(spread)


def bilinear(poses: Tensor, lattice: Lattice, tiles: FeatureTiles, side: float = 1.0) -> Tensor:
    """The sum over all cells; `side` -1 swaps left and right."""
    middle = PLACE[:2].double()
    features, corner = tiles.window(middle - 60.0, middle + 60.0)
    _, depth, width = lattice.features.shape
    row, column = torch.arange(depth)[:, None, None], torch.arange(width)[:, None]
    cells = (lattice.corner + row * lattice.ahead + column * lattice.right).double()
    cos, sin = poses[:, 2].cos()[:, None, None], poses[:, 2].sin()[:, None, None]
    forward, left = cells[..., 0], side * cells[..., 1]
    x = poses[:, 0, None, None] + cos * forward - sin * left
    y = poses[:, 1, None, None] + sin * forward + cos * left
    size = torch.tensor([features.shape[2], features.shape[1]])
    grid = (torch.stack((x, y), -1) - corner) * (2 * FINER / size) - 1.0
    held = features[None].double().expand(len(poses), -1, -1, -1)
    read = F.grid_sample(held, grid, align_corners=False)
    return (read * lattice.features.double()).sum((1, 2, 3))


def check_nodes(side: float) -> None:
    """At whole shifts of the slices' yaws nothing is interpolated."""
    tiles, lattice = store(), view()
    planned = volume.Volume(PLACE[:2].double(), 3.08, 4, 6)
    poses = []
    for slice_ in (0, 1, 2, 3):
        yaw = planned.first + volume.YAW_STEP * slice_
        cos, sin = math.cos(yaw), math.sin(yaw)
        for i, j in ((0, 0), (2, -3), (-4, 1)):
            forward, left = (i * lattice.ahead + j * lattice.right).tolist()
            turned = (cos * forward - sin * left, sin * forward + cos * left)
            poses.append([PLACE[0] + turned[0], PLACE[1] + turned[1], yaw])
    found = volume.scores(torch.tensor(poses).double(), lattice, planned, tiles)
    wanted = bilinear(torch.tensor(poses).double(), lattice, tiles, side)
    assert (found - wanted).abs().max() < 2e-4 * wanted.abs().max()


def test_at_its_nodes_the_volume_is_exact() -> None:
    check_nodes(1.0)


def test_a_wrong_sign_of_the_lateral_axis_is_seen() -> None:
    with pytest.raises(AssertionError):
        check_nodes(-1.0)


def test_between_the_nodes_it_is_off_by_the_stated_error() -> None:
    """Random views of a made-up town, which change faster than real ones do."""
    tiles, lattice = store(), view()
    poses = cloud(500, (4.0, 5.0, 0.2))
    planned = volume.plan(poses, lattice)
    assert planned is not None
    wanted = bilinear(poses, lattice, tiles)
    error = volume.scores(poses, lattice, planned, tiles) - wanted
    assert error.std() < 0.08 * wanted.std()
    assert error.abs().max() < 0.4 * wanted.std()


def test_wide_clouds_have_no_volume() -> None:
    assert volume.plan(cloud(50, (3.0, 3.0, 0.1)), view()) is not None
    assert volume.plan(cloud(50, (40.0, 3.0, 0.1)), view()) is None
    assert volume.plan(cloud(50, (3.0, 3.0, 2.0)), view()) is None
    assert volume.plan(cloud(1, (0.0, 0.0, 0.0)), view()) is not None
    assert volume.plan(torch.zeros(0, 3), view()) is None


def test_a_plan_holds_its_cloud_across_the_turn() -> None:
    poses = cloud(200, (5.0, 2.0, 0.3))
    wrapped = poses.clone()
    wrapped[:, 2] = torch.atan2(poses[:, 2].sin(), poses[:, 2].cos())
    tiles, lattice = store(), view()
    planned, again = volume.plan(poses, lattice), volume.plan(wrapped, lattice)
    assert planned is not None
    assert again is not None
    one = volume.scores(poses, lattice, planned, tiles)
    two = volume.scores(wrapped, lattice, again, tiles)
    torch.testing.assert_close(one, two, rtol=0, atol=2e-3 * float(one.std()))


def scored(poses: Tensor, look: CameraLook, **settings: float) -> Tensor:
    model = CameraModel(Town(), CameraSettings(**settings), CPU, load_networks(""))
    found = model.log_likelihood(poses[None], look)
    assert found is not None
    return found[0]


def test_the_model_takes_the_volume_for_many_poses_in_one_place_only() -> None:
    model = CameraModel(Town(), CameraSettings(), CPU, load_networks(""))
    look = model.bind(image(), INTRINSICS, ahead())
    assert look is not None
    assert look.lattice is not None
    many, few = cloud(4000, (3.0, 3.0, 0.1)), cloud(20, (3.0, 3.0, 0.1))
    by_pose = scored(many, look, cells=20_000, volume=False)
    by_volume = scored(many, look)
    assert not torch.equal(by_pose, by_volume)
    # measured 0.10, on a map of waves a few metres long; most is of the nearest half metre
    assert (by_pose - by_volume).std() < 0.2 * by_pose.std()
    assert torch.equal(scored(few, look), scored(few, look, volume=False))
