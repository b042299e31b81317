"""Stereo depth of a KITTI sequence: 8-bit images made metric by a per-frame ground plane."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mdps_ros.data.errors import DataError
from mdps_ros.data.recording import Camera

CAMERA_HEIGHT_M = 1.65
"""Height of the cameras above the road."""

RANGE_M = 50.0
"""Depths beyond it are left out; the codes become coarser than a metre at about 30 m."""

T_BASE_CAMERA: NDArray[np.float64] = np.array(
    [[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, CAMERA_HEIGHT_M], [0, 0, 0, 1]]
)
"""Base <- optical frame: the base frame is the camera's position projected to the ground."""


class _Ground(NamedTuple):
    slope: float  # code per full-resolution row on the road
    horizon: float  # full-resolution row


class KittiDepth:
    """Depth images of one sequence, decoded on demand.

    On the road plane code = slope (row - horizon) at full resolution, hence with the camera
    height h and the focal length f: depth = f h slope / code. The images hold every second row
    and column, so all intrinsics are half of those of the full image (u_full = 2 u).

    The horizon of each frame takes the place of the principal point's row: with it the camera
    looks along the road as if it did not pitch, and the road lies at height zero in the base
    frame, frame by frame.

    Args:
        folder: holds one or more .zip files of NNNNNN.png, and ground_calibration.csv.
        intrinsics: focal length, cx, cy of the full-resolution image, pixels.

    Raises:
        DataError: the archive or the calibration is missing or damaged.
    """

    def __init__(self, folder: Path, intrinsics: tuple[float, float, float]) -> None:
        self._focal, self._cx, _ = intrinsics
        self._ground = _read_ground(folder / "ground_calibration.csv")
        archives = sorted(folder.glob("*.zip"))
        if not archives:
            raise DataError(f"{folder} holds no .zip with depth images; fetch it again")
        self._members: dict[int, tuple[zipfile.ZipFile, str]] = {}
        for path in archives:
            try:
                archive = zipfile.ZipFile(path)
            except (OSError, zipfile.BadZipFile) as error:
                raise DataError(f"{path} is damaged ({error}); fetch it again") from error
            for name in archive.namelist():
                if name.endswith(".png") and Path(name).stem.isdigit():
                    self._members[int(Path(name).stem)] = (archive, name)

    @property
    def frames(self) -> tuple[int, ...]:
        """Frame numbers that have both an image and a ground plane, rising."""
        return tuple(sorted(self._members.keys() & self._ground.keys()))

    def image(self, frame: int) -> tuple[NDArray[np.float32], Camera] | None:
        """Depth (H, W) m along the optical axis, NaN where unknown, and its camera.

        Returns:
            None where the frame has no image or no ground plane.

        Raises:
            DataError: the image is damaged.
        """
        if frame not in self._members or frame not in self._ground:
            return None
        archive, name = self._members[frame]
        ground = self._ground[frame]
        try:
            code = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_UNCHANGED)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{name} in {archive.filename} is damaged; fetch it again") from error
        if code is None or code.dtype != np.uint8 or code.ndim != 2:
            raise DataError(f"{name} in {archive.filename} is no 8-bit gray image; fetch it again")
        scale = self._focal * CAMERA_HEIGHT_M * ground.slope
        depth = np.full(code.shape, np.nan, dtype=np.float32)
        near = code > scale / RANGE_M
        depth[near] = scale / code[near]
        return depth, self._camera(code.shape, ground)

    def _camera(self, shape: tuple[int, ...], ground: _Ground) -> Camera:
        return Camera(
            width=shape[1],
            height=shape[0],
            fx=self._focal / 2,
            fy=self._focal / 2,
            cx=self._cx / 2,
            cy=ground.horizon / 2,
            T_base_camera=T_BASE_CAMERA,
        )


def _read_ground(path: Path) -> dict[int, _Ground]:
    try:
        with path.open(newline="", encoding="utf8") as lines:
            return {
                int(row["frame"]): _Ground(float(row["a_code_per_row"]), float(row["horizon_row"]))
                for row in csv.DictReader(lines)
            }
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is no table of frame, a_code_per_row, horizon_row ({error}); fetch it again"
        ) from error
