"""A belief in numbers."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.core import estimates
from mdps_ros.core.cells import PoseGrid
from mdps_ros.core.types import Belief
from mdps_ros.core.weights import effective_size, masses
from mdps_ros.models.motion import calibration_moments
from mdps_ros.runtime.outputs import Mode
from mdps_ros.settings import EstimateSettings

CELLS = PoseGrid(cell_m=1.0, cell_yaw=math.radians(10.0))
"""In which the entropy is counted; fixed, so that its numbers compare between settings."""


class Summary(NamedTuple):
    """A belief in numbers; the fields are those of outputs.PoseEstimate."""

    T_map_base: NDArray[np.float64]
    covariance: NDArray[np.float64]
    modes: tuple[Mode, ...]
    particles: int
    effective_particles: float
    scale: tuple[float, float]
    yaw_bias: tuple[float, float]
    entropy: float


def summarise(belief: Belief, settings: EstimateSettings) -> Summary:
    """The numbers of a belief over `VehicleState`, one batch row."""
    poses, log_weights = belief.state.pose, belief.log_weights
    found = estimates.modes(
        poses, log_weights, settings.modes, settings.mode_radius, settings.mode_yaw
    )
    modes = tuple(
        Mode(T_map_base=mean, covariance=covariance, mass=float(mass))
        for mean, covariance, mass in zip(*(_array(part[0]) for part in found), strict=True)
        if mass > 0
    )
    top = modes[0].T_map_base
    difference = estimates.pose_difference(poses[0], torch.from_numpy(top).to(poses))
    weighted = difference * masses(log_weights)[0, :, None]
    (scale, yaw_bias), (scale_sd, yaw_bias_sd) = (
        part[0, :2].tolist() for part in calibration_moments(belief.state, log_weights)
    )
    return Summary(
        T_map_base=top,
        covariance=_array(weighted.mT @ difference),
        modes=modes,
        particles=belief.particle_count,
        effective_particles=float(effective_size(log_weights)[0]),
        scale=(scale, scale_sd),
        yaw_bias=(yaw_bias, yaw_bias_sd),
        entropy=float(estimates.cell_entropy(poses, log_weights, CELLS)[0]),
    )


def _array(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().double().numpy()
