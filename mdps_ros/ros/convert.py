"""Session outputs -> ROS messages. Pure functions of values; stamps are those of the inputs."""

from __future__ import annotations

import array
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import (
    Pose,
    PoseArray,
    PoseStamped,
    PoseWithCovarianceStamped,
    TransformStamped,
    TwistWithCovariance,
)
from nav_msgs.msg import OccupancyGrid, Odometry, Path
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header
from tf_transformations import quaternion_from_euler
from visualization_msgs.msg import Marker, MarkerArray

from mdps_ros.msg import (
    FilterStatistics,
    Hypothesis,
    HypothesisArray,
    JumpEvent,
    LocalizerStatus,
    SmoothedPose,
    SmoothedTrajectory,
)
from mdps_ros.runtime import outputs
from mdps_ros.runtime.outputs import ParticleSnapshot, PoseEstimate, State, TransformEstimate
from mdps_ros.runtime.watching.trail import TrailPose

if TYPE_CHECKING:  # these bring torch, which the node imports when it is configured
    from mdps_ros.core.mapdata import RasterTile
    from mdps_ros.runtime.jumps import PoseJump
    from mdps_ros.runtime.prediction import PredictedPose

FREE_LAYERS = ("road_major", "road_minor", "service", "parking", "free")
OCCUPIED_LAYERS = ("building", "barrier", "water")


def header(stamp_ns: int, frame: str) -> Header:
    """Header with a stamp in nanoseconds."""
    return Header(stamp=time(stamp_ns), frame_id=frame)


def time(stamp_ns: int) -> Time:
    """A time in nanoseconds."""
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def planar_pose(T: NDArray[np.floating]) -> Pose:
    """Pose of (3,) x m, y m, yaw rad; z, roll and pitch are zero."""
    made = Pose()
    made.position.x, made.position.y = float(T[0]), float(T[1])
    x, y, z, w = quaternion_from_euler(0.0, 0.0, float(T[2]))
    made.orientation.x, made.orientation.y = float(x), float(y)
    made.orientation.z, made.orientation.w = float(z), float(w)
    return made


def full_covariance(planar: NDArray[np.float64]) -> list[float]:
    """Row-major 6 x 6 (x y z roll pitch yaw) of a (3, 3) covariance of (x, y, yaw)."""
    full = np.zeros((6, 6))
    full[np.ix_((0, 1, 5), (0, 1, 5))] = planar
    return [float(value) for value in full.ravel()]


def pose_message(estimate: PoseEstimate, frame: str) -> PoseWithCovarianceStamped:
    """Mean of the top hypothesis with the covariance of the whole belief."""
    return placed(estimate.T_map_base, estimate.covariance, estimate.stamp_ns, frame)


def placed(
    T_map_base: NDArray[np.float64],
    covariance: NDArray[np.float64],
    stamp_ns: int,
    frame: str,
) -> PoseWithCovarianceStamped:
    """A pose (3,) m, m, rad with its covariance (3, 3)."""
    made = PoseWithCovarianceStamped(header=header(stamp_ns, frame))
    made.pose.pose = planar_pose(T_map_base)
    made.pose.covariance = full_covariance(covariance)
    return made


def pose_stamped(estimate: PoseEstimate, frame: str) -> PoseStamped:
    """The pose alone, as an element of a path."""
    stamped = header(estimate.stamp_ns, frame)
    return PoseStamped(header=stamped, pose=planar_pose(estimate.T_map_base))


def odometry_message(
    pose: PredictedPose, twist: TwistWithCovariance, frame: str, child: str
) -> Odometry:
    """A predicted pose with the velocity that the odometry told, where that is a number."""
    made = Odometry(header=header(pose.stamp_ns, frame), child_frame_id=child)
    linear, angular = twist.twist.linear, twist.twist.angular
    told = (linear.x, linear.y, linear.z, angular.x, angular.y, angular.z, *twist.covariance)
    if np.isfinite(told).all():
        made.twist = twist
    made.pose.pose = planar_pose(pose.T_map_base)
    made.pose.covariance = full_covariance(pose.covariance)
    return made


def path_message(poses: Sequence[PoseStamped]) -> Path:
    """A path with the stamp and frame of its newest pose; `poses` is not empty."""
    return Path(header=poses[-1].header, poses=list(poses))


