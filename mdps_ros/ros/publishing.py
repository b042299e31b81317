"""Publishes what a session answers: one publisher per output of the topics table."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistWithCovariance
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from tf2_ros import TransformBroadcaster

from mdps_ros.core.mapdata import RasterTile
from mdps_ros.msg import HypothesisArray
from mdps_ros.ros import convert, topics
from mdps_ros.ros.diagnostics import diagnostics_message
from mdps_ros.ros.images import image_message
from mdps_ros.runtime.device import device_bytes
from mdps_ros.runtime.health import Condition
from mdps_ros.runtime.jumps import PoseJump
from mdps_ros.runtime.mode_ids import ModeIds
from mdps_ros.runtime.outputs import (
    ParticleSnapshot,
    PoseEstimate,
    SmoothedTrajectory,
    State,
    TransformEstimate,
)
from mdps_ros.runtime.prediction import PredictedPose
from mdps_ros.runtime.watching.trail import TrailPose
from mdps_ros.settings import Settings

PATH_POSES = 2000
CLAIMS = (topics.POSE, topics.PREDICTED, topics.PATH, topics.SMOOTHED, topics.SMOOTHED_PATH)
"""What says where the vehicle is, and is held back with the transform."""


class Publishing:
    """The node's lifecycle publishers and what they need to remember.

    Args:
        node: owner of the publishers.
        settings: frames and limits.
        map_id: content hash of the map.
    """

    def __init__(self, node: LifecycleNode, settings: Settings, map_id: str) -> None:
        self._node = node
        self._settings = settings
        self._map_id = map_id
        self._publishers: dict[str, Any] = {
            topic.name: node.create_lifecycle_publisher(topic.type, topic.name, topic.qos())
            for topic in topics.OUTPUTS
        }
        self._broadcaster = TransformBroadcaster(node)
        self._ids = ModeIds(settings.estimate)
        self._path: deque[PoseStamped] = deque(maxlen=PATH_POSES)
        self._estimate: PoseEstimate | None = None
        self._hypotheses = HypothesisArray()
        self._speaking = True

    def speak(self, speaking: bool) -> None:
        """Publish poses and transform, or hold them back; all else goes on."""
        self._speaking = speaking

    def adopt(self, settings: Settings) -> None:
        """Publish by other settings from now on."""
        self._settings = settings
        self._ids.adopt(settings.estimate)

    def destroy(self) -> None:
        """Give the publishers back."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._node.destroy_publisher(self._broadcaster.pub_tf)

    def map(self, tile: RasterTile) -> None:
        """Latch the map."""
        self._send(topics.MAP, convert.grid_message(tile, self._frame))

    def change_map(self, map_id: str) -> None:
        """What comes from now on is of another map, and so is its frame."""
        self._map_id = map_id
        self._estimate, self._hypotheses = None, HypothesisArray()
        self._ids = ModeIds(self._settings.estimate)  # two places may have equal coordinates
        self._path.clear()

    def restart(self) -> None:
        """Begin a new path: the belief was replaced."""
        self._path.clear()

    def pose(self, estimate: PoseEstimate) -> None:
        """Publish pose and hypotheses, and the path while tracking."""
        self._estimate = estimate
        self._send(topics.POSE, convert.pose_message(estimate, self._frame))
        ids = self._ids.assign(estimate.modes)
        self._hypotheses = convert.hypotheses_message(estimate, ids, self._frame)
        self._send(topics.HYPOTHESES, self._hypotheses)
        if self._wanted(topics.MARKERS):
            self._send(topics.MARKERS, convert.markers_message(estimate, self._frame))
        if estimate.state is State.TRACKING:
            self._path.append(convert.pose_stamped(estimate, self._frame))
        if self._path and self._wanted(topics.PATH):
            self._send(topics.PATH, convert.path_message(self._path))

    def predicted(self, pose: PredictedPose, twist: TwistWithCovariance) -> None:
        """Publish a pose between two estimates."""
        child = self._settings.frames.base
        message = convert.odometry_message(pose, twist, self._frame, child)
        self._send(topics.PREDICTED, message)

    def transform(self, estimate: TransformEstimate, odom_frame: str) -> None:
        """Broadcast map -> odom, unless `node.publish_tf` is off or there is no such frame."""
        wanted = self._settings.node
        if self._speaking and wanted.publish_tf and wanted.odometry_source in ("pose", "tf"):
            ahead = self._settings.node.transform_tolerance
            message = convert.transform_message(estimate, self._frame, odom_frame, ahead)
            self._broadcaster.sendTransform(message)

    def particles(self, snapshot: ParticleSnapshot) -> None:
        """Publish the particles to those who listen."""
        wanted = [t for t in (topics.PARTICLE_CLOUD, topics.PARTICLES) if self._wanted(t)]
        if not wanted:
            return
        thinned = convert.thin(snapshot, self._settings.node.cloud_particles)
        if topics.PARTICLE_CLOUD in wanted:
            self._send(topics.PARTICLE_CLOUD, convert.cloud_message(thinned, self._frame))
        if topics.PARTICLES in wanted:
            self._send(topics.PARTICLES, convert.pose_array_message(thinned, self._frame))

    def smoothed(self, trajectory: SmoothedTrajectory, poses: Sequence[TrailPose]) -> None:
        """Publish the window of smoothed poses to those who listen."""
        if self._wanted(topics.SMOOTHED):
            message = convert.smoothed_message(trajectory, poses, self._frame, self._map_id)
            self._send(topics.SMOOTHED, message)
        if self._wanted(topics.SMOOTHED_PATH):
            self._send(topics.SMOOTHED_PATH, convert.smoothed_path(poses, self._frame))

    def jump(self, jump: PoseJump) -> None:
        """Tell planners that the pose jumped."""
        self._send(topics.JUMPS, convert.jump_message(jump, self._frame))

    def wants_overlay(self) -> bool:
        """Whether somebody listens to it."""
        return self._wanted(topics.OVERLAY)

    def overlay(self, stamp_ns: int, rgb: NDArray[np.uint8]) -> None:
        """Publish a camera image with the map drawn in, (H, W, 3)."""
        self._send(topics.OVERLAY, image_message(rgb, stamp_ns, self._settings.frames.base))

    def wants_hypothesis_map(self) -> bool:
        """Whether somebody listens to it."""
        return self._wanted(topics.HYPOTHESIS_MAP)

    def hypothesis_map(self, stamp_ns: int, rgb: NDArray[np.uint8]) -> None:
        """Publish a picture of the belief on its map, (H, W, 3)."""
        self._send(topics.HYPOTHESIS_MAP, image_message(rgb, stamp_ns, self._frame))

    def diagnostics(self, conditions: Iterable[Condition]) -> None:
        """Tell how the node is doing."""
        now = self._node.get_clock().now().to_msg()
        name = self._node.get_fully_qualified_name().lstrip("/")
        message = diagnostics_message(conditions, now, name, self._map_id)
        self._send(topics.DIAGNOSTICS, message)

    def status(self, **counts: Any) -> None:
        """Publish how things stand after a frame; counts as `convert.status_message` has them."""
        estimate, frame, map_id = self._estimate, self._frame, self._map_id
        message = convert.status_message(estimate, frame=frame, map_id=map_id, **counts)
        self._send(topics.STATUS, message)

    def statistics(
        self, estimate: PoseEstimate, seconds: float, stages: Mapping[str, float]
    ) -> None:
        """Publish what an update cost to those who listen."""
        if self._wanted(topics.STATISTICS):
            held = device_bytes()
            message = convert.statistics_message(estimate, self._frame, seconds, stages, held)
            self._send(topics.STATISTICS, message)

    @property
    def estimate(self) -> PoseEstimate | None:
        """The newest one that was published."""
        return self._estimate

    @property
    def hypotheses(self) -> HypothesisArray:
        """Those of the newest estimate."""
        return self._hypotheses

    @property
    def _frame(self) -> str:
        return self._settings.frames.map

    def _wanted(self, topic: topics.Topic) -> bool:
        return bool(self._publishers[topic.name].get_subscription_count())

    def _send(self, topic: topics.Topic, message: Any) -> None:
        if topic in CLAIMS and not self._speaking:
            return
        self._publishers[topic.name].publish(message)
