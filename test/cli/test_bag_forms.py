"""Bags as vehicles record them: compressed or distorted images, odometry as twist or transforms."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mdps_ros.cli.bag_drive import open_drive
from mdps_ros.cli.bag_frames import bag_sequence
from mdps_ros.cli.bag_topics import choose_topics
from mdps_ros.cli.doctor_bag import observe_bag
from mdps_ros.data import ros_messages
from mdps_ros.data.bag import Bag, BagMessage, open_bag
from mdps_ros.data.bag_writer import Entry, write_drive, write_entries
from mdps_ros.data.errors import BagError
from mdps_ros.data.recording import Camera, ColourFrame, MapAnchor, PoseTrack
from mdps_ros.maps import GeoAnchor, Map
from mdps_ros.notes import Code, Note
from mdps_ros.runtime.checkup.checkup import examine
from mdps_ros.runtime.events import ColourImageEvent, OdometryEvent, PlaceEvent
from mdps_ros.settings import Settings, with_values

STEPS, STEP_NS = 6, 100_000_000
ODOMETRY, TWIST = "nav_msgs/msg/Odometry", "geometry_msgs/msg/TwistWithCovarianceStamped"
TRANSFORMS, FIX = "tf2_msgs/msg/TFMessage", "sensor_msgs/msg/NavSatFix"
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
INFO = "sensor_msgs/msg/CameraInfo"
BELOW = np.array([[1, 0, 0, 0.4], [0, 1, 0, -0.1], [0, 0, 1, 0.2], [0, 0, 0, 1]], float)

Rewrite = Callable[[BagMessage], Iterable[tuple[str, str, Any]]]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drive straight ahead with 10 m/s and noise for images, as our simulator writes it."""
    stamps = 1_000_000_000 + STEP_NS * np.arange(STEPS)
    poses = np.stack([np.arange(STEPS), np.zeros(STEPS), np.zeros(STEPS)], axis=1).astype(float)
    track = PoseTrack(stamps_ns=stamps, poses=poses, twist=np.tile([10.0, 0.0, 0.0], (STEPS, 1)))
    mount = np.eye(4)
    mount[:3, :3], mount[:3, 3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], [1.5, 0.1, 1.2]
    camera = Camera(width=32, height=24, fx=30.0, fy=30.0, cx=15.5, cy=11.5, T_base_camera=mount)
    rng = np.random.default_rng(4)
    rgb = rng.integers(0, 256, (STEPS, 24, 32, 3), dtype=np.uint8)
    images = [ColourFrame(int(t), rgb[i], camera) for i, t in enumerate(stamps[:-1])]
    path = tmp_path_factory.mktemp("plain") / "bag"
    write_drive(path, track, track, images, camera=camera, anchor=MapAnchor(60.17, 24.94))
    return path


def rewritten(plain: Path, path: Path, rewrite: Rewrite) -> Path:
    """The same drive with other messages: (topic, type, message) for each one."""
    entries, types = [], {}
    for message in open_bag(plain).messages():
        for topic, kind, other in rewrite(message):
            types[topic] = kind
            entries.append(Entry(message.stamp_ns, 0, topic, other))
    write_entries(path, entries, types, (entries[0].stamp_ns, entries[-1].stamp_ns))
    return path


def same(message: BagMessage) -> tuple[str, str, Any]:
    return message.topic, message.message.__msgtype__, message.message


def compressed(message: BagMessage) -> Iterable[tuple[str, str, Any]]:
    if message.topic != "/camera/color/image_rect":
        yield same(message)
        return
    msg = message.message
    rgb = np.asarray(msg.data).reshape(msg.height, msg.width, 3)
    _, data = cv2.imencode(".png", np.ascontiguousarray(rgb[..., ::-1]))
    fields = {"header": msg.header, "format": "png", "data": data.reshape(-1)}
    yield f"{message.topic}/compressed", COMPRESSED, ros_messages.new(COMPRESSED, **fields)


def as_twist(message: BagMessage) -> Iterable[tuple[str, str, Any]]:
    if message.topic != "/odom":
        yield same(message)
        return
    msg = message.message
    yield "/wheels", TWIST, ros_messages.new(TWIST, header=msg.header, twist=msg.twist)


def as_transforms(message: BagMessage) -> Iterable[tuple[str, str, Any]]:
    """odom -> footprint moves, footprint -> base_link stands on /tf_static."""
    if message.topic == "/tf_static":
        msg = message.message
        (fixed,) = ros_messages.transform(0, "footprint", "base_link", BELOW).transforms
        msg.transforms = [*msg.transforms, fixed]
        yield same(message)
    elif message.topic == "/odom":
        stamp = message.message.header.stamp
        at = np.eye(4)
        at[0, 3] = message.message.pose.pose.position.x
        ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        way = ros_messages.transform(ns, "odom", "footprint", at @ np.linalg.inv(BELOW))
        elsewhere = ros_messages.transform(ns, "map", "odom", np.eye(4))
        yield "/tf", TRANSFORMS, elsewhere
        yield "/tf", TRANSFORMS, way
    else:
        yield same(message)