def smoothed_message(
    trajectory: outputs.SmoothedTrajectory, poses: Sequence[TrailPose], frame: str, map_id: str
) -> SmoothedTrajectory:
    """The `poses` of a smoothed trajectory, stamped with the newest."""
    made = SmoothedTrajectory(header=header(poses[-1].stamp_ns, frame), map_id=map_id)
    made.belief, made.revision = trajectory.belief, trajectory.revision
    made.poses = [trail_pose(pose) for pose in poses]
    return made


def trail_pose(pose: TrailPose) -> SmoothedPose:
    """Where the vehicle was at one frame; the frame of the map is told by whoever holds it."""
    made = SmoothedPose(stamp=time(pose.stamp_ns), share=pose.mass)
    made.pose.pose = planar_pose(pose.T_map_base)
    made.pose.covariance = full_covariance(pose.covariance)
    made.smoothed, made.final, made.moved_m = pose.smoothed, pose.final, pose.moved
    return made


def smoothed_path(poses: Sequence[TrailPose], frame: str) -> Path:
    """The same poses as a path."""
    return path_message(
        [
            PoseStamped(header=header(pose.stamp_ns, frame), pose=planar_pose(pose.T_map_base))
            for pose in poses
        ]
    )


def hypotheses_message(estimate: PoseEstimate, ids: Sequence[int], frame: str) -> HypothesisArray:
    """All modes; `ids` holds one number per mode that stays with it from frame to frame."""
    made = HypothesisArray(header=header(estimate.stamp_ns, frame))
    for mode, number in zip(estimate.modes, ids, strict=True):
        item = Hypothesis(share=float(mode.mass), id=int(number))
        item.pose.pose = planar_pose(mode.T_map_base)
        item.pose.covariance = full_covariance(mode.covariance)
        made.hypotheses.append(item)
    return made


def markers_message(estimate: PoseEstimate, frame: str) -> MarkerArray:
    """For each mode an arrow, its 2-sigma ellipse and its share; removes those of before."""
    begin = header(estimate.stamp_ns, frame)  # viewers look for the frame of this one as well
    made = MarkerArray(markers=[Marker(header=begin, action=Marker.DELETEALL)])
    for mode in estimate.modes:
        x, y, yaw = (float(value) for value in mode.T_map_base)
        spread, axes = np.linalg.eigh(mode.covariance[:2, :2])
        long, short = (max(4.0 * float(v) ** 0.5, 0.1) for v in np.maximum(spread[::-1], 0.0))
        turn = float(np.arctan2(axes[1, 1], axes[0, 1]))
        for kind, heading, size in (
            (Marker.ARROW, yaw, (6.0, 1.5, 0.5)),
            (Marker.CYLINDER, turn, (long, short, 0.1)),
            (Marker.TEXT_VIEW_FACING, 0.0, (0.0, 0.0, 4.0)),
        ):
            marker = Marker(header=header(estimate.stamp_ns, frame), type=kind)
            marker.id, marker.ns = len(made.markers), "hypotheses"
            marker.pose = planar_pose(np.array([x, y, heading]))
            marker.scale.x, marker.scale.y, marker.scale.z = size
            marker.color.r, marker.color.g, marker.color.b = 0.9, 0.3, 0.1
            marker.color.a = 0.2 + 0.6 * float(min(mode.mass, 1.0))
            marker.text = f"{100.0 * mode.mass:.0f} %"
            made.markers.append(marker)
    return made


def status_message(
    estimate: PoseEstimate | None,
    *,
    stamp_ns: int,
    frame: str,
    map_id: str,
    frames_used: int,
    frames_dropped: int,
    reason: str,
    belief: int,
    latency_s: float,
    behind_s: float,
) -> LocalizerStatus:
    """How things stand after a frame; without an estimate the state is UNINITIALIZED.

    States go by name: the numbers of `State` and of LocalizerStatus.msg need not agree.
    """
    made = LocalizerStatus(header=header(stamp_ns, frame), map_id=map_id)
    made.frames_used, made.frames_dropped = frames_used, frames_dropped
    made.reason, made.belief = reason, belief
    made.latency_s, made.behind_s = latency_s, behind_s
    made.state = getattr(LocalizerStatus, State.UNINITIALIZED.name)
    made.against_nats = made.support_nats = made.entropy_nats = math.nan
    if estimate is None:
        return made
    made.state = getattr(LocalizerStatus, estimate.state.name)
    made.reliable = estimate.state is State.TRACKING
    made.particles = int(estimate.particles)
    made.effective_particles = float(estimate.effective_particles)
    made.travelled_m = float(estimate.travelled)
    made.hypotheses = len(estimate.modes)
    made.against_nats, made.support_nats = float(estimate.against), float(estimate.support)
    made.entropy_nats = float(estimate.entropy)
    covariance = estimate.covariance
    if estimate.modes:
        made.top_mass = float(estimate.modes[0].mass)
        covariance = estimate.modes[0].covariance
    made.sigma_position_m = float(max(np.linalg.eigvalsh(covariance[:2, :2])[-1], 0.0) ** 0.5)
    made.sigma_yaw_rad = float(max(covariance[2, 2], 0.0) ** 0.5)
    return made


