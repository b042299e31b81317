"""A bag as a camera sequence: its colour images, with poses from the bag or from a file. No ROS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mdps_ros.cli.bag_drive import BagDrive
from mdps_ros.cli.bag_topics import DriveTopics, choose_image
from mdps_ros.data.bag import open_bag
from mdps_ros.data.bag_writer import TRUTH_TOPIC
from mdps_ros.data.camera_sequence import CameraFrame, CameraSequence, Place, poses_at
from mdps_ros.data.errors import BagError, DataError
from mdps_ros.data.trajectory import read_tum
from mdps_ros.evaluation.run import Track
from mdps_ros.maps import Map
from mdps_ros.runtime.events import ColourImageEvent
from mdps_ros.settings import Settings, with_values

GAP_NS = 500_000_000
"""Longest time between two poses that is bridged."""


def bag_sequence(
    path: Path,
    map: Map,
    *,
    base_frame: str = "base_link",
    rectified: bool = True,
    image: str | None = None,
    poses: Path | None = None,
    pose_topic: str | None = None,
) -> CameraSequence:
    """The colour images of a bag.

    Args:
        path: the recording.
        map: whose frame the poses are told in.
        base_frame: of the vehicle, root of the camera's place in /tf_static.
        rectified: whether the images come without distortion; else they are undistorted here.
        image: topic of the colour images; None finds it.
        poses: TUM file of poses of the base frame in the map, for instance of `mdps replay`; None
            takes them from the bag.
        pose_topic: topic of the poses in the bag (Odometry or PoseStamped), of RTK for instance,
            in the map's frame or in that of /map_anchor; None takes /ground_truth.

    Returns:
        The sequence, with poses on the map; images without a pose at their time are left out.

    Raises:
        BagError: the bag cannot be read, or has no colour images or no poses.
        DataError: the file of poses cannot be used.
    """
    bag = open_bag(path)
    image, info = choose_image(bag, image)
    truth = pose_topic or (TRUTH_TOPIC if TRUTH_TOPIC in bag.topics else None)
    if truth is not None and truth not in bag.topics:
        raise BagError(f"{path} has no topic {truth}, only {', '.join(sorted(bag.topics))}")
    topics = DriveTopics(None, image, info, truth)
    if image is None:
        raise BagError(f"{path} has no images, only {', '.join(sorted(bag.topics))}")
    told = {"frames.base": base_frame, "node.rectified": rectified}
    drive = BagDrive(bag, topics, with_values(Settings(), told))
    track = _track_of_file(poses) if poses is not None else drive.truth(map)
    if track is None:
        raise BagError(
            f"{path} does not tell where the vehicle was; name a topic (--pose-topic) or a TUM "
            "file (--poses)"
        )

    def frames() -> Iterator[CameraFrame]:
        seen = False
        for _, event in drive.events():
            if not isinstance(event, ColourImageEvent):
                continue
            seen = True
            stamp = np.array([event.stamp_ns], np.int64)
            found, known = poses_at(track.stamps_ns, track.poses, stamp, gap_ns=GAP_NS)
            if known[0]:
                lens = event.camera
                intrinsics = (lens.fx, lens.fy, lens.cx, lens.cy)
                yield CameraFrame(
                    event.stamp_ns, event.rgb, found[0], intrinsics, event.T_base_camera
                )
        if not seen:
            raise BagError(
                f"{path}: no colour image on {topics.image} can be used; choose another with "
                "--image-topic, and see to its camera_info and to /tf_static"
            )

    return CameraSequence(name=path.name, place=Place.MAP, frames=frames)


def _track_of_file(path: Path) -> Track:
    stamps, poses = read_tum(path)
    if len(stamps) == 0:
        raise DataError(f"{path} holds no pose; name another file")
    return Track(stamps, poses)
