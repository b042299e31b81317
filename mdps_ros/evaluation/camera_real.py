"""What the camera model, trained on rendered images, sees in real ones.

There is no map for these drives, so nothing is localized. But a car drives on the road: the cells
that it will drive over in the next seconds must be road in the ground plan.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mdps_ros.data.errors import DataError
from mdps_ros.data.kitti import chain, planar_motion
from mdps_ros.data.kitti_files import read_poses
from mdps_ros.evaluation.camera_frame_set import mounting
from mdps_ros.evaluation.results import Row
from mdps_ros.models.camera.look import base_positions
from mdps_ros.models.camera.networks import AUXILIARY, CameraNetworks, Ground
from mdps_ros.models.camera.view import Intrinsics, canonical_view

INTRINSICS: Intrinsics = (721.5377, 721.5377, 609.5593, 172.854)
"""Of the rectified cameras of 2011-09-26, px."""
HEIGHT = 1.65  # m
PERIOD_S = 0.1
HALF_TRACK = 0.8  # m
FAR = 30.0  # m
EVERY = 20  # frames
OXTS_SPEED, OXTS_YAW_RATE = 8, 19  # columns


class RealDrive(NamedTuple):
    """A video with the motion of its camera.

    Attributes:
        name: of the drive.
        video: file.
        path: (frames, 3) m, m, rad of the camera in the plane.
    """

    name: str
    video: Path
    path: NDArray[np.float64]


class RealFrame(NamedTuple):
    """One image and what the model makes of it.

    Attributes:
        rgb: (H, W, 3) uint8.
        ground: of the model.
        driven: (Z, X) bool, visible cells that the car drives over later on.
    """

    rgb: NDArray[np.uint8]
    ground: Ground
    driven: NDArray[np.bool_]


def real_drives(root: Path) -> list[RealDrive]:
    """The two drives with a camera: sequence 03 (gray) and drive 0013 (colour).

    Args:
        root: folder with `kitti_03_camera`, `kitti_raw_0013` and `kitti/poses`.

    Raises:
        DataError: a file is missing.
    """
    names = {"03": "kitti_03_camera", "0013": "kitti_raw_0013"}
    videos = {key: root / folder / "video.mp4" for key, folder in names.items()}
    inputs = [root / "kitti" / "poses" / "03.txt", root / names["0013"] / "oxts" / "oxts_all.txt"]
    for path in (*videos.values(), *inputs):
        if not path.exists():
            raise DataError(f"{path} is missing; set MDPS_DATA to the folder that has it")
    _, poses = read_poses(inputs[0])
    oxts = np.loadtxt(inputs[1])
    turn = oxts[:, OXTS_YAW_RATE] * PERIOD_S
    step = np.stack([oxts[:, OXTS_SPEED] * PERIOD_S, np.zeros(len(oxts)), turn], axis=1)
    return [
        RealDrive("KITTI 03, gray", videos["03"], chain(planar_motion(poses))),
        RealDrive("KITTI raw 0013, colour", videos["0013"], chain(step[:-1])),
    ]


def real_frames(drive: RealDrive, networks: CameraNetworks) -> Iterator[RealFrame]:
    """Every 20th frame of a drive."""
    capture = cv2.VideoCapture(str(drive.video))
    for index in range(len(drive.path)):
        there, bgr = capture.read()
        if not there:
            break
        if index % EVERY == 0 and index + EVERY < len(drive.path):
            rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8)
            yield _frame(rgb, drive.path[index:], networks)
    capture.release()


def _frame(
    rgb: NDArray[np.uint8], path: NDArray[np.float64], networks: CameraNetworks
) -> RealFrame:
    view = canonical_view(rgb, INTRINSICS, mounting(0.0, HEIGHT, 0.0))
    assert view is not None
    with torch.no_grad():
        image, mask = torch.from_numpy(view.rgb[None]), torch.from_numpy(view.mask[None])
        ground = networks.encode_image(image, mask)
    places = base_positions(view).numpy().astype(np.float64)
    cos, sin = np.cos(path[0, 2]), np.sin(path[0, 2])
    ahead = (path[:, :2] - path[0, :2]) @ np.array([[cos, -sin], [sin, cos]])
    ahead = ahead[np.hypot(*ahead.T) < FAR]
    steps = [np.linspace(a, b, 8) for a, b in itertools.pairwise(ahead)]
    track = np.concatenate([ahead, *steps])
    away = np.linalg.norm(places[:, :, None] - track, axis=-1).min(axis=2)
    return RealFrame(rgb, ground, (away < HALF_TRACK) & (ground.visible[0, 0].numpy() > 0))


def road_share(frame: RealFrame) -> NDArray[np.float64]:
    """(Z, X) probability of road."""
    logits = frame.ground.classes[0, AUXILIARY.index("road")].double()
    share: NDArray[np.float64] = torch.sigmoid(logits).numpy()
    return share


def row(name: str, frames: list[RealFrame]) -> Row:
    """How much of the driven ground, and of all visible ground, the model takes for road."""
    visible = [frame.ground.visible[0, 0].numpy() > 0 for frame in frames]
    road = [road_share(frame) > 0.5 for frame in frames]
    driven = [share[frame.driven] for share, frame in zip(road, frames, strict=True)]
    seen = [share[cells] for share, cells in zip(road, visible, strict=True)]
    return {
        "name": name,
        "frames": len(frames),
        "driven_cells": int(sum(map(len, driven))),
        "road_share_of_driven": float(np.concatenate(driven).mean()),
        "road_share_of_visible": float(np.concatenate(seen).mean()),
    }
