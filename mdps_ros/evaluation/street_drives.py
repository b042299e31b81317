"""Simulated drives through rendered streets of a real map: who finds the car, and how soon.

The streets are drawn from the map, so the map as it is flatters. Every drive is therefore also
localized on an imperfect map (`maps.imperfect`), and the camera is never quite the one that its
calibration tells.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from mdps_ros.evaluation import calibration, dense_search
from mdps_ros.evaluation.belief_nll import LATE_M, MixtureNll
from mdps_ros.evaluation.decoupled import COUPLED, DecoupledOutput, OutputMixture
from mdps_ros.evaluation.dense_search import CELL_SD, HEADING_SD
from mdps_ros.evaluation.metrics import errors, recall_at
from mdps_ros.evaluation.pit import PitWatch
from mdps_ros.evaluation.report import row_of
from mdps_ros.evaluation.results import Row
from mdps_ros.evaluation.run import Trace, Track, answers, collect_trace
from mdps_ros.evaluation.smoothing import WALKS, WalkChanges, hindsight
from mdps_ros.evaluation.smoothing_figure import draw_hindsight
from mdps_ros.evaluation.smoothing_frames import rows_of
from mdps_ros.evaluation.street_scenes import AS_DRAWN, SCENES, told_map
from mdps_ros.maps import load_map
from mdps_ros.runtime.events import ColourImageEvent, Event, OdometryEvent, PinholeCamera
from mdps_ros.runtime.session import Session
from mdps_ros.settings import Settings, with_values
from mdps_ros.sim.street_drive import simulate_street_drive

LENGTH_M = 500.0
START_HEADING_SD = math.radians(30.0)
CURVE_M = (0, 10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500)
"""Travel at which rows tell the error, for curves of recall over distance."""
FIRST_SEED = MappingProxyType({"train": 20_000, "test": 10_000})
"""Seeds of drives begin here: none is a seed of training frames."""

FILTERS: Mapping[str, Mapping[str, bool | float | str]] = MappingProxyType(
    {
        "mdpf": {},
        "particle filter": {"filter.bandwidth_position": 0.0, "filter.bandwidth_yaw": 1e-4},
        "road": {"camera.enabled": False},
    }
)
"""Name of a particle filter -> what it changes in the settings."""
A_MDPF, DENSE, SINGLE = "a-mdpf", "dense", "single frame"
_CELLS = {"filter.bandwidth_position": CELL_SD, "filter.bandwidth_yaw": HEADING_SD}
METHODS: Mapping[str, Mapping[str, bool | float | str]] = MappingProxyType(
    {**FILTERS, A_MDPF: {"camera.weight": 2.0}, DENSE: _CELLS, SINGLE: _CELLS}
)
"""The same for all methods; a dense search has no kernels, a place is anywhere in its cell."""

OUTPUTS: Mapping[str, OutputMixture] = MappingProxyType(
    {A_MDPF: OutputMixture(power=3.0, bandwidth_position=0.3, bandwidth_yaw=0.01)}
)
"""Of the methods that tell another mixture than they resample from; see `decoupled`. With the
weight of the camera they had the least mean NLL of all frames on drives 0 to 5 of split `train`,
imperfect map, heading known: of weights 1 and 2, powers 1 to 6, 0.2 to 0.4 m, 0.005 to 0.0125
rad."""

TOLD = ("map_error.sd=0.6", "map_error.distance=20", "map_error.turns=true")
"""What one would tell a localizer of a surveyed city map; the same for all maps and methods.

