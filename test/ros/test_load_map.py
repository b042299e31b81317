"""The map of a running node is changed over DDS; what cannot be used leaves all as it was."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from rcl_interfaces.srv import GetParameters

from mdps_ros.msg import JumpEvent, LocalizerStatus
from mdps_ros.ros import topics
from mdps_ros.ros.map_changes import BUSY, NO_NAME, NOT_CONFIGURED
from mdps_ros.srv import LoadMap, SaveState
from test.ros.test_node import ACTIVE, NAME, change, odometry
from test.ros.test_requests import pose

SERVICE = f"{NAME}/load_map"
PATIENCE_S = 40.0  # in which the vehicle gets 200 m far at most; the street has 260 m
SHIFT = 80.0  # m that the middle of the wider town lies east of the other's


@pytest.fixture(scope="module")
def wider(town: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The town with one street that goes on for 160 m to the east."""
    longitude = 24.94 + 480.0 / 55_500.0
    added = [f'<node id="9001" lat="60.17000000" lon="{longitude:.8f}"/>']
    added += ['<way id="9001"><nd ref="21"/><nd ref="9001"/><tag k="highway" v="residential"/>']
    path = tmp_path_factory.mktemp("wider") / "wider.osm"
    path.write_text(town.read_text().replace("</osm>", "\n".join([*added, "</way>", "</osm>"])))
    return path


class Drive:
    """A vehicle that goes east at 2 m/s along the southern street, and what is heard of it."""

    def __init__(self, partner: Any) -> None:
        self.partner = partner
        self.maps, self.statuses = partner.hear(topics.MAP), partner.hear(topics.STATUS)
        self.poses, self.jumps = partner.hear(topics.POSE), partner.hear(topics.JUMPS)
        self._out = partner.speak(topics.ODOMETRY)
        self._steps = itertools.count()
        self.x = 0.0

    def until(self, ready: Callable[[], Any]) -> bool:
        """Drive on until something holds."""

        def step() -> Any:
            i = next(self._steps)
            self.x = 0.1 * i
            self._out.publish(odometry(self.x, 100.0 + 0.05 * i))
            return ready()

        return bool(self.partner.until(step, PATIENCE_S))

    def track(self) -> bool:
        """Start on the street, at -100 m, and drive until the vehicle is tracked."""
        # a pose that comes before the first belief begins it, and is no second one
        self.until(lambda: self.statuses and self.statuses[-1].particles > 0)
        self.partner.speak(topics.INITIAL_POSE).publish(pose(-100.0, -160.0))
        tracking = LocalizerStatus.TRACKING
        return self.until(lambda: self.poses and self.statuses[-1].state == tracking)

    def ask(self, name: Path | str) -> Any:
        """The answer to a request to load a map; the vehicle drives on meanwhile."""
        client = self.partner.node.create_client(LoadMap, SERVICE)
        assert client.wait_for_service(20.0)
        future = client.call_async(LoadMap.Request(map=str(name)))
        assert self.until(future.done)
        return future.result()


@pytest.fixture
def start_alone(start_node: Any) -> Callable[..., Any]:
    """The node on odometry alone, active."""

    def run(**parameters: Any) -> Any:
        node = start_node(depth__enabled="false", camera__enabled="false", **parameters)
        node.wait_for(ACTIVE)
        return node

    return run


def test_a_tracked_vehicle_goes_on_on_another_map_of_the_same_place(
    start_alone: Any, partner: Any, wider: Path, tmp_path: Path
) -> None:
    node = start_alone(filter__update_distance="1.0")
    drive = Drive(partner)
    assert drive.track(), node.text
    before, begun = drive.statuses[-1].map_id, drive.x
    heard = len(drive.poses)
    answer = drive.ask(wider)
    assert answer.success, answer.message
    assert "went on at its place on Earth" in answer.message
    assert answer.map_id not in ("", before)
    assert drive.until(lambda: len(drive.maps) == 2 and drive.statuses[-1].map_id == answer.map_id)
    assert drive.maps[1].info.width == pytest.approx(drive.maps[0].info.width + 160, abs=3)
    heard = len(drive.poses)
    assert drive.until(lambda: len(drive.poses) > heard + 3), node.text
    assert drive.statuses[-1].state == LocalizerStatus.TRACKING
    at = drive.poses[-1].pose.pose.position
    assert abs(at.x - (-100.0 - SHIFT + drive.x)) < 6.0, (at, begun, drive.x)
    assert abs(at.y + 160.0) < 6.0
    assert [jump.cause for jump in drive.jumps][-1] == JumpEvent.MAP_CHANGED
    assert not drive.jumps[-1].was_claimed
    # what is kept belongs to the new map
    save = SaveState.Request(path=str(tmp_path / "belief"))
    saved = partner.call(SaveState, f"{NAME}/save_state", save)
    assert saved.success
    assert saved.map_id == answer.map_id
    request = GetParameters.Request(names=["node.map"])
    (value,) = partner.call(GetParameters, f"{NAME}/get_parameters", request).values
    assert value.string_value == str(wider)
    # and back again, after a clean-up, by the parameter
    for transition in (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    ):
        assert change(partner, transition), node.text
    assert partner.until(lambda: len(drive.maps) == 3)
    assert partner.until(lambda: drive.statuses[-1].state == LocalizerStatus.UNINITIALIZED)
    assert drive.statuses[-1].map_id == answer.map_id
    assert "Traceback" not in node.text
    assert node.end() == 0, node.text


