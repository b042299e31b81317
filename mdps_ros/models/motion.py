"""Odometry motion with self-calibration: every particle carries a Kalman filter.

The particle is the pose xi = (x, y, yaw). Given its path, the calibration z = (odometer scale
error s, yaw-rate bias b, lateral slip velocity v, wander u of the scale about s) is
linear-Gaussian, so each particle keeps only its conditional mean. The covariance does not depend
on the particle when it is written in the body frame, so one Cholesky factor serves the whole cloud
(Hendeby et al. 2010, Algorithm 2, made cheap by the body frame):

    m     = C z + w            body-frame error of the increment, C from the odometry alone
    xi'   = xi (+) (increment + m)
    z'    = A z + w_z          conditioned on the drawn m

How far the scale wanders differs by an order of magnitude between odometers (0.5 % for stereo
visual odometry, 5 % for a learned one, measured on KITTI 10 m windows), and nobody tells. So each
particle also believes in one of two qualities of odometry, drawn anew once in a while; the belief
learns which one it has, as a bank of multiple models does. A particle that changes its mind keeps
its mean and takes the other quality's covariance, which is an approximation.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core.kalman import tria
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.weights import masses
from mdps_ros.settings import MotionSettings

# m, m, rad: what is drawn of a motion is never exact. Without it, where m says nothing of z (at
# rest), the array below is singular, and z itself would be drawn instead of staying marginalised.
LEAST_NOISE = 1e-6


class VehicleState(NamedTuple):
    """Particles of a vehicle: leaves with axes (B, N, ...) but for the shared factor.

    Attributes:
        pose: (B, N, 3) x m, y m, yaw rad in the map frame.
        calibration: (B, N, 4) conditional mean of z: scale error, yaw-rate bias rad/s,
            slip m/s, scale wander.
        quality: (B, N) index of the odometry quality that the particle believes in: 0 good, 1 weak.
        factor: (B, 2, 4, 4) lower Cholesky factor of the conditional covariance per quality.
        map_offset: (B, N, 2) m east and north: what to add to the position to find it on the map
            (see `map_error`).
        map_slope: (B, N, 2) m per m, how that changes with travel ahead.
    """

    pose: Float[Tensor, "B N 3"]
    calibration: Float[Tensor, "B N 4"]
    quality: Int[Tensor, "B N"]
    factor: Float[Tensor, "B 2 4 4"]
    map_offset: Float[Tensor, "B N 2"]
    map_slope: Float[Tensor, "B N 2"]

    def gather_particles(self, index: Int[Tensor, "B M"]) -> VehicleState:
        """The particles at the given indices, (B, M, ...); the factors are shared."""
        return VehicleState(
            pose=gather_axis(self.pose, index),
            calibration=gather_axis(self.calibration, index),
            quality=gather_axis(self.quality, index),
            factor=self.factor,
            map_offset=gather_axis(self.map_offset, index),
            map_slope=gather_axis(self.map_slope, index),
        )


class Control(NamedTuple):
    """Measured motion between two frames.

    Attributes:
        increment: (B, 3) forward m, left m, yaw rad: the later base in the earlier one.
        distance: (B,) m of path travelled between them.
        dt: (B,) s between them.
    """

    increment: Float[Tensor, "B 3"]
    distance: Float[Tensor, " B"]
    dt: Float[Tensor, " B"]


def start_state(
    pose: Float[Tensor, "B N 3"], settings: MotionSettings, generator: torch.Generator
) -> VehicleState:
    """Particles at the given poses, with the prior calibration, a drawn quality, no map offset."""
    sds = torch.tensor(
        [
            [settings.scale_sd, settings.yaw_bias_sd, settings.slip_sd, wander]
            for wander in (settings.wander_sd, settings.weak_wander_sd)
        ]
    )
    chance = torch.rand(pose.shape[:2], generator=generator, device=pose.device)
    return VehicleState(
        pose=pose,
        calibration=pose.new_zeros((*pose.shape[:2], 4)),
        quality=(chance < settings.weak_share).long(),
        factor=torch.diag_embed(sds).to(pose).expand(pose.shape[0], 2, 4, 4),
        map_offset=torch.zeros_like(pose[..., :2]),
        map_slope=torch.zeros_like(pose[..., :2]),
    )


def propagate(
    state: VehicleState, control: Control, settings: MotionSettings, generator: torch.Generator
) -> VehicleState:
    """Draw the poses after the motion and condition the calibration on what was drawn."""
    pose, calibration, quality, factor, map_offset, map_slope = state
    joint = _joint_factor(factor, control, settings).to(pose)  # (B, 2, 7, 7)
    noise = torch.randn(pose.shape, generator=generator, device=pose.device, dtype=pose.dtype)
    drawn = by_quality(joint[..., :3], noise, quality)  # (B, N, 7): error of m, change of z
    error = calibration @ coupling(control).to(pose).mT + drawn[..., :3]
    motion = control.increment.to(pose)[:, None, :] + error
    cos, sin = torch.cos(pose[..., 2]), torch.sin(pose[..., 2])
    forward, leftward, turn = motion.unbind(-1)
    moved = torch.stack(
        (
            pose[..., 0] + cos * forward - sin * leftward,
            pose[..., 1] + sin * forward + cos * leftward,
            pose[..., 2] + turn,
        ),
        -1,
    )
    kept = decay(control, settings).to(pose)
    return VehicleState(
        pose=moved,
        calibration=calibration * kept[:, None, :] + drawn[..., 3:],
        quality=redraw_quality(quality, control, settings, generator),
        factor=joint[..., 3:, 3:],
        map_offset=map_offset,
        map_slope=map_slope,
    )


def redraw_quality(
    quality: Int[Tensor, "B N"],
    control: Control,
    settings: MotionSettings,
    generator: torch.Generator,
) -> Int[Tensor, "B N"]:
    """Draw the quality anew with a rate per metre, so that no quality dies out for good."""
    chance = torch.rand((2, *quality.shape), generator=generator, device=quality.device)
    rate = 1 - torch.exp(-control.distance / settings.quality_distance).to(chance)
    drawn = (chance[1] < settings.weak_share).long()
    return torch.where(chance[0] < rate[:, None], drawn, quality)


def by_quality(
    gain: Float[Tensor, "B 2 K 3"], noise: Float[Tensor, "B N 3"], quality: Int[Tensor, "B N"]
) -> Float[Tensor, "B N K"]:
    """Each particle's noise through the gain of its quality."""
    # through both gains in one product; of each particle's two rows one is picked
    rows = (noise @ gain.flatten(1, 2).mT).view(len(noise), -1, gain.shape[2])
    first = torch.arange(0, rows.shape[1], 2, device=quality.device)
    return gather_axis(rows, first + quality)