def statistics_message(
    estimate: PoseEstimate, frame: str, seconds: float, stages: Mapping[str, float], bytes_held: int
) -> FilterStatistics:
    """What an update cost: `seconds` in all and by stage, and the bytes that a GPU holds."""
    made = FilterStatistics(header=header(estimate.stamp_ns, frame))
    made.particles, made.hypotheses = int(estimate.particles), len(estimate.modes)
    made.effective_particles = float(estimate.effective_particles)
    made.update_ms = 1e3 * seconds
    made.stages = list(stages)
    made.stage_ms = [1e3 * value for value in stages.values()]
    made.device_bytes = bytes_held
    return made


def jump_message(jump: PoseJump, frame: str) -> JumpEvent:
    """A jump of the claimed pose; causes go by name."""
    made = JumpEvent(header=header(jump.stamp_ns, frame), count=jump.count)
    made.cause = getattr(JumpEvent, jump.cause.name)
    made.after = planar_pose(jump.after)
    if jump.before is not None:
        made.was_claimed, made.before = True, planar_pose(jump.before)
    return made


def transform_message(
    estimate: TransformEstimate, frame: str, child: str, tolerance_s: float
) -> TransformStamped:
    """The transform map -> odom, stamped `tolerance_s` ahead: it holds until the next one."""
    stamp_ns = estimate.stamp_ns + round(tolerance_s * 1e9)
    made = TransformStamped(header=header(stamp_ns, frame), child_frame_id=child)
    pose = planar_pose(estimate.T_map_odom)
    made.transform.translation.x = pose.position.x
    made.transform.translation.y = pose.position.y
    made.transform.rotation = pose.orientation
    return made


def thin(snapshot: ParticleSnapshot, limit: int) -> ParticleSnapshot:
    """At most `limit` particles, evenly picked; their weights sum to one again."""
    count = len(snapshot.poses)
    if count <= limit:
        return snapshot
    kept = np.linspace(0, count - 1, limit).round().astype(np.int64)
    weights = snapshot.weights[kept]
    total = weights.sum()
    weights = weights / total if total > 0.0 else np.full_like(weights, 1.0 / limit)
    return ParticleSnapshot(stamp_ns=snapshot.stamp_ns, poses=snapshot.poses[kept], weights=weights)


def cloud_message(snapshot: ParticleSnapshot, frame: str) -> PointCloud2:
    """Particles as a cloud with float32 fields x, y, z (zero), yaw and weight."""
    names = ("x", "y", "z", "yaw", "weight")
    fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(names)
    ]
    x, y, yaw = snapshot.poses.T
    points = np.stack([x, y, np.zeros_like(x), yaw, snapshot.weights], axis=1).astype(np.float32)
    return point_cloud2.create_cloud(header(snapshot.stamp_ns, frame), fields, points)


def pose_array_message(snapshot: ParticleSnapshot, frame: str) -> PoseArray:
    """Particles as poses."""
    made = PoseArray(header=header(snapshot.stamp_ns, frame))
    made.poses = [planar_pose(pose) for pose in snapshot.poses]
    return made


def grid_message(tile: RasterTile, frame: str) -> OccupancyGrid:
    """The map as RViz and Nav2 read it: 0 road or free floor, 100 obstacle or water, else -1."""
    rows, columns = tile.layers.shape[1:]
    cells = np.full((rows, columns), -1, dtype=np.int8)
    for name in FREE_LAYERS:
        cells[tile.layer(name) > 0] = 0
    for name in OCCUPIED_LAYERS:
        cells[tile.layer(name) > 0] = 100
    cells[(tile.layer("road_major") | tile.layer("road_minor")) > 0] = 0  # bridges over water
    made = OccupancyGrid(header=header(0, frame))
    made.info.resolution = float(tile.resolution)
    made.info.width, made.info.height = columns, rows
    made.info.origin.position.x, made.info.origin.position.y = map(float, tile.origin)
    made.info.origin.orientation.w = 1.0
    data = array.array("b")
    data.frombytes(cells.tobytes())
    made.data = data
    return made
