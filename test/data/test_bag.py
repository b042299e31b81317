from __future__ import annotations

import shutil

import numpy as np
import pytest

from mdps_ros.data.bag import open_bag
from mdps_ros.data.bag_writer import write_drive
from mdps_ros.data.errors import BagError
from mdps_ros.data.recording import Camera, ColourFrame, DepthFrame, MapAnchor, PoseTrack, twist_of

START = 1_700_000_000_123_456_789
T_BASE_CAMERA = np.array([[0.0, 0, 1, 1.5], [-1, 0, 0, 0.2], [0, -1, 0, 1.6], [0, 0, 0, 1]])
CAMERA = Camera(width=12, height=7, fx=9.0, fy=8.0, cx=5.25, cy=3.5, T_base_camera=T_BASE_CAMERA)


def track(count: int, period_ns: int, seed: int) -> PoseTrack:
    rng = np.random.default_rng(seed)
    stamps = START + np.arange(count, dtype=np.int64) * period_ns
    motion = rng.normal(size=(count - 1, 3)) * [1.0, 0.1, 0.2]
    poses = np.vstack([np.zeros(3), np.cumsum(motion, axis=0)])
    return PoseTrack(
        stamps_ns=stamps,
        poses=poses,
        twist=twist_of(stamps, motion),
        covariance=np.tile(np.diag([0.1, 0.2, 0.3]), (count, 1, 1)),
    )


def images(count: int):
    rng = np.random.default_rng(5)
    for i in range(count):
        depth = rng.uniform(1.0, 40.0, (7, 12)).astype(np.float32)
        depth[0, i] = np.nan
        yield DepthFrame(START + i * 100_000_000, depth, CAMERA)


def write(path, **options):
    arguments = {
        "camera": CAMERA,
        "anchor": MapAnchor(60.17, 24.94),
        "metadata": {"seed": "0", "map": "somewhere"},
        **options,
    }
    write_drive(path, track(11, 50_000_000, 0), track(26, 20_000_000, 1), images(6), **arguments)
    return path


@pytest.fixture
def bag_path(tmp_path):
    return write(tmp_path / "a drive")


def test_a_bag_gives_back_what_was_written(bag_path):
    bag = open_bag(bag_path)
    assert bag.topics == {
        "/odom": "nav_msgs/msg/Odometry",
        "/ground_truth": "nav_msgs/msg/Odometry",
        "/camera/depth/image_rect": "sensor_msgs/msg/Image",
        "/camera/depth/camera_info": "sensor_msgs/msg/CameraInfo",
        "/tf_static": "tf2_msgs/msg/TFMessage",
        "/map_anchor": "sensor_msgs/msg/NavSatFix",
    }
    assert bag.counts["/odom"] == 11
    assert bag.counts["/ground_truth"] == 26
    assert bag.counts["/camera/depth/image_rect"] == 6
    assert (bag.start_ns, bag.end_ns) == (START, START + 500_000_000)
    expected = track(11, 50_000_000, 0)
    for i, (topic, stamp, message) in enumerate(bag.messages(["/odom"])):
        assert (topic, stamp) == ("/odom", expected.stamps_ns[i])
        assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == stamp
        assert (message.header.frame_id, message.child_frame_id) == ("odom", "base_link")
        pose, twist = message.pose.pose, message.twist.twist
        yaw = 2 * np.arctan2(pose.orientation.z, pose.orientation.w)
        assert np.allclose([pose.position.x, pose.position.y], expected.poses[i, :2], atol=1e-12)
        assert np.isclose(np.exp(1j * yaw), np.exp(1j * expected.poses[i, 2]), atol=1e-12)
        found = [twist.linear.x, twist.linear.y, twist.angular.z]
        np.testing.assert_allclose(found, expected.twist[i])
        covariance = message.pose.covariance.reshape(6, 6)
        np.testing.assert_allclose(covariance.diagonal(), [0.1, 0.2, 1e6, 1e6, 1e6, 0.3])


def test_the_truth_is_in_the_map_frame_and_the_anchor_says_where_that_is(bag_path):
    bag = open_bag(bag_path)
    assert {m.message.header.frame_id for m in bag.messages(["/ground_truth"])} == {"map"}
    (anchor,) = (m.message for m in bag.messages(["/map_anchor"]))
    assert (anchor.header.frame_id, anchor.latitude, anchor.longitude) == ("map", 60.17, 24.94)
    assert np.isnan(anchor.altitude)


