"""Every check passes on a good set-up and fails, with the remedy, on one that is broken its way."""

from __future__ import annotations

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from mdps_ros.notes import Severity
from mdps_ros.runtime.checkup.checkup import examine
from mdps_ros.runtime.checkup.finding import Finding
from mdps_ros.runtime.checkup.observation import (
    CameraSeen,
    ImageSeen,
    MachineSeen,
    MapSeen,
    NodeSeen,
    Observation,
    Offer,
    Pace,
    PlaceSeen,
    TopicSeen,
    Unfed,
    from_json,
)
from mdps_ros.runtime.checkup.observing import Collector
from mdps_ros.runtime.checkup.surroundings import see_machine
from mdps_ros.runtime.checkup.topics import rate_hz
from mdps_ros.settings import Settings, with_values

NOW = 1_700_000_000_000_000_000
RELIABLE, BEST_EFFORT = (Offer(True, False),), (Offer(False, False),)
MOUNT = np.array([[0, 0, 1, 1.5], [-1, 0, 0, 0], [0, -1, 0, 1.6], [0, 0, 0, 1]], float)
LENS = (320.0, 0.0, 320.0, 0.0, 320.0, 240.0, 0.0, 0.0, 1.0)
PROJECTION = (320.0, 0.0, 320.0, 0.0, 0.0, 320.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def stamps(rate, seconds=10.0, begin=NOW):
    return tuple(begin + round(i * 1e9 / rate) for i in range(round(seconds * rate)))


def topic(name, kind, rate, offers=RELIABLE, **changes):
    at = stamps(rate)
    made = TopicSeen(name=name, types=(kind,), offers=offers, stamps_ns=at, arrivals_ns=at)
    return dataclasses.replace(made, **changes)


TOPICS = {
    "odom": topic("/odom", "nav_msgs/msg/Odometry", 50.0, frame="odom"),
    "image": topic("/image", "sensor_msgs/msg/Image", 10.0, BEST_EFFORT, frame="camera_optical"),
    "camera_info": topic("/camera_info", "sensor_msgs/msg/CameraInfo", 10.0, BEST_EFFORT),
    "tf_static": topic("/tf_static", "tf2_msgs/msg/TFMessage", 1.0, (Offer(True, True),)),
}
GOOD = Observation(
    source="graph",
    live=True,
    topics=TOPICS,
    node=NodeSeen("/mdps_localization", "active", {}),
    camera=CameraSeen(
        width=640, height=480, distortion_model="plumb_bob", d=(0.0,) * 5, k=LENS, p=PROJECTION
    ),
    image=ImageSeen(width=640, height=480, encoding="rgb8", size_bytes=921_600),
    T_base_camera=tuple(MOUNT.ravel().tolist()),
    frames=("base_link", "camera_optical"),
    travelled_m=90.0,
    fastest_mps=11.0,
    fixes=((60.17, 24.94),),
    map=MapSeen(
        name="town",
        bounds=(-500.0, -500.0, 500.0, 500.0),
        road_m=9000.0,
        on_earth=True,
        places=(PlaceSeen("fix 1", 10.0, 20.0, 3.0),),
    ),
    machine=MachineSeen(
        torch="2.13.0",
        weights="camera.safetensors",
        weights_sha256="ab" * 32,
        transport="fastdds.xml",
        segment_bytes=16_777_216,
    ),
)


def but(**changes):
    return dataclasses.replace(GOOD, **changes)


def with_topic(role, **changes):
    if len(changes.get("stamps_ns", TOPICS[role].stamps_ns)) != len(TOPICS[role].stamps_ns):
        changes.setdefault("arrivals_ns", changes["stamps_ns"])
    return but(topics=TOPICS | {role: dataclasses.replace(TOPICS[role], **changes)})


def without(*roles):
    return but(topics={role: seen for role, seen in TOPICS.items() if role not in roles})


def camera(**changes):
    return but(camera=dataclasses.replace(GOOD.camera, **changes))


def machine(**changes):
    return but(machine=dataclasses.replace(GOOD.machine, **changes))


def map_with(**changes):
    return but(map=dataclasses.replace(GOOD.map, **changes))


def fix_at(x, road_m):
    return map_with(places=(PlaceSeen("fix 1", x, 0.0, road_m),))


def mount(**rows):
    T = MOUNT.copy()
    for row, values in rows.items():
        T[int(row[1])] = values
    return but(T_base_camera=tuple(T.ravel().tolist()))


def unfed(role, *instead):
    others = {name: seen for name, seen in TOPICS.items() if name != role}
    return but(topics=others, unfed={role: Unfed(f"/elsewhere/{role}", instead)})


def played(back_s, **changes):
    """The good set-up with stamps that lie so far before now."""
    moved = {
        role: dataclasses.replace(
            seen, arrivals_ns=tuple(at + round(back_s * 1e9) for at in seen.arrivals_ns)
        )
        for role, seen in TOPICS.items()
    }
    return but(topics=moved, **changes)


TOO_FEW = {"filter.particles_min": 5000, "filter.particles_max": 4000}


def unconfigured(parameters, **map_changes):
    return dataclasses.replace(
        map_with(**map_changes), node=NodeSeen("/n", "unconfigured", parameters)
    )


DAY = 86400.0
UP = MOUNT @ np.diag([-1.0, -1.0, 1.0, 1.0])  # the same direction, upside down
LATER = tuple(at - 2_000_000_000 for at in stamps(10.0))

BROKEN = [
    ("odom topic", "fail", without("odom"), {}, "--odometry-topic"),
    ("odom topic", "fail", with_topic("odom", types=("std_msgs/msg/String",)), {}, "use --odom"),
    ("odom topic", "fail", with_topic("odom", stamps_ns=(), arrivals_ns=()), {}, "publisher"),
    ("odom topic", "fail", with_topic("odom", unusable=3), {}, "not finite"),
    ("odom topic", "warn", with_topic("odom", offers=RELIABLE * 2), {}, "stop all but one"),
    ("image topic", "warn", without("image"), {}, "start a camera"),
    ("odom topic", "fail", unfed("odom", "/wheels"), {}, "with odom_topic:=/wheels"),
    ("odom topic", "fail", unfed("odom"), {}, "start what publishes the vehicle's odometry"),
    ("image topic", "fail", unfed("image", "/a", "/b"), {}, "image_topic:=/a, or /b"),
    ("image topic", "warn", unfed("image"), {}, "odometry and roads alone"),
    ("image topic", "fail", unfed("image", "/a/compressed"), {}, "with image_topic:=/a"),
    ("camera_info topic", "fail", unfed("camera_info", "/i"), {}, "camera_info_topic:=/i"),
    ("camera_info topic", "fail", without("camera_info"), {}, "--camera-info-topic"),
    ("topics", "fail", but(problems=("2 topics; choose one",)), {}, "choose one"),
    ("odom QoS", "fail", with_topic("odom", offers=BEST_EFFORT), {}, "node.odometry_reliable"),
    ("image QoS", "fail", GOOD, {"node.image_reliable": True}, "node.image_reliable to false"),
    ("tf_static QoS", "fail", with_topic("tf_static", offers=RELIABLE), {}, "transient local"),
    ("odometry rate", "warn", with_topic("odom", stamps_ns=stamps(4.0)), {}, "at least as often"),
    ("odometry rate", "warn", with_topic("image", stamps_ns=stamps(60.0)), {}, "as images"),
    ("image rate", "warn", with_topic("image", stamps_ns=stamps(0.2, 20.0)), {}, "raise it"),
    ("odom stamps", "fail", with_topic("odom", stamps_ns=(0,) * 500), {}, "header.stamp"),
    ("odom stamps", "warn", with_topic("odom", stamps_ns=stamps(50.0)[::-1]), {}, "one clock"),
    ("odom stamps", "warn", GOOD, {"runtime.max_odometry_gap": 0.015}, "lost messages"),
    ("image stamps", "warn", GOOD, {"runtime.camera_timeout": 0.06}, "lost messages"),
    ("image stamps", "warn", with_topic("image", stamps_ns=LATER), {}, "use_sim_time"),
    ("odom stamps", "warn", but(clock_ahead_s=-40.0), {}, "use_sim_time"),
    ("odom stamps", "warn", played(-2 * DAY), {}, "synchronise the clocks"),
    ("synchrony", "warn", with_topic("image", stamps_ns=LATER), {}, "one clock, at the exposure"),
    (
        "synchrony",
        "fail",
        with_topic("image", stamps_ns=LATER),
        {"runtime.odometry_buffer": 1.0},
        "one clock",
    ),
    (
        "synchrony",
        "warn",
        with_topic("image", stamps_ns=stamps(10.0, 20.0), arrivals_ns=stamps(10.0, 20.0)),
        {},
        "record both",
    ),
    ("motion", "warn", but(travelled_m=0.2), {}, "drive"),
    ("motion", "warn", but(fastest_mps=900.0), {}, "metres and seconds"),
    ("encoding", "fail", but(image=dataclasses.replace(GOOD.image, encoding="yuv422")), {}, "rgb8"),
    ("encoding", "warn", GOOD, {"camera.enabled": False}, "camera.enabled to true"),
    ("intrinsics", "fail", camera(p=(0.0,) * 12, k=(0.0,) * 9), {}, "calibrate"),
    ("intrinsics", "fail", camera(width=320, height=240), {}, "belongs to the image"),
    ("intrinsics", "warn", camera(p=(*PROJECTION[:2], 700.0, *PROJECTION[3:])), {}, "cropped"),
    ("intrinsics", "warn", camera(p=(40.0, *PROJECTION[1:])), {}, "in pixels"),
    ("intrinsics", "warn", camera(p=(500.0, *PROJECTION[1:])), {}, "nearly square"),
    ("distortion", "fail", camera(distortion_model="odd"), {"node.rectified": False}, "plumb_bob"),
    ("distortion", "warn", camera(distortion_model="odd"), {}, "plumb_bob"),
    ("distortion", "warn", camera(d=(0.1, 0.0, 0.0, 0.0, 0.0)), {}, "node.rectified to false"),
    ("camera place", "fail", but(T_base_camera=None), {}, "/tf_static"),
    ("camera place", "fail", with_topic("image", frame=""), {}, "set frame_id"),
    ("camera place", "fail", but(T_base_camera=tuple(np.eye(4).ravel())), {}, "optical frame"),
    ("camera place", "fail", but(T_base_camera=tuple(UP.ravel())), {}, "turn"),
    ("camera place", "warn", mount(r2=(0, -1, 0, 0.0)), {}, "on the ground"),
    ("map", "warn", but(map=None), {}, "--map"),
    ("map", "fail", but(map=MapSeen(error="no file; name one")), {}, "name one"),
    ("map", "fail", map_with(road_m=0.0), {}, "highway"),
    ("map coverage", "warn", map_with(on_earth=False, places=()), {}, "leave the fixes out"),
    ("map coverage of fix 1", "fail", fix_at(600.0, 3.0), {}, "of that place"),
    ("map coverage of fix 1", "warn", fix_at(0.0, 80.0), {}, "its age"),
    ("device", "fail", machine(torch=""), {}, "pip install"),
    ("device", "warn", GOOD, {"runtime.device": "cuda"}, "runtime.device to auto"),
    ("weights", "fail", machine(weights_error="cannot read"), {}, "camera.weights"),
    ("transport", "warn", machine(transport="", segment_bytes=0), {}, "config/fastdds.xml"),
    ("transport", "warn", machine(segment_bytes=0), {}, "config/fastdds.xml"),
    ("node", "warn", but(node=None), {}, "ros2 launch"),
    ("node", "warn", but(node=NodeSeen("/n", "inactive", {})), {}, "ros2 lifecycle set /n"),
    ("node", "pass", but(node=NodeSeen("/n", "active", {}, Pace(90, 10, 0.1))), {}, ""),
    ("node", "warn", but(node=NodeSeen("/n", "active", {}, Pace(70, 30, 0.1))), {}, "diagnostics"),
    ("node", "warn", but(node=NodeSeen("/n", "active", {}, Pace(9, 0, 12.0))), {}, "initialpose"),
    ("node", "warn", but(node=NodeSeen("/n", "unconfigured", {})), {}, "set /n activate`; its log"),
    ("node", "fail", unconfigured({"node.map": ""}), {}, "param set /n node.map FILE`, then `ros2"),
    ("node", "fail", unconfigured(TOO_FEW), {}, "param set /n NAME VALUE`, then `ros2 lifecycle"),
    ("node", "fail", unconfigured({}, error="no file; name one"), {}, "set /n node.map FILE`"),
]  # fmt: skip


def judged(seen, values=()):
    return examine(seen, with_values(Settings(), dict(values)))


def test_a_good_set_up_passes_every_check() -> None:
    findings = judged(GOOD)
    assert {finding.verdict for finding in findings} == {"pass"}
    assert {finding.check for finding in findings} >= {
        check for check, *_ in BROKEN if check not in ("topics", "map coverage")
    }
    assert all(not finding.remedy for finding in findings)


@pytest.mark.parametrize(("check", "verdict", "seen", "values", "remedy"), BROKEN)
def test_a_broken_one_is_found_with_its_remedy(check, verdict, seen, values, remedy) -> None:
    found = [finding for finding in judged(seen, values) if finding.check == check]
    worst = max(found, key=lambda finding: finding.severity)
    assert worst.verdict == verdict, found
    assert remedy in worst.remedy
    assert worst.line.startswith(f"{verdict}  {check}: ")
    assert "\n" not in worst.line


def test_odometry_alone_is_enough_where_no_camera_is_wanted() -> None:
    seen = dataclasses.replace(without("image", "camera_info"), camera=None, image=None)
    values = {"camera.enabled": False, "depth.enabled": False}
    assert {finding.verdict for finding in judged(seen, values)} == {"pass"}


def test_a_bag_that_plays_without_a_clock_is_dated_and_passes() -> None:
    found = {finding.check: finding for finding in judged(played(900 * DAY))}
    assert found["odom stamps"].verdict == "pass"
    assert "stamped 2023-11-14, so a bag seems to be playing" in found["odom stamps"].text


def test_stamps_are_compared_with_the_clock_that_is_published() -> None:
    found = judged(played(900 * DAY, clock_ahead_s=-900 * DAY))
    assert {finding.verdict for finding in found} == {"pass"}
    assert not any("bag seems" in finding.text for finding in found)


def test_a_wrong_clock_is_told_in_a_unit_that_fits() -> None:
    said = {back: judged(played(back)) for back in (3.0, 600.0, 4 * 3600.0, -9 * DAY)}
    texts = {
        back: next(f.text for f in found if f.check == "odom stamps")
        for back, found in said.items()
    }
    assert texts[3.0] == "/odom is stamped 3.0 s before now"
    assert texts[600.0] == "/odom is stamped 10 minutes before now"
    assert texts[4 * 3600.0] == "/odom is stamped 4 hours before now"
    assert texts[-9 * DAY] == "/odom is stamped 9 days after now, 2023-11-14"


def test_a_node_that_cannot_be_configured_is_told_why() -> None:
    for seen, words in (
        (unconfigured({"node.map": ""}), "its parameter node.map is empty"),
        (unconfigured(TOO_FEW), "filter.particles_min"),
        (unconfigured({"node.map": "a"}, error="no file; name one"), "the map cannot be used"),
    ):
        (node,) = (finding for finding in judged(seen) if finding.check == "node")
        assert node.text.startswith("/n is unconfigured")
        assert words in node.text


def test_a_bag_is_not_asked_for_node_and_transport() -> None:
    findings = judged(but(live=False, node=None, machine=MachineSeen(torch="2.13.0")))
    assert not {"node", "transport"} & {finding.check for finding in findings}


def test_an_observation_survives_json() -> None:
    seen = but(map=None, machine=MachineSeen())
    assert from_json(seen.to_json()) == seen
    hungry = unfed("image", "/a", "/b")
    assert from_json(dataclasses.replace(hungry, map=None).to_json()).unfed == hungry.unfed
    empty = Observation(source="x", live=False)
    assert from_json(empty.to_json()) == empty
    paced = dataclasses.replace(seen, node=NodeSeen("/n", "active", {}, Pace(9, 1, 0.5)))
    assert from_json(dataclasses.replace(paced, map=None).to_json()).node == paced.node
    assert json.loads(empty.to_json())["camera"] is None


def test_rate_is_that_of_the_stamps() -> None:
    assert rate_hz(TOPICS["odom"]) == pytest.approx(50.0)
    assert rate_hz(dataclasses.replace(TOPICS["odom"], stamps_ns=(NOW,))) is None


def odometry(seconds, x, y=0.0):
    stamp = SimpleNamespace(sec=int(seconds), nanosec=round(seconds % 1 * 1e9))
    pose = SimpleNamespace(
        position=SimpleNamespace(x=x, y=y, z=0.0),
        orientation=SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0),
    )
    header = SimpleNamespace(stamp=stamp, frame_id="odom")
    return SimpleNamespace(header=header, pose=SimpleNamespace(pose=pose))


