"""Rendered frames with poses, as `mdps frames` writes them: one folder per shard."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdps_ros.data.errors import DataError
from mdps_ros.data.frames import MANIFEST
from mdps_ros.models.camera.view import Intrinsics, View, canonical_view

SHARDS = "shard_[0-9]*"


@dataclass(frozen=True)
class Frame:
    """One image and what the localizer is told about it.

    Attributes:
        rgb: (H, W, 3) uint8.
        pose: (3,) true x m, y m, yaw rad of the base frame in the map.
        intrinsics: nominal fx, fy, cx, cy, px.
        T_base_camera: (4, 4), nominal mounting.
    """

    rgb: NDArray[np.uint8]
    pose: NDArray[np.float64]
    intrinsics: Intrinsics
    T_base_camera: NDArray[np.float64]

    def view(self) -> View:
        """The canonical view.

        Raises:
            DataError: the camera is mounted so that the model cannot use it.
        """
        view = canonical_view(self.rgb, self.intrinsics, self.T_base_camera)
        if view is None:
            raise DataError(
                "the frames' camera looks too steeply, sees too little of the horizon, or stands "
                "too low or high; render with another camera"
            )
        return view


class FrameShard:
    """The frames of one folder; images stay on the disk until they are asked for."""

    def __init__(self, folder: Path) -> None:
        """Open the arrays of a folder.

        Raises:
            DataError: one is missing, or they do not fit each other.
        """
        self.folder = folder
        try:
            self.rgb: NDArray[np.uint8] = np.load(folder / "rgb.npy", mmap_mode="r")
            self.pose: NDArray[np.float64] = np.load(folder / "pose.npy").astype(np.float64)
            self.camera: NDArray[np.float64] = np.load(folder / "camera.npy").astype(np.float64)
        except (OSError, ValueError) as error:
            raise DataError(f"cannot read frames of {folder}: {error}") from error
        count = len(self.rgb)
        if self.pose.shape != (count, 3) or self.camera.shape != (count, 7):
            raise DataError(
                f"{folder}: {count} images, poses {self.pose.shape}, cameras {self.camera.shape}; "
                "make the frames again"
            )

    def __len__(self) -> int:
        return len(self.pose)

    def frame(self, index: int) -> Frame:
        """One frame, its image copied from the disk."""
        fx, fy, cx, cy, forward, up, pitch = (float(value) for value in self.camera[index])
        return Frame(
            np.array(self.rgb[index]),
            self.pose[index],
            (fx, fy, cx, cy),
            mounting(forward, up, pitch),
        )


class FrameSet:
    """All frames of a folder, in the order of their shards."""

    def __init__(self, folder: Path) -> None:
        """Open a folder.

        Raises:
            DataError: it is not one of `mdps frames`, or has no shard.
        """
        self.folder = folder
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            self.map: str = manifest["map"]
            self.map_id: str = manifest["map_id"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"cannot read {folder / MANIFEST} ({error}); make frames by mdps frames"
            ) from error
        self.shards = tuple(FrameShard(path) for path in sorted(folder.glob(SHARDS)))
        if not self.shards:
            raise DataError(f"{folder} has no shard yet; make frames by mdps frames")
        self.pose = np.concatenate([shard.pose for shard in self.shards])
        self.camera = np.concatenate([shard.camera for shard in self.shards])
        self._first = np.cumsum([0, *(len(shard) for shard in self.shards)])

    def __len__(self) -> int:
        return len(self.pose)

    def frame(self, index: int) -> Frame:
        """One frame by its number in the set."""
        shard = int(np.searchsorted(self._first, index, side="right")) - 1
        return self.shards[shard].frame(index - int(self._first[shard]))


def mounting(forward: float, up: float, pitch: float) -> NDArray[np.float64]:
    """(4, 4), base <- optical frame of a camera that looks ahead and down by `pitch` rad.

    Args:
        forward: m before the base frame's origin.
        up: m above the ground.
        pitch: rad, positive = down.
    """
    cos, sin = np.cos(pitch), np.sin(pitch)
    pose = np.eye(4)
    pose[:3, 0] = (0.0, -1.0, 0.0)
    pose[:3, 1] = (-sin, 0.0, -cos)
    pose[:3, 2] = (cos, 0.0, -sin)
    pose[:3, 3] = (forward, 0.0, up)
    return pose
