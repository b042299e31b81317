from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import rclpy
import tf2_ros
import yaml
from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.time import Time
from scipy.spatial.transform import Rotation

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def stamped(
    parent: str,
    child: str,
    stamp_s: float,
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0),
    rotation: Rotation | None = None,
) -> Any:
    message = TransformStamped()
    message.header.frame_id, message.child_frame_id = parent, child
    message.header.stamp = Time(nanoseconds=round(stamp_s * 1e9)).to_msg()
    t, q = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = translation
    q.x, q.y, q.z, q.w = (Rotation.identity() if rotation is None else rotation).as_quat().tolist()
    return message


def at(stamp_s: float) -> Time:
    return Time(nanoseconds=round(stamp_s * 1e9))


def matrix(message: Any) -> np.ndarray[Any, Any]:
    t, q = message.transform.translation, message.transform.rotation
    result = np.identity(4)
    result[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    result[:3, 3] = t.x, t.y, t.z
    return result


def yaw(message: Any) -> float:
    return math.atan2(matrix(message)[1, 0], matrix(message)[0, 0])


def test_between_two_stamps_translation_is_linear_and_yaw_takes_the_shorter_arc() -> None:
    buffer = tf2_ros.Buffer()
    buffer.set_transform(
        stamped("odom", "base", 10.0, (1.0, 2.0, 3.0), Rotation.from_euler("z", 170, True)), ""
    )
    buffer.set_transform(
        stamped("odom", "base", 14.0, (5.0, 0.0, 3.0), Rotation.from_euler("z", -150, True)), ""
    )
    found = buffer.lookup_transform("odom", "base", at(13.0))
    assert matrix(found)[:3, 3] == pytest.approx([4.0, 0.5, 3.0])
    assert yaw(found) == pytest.approx(math.radians(-160.0))
    assert found.header.stamp.sec == 13
    assert (found.header.frame_id, found.child_frame_id) == ("odom", "base")


def test_interpolated_rotation_is_the_closed_form_slerp() -> None:
    generator = np.random.default_rng(3)
    for _ in range(50):
        first, second = Rotation.random(2, random_state=generator)
        share = float(generator.uniform(0.05, 0.95))
        buffer = tf2_ros.Buffer()
        buffer.set_transform(stamped("odom", "base", 1.0, rotation=first), "")
        buffer.set_transform(stamped("odom", "base", 2.0, rotation=second), "")
        expected = first * Rotation.from_rotvec(share * (first.inv() * second).as_rotvec())
        found = buffer.lookup_transform("odom", "base", at(1.0 + share))
        assert matrix(found)[:3, :3] == pytest.approx(expected.as_matrix(), abs=1e-8)


def test_a_chain_up_and_down_the_tree_is_the_product_of_its_matrices() -> None:
    generator = np.random.default_rng(4)
    links = {
        child: stamped(
            parent,
            child,
            5.0,
            tuple(generator.normal(size=3).tolist()),
            Rotation.random(random_state=generator),
        )
        for parent, child in (("map", "odom"), ("odom", "base"), ("base", "camera"), ("map", "gps"))
    }
    buffer = tf2_ros.Buffer()
    for link in links.values():
        buffer.set_transform(link, "")
    up = matrix(links["odom"]) @ matrix(links["base"]) @ matrix(links["camera"])
    expected = np.linalg.inv(matrix(links["gps"])) @ up
    assert matrix(buffer.lookup_transform("gps", "camera", at(5.0))) == pytest.approx(expected)
    assert matrix(buffer.lookup_transform("camera", "gps", at(5.0))) == pytest.approx(
        np.linalg.inv(expected)
    )


@pytest.mark.parametrize(("stamp_s", "word"), [(9.0, "past"), (15.0, "future")])
def test_a_time_outside_the_data_raises_extrapolation(stamp_s: float, word: str) -> None:
    buffer = tf2_ros.Buffer()
    buffer.set_transform(stamped("odom", "base", 10.0), "")
    buffer.set_transform(stamped("odom", "base", 14.0), "")
    with pytest.raises(tf2_ros.ExtrapolationException, match=word):
        buffer.lookup_transform("odom", "base", at(stamp_s))
    assert not buffer.can_transform("odom", "base", at(stamp_s))


def test_time_zero_is_the_newest_time_that_all_moving_links_have() -> None:
    buffer = tf2_ros.Buffer()
    buffer.set_transform_static(stamped("base", "camera", 0.0, (0.0, 0.0, 1.5)), "")
    for stamp_s in (1.0, 3.0):
        buffer.set_transform(stamped("map", "odom", stamp_s, (stamp_s, 0.0, 0.0)), "")
    for stamp_s in (1.0, 2.0):
        buffer.set_transform(stamped("odom", "base", stamp_s, (0.0, stamp_s, 0.0)), "")
    found = buffer.lookup_transform("map", "camera", Time())
    assert matrix(found)[:3, 3] == pytest.approx([2.0, 2.0, 1.5])
    assert found.header.stamp.sec == 2


def test_static_transforms_hold_for_all_times() -> None:
    buffer = tf2_ros.Buffer()
    buffer.set_transform_static(stamped("base", "camera", 7.0, (1.0, 0.0, 0.0)), "")
    for stamp_s in (0.5, 7.0, 1e6):
        found = buffer.lookup_transform("base", "camera", at(stamp_s))
        assert matrix(found)[0, 3] == 1.0


def test_the_past_is_forgotten_after_the_cache_time() -> None:
    buffer = tf2_ros.Buffer(cache_time=Duration(seconds=2.0))
    for stamp_s in range(10):
        buffer.set_transform(stamped("odom", "base", float(stamp_s)), "")
    assert buffer.can_transform("odom", "base", at(7.0))
    assert not buffer.can_transform("odom", "base", at(6.5))


def test_unknown_unconnected_and_empty_frames_raise_their_own_exceptions() -> None:
    buffer = tf2_ros.Buffer()
    buffer.set_transform(stamped("odom", "base", 1.0), "")
    buffer.set_transform(stamped("other", "leaf", 1.0), "")
    with pytest.raises(tf2_ros.LookupException, match="map"):
        buffer.lookup_transform("map", "base", at(1.0))
    with pytest.raises(tf2_ros.ConnectivityException):
        buffer.lookup_transform("odom", "leaf", at(1.0))
    with pytest.raises(tf2_ros.InvalidArgumentException):
        buffer.lookup_transform("", "base", at(1.0))
    assert issubclass(tf2_ros.LookupException, tf2_ros.TransformException)


def test_malformed_transforms_are_ignored() -> None:
    buffer = tf2_ros.Buffer()
    bad = stamped("odom", "base", 1.0)
    bad.transform.rotation.w = 0.0
    buffer.set_transform(bad, "")
    buffer.set_transform(stamped("base", "base", 1.0), "")
    buffer.set_transform(stamped("odom", "base", 1.0, (math.nan, 0.0, 0.0)), "")
    assert not buffer.can_transform("odom", "base", at(1.0))


def test_a_future_is_done_when_the_transform_comes() -> None:
    buffer = tf2_ros.Buffer()
    future = buffer.wait_for_transform_async("odom", "base", at(1.0))
    assert not future.done()
    buffer.set_transform(stamped("odom", "base", 1.0), "")
    assert future.done()
    assert buffer.wait_for_transform_async("odom", "base", at(1.0)).done()


def test_unknown_names_raise() -> None:
    with pytest.raises(ImportError):
        from tf2_ros import MessageFilter  # noqa: F401
    with pytest.raises(AttributeError):
        tf2_ros.Buffer().no_such_method  # noqa: B018


@pytest.fixture
def two_nodes() -> Iterator[tuple[Any, Any]]:
    context = rclpy.Context()
    rclpy.init(context=context)
    sender = rclpy.create_node("sender", context=context)
    receiver = rclpy.create_node("receiver", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(sender)
    executor.add_node(receiver)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    yield sender, receiver
    executor.shutdown()
    thread.join()
    sender.destroy_node()
    receiver.destroy_node()
    rclpy.shutdown(context=context)


def test_what_broadcasters_send_over_dds_a_listener_looks_up(two_nodes: tuple[Any, Any]) -> None:
    sender, receiver = two_nodes
    fixed = tf2_ros.StaticTransformBroadcaster(sender)
    fixed.sendTransform(stamped("base", "camera", 0.0, (0.5, 0.0, 1.5)))
    fixed.sendTransform([stamped("base", "imu", 0.0, (0.0, 0.1, 0.0))])
    buffer = tf2_ros.Buffer(node=receiver)
    listener = tf2_ros.TransformListener(buffer, receiver)
    moving = tf2_ros.TransformBroadcaster(sender)
    timer = sender.create_timer(
        0.05, lambda: moving.sendTransform(stamped("odom", "base", 12.0, (4.0, 0.0, 0.0)))
    )
    wait = Duration(seconds=10.0)
    camera = buffer.lookup_transform("odom", "camera", at(12.0), wait)
    imu = buffer.lookup_transform("odom", "imu", at(12.0), wait)
    timer.cancel()
    assert matrix(camera)[:3, 3] == pytest.approx([4.5, 0.0, 1.5])
    assert matrix(imu)[:3, 3] == pytest.approx([4.0, 0.1, 0.0])
    listener.unregister()


def test_the_tree_is_told_as_yaml() -> None:
    buffer = tf2_ros.Buffer()
    assert yaml.safe_load(buffer.all_frames_as_yaml()) == {}
    buffer.set_transform(stamped("odom", "base", 1.0), "")
    buffer.set_transform_static(stamped("base", "camera: 1", 1.0), "")
    known = yaml.safe_load(buffer.all_frames_as_yaml())
    assert {frame: told["parent"] for frame, told in known.items()} == {
        "base": "odom",
        "camera: 1": "base",
    }