def calibration_moments(
    state: VehicleState, log_weights: Float[Tensor, "B N"]
) -> tuple[Float[Tensor, "B 4"], Float[Tensor, "B 4"]]:
    """Mean and standard deviation of the calibration over the whole mixture."""
    weights = masses(log_weights)
    mean = (weights[..., None] * state.calibration).sum(1)
    spread = (weights[..., None] * (state.calibration - mean[:, None]) ** 2).sum(1)
    weak = (weights * state.quality).sum(1)
    shares = torch.stack((1 - weak, weak), -1)[..., None]
    within = (shares * (state.factor**2).sum(-1)).sum(1)
    return mean, (spread + within).sqrt()


def coupling(control: Control) -> Float[Tensor, "B 3 4"]:
    """C: how the calibration enters the body-frame increment."""
    forward, left, _ = control.increment.double().unbind(-1)
    dt = control.dt.double()
    slipping = torch.where(control.distance > 0, dt, 0.0)  # wheels at rest do not slip
    zero = torch.zeros_like(dt)
    rows = (
        *(forward, zero, zero, forward),
        *(left, zero, slipping, left),
        *(zero, -dt, zero, zero),
    )
    return torch.stack(rows, -1).reshape(-1, 3, 4)


def decay(control: Control, settings: MotionSettings) -> Float[Tensor, "B 4"]:
    """Diagonal of A: scale and bias walk; slip decays with time, wander with distance."""
    slip = torch.exp(-control.dt.double() / settings.slip_time)
    wander = torch.exp(-control.distance.double() / settings.wander_distance)
    one = torch.ones_like(slip)
    return torch.stack((one, one, slip, wander), -1)


def pose_noise(control: Control, settings: MotionSettings) -> Float[Tensor, "B 3"]:
    """Standard deviations of w, the part of m that no calibration explains: m, m, rad."""
    along, time = control.distance.double().sqrt(), control.dt.double().sqrt()
    yaw = torch.hypot(settings.yaw_noise * along, settings.yaw_noise_time * time)
    sds = (settings.forward_noise * along, settings.lateral_noise * along, yaw)
    return torch.stack(sds, -1).clamp_min(LEAST_NOISE)


def _joint_factor(
    factor: Float[Tensor, "B 2 4 4"], control: Control, settings: MotionSettings
) -> Float[Tensor, "B 2 7 7"]:
    """Lower factors of the joint covariance of (m, z'), in float64: one array per quality."""
    shared = factor.double()
    time = control.dt.double().sqrt()
    kept = decay(control, settings)
    slip, wander = ((1 - kept[:, 2:] ** 2).sqrt()).unbind(-1)
    steady = (settings.scale_walk * time, settings.yaw_bias_walk * time, settings.slip_sd * slip)
    walk = torch.stack(
        [
            torch.stack((*steady, sd * wander), -1)
            for sd in (settings.wander_sd, settings.weak_wander_sd)
        ],
        1,
    )
    array = shared.new_zeros((*shared.shape[:2], 7, 11))
    array[..., :3, :4] = coupling(control)[:, None] @ shared
    array[..., :3, 4:7] = torch.diag_embed(pose_noise(control, settings))[:, None]
    array[..., 3:, :4] = kept[:, None, :, None] * shared
    array[..., 3:, 7:] = torch.diag_embed(walk)
    return tria(array)
