"""A bag becomes events in order, with the camera's place and the truth on the map."""

import numpy as np
import pytest

from mdps_ros.cli.bag_drive import move_to_anchor, open_drive
from mdps_ros.cli.bag_topics import choose_topics
from mdps_ros.data.bag import Bag, open_bag
from mdps_ros.data.bag_writer import BagFrames, write_drive
from mdps_ros.data.errors import BagError
from mdps_ros.data.recording import Camera, DepthFrame, MapAnchor, PoseTrack
from mdps_ros.maps import GeoAnchor
from mdps_ros.notes import Code, Note
from mdps_ros.runtime.events import DepthImageEvent, OdometryEvent
from mdps_ros.settings import Settings

ODOMETRY, IMAGE = "nav_msgs/msg/Odometry", "sensor_msgs/msg/Image"
INFO = "sensor_msgs/msg/CameraInfo"


def bag_with(topics, path):
    return Bag(path, topics, dict.fromkeys(topics, 1), 0, 1)


def test_usual_names_are_found_and_truth_is_not_taken_for_odometry(tmp_path):
    names = {
        "/odom": ODOMETRY,
        "/ground_truth": ODOMETRY,
        "/camera/depth/image_rect": IMAGE,
        "/camera/depth/camera_info": INFO,
        "/other/image": IMAGE,
    }
    topics = choose_topics(bag_with(names, tmp_path))
    assert topics.odometry == "/odom"
    assert topics.image == "/camera/depth/image_rect"
    assert topics.camera_info == "/camera/depth/camera_info"
    assert topics.truth == "/ground_truth"


def test_of_two_usual_images_the_colour_one_is_taken(tmp_path):
    names = {"/odom": ODOMETRY}
    for kind in ("depth", "color"):
        names |= {f"/camera/{kind}/image_rect": IMAGE, f"/camera/{kind}/camera_info": INFO}
    topics = choose_topics(bag_with(names, tmp_path))
    assert topics.image == "/camera/color/image_rect"
    assert topics.camera_info == "/camera/color/camera_info"
    named = choose_topics(bag_with(names, tmp_path), image="/camera/depth/image_rect")
    assert named.camera_info == "/camera/depth/camera_info"


def test_only_topic_of_a_type_is_found_by_its_type(tmp_path):
    names = {"/wheels": ODOMETRY, "/front/depth": IMAGE, "/front/camera_info": INFO}
    topics = choose_topics(bag_with(names, tmp_path))
    assert topics == ("/wheels", "/front/depth", "/front/camera_info", None, None)
    assert choose_topics(bag_with({"/wheels": ODOMETRY}, tmp_path)).image is None


def test_ambiguous_and_missing_topics_are_refused_with_the_remedy(tmp_path):
    two = {"/a": ODOMETRY, "/b": ODOMETRY}
    with pytest.raises(BagError, match="--odometry-topic: /a, /b"):
        choose_topics(bag_with(two, tmp_path))
    assert choose_topics(bag_with(two, tmp_path), odometry="/b").odometry == "/b"
    with pytest.raises(BagError, match="no topic /c"):
        choose_topics(bag_with(two, tmp_path), odometry="/c")
    with pytest.raises(BagError, match="has no nav_msgs/msg/Odometry, only nothing"):
        choose_topics(bag_with({}, tmp_path))
    lonely = {"/a": ODOMETRY, "/front/image": IMAGE}
    with pytest.raises(BagError, match="no topic /front/camera_info"):
        choose_topics(bag_with(lonely, tmp_path))


def test_a_topic_of_another_type_is_refused_with_the_ones_that_fit(tmp_path):
    names = {"/tf_static": "tf2_msgs/msg/TFMessage", "/odom": ODOMETRY, "/front/image": IMAGE}
    names["/front/camera_info"] = INFO
    bag = bag_with(names, tmp_path)
    wrong = "^/tf_static is tf2_msgs/msg/TFMessage; odometry is nav_msgs/msg/Odometry, here: /odom$"
    with pytest.raises(BagError, match=wrong):
        choose_topics(bag, odometry="/tf_static")
    with pytest.raises(
        BagError, match=r"^/odom is nav.*; an image is sensor.*Image or .*, here: /front/image$"
    ):
        choose_topics(bag, image="/odom")
    odd = bag_with(names | {"/front/camera_info": IMAGE}, tmp_path)
    with pytest.raises(BagError, match=r"camera_info beside an image is .*CameraInfo, here: none$"):
        choose_topics(odd, image="/front/image")


