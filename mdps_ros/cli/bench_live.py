"""`mdps bench node`, live: how long after an image the pose comes, through DDS."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mdps_ros.cli.processes import Child, LiveError, children, own_domain, ros_environment
from mdps_ros.cli.simulate import write_simulation
from mdps_ros.evaluation.bench.timing import timed_row
from mdps_ros.evaluation.results import Row
from mdps_ros.maps import load_map
from mdps_ros.settings import Settings, with_values
from mdps_ros.settings_file import to_ros_yaml

RATE_HZ = 10.0
MAP = "helsinki"
DRIVE_M = (100.0, 400.0)  # m, least and most of a drive; longer runs play it again
SPEED_MPS = 9.0  # about as fast as the drive is played


class Load(NamedTuple):
    """What the node has to do.

    Attributes:
        name: for people.
        values: settings beside the smoother.
    """

    name: str
    values: dict[str, bool | float | str]


LOADS = (
    Load("as configured", {}),
    Load("an update at every image", {"filter.update_distance": 0.0}),
)


def rows(seconds: float) -> Iterator[Row]:
    """One row per load; a note why not, where it cannot be run here.

    Args:
        seconds: how long each is played.

    Raises:
        LiveError: a process failed.
    """
    case = f"image to pose over DDS, {RATE_HZ:g} Hz, {seconds:g} s, smoother on"
    if importlib.util.find_spec("rclpy") is None:
        yield timed_row("node", case, "ours", "image", [], "not run: there is no rclpy here")
        return
    with tempfile.TemporaryDirectory(prefix="mdps_bench_") as folder:
        bag = Path(folder, "drive")
        length = float(np.clip(SPEED_MPS * seconds, *DRIVE_M))
        write_simulation(load_map(MAP), length, 0, bag, camera="rgb")
        for load in LOADS:
            out = Path(folder, load.name.replace(" ", "_"))
            out.mkdir()
            found = _played(bag, load, seconds, out)
            yield _row(case, load, found)


def _played(bag: Path, load: Load, seconds: float, out: Path) -> dict[str, Any]:
    """What the player wrote.

    Raises:
        LiveError: a process failed.
    """
    values = {"node.map": MAP, "smoother.enabled": True, **load.values}
    parameters, answers = out / "node.yaml", out / "latency.json"
    parameters.write_text(to_ros_yaml(with_values(Settings(), values)), encoding="utf-8")
    words = [str(bag), "--rate", f"{RATE_HZ:g}", "--seconds", f"{seconds:g}"]
    with own_domain() as domain, children() as started:
        environment = ros_environment(domain, out / "ros_log")
        ros_words = ["--ros-args", "--params-file", str(parameters)]
        node = Child("mdps_ros.ros.main", ros_words, environment, out / "node.log")
        started.append(node)
        player = Child(
            "mdps_ros.ros.play_load", [*words, "--out", str(answers)], environment, out / "play.log"
        )
        started.append(player)
        while (code := player.wait(0.2)) is None:
            if node.code is not None:
                raise LiveError(f"the node ended; its log ends with\n{node.tail()}")
        if code != 0:
            raise LiveError(f"{player.tail()}\nthe node's log ends with\n{node.tail()}")
    found: dict[str, Any] = json.loads(answers.read_text(encoding="utf-8"))
    return found


def _row(case: str, load: Load, found: dict[str, Any]) -> Row:
    counts = {key: found[key] for key in ("images", "used", "dropped", "lost", "smoothed")}
    quantiles = np.quantile(found["latency_ms"], (0.95, 0.99, 1.0)).round(1)
    p95, p99, longest = (float(value) for value in quantiles)
    note = (
        f"p95 {p95:g}, p99 {p99:g}, longest {longest:g} ms; {counts['images']} images, "
        f"{counts['dropped']} dropped by us, {counts['lost']} lost on the way, "
        f"{len(found['latency_ms'])} poses, {counts['smoothed']} smoothed trajectories"
    )
    times = [1e-3 * latency for latency in found["latency_ms"]]
    row = timed_row("node", case, f"ours, {load.name}", "image", times, note)
    return row | {"p95_ms": p95, "p99_ms": p99, "max_ms": longest} | counts
