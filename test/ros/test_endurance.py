"""The node over many lifecycles, and two of them side by side."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from std_srvs.srv import Empty

from mdps_ros.msg import LocalizerStatus
from mdps_ros.ros import topics
from test.ros.test_node import ACTIVE, change, odometry

CYCLES = 100
GROWTH_MB = 4.0
FRUGAL = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
"""glibc keeps less of what was given back, so that resident memory tells what is in use."""


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    (line,) = [
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    ]
    return int(line.split()[1]) / 1024


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def test_a_hundred_activations_cost_no_memory_and_no_thread(
    start_node: Any, partner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in FRUGAL.items():
        monkeypatch.setenv(name, value)
    off = {"depth__enabled": "false", "camera__enabled": "false"}
    node = start_node(**off, node__state_file=tmp_path / "belief")
    node.wait_for(ACTIVE)
    poses = partner.hear(topics.POSE)
    out = partner.speak(topics.ODOMETRY)
    memory, counts, sent = [], [], 0
    for cycle in range(CYCLES):
        heard = len(poses)

        def one_more() -> bool:
            nonlocal sent
            sent += 1
            out.publish(odometry(4.0 * sent, 100.0 + 0.1 * sent))
            return len(poses) > heard  # noqa: B023

        assert cycle % 10 or partner.until(one_more), node.text
        assert change(partner, Transition.TRANSITION_DEACTIVATE), node.text
        assert change(partner, Transition.TRANSITION_ACTIVATE), node.text
        memory.append(resident_mb(node.popen.pid))
        counts.append(threads(node.popen.pid))
    # the least of a window: what is kept after a drive comes and goes
    assert min(memory[-30:]) - min(memory[10:40]) < GROWTH_MB, memory
    assert max(counts[-10:]) <= max(counts[:10]), counts
    assert (tmp_path / "belief").exists()
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text


def test_two_nodes_in_namespaces_do_not_hear_each_other(
    start: Any, partner: Any, town: Path
) -> None:
    nodes = []
    for name in ("left", "right"):
        parameters = {"node.map": town, "runtime.device": "cpu", "filter.particles_max": 4000}
        parameters |= {"depth.enabled": "false"}
        words = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
        nodes.append(start("mdps_ros.ros.main", "--ros-args", "-r", f"__ns:=/{name}", *words))
    for node in nodes:
        node.wait_for(ACTIVE)
    poses = [partner.hear(topics.POSE, f"/{name}/pose") for name in ("left", "right")]
    statuses = [partner.hear(topics.STATUS, f"/{name}/status") for name in ("left", "right")]
    kind = topics.ODOMETRY.type
    out = partner.node.create_publisher(kind, "/left/odom", topics.ODOMETRY.qos(True))
    assert partner.until(out.get_subscription_count)
    for i in range(60):
        out.publish(odometry(0.5 * i, 100.0 + 0.05 * i))
        time.sleep(0.005)
    assert partner.until(lambda: len(poses[0]) > 3), nodes[0].text
    partner.call(Empty, "/right/reinitialize_global_localization", Empty.Request())
    time.sleep(1.0)
    assert poses[1] == []
    assert statuses[1][-1].state == LocalizerStatus.UNINITIALIZED
    assert nodes[0].text.count("[started]") == 1
    for node in nodes:
        assert node.end() == 0, node.text
        assert "Traceback" not in node.text
