"""Inputs beside odometry poses and raw images: velocities, fixes, priors, compressed depth."""

from __future__ import annotations

import array
import io
import time
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped, TwistWithCovarianceStamped
from PIL import Image
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, NavSatFix
from tf2_msgs.msg import TFMessage

from mdps_ros.ros import topics
from test.ros.test_node import ACTIVE
from test.ros.test_requests import drive, pose

LATITUDE, LONGITUDE = 60.17, 24.94  # of the town's south-west corner, see conftest


def stamped(message: Any, stamp_s: float, frame: str) -> Any:
    sec = int(stamp_s)
    message.header.stamp.sec, message.header.stamp.nanosec = sec, round((stamp_s - sec) * 1e9)
    message.header.frame_id = frame
    return message


def fix(x: float, y: float, stamp_s: float) -> NavSatFix:
    message = stamped(NavSatFix(), stamp_s, "gnss")
    message.latitude, message.longitude = LATITUDE + y / 111_400.0, LONGITUDE + x / 55_500.0
    message.position_covariance = np.diag([4.0, 4.0, 25.0]).ravel().tolist()
    message.position_covariance_type = 2
    return message


def test_velocities_and_fixes_are_enough_to_find_the_vehicle(start_node: Any, partner: Any) -> None:
    """On a best-effort topic, along the town's southern street from x = 60 m."""
    node = start_node(
        depth__enabled="false",
        camera__enabled="false",
        node__odometry_source="twist",
        node__odometry_reliable="false",
        filter__particles_max=20000,
    )
    node.wait_for(ACTIVE)
    poses, heard = partner.hear(topics.POSE), partner.hear(topics.DIAGNOSTICS)
    transforms = partner.hear(topics.TF)
    quick = QoSProfile(depth=500, reliability=ReliabilityPolicy.BEST_EFFORT)
    out = partner.node.create_publisher(topics.TWIST.type, topics.TWIST.name, quick)
    assert partner.until(out.get_subscription_count)
    places = partner.speak(topics.FIX)
    for i in range(300):
        stamp_s = 100.0 + 0.05 * i
        if i % 10 == 0:
            places.publish(fix(60.0 + 0.4 * i, 0.0, stamp_s))
        message = stamped(TwistWithCovarianceStamped(), stamp_s, "base_link")
        message.twist.twist.linear.x = 8.0
        out.publish(message)
        time.sleep(0.01)
    assert partner.until(lambda: poses and poses[-1].header.stamp.sec >= 114), node.text
    at = poses[-1].pose.pose.position
    assert abs(at.x - (60.0 + 0.4 * 299 - 160.0)) < 8
    assert abs(at.y + 160.0) < 6

    def measured() -> bool:
        """At some time, that is: the last update of a drive may have no fix."""
        lines = [s for message in heard for s in message.status if s.name.endswith("localization")]
        return any(item.value == "road fix" for line in lines for item in line.values)

    assert partner.until(measured), node.text
    assert transforms == []  # there is no odometry frame that somebody else knows
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text


def footprint(x: float, stamp_s: float) -> TransformStamped:
    message = stamped(TransformStamped(child_frame_id="footprint"), stamp_s, "odom")
    message.transform.translation.x, message.transform.rotation.w = x, 1.0
    return message


def test_transforms_alone_are_odometry(start_node: Any, partner: Any) -> None:
    """As nav2's own localization reads it; the base stands a metre before the moving footprint."""
    node = start_node(depth__enabled="false", camera__enabled="false", node__odometry_source="tf")
    node.wait_for(ACTIVE)
    poses, transforms = partner.hear(topics.POSE), partner.hear(topics.TF)
    predicted = partner.hear(topics.PREDICTED)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    static = partner.node.create_publisher(TFMessage, "/tf_static", latched)
    base = TransformStamped(child_frame_id="base_link")
    base.header.frame_id = "footprint"
    base.transform.translation.x, base.transform.rotation.w = 1.0, 1.0
    static.publish(TFMessage(transforms=[base]))
    out, initial = partner.speak(topics.TF), partner.speak(topics.INITIAL_POSE)
    initial.publish(pose(-100.0, -160.0))
    for i in range(200):
        out.publish(TFMessage(transforms=[footprint(0.25 * i, 100.0 + 0.05 * i)]))
        time.sleep(0.01)
    assert partner.until(lambda: poses and poses[-1].header.stamp.sec >= 109), node.text
    at, stamp = poses[-1].pose.pose.position, poses[-1].header.stamp
    travelled = 0.25 * (stamp.sec + stamp.nanosec * 1e-9 - 100.0) / 0.05
    assert abs(at.x - (-100.0 + travelled)) < 6
    assert abs(at.y + 160.0) < 6
    ours = [t for m in transforms for t in m.transforms if t.header.frame_id == "map"]
    assert ours, node.text
    assert {t.child_frame_id for t in ours} == {"odom"}
    assert abs(predicted[-1].twist.twist.linear.x - 5.0) < 0.5
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text


def compressed_depth(stamp_s: float) -> CompressedImage:
    out = io.BytesIO()
    Image.fromarray(np.full((48, 80), 9000, np.uint16)).save(out, format="png")
    message = stamped(CompressedImage(format="16UC1; png compressed"), stamp_s, "camera")
    message.data = array.array("B", out.getvalue())
    return message


def test_raw_compressed_depth_and_a_pose_prior_are_used(start_node: Any, partner: Any) -> None:
    node = start_node(node__rectified="false", camera__enabled="false")
    node.wait_for(ACTIVE)
    statuses, heard = partner.hear(topics.STATUS), partner.hear(topics.DIAGNOSTICS)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    static = partner.node.create_publisher(TFMessage, "/tf_static", latched)
    mount = TransformStamped(child_frame_id="camera")
    mount.header.frame_id = "base_link"
    mount.transform.translation.z = 1.6
    mount.transform.rotation.x, mount.transform.rotation.y = -0.5, 0.5
    mount.transform.rotation.z, mount.transform.rotation.w = -0.5, 0.5
    static.publish(TFMessage(transforms=[mount]))
    assert partner.until(static.get_subscription_count)
    info = stamped(CameraInfo(width=80, height=48, distortion_model="plumb_bob"), 100.0, "camera")
    info.k = [60.0, 0.0, 39.5, 0.0, 60.0, 23.5, 0.0, 0.0, 1.0]
    info.d = [-0.1, 0.01, 0.0, 0.0, 0.0]
    out, infos = partner.speak(topics.ODOMETRY), partner.speak(topics.CAMERA_INFO)
    pictures, priors = partner.speak(topics.COMPRESSED), partner.speak(topics.POSE_PRIOR)
    measured: set[str] = set()

    def both() -> bool:
        for message in heard:
            (line,) = [s for s in message.status if s.name.endswith("localization")]
            measured.update(" ".join(item.value for item in line.values).split())
        return {"depth", "pose_prior"} <= measured

    end, second = time.monotonic() + 20.0, 0
    while not both() and time.monotonic() < end:
        infos.publish(info)
        priors.publish(stamped(pose(-100.0 + 10.0 * second, -160.0), 100.0 + second, "map"))
        pictures.publish(compressed_depth(100.5 + second))
        drive(out, 20 * second, 20, 10.0 * second)
        time.sleep(0.3)
        second += 1
    assert both(), node.text
    assert statuses[-1].frames_used >= 1
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text
