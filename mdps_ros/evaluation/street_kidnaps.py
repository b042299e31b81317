"""A vehicle is carried off amid a drive: how soon that is noticed, and the vehicle found again.

Two drives of `street_drives` become one: the first is cut while the vehicle is tracked, the next
moment the camera is on the second one's streets, and the odometry goes on as if nothing had been.
"""

from __future__ import annotations

import dataclasses
import time
from typing import NamedTuple

import numpy as np
import torch

from mdps_ros.evaluation.metrics import (
    CLAIM_RADIUS_M,
    Floats,
    converged_after_m,
    errors,
    longest_wrong_claim_m,
)
from mdps_ros.evaluation.results import Row
from mdps_ros.evaluation.run import Trace, Track, answers, collect_trace
from mdps_ros.evaluation.street_drives import RecordedDrive, recorded_drive
from mdps_ros.evaluation.street_scenes import told_map
from mdps_ros.runtime.events import OdometryEvent
from mdps_ros.runtime.frames import between, compose
from mdps_ros.runtime.outputs import State
from mdps_ros.runtime.session import Session
from mdps_ros.settings import Settings, with_values

CARRIED_AT_M = 250.0
"""Travel of the first drive at which the vehicle is carried off."""


class CarriedDrive(NamedTuple):
    """A drive whose vehicle is carried off.

    Attributes:
        drive: all of it.
        carried_ns: stamp from which on the vehicle is elsewhere.
        distance: how far it was carried, m.
    """

    drive: RecordedDrive
    carried_ns: int
    distance: float


def carried_drive(first: RecordedDrive, second: RecordedDrive, after_m: float) -> CarriedDrive:
    """The first drive up to that travel, then the second one, by one odometer and one clock."""
    poses = np.array([event.T_odom_base for event in first.odometry])
    steps = np.hypot(*np.diff(poses[:, :2], axis=0, prepend=poses[:1, :2]).T)
    last = min(int(np.searchsorted(np.cumsum(steps), after_m)), len(poses) - 1)
    end = first.odometry[last].stamp_ns
    tick = end - first.odometry[last - 1].stamp_ns
    origin, shift = second.odometry[0], end + tick - second.odometry[0].stamp_ns
    odometry = [event for event in first.odometry if event.stamp_ns <= end]
    for event in second.odometry:
        moved = compose(poses[last], between(origin.T_odom_base, event.T_odom_base))
        odometry.append(OdometryEvent(stamp_ns=event.stamp_ns + shift, T_odom_base=moved))
    images = [image for image in first.images if image.stamp_ns <= end]
    for image in second.images:
        if image.stamp_ns >= origin.stamp_ns:
            images.append(dataclasses.replace(image, stamp_ns=image.stamp_ns + shift))
    before = first.truth.stamps_ns <= end
    after = second.truth.stamps_ns >= origin.stamp_ns
    stamps = (first.truth.stamps_ns[before], second.truth.stamps_ns[after] + shift)
    places = (first.truth.poses[before], second.truth.poses[after])
    truth = Track(np.concatenate(stamps), np.concatenate(places))
    drive = RecordedDrive(odometry=tuple(odometry), images=tuple(images), truth=truth)
    distance = float(np.hypot(*(places[1][0] - places[0][-1])[:2]))
    return CarriedDrive(drive, end + tick, distance)


def kidnap_rows(split: str, index: int, maps: tuple[str, ...], settings: Settings) -> list[Row]:
    """Drive number `index`, carried off to the streets of the next one; the start is unknown.

    Args:
        split: part of Helsinki, of `street_scenes.SPLITS`.
        index: number of the drive, and the filter's seed.
        maps: of `street_scenes.MAPS`.
        settings: the whole tree.

    Returns:
        One row per map, see `outcome`.
    """
    torch.set_num_threads(1)
    first, second = recorded_drive(split, index), recorded_drive(split, index + 1)
    carried = carried_drive(first, second, CARRIED_AT_M)
    settings = with_values(settings, {"runtime.seed": index})
    rows = []
    for name in maps:
        begun = time.perf_counter()
        session = Session(told_map(name, index), settings)
        trace = collect_trace(answers(session, carried.drive.events()), carried.drive.truth)
        row: Row = {"name": f"{name} map", "seed": index, "carried_m": carried.distance}
        row.update(outcome(trace, carried.carried_ns))
        rows.append({**row, "seconds": time.perf_counter() - begun})
    return rows


def outcome(trace: Trace, carried_ns: int) -> dict[str, float | int | None]:
    """What became of one run; a frame claims a pose while the state is TRACKING.

    Args:
        trace: of the whole run.
        carried_ns: stamp from which on the vehicle is elsewhere.

    Returns:
        `tracked_before`: 1 when the vehicle was rightly tracked when it was carried off.
        `false_alarms` before that, of a right claim, over `tracked_before_m` of travel in TRACKING.
        `alarm_after_m`: travel from there to the first LOST; None: never noticed.
        `found_after_m`: travel to the first right claim that stays so for 100 m; None: never.
        `blind_m`: longest wrong claim up to the alarm. `wrong_again_m`: the longest after it.
        `median_error_m`: from the right claim on.
    """
    after = trace.stamps_ns >= carried_ns
    claimed: Floats = (trace.states == State.TRACKING.value).astype(float)
    error = errors(trace.estimate, trace.truth).position_m
    steps = np.diff(trace.travelled, prepend=trace.travelled[:1])
    lost = trace.states == State.LOST.value
    right = (claimed > 0) & (error <= CLAIM_RADIUS_M)
    if not after.any():
        raise ValueError("the run ended before the vehicle was carried off")
    cut = int(np.argmax(after))
    travelled = trace.travelled[cut:] - trace.travelled[cut]
    alarm = int(np.argmax(lost[cut:])) if lost[cut:].any() else None
    split = len(travelled) if alarm is None else alarm
    parts = tuple(
        longest_wrong_claim_m(travelled[part], error[cut:][part], claimed[cut:][part])
        for part in (slice(0, split), slice(split, None))
    )
    found = converged_after_m(travelled, error[cut:], claimed[cut:])
    late = travelled >= (np.inf if found is None else found)
    return {
        "tracked_before": int(cut > 0 and right[cut - 1]),
        "false_alarms": int((lost[1:cut] & right[: cut - 1]).sum()),
        "tracked_before_m": float(steps[:cut][claimed[:cut] > 0].sum()),
        "alarm_after_m": None if alarm is None else float(travelled[alarm]),
        "found_after_m": found,
        "blind_m": parts[0],
        "wrong_again_m": parts[1],
        "median_error_m": float(np.median(error[cut:][late])) if late.any() else None,
    }
