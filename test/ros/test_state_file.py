"""The node goes on where it stopped, even when it was killed."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

from mdps_ros.msg import LocalizerStatus
from mdps_ros.ros import topics
from mdps_ros.runtime.keeping.belief_file import write_belief
from mdps_ros.srv import LoadState, SaveState
from test.ros.test_node import ACTIVE, NAME
from test.ros.test_requests import drive, pose
from test.runtime.test_belief_file import saved


def test_a_killed_node_comes_back_at_the_saved_belief(
    start_node: Any, partner: Any, tmp_path: Path
) -> None:
    file = tmp_path / "state" / "belief"
    wanted = {
        "depth__enabled": "false",
        "camera__enabled": "false",
        "node__state_file": file,
        "node__state_period": 0.2,
    }
    node = start_node(**wanted)
    node.wait_for(ACTIVE)
    out, initial = partner.speak(topics.ODOMETRY), partner.speak(topics.INITIAL_POSE)
    poses = partner.hear(topics.POSE)
    drive(out, 0, 2, 0.0)
    initial.publish(pose(-100.0, -160.0))
    assert partner.until(lambda: poses and abs(poses[-1].pose.pose.position.x + 100) < 5), node.text
    drive(out, 2, 60, 1.0)
    assert partner.until(lambda: poses[-1].pose.pose.position.x > -75), node.text
    time.sleep(0.5)
    drive(out, 62, 1, 31.0)  # another update, so that what is due is written
    assert partner.until(file.exists)
    node.end(signal.SIGKILL)

    again = start_node(**wanted)
    again.wait_for(ACTIVE)
    statuses, found = partner.hear(topics.STATUS), partner.hear(topics.POSE)
    assert partner.until(lambda: out.get_subscription_count() >= 2)  # the dead one counts, too
    begin = time.monotonic()
    drive(out, 80, 40, 34.0)
    tracking = LocalizerStatus.TRACKING
    assert partner.until(lambda: found and statuses and statuses[-1].state == tracking), again.text
    assert time.monotonic() - begin < 5.0
    at = found[-1].pose.pose.position
    assert -75 < at.x < -40, at
    assert abs(at.y + 160) < 6
    assert "[restored] went on with the saved belief" in again.text
    assert again.end() == 0, again.text
    assert "Traceback" not in again.text


def test_beliefs_are_saved_and_loaded_on_request(
    start_node: Any, partner: Any, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign"
    write_belief(foreign, saved())
    node = start_node(depth__enabled="false", camera__enabled="false", node__state_file=foreign)
    node.wait_for("starting over the whole map, and saving nothing")
    node.wait_for(ACTIVE)
    save, load = f"{NAME}/save_state", f"{NAME}/load_state"
    file = str(tmp_path / "belief")
    answer = partner.call(SaveState, save, SaveState.Request(path=file))
    assert not answer.success
    assert "there is no belief yet" in answer.message
    out, initial = partner.speak(topics.ODOMETRY), partner.speak(topics.INITIAL_POSE)
    poses = partner.hear(topics.POSE)
    drive(out, 0, 2, 0.0)
    initial.publish(pose(-100.0, -160.0))
    assert partner.until(lambda: poses and abs(poses[-1].pose.pose.position.x + 100) < 5), node.text
    answer = partner.call(SaveState, save, SaveState.Request(path=file))
    assert answer.success, answer.message
    assert answer.bytes == Path(file).stat().st_size
    assert len(answer.map_id) == 64
    initial.publish(pose(140.0, 160.0))
    assert partner.until(lambda: abs(poses[-1].pose.pose.position.x - 140) < 5), node.text
    answer = partner.call(LoadState, load, LoadState.Request(path=str(foreign)))
    assert not answer.success
    assert "belongs to the map aaaaaaaaaaaa" in answer.message
    assert partner.call(LoadState, load, LoadState.Request(path=file)).success
    drive(out, 2, 20, 1.0)
    assert partner.until(lambda: abs(poses[-1].pose.pose.position.x + 95) < 15), node.text
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text
