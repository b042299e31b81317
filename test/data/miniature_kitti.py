"""A small drive in the layout of the KITTI material, with known answers."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mdps_ros.data.kitti_align import OXTS_IN_CAMERA, TangentPlane

COUNT = 120
FOCAL, CX, CY = 500.0, 40.0, 21.0
HORIZON, SLOPE = 18.0, 1.25
ORIGIN = TangentPlane(-33.5, 151.25)


@dataclass(frozen=True)
class Truth:
    place: np.ndarray  # (COUNT, 2) m east, north of ORIGIN: camera
    yaw: np.ndarray  # (COUNT,) rad
    motion: np.ndarray  # (COUNT - 1, 3) forward m, left m, turn rad


def write_kitti(base: Path, name: str, *, spare: int = 0, scale: float = 1.0) -> Truth:
    """Write poses, RTK track, odometry and depth of a winding drive.

    Args:
        base: the kitti folder.
        name: sequence.
        spare: RTK points before the first pose.
        scale: factor on the odometry's distances.
    """
    t = np.arange(-spare, COUNT) * 0.1
    yaw_all = 0.9 + 0.8 * np.sin(0.6 * t) + 0.1 * t
    place_all = np.cumsum(0.8 * np.stack([np.cos(yaw_all), np.sin(yaw_all)], axis=1), axis=0)
    height = 0.5 * np.sin(0.3 * t)
    _write_rtk(base, name, place_all, yaw_all, height)
    place, yaw, height = place_all[spare:], yaw_all[spare:], height[spare:]
    poses = _camera_poses(place, yaw, height)
    _write_poses(base / "poses" / f"{name}.txt", poses)
    flat = _camera_poses(place, yaw, 0 * height)
    step = np.diff(place, axis=0)
    forward = step[:, 0] * np.cos(yaw[:-1]) + step[:, 1] * np.sin(yaw[:-1])
    left = -step[:, 0] * np.sin(yaw[:-1]) + step[:, 1] * np.cos(yaw[:-1])
    flat[:, :3, 3] *= scale
    _write_poses(base / "visual_odometry" / f"orbslam2_stereo_{name}_trial0.txt", flat)
    return Truth(place, yaw, np.stack([forward, left, np.diff(yaw)], axis=1))


def _camera_axes(yaw: np.ndarray) -> np.ndarray:
    """(N, 3, 3) world (east, north, up) <- camera (right, down, forward)."""
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    right = np.stack([np.sin(yaw), -np.cos(yaw), zero], axis=1)
    down = np.stack([zero, zero, -one], axis=1)
    forward = np.stack([np.cos(yaw), np.sin(yaw), zero], axis=1)
    return np.stack([right, down, forward], axis=2)


def _camera_poses(place: np.ndarray, yaw: np.ndarray, height: np.ndarray) -> np.ndarray:
    """(N, 4, 4) first camera <- camera."""
    world = np.tile(np.eye(4), (len(yaw), 1, 1))
    world[:, :3, :3] = _camera_axes(yaw)
    world[:, :3, 3] = np.column_stack([place, height])
    return np.linalg.inv(world[0]) @ world


def _write_poses(path: Path, poses: np.ndarray, frames: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = poses[:, :3].reshape(-1, 12)
    if frames is not None:
        rows = np.column_stack([frames, rows])
    np.savetxt(path, rows, fmt="%.12e")


def _write_rtk(
    base: Path, name: str, place: np.ndarray, yaw: np.ndarray, height: np.ndarray
) -> None:
    imu = np.column_stack([place, height]) + _camera_axes(yaw) @ OXTS_IN_CAMERA
    latlon = ORIGIN.to_degrees(imu[:, :2])
    rows = " ".join(
        f"{lon:.14f},{lat:.14f},{up + 90:.6f}"
        for (lat, lon), up in zip(latlon, imu[:, 2], strict=True)
    )
    path = base / "rtk" / f"RTK_{name}.kml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<kml><LineString>\n<coordinates>\n{rows}\n</coordinates></LineString></kml>")


def write_depth(base: Path, name: str, frames: tuple[int, ...]) -> None:
    """Half-resolution images of a flat road under a horizon, with one far column missing."""
    folder = base / f"depth_{name}"
    folder.mkdir(parents=True)
    rows = 2 * np.arange(20)[:, None] * np.ones(30)
    code = np.round(np.maximum(SLOPE * (rows - HORIZON), 0)).astype(np.uint8)
    code[:, 3] = 0
    with zipfile.ZipFile(folder / "frames.zip", "w") as archive:
        for frame in frames:
            encoded = cv2.imencode(".png", code)[1].tobytes()
            archive.writestr(f"{frame:06d}.png", encoded)
    text = io.StringIO()
    text.write("frame,num_disparities,a_code_per_row,horizon_row,ground_inlier_fraction\n")
    for frame in frames:
        text.write(f"{frame},64,{SLOPE},{HORIZON},0.5\n")
    (folder / "ground_calibration.csv").write_text(text.getvalue())
    (base / "calib").mkdir(exist_ok=True)
    p = f"P0: {FOCAL} 0 {CX} 0 0 {FOCAL} {CY} 0 0 0 1 0\n"
    (base / "calib" / f"{name}.txt").write_text(p + p.replace("P0", "P1"))