def mounted_on_tf(sway_m: float, rest: int = 0) -> Rewrite:
    """The mounting comes with every odometry message.

    Args:
        sway_m: how much further to the left each time,
        rest: but for the first messages.
    """
    camera: list[str] = []
    told = count()
    place = np.eye(4)
    place[:3, 3] = 1.5, 0.1, 1.2

    def rewrite(message: BagMessage) -> Iterable[tuple[str, str, Any]]:
        if message.topic == "/tf_static":
            camera.append(message.message.transforms[0].child_frame_id)
            return
        if message.topic == "/odom":
            place[1, 3] += sway_m if next(told) >= rest else 0.0
            stamp, still = message.stamp_ns, np.eye(4)
            arm = ros_messages.transform(stamp, "/base_link", "/arm", place)
            yield "/tf", TRANSFORMS, arm
            yield "/tf", TRANSFORMS, ros_messages.transform(stamp, "/arm", camera[0], still)
        yield same(message)

    return rewrite


def events(path: Path, kind: type, **values: Any) -> list[Any]:
    changed = with_values(Settings(), {k.replace("__", "."): v for k, v in values.items()})
    found = [event for _, event in open_drive(path, changed).events()]
    assert not [event for event in found if isinstance(event, Note)]
    return [event for event in found if isinstance(event, kind)]


def test_compressed_images_are_the_raw_ones(plain: Path, tmp_path: Path) -> None:
    bag = rewritten(plain, tmp_path / "bag", compressed)
    raw, found = events(plain, ColourImageEvent), events(bag, ColourImageEvent)
    assert len(raw) == len(found) == STEPS - 1
    for left, right in zip(raw, found, strict=True):
        assert left.stamp_ns == right.stamp_ns
        np.testing.assert_array_equal(left.rgb, right.rgb)
        np.testing.assert_array_equal(left.T_base_camera, right.T_base_camera)


@pytest.mark.parametrize(
    ("rewrite", "source"), [(as_twist, "twist"), (as_transforms, "tf"), (None, "odometry_twist")]
)
def test_odometry_of_other_kinds_is_the_same_way(
    plain: Path, tmp_path: Path, rewrite: Rewrite | None, source: str
) -> None:
    bag = plain if rewrite is None else rewritten(plain, tmp_path / "bag", rewrite)
    wanted = events(plain, OdometryEvent)
    found = events(bag, OdometryEvent, node__odometry_source=source)
    assert [event.stamp_ns for event in found] == [event.stamp_ns for event in wanted]
    for left, right in zip(wanted, found, strict=True):
        np.testing.assert_allclose(left.T_odom_base, right.T_odom_base, atol=1e-9)


def test_a_bag_with_another_kind_of_odometry_says_how_to_read_it(
    plain: Path, tmp_path: Path
) -> None:
    for rewrite, source, name in ((as_twist, "twist", "/wheels"), (as_transforms, "tf", "/tf")):
        bag = rewritten(plain, tmp_path / source, rewrite)
        with pytest.raises(
            BagError, match=f"{name} is read with --set node.odometry_source={source}"
        ):
            open_drive(bag, Settings())


def test_distorted_images_are_undistorted_when_told(plain: Path, tmp_path: Path) -> None:
    def bent(message: BagMessage) -> Iterable[tuple[str, str, Any]]:
        if message.topic.endswith("camera_info"):
            message.message.d = np.array([-0.3, 0.1, 0.0, 0.0, 0.0])
        yield same(message)

    bag = rewritten(plain, tmp_path / "bag", bent)
    raw = events(bag, ColourImageEvent)
    straight = events(bag, ColourImageEvent, node__rectified=False)
    assert (raw[0].rgb != straight[0].rgb).any()
    np.testing.assert_array_equal(raw[0].rgb, events(plain, ColourImageEvent)[0].rgb)


def test_fixes_take_part_when_they_are_named(plain: Path) -> None:
    anchor = GeoAnchor(60.17, 24.94)
    named = open_drive(plain, Settings(), fix="/map_anchor")
    found = [e for _, e in named.events(anchor=anchor) if isinstance(e, PlaceEvent)]
    assert len(found) == 1
    np.testing.assert_allclose(found[0].T_map_base[:2], 0.0, atol=1e-6)
    unnamed = open_drive(plain, Settings()).events(anchor=anchor)
    assert not [e for _, e in unnamed if isinstance(e, PlaceEvent)]
    with pytest.raises(BagError, match=r"^/odom is .*; a fix is sensor_msgs/msg/NavSatFix"):
        open_drive(plain, Settings(), fix="/odom")


