"""Camera sequences -> the folder of labelled frames that training reads (see `frames`).

That layout tells a camera by intrinsics, height, distance before the base frame and pitch. Here
the base frame of each frame is put under its camera, along its optical axis, so that every
mounting can be told; a roll is turned out of the image.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mdps_ros.data.camera_sequence import CameraFrame, Intrinsics
from mdps_ros.data.errors import DataError
from mdps_ros.data.frames import MANIFEST, write_manifest, write_shard

FOCAL = 200.0
"""Focal length of the stored images, px; the model looks at 160, and wider ones keep their own."""
PER_SHARD = 400
_LEVEL = np.radians(0.1)  # of roll that is left in the image


class StoredFrame(NamedTuple):
    """One frame as it is stored.

    Attributes:
        rgb: (h, w, 3) uint8.
        pose: (3,) x m, y m in the map, yaw rad of the ground under the camera.
        camera: (7,) fx, fy, cx, cy px, forward m (0), up m, pitch rad (positive = down).
    """

    rgb: NDArray[np.uint8]
    pose: NDArray[np.float64]
    camera: NDArray[np.float64]


def stored(frame: CameraFrame) -> StoredFrame:
    """Turn a frame whose pose is on the map to the stored form.

    Raises:
        DataError: the camera looks straight up or down, or stands below the ground.
    """
    T = frame.T_base_camera
    axis = T[:3, 2]
    along = float(np.hypot(axis[0], axis[1]))
    if along < 1e-3 or T[2, 3] <= 0.0:
        raise DataError(
            f"a camera {T[2, 3]:.2f} m above the ground with optical axis {axis.round(3)}; it must "
            "look along the ground from above it: check T_base_camera (/tf_static)"
        )
    yaw, heading = frame.pose[2], float(np.arctan2(axis[1], axis[0]))
    cos, sin = np.cos(yaw), np.sin(yaw)
    x = frame.pose[0] + cos * T[0, 3] - sin * T[1, 3]
    y = frame.pose[1] + sin * T[0, 3] + cos * T[1, 3]
    # Right of the camera that looks the same way and has no roll, in the base frame.
    right = np.array([np.sin(heading), -np.cos(heading), 0.0])
    roll = float(np.arctan2(T[:3, 1] @ right, T[:3, 0] @ right))
    rgb, intrinsics = _resized(frame.rgb, frame.intrinsics)
    if abs(roll) > _LEVEL:
        rgb = _unrolled(rgb, intrinsics, roll)
    pitch = float(np.arctan2(-axis[2], along))
    turned = float((yaw + heading + np.pi) % (2.0 * np.pi) - np.pi)
    return StoredFrame(
        rgb,
        np.array([x, y, turned]),
        np.array([*intrinsics, 0.0, float(T[2, 3]), pitch]),
    )


def write_frames(out: Path, frames: Iterable[StoredFrame], facts: Mapping[str, Any]) -> int:
    """Write a set of frames.

    Args:
        out: folder to make; what a broken-off conversion has left there is replaced.
        frames: any number, any sizes; a shard holds frames of one size.
        facts: for the manifest; "map" names the map that `load_map` finds.

    Returns:
        The number of frames.

    Raises:
        DataError: the folder holds a whole set or other things, there is no frame, or it cannot
            be written.
    """
    if (out / MANIFEST).exists():
        raise DataError(f"{out} holds frames already; remove it or choose another folder")
    _clear(out)
    count = 0
    for shard, part in enumerate(_shards(frames)):
        arrays: dict[str, NDArray[Any]] = {
            "rgb": np.stack([frame.rgb for frame in part]),
            "pose": np.stack([frame.pose for frame in part]),
            "camera": np.stack([frame.camera for frame in part]).astype(np.float32),
        }
        write_shard(out, shard, arrays, {"frames": len(part)})
        count += len(part)
    if count == 0:
        raise DataError(
            f"no frame to write to {out}: no image has a pose on the map; check map and clocks, "
            "and that poses are at most half a second apart"
        )
    # The manifest last: a set that has one is whole.
    write_manifest(out, facts)
    return count


class Spacing:
    """Leaves out frames that show what the one before showed."""

    def __init__(self, distance: float, turn: float) -> None:
        """Begin.

        Args:
            distance: m between the frames that are kept, or
            turn: rad between their headings.
        """
        self._distance = distance
        self._turn = turn
        self._last: NDArray[np.float64] | None = None

    def keeps(self, pose: NDArray[np.float64]) -> bool:
        """Whether a frame at a pose (3,) is kept."""
        if self._last is not None:
            x, y, yaw = pose - self._last
            turned = abs((yaw + np.pi) % (2.0 * np.pi) - np.pi)
            if np.hypot(x, y) < self._distance and turned < self._turn:
                return False
        self._last = pose
        return True


def _resized(
    rgb: NDArray[np.uint8], intrinsics: Intrinsics
) -> tuple[NDArray[np.uint8], Intrinsics]:
    """The image with a focal length of about FOCAL, where it is larger now."""
    rows, columns = rgb.shape[:2]
    scale = min(1.0, FOCAL / intrinsics[0])
    size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
    if size == (columns, rows):
        return rgb, intrinsics
    small: NDArray[np.uint8] = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    wide, high = size[0] / columns, size[1] / rows
    fx, fy, cx, cy = intrinsics
    return small, (fx * wide, fy * high, (cx + 0.5) * wide - 0.5, (cy + 0.5) * high - 0.5)


def _unrolled(rgb: NDArray[np.uint8], intrinsics: Intrinsics, roll: float) -> NDArray[np.uint8]:
    fx, fy, cx, cy = intrinsics
    K = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    cos, sin = np.cos(roll), np.sin(roll)
    # Level camera <- camera: its columns are the camera's axes in the level one.
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    matrix = K @ turn @ np.linalg.inv(K)
    size = (rgb.shape[1], rgb.shape[0])
    level: NDArray[np.uint8] = np.asarray(
        cv2.warpPerspective(rgb, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    )
    return level


def _shards(frames: Iterable[StoredFrame]) -> Iterator[list[StoredFrame]]:
    part: list[StoredFrame] = []
    for frame in frames:
        if part and (len(part) == PER_SHARD or frame.rgb.shape != part[0].rgb.shape):
            yield part
            part = []
        part.append(frame)
    if part:
        yield part


def _clear(out: Path) -> None:
    """Remove the shards of a conversion that did not come to its end."""
    if not out.exists():
        return
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else [out.name]
    strange = [name for name in names if not name.lstrip(".").startswith("shard_")]
    if strange:
        raise DataError(f"{out} holds {strange[0]}, no frames; choose a new folder")
    shutil.rmtree(out)