def test_static_transform_and_intrinsics_are_those_of_the_camera(bag_path):
    bag = open_bag(bag_path)
    (static,) = (m.message.transforms[0] for m in bag.messages(["/tf_static"]))
    assert (static.header.frame_id, static.child_frame_id) == ("base_link", "camera_optical")
    q = static.transform.rotation
    offset = static.transform.translation
    assert (offset.x, offset.y, offset.z) == (1.5, 0.2, 1.6)
    # The well-known rotation of an optical frame: (-0.5, 0.5, -0.5, 0.5) up to its sign.
    np.testing.assert_allclose(np.abs([q.x, q.y, q.z, q.w]), 0.5)
    assert np.sign([q.x, q.y, q.z]).tolist() == (np.array([-1, 1, -1]) * np.sign(q.w)).tolist()
    info = next(bag.messages(["/camera/depth/camera_info"])).message
    np.testing.assert_allclose(info.k, [9.0, 0, 5.25, 0, 8.0, 3.5, 0, 0, 1])
    np.testing.assert_allclose(info.p, [9.0, 0, 5.25, 0, 0, 8.0, 3.5, 0, 0, 0, 1, 0])
    assert (info.width, info.height, info.header.frame_id) == (12, 7, "camera_optical")


@pytest.mark.parametrize(("encoding", "tolerance"), [("16UC1", 0.0005001), ("32FC1", 0.0)])
def test_depth_survives_both_encodings(tmp_path, encoding, tolerance):
    bag = open_bag(write(tmp_path / "bag", encoding=encoding))
    for frame, stored in zip(images(6), bag.messages(["/camera/depth/image_rect"]), strict=True):
        message = stored.message
        assert (stored.stamp_ns, message.encoding) == (frame.stamp_ns, encoding)
        kind, unit = ("<u2", 1e-3) if encoding == "16UC1" else ("<f4", 1.0)
        assert (message.height, message.width, message.step) == (
            7,
            12,
            12 * np.dtype(kind).itemsize,
        )
        depth = np.frombuffer(message.data, kind).reshape(7, 12) * unit
        seen = np.isfinite(frame.depth)
        assert np.abs(depth - frame.depth)[seen].max() <= tolerance
        assert (~(depth[~seen] > 0)).all()  # 0 or NaN: no depth


def test_depth_beyond_what_millimetres_can_say_becomes_no_depth(tmp_path):
    depth = np.full((7, 12), 70.0, dtype=np.float32)
    path = tmp_path / "bag"
    write_drive(path, track(3, 10, 0), None, [DepthFrame(START, depth, CAMERA)], camera=CAMERA)
    (image,) = open_bag(path).messages(["/camera/depth/image_rect"])
    assert not image.message.data.any()


def test_colour_images_keep_every_byte_under_their_own_topics(tmp_path):
    rgb = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    camera = Camera(width=6, height=4, fx=8, fy=8, cx=2.5, cy=1.5, T_base_camera=np.eye(4))
    path = tmp_path / "colour"
    odometry = track(11, 50_000_000, 0)
    frame = ColourFrame(int(odometry.stamps_ns[3]), rgb, camera)
    write_drive(path, odometry, None, [frame], camera=camera)
    bag = open_bag(path)
    (image,) = bag.messages(["/camera/color/image_rect"])
    assert image.message.encoding == "rgb8"
    np.testing.assert_array_equal(image.message.data.reshape(4, 6, 3), rgb)
    assert bag.counts["/camera/color/camera_info"] == 1
    assert "/camera/depth/image_rect" not in bag.topics


def test_messages_come_in_time_order_with_odometry_before_the_image(bag_path):
    messages = list(open_bag(bag_path).messages())
    stamps = [m.stamp_ns for m in messages]
    assert stamps == sorted(stamps)
    at_start = [m.topic for m in messages if m.stamp_ns == START]
    assert at_start == [
        "/tf_static",
        "/map_anchor",
        "/odom",
        "/ground_truth",
        "/camera/depth/camera_info",
        "/camera/depth/image_rect",
    ]


def test_equal_input_gives_equal_bytes_whatever_the_name(tmp_path, bag_path):
    again = write(tmp_path / "another name")
    for file in ("drive.mcap", "metadata.yaml"):
        assert (bag_path / file).read_bytes() == (again / file).read_bytes()
    other = write(tmp_path / "other", metadata={"seed": "1"})
    assert (bag_path / "metadata.yaml").read_bytes() != (other / "metadata.yaml").read_bytes()