def test_frames_for_training_need_no_odometry(plain: Path, tmp_path: Path, helsinki: Map) -> None:
    def surveyed(message: BagMessage) -> Iterable[tuple[str, str, Any]]:
        """Compressed images, the truth as PoseStamped, and no odometry."""
        if message.topic == "/ground_truth":
            msg, kind = message.message, "geometry_msgs/msg/PoseStamped"
            yield "/rtk", kind, ros_messages.new(kind, header=msg.header, pose=msg.pose.pose)
        elif message.topic != "/odom":
            yield from compressed(message)

    bag = rewritten(plain, tmp_path / "bag", surveyed)
    frames = list(bag_sequence(bag, helsinki, pose_topic="/rtk").frames())
    wanted = list(bag_sequence(plain, helsinki).frames())
    assert len(frames) == len(wanted) == STEPS - 1
    for left, right in zip(wanted, frames, strict=True):
        np.testing.assert_array_equal(left.rgb, right.rgb)
        np.testing.assert_allclose(left.pose, right.pose)
    with pytest.raises(BagError, match="no topic /gps"):
        bag_sequence(bag, helsinki, pose_topic="/gps")


@pytest.mark.parametrize(
    ("names", "image"),
    [
        ({"/a/image": IMAGE, "/a/image/compressed": COMPRESSED}, "/a/image"),
        ({"/a/image/compressed": COMPRESSED}, "/a/image/compressed"),
        ({"/a/jpeg": COMPRESSED}, "/a/jpeg"),
        ({"/a/image/compressed": COMPRESSED, "/a/image/compressedDepth": COMPRESSED},
         "/a/image/compressed"),
        ({"/camera/color/image_rect/compressed": COMPRESSED, "/a/image": IMAGE},
         "/camera/color/image_rect/compressed"),
    ],
)  # fmt: skip
def test_which_form_of_an_image_is_taken(names: dict[str, str], image: str, tmp_path: Path) -> None:
    info = {"/a/camera_info": INFO, "/camera/color/camera_info": INFO}
    topics = {"/odom": ODOMETRY} | names | info
    found = choose_topics(Bag(tmp_path, topics, dict.fromkeys(topics, 1), 0, 1))
    assert found.image == image
    assert found.camera_info in info


@pytest.mark.parametrize("other", [{"/b/i/compressed": COMPRESSED}, {"/b/i": IMAGE}])
def test_images_of_two_cameras_have_to_be_told_apart(other: dict[str, str], tmp_path: Path) -> None:
    topics = {"/odom": ODOMETRY, "/a/i/compressed": COMPRESSED, **other}
    with pytest.raises(BagError, match=f"--image-topic: /a/i/compressed, {next(iter(other))}$"):
        choose_topics(Bag(tmp_path, topics, dict.fromkeys(topics, 1), 0, 1))


@pytest.mark.parametrize(("rewrite", "source"), [(as_twist, "twist"), (as_transforms, "tf")])
def test_doctor_looks_at_odometry_of_every_kind(
    plain: Path, tmp_path: Path, rewrite: Rewrite, source: str
) -> None:
    bag = rewritten(plain, tmp_path / "bag", rewrite)
    settings = with_values(Settings(), {"node.odometry_source": source})
    found = {f.check: f for f in examine(observe_bag(bag, settings), settings)}
    name = "odometry" if source == "tf" else "twist topic"
    assert found[name].verdict == "pass", found[name]
    assert found["odometry rate"].text == "10.0 Hz"
    assert found["image topic"].verdict == "pass"


def test_a_camera_that_stands_still_on_tf_has_a_place(plain: Path, tmp_path: Path) -> None:
    """Without /tf_static, and in frames with slashes; a camera that sways has none."""
    found = events(rewritten(plain, tmp_path / "still", mounted_on_tf(0.0)), ColourImageEvent)
    assert len(found) == STEPS - 1
    np.testing.assert_allclose(found[0].T_base_camera[:3, 3], [1.5, 0.1, 1.2], atol=1e-9)
    for rest in (0, STEPS - 1):
        mounting = mounted_on_tf(0.01, rest)
        swaying = open_drive(rewritten(plain, tmp_path / f"sways{rest}", mounting), Settings())
        notes = [event for _, event in swaying.events() if isinstance(event, Note)]
        assert [note.code for note in notes] == [Code.NO_EXTRINSICS] * (STEPS - 1)


def test_the_base_frame_may_be_named_with_a_slash(plain: Path) -> None:
    settings = with_values(Settings(), {"frames.base": "/base_link", "frames.odom": "/odom"})
    images = [e for _, e in open_drive(plain, settings).events() if isinstance(e, ColourImageEvent)]
    assert len(images) == STEPS - 1
    assert settings.frames.odom == "odom"
