"""Messages -> events, with the message classes of rosbags: no ROS is imported."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from mdps_ros.core.mapdata import Bounds
from mdps_ros.notes import Code, Note
from mdps_ros.runtime.events import (
    ColourImageEvent,
    DepthImageEvent,
    InitialPoseEvent,
    OdometryEvent,
    PinholeCamera,
)
from mdps_ros.runtime.inputs import image_inputs, messages, pixels

TYPES = get_typestore(Stores.ROS2_HUMBLE).types


def make(name: str, **fields: Any) -> Any:
    return TYPES[name](**fields)


def header(frame: str = "camera", sec: int = 1_700_000_000, nanosec: int = 123_456_789) -> Any:
    stamp = make("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
    return make("std_msgs/msg/Header", stamp=stamp, frame_id=frame)


def quaternion(x: float, y: float, z: float, w: float) -> Any:
    return make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)


def pose(x: float, y: float, q: Any) -> Any:
    point = make("geometry_msgs/msg/Point", x=x, y=y, z=0.0)
    return make("geometry_msgs/msg/Pose", position=point, orientation=q)


def with_covariance(value: Any, covariance: Any) -> Any:
    return make("geometry_msgs/msg/PoseWithCovariance", pose=value, covariance=covariance)


def odometry(x: float, y: float, q: Any) -> Any:
    zero = make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0)
    twist = make("geometry_msgs/msg/Twist", linear=zero, angular=zero)
    twist = make("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36))
    return make(
        "nav_msgs/msg/Odometry",
        header=header("odom"),
        child_frame_id="base_link",
        pose=with_covariance(pose(x, y, q), np.zeros(36)),
        twist=twist,
    )


def image(encoding: str, pixels: np.ndarray, padding: int = 0, **changes: Any) -> Any:
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=255)
    fields: dict[str, Any] = {
        "header": header(),
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "encoding": encoding,
        "is_bigendian": int(pixels.dtype.str[0] == ">"),
        "step": rows.shape[1],
        "data": rows.ravel(),
    }
    return make("sensor_msgs/msg/Image", **(fields | changes))


def camera_info(width: int = 3, height: int = 2, **changes: Any) -> Any:
    k = np.array([2.0, 0, 1.0, 0, 2.5, 0.5, 0, 0, 1])
    roi = make(
        "sensor_msgs/msg/RegionOfInterest",
        x_offset=0,
        y_offset=0,
        height=0,
        width=0,
        do_rectify=False,
    )
    fields: dict[str, Any] = {
        "header": header(),
        "height": height,
        "width": width,
        "distortion_model": "plumb_bob",
        "d": np.zeros(5),
        "k": k,
        "r": np.eye(3).ravel(),
        "p": np.zeros(12),
        "binning_x": 0,
        "binning_y": 0,
        "roi": roi,
    }
    return make("sensor_msgs/msg/CameraInfo", **(fields | changes))


def initial_pose(covariance: Any, q: Any = None, frame: str = "map") -> Any:
    value = pose(4.0, -5.0, q or quaternion(0.0, 0.0, 1.0, 0.0))
    return make(
        "geometry_msgs/msg/PoseWithCovarianceStamped",
        header=header(frame),
        pose=with_covariance(value, covariance),
    )


def code(result: Any) -> Code:
    assert isinstance(result, Note), result
    return result.code


def test_stamp_keeps_every_nanosecond() -> None:
    assert messages.stamp_ns(header()) == 1_700_000_000_123_456_789


@pytest.mark.parametrize("length", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("yaw", [-3.0, -0.4, 0.0, 1.2, 3.1])
def test_odometry_yaw_survives_any_quaternion_length(yaw: float, length: float) -> None:
    q = quaternion(0.0, 0.0, length * math.sin(yaw / 2), length * math.cos(yaw / 2))
    event = messages.odometry_event(odometry(1.5, -2.5, q))
    assert isinstance(event, OdometryEvent)
    np.testing.assert_allclose(event.T_odom_base, [1.5, -2.5, yaw], atol=1e-12)
    assert event.stamp_ns == 1_700_000_000_123_456_789


def test_odometry_yaw_is_unharmed_by_pitch() -> None:
    yaw, pitch = 0.7, 0.3
    cy, sy, cp, sp = math.cos(yaw / 2), math.sin(yaw / 2), math.cos(pitch / 2), math.sin(pitch / 2)
    event = messages.odometry_event(
        odometry(0.0, 0.0, quaternion(-sy * sp, cy * sp, sy * cp, cy * cp))
    )
    assert isinstance(event, OdometryEvent)
    assert event.T_odom_base[2] == pytest.approx(yaw, abs=1e-12)


@pytest.mark.parametrize(
    ("x", "q"),
    [
        (math.nan, (0.0, 0.0, 0.0, 1.0)),
        (math.inf, (0.0, 0.0, 0.0, 1.0)),
        (0.0, (0.0, 0.0, 0.0, 0.0)),
        (0.0, (0.0, math.nan, 0.0, 1.0)),
        (0.0, (0.0, 0.0, math.inf, 1.0)),
    ],
)
def test_odometry_without_a_pose_is_a_note(x: float, q: tuple[float, ...]) -> None:
    assert code(messages.odometry_event(odometry(x, 0.0, quaternion(*q)))) is Code.BAD_MESSAGE


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("order", ["<", ">"])
def test_depth_in_metres_and_millimetres_agree(order: str, padding: int) -> None:
    metres = np.array([[1.5, 2.0, 0.0], [65.535, 0.25, 3.0]])
    expected = np.where(metres > 0, metres, np.nan).astype(np.float32)
    floats = pixels.depth_image(image("32FC1", metres.astype(order + "f4"), padding))
    shorts = pixels.depth_image(
        image("16UC1", np.round(metres * 1000).astype(order + "u2"), padding)
    )
    for depth in (floats, shorts):
        assert isinstance(depth, np.ndarray)
        assert depth.dtype == np.float32
        assert depth.dtype.isnative
        np.testing.assert_allclose(depth, expected, rtol=1e-6)


def test_depth_that_is_no_depth_becomes_nan() -> None:
    raw = np.array([[math.nan, math.inf, -math.inf, -1.0, 0.0, 7.0]], dtype="<f4")
    depth = pixels.depth_image(image("32FC1", raw))
    assert isinstance(depth, np.ndarray)
    assert np.isnan(depth[0, :5]).all()
    assert depth[0, 5] == 7.0


@pytest.mark.parametrize(
    "given",
    [
        {"encoding": "rgb8"},
        {"encoding": ""},
        {"step": 11},
        {"step": 13},
        {"height": 3},
        {"height": 0},
        {"width": 0},
        {"width": 2**31},
        {"data": np.zeros(0, np.uint8)},
    ],
)
def test_depth_of_wrong_size_or_encoding_is_a_note(given: dict[str, Any]) -> None:
    changes, good = dict(given), np.ones((2, 3), "<f4")
    msg = image(changes.pop("encoding", "32FC1"), good, **changes)
    assert code(pixels.depth_image(msg)) is Code.BAD_MESSAGE


@pytest.mark.parametrize("padding", [0, 5])
def test_colour_encodings_of_one_picture_agree(padding: int) -> None:
    rgb = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    alpha = np.full((2, 3, 1), 7, np.uint8)
    pictures = {
        "rgb8": rgb,
        "bgr8": rgb[..., ::-1],
        "rgba8": np.concatenate([rgb, alpha], -1),
        "bgra8": np.concatenate([rgb[..., ::-1], alpha], -1),
    }
    for encoding, picture in pictures.items():
        assert np.array_equal(pixels.colour_image(image(encoding, picture, padding)), rgb)


def test_grey_pictures_fill_all_three_colours() -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    made = pixels.colour_image(image("mono8", grey))
    assert np.array_equal(made, np.repeat(grey[..., None], 3, -1))


@pytest.mark.parametrize(
    ("encoding", "changes"),
    [
        ("bayer_rggb8", {}),
        ("rgb8", {"step": 8}),
        ("rgb8", {"height": 0}),
        ("rgb8", {"data": np.zeros(5, "u1")}),
    ],
)
def test_colour_of_wrong_size_or_encoding_is_a_note(encoding: str, changes: dict[str, Any]) -> None:
    found = pixels.colour_image(image(encoding, np.zeros((2, 3, 3), np.uint8), **changes))
    assert isinstance(found, Note)
    assert found.code is Code.BAD_MESSAGE


def test_the_encoding_tells_depth_from_colour() -> None:
    inputs = image_inputs.Inputs(lambda frame: np.eye(4))
    assert inputs.camera_info(camera_info()) == ()
    seen = inputs.image(image("bgr8", np.zeros((2, 3, 3), np.uint8)))
    assert isinstance(seen, ColourImageEvent)
    assert isinstance(inputs.image(image("32FC1", np.ones((2, 3), "<f4"))), DepthImageEvent)
    unknown = inputs.image(image("yuv422", np.zeros((2, 3, 2), np.uint8)))
    assert isinstance(unknown, Note)
    assert "rgb8" in unknown.text
    assert "32FC1" in unknown.text


def test_camera_takes_k_when_p_is_zero_and_p_otherwise() -> None:
    p = np.array([4.0, 0, 1.25, -8.0, 0, 4.5, 0.75, 0, 0, 0, 1, 0])
    assert image_inputs.pinhole_camera(camera_info()) == PinholeCamera(
        width=3, height=2, fx=2.0, fy=2.5, cx=1.0, cy=0.5
    )
    assert image_inputs.pinhole_camera(camera_info(p=p)) == PinholeCamera(
        width=3, height=2, fx=4.0, fy=4.5, cx=1.25, cy=0.75
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"k": np.zeros(9)},
        {"k": np.full(9, np.nan)},
        {"k": np.array([2.0, 0, 1.0, 0, -2.5, 0.5, 0, 0, 1])},
        {"k": np.array([2.0, 0, 900.0, 0, 2.5, 0.5, 0, 0, 1])},
        {"width": 0},
    ],
)
def test_camera_info_that_is_no_calibration_is_a_note(changes: dict[str, Any]) -> None:
    assert code(image_inputs.pinhole_camera(camera_info(**changes))) is Code.BAD_MESSAGE


def test_initial_pose_keeps_x_y_yaw_block_of_the_covariance() -> None:
    full = np.arange(36.0).reshape(6, 6)
    full = full @ full.T
    event = messages.initial_pose_event(initial_pose(full.ravel()), "map")
    assert isinstance(event, InitialPoseEvent)
    np.testing.assert_allclose(event.T_map_base, [4.0, -5.0, math.pi])
    np.testing.assert_array_equal(event.covariance, full[np.ix_([0, 1, 5], [0, 1, 5])])


def test_initial_pose_without_covariance_is_kept() -> None:
    event = messages.initial_pose_event(initial_pose(np.zeros(36)), "map")
    assert isinstance(event, InitialPoseEvent)
    assert not event.covariance.any()


@pytest.mark.parametrize(
    ("x", "y", "sd", "off"),
    [
        (50.0, 50.0, 0.0, None),
        (299.0, 0.0, 0.0, None),
        (302.0, 0.0, 0.0, "202 m off the map"),
        (302.0, 0.0, 1.0, None),  # so far off it may be as it is unsure
        (-300.0, -400.0, 1.0, "500 m off the map"),
        (90_000.0, 0.0, 100.0, "load the map of that place"),
    ],
)
def test_a_pose_off_the_map_is_a_note(x: float, y: float, sd: float, off: str | None) -> None:
    covariance = np.diag([sd**2, sd**2, 0.0])
    event = InitialPoseEvent(stamp_ns=0, T_map_base=np.array([x, y, 0.0]), covariance=covariance)
    note = messages.off_map(event, Bounds(0.0, 0.0, 100.0, 100.0), "the request's pose")
    assert (note is None) == (off is None)
    if note is not None:
        assert off in note.text
        assert note.text.startswith("the request's pose (")


def test_initial_pose_with_negative_correlation_is_kept() -> None:
    full = np.eye(6)
    full[0, 1] = full[1, 0] = -0.9
    assert isinstance(
        messages.initial_pose_event(initial_pose(full.ravel()), "map"), InitialPoseEvent
    )


@pytest.mark.parametrize(
    "msg",
    [
        initial_pose(np.full(36, np.nan)),
        initial_pose(-np.eye(6).ravel()),
        initial_pose(np.zeros(36), quaternion(0.0, 0.0, 0.0, 0.0)),
        initial_pose(np.zeros(36), frame="odom"),
    ],
)
def test_initial_pose_that_means_nothing_is_a_note(msg: Any) -> None:
    assert code(messages.initial_pose_event(msg, "map")) is Code.BAD_MESSAGE


def test_frames_may_begin_with_a_slash_as_in_ros_1() -> None:
    told = initial_pose(np.zeros(36), frame="/map")
    assert isinstance(messages.initial_pose_event(told, "map"), InitialPoseEvent)
    asked: list[str] = []
    inputs = image_inputs.Inputs(lambda frame: asked.append(frame) or np.eye(4))
    inputs.camera_info(camera_info())
    msg = image("32FC1", np.ones((2, 3), "<f4"))
    msg.header.frame_id = "/front/camera"
    assert isinstance(inputs.image(msg), DepthImageEvent)
    assert asked == ["front/camera"]


def quarter_turn(frame: str, stamp: int) -> np.ndarray | None:
    """The frame `odom` lies at (10, 20, 3), turned by 90 degrees to the left."""
    T = np.array([[0.0, -1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 3], [0, 0, 0, 1]])
    return T if frame == "odom" else None


def test_initial_pose_of_another_frame_is_moved_to_the_map() -> None:
    full = np.diag([4.0, 1, 0, 0, 0, 0.25])
    full[0, 1] = full[1, 0] = 0.5
    msg = initial_pose(full.ravel(), quaternion(0.0, 0.0, 0.0, 1.0), frame="odom")
    event = messages.initial_pose_event(msg, "map", quarter_turn)
    assert isinstance(event, InitialPoseEvent)
    np.testing.assert_allclose(event.T_map_base, [10.0 + 5.0, 20.0 + 4.0, math.pi / 2], atol=1e-12)
    expected = np.array([[1.0, -0.5, 0], [-0.5, 4.0, 0], [0, 0, 0.25]])
    np.testing.assert_allclose(event.covariance, expected, atol=1e-12)


@pytest.mark.parametrize("frame", ["moon", ""])
def test_initial_pose_of_a_frame_that_nothing_ties_to_the_map_is_a_note(frame: str) -> None:
    note = messages.initial_pose_event(initial_pose(np.zeros(36), frame=frame), "map", quarter_turn)
    assert code(note) is Code.BAD_MESSAGE
    assert "send it in 'map'" in note.text


def polygon(*corners: tuple[float, float], frame: str = "map") -> Any:
    points = [make("geometry_msgs/msg/Point32", x=x, y=y, z=0.0) for x, y in corners]
    inside = make("geometry_msgs/msg/Polygon", points=points)
    return make("geometry_msgs/msg/PolygonStamped", header=header(frame), polygon=inside)


SQUARE = ((0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0))


def test_a_region_keeps_its_corners_and_is_moved_from_another_frame_to_the_map() -> None:
    found = messages.region(polygon(*SQUARE, frame="/map"), "map")
    np.testing.assert_array_equal(found, SQUARE)
    moved = messages.region(polygon(*SQUARE, frame="odom"), "map", quarter_turn)
    np.testing.assert_allclose(moved, [[10, 20], [10, 22], [9, 22], [9, 20]], atol=1e-12)


@pytest.mark.parametrize(
    ("corners", "frame", "words"),
    [
        (SQUARE[:2], "map", "three finite corners"),
        ((), "map", "three finite corners"),
        ((*SQUARE[:3], (math.nan, 0.0)), "map", "three finite corners"),
        ((*SQUARE[:3], (1e9, 0.0)), "map", "three finite corners"),
        ((SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]), "map", "sides cross"),
        (SQUARE, "moon", "send it in 'map'"),
        (SQUARE, "", "send it in 'map'"),
    ],
)
def test_a_region_that_means_nothing_is_a_note(corners: Any, frame: str, words: str) -> None:
    note = messages.region(polygon(*corners, frame=frame), "map", quarter_turn)
    assert code(note) is Code.BAD_MESSAGE
    assert words in note.text


def transform(q: Any, x: float = 1.0) -> Any:
    translation = make("geometry_msgs/msg/Vector3", x=x, y=2.0, z=3.0)
    return make("geometry_msgs/msg/Transform", translation=translation, rotation=q)


def test_transform_of_an_optical_frame_turns_forward_into_z() -> None:
    T = messages.transform_matrix(transform(quaternion(-1.0, 1.0, -1.0, 1.0)))
    assert T is not None
    # REP-103: optical z is the body's x, optical x its -y, optical y its -z.
    np.testing.assert_allclose(T[:3, :3], [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], atol=1e-15)
    np.testing.assert_array_equal(T[:, 3], [1, 2, 3, 1])


def test_transform_without_rotation_is_none() -> None:
    assert messages.transform_matrix(transform(quaternion(0.0, 0.0, 0.0, 0.0))) is None
    assert messages.transform_matrix(transform(quaternion(0.0, 0.0, 0.0, 1.0), math.nan)) is None


def test_image_becomes_an_event_only_with_camera_info_and_extrinsics() -> None:
    known: dict[str, Any] = {}
    inputs = image_inputs.Inputs(known.get)
    msg = image("32FC1", np.ones((2, 3), "<f4"))
    assert code(inputs.image(msg)) is Code.NO_CAMERA_INFO
    assert inputs.camera_info(camera_info()) == ()
    missing = inputs.image(msg)
    assert code(missing) is Code.NO_EXTRINSICS
    assert isinstance(missing, Note)
    assert "camera" in missing.text
    known["camera"] = np.diag([1.0, 2.0, 3.0, 1.0])
    event = inputs.image(msg)
    assert isinstance(event, DepthImageEvent)
    assert event.camera.fx == 2.0
    np.testing.assert_array_equal(event.T_base_camera, known["camera"])


def test_bad_camera_info_does_not_displace_a_good_one() -> None:
    inputs = image_inputs.Inputs(lambda frame: np.eye(4))
    inputs.camera_info(camera_info())
    (note,) = inputs.camera_info(camera_info(k=np.zeros(9)))
    assert note.code is Code.BAD_MESSAGE
    assert isinstance(inputs.image(image("32FC1", np.ones((2, 3), "<f4"))), DepthImageEvent)


def test_image_of_another_size_than_camera_info_is_a_note() -> None:
    inputs = image_inputs.Inputs(lambda frame: np.eye(4))
    inputs.camera_info(camera_info())
    assert code(inputs.image(image("32FC1", np.ones((4, 6), "<f4")))) is Code.BAD_MESSAGE
