"""Small camera drives in the layouts of KITTI raw, KITTI odometry and MGL, with known answers."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np

from mdps_ros.data.kitti_align import TangentPlane

ORIGIN = TangentPlane(60.17, 24.94)
SIZE = (48, 20)  # columns, rows
START = datetime(2011, 9, 26, 13, 0, 0, tzinfo=timezone.utc)
SPEED, PERIOD = 10.0, 0.1


def image(number: int) -> np.ndarray:
    """(rows, columns, 3) red, green, blue: one colour per number."""
    return np.full((SIZE[1], SIZE[0], 3), (10 + number, 100, 200), np.uint8)


def write_image(path: Path, rgb: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), rgb[:, :, ::-1])


def circle(count: int) -> np.ndarray:
    """(count, 3) m east, m north, yaw of a drive along a circle of 50 m at SPEED."""
    angle = SPEED * PERIOD * np.arange(count) / 50.0
    place = 50.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.column_stack([place, angle + np.pi / 2])


def degrees(poses: np.ndarray) -> np.ndarray:
    return ORIGIN.to_degrees(poses[:, :2])


def times(count: int, late: float = 0.0) -> str:
    moments = [START + timedelta(seconds=PERIOD * k + late) for k in range(count)]
    return "".join(f"{m:%Y-%m-%d %H:%M:%S}.{m.microsecond:06d}000\n" for m in moments)


def write_raw(folder: Path, count: int = 8, *, late: float = 0.0) -> np.ndarray:
    """A raw drive; the camera stands 1 m ahead of the GPS/IMU unit and 0.7 m above it.

    Args:
        folder: of the drive; calibrations go one folder up.
        count: images and packets.
        late: s from each packet to its image.

    Returns:
        (count, 3) true poses of the packets, m and rad.
    """
    poses = circle(count)
    for number in range(count):
        write_image(folder / "image_02" / "data" / f"{number:010d}.png", image(number))
    (folder / "image_02" / "timestamps.txt").write_text(times(count, late))
    packets = folder / "oxts" / "data"
    packets.mkdir(parents=True)
    for number, ((lat, lon), yaw) in enumerate(zip(degrees(poses), poses[:, 2], strict=True)):
        row = [lat, lon, 110.0, 0.01, -0.01, yaw] + [0.0] * 24
        (packets / f"{number:010d}.txt").write_text(" ".join(f"{v:.12g}" for v in row))
    (folder / "oxts" / "timestamps.txt").write_text(times(count))
    (folder.parent / "calib_imu_to_velo.txt").write_text("R: 1 0 0 0 1 0 0 0 1\nT: -1 0 -0.7\n")
    camera = "R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n"
    (folder.parent / "calib_velo_to_cam.txt").write_text(camera)
    # Camera 2 stands 0.06 m left of camera 0.
    projection = "P_rect_02: 40 0 24 2.4 0 40 10 0 0 0 1 0\n"
    rectification = "R_rect_00: 1 0 0 0 1 0 0 0 1\n"
    (folder.parent / "calib_cam_to_cam.txt").write_text(rectification + projection)
    return poses


def write_benchmark(root: Path, name: str, count: int) -> None:
    """Images, calibration and times of a sequence, beside poses that `write_kitti` writes."""
    folder = root / "sequences" / name
    for number in range(count):
        write_image(folder / "image_2" / f"{number:06d}.png", image(number % 100))
    (folder / "calib.txt").write_text("P0: 40 0 24 0 0 40 10 0 0 0 1 0\nP2: " + P2)
    (folder / "times.txt").write_text("".join(f"{PERIOD * k:.6f}\n" for k in range(count)))


P2 = "40 0 24 2.4 0 40 10 0 0 0 1 0\n"


def write_mgl(folder: Path, count: int = 4) -> np.ndarray:
    """A place of MGL with two sequences; (count, 3) true poses of the first, m and rad."""
    poses = circle(count)
    dump = {}
    for name, offset in (("a_left", 0), ("b_undistorted", count)):
        views = {}
        for k, ((lat, lon), yaw) in enumerate(zip(degrees(poses), poses[:, 2], strict=True)):
            view = f"{100 + offset + k}_x"
            write_image(folder / "images" / f"{view}.jpg", image(20 * k))
            right = [np.sin(yaw), -np.cos(yaw), 0.0]
            ahead = [np.cos(yaw) * 0.995, np.sin(yaw) * 0.995, -np.sqrt(1 - 0.995**2)]
            R = np.column_stack([right, np.cross(ahead, right), ahead])
            views[view] = {
                "camera_id": "c",
                "latlong": [lat, lon],
                "t_c2w": [0.0, 0.0, 2.0],
                "R_c2w": R.tolist(),
                "capture_time": 1_600_000_000_000 + 1000 * (count - k if offset else k),
                "chunk_id": 7,
                **({"height": 2.2} if offset else {}),
            }
        camera = {"id": "c", "model": "PINHOLE", "width": SIZE[0], "height": SIZE[1]}
        camera["params"] = [40.0, 40.0, 24.0, 10.0]
        dump[name] = {"views": views, "cameras": {"c": camera}}
    (folder / "dump.json").write_text(json.dumps(dump))
    return poses
