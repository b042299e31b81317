"""Settings of what surrounds the estimation: device, queues, frames, topics, files."""

from __future__ import annotations

from dataclasses import dataclass

from mdps_ros.settings.fields import live_setting, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSettings:
    """Time, buffers and device."""

    seed: int = setting(0, "Seed of the filter's random numbers.", low=0, high=2**31 - 1)
    device: str = setting("auto", "Where the filter runs.", choices=("auto", "cpu", "cuda"))
    odometry_buffer: float = setting(
        10.0, "Odometry kept for images that come late.", unit="s", low=0.5, high=600.0
    )
    max_odometry_gap: float = live_setting(
        1.0, "Longest gap in the odometry that is bridged silently.", unit="s", low=0.01, high=60.0
    )
    image_wait: int = setting(
        100, "Images that may wait for odometry; the oldest is dropped beyond.", low=1, high=1000
    )
    image_late: float = setting(
        1.0,
        "How much older than the last update an image may be that comes late: it weighs particles "
        "by what their ancestors would have seen. 0 drops it.",
        unit="s",
        low=0.0,
        high=10.0,
    )
    camera_timeout: float = live_setting(
        1.0,
        "Camera silence after which the filter goes on with odometry alone.",
        unit="s",
        low=0.05,
        high=600.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSettings:
    """Names of the coordinate frames (REP-105)."""

    map: str = setting("map", "The map frame.")
    odom: str = setting("odom", "The odometry frame; an odometry message may name another.")
    base: str = setting("base_link", "The vehicle frame.")

    def __post_init__(self) -> None:
        """Take off the leading slashes that ROS 1 gave frames, and that tf2 refuses."""
        for name in ("map", "odom", "base"):
            object.__setattr__(self, name, getattr(self, name).lstrip("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """What the node subscribes to and publishes."""

    map: str = setting("", "Map file: .osm, .osm.pbf, a nav2 map YAML, or helsinki | suburb.")
    image_reliable: bool = setting(
        False, "Reliable QoS on images; best effort matches every publisher."
    )
    rectified: bool = setting(
        True, "Images come without distortion; off: they are undistorted here, by K and D."
    )
    odometry_reliable: bool = setting(
        True, "Reliable QoS on odometry and twist; off for publishers that are best effort."
    )
    odometry_source: str = setting(
        "pose",
        "What is odometry: the pose of `odom`, its twist, the topic `twist`, or the transforms out "
        "of `frames.odom` on /tf. With a twist there is no odometry frame, and map -> odom is not "
        "broadcast.",
        choices=("pose", "odometry_twist", "twist", "tf"),
    )
    publish_tf: bool = live_setting(True, "Broadcast map -> odom.")
    transform_tolerance: float = live_setting(
        0.1, "The transform map -> odom is stamped this far ahead.", unit="s", low=0.0, high=10.0
    )
    cloud_particles: int = live_setting(
        5000, "At most this many particles are published (thinned evenly).", low=1, high=1_000_000
    )
    map_resolution: float = setting(
        1.0, "Resolution of the published occupancy grid.", unit="m", low=0.05, high=10.0
    )
    odometry_rate: float = live_setting(
        50.0, "At most this many predicted poses; 0: none.", unit="Hz", low=0.0, high=1000.0
    )
    state_file: str = setting(
        "", "Save the belief here, and go on with it at the next start; empty: neither."
    )
    state_period: float = live_setting(
        10.0, "Pause between two savings.", unit="s", low=0.1, high=3600.0
    )
    event_dir: str = setting(
        "",
        "Write a folder here when the vehicle gets lost or its pose jumps, with pictures and all "
        "numbers of the last seconds; empty: none.",
    )
    event_seconds: float = setting(
        20.0, "How much of the past such a folder holds.", unit="s", low=1.0, high=600.0
    )
    event_count: int = setting(20, "Folders that are kept; the oldest goes.", low=1, high=10_000)
    bond_period: float = setting(
        0.25,
        "Between two heartbeats for nav2's lifecycle manager, where the package bond is "
        "installed; 0: none.",
        unit="s",
        low=0.0,
        high=2.0,
    )