def test_latched_topics_are_transient_local(bag_path):
    import yaml

    text = (bag_path / "metadata.yaml").read_text()
    info = yaml.safe_load(text)["rosbag2_bagfile_information"]
    assert info["storage_identifier"] == "mcap"
    assert info["custom_data"] == {"map": "somewhere", "seed": "0"}
    durability = {
        t["topic_metadata"]["name"]: t["topic_metadata"]["offered_qos_profiles"][0]["durability"]
        for t in info["topics_with_message_count"]
    }
    latched = {name for name, kind in durability.items() if kind == "transient_local"}
    assert latched == {"/tf_static", "/map_anchor"}


def test_images_are_taken_one_by_one_and_progress_ends_at_one(tmp_path):
    told: list[float] = []
    taken: list[float] = []

    def watched():
        for frame in images(6):
            taken.append(told[-1] if told else 0.0)
            yield frame

    write_drive(
        tmp_path / "bag",
        track(11, 50_000_000, 0),
        None,
        watched(),
        camera=CAMERA,
        progress=told.append,
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert taken[-1] > 0.5  # the last image was asked for when half the drive was written


def test_a_failure_while_writing_leaves_nothing_behind(tmp_path):
    def broken():
        yield from images(2)
        raise RuntimeError("renderer died")

    with pytest.raises(RuntimeError, match="renderer died"):
        write_drive(tmp_path / "bag", track(11, 50_000_000, 0), None, broken(), camera=CAMERA)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_path_is_never_overwritten(bag_path):
    before = (bag_path / "drive.mcap").read_bytes()
    with pytest.raises(BagError, match="exists already"):
        write(bag_path)
    assert (bag_path / "drive.mcap").read_bytes() == before


def test_input_that_makes_no_bag_is_refused(tmp_path):
    path, odometry = tmp_path / "bag", track(3, 10, 0)
    falling = PoseTrack(
        stamps_ns=odometry.stamps_ns[::-1], poses=odometry.poses, twist=odometry.twist
    )
    with pytest.raises(BagError, match="do not rise"):
        write_drive(path, falling, None)
    with pytest.raises(BagError, match="without a camera"):
        write_drive(path, odometry, None, images(1))
    with pytest.raises(BagError, match="16UC1 or 32FC1"):
        write_drive(path, odometry, None, encoding="8UC1")
    turned = [frame._replace(depth=frame.depth.T) for frame in images(1)]
    with pytest.raises(BagError, match="intrinsics of this image"):
        write_drive(path, odometry, None, turned, camera=CAMERA)
    assert not path.exists()


def test_a_single_mcap_file_can_be_read(bag_path):
    assert open_bag(bag_path / "drive.mcap").counts == open_bag(bag_path).counts


def test_a_missing_bag_or_topic_is_named(tmp_path, bag_path):
    with pytest.raises(BagError, match="check the path"):
        open_bag(tmp_path / "nothing")
    with pytest.raises(BagError, match=r"no topic /imu; it has .*/odom"):
        list(open_bag(bag_path).messages(["/imu"]))


def test_what_is_no_bag_is_refused(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (text, folder):
        with pytest.raises(BagError, match="no rosbag2 recording"):
            open_bag(path)
    fake = tmp_path / "fake.mcap"
    for content in (b"", b"hello", b"\x89MCAP0\r\n", bytes(100)):
        fake.write_bytes(content)
        with pytest.raises(BagError, match="cannot be read"):
            open_bag(fake)


def test_a_bag_without_metadata_names_the_remedy(bag_path):
    (bag_path / "metadata.yaml").unlink()
    with pytest.raises(BagError, match="ros2 bag reindex"):
        open_bag(bag_path)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_truncated_bag_is_refused(tmp_path, bag_path, share):
    damaged = tmp_path / "damaged"
    shutil.copytree(bag_path, damaged)
    whole = (damaged / "drive.mcap").read_bytes()
    (damaged / "drive.mcap").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(BagError, match="damaged"):
        list(open_bag(damaged).messages())


def test_damage_inside_a_bag_is_found_when_it_is_read(bag_path):
    file = bag_path / "drive.mcap"
    content = bytearray(file.read_bytes())
    content[len(content) // 4 : len(content) // 4 + 200] = bytes(200)
    file.write_bytes(content)
    with pytest.raises(BagError, match="damaged"):
        list(open_bag(bag_path).messages())
