"""A KITTI odometry sequence as a drive: planar visual odometry, truth on Earth, depth images.

The base frame of these drives is the position of camera 0 projected to the ground, x along the
optical axis: the truth is the camera's position. (The car's rear axle is never seen here.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdps_ros.data.errors import DataError
from mdps_ros.data.kitti_align import align
from mdps_ros.data.kitti_depth import KittiDepth
from mdps_ros.data.kitti_files import (
    SequenceFiles,
    find_sequences,
    read_intrinsics,
    read_poses,
    read_rtk,
    read_times,
)
from mdps_ros.data.recording import DepthFrame

START_NS = 1_000_000_000
"""Stamp of the first frame, ns; not zero, because ROS reads zero as "no time"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KittiSequence:
    """One sequence, T frames. Where the odometry skips frames, they are left out of everything.

    Attributes:
        name: name of the sequence.
        frames: (T,) int64, frame numbers of the benchmark, rising.
        stamps_ns: (T,) int64 ns.
        motion: (T - 1, 3) float64 forward m, left m, turn rad: visual odometry from frame to
            frame; None where there is none with true scale.
        T_odom_base: (T, 3) float64 x m, y m, yaw rad (unwrapped), the chained motion from
            (0, 0, 0); None like `motion`.
        latitude_deg: (T,) float64, truth.
        longitude_deg: (T,) float64, truth.
        yaw: (T,) float64 rad, truth, counter-clockwise from east.
        odometry_file: where the odometry comes from, or None.
        osm_file: map around the sequence, or None.
        depth: depth images by frame number, or None.
        alignment_residual_m: root mean square distance of the poses to the RTK track.
    """

    name: str
    frames: NDArray[np.int64]
    stamps_ns: NDArray[np.int64]
    motion: NDArray[np.float64] | None
    T_odom_base: NDArray[np.float64] | None
    latitude_deg: NDArray[np.float64]
    longitude_deg: NDArray[np.float64]
    yaw: NDArray[np.float64]
    odometry_file: Path | None
    osm_file: Path | None
    depth: KittiDepth | None
    alignment_residual_m: float

    def depth_frame(self, index: int) -> DepthFrame | None:
        """Depth image of the index-th frame of this sequence, None where there is none."""
        found = None if self.depth is None else self.depth.image(int(self.frames[index]))
        return None if found is None else DepthFrame(int(self.stamps_ns[index]), *found)

    def depth_frames(self) -> Iterator[DepthFrame]:
        """All depth images in order, decoded one by one."""
        for index in range(len(self.frames)):
            frame = self.depth_frame(index)
            if frame is not None:
                yield frame


def load_sequence(root: str | Path, name: str, *, odometry: Path | None = None) -> KittiSequence:
    """Load a sequence by name.

    Args:
        root: the `kitti` folder, or the one that holds it.
        name: a sequence that `find_sequences` lists.
        odometry: pose file to use as odometry; None takes the best metric one of the folder.

    Returns:
        The sequence; depth images are decoded when they are asked for.

    Raises:
        DataError: the sequence or a file that it needs is missing or damaged.
    """
    found = find_sequences(root)
    if name not in found:
        raise DataError(f"no sequence {name!r} in {root}; there are {', '.join(found)}")
    files = found[name]
    if files.rtk is None:
        raise DataError(f"sequence {name} has no RTK track rtk/*_{name}.kml; fetch it")
    _, poses = read_poses(files.poses)
    placed = align(poses, read_rtk(files.rtk))
    stamps = START_NS + np.round(read_times(files, len(poses)) * 1e9).astype(np.int64)
    odometry = odometry or files.odometry
    frames = np.arange(len(poses), dtype=np.int64)
    motion = None
    if odometry is not None:
        frames, track = _odometry(odometry, len(poses))
        motion = planar_motion(track)
    return KittiSequence(
        name=name,
        frames=frames,
        stamps_ns=stamps[frames],
        motion=motion,
        T_odom_base=None if motion is None else chain(motion),
        latitude_deg=placed.latlon[frames, 0],
        longitude_deg=placed.latlon[frames, 1],
        yaw=placed.yaw[frames],
        odometry_file=odometry,
        osm_file=files.osm,
        depth=_depth(files),
        alignment_residual_m=placed.residual_m,
    )


def planar_motion(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frame-to-frame motion on the ground from camera poses.

    Only differences of neighbouring poses are used: corrections by loop closures hide in the
    absolute poses of many odometry results and would be knowledge of the future.

    Args:
        poses: (T, 4, 4) first camera <- camera (x right, y down, z forward).

    Returns:
        (T - 1, 3) forward m, left m, turn rad, each in the frame of the earlier pose.
    """
    step = np.linalg.inv(poses[:-1]) @ poses[1:]
    turn = np.arctan2(-step[:, 0, 2], step[:, 2, 2])
    return np.stack([step[:, 2, 3], -step[:, 0, 3], turn], axis=1)


def chain(motion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chain planar motion from the origin.

    Args:
        motion: (T - 1, 3) forward m, left m, turn rad.

    Returns:
        (T, 3) x m, y m, yaw rad (unwrapped).
    """
    yaw = np.concatenate([[0.0], np.cumsum(motion[:, 2])])
    step = (motion[:, 0] + 1j * motion[:, 1]) * np.exp(1j * yaw[:-1])
    place = np.concatenate([[0.0], np.cumsum(step)])
    return np.stack([place.real, place.imag, yaw], axis=1)


def _odometry(path: Path, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    frames, poses = read_poses(path)
    if frames[0] < 0 or frames[-1] >= count:
        raise DataError(
            f"{path} speaks of frames {frames[0]} to {frames[-1]}, the sequence has {count}; "
            "does it belong to another one?"
        )
    return frames, poses


def _depth(files: SequenceFiles) -> KittiDepth | None:
    intrinsics = read_intrinsics(files)
    if files.depth is None:
        return None
    if intrinsics is None:
        raise DataError(
            f"sequence {files.name} has depth but no intrinsics; add calib/{files.name}.txt"
        )
    return KittiDepth(files.depth, intrinsics)