The imperfect map is warped by 1 m, of which the camera's networks, trained on such maps, doubt a
part themselves. On 24 drives of split `train`, imperfect map, heading known, 95 % of the belief
held the truth in 0.99 of the frames with 0.85 m, in 0.95 with 0.6 m."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetRun:
    """One way to localize a drive.

    Attributes:
        method: of METHODS.
        map: of `street_scenes.MAPS`.
        heading_known: whether the start heading is told with a standard deviation of 30 degrees.
        own_images: false shows the images of another drive, the control that must not converge.
        scene: of `street_scenes.SCENES`.
    """

    method: str = "mdpf"
    map: str = "clean"
    heading_known: bool = True
    own_images: bool = True
    scene: str = AS_DRAWN

    @property
    def name(self) -> str:
        """For tables."""
        words = [self.method, f"{self.map} map"]
        words.append("heading known" if self.heading_known else "heading unknown")
        words += [] if self.scene == AS_DRAWN else [self.scene]
        return ", ".join(words if self.own_images else [*words, "images of another drive"])


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDrive:
    """A drive with its images, ready for a session.

    Attributes:
        odometry: events in order.
        images: events in order.
        truth: T_map_base.
    """

    odometry: tuple[OdometryEvent, ...]
    images: tuple[ColourImageEvent, ...]
    truth: Track

    def events(self, other: RecordedDrive | None = None) -> Iterator[Event]:
        """Odometry and images in the order of stamps, an image before odometry of its stamp.

        Args:
            other: drive whose pictures are shown in place of the own ones, backwards.
        """
        images = list(self.images)
        if other is not None:
            wrong = [other.images[-1 - i % len(other.images)].rgb for i in range(len(images))]
            images = [dataclasses.replace(i, rgb=r) for i, r in zip(images, wrong, strict=True)]
        timed: list[OdometryEvent | ColourImageEvent] = [*images, *self.odometry]
        yield from sorted(timed, key=lambda event: event.stamp_ns)


def drive_rows(
    split: str, index: int, runs: tuple[StreetRun, ...], settings: Settings
) -> list[Row]:
    """Localize one drive in several ways; a function of plain values, for worker processes.

    Args:
        split: part of Helsinki, of `street_scenes.SPLITS`.
        index: number of the drive; equal numbers are equal drives.
        runs: ways to localize it.
        settings: the whole tree; its seed is replaced by the drive's number.

    Returns:
        One row per run.
    """
    torch.set_num_threads(1)
    return [_row(split, index, run, settings) for run in runs]


def hindsight_rows(
    split: str,
    index: int,
    seed: int,
    runs: tuple[StreetRun, ...],
    settings: Settings,
    lags_s: Sequence[float],
    walks: Mapping[str, WalkChanges] = WALKS,
    pictures: Path | None = None,
) -> list[Row]:
    """The filter, smoothers of several lags and the offline smoother on one drive.

    Args:
        split: part of Helsinki, of `street_scenes.SPLITS`.
        index: number of the drive.
        seed: of the filter; what is told of the start and how the map is wrong stay the drive's.
        runs: ways to localize it.
        settings: the whole tree.
        lags_s: ages at which a fixed-lag smoother has its last word, s.
        walks: offline smoothers, see `smoothing.WALKS`.
        pictures: folder for a picture of each run, or None.

    Returns:
        One row per run and method, see `smoothing_frames.rows_of`; its seed is the drive's number
        and `filter_seed` the filter's.
    """
    torch.set_num_threads(1)
    rows = []
    for run in runs:
        drive, city = recorded_drive(split, index, run.scene), SCENES[run.scene].city
        told = _told(settings, run, drive.truth, index)
        told = with_values(told, {"runtime.seed": index + 1000 * seed})
        events = drive.events(_other(run, split, index))
        place = told_map(run.map, index, city)
        frames = hindsight(place, told, events, drive.truth, lags_s, walks)
        rows += [{**row, "filter_seed": seed} for row in rows_of(f"{run.name},", index, frames)]
        if pictures is not None:
            title = f"{run.name}: drive {index}, filter seed {seed}"
            name = f"{run.name.replace(', ', '_').replace(' ', '_')}_{index}_{seed}.png"
            draw_hindsight(pictures / name, frames, title, place)
    return rows


def _other(run: StreetRun, split: str, index: int) -> RecordedDrive | None:
    return None if run.own_images else recorded_drive(split, index + 1, run.scene)


