from __future__ import annotations

import numpy as np
import pytest
import torch

from mdps_ros.models.depth_ground import level_heights
from mdps_ros.models.depth_points import BEARING_STEP, DepthScan, even_share, extract_scan
from mdps_ros.settings import DepthSettings
from test.models.depth_worlds import INTRINSICS, SHAPE, mounted, seen

CPU = torch.device("cpu")
CAMERA = mounted(1.5, 1.6)
ORIGIN = np.zeros(3)
SETTINGS = DepthSettings(points=5000)


def nothing(x, y):
    return np.zeros(x.shape, bool)


def wall_ahead(x, y):
    return (x > 12.0) & (x < 13.0)


def wall_left(x, y):
    return (y > 5.0) & (y < 6.0)


def scan_of(solid, camera=CAMERA, settings=SETTINGS, **kwargs) -> DepthScan:
    scan = extract_scan(seen(solid, ORIGIN, camera, **kwargs), INTRINSICS, camera, settings, CPU)
    assert scan is not None
    return scan


def test_a_wall_ahead_becomes_one_point_per_bearing_on_the_wall() -> None:
    scan = scan_of(wall_ahead)
    x, y = scan.obstacles.T
    assert torch.all((x - 12.0).abs() < 0.3), x
    opening = 2 * np.arctan(64 / INTRINSICS[0])
    assert abs(len(scan.obstacles) - opening / BEARING_STEP) <= 3
    assert y.min() < -8
    assert y.max() > 8


def test_a_wall_on_the_left_is_at_positive_y() -> None:
    scan = scan_of(wall_left)
    assert torch.all((scan.obstacles[:, 1] - 5.0).abs() < 0.3)


def test_flat_ground_gives_free_points_and_no_obstacle() -> None:
    scan = scan_of(nothing)
    assert len(scan.obstacles) == 0
    assert len(scan.free) > 100
    assert scan.free.norm(dim=1).max() > 25


def test_free_points_end_before_the_obstacle() -> None:
    scan = scan_of(wall_ahead)
    assert len(scan.free) > 20
    assert scan.free[:, 0].max() < 12.0


def test_free_points_cover_the_area_evenly() -> None:
    free = scan_of(nothing).free - torch.tensor([1.5, 0.0])
    away = free.norm(dim=1)
    opening = 2 * np.arctan(64 / INTRINSICS[0])
    for low, high in ((8, 14), (14, 20), (20, 28)):
        area = opening / 2 * (high**2 - low**2)
        count = int(((away >= low) & (away < high)).sum())
        assert 0.6 < count * 3.0 / area < 1.5, (low, high, count)


def test_extrinsics_with_pitch_and_yaw_are_honoured() -> None:
    turned = mounted(0.8, 1.3, pitch=np.radians(8), yaw=np.radians(25))
    scan = scan_of(wall_left, turned)
    assert torch.all((scan.obstacles[:, 1] - 5.0).abs() < 0.3)
    level = mounted(0.8, 1.3, yaw=np.radians(25))
    image = seen(wall_left, ORIGIN, turned)
    wrong = extract_scan(image, INTRINSICS, level, SETTINGS, CPU)
    assert wrong is None or len(wrong.free) < len(scan.free) / 2


@pytest.mark.parametrize("tilt_deg", [-2.0, -1.0, 1.0, 2.0])
def test_ground_of_a_pitching_vehicle_stays_free(tilt_deg) -> None:
    scan = scan_of(nothing, tilt=np.radians(tilt_deg))
    assert len(scan.obstacles) == 0
    assert len(scan.free) > 80


def test_level_heights_takes_the_plane_out_and_leaves_walls_up() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.uniform(2, 15, 2000), generator.uniform(-6, 6, 2000)
    noise = generator.normal(0, 0.02, 2000)
    ground = np.column_stack([x, y, 0.02 * x - 0.01 * y + 0.03 + noise])
    wall = np.column_stack([np.full(300, 10.0), np.linspace(-3, 3, 300), np.linspace(0.5, 3, 300)])
    height = level_heights(np.concatenate([ground, wall]))
    assert np.abs(height[:2000]).max() < 0.12
    assert np.allclose(height[2000:], wall[:, 2] - 0.2 + 0.01 * wall[:, 1] - 0.03, atol=0.05)


def test_without_ground_heights_are_those_of_the_extrinsics() -> None:
    points = np.column_stack([np.full(50, 8.0), np.linspace(-2, 2, 50), np.linspace(1, 3, 50)])
    assert np.array_equal(level_heights(points), points[:, 2])


def test_an_image_without_readings_gives_none() -> None:
    for value in (np.nan, 0.0, -1.0, np.inf):
        image = np.full(SHAPE, value, np.float32)
        assert extract_scan(image, INTRINSICS, CAMERA, SETTINGS, CPU) is None


def test_a_single_lost_pixel_row_changes_little() -> None:
    image = seen(wall_ahead, ORIGIN, CAMERA)
    whole = extract_scan(image, INTRINSICS, CAMERA, SETTINGS, CPU)
    image[::5] = np.nan
    image[7, 20] = 3.0  # one spurious near reading is no obstacle
    holed = extract_scan(image, INTRINSICS, CAMERA, SETTINGS, CPU)
    assert whole is not None
    assert holed is not None
    assert len(holed.obstacles) == len(whole.obstacles)
    assert (holed.obstacles[:, 0] - 12).abs().max() < 0.3


def test_a_colour_image_is_refused() -> None:
    with pytest.raises(ValueError, match="two axes"):
        extract_scan(np.zeros((4, 4, 3), np.float32), INTRINSICS, CAMERA, SETTINGS, CPU)


def test_points_are_thinned_to_the_setting_and_totals_remember_them() -> None:
    few = scan_of(wall_ahead, settings=DepthSettings(points=40))
    many = scan_of(wall_ahead)
    assert abs(len(few.obstacles) + len(few.free) - 40) <= 1
    assert (few.obstacle_total, few.free_total) == (len(many.obstacles), len(many.free))
    assert few.reach == many.reach


def test_even_share_keeps_both_ends_of_the_order_and_never_repeats() -> None:
    points = np.arange(20.0).reshape(10, 2)
    kept = even_share(points, 0.35)
    assert kept[:, 0].tolist() == [0.0, 4.0, 10.0, 14.0]
    assert even_share(points[:0], 0.5).shape == (0, 2)
    assert np.array_equal(even_share(points, 1.0), points)


def test_a_large_image_is_read_with_a_stride_to_the_same_end() -> None:
    big = (260.0, 260.0, 209.5, 99.5)
    image = seen(wall_ahead, ORIGIN, CAMERA, intrinsics=big, shape=(200, 420))
    scan = extract_scan(image, big, CAMERA, SETTINGS, CPU)
    assert scan is not None
    assert (scan.obstacles[:, 0] - 12).abs().max() < 0.3
    assert len(scan.obstacles) > 90
