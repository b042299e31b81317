"""Write one drive as a rosbag2 recording (mcap, zstd chunks); equal input gives equal bytes."""

from __future__ import annotations

import heapq
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import (
    CompressionFormat,
    CompressionMode,
    StoragePlugin,
    Writer,
    WriterError,
)

from mdps_ros.data import ros_messages
from mdps_ros.data.errors import BagError
from mdps_ros.data.recording import CameraModel, ColourFrame, DepthFrame, MapAnchor, PoseTrack

ODOMETRY_TOPIC = "/odom"
TRUTH_TOPIC = "/ground_truth"
DEPTH_TOPIC = "/camera/depth/image_rect"
DEPTH_INFO_TOPIC = "/camera/depth/camera_info"
COLOUR_TOPIC = "/camera/color/image_rect"
COLOUR_INFO_TOPIC = "/camera/color/camera_info"
STATIC_TF_TOPIC = "/tf_static"
ANCHOR_TOPIC = "/map_anchor"

_TYPES = {
    STATIC_TF_TOPIC: "tf2_msgs/msg/TFMessage",
    ANCHOR_TOPIC: "sensor_msgs/msg/NavSatFix",
    ODOMETRY_TOPIC: "nav_msgs/msg/Odometry",
    TRUTH_TOPIC: "nav_msgs/msg/Odometry",
    DEPTH_INFO_TOPIC: "sensor_msgs/msg/CameraInfo",
    DEPTH_TOPIC: "sensor_msgs/msg/Image",
    COLOUR_INFO_TOPIC: "sensor_msgs/msg/CameraInfo",
    COLOUR_TOPIC: "sensor_msgs/msg/Image",
}
_LATCHED = (STATIC_TF_TOPIC, ANCHOR_TOPIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class BagFrames:
    """Names of the coordinate frames in the bag."""

    map: str = "map"
    odom: str = "odom"
    base: str = "base_link"
    camera: str = "camera_optical"


class Entry(NamedTuple):
    """A message to be written; entries are ordered by time, then by the order of the sources."""

    stamp_ns: int
    source: int
    topic: str
    message: Any


def write_drive(
    path: str | Path,
    odometry: PoseTrack,
    truth: PoseTrack | None,
    images: Iterable[DepthFrame | ColourFrame] = (),
    *,
    camera: CameraModel | None = None,
    anchor: MapAnchor | None = None,
    metadata: dict[str, str] | None = None,
    encoding: str = "16UC1",
    frames: BagFrames | None = None,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write a drive as a bag; images are taken from their iterator one by one.

    Topics: /odom, /ground_truth, image_rect and camera_info under /camera/depth or /camera/color
    (as the images are), and latched /tf_static (base <- camera) and /map_anchor (NavSatFix at the
    origin of the frame of /ground_truth, so that the truth can be placed on a map with another
    origin). At equal stamps odometry comes first, then truth, then intrinsics, then the image.

    The bag is written beside its place and moved there when it is complete.

    Args:
        path: folder to make; it must not exist.
        odometry: T_odom_base over time.
        truth: T_map_base over time, or None.
        images: depth or colour images, stamps rising.
        camera: mounting of the camera for /tf_static; needed when there are images.
        anchor: where the map frame lies on Earth, or None when it lies nowhere.
        metadata: facts about the drive, kept as custom data of the bag (metadata.yaml).
        encoding: "16UC1" (millimetres, small) or "32FC1" (metres, exact).
        frames: names of the coordinate frames.
        progress: called with the share of the drive that is written, 0 to 1.

    Raises:
        BagError: the path is taken or cannot be written, or the input makes no bag.
    """
    path = Path(path)
    if path.exists():
        raise BagError(f"{path} exists already; remove it or choose another name")
    if len(odometry.stamps_ns) == 0:
        raise BagError(f"no odometry to write to {path}; a drive needs at least one pose")
    if encoding not in ros_messages.DEPTH_ENCODINGS:
        known = " or ".join(ros_messages.DEPTH_ENCODINGS)
        raise BagError(f"depth encoding {encoding!r} is unknown; use {known}")
    names = frames or BagFrames()
    entries = heapq.merge(
        _latched(odometry, camera, anchor, names),
        _poses(odometry, 1, ODOMETRY_TOPIC, (names.odom, names.base)),
        _poses(truth, 2, TRUTH_TOPIC, (names.map, names.base)),
        _images(images, camera, encoding, names),
        key=lambda entry: entry[:2],
    )
    # The names of the folder and its file are part of the bytes: all bags are born with the same.
    nursery = path.parent / f".{path.name}.partial"
    shutil.rmtree(nursery, ignore_errors=True)
    try:
        span = (int(odometry.stamps_ns[0]), int(odometry.stamps_ns[-1]))
        write_entries(
            nursery / "drive",
            entries,
            _TYPES,
            span,
            latched=_LATCHED,
            metadata=metadata,
            progress=progress,
        )
        (nursery / "drive").rename(path)
    except (WriterError, OSError) as error:
        raise BagError(f"cannot write {path}: {error}") from error
    finally:
        shutil.rmtree(nursery, ignore_errors=True)


def write_entries(
    path: Path,
    entries: Iterable[Entry],
    types: Mapping[str, str],
    span_ns: tuple[int, int],
    *,
    latched: Sequence[str] = (),
    metadata: Mapping[str, str] | None = None,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write messages as a rosbag2 folder (mcap, zstd chunks).

    Args:
        path: folder to make.
        entries: messages by rising stamp.
        types: topic -> message type.
        span_ns: first and last stamp.
        latched: topics that late listeners get, too.
        metadata: custom data of the bag.
        progress: called with the share of the span that is written, 0 to 1.

    Raises:
        WriterError: it cannot be written.
        OSError: likewise.
    """
    first, last = span_ns
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    for key, text in sorted((metadata or {}).items()):
        writer.set_custom_data(key, text)
    with writer:
        connections: dict[str, Any] = {}
        told = 0.0
        for entry in entries:
            kind = types[entry.topic]
            if entry.topic not in connections:
                connections[entry.topic] = writer.add_connection(
                    entry.topic,
                    kind,
                    typestore=ros_messages.TYPESTORE,
                    offered_qos_profiles=[_qos(entry.topic in latched)],
                )
            data = ros_messages.TYPESTORE.serialize_cdr(entry.message, kind)
            writer.write(connections[entry.topic], entry.stamp_ns, data)
            share = min(1.0, max(0, entry.stamp_ns - first) / max(1, last - first))
            if progress is not None and share - told >= 0.005:
                progress(share)
                told = share
    if progress is not None:
        progress(1.0)


def _latched(
    odometry: PoseTrack, camera: CameraModel | None, anchor: MapAnchor | None, names: BagFrames
) -> Iterator[Entry]:
    stamp = int(odometry.stamps_ns[0])
    if camera is not None:
        mounting = ros_messages.transform(stamp, names.base, names.camera, camera.T_base_camera)
        yield Entry(stamp, 0, STATIC_TF_TOPIC, mounting)
    if anchor is not None:
        yield Entry(stamp, 0, ANCHOR_TOPIC, ros_messages.nav_sat_fix(stamp, names.map, anchor))


def _poses(
    track: PoseTrack | None, source: int, topic: str, frames: tuple[str, str]
) -> Iterator[Entry]:
    if track is None:
        return
    if (np.diff(track.stamps_ns) <= 0).any():
        raise BagError(f"stamps of {topic} do not rise; sort the drive by time")
    for i, stamp in enumerate(track.stamps_ns.tolist()):
        covariance = None if track.covariance is None else track.covariance[i]
        message = ros_messages.odometry(stamp, track.poses[i], track.twist[i], covariance, frames)
        yield Entry(stamp, source, topic, message)


def _images(
    images: Iterable[DepthFrame | ColourFrame],
    camera: CameraModel | None,
    encoding: str,
    names: BagFrames,
) -> Iterator[Entry]:
    for frame in images:
        stamp, pixels, lens = frame
        if camera is None:
            raise BagError("images without a camera; give the camera for /tf_static")
        if pixels.shape[:2] != (lens.height, lens.width):
            raise BagError(
                f"image of {pixels.shape[:2]} rows and columns, its camera says "
                f"{(lens.height, lens.width)}; give the intrinsics of this image"
            )
        info = ros_messages.camera_info(stamp, names.camera, lens)
        if isinstance(frame, DepthFrame):
            yield Entry(stamp, 3, DEPTH_INFO_TOPIC, info)
            image = ros_messages.depth_image(stamp, names.camera, frame.depth, encoding)
            yield Entry(stamp, 3, DEPTH_TOPIC, image)
        else:
            yield Entry(stamp, 3, COLOUR_INFO_TOPIC, info)
            image = ros_messages.colour_image(stamp, names.camera, frame.rgb)
            yield Entry(stamp, 3, COLOUR_TOPIC, image)


def _qos(latched: bool) -> Qos:
    forever = QosTime(2147483647, 4294967295)
    return Qos(
        QosHistory.KEEP_LAST,
        1 if latched else 10,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        forever,
        forever,
        QosLiveliness.AUTOMATIC,
        forever,
        False,
    )
