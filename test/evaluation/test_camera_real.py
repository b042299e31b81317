from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mdps_ros.data.errors import DataError
from mdps_ros.evaluation.camera_frames_report import draw_real
from mdps_ros.evaluation.camera_real import (
    EVERY,
    FAR,
    HALF_TRACK,
    HEIGHT,
    RealDrive,
    RealFrame,
    real_drives,
    real_frames,
    road_share,
    row,
)
from mdps_ros.models.camera.geometry import CAMERA_HEIGHT, cell_grid
from mdps_ros.models.camera.networks import AUXILIARY, CameraNetworks


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[RealFrame]:
    """Of a straight drive, by untrained networks."""
    video = tmp_path_factory.mktemp("drive") / "video.mp4"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"mp4v"), 10, (1242, 376))
    rng = np.random.default_rng(1)
    for _ in range(3 * EVERY):
        writer.write(rng.integers(0, 256, (376, 1242, 3), dtype=np.uint8))
    writer.release()
    path = np.zeros((3 * EVERY, 3))
    path[:, 0] = 5.0 + 1.1 * np.arange(len(path))
    torch.manual_seed(0)
    networks = CameraNetworks().eval().requires_grad_(False)
    return list(real_frames(RealDrive("straight", video, path), networks))


def test_a_straight_drive_marks_the_cells_ahead(frames: list[RealFrame]) -> None:
    assert len(frames) == 2
    depth, right = (axis.numpy() * HEIGHT / CAMERA_HEIGHT for axis in cell_grid())
    seen = frames[0].ground.visible[0, 0].numpy() > 0
    # The path ends 22 m ahead of the second frame.
    assert FAR > 22.0
    wanted = seen & (np.abs(right) < HALF_TRACK) & (depth < 22.0 - HALF_TRACK)
    assert np.array_equal(frames[1].driven & (depth < 21.0), wanted & (depth < 21.0))
    assert wanted.sum() > 10


def test_the_row_compares_driven_ground_with_all(frames: list[RealFrame]) -> None:
    road = AUXILIARY.index("road")
    perfect = []
    for frame in frames:
        classes = torch.full_like(frame.ground.classes, -5.0)
        classes[0, road][torch.from_numpy(frame.driven)] = 5.0
        perfect.append(frame._replace(ground=frame.ground._replace(classes=classes)))
    summary = row("x", perfect)
    assert summary["road_share_of_driven"] == 1.0
    assert summary["road_share_of_visible"] < 0.1  # type: ignore[operator]
    assert road_share(perfect[0]).max() == pytest.approx(1 / (1 + np.exp(-5.0)))


def test_real_images_are_drawn(frames: list[RealFrame], tmp_path: Path) -> None:
    draw_real(tmp_path / "real.png", frames)
    assert (tmp_path / "real.png").stat().st_size > 10_000


def test_missing_drives_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="kitti_03_camera"):
        real_drives(tmp_path)