def _row(split: str, index: int, run: StreetRun, settings: Settings) -> Row:
    drive = recorded_drive(split, index, run.scene)
    place = told_map(run.map, index, SCENES[run.scene].city)
    settings = _told(settings, run, drive.truth, index)
    begun = time.perf_counter()
    mixture = OUTPUTS.get(run.method, COUPLED)
    kernel = mixture.kernel(settings)
    nll, pit = MixtureNll(drive.truth, kernel), PitWatch(drive.truth, kernel)
    events = drive.events(_other(run, split, index))
    if run.method in (DENSE, SINGLE):
        outputs = dense_search.search(place, settings, events, fused=run.method == DENSE)
    elif run.method in OUTPUTS:
        decoupled = DecoupledOutput(mixture, settings.estimate)
        outputs = decoupled.tell(answers(Session(place, settings, decoupled.watch), events))
    else:
        outputs = answers(Session(place, settings), events)
    trace = collect_trace(pit.watch(nll.watch(outputs)), drive.truth)
    trace = dataclasses.replace(trace, seconds=time.perf_counter() - begun)
    row = row_of(run.name, index, trace)
    row.update(method=run.method, map=run.map, heading_known=run.heading_known)
    row.update(nll.means(trace.travelled))
    row.update(late_recalls(trace))
    row.update(error_curve(trace))
    row.update(calibration.figures(calibration.of_trace(trace, pit.values, settings.estimate)))
    return row


def late_recalls(trace: Trace) -> dict[str, float | None]:
    """Share of the frames beyond LATE_M of travel, claimed or not, that are within 1 and 5 m."""
    late = np.isfinite(trace.truth).all(axis=1) & (trace.travelled > LATE_M)
    position = errors(trace.estimate[late], trace.truth[late]).position_m
    return {
        f"recall_at_{radius}m_after_100m": recall_at(position, radius) if late.any() else None
        for radius in (1, 5)
    }


def error_curve(trace: Trace) -> dict[str, float | None]:
    """Position error (m) of the best hypothesis at the travels of CURVE_M; None beyond the end."""
    position = errors(trace.estimate, trace.truth).position_m
    found: dict[str, float | None] = {}
    for distance in CURVE_M:
        frame = int(np.searchsorted(trace.travelled, distance))
        found[f"error_at_{distance}m_m"] = float(position[frame]) if frame < len(position) else None
    return found


@lru_cache(maxsize=len(SCENES))  # all of one drive
def recorded_drive(split: str, index: int, scene: str = AS_DRAWN) -> RecordedDrive:
    """Drive, render and keep drive number `index` of a split."""
    drawn = SCENES[scene]
    city = load_map(drawn.city)
    street = simulate_street_drive(
        city.roads,
        city.buildings,
        city.streetscape,
        drawn.bounds(split),
        LENGTH_M,
        np.random.default_rng(FIRST_SEED[split] + index),
        drawn.style,
    )
    camera = street.camera
    lens = PinholeCamera.of(camera)
    images = tuple(
        ColourImageEvent(stamp_ns=stamp, rgb=rgb, camera=lens, T_base_camera=camera.T_base_camera)
        for stamp, rgb in street.frames()
    )
    odometry = tuple(
        OdometryEvent(stamp_ns=int(stamp), T_odom_base=pose)
        for stamp, pose in zip(street.odometry.stamps_ns, street.odometry.poses, strict=True)
    )
    truth = Track(street.drive.stamps_ns, street.drive.poses)
    return RecordedDrive(odometry=odometry, images=images, truth=truth)


def _told(settings: Settings, run: StreetRun, truth: Track, index: int) -> Settings:
    """Settings with the method's changes and what is told of the start."""
    values: dict[str, bool | float | str] = {"runtime.seed": index, **METHODS[run.method]}
    if run.heading_known:
        error = float(np.random.default_rng((index, 1)).normal(0.0, START_HEADING_SD))
        values |= {
            "start.heading_known": True,
            "start.heading": math.remainder(float(truth.poses[0, 2]) + error, math.tau),
            "start.heading_sd": START_HEADING_SD,
        }
    return with_values(settings, values)
