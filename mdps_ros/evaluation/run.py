"""One run of the filter as arrays: what it said, frame by frame, and what was true.

Axes: T estimates in order of time, K hypotheses, N particles of a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mdps_ros.evaluation.metrics import Score, score
from mdps_ros.runtime.events import Event
from mdps_ros.runtime.outputs import Output, ParticleSnapshot, PoseEstimate, State
from mdps_ros.runtime.watching.snapshots import SnapshotPicker

if TYPE_CHECKING:  # a session brings torch, which errors of the command line do without
    from mdps_ros.runtime.session import Session

Floats = NDArray[np.float64]


class RunError(ValueError):
    """A run gave nothing to evaluate; the text is one line and names the remedy."""


class Track:
    """Poses over time: stamps (T,) int64 ns rising, poses (T, 3) x m, y m, yaw rad."""

    def __init__(self, stamps_ns: NDArray[np.int64], poses: Floats) -> None:
        """Sort by stamp; of equal stamps the first stays.

        Raises:
            RunError: lengths differ, or there is no pose at all.
        """
        if len(stamps_ns) != len(poses) or len(stamps_ns) == 0:
            raise RunError(f"{len(stamps_ns)} stamps and {len(poses)} poses make no track")
        self.stamps_ns, first = np.unique(np.asarray(stamps_ns, np.int64), return_index=True)
        self.poses = np.asarray(poses, np.float64)[first]

    def at(self, stamps_ns: NDArray[np.int64]) -> Floats:
        """(T, 3) linear interpolation at the stamps, the short way in yaw; NaN outside the span."""
        seconds = (stamps_ns - self.stamps_ns[0]) * 1e-9
        own = (self.stamps_ns - self.stamps_ns[0]) * 1e-9
        columns = (self.poses[:, 0], self.poses[:, 1], np.unwrap(self.poses[:, 2]))
        return np.stack([np.interp(seconds, own, c, np.nan, np.nan) for c in columns], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All estimates of one run.

    Attributes:
        stamps_ns: (T,) int64.
        travelled: (T,) m since the first estimate's start, never falling: a restarted belief
            goes on counting.
        estimate: (T, 3) x m, y m, yaw rad of the best hypothesis.
        covariance: (T, 3, 3) of the whole belief about the estimate.
        modes: (T, K, 3) hypotheses by falling mass, NaN where there are fewer.
        mode_mass: (T, K) share of the belief, 0 where there are fewer.
        states: (T,) uint8, values of `State`.
        particles: (T,) int64 number of particles.
        truth: (T, 3) at the stamps; NaN where unknown, all NaN without any.
        snapshots: beliefs at chosen times, thinned, equal weights.
        seconds: wall time of the run, s; None where nobody measured.
    """

    stamps_ns: NDArray[np.int64]
    travelled: Floats
    estimate: Floats
    covariance: Floats
    modes: Floats
    mode_mass: Floats
    states: NDArray[np.uint8]
    particles: NDArray[np.int64]
    truth: Floats
    snapshots: tuple[ParticleSnapshot, ...]
    seconds: float | None

    @property
    def top_mass(self) -> Floats:
        """(T,) share of the belief in the best hypothesis."""
        return self.mode_mass[:, 0]

    @property
    def has_truth(self) -> bool:
        """Whether any frame has a truth."""
        return bool(np.isfinite(self.truth).all(axis=1).any())

    @property
    def seconds_of_drive(self) -> float:
        """Time between the first and the last estimate, by their stamps."""
        return float(self.stamps_ns[-1] - self.stamps_ns[0]) * 1e-9

    def score(self) -> Score:
        """All numbers of this run.

        Raises:
            ValueError: no frame has a truth.
        """
        return score(self.travelled, self.estimate, self.truth, self.top_mass, self.covariance)


def answers(session: Session, events: Iterable[Event]) -> Iterator[Output]:
    """What a session says to events, one after another."""
    for event in events:
        yield from session.handle(event)


def collect_trace(
    outputs: Iterable[Output], truth: Track | None = None, seconds: float | None = None
) -> Trace:
    """Collect what a session answered.

    `outputs` is consumed as it comes, and only thinned snapshots are kept, so a run may be
    longer than memory.

    Args:
        outputs: everything a session answered, in order; notes and transforms are passed over.
        truth: true poses in the map frame.
        seconds: wall time, where it is known beforehand; see `dataclasses.replace` otherwise.

    Raises:
        RunError: there is no estimate among the outputs.
    """
    estimates: list[PoseEstimate] = []
    snapshots = SnapshotPicker()
    for output in outputs:
        if isinstance(output, PoseEstimate):
            estimates.append(output)
        elif isinstance(output, ParticleSnapshot):
            snapshots.offer(output)
    if not estimates:
        raise RunError(
            "the run gave no estimate; does the bag hold odometry that moves, and images if the "
            "depth model is on?"
        )
    stamps = np.array([e.stamp_ns for e in estimates], np.int64)
    modes, mass = _stack_modes(estimates)
    return Trace(
        stamps_ns=stamps,
        travelled=_odometer(np.array([e.travelled for e in estimates])),
        estimate=np.stack([e.T_map_base for e in estimates]),
        covariance=np.stack([e.covariance for e in estimates]),
        modes=modes,
        mode_mass=mass,
        states=np.array([e.state.value for e in estimates], np.uint8),
        particles=np.array([e.particles for e in estimates], np.int64),
        truth=np.full((len(stamps), 3), np.nan) if truth is None else truth.at(stamps),
        snapshots=snapshots.kept,
        seconds=seconds,
    )


def tracking_from(trace: Trace) -> float | None:
    """Travel (m) at which the session first said TRACKING; None when it never did."""
    frames = np.flatnonzero(trace.states == State.TRACKING.value)
    return float(trace.travelled[frames[0]]) if len(frames) else None


def _odometer(travelled: Floats) -> Floats:
    """Travel that a restarted belief counts from zero again, made one rising count."""
    restarts = np.flatnonzero(np.diff(travelled) < 0.0) + 1
    total: Floats = travelled.copy()
    for frame in restarts:
        total[frame:] += travelled[frame - 1]
    return total


def _stack_modes(estimates: list[PoseEstimate]) -> tuple[Floats, Floats]:
    """Hypotheses of all frames as (T, K, 3) and (T, K), padded."""
    width = max(1, max(len(e.modes) for e in estimates))
    poses = np.full((len(estimates), width, 3), np.nan)
    mass = np.zeros((len(estimates), width))
    for frame, estimate in enumerate(estimates):
        for rank, mode in enumerate(estimate.modes):
            poses[frame, rank], mass[frame, rank] = mode.T_map_base, mode.mass
    return poses, mass
