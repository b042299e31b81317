"""Read what `play_bag` recorded of a live node: one JSON line per answer, one per snapshot."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from heapq import merge
from pathlib import Path
from typing import Any

import numpy as np

from mdps_ros.evaluation.run import RunError
from mdps_ros.runtime.outputs import Mode, ParticleSnapshot, PoseEstimate, State


def recorded_outputs(
    answers: Path, particles: Path | None = None
) -> Iterator[PoseEstimate | ParticleSnapshot]:
    """What a live node answered, in order of stamps.

    A record knows nothing of the odometry calibration and of the measurements that took part:
    those fields are NaN and empty.

    Args:
        answers: file of `play_bag --record`.
        particles: file of `play_bag --particles`.

    Raises:
        RunError: a file cannot be read or is no such record.
    """
    streams: list[Iterator[PoseEstimate | ParticleSnapshot]] = [map(_estimate, _rows(answers))]
    if particles is not None:
        streams.append(map(_snapshot, _rows(particles)))
    yield from merge(*streams, key=lambda output: output.stamp_ns)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of a file as objects; a last line that was cut off is left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RunError(f"cannot read the record {path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        try:
            row: dict[str, Any] = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                return
            raise RunError(f"{path} line {number} is no record of play_bag: {error}") from error
        yield row


def _estimate(row: dict[str, Any]) -> PoseEstimate:
    unknown = (math.nan, math.nan)
    try:
        return PoseEstimate(
            stamp_ns=int(row["stamp_ns"]),
            T_map_base=np.array(row["pose"], np.float64),
            covariance=np.array(row["covariance"], np.float64),
            modes=tuple(
                Mode(
                    T_map_base=np.array(mode["pose"], np.float64),
                    covariance=np.array(mode["covariance"], np.float64),
                    mass=float(mode["mass"]),
                )
                for mode in row["modes"]
            ),
            state=State[row["state"]],
            particles=int(row["particles"]),
            effective_particles=float(row["effective_particles"]),
            travelled=float(row["travelled_m"]),
            scale=unknown,
            yaw_bias=unknown,
            measurements=(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"the record of a live run lacks or misstates {error}") from error


def _snapshot(row: dict[str, Any]) -> ParticleSnapshot:
    poses = np.array(row["poses"], np.float32).reshape(-1, 3)
    weights = np.full(len(poses), 1.0 / len(poses), np.float32)
    return ParticleSnapshot(stamp_ns=int(row["stamp_ns"]), poses=poses, weights=weights)
