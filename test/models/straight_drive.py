"""A straight drive whose smoothed belief is known exactly, and both filters on it.

The heading is known and the road straight, so the vehicle is a linear-Gaussian system in
(x, y, scale error, slip, scale wander, offset east, offset north, its slope east, north); positions
on the map are measured. `exact` conditions the joint Gaussian of all times at once.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import block_diag, expm
from torch import Tensor

from mdps_ros.core import filtering
from mdps_ros.core.kernels import ProductKernel, pose_kernel
from mdps_ros.core.mdps import FilterRecord, filter_sequence, reverse_inputs
from mdps_ros.core.resampling import EssTriggered, MixtureResampler
from mdps_ros.core.types import Belief, MixtureBelief, StepInputs
from mdps_ros.models.map_error import on_map
from mdps_ros.models.motion import Control
from mdps_ros.models.prior import PosePrior
from mdps_ros.models.vehicle import VehicleModel
from mdps_ros.models.vehicle_backward import BackwardStart, BackwardVehicleModel, PoseScore
from mdps_ros.settings import MapErrorSettings, MotionSettings

ROWS, STEPS, LENGTH, DT, SPREAD = 5, 12, 4.0, 0.5, 0.7
START_SD = (1.5, 1.0)
MOTION = MotionSettings(
    forward_noise=0.15,
    lateral_noise=0.08,
    yaw_noise=0.0,
    yaw_noise_time=0.0,
    scale_sd=0.1,
    yaw_bias_sd=0.0,
    yaw_bias_walk=0.0,
    slip_sd=0.2,
    wander_sd=0.05,
    weak_share=0.0,
    wander_distance=20.0,
    scale_walk=0.005,
    slip_time=1.5,
)
OFFSET = MapErrorSettings(sd=1.2, distance=20.0, turns=True)
WANDERING = MapErrorSettings(sd=1.2, distance=20.0)
KERNEL = pose_kernel(torch.tensor([0.08, 0.08, 0.01**2]))
MEASURED = np.random.default_rng(7).normal(size=(STEPS, 2)).cumsum(0) * 0.4


def exact(
    start_sd: tuple[float, float] = START_SD, error: MapErrorSettings = OFFSET
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(T, 9) means and (T, 9, 9) covariances given all measurements."""
    size, m = 9, MOTION
    rate = 1.0 / error.distance
    slip, wander = math.exp(-DT / m.slip_time), math.exp(-LENGTH / m.wander_distance)
    A = np.eye(size)
    A[0, 2] = A[0, 4] = LENGTH
    A[1, 3] = DT
    A[3, 3], A[4, 4] = slip, wander
    smooth, rough = [[0, 1], [-(rate**2), -2 * rate]], [[-rate, 0], [0, 0]]
    A[5:, 5:] = np.kron(expm(LENGTH * np.array(smooth if error.turns else rough)), np.eye(2))
    sd, slope = error.sd, error.sd * rate if error.turns else 0.0
    first = np.diag([*start_sd, m.scale_sd, m.slip_sd, m.wander_sd, sd, sd, slope, slope]) ** 2
    noise = np.diag(
        [
            m.forward_noise**2 * LENGTH,
            m.lateral_noise**2 * LENGTH,
            m.scale_walk**2 * DT,
            m.slip_sd**2 * (1 - slip**2),
            m.wander_sd**2 * (1 - wander**2),
            *[0.0] * 4,
        ]
    )
    noise[5:, 5:] = first[5:, 5:] - A[5:, 5:] @ first[5:, 5:] @ A[5:, 5:].T
    total = size * STEPS
    blocks = np.zeros((total, total))  # every time as a linear function of all noises
    for t in range(STEPS):
        here = slice(size * t, size * (t + 1))
        if t:
            blocks[here] = A @ blocks[size * (t - 1) : size * t]
        blocks[here, here] += np.eye(size)
    covariance = blocks @ block_diag(first, *[noise] * (STEPS - 1)) @ blocks.T
    mean = np.zeros((STEPS, size))
    mean[:, 0] = LENGTH * np.arange(STEPS)
    H = np.zeros((2 * STEPS, total))
    for t in range(STEPS):
        for axis in (0, 1):
            H[2 * t + axis, size * t + axis] = H[2 * t + axis, size * t + 5 + axis] = 1.0
    S = H @ covariance @ H.T + SPREAD**2 * np.eye(2 * STEPS)
    K = covariance @ H.T @ np.linalg.inv(S)
    shift = (K @ (truth() - H @ mean.ravel())).reshape(STEPS, size)
    left = covariance - K @ H @ covariance
    return mean + shift, np.stack([left[i : i + size, i : i + size] for i in range(0, total, size)])


def truth() -> NDArray[np.float64]:
    """(2 T,) measured positions."""
    return (MEASURED + np.array([LENGTH, 0.0]) * np.arange(STEPS)[:, None]).ravel()


def look(t: int) -> PoseScore:
    """What was measured at t."""
    place = torch.tensor(truth()[2 * t : 2 * t + 2])

    def score(poses: Tensor) -> Tensor:
        return -0.5 * ((poses[..., :2] - place.to(poses)) / SPREAD).square().sum(-1)

    return score


def inputs() -> list[StepInputs]:
    """Of the times 0..T-1; the control leads to the time."""

    def each(value: float) -> Tensor:
        return torch.full((ROWS,), value, dtype=torch.float64)

    increment = torch.tensor([[LENGTH, 0.0, 0.0]], dtype=torch.float64).expand(ROWS, 3)
    control = Control(increment, each(LENGTH), each(DT))
    return [StepInputs(control, DT, look(t)) for t in range(STEPS)]


def resampler(kernel: ProductKernel = KERNEL) -> EssTriggered:
    return EssTriggered(MixtureResampler(kernel), 0.5)


def forward(count: int, seed: int, error: MapErrorSettings = OFFSET) -> list[FilterRecord]:
    """The filter of the package, with Earth poses and a drawn map offset."""
    model, generator = VehicleModel(MOTION, error), torch.Generator().manual_seed(seed)
    prior = PosePrior(np.zeros(3), np.diag([*START_SD, 0.0]) ** 2)
    belief = filtering.init(model, prior, ROWS, count, generator)
    records = []
    for t, step in enumerate(inputs()):
        predicted = belief
        if t:
            given = step._replace(measurement=None)
            predicted, _ = filtering.step(belief, given, model, resampler(), generator)
        belief, evidence = filtering.update(predicted, look(t)(on_map(predicted.state)), model)
        record = FilterRecord(belief.state, predicted.log_weights, belief.log_weights, evidence)
        records.append(record)
    return records


def backward(
    records: list[FilterRecord],
    count: int,
    seed: int,
    model: BackwardVehicleModel | None = None,
) -> list[Belief]:
    """Predicted beliefs of the backward filter, in natural time."""
    generator, last = torch.Generator().manual_seed(seed), records[-1]
    source = MixtureBelief(on_map(last.state), last.log_weights, KERNEL.widened(4.0))
    zero = torch.zeros(ROWS, 2)
    start = BackwardStart(source, zero, torch.tensor([[0.12, 1e-5]]).expand(ROWS, 2), 10.0)
    model = model or BackwardVehicleModel(MOTION, OFFSET)
    begun = filtering.init(model, start, ROWS, count, generator)
    found = filter_sequence(begun, reverse_inputs(inputs()), model, resampler(), generator)
    return [Belief(record.state, record.predicted_log_weights) for record in found[::-1]]
