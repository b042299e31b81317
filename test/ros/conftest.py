"""A node as a process of its own, a partner that talks to it over DDS, and a small town."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from mdps_ros.data.bag_writer import write_drive
from mdps_ros.data.recording import DepthFrame, PoseTrack
from mdps_ros.maps import load_map
from mdps_ros.ros import topics
from mdps_ros.sim.depth_camera import DepthCamera
from mdps_ros.sim.simulate import SimulationStyle, simulate_drive

READY_S = 60.0  # torch is imported while others use the processor


class Process:
    """A running program whose output is kept.

    Args:
        command: program and arguments.
        log: file for its output.
    """

    def __init__(self, command: list[str], log: Path) -> None:
        self._log = log
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
        with log.open("wb") as out:
            self.popen = subprocess.Popen(
                command,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, pattern: str, timeout_s: float = READY_S) -> str:
        """The output once it matches; fails when the program ends or takes too long."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            ended = self.popen.poll() is not None
            if re.search(pattern, self.text):
                return self.text
            assert not ended, f"ended with {self.popen.returncode}:\n{self.text}"
            time.sleep(0.05)
        raise AssertionError(f"no {pattern!r} in {timeout_s} s:\n{self.text}")

    def end(self, number: signal.Signals = signal.SIGINT, timeout_s: float = 20.0) -> int:
        """Send a signal and return the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(timeout_s)

    def kill(self) -> None:
        """End it whatever it takes; a launch gets time to end what it started."""
        try:
            self.end()
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()


StartProcess = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartProcess]:
    """Start `python -m MODULE ARGUMENTS`; what still runs at the end is killed."""
    started: list[Process] = []

    def run(module: str, *arguments: str) -> Process:
        log = tmp_path / f"process_{len(started)}.log"
        started.append(Process([sys.executable, "-m", module, *arguments], log))
        return started[-1]

    yield run
    for process in started:
        process.kill()


@pytest.fixture
def start_node(start: StartProcess, town: Path) -> StartProcess:
    """Start the localization node on the town's map; keyword arguments are parameters."""

    def run(**parameters: Any) -> Process:
        given = {"node.map": town, "runtime.device": "cpu", "filter.particles_max": 4000}
        given |= {name.replace("__", "."): value for name, value in parameters.items()}
        pairs = [f"{name}:={value}" for name, value in given.items()]
        arguments = [word for pair in pairs for word in ("-p", pair)]
        return start("mdps_ros.ros.main", "--ros-args", *arguments)

    return run


class Partner:
    """A node in this process that publishes to and listens to the one under test."""

    def __init__(self) -> None:
        rclpy.init()
        self.node = Node("partner")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()
        self._clients: dict[str, Any] = {}

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()
        rclpy.shutdown()

    def hear(self, topic: topics.Topic, name: str | None = None) -> list[Any]:
        """A list that grows with the messages of a topic."""
        heard: list[Any] = []
        self.node.create_subscription(topic.type, name or topic.name, heard.append, topic.qos())
        return heard

    def speak(self, topic: topics.Topic) -> Any:
        """A publisher that somebody listens to already."""
        publisher = self.node.create_publisher(topic.type, topic.name, topic.qos(True))
        assert self.until(publisher.get_subscription_count, READY_S), f"nobody hears {topic.name}"
        return publisher

    def until(self, ready: Callable[[], Any], timeout_s: float = 20.0) -> bool:
        """Whether `ready()` becomes true in time."""
        end = time.monotonic() + timeout_s
        while not ready() and time.monotonic() < end:
            time.sleep(0.02)
        return bool(ready())

    def _client(self, kind: Any, name: str) -> Any:
        """One client per service: every further one costs the node that serves it memory too."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
        return self._clients[name]

    def call(self, kind: Any, name: str, request: Any, timeout_s: float = READY_S) -> Any:
        """The answer of a service."""
        client = self._client(kind, name)
        assert client.wait_for_service(timeout_s), f"no service {name}"
        future = client.call_async(request)
        assert self.until(future.done, timeout_s), f"no answer from {name}"
        return future.result()


@pytest.fixture
def partner() -> Iterator[Partner]:
    made = Partner()
    yield made
    made.close()


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OSM file: five by five streets, 80 m apart, with a house in every second block."""
    path = tmp_path_factory.mktemp("town") / "town.osm"
    lat0, lon0, per_lat, per_lon = 60.17, 24.94, 1 / 111_400.0, 1 / 55_500.0
    nodes: list[str] = []

    def node(x: float, y: float) -> int:
        nodes.append(
            f'<node id="{len(nodes) + 1}" lat="{lat0 + y * per_lat:.8f}" '
            f'lon="{lon0 + x * per_lon:.8f}"/>'
        )
        return len(nodes)

    grid = {(i, j): node(80.0 * i, 80.0 * j) for i in range(5) for j in range(5)}
    lines = [[grid[i, j] for i in range(5)] for j in range(5)]
    lines += [[grid[i, j] for j in range(5)] for i in range(5)]
    ways = [(refs, "highway", "residential") for refs in lines]
    for i, j in ((i, j) for i in range(4) for j in range(4) if (i + j) % 2):
        x, y = 80.0 * i + 12.0, 80.0 * j + 12.0
        corners = [node(x + dx, y + dy) for dx, dy in ((0, 0), (50 - 6 * j, 0), (40, 30 + 6 * i))]
        ways.append(([*corners, corners[0]], "building", "yes"))
    text = ['<osm version="0.6">', *nodes]
    for number, (refs, key, value) in enumerate(ways, start=1):
        inside = "".join(f'<nd ref="{ref}"/>' for ref in refs)
        text.append(f'<way id="{number}">{inside}<tag k="{key}" v="{value}"/></way>')
    path.write_text("\n".join([*text, "</osm>"]))
    return path


@pytest.fixture(scope="session")
def drive(town: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of 150 m through the town, with wheel odometry and small depth images."""
    city = load_map(str(town))
    style = SimulationStyle(camera=DepthCamera(width=80, height=48), depth_rate_hz=5.0)
    generator = np.random.default_rng(5)
    made = simulate_drive(city.roads, city.buildings, city.bounds, 150.0, generator, style)
    stamps, odometry = made.odometry.stamps_ns, made.odometry.poses
    truth = made.drive
    path = tmp_path_factory.mktemp("drive") / "bag"
    write_drive(
        path,
        PoseTrack(stamps_ns=stamps, poses=odometry, twist=np.zeros_like(odometry)),
        PoseTrack(stamps_ns=truth.stamps_ns, poses=truth.poses, twist=np.zeros_like(truth.poses)),
        (DepthFrame(stamp, depth, made.camera) for stamp, depth in made.frames()),
        camera=made.camera,
    )
    return path
