"""Every topic of the node in one table: name, type, quality of service and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import (
    PoseArray,
    PoseWithCovarianceStamped,
    TwistWithCovarianceStamped,
)
from nav_msgs.msg import OccupancyGrid, Odometry, Path
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, NavSatFix, PointCloud2
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from mdps_ros.msg import (
    FilterStatistics,
    HypothesisArray,
    JumpEvent,
    LocalizerStatus,
    SmoothedTrajectory,
)
from mdps_ros.ros.installed import installed


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. Names are relative: they follow the node's namespace and remappings.

    Attributes:
        name: topic name.
        type: message class.
        depth: messages kept for a slow partner.
        meaning: one sentence for people.
        out: whether the node publishes it.
        latched: transient local, that is, late partners get the last messages too.
        setting: the setting of the node that makes it reliable or not; always reliable where empty.
        reliable: default of that setting.
        named: name of the type where it may not be installed; `type` is None there.
    """

    name: str
    type: Any
    depth: int
    meaning: str
    out: bool = True
    latched: bool = False
    setting: str = ""
    reliable: bool = True
    named: str = ""

    @property
    def type_name(self) -> str:
        """Name as `ros2 topic` prints it, e.g. nav_msgs/msg/Odometry."""
        return self.named or f"{self.type.__module__.split('.')[0]}/msg/{self.type.__name__}"

    def qos(self, reliable: bool | None = None) -> QoSProfile:
        """The profile; `reliable` is the value of `setting`, None its default."""
        wanted = self.reliable if reliable is None or not self.setting else reliable
        reliability = ReliabilityPolicy.RELIABLE if wanted else ReliabilityPolicy.BEST_EFFORT
        durability = DurabilityPolicy.TRANSIENT_LOCAL if self.latched else DurabilityPolicy.VOLATILE
        return QoSProfile(depth=self.depth, reliability=reliability, durability=durability)

    @property
    def qos_text(self) -> str:
        """The profile in words."""
        words = ("best effort", "reliable")
        reliability = words[self.reliable]
        if self.setting:
            reliability += f" ({words[not self.reliable]}: `node.{self.setting}`)"
        return f"{reliability}, {'latched, ' if self.latched else ''}depth {self.depth}"


def bond_status() -> Any | None:
    """The type of bonds, None where the package bond is not installed."""
    return installed("bond.msg", "Status")


# fmt: off
ODOMETRY = Topic("odom", Odometry, 2000,
    "Vehicle pose in the odometry frame, or its twist (`node.odometry_source`); any rate above "
    "that of the images.", out=False, setting="odometry_reliable")
TWIST = Topic("twist", TwistWithCovarianceStamped, 2000,
    "Velocity of the vehicle, integrated where `node.odometry_source` is `twist`.",
    out=False, setting="odometry_reliable")
IMAGE = Topic("image", Image, 100,
    "Depth, 32FC1 in metres or 16UC1 in millimetres, or colour, rgb8 bgr8 rgba8 bgra8 mono8; "
    "without distortion, or with it where `node.rectified` is off.",
    out=False, setting="image_reliable", reliable=False)
COMPRESSED = Topic("image/compressed", CompressedImage, 100,
    "The same as jpeg or png; depth as png of 16 bits or `compressedDepth` png.",
    out=False, setting="image_reliable", reliable=False)
CAMERA_INFO = Topic("camera_info", CameraInfo, 100,
    "Intrinsics of the images: P, or K where P is zero; K and D where `node.rectified` is off.",
    out=False, setting="image_reliable", reliable=False)
FIX = Topic("fix", NavSatFix, 10,
    "Where a GNSS receiver sees the vehicle; needs a map with a place on Earth.",
    out=False, setting="image_reliable", reliable=False)
POSE_PRIOR = Topic("pose_prior", PoseWithCovarianceStamped, 10,
    "Where somebody else believes the vehicle to be, in any frame that TF ties to the map; one "
    "measurement among others.", out=False, setting="image_reliable", reliable=False)
INITIAL_POSE = Topic("initialpose", PoseWithCovarianceStamped, 10,
    "Restart around this pose (RViz `2D Pose Estimate`), in any frame that TF ties to the map; "
    "kept while the node is inactive.", out=False)