def test_travel_and_speed_are_counted_over_usable_odometry() -> None:
    collector = Collector()
    for message in (odometry(1.0, 0.0), odometry(1.5, math.nan), odometry(2.0, 3.0, 4.0)):
        collector.saw("odom", 7, message)
    seen = collector.topic("odom", "/odom", ("nav_msgs/msg/Odometry",))
    assert (collector.travelled_m, collector.fastest_mps) == (5.0, 5.0)
    assert seen.unusable == 1
    assert seen.stamps_ns == (1_000_000_000, 1_500_000_000, 2_000_000_000)
    assert seen.arrivals_ns == (7, 7, 7)
    assert seen.frame == "odom"


def test_the_segment_is_read_from_the_profile_that_the_environment_names(tmp_path) -> None:
    profile = tmp_path / "dds.xml"
    profile.write_text("<segment_size> 1234567 </segment_size>")
    settings = Settings()
    named = {"FASTDDS_DEFAULT_PROFILES_FILE": str(profile)}
    assert see_machine(settings, named).segment_bytes == 1_234_567
    assert see_machine(settings, {}).segment_bytes == 0
    gone = {"FASTRTPS_DEFAULT_PROFILES_FILE": str(tmp_path / "gone")}
    assert see_machine(settings, gone).segment_bytes == 0
    assert see_machine(settings, gone).transport.endswith("gone")


