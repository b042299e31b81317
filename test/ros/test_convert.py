from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from geometry_msgs.msg import TwistWithCovariance
from sensor_msgs_py import point_cloud2

from mdps_ros.core.mapdata import LAYERS, RasterTile
from mdps_ros.msg import JumpEvent, LocalizerStatus
from mdps_ros.notes import Severity
from mdps_ros.ros import convert
from mdps_ros.ros.diagnostics import diagnostics_message
from mdps_ros.runtime.health import Condition
from mdps_ros.runtime.jumps import Cause, PoseJump
from mdps_ros.runtime.outputs import (
    Mode,
    ParticleSnapshot,
    PoseEstimate,
    SmoothedTrajectory,
    State,
    TransformEstimate,
)
from mdps_ros.runtime.prediction import PredictedPose
from mdps_ros.runtime.watching.record import LiveRecord, row_of
from mdps_ros.runtime.watching.trail import Trail

STAMP = 1_700_000_000_987_654_321
COVARIANCE = np.array([[4.0, 1.0, 0.1], [1.0, 9.0, 0.2], [0.1, 0.2, 0.5]])


def estimate(state: State = State.TRACKING) -> PoseEstimate:
    modes = (
        Mode(T_map_base=np.array([1.0, 2.0, 3.0]), covariance=COVARIANCE / 4, mass=0.7),
        Mode(T_map_base=np.array([-9.0, 5.0, -1.0]), covariance=COVARIANCE, mass=0.2),
    )
    return PoseEstimate(
        stamp_ns=STAMP,
        T_map_base=modes[0].T_map_base,
        covariance=COVARIANCE,
        modes=modes,
        state=state,
        particles=1234,
        effective_particles=617.5,
        travelled=88.25,
        scale=(0.0, 0.01),
        yaw_bias=(0.0, 0.01),
        measurements=("road",),
        against=1.5,
        support=6.0,
        entropy=3.5,
    )


def status(value: PoseEstimate | None) -> LocalizerStatus:
    return convert.status_message(
        value,
        stamp_ns=STAMP,
        frame="map",
        map_id="abc",
        frames_used=7,
        frames_dropped=2,
        reason="tracking",
        belief=3,
        latency_s=0.25,
        behind_s=1.75,
    )


@pytest.mark.parametrize("state", list(State))
def test_an_estimate_survives_the_way_through_messages(state: State) -> None:
    value, record = estimate(state), LiveRecord()
    record.pose(convert.pose_message(value, "map"))
    record.hypotheses(convert.hypotheses_message(value, [4, 5], "map"))
    row, wanted = record.status(status(value)), row_of(value)
    assert row is not None
    for got, meant in zip(row["modes"], wanted["modes"], strict=True):
        np.testing.assert_allclose(got["pose"], meant["pose"], atol=1e-12)
        np.testing.assert_array_equal(got["covariance"], meant["covariance"])
        assert got["mass"] == meant["mass"]
    np.testing.assert_array_equal(row["covariance"], wanted["covariance"])
    for key in ("stamp_ns", "state", "particles", "effective_particles", "travelled_m"):
        assert row[key] == wanted[key]
    assert status(value).reliable == (state is State.TRACKING)


def test_status_tells_the_spread_of_the_heaviest_mode() -> None:
    message = status(estimate())
    largest = np.linalg.eigvalsh(COVARIANCE[:2, :2] / 4)[-1]
    assert message.sigma_position_m == pytest.approx(math.sqrt(largest))
    assert message.sigma_yaw_rad == pytest.approx(math.sqrt(0.5 / 4))
    assert (message.top_mass, message.frames_used, message.frames_dropped) == (0.7, 7, 2)
    assert message.map_id == "abc"
    assert (message.hypotheses, message.reason, message.belief) == (2, "tracking", 3)
    assert (message.latency_s, message.behind_s) == (0.25, 1.75)
    assert (message.against_nats, message.support_nats, message.entropy_nats) == (1.5, 6.0, 3.5)


def test_statistics_tell_the_cost_of_an_update_by_stage() -> None:
    stages = {"move and weigh": 0.004, "summarise": 0.001}
    message = convert.statistics_message(estimate(), "map", 0.006, stages, 1024)
    assert (message.particles, message.hypotheses, message.effective_particles) == (1234, 2, 617.5)
    assert message.update_ms == pytest.approx(6.0)
    assert list(message.stages) == list(stages)
    assert list(message.stage_ms) == pytest.approx([4.0, 1.0])
    assert (message.device_bytes, message.header.frame_id) == (1024, "map")


