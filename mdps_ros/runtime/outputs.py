"""What a session answers with; notes (mdps_ros.notes.Note) come in the same stream."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from mdps_ros.notes import Note


class State(Enum):
    """How much the session knows about the pose; values equal LocalizerStatus.msg."""

    UNINITIALIZED = 0  # no odometry yet
    GLOBAL = 1  # no hypothesis holds the mass a claim needs
    AMBIGUOUS = 2  # was tracking; the mass has split since
    TRACKING = 3  # the top hypothesis is claimed
    LOST = 4  # it fits no more; the search begins anew
    RECOVERING = 5  # was lost; searching, or found and not confirmed yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One hypothesis.

    Attributes:
        T_map_base: (3,) float64 mean x m, y m, yaw rad (circular).
        covariance: (3, 3) float64 within the hypothesis.
        mass: share of the belief, 0..1.
    """

    T_map_base: NDArray[np.float64]
    covariance: NDArray[np.float64]
    mass: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseEstimate:
    """The belief after one update, summarised.

    Attributes:
        stamp_ns: time of the frame that caused the update.
        T_map_base: (3,) float64 mean of the top hypothesis.
        covariance: (3, 3) float64 of the whole belief about that mean: honest when multi-modal.
        modes: hypotheses by falling mass.
        state: how much is known.
        particles: number of particles.
        effective_particles: 1 / sum of squared weights.
        travelled: metres since the start of this belief.
        scale: (mean, standard deviation) of the odometer scale error.
        yaw_bias: (mean, standard deviation) rad/s.
        measurements: names of the models that scored this frame.
        against: evidence of images against the top hypothesis, nats, 0 or more: at
            `recovery.contradiction` the vehicle is lost; nan where nobody asks for it.
        support: evidence of images and fixes for it since it has held what a claim needs, nats;
            nan where nobody asks for it.
        entropy: of the place, nats: exp of it cells of 1 m by 1 m by 10 degrees would be as unsure;
            nan where nobody asks for it.
    """

    stamp_ns: int
    T_map_base: NDArray[np.float64]
    covariance: NDArray[np.float64]
    modes: tuple[Mode, ...]
    state: State
    particles: int
    effective_particles: float
    travelled: float
    scale: tuple[float, float]
    yaw_bias: tuple[float, float]
    measurements: tuple[str, ...]
    against: float = math.nan
    support: float = math.nan
    entropy: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformEstimate:
    """map -> odom at a frame's stamp; only given while the state is TRACKING.

    Attributes:
        stamp_ns: time of the frame.
        T_map_odom: (3,) float64 x m, y m, yaw rad.
    """

    stamp_ns: int
    T_map_odom: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticleSnapshot:
    """The particles of one belief.

    Attributes:
        stamp_ns: time of the frame.
        poses: (N, 3) float32 x m, y m, yaw rad in the map frame.
        weights: (N,) float32, summing to one.
    """

    stamp_ns: int
    poses: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoothedTrajectory:
    """The newest poses, seen again with what was measured since; oldest first.

    Attributes:
        stamps_ns: (K,) int64 of the frames, the last one that of the newest update.
        T_map_base: (K, 3) float64 mean of each frame's top hypothesis.
        covariance: (K, 3, 3) float64 of the whole belief about that mean.
        mass: (K,) share of the belief in that hypothesis.
        smoothed: (K,) False where the belief is the filter's: the newest frame, and those where
            past and future did not meet.
        final: (K,) True for frames that no later trajectory holds.
        revision: number of the trajectory in a run, from 1; a later one replaces what it repeats.
            Numbers are left out where smoothing could not keep up.
        belief: number of the belief in a run, from 1; frames of one that was given up stay
            without a final word.
    """

    stamps_ns: NDArray[np.int64]
    T_map_base: NDArray[np.float64]
    covariance: NDArray[np.float64]
    mass: NDArray[np.float64]
    smoothed: NDArray[np.bool_]
    final: NDArray[np.bool_]
    revision: int
    belief: int


Output = PoseEstimate | TransformEstimate | SmoothedTrajectory | ParticleSnapshot | Note