def test_smoothed_poses_never_mix_two_maps(start_alone: Any, partner: Any, wider: Path) -> None:
    """Each message names its map, and its poses lie in the frame of that map."""
    wanted = {"enabled": "true", "lag": "2.0", "stride": 1, "particles": 30}
    node = start_alone(
        filter__update_distance="2.0", **{f"smoother__{name}": v for name, v in wanted.items()}
    )
    drive = Drive(partner)
    smoothed = partner.hear(topics.SMOOTHED)
    assert drive.track(), node.text
    old = drive.statuses[-1].map_id
    assert drive.until(lambda: smoothed and smoothed[-1].belief > 1), node.text
    answer = drive.ask(wider)
    assert answer.success, answer.message
    assert drive.until(lambda: smoothed[-1].map_id == answer.map_id), node.text
    middles = {old: -100.0, answer.map_id: -100.0 - SHIFT}
    assert {message.map_id for message in smoothed} == middles.keys()
    for message in (each for each in smoothed if each.belief > 1):  # 1: before the pose was given
        for item in message.poses:
            stamp = item.stamp.sec + 1e-9 * item.stamp.nanosec
            along = 2.0 * (stamp - 100.0)  # the pose was given some metres after the start
            assert abs(item.pose.pose.position.x - middles[message.map_id] - along) < 8.0
    assert "Traceback" not in node.text
    assert node.end() == 0, node.text


def test_a_map_that_cannot_be_used_leaves_all_as_it_was(
    start_alone: Any, partner: Any, tmp_path: Path
) -> None:
    node = start_alone()
    drive = Drive(partner)
    assert drive.track(), node.text
    before = drive.statuses[-1].map_id
    broken = tmp_path / "broken.osm"
    broken.write_text("<osm><node id=")
    empty = tmp_path / "empty.osm"
    empty.write_text('<osm version="0.6"></osm>')
    for name, words in (
        (tmp_path / "nowhere.osm", "nowhere.osm: no such map"),
        (broken, "broken.osm"),
        (empty, "empty.osm"),
        ("", NO_NAME),
    ):
        answer = drive.ask(name)
        assert not answer.success
        assert words in answer.message
        assert "\n" not in answer.message
        assert answer.map_id == before
    heard = len(drive.poses)
    assert drive.until(lambda: len(drive.poses) > heard + 2), node.text
    assert drive.statuses[-1].state == LocalizerStatus.TRACKING
    assert drive.statuses[-1].map_id == before
    assert len(drive.maps) == 1
    assert "the map of before stays" in node.text
    assert "Traceback" not in node.text
    assert node.end() == 0, node.text


def test_a_node_that_is_not_active_changes_its_map_too(
    start_node: Any, partner: Any, wider: Path
) -> None:
    node = start_node(autostart="false", depth__enabled="false", camera__enabled="false")
    maps, statuses = partner.hear(topics.MAP), partner.hear(topics.STATUS)
    answer = partner.call(LoadMap, SERVICE, LoadMap.Request(map=str(wider)))
    assert (answer.success, answer.message, answer.map_id) == (False, NOT_CONFIGURED, "")
    assert change(partner, Transition.TRANSITION_CONFIGURE), node.text
    partner.speak(topics.INITIAL_POSE).publish(pose(-100.0, -160.0))
    node.wait_for("request kept until the node is activated")
    answer = partner.call(LoadMap, SERVICE, LoadMap.Request(map=str(wider)))
    assert answer.success, answer.message
    assert maps == []
    assert change(partner, Transition.TRANSITION_ACTIVATE), node.text
    assert partner.until(lambda: maps and statuses)
    assert {status.map_id for status in statuses} == {answer.map_id}
    drive = Drive(partner)
    assert drive.until(lambda: drive.poses)
    assert "[initial_pose]" not in node.text  # it was meant on the map of before
    assert "Traceback" not in node.text
    assert node.end() == 0, node.text


def test_one_map_is_loaded_at_a_time_and_a_clean_up_meanwhile_is_survived(
    start_alone: Any, partner: Any, town: Path, wider: Path
) -> None:
    node = start_alone()
    client = partner.node.create_client(LoadMap, SERVICE)
    assert client.wait_for_service(20.0)
    futures = [client.call_async(LoadMap.Request(map=str(name))) for name in (wider, town, wider)]
    assert partner.until(lambda: all(future.done() for future in futures)), node.text
    answers = [future.result() for future in futures]
    assert answers[0].success
    assert all(answer.success or answer.message == BUSY for answer in answers)
    last = client.call_async(LoadMap.Request(map=str(town)))
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
        assert change(partner, transition), node.text
    assert partner.until(last.done), node.text
    assert last.result().success or "cleaned up meanwhile" in last.result().message
    assert change(partner, Transition.TRANSITION_CONFIGURE), node.text
    assert "Traceback" not in node.text
    assert node.end() == 0, node.text