def test_status_before_any_estimate_is_uninitialized() -> None:
    assert status(None).state == LocalizerStatus.UNINITIALIZED
    assert not status(None).reliable
    assert math.isnan(status(None).against_nats)
    assert math.isnan(status(None).entropy_nats)


def test_covariance_leaves_z_roll_and_pitch_zero() -> None:
    full = np.array(convert.pose_message(estimate(), "map").pose.covariance).reshape(6, 6)
    np.testing.assert_array_equal(full[np.ix_([0, 1, 5], [0, 1, 5])], COVARIANCE)
    assert not full[2:5].any()
    assert not full[:, 2:5].any()


def test_transform_is_stamped_ahead_by_the_tolerance() -> None:
    value = TransformEstimate(stamp_ns=STAMP, T_map_odom=np.array([3.0, -4.0, math.pi / 2]))
    message = convert.transform_message(value, "map", "odom", 0.1)
    assert message.header.frame_id == "map"
    assert message.child_frame_id == "odom"
    assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == STAMP + 10**8
    assert message.transform.translation.y == -4.0
    assert message.transform.rotation.z == pytest.approx(math.sqrt(0.5))


def test_smoothed_poses_keep_stamps_flags_and_numbers() -> None:
    value = SmoothedTrajectory(
        stamps_ns=np.array([STAMP - 10**9, STAMP]),
        T_map_base=np.array([[1.0, 2.0, 0.0], [3.0, -4.0, math.pi / 2]]),
        covariance=np.stack([COVARIANCE, COVARIANCE / 4]),
        mass=np.array([0.75, 0.5]),
        smoothed=np.array([True, False]),
        final=np.array([True, False]),
        revision=7,
        belief=3,
    )
    trail = Trail()
    there = np.array([-2.0, -2.0, 0.0])
    trail.add(dataclasses.replace(estimate(), stamp_ns=STAMP - 10**9, T_map_base=there))
    poses = trail.smooth(value)
    message, path = (
        convert.smoothed_message(value, poses, "map", "abc"),
        convert.smoothed_path(poses, "map"),
    )
    assert (message.map_id, message.revision, message.belief) == ("abc", 7, 3)
    assert message.header.frame_id == path.header.frame_id == "map"
    stamps = [message.header.stamp, message.poses[1].stamp, path.header.stamp]
    stamps += [path.poses[1].header.stamp]
    assert [s.sec * 10**9 + s.nanosec for s in stamps] == [STAMP] * 4
    assert message.poses[0].stamp.sec == STAMP // 10**9 - 1
    assert [(p.smoothed, p.final, p.share) for p in message.poses] == [
        (True, True, 0.75), (False, False, 0.5),
    ]  # fmt: skip
    assert [p.moved_m for p in message.poses] == [5.0, 0.0]
    assert message.poses[1].pose.pose == path.poses[1].pose
    assert path.poses[1].pose.position.y == -4.0
    assert path.poses[1].pose.orientation.z == pytest.approx(math.sqrt(0.5))
    full = np.array(message.poses[1].pose.covariance).reshape(6, 6)
    np.testing.assert_array_equal(full[np.ix_([0, 1, 5], [0, 1, 5])], COVARIANCE / 4)


def snapshot(count: int) -> ParticleSnapshot:
    poses = np.arange(3 * count, dtype=np.float32).reshape(count, 3)
    weights = np.arange(1, count + 1, dtype=np.float32)
    return ParticleSnapshot(stamp_ns=STAMP, poses=poses, weights=weights / weights.sum())


def test_cloud_carries_yaw_and_weight() -> None:
    value = snapshot(10)
    message = convert.cloud_message(value, "map")
    points = point_cloud2.read_points(message, field_names=["x", "y", "z", "yaw", "weight"])
    for index, name in enumerate(("x", "y", "yaw")):
        np.testing.assert_array_equal(points[name], value.poses[:, index])
    np.testing.assert_array_equal(points["weight"], value.weights)
    np.testing.assert_array_equal(points["z"], 0.0)


def test_thinning_keeps_both_ends_and_normalised_weights() -> None:
    value, thinned = snapshot(1001), convert.thin(snapshot(1001), 11)
    assert len(thinned.poses) == 11
    np.testing.assert_array_equal(thinned.poses, value.poses[::100])
    assert thinned.weights.sum() == pytest.approx(1.0, abs=1e-6)
    assert convert.thin(value, 1001) is value


def test_pose_array_has_one_pose_per_particle() -> None:
    message = convert.pose_array_message(snapshot(4), "map")
    assert [pose.position.y for pose in message.poses] == [1.0, 4.0, 7.0, 10.0]


