"""A bag as an `Observation`. No ROS."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mdps_ros.cli.bag_drive import BagDrive
from mdps_ros.cli.bag_topics import (
    COMPRESSED_TYPE,
    IMAGE_TYPE,
    SOURCES,
    DriveTopics,
    choose_topics,
)
from mdps_ros.data.bag import Bag, open_bag
from mdps_ros.data.bag_writer import ANCHOR_TOPIC, STATIC_TF_TOPIC
from mdps_ros.data.errors import BagError
from mdps_ros.maps import Map
from mdps_ros.runtime.checkup.observation import ROLES, Observation
from mdps_ros.runtime.checkup.observing import Collector
from mdps_ros.runtime.checkup.topics import odometry_role
from mdps_ros.settings import Settings

IMAGES = (IMAGE_TYPE, COMPRESSED_TYPE)
ABSENT = "/absent odometry"


def observe_bag(
    path: Path,
    settings: Settings,
    odometry: str | None = None,
    image: str | None = None,
    seconds: float | None = None,
    city: Map | None = None,
) -> Observation:
    """Read a bag once.

    Args:
        path: rosbag2 folder, or .mcap or .db3 file.
        settings: frame of the vehicle, and what is odometry.
        odometry: topic, None to find it.
        image: topic, None to find it.
        seconds: of the bag to read; None reads all.
        city: the map, to place the truth of a simulated drive on; None leaves it out.

    Raises:
        BagError: it cannot be read at all.
    """
    bag = open_bag(path)
    topics, problems = _choose(bag, odometry, image, settings.node.odometry_source)
    drive = BagDrive(bag, topics, settings)
    names = {
        odometry_role(settings): topics.odometry,
        "image": topics.image,
        "camera_info": topics.camera_info,
    }
    fixes = [n for n, kind in bag.topics.items() if kind in ROLES["fix"].types]
    names["fix"] = next((name for name in fixes if name != ANCHOR_TOPIC), None)
    roles = {name: role for role, name in names.items() if name}
    collector, moves = Collector(), drive.odometry()
    for name, arrival_ns, message in bag.messages(roles):
        if seconds is not None and (arrival_ns - bag.start_ns) * 1e-9 > seconds:
            break
        if roles[name] == "tf":
            for event in moves(message):
                collector.moved("tf", arrival_ns, event)
        else:
            collector.saw(roles[name], arrival_ns, message)
    T_base_camera = drive.T_base(collector.frame("image")) if names["image"] else None
    if STATIC_TF_TOPIC in bag.topics:
        roles[STATIC_TF_TOPIC] = "tf_static"
    return Observation(
        source=str(path),
        live=False,
        topics={
            role: collector.topic(role, name, (bag.topics[name],)) for name, role in roles.items()
        },
        problems=problems,
        camera=collector.camera,
        image=collector.image,
        base=settings.frames.base,
        T_base_camera=None if T_base_camera is None else tuple(T_base_camera.ravel().tolist()),
        frames=drive.frames,
        travelled_m=collector.travelled_m,
        fastest_mps=collector.fastest_mps,
        fixes=tuple(collector.fixes),
        poses={} if city is None else _truth(drive, city),
    )


def _choose(
    bag: Bag, odometry: str | None, image: str | None, source: str
) -> tuple[DriveTopics, tuple[str, ...]]:
    """Odometry and image, each found or not, with what was wrong in words."""
    problems = []
    found = DriveTopics(None, None, None, None)
    without = {name: kind for name, kind in bag.topics.items() if kind not in IMAGES}
    try:
        found = choose_topics(dataclasses.replace(bag, topics=without), odometry, source=source)
    except BagError as error:
        problems.append(str(error))
    # so that images are found all the same
    stand_in = {} if found.odometry else {ABSENT: SOURCES[source]}
    known = dataclasses.replace(bag, topics=bag.topics | stand_in)
    try:
        found = choose_topics(known, found.odometry or ABSENT, image, source=source)
    except BagError as error:
        problems.append(str(error))
    if found.odometry == ABSENT:
        found = found._replace(odometry=None)
    return found, tuple(problems)


def _truth(drive: BagDrive, city: Map) -> dict[str, tuple[float, float]]:
    """First and last true position on the map, m."""
    truth = drive.truth(city)
    if truth is None:
        return {}
    ends = {"first truth": truth.poses[0], "last truth": truth.poses[-1]}
    return {name: (float(pose[0]), float(pose[1])) for name, pose in ends.items()}
