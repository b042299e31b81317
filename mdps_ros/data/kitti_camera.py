"""KITTI's cameras with poses: raw drives, and sequences of the odometry benchmark.

A raw drive is a folder such as 2011_09_26_drive_0013_sync:

    image_02/data/*.png, image_02/timestamps.txt   (or video.mp4 and image_02_timestamps.txt)
    oxts/data/*.txt, oxts/timestamps.txt           (or oxts/oxts_all.txt, one row per packet)
    calib_cam_to_cam.txt, calib_imu_to_velo.txt, calib_velo_to_cam.txt   here or one folder up

The benchmark is laid out as sequences/XX/image_2/*.png with calib.txt and times.txt, and
poses/XX.txt; where the poses lie on Earth is told by an RTK track of the raw drive.

Source: A. Geiger et al., "Vision meets robotics: the KITTI dataset", IJRR 2013.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdps_ros.data.camera_sequence import CameraFrame, CameraSequence, Intrinsics, Place, poses_at
from mdps_ros.data.errors import DataError
from mdps_ros.data.images import read_images
from mdps_ros.data.kitti import START_NS
from mdps_ros.data.kitti_align import align
from mdps_ros.data.kitti_depth import T_BASE_CAMERA
from mdps_ros.data.kitti_files import read_matrices, read_poses, read_rtk, read_table

IMU_HEIGHT_M = 0.93
"""Height of the GPS/IMU unit above the road, from the drawing of the car."""
_LATITUDE, _LONGITUDE, _YAW = 0, 1, 5  # columns of a packet
_GAP_NS = 500_000_000


def raw_drive(folder: str | Path) -> CameraSequence:
    """A raw drive: left colour camera, poses of GPS and IMU.

    The base frame lies on the ground under the GPS/IMU unit, x along the car.

    Args:
        folder: of the drive.

    Returns:
        The sequence, with poses on Earth.

    Raises:
        DataError: a file is missing or damaged.
    """
    folder = Path(folder)
    images = _one_of(folder, "image_02/data", "video.mp4")
    times = _one_of(folder, "image_02/timestamps.txt", "image_02_timestamps.txt")
    stamps = read_stamps(times)
    packets = _packets(folder)
    packet_stamps = read_stamps(_one_of(folder, "oxts/timestamps.txt"))
    if len(packet_stamps) != len(packets):
        raise DataError(
            f"{folder / 'oxts'} has {len(packets)} packets and {len(packet_stamps)} times; "
            "fetch it again"
        )
    track = packets[:, [_LATITUDE, _LONGITUDE, _YAW]]
    poses, known = poses_at(packet_stamps, track, stamps, gap_ns=_GAP_NS)
    intrinsics, T_base_camera = raw_camera(folder)

    def frames() -> Iterator[CameraFrame]:
        count = 0
        for count, rgb in enumerate(_as_many(read_images(images), len(stamps), images), start=1):
            if known[count - 1]:
                stamp = int(stamps[count - 1])
                yield CameraFrame(stamp, rgb, poses[count - 1], intrinsics, T_base_camera)

    return CameraSequence(name=folder.name, place=Place.EARTH, frames=frames)


def raw_camera(folder: Path) -> tuple[Intrinsics, NDArray[np.float64]]:
    """Intrinsics of the left colour camera and its place over the ground, (4, 4).

    Raises:
        DataError: a calibration is missing or damaged.
    """
    cameras = read_matrices(
        _calibration(folder, "calib_cam_to_cam.txt"), ("R_rect_00", "P_rect_02")
    )
    P = cameras["P_rect_02"].reshape(3, 4)
    rectified = np.eye(4)
    rectified[:3, :3] = cameras["R_rect_00"].reshape(3, 3)
    T_velo_imu = _rigid(_calibration(folder, "calib_imu_to_velo.txt"))
    T_camera_velo = _rigid(_calibration(folder, "calib_velo_to_cam.txt"))
    offset = np.eye(4)
    offset[:3, 3] = np.linalg.solve(P[:, :3], P[:, 3])
    T_camera_imu = offset @ rectified @ T_camera_velo @ T_velo_imu
    T_base_imu = np.eye(4)
    T_base_imu[2, 3] = IMU_HEIGHT_M
    intrinsics = (float(P[0, 0]), float(P[1, 1]), float(P[0, 2]), float(P[1, 2]))
    return intrinsics, T_base_imu @ np.linalg.inv(T_camera_imu)


def benchmark_sequence(
    root: str | Path, name: str, *, rtk: Path | None = None, images: Path | None = None
) -> CameraSequence:
    """A sequence of the odometry benchmark: left colour camera, true poses.

    The base frame lies on the ground under camera 0, x along the optical axis.

    Args:
        root: folder that holds `sequences` and `poses`.
        name: two digits.
        rtk: KML track of the raw drive; without it the poses lie nowhere on Earth.
        images: folder or video in place of sequences/XX/image_2.

    Returns:
        The sequence; its poses are on Earth, or in the plane of the first camera: x right of it,
        y ahead.

    Raises:
        DataError: a file is missing or damaged.
    """
    root = Path(root)
    folder = root / "sequences" / name
    images = images or folder / "image_2"
    _, cameras = read_poses(root / "poses" / f"{name}.txt")
    times = read_table(folder / "times.txt")[:, 0]
    if len(times) != len(cameras):
        raise DataError(
            f"{folder / 'times.txt'} has {len(times)} rows for {len(cameras)} poses; fetch it again"
        )
    stamps = START_NS + np.round(times * 1e9).astype(np.int64)
    P = read_matrices(folder / "calib.txt", ("P2",))["P2"].reshape(3, 4)
    intrinsics = (float(P[0, 0]), float(P[1, 1]), float(P[0, 2]), float(P[1, 2]))
    T_base_camera = T_BASE_CAMERA.copy()
    # Camera 2 stands right of camera 0 by minus this offset.
    T_base_camera[:3, 3] -= T_BASE_CAMERA[:3, :3] @ np.linalg.solve(P[:, :3], P[:, 3])
    if rtk is None:
        forward = cameras[:, :3, 2]
        poses = np.column_stack([cameras[:, [0, 2], 3], np.arctan2(forward[:, 2], forward[:, 0])])
    else:
        placed = align(cameras, read_rtk(rtk))
        poses = np.column_stack([placed.latlon, placed.yaw])

    def frames() -> Iterator[CameraFrame]:
        decoded = _as_many(read_images(images), len(poses), images)
        for stamp, pose, rgb in zip(stamps.tolist(), poses, decoded, strict=False):
            yield CameraFrame(stamp, rgb, pose, intrinsics, T_base_camera)

    place = Place.NOWHERE if rtk is None else Place.EARTH
    return CameraSequence(name=name, place=place, frames=frames)


def read_stamps(path: Path) -> NDArray[np.int64]:
    """(T,) ns since 1970 of a file of lines such as 2011-09-26 13:10:51.168593664.

    Raises:
        DataError: it is missing or has other lines.
    """
    stamps = []
    try:
        for line in path.read_text("utf8").split("\n"):
            if line.strip():
                whole, _, decimals = line.strip().partition(".")
                moment = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
                stamps.append(int(moment.timestamp()) * 1_000_000_000 + int(f"{decimals:0<9.9}"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} holds no times ({error}); fetch it again") from error
    if not stamps:
        raise DataError(f"{path} is empty; fetch it again")
    return np.array(stamps, np.int64)


def _packets(folder: Path) -> NDArray[np.float64]:
    """(T, 30) rows of the GPS/IMU unit."""
    source = _one_of(folder, "oxts/data", "oxts/oxts_all.txt")
    files = sorted(source.glob("*.txt")) if source.is_dir() else [source]
    if not files:
        raise DataError(f"{source} holds no packets; fetch it again")
    table = np.concatenate([read_table(path) for path in files])
    if table.shape[1] < 6:
        raise DataError(f"{source}: packets have {table.shape[1]} columns; KITTI's have 30")
    return table


def _rigid(path: Path) -> NDArray[np.float64]:
    parts = read_matrices(path, ("R", "T"))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = parts["R"].reshape(3, 3), parts["T"]
    return pose


def _calibration(folder: Path, name: str) -> Path:
    here = folder / name
    return here if here.is_file() else folder.parent / name


def _one_of(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise DataError(f"{folder} lacks {' or '.join(names)}; name the folder of a raw KITTI drive")


def _as_many(
    images: Iterator[NDArray[np.uint8]], count: int, source: Path
) -> Iterator[NDArray[np.uint8]]:
    """The images; DataError in the end where they are not as many as the poses."""
    found = 0
    for found, rgb in enumerate(images, start=1):
        if found <= count:
            yield rgb
    if found != count:
        raise DataError(f"{source} holds {found} images, {count} are told of; fetch it again")