def test_path_has_the_stamp_of_its_newest_pose() -> None:
    pose = convert.pose_stamped(estimate(), "map")
    assert convert.path_message([pose, pose]).header.stamp == pose.header.stamp


def test_markers_replace_the_old_ones_and_lie_along_the_ellipse() -> None:
    value = estimate()
    message = convert.markers_message(value, "map")
    first, *rest = message.markers
    assert first.action == first.DELETEALL
    assert {marker.header.frame_id for marker in (first, *rest)} == {"map"}
    assert len(rest) == 3 * len(value.modes)
    ellipse = rest[1]
    turn = 2.0 * math.atan2(ellipse.pose.orientation.z, ellipse.pose.orientation.w)
    spread, axes = np.linalg.eigh(value.modes[0].covariance[:2, :2])
    assert abs(axes[:, 1] @ [math.cos(turn), math.sin(turn)]) == pytest.approx(1.0)
    assert ellipse.scale.x == pytest.approx(4.0 * math.sqrt(spread[1]))
    assert ellipse.scale.y == pytest.approx(4.0 * math.sqrt(spread[0]))


def test_grid_starts_in_the_south_west_and_knows_roads_walls_and_free_floor() -> None:
    layers = np.zeros((len(LAYERS), 2, 3), np.uint8)
    layers[LAYERS.index("road_minor"), 0, 0] = 1
    layers[LAYERS.index("free"), 1, 0] = 1
    layers[LAYERS.index("building"), 1, 2] = 1
    tile = RasterTile(layers=layers, origin=(-50.0, 20.0), resolution=2.0)
    message = convert.grid_message(tile, "map")
    assert (message.info.width, message.info.height, message.info.resolution) == (3, 2, 2.0)
    assert (message.info.origin.position.x, message.info.origin.position.y) == (-50.0, 20.0)
    assert message.data.tolist() == [0, -1, -1, 0, -1, 100]


@pytest.mark.parametrize("speed", [3.5, math.nan, math.inf])
def test_a_predicted_pose_carries_the_velocity_only_where_it_is_a_number(speed: float) -> None:
    pose = PredictedPose(STAMP, np.array([1.0, 2.0, math.pi / 2]), COVARIANCE)
    twist = TwistWithCovariance()
    twist.twist.linear.x = speed
    message = convert.odometry_message(pose, twist, "map", "base_link")
    assert (message.header.frame_id, message.child_frame_id) == ("map", "base_link")
    assert message.pose.pose.orientation.z == pytest.approx(math.sqrt(0.5))
    assert message.pose.covariance[35] == 0.5
    assert message.twist.twist.linear.x == (speed if math.isfinite(speed) else 0.0)


@pytest.mark.parametrize("cause", list(Cause))
def test_a_jump_names_its_cause_and_both_poses(cause: Cause) -> None:
    before, after = np.array([1.0, 2.0, 0.0]), np.array([-3.0, 4.0, math.pi / 2])
    value = PoseJump(stamp_ns=STAMP, cause=cause, before=before, after=after, count=3)
    message = convert.jump_message(value, "map")
    assert message.cause == getattr(JumpEvent, cause.name)
    assert (message.was_claimed, message.count) == (True, 3)
    assert (message.before.position.x, message.after.position.x) == (1.0, -3.0)
    assert message.after.orientation.z == pytest.approx(math.sqrt(0.5))


def test_a_first_claim_has_no_before() -> None:
    value = PoseJump(stamp_ns=STAMP, cause=Cause.STARTED, before=None, after=np.zeros(3), count=1)
    assert not convert.jump_message(value, "map").was_claimed


def test_causes_are_distinct() -> None:
    assert sorted(getattr(JumpEvent, cause.name) for cause in Cause) == list(range(len(Cause)))


def test_diagnostics_have_names_levels_and_hardware() -> None:
    conditions = [
        Condition("inputs", Severity.ERROR, "no odom", {"odom age [s]": "9.00"}),
        Condition("map", Severity.INFO, "loaded", {}),
    ]
    stamp = convert.header(STAMP, "").stamp
    message = diagnostics_message(conditions, stamp, "car/amcl", "abc")
    assert [status.name for status in message.status] == ["car/amcl: inputs", "car/amcl: map"]
    assert [status.level for status in message.status] == [b"\x02", b"\x00"]
    assert message.status[0].values[0].key == "odom age [s]"
    assert {status.hardware_id for status in message.status} == {"abc"}
    assert message.header.stamp == stamp