POSE = Topic("pose", PoseWithCovarianceStamped, 1,
    "Mean of the heaviest hypothesis, covariance of the whole belief about it.", latched=True)
PREDICTED = Topic("odometry", Odometry, 50,
    "While tracking: the pose at the newest odometry, at up to `node.odometry_rate`; the "
    "covariance grows with the motion since the last estimate.")
PARTICLE_CLOUD = Topic("particle_cloud", PointCloud2, 5,
    "Particles as float32 x, y, z, yaw, weight; made only when somebody listens.")
PARTICLES = Topic("particles", PoseArray, 5,
    "The same particles as poses, without weights; made only when somebody listens.")
PATH = Topic("path", Path, 1,
    "Poses while tracking, the newest 2000; made only when somebody listens.")
SMOOTHED = Topic("smoothed", SmoothedTrajectory, 10,
    "With `smoother.enabled`: the poses of the last `smoother.lag` seconds, seen again with what "
    "was measured since; each is final once. Made only when somebody listens.")
SMOOTHED_PATH = Topic("smoothed_path", Path, 1,
    "The same poses for RViz; made only when somebody listens.")
HYPOTHESES = Topic("hypotheses", HypothesisArray, 100,
    "All places where the vehicle may be, heaviest first.")
MARKERS = Topic("hypothesis_markers", MarkerArray, 5,
    "The hypotheses for RViz: arrow, 2-sigma ellipse, share; made only when somebody listens.")
OVERLAY = Topic("overlay", Image, 2,
    "The newest used image with the map's roads and houses drawn in at its estimate, at most twice "
    "a second; made only when somebody listens.")
HYPOTHESIS_MAP = Topic("hypothesis_map", Image, 2,
    "The map around the belief, north up, with particles, hypotheses with number and share, the "
    "estimate and the way there, rgb8, at most twice a second; made only when somebody listens.")
STATUS = Topic("status", LocalizerStatus, 1,
    "State and why, particles, spread, frame counts; at activation and once per frame.",
    latched=True)
MAP = Topic("map", OccupancyGrid, 1,
    "0 road or free floor, 100 building, barrier or water, -1 other ground.", latched=True)
JUMPS = Topic("jumps", JumpEvent, 10,
    "The claimed pose jumped, that is, map -> odom changed by more than the motion explains.")
STATISTICS = Topic("statistics", FilterStatistics, 10,
    "What each update cost, stage by stage; made only when somebody listens.")
DIAGNOSTICS = Topic("/diagnostics", DiagnosticArray, 10,
    "State, rates and ages of the inputs, drops, latency, map and device; once a second.")
BOND = Topic("bond", bond_status(), 5,
    "Heartbeats to and from nav2's lifecycle manager between activate and deactivate, id: the "
    "node's name, once per `node.bond_period`; where the package bond is installed.",
    named="bond/msg/Status")
TF = Topic("/tf", TFMessage, 100,
    "map -> odom while tracking; a camera's place is read from /tf and /tf_static, and odometry "
    "where `node.odometry_source` is `tf`.")
# fmt: on

INPUTS: tuple[Topic, ...] = (
    ODOMETRY, TWIST, IMAGE, COMPRESSED, CAMERA_INFO, INITIAL_POSE, POSE_PRIOR, FIX
)  # fmt: skip
OUTPUTS: tuple[Topic, ...] = (
    POSE, PREDICTED, PARTICLE_CLOUD, PARTICLES, PATH, SMOOTHED, SMOOTHED_PATH, HYPOTHESES, MARKERS,
    OVERLAY, HYPOTHESIS_MAP, STATUS, MAP, JUMPS, STATISTICS, DIAGNOSTICS,
)  # fmt: skip
TOPICS: tuple[Topic, ...] = (*INPUTS, *OUTPUTS, BOND, TF)
"""The whole table."""


def markdown() -> str:
    """The table as Markdown, for the README (a test keeps the two equal)."""
    lines = ["| Topic | Type | Direction | QoS | Meaning |", "|---|---|---|---|---|"]
    for topic in TOPICS:
        way = "out" if topic.out else "in"
        cells = (f"`{topic.name}`", f"`{topic.type_name}`", way, topic.qos_text, topic.meaning)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
