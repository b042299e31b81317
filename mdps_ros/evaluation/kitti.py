"""KITTI drives on OpenStreetMap: real visual odometry, the prior is every road of the map."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from mdps_ros.data.errors import DataError
from mdps_ros.data.kitti import KittiSequence, load_sequence
from mdps_ros.data.kitti_files import find_sequences, map_files
from mdps_ros.evaluation import calibration
from mdps_ros.evaluation.chord_heading import chord_heading
from mdps_ros.evaluation.metrics import Floats, errors, wrap
from mdps_ros.evaluation.pit import PitWatch, output_kernel
from mdps_ros.evaluation.report import row_of
from mdps_ros.evaluation.results import Row
from mdps_ros.evaluation.run import Trace, Track, answers, collect_trace
from mdps_ros.evaluation.smoothing import hindsight
from mdps_ros.evaluation.smoothing_figure import draw_hindsight
from mdps_ros.evaluation.smoothing_frames import FILTER, rows_of
from mdps_ros.maps import Map, load_map
from mdps_ros.runtime.events import (
    DepthImageEvent,
    Event,
    InitialPoseEvent,
    OdometryEvent,
    PinholeCamera,
)
from mdps_ros.runtime.session import Session
from mdps_ros.settings import Settings, with_values


def sequences_with_odometry(root: Path) -> list[str]:
    """Names of the sequences that have truth, a map and metric odometry.

    Raises:
        DataError: the folder holds none.
    """
    names = [
        name
        for name, files in find_sequences(root).items()
        if files.rtk is not None and files.osm is not None and files.odometry is not None
    ]
    if not names:
        raise DataError(f"{root} holds no KITTI sequence with rtk, osm and odometry files")
    return names


def load_kitti_map(root: Path, name: str, union: bool) -> Map:
    """The sequence's own map file, or all map files of the folder as one map."""
    if union:
        return load_map(map_files(root))
    own = find_sequences(root)[name].osm
    if own is None:
        raise DataError(f"sequence {name} has no map; add osm/*_{name}.osm")
    return load_map(own)


def truth_on(place: Map, sequence: KittiSequence) -> Track:
    """True poses in the frame of a map.

    Raises:
        DataError: the map has no geodetic anchor.
    """
    if place.anchor is None:
        raise DataError(f"map {place.name} has no anchor; use an OpenStreetMap file")
    position = place.anchor.to_map(sequence.latitude_deg, sequence.longitude_deg)
    return Track(sequence.stamps_ns, np.column_stack((position, sequence.yaw)))


def locate(sequence: KittiSequence, place: Map, settings: Settings) -> tuple[Trace, Floats]:
    """One run from an unknown start, by odometry and the map alone.

    Returns:
        The run, and (T, 3) its probability integral transform (see `pit`).

    Raises:
        DataError: the sequence has no metric odometry.
        RunError: there was no estimate.
    """
    settings = with_values(settings, {"depth.enabled": False, "camera.enabled": False})
    start = time.perf_counter()
    session, truth = Session(place, settings), truth_on(place, sequence)
    pit = PitWatch(truth, output_kernel(settings))
    trace = collect_trace(pit.watch(answers(session, _odometry(sequence))), truth)
    return dataclasses.replace(trace, seconds=time.perf_counter() - start), pit.values


def run_row(root: Path, name: str, union: bool, seed: int, settings: Settings) -> Row:
    """One sequence and seed as a row; a function of plain values, for worker processes."""
    torch.set_num_threads(1)
    sequence = load_sequence(root, name)
    place = load_kitti_map(root, name, union)
    settings = with_values(settings, {"runtime.seed": seed})
    trace, pit = locate(sequence, place, settings)
    row = row_of(name, seed, trace)
    row["roads_km"] = place.drivable_length / 1e3
    return row | calibration.figures(calibration.of_trace(trace, pit, settings.estimate))


def method_and_sequence(row: Row) -> tuple[str, str]:
    """The two that a row is named after; rows of `run_row` are the filter's."""
    sequence, _, method = str(row["name"]).partition(" ")
    return method or FILTER, sequence


def by_drive(rows: Iterable[Row]) -> list[Row]:
    """Rows of `smoothing_rows` by drive and seed of the filter, as `hindsight_report` has them."""
    return [
        {**row, "seed": method_and_sequence(row)[1], "filter_seed": row["seed"]} for row in rows
    ]


