"""One step of the vehicle's motion backwards, as a linear law of l (`vehicle_backward`).

Of l = (calibration, map offset and slope) and of g, what the step was beyond the odometry's
increment, given l' at the step's end:

    (g, l)  =  move l' + shift + noise

The Gaussian of l' that the particles of a quality share goes through the same law, and gives the
factor of the covariance of (g, l). All matrices are small and in float64.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mdps_ros.core.kalman import tria
from mdps_ros.models import map_error, motion
from mdps_ros.models.motion import Control
from mdps_ros.settings import MapErrorSettings, MotionSettings

# A quantity that does not vary still needs a variance that can be inverted: m or pure numbers.
LEAST_SD = 1e-6
SCALE_BIAS = slice(0, 2)
WANDER = 3
OFFSET = slice(4, 6)
SLOPE = slice(6, 8)
TURN = 7  # the slope across the heading is the map's turn
SIZE = 8
STEP = 3 + SIZE  # of (g, l)


class LinearPrior(NamedTuple):
    """gamma, the artificial prior of l at one time: independent components.

    Attributes:
        mean: (B, 8) of (scale error, yaw-rate bias rad/s, slip m/s, scale wander, offset m, m,
            slope, slope).
        sd: (B, 2, 8) for each quality of odometry.
    """

    mean: Float[Tensor, "B 8"]
    sd: Float[Tensor, "B 2 8"]


class BackwardLaw(NamedTuple):
    """(g, l) given l' in the axes of the step's end; l in those that odometry gives for its start.

    Attributes:
        move: (B, 11, 8) the same for both qualities.
        shift: (B, 11).
        factor: (B, 2, 11, 11) lower factor of the covariance of (g, l), per quality.
    """

    move: Float64[Tensor, "B 11 8"]
    shift: Float64[Tensor, "B 11"]
    factor: Float64[Tensor, "B 2 11 11"]


def backward_law(
    gamma: LinearPrior,
    later: LinearPrior,
    factor: Float64[Tensor, "B 2 8 8"],
    control: Control,
    settings: MotionSettings,
    error: MapErrorSettings,
) -> BackwardLaw:
    """The law of one step.

    Args:
        gamma: at the step's start.
        later: at its end.
        factor: lower factor of the covariance of l' per quality.
        control: what the forward filter had for the motion.
        settings: of the motion.
        error: of the map.
    """
    gain, noise = _reversed(gamma, later, control, settings, error)
    own, rest = _said(control)
    eye = torch.eye(SIZE, dtype=own.dtype, device=own.device)
    both = torch.cat((own, eye.expand(len(own), -1, -1)), 1)[:, None]  # (g, l) of l
    move = both @ gain
    move[..., :3, :] += rest[:, None]
    move = move @ _turning(control)[:, None]
    drawn = torch.diag_embed(motion.pose_noise(control, settings))
    drawn = torch.nn.functional.pad(drawn, (0, 0, 0, SIZE))[:, None].expand(-1, 2, -1, -1)
    array = torch.cat((move @ factor, both @ noise, drawn), -1)
    # what G depends on the quality by, its wander, is the same ratio for both
    mean = gamma.mean.unsqueeze(-1)
    shift = both[:, 0] @ (mean - gain[:, 0] @ mean)
    return BackwardLaw(move[:, 0], shift.squeeze(-1), tria(array))


def _reversed(
    gamma: LinearPrior,
    later: LinearPrior,
    control: Control,
    settings: MotionSettings,
    error: MapErrorSettings,
) -> tuple[Float64[Tensor, "B 2 8 8"], Float64[Tensor, "B 2 8 8"]]:
    """G, and the lower factor of Cov v, in l = mu + G (l' - mu) + v."""
    kept = motion.decay(control, settings)[:, None, :]
    sd, ratio = gamma.sd[..., :4], (gamma.sd[..., :4] / later.sd[..., :4]).square()
    gain, noise = torch.zeros(2, *gamma.sd.shape, SIZE, dtype=kept.dtype, device=kept.device)
    gain.diagonal(dim1=-2, dim2=-1)[..., :4] = kept * ratio
    rest = (1.0 - kept.square() * ratio).clamp_min(0.0).sqrt()
    noise.diagonal(dim1=-2, dim2=-1)[..., :4] = sd * rest
    if error.sd == 0.0:
        noise.diagonal(dim1=-2, dim2=-1)[..., 4:] = gamma.sd[..., 4:]
        return gain, noise
    # a stationary process read backwards is itself with the slope's sign turned
    both = torch.stack(map_error.transition(control.distance, error))  # (2, B, 2, 2)
    both = both * both.new_tensor([[1.0, -1.0], [-1.0, 1.0]])
    eye = torch.eye(2, dtype=both.dtype, device=both.device)
    for_axes = (both[..., :, None, :, None] * eye[:, None, :]).reshape(2, -1, 1, 4, 4)
    gain[..., 4:, 4:], noise[..., 4:, 4:] = for_axes
    if not error.turns:  # there is no slope, as far as a factor may say so
        noise.diagonal(dim1=-2, dim2=-1)[..., SLOPE] = LEAST_SD
    return gain, noise


def _said(control: Control) -> tuple[Float64[Tensor, "B 3 8"], Float64[Tensor, "B 3 8"]]:
    """D and D': what l and the later l', in the start's axes, do to g."""
    own = torch.nn.functional.pad(motion.coupling(control), (0, SIZE - 4))
    later = torch.zeros_like(own)
    eye = torch.eye(2, dtype=own.dtype, device=own.device)
    own[:, :2, OFFSET], later[:, :2, OFFSET] = -eye, eye
    forward, left, yaw = control.increment.to(own).unbind(-1)
    own[..., TURN] += torch.stack((left, -forward, -torch.ones_like(left)), -1)
    later[:, 2, SLOPE] = torch.stack((-yaw.sin(), yaw.cos()), -1)  # across the later heading
    return own, later


def _turning(control: Control) -> Float64[Tensor, "B 8 8"]:
    """Turns l from the axes at the step's end to those that odometry gives for its start."""
    yaw = control.increment[:, 2].double()
    cos, sin = yaw.cos(), yaw.sin()
    plane = torch.stack((cos, -sin, sin, cos), -1).view(-1, 2, 2)
    turn = torch.eye(SIZE, dtype=yaw.dtype, device=yaw.device).repeat(len(yaw), 1, 1)
    turn[:, OFFSET, OFFSET] = turn[:, SLOPE, SLOPE] = plane
    return turn
