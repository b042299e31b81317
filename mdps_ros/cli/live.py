"""One live run: make the drive, start the node, play to it, collect what it answered."""

from __future__ import annotations

import hashlib
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

import mdps_ros
from mdps_ros.cli.bag_drive import BagDrive, open_drive
from mdps_ros.cli.options import read_settings
from mdps_ros.cli.processes import Child, LiveError, children, own_domain, ros_environment
from mdps_ros.data.errors import DataError
from mdps_ros.evaluation.recorded import recorded_outputs
from mdps_ros.evaluation.run import RunError, Trace, Track, collect_trace
from mdps_ros.maps import Map, load_map
from mdps_ros.settings import Settings, with_values
from mdps_ros.settings_file import to_ros_yaml

NODE_START_S = 120.0
"""Time that the node gets to load its map and become active on a busy machine."""
WHEEL_ODOMETER = (
    "motion.scale_sd=0.01",
    "motion.wander_sd=0.003",
    "motion.weak_share=0.0",
    "motion.yaw_bias_sd=0.002",
    "motion.forward_noise=0.05",
    "motion.lateral_noise=0.03",
    "motion.yaw_noise=0.001",
    "motion.yaw_noise_time=0.002",
)
"""What one knows of the simulated car's odometer before the drive (see sim/odometry.py): its scale
is off by about 1 % and stays so, and its noise is small. The defaults are for odometry of unknown
quality."""
CITY_MAP = ("map_error.sd=0.5", "map_error.turns=true")
"""What one knows of the simulated streets: they are the map's own. The rest is for what stands on
them and is on no map."""
DRIVE_SOURCES = ("sim/*.py", "cli/simulate.py", "data/bag_writer.py", "data/ros_messages.py")
"""Code that decides what a simulated drive looks like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRun:
    """What to drive and how to localize it.

    Attributes:
        map: file, or the name of a bundled extract.
        length: of the drive, m.
        seed: of the drive, the told heading and the filter.
        rate: of playing, times real time; 0 is as fast as the node can.
        heading_sd_deg: standard deviation of the told start heading, degrees; None tells none.
        camera: rgb or depth.
        assignments: further settings, NAME=VALUE.
    """

    map: str
    length: float
    seed: int
    rate: float
    heading_sd_deg: float | None
    camera: str
    assignments: tuple[str, ...]


def run_live(wanted: LiveRun, out: Path) -> tuple[Map, Trace, BagDrive]:
    """Run the node on a simulated drive; logs and records are left in `out`.

    Raises:
        LiveError: a process failed or fell silent.
        RunError: the node gave no estimate, or `out` cannot be written.
        MapError: the map cannot be used.
        DataError: the drive cannot be made.
    """
    assigned(wanted)  # said wrongly, they are refused before the drive is made
    map = load_map(wanted.map)
    bag = simulated_drive(map, wanted, out / "drives")
    drive = open_drive(bag, Settings())
    truth = drive.truth(map)
    assert truth is not None
    settings = settings_of(wanted, truth)
    answers, particles = out / "live.jsonl", out / "particles.jsonl"
    _say(f"{drive.length_s:.0f} s of driving; the node starts, live progress follows")
    begun = time.perf_counter()
    try:
        (out / "node.yaml").write_text(to_ros_yaml(settings), encoding="utf-8")
        for record in (answers, particles):
            record.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {out}: {error}") from error
    _play(bag, drive, wanted.rate, out, (answers, particles))
    seconds = time.perf_counter() - begun
    snapshots = particles if particles.exists() else None
    trace = collect_trace(recorded_outputs(answers, snapshots), truth, seconds)
    return map, trace, drive


def assigned(wanted: LiveRun) -> Settings:
    """Settings that hold whatever the drive turns out to be.

    Raises:
        SettingsError: an assignment is wrong.
    """
    told = (*WHEEL_ODOMETER, *CITY_MAP, *wanted.assignments)
    return read_settings(None, told, seed=wanted.seed)


def settings_of(wanted: LiveRun, truth: Track) -> Settings:
    """Settings of the node: the heading told is the true one with an error drawn by the seed."""
    settings = assigned(wanted)
    values: dict[str, bool | float | str] = {"node.map": wanted.map, "node.image_reliable": True}
    if wanted.heading_sd_deg is not None:
        sd = math.radians(wanted.heading_sd_deg)
        error = float(np.random.default_rng((wanted.seed, 0)).normal(0.0, sd))
        heading = math.remainder(float(truth.poses[0, 2]) + error, math.tau)
        values |= {
            "start.heading_known": True,
            "start.heading": heading,
            "start.heading_sd": sd,
        }
    return with_values(settings, values)


def simulated_drive(map: Map, wanted: LiveRun, folder: Path) -> Path:
    """The bag of a drive, made when the folder has none of these arguments and this code.

    Raises:
        DataError: it cannot be made.
    """
    from mdps_ros.cli.simulate import write_simulation

    stem = Path(wanted.map).name.split(".")[0]
    code = _code_digest(map.id)
    bag = folder / f"{stem}_{wanted.length:g}m_{wanted.camera}_seed{wanted.seed}_{code}"
    if bag.exists():
        _say(f"drive {bag} is there already")
        return bag
    _say(f"simulating {wanted.length:g} m of driving")
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{wanted.camera} images", total=1.0)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_simulation(
                map,
                wanted.length,
                wanted.seed,
                bag,
                camera=wanted.camera,
                progress=lambda share: bar.update(task, completed=share),
            )
        except DataError:
            raise
        except (OSError, ValueError) as error:  # the map has no such drive, the folder is closed
            raise DataError(f"no drive on {map.name}: {error}") from error
    return bag


def _code_digest(map_id: str) -> str:
    """Short hash of the version, the map and the code that makes drives."""
    root = Path(mdps_ros.__file__ or "").parent
    digest = hashlib.sha256(f"{mdps_ros.__version__} {map_id}".encode())
    for pattern in DRIVE_SOURCES:
        for path in sorted(root.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def _play(bag: Path, drive: BagDrive, rate: float, out: Path, records: tuple[Path, Path]) -> None:
    """Node, recorder and player as processes, until the player is done.

    Raises:
        LiveError: one of them failed.
    """
    words = [str(bag), "--rate", f"{rate:g}", "--record", str(records[0])]
    words += ["--lossless", "--progress", "--timeout", f"{NODE_START_S:g}"]
    words += ["--truth"] if drive.topics.truth is not None else []
    ros_words = ["--ros-args", "--params-file", str(out / "node.yaml")]
    with own_domain() as domain, children() as started:
        environment = ros_environment(domain, out / "ros_log")
        node = Child("mdps_ros.ros.main", ros_words, environment, out / "node.log")
        started.append(node)
        recorder = Child(
            "mdps_ros.ros.record_particles", [str(records[1])], environment, out / "recorder.log"
        )
        started.append(recorder)
        player = Child("mdps_ros.ros.play_bag", words, environment, None)
        started.append(player)
        while (code := player.wait(0.2)) is None:
            for child in (node, recorder):
                if child.code is not None:
                    raise LiveError(_failed(child, f"ended with code {child.code}"))
        if code != 0:
            raise LiveError(_failed(node, "did not answer the player"))


def _failed(child: Child, what: str) -> str:
    return f"the process {child.name} {what}; its log ends with\n{child.tail()}"


def _say(text: str) -> None:
    typer.echo(text, file=sys.stderr)