def smoothing_rows(
    root: Path,
    name: str,
    union: bool,
    seed: int,
    settings: Settings,
    lags_s: Sequence[float],
    pictures: Path | None = None,
) -> list[Row]:
    """The filter, smoothers of several lags and the offline smoother on the same frames.

    Args:
        root: folder of the data.
        name: sequence.
        union: whether the map is that of all sequences.
        seed: of the filter.
        settings: the whole tree.
        lags_s: ages at which a fixed-lag smoother has its last word, s.
        pictures: folder for a picture of the run, or None.

    Returns:
        One row per method, see `smoothing_frames.rows_of`.
    """
    torch.set_num_threads(1)
    sequence = load_sequence(root, name)
    place = load_kitti_map(root, name, union)
    off = {"depth.enabled": False, "camera.enabled": False}
    settings = with_values(settings, {**off, "runtime.seed": seed})
    frames = hindsight(place, settings, _odometry(sequence), truth_on(place, sequence), lags_s)
    if pictures is not None:
        title = f"KITTI {name}, seed {seed}"
        draw_hindsight(pictures / f"{name}_{seed}.png", frames, title, place)
    return rows_of(name, seed, frames)


def depth_rows(root: Path, name: str, seed: int, settings: Settings) -> list[Row]:
    """`road` alone against `road` + `depth` on the frames that have depth images.

    Both runs get the same pose to start from: the truth of the first depth frame, known to 5 m
    and 0.1 rad. Frames in the first 50 m are not counted. The reference's headings are off its own
    positions by tenths of a degree for long stretches; rows therefore tell both, the estimate's
    heading against the reference's, and either against that of `chord_heading`.

    Raises:
        DataError: the sequence has no depth images.
    """
    torch.set_num_threads(1)
    sequence = load_sequence(root, name)
    if sequence.depth is None:
        raise DataError(f"sequence {name} has no depth images")
    place = load_kitti_map(root, name, union=False)
    settings = with_values(settings, {"runtime.seed": seed})
    rows = []
    for depth in (False, True):
        session = Session(
            place, with_values(settings, {"depth.enabled": depth, "camera.enabled": False})
        )
        trace = collect_trace(
            answers(session, _depth_drive(sequence, place)), truth_on(place, sequence)
        )
        heading = _heading_by_chords(sequence, trace)
        rows.append(_depth_row(name, seed, "road + depth" if depth else "road", trace, heading))
    return rows


def _heading_by_chords(sequence: KittiSequence, trace: Trace) -> Floats:
    """(T,) rad at the frames of a trace."""
    track = sequence.T_odom_base
    assert track is not None  # else there was no drive
    index = np.searchsorted(sequence.stamps_ns, trace.stamps_ns)
    return chord_heading(trace.truth[:, :2], track[index])


def _depth_row(name: str, seed: int, models: str, trace: Trace, heading: Floats) -> Row:
    late = trace.travelled > 50.0
    error = errors(trace.estimate[late], trace.truth[late])
    estimated, told = (
        np.degrees(wrap(poses[late, 2] - heading[late])) for poses in (trace.estimate, trace.truth)
    )
    return {
        "name": f"{name} {models}",
        "seed": seed,
        "mean_lateral_m": float(np.abs(error.lateral_m).mean()),
        "median_lateral_m": float(np.median(np.abs(error.lateral_m))),
        "mean_longitudinal_m": float(np.abs(error.longitudinal_m).mean()),
        "mean_heading_deg": float(np.degrees(np.abs(error.heading_rad)).mean()),
        "median_heading_deg": float(np.degrees(np.median(np.abs(error.heading_rad)))),
        "mean_heading_by_chords_deg": float(np.abs(estimated).mean()),
        "bias_heading_by_chords_deg": float(estimated.mean()),
        "mean_reference_by_chords_deg": float(np.abs(told).mean()),
        "bias_reference_by_chords_deg": float(told.mean()),
        "mean_error_m": float(error.position_m.mean()),
        "frames": int(late.sum()),
        "travelled_m": float(trace.travelled[-1]),
    }


def _odometry(sequence: KittiSequence, frames: Sequence[int] | None = None) -> Iterator[Event]:
    track = sequence.T_odom_base
    if track is None:
        raise DataError(f"sequence {sequence.name} has no metric odometry; add visual_odometry/")
    for index in range(len(track)) if frames is None else frames:
        yield OdometryEvent(stamp_ns=int(sequence.stamps_ns[index]), T_odom_base=track[index])


def _depth_drive(sequence: KittiSequence, place: Map) -> Iterator[Event]:
    """The stretch with depth images: a rough start pose, then odometry and images by turns."""
    assert sequence.depth is not None
    held = set(sequence.depth.frames)
    frames = [index for index, frame in enumerate(sequence.frames) if int(frame) in held]
    first = int(sequence.stamps_ns[frames[0]])
    start = truth_on(place, sequence).at(np.array([first]))[0]
    covariance = np.diag([5.0**2, 5.0**2, 0.1**2])
    for index, odometry in zip(frames, _odometry(sequence, frames), strict=True):
        yield odometry
        if index == frames[0]:
            yield InitialPoseEvent(stamp_ns=first, T_map_base=start, covariance=covariance)
        image = sequence.depth_frame(index)
        if image is not None:
            camera = image.camera
            yield DepthImageEvent(
                stamp_ns=image.stamp_ns,
                depth=image.depth,
                camera=PinholeCamera.of(camera),
                T_base_camera=camera.T_base_camera,
            )