def track(count=5):
    stamps = 1_000_000_000 + 100_000_000 * np.arange(count)
    poses = np.stack([np.arange(count), np.zeros(count), np.zeros(count)], axis=1).astype(float)
    return PoseTrack(stamps_ns=stamps, poses=poses, twist=np.zeros((count, 3)))


def drive_with_camera(path, base="base_link"):
    mount = np.eye(4)
    mount[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    mount[:3, 3] = [1.5, 0.1, 1.2]
    camera = Camera(width=8, height=6, fx=8.0, fy=8.0, cx=3.5, cy=2.5, T_base_camera=mount)
    depth = np.full((6, 8), 7.0, np.float32)
    frames = [DepthFrame(int(stamp), depth, camera) for stamp in track().stamps_ns[1:4]]
    write_drive(path, track(), track(), frames, camera=camera, frames=BagFrames(base=base))
    return mount


def test_events_come_in_order_with_the_place_of_the_camera(tmp_path):
    mount = drive_with_camera(tmp_path / "bag")
    events = [event for _, event in open_drive(tmp_path / "bag", Settings()).events()]
    kinds = [type(event).__name__[0] for event in events]
    assert "".join(kinds) == "OODODODO"
    image = next(event for event in events if isinstance(event, DepthImageEvent))
    np.testing.assert_allclose(image.T_base_camera, mount, atol=1e-12)
    assert image.camera.fx == 8.0
    np.testing.assert_allclose(image.depth, 7.0, rtol=1e-6)


def test_images_can_be_left_out(tmp_path):
    drive_with_camera(tmp_path / "bag")
    drive = open_drive(tmp_path / "bag", Settings())
    assert all(isinstance(event, OdometryEvent) for _, event in drive.events(with_images=False))


def test_camera_that_is_not_connected_to_the_base_gives_notes(tmp_path):
    drive_with_camera(tmp_path / "bag", base="chassis")
    events = [event for _, event in open_drive(tmp_path / "bag", Settings()).events()]
    notes = [event for event in events if isinstance(event, Note)]
    assert [note.code for note in notes] == [Code.NO_EXTRINSICS] * 3


def test_truth_moves_to_the_anchor_of_the_map(tmp_path, helsinki):
    anchor = helsinki.anchor
    other = GeoAnchor(anchor.latitude_deg + 0.01, anchor.longitude_deg - 0.02)
    poses = np.array([[10.0, 20.0, 0.3], [300.0, -200.0, 3.1]])
    moved = move_to_anchor(poses, other, anchor)
    np.testing.assert_allclose(
        anchor.to_geodetic(moved[:, :2]), other.to_geodetic(poses[:, :2]), atol=1e-9
    )
    assert np.abs(moved[:, :2] - poses[:, :2]).max() > 500.0
    turn = moved[:, 2] - poses[:, 2]
    # The meridians of the two anchors meet at an angle of d(longitude) sin(latitude).
    expected = np.radians(-0.02) * np.sin(np.radians(anchor.latitude_deg))
    np.testing.assert_allclose(np.abs(turn), abs(expected), rtol=0.02)
    np.testing.assert_allclose(move_to_anchor(moved, anchor, other), poses, atol=1e-6)


@pytest.mark.parametrize("anchored", [True, False])
def test_truth_of_a_bag_lies_on_the_map(tmp_path, helsinki, anchored):
    anchor = helsinki.anchor
    mark = MapAnchor(anchor.latitude_deg + 0.001, anchor.longitude_deg) if anchored else None
    write_drive(tmp_path / "bag", track(), track(), anchor=mark)
    truth = open_drive(tmp_path / "bag", Settings()).truth(helsinki)
    assert truth is not None
    assert truth.poses[0, 1] == pytest.approx(111.4 if anchored else 0.0, abs=0.2)


def test_bag_without_truth_has_none(tmp_path, helsinki):
    write_drive(tmp_path / "bag", track(), None)
    assert open_drive(tmp_path / "bag", Settings()).truth(helsinki) is None
    assert "/ground_truth" not in open_bag(tmp_path / "bag").topics