def test_weights_that_cannot_be_read_are_told(tmp_path) -> None:
    good = see_machine(Settings(), {})
    assert good.weights_error == ""
    assert len(good.weights_sha256) == 64
    broken = tmp_path / "camera.safetensors"
    broken.write_bytes(b"no weights")
    seen = see_machine(with_values(Settings(), {"camera.weights": str(broken)}), {})
    assert "cannot read weights" in seen.weights_error


def test_severities_have_words() -> None:
    words = [Finding("a", severity, "b").verdict for severity in Severity]
    assert words == ["pass", "warn", "fail"]


def test_a_robot_without_a_camera_does_not_miss_its_intrinsics():
    alone = {name: seen for name, seen in TOPICS.items() if name not in ("image", "camera_info")}
    unfed = {role: Unfed(f"/{role}", ()) for role in ("image", "camera_info")}
    found = examine(but(topics=alone, unfed=unfed), Settings())
    assert not [f for f in found if f.check == "camera_info topic"]


TRANSFORMS = dataclasses.replace(
    topic("/tf", "tf2_msgs/msg/TFMessage", 50.0), frame="odom", offers=RELIABLE * 2
)


@pytest.mark.parametrize(
    ("seen", "severity", "words"),
    [
        (TRANSFORMS, "pass", "odom -> base_link on /tf, 500 transforms"),
        (None, "fail", "no transform on /tf leads from odom -> base_link"),
        (dataclasses.replace(TRANSFORMS, stamps_ns=(), arrivals_ns=()), "fail", "no transform"),
        (dataclasses.replace(TRANSFORMS, unusable=3), "fail", "3 transforms"),
    ],
)
def test_odometry_may_come_from_transforms(
    seen: TopicSeen | None, severity: str, words: str
) -> None:
    settings = with_values(Settings(), {"node.odometry_source": "tf"})
    others = {role: topic for role, topic in TOPICS.items() if role != "odom"}
    found = {
        f.check: f for f in examine(but(topics=others | ({"tf": seen} if seen else {})), settings)
    }
    assert found["odometry"].verdict == severity
    assert words in found["odometry"].text
    if severity == "pass":
        assert found["odometry rate"].text == "50.0 Hz"
        assert {found[name].verdict for name in ("tf stamps", "tf QoS", "synchrony", "motion")} == {
            "pass"
        }
