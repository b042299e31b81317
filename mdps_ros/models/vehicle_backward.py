"""The vehicle's motion backwards in time, for filters that know only the future.

The pose is taken as the map draws it, u = xi + (o, t): measurements see nothing else. Then the
map's offset o and its slope q, of which t is the part across the heading (`map_error`), are
linear-Gaussian beside the calibration z, and a particle is a pose u with the conditional Gaussian
of l = (z, o, q), o and q in the vehicle's axes. Forwards, with d the odometry's increment and R the
rotation by the heading on the map yaw,

    m   = C z + w                        w = (w_xy, w_yaw)
    u'  = u + R(yaw) (d_xy + m_xy + t (d_y, -d_x)) + (o' - o)
    yaw' = yaw + d_yaw + m_yaw + t' - t
    z'  = A z + w_z,    (o, q)' = A_o (o, q) + w_o

where t (d_y, -d_x) turns the increment to the heading on Earth, to first order.

Backwards it is the same law read the other way. Let the pose have a flat density and l a Gaussian
gamma that the motion keeps: o, q, slip and wander their stationary one; scale and bias, which walk,
one whose variance at the next time is that of this time plus the step's. Motions commute with
the flat density, so what happens in a step, seen from the vehicle, is independent of where the
step ends. By Bayes' rule on the pair (l, l')

    l  = mu + G (l' - mu) + v            G = S A^T / S',  Cov v = S - G S' G^T
    g  = D l + D' l' + w                 everything of the step that odometry did not say
    yaw = yaw' - (d_yaw + g_yaw)
    u   = u' - R(yaw) (d_xy + g_xy)

with S, S' the variances of gamma now and at the next time. No sign of C flips: it is the increment
as a whole that is undone (adding g_yaw where it is to be taken away is the classic mistake: the
bias then turns the vehicle twice). g is drawn and l conditioned on it, so l stays marginalised as
in `motion`.

A factor that all particles of a quality share needs one rotation from the axes at the step's end to
those at its start. It is that of the odometry; means turn by what was drawn. The two differ by
g_yaw, some milliradians, and a rotation leaves the stationary covariance as it is.

Source: Briers, Doucet and Maskell, Annals of the Institute of Statistical Mathematics 62, 2010,
section 3 for the artificial prior gamma, which `vehicle_smoothing` divides out again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core import mixture
from mdps_ros.core.kalman import tria
from mdps_ros.core.resampling import stratified
from mdps_ros.core.se2 import rotate
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.types import MixtureBelief
from mdps_ros.models import map_error, motion
from mdps_ros.models.motion import Control
from mdps_ros.settings import MapErrorSettings, MotionSettings

PoseScore: TypeAlias = "Callable[[Float[Tensor, 'B N 3']], Float[Tensor, 'B N'] | None]"
"""Poses on the map -> log-likelihood up to a constant; None where it cannot say."""

# A quantity that does not vary still needs a variance that can be inverted: m or pure numbers.
LEAST_SD = 1e-6
SCALE_BIAS = slice(0, 2)
WANDER = 3
OFFSET = slice(4, 6)
SLOPE = slice(6, 8)
TURN = 7  # the slope across the heading is the map's turn
SIZE = 8


class LinearPrior(NamedTuple):
    """gamma, the artificial prior of l at one time: independent components.

    Attributes:
        mean: (B, 8) of (scale error, yaw-rate bias rad/s, slip m/s, scale wander, offset m, m,
            slope, slope).
        sd: (B, 2, 8) for each quality of odometry.
    """

    mean: Float[Tensor, "B 8"]
    sd: Float[Tensor, "B 2 8"]


class BackwardState(NamedTuple):
    """Particles of the backward filter: leaves with axes (B, N, ...) but for factor and prior.

    Attributes:
        pose: (B, N, 3) x m, y m, yaw rad as the map draws it.
        linear: (B, N, 8) conditional mean of l, see `LinearPrior`; offset and slope forward, left.
        quality: (B, N) index of the odometry quality that the particle believes in.
        log_start: (B, N) log of the density that the particle's first ancestor was drawn from.
        factor: (B, 2, 8, 8) lower Cholesky factor of the conditional covariance per quality.
        prior: gamma at this time.
    """

    pose: Float[Tensor, "B N 3"]
    linear: Float[Tensor, "B N 8"]
    quality: Int[Tensor, "B N"]
    log_start: Float[Tensor, "B N"]
    factor: Float[Tensor, "B 2 8 8"]
    prior: LinearPrior

    def gather_particles(self, index: Int[Tensor, "B M"]) -> BackwardState:
        """The particles at the given indices, (B, M, ...); factors and prior are shared."""
        return self._replace(
            pose=gather_axis(self.pose, index),
            linear=gather_axis(self.linear, index),
            quality=gather_axis(self.quality, index),
            log_start=gather_axis(self.log_start, index),
        )


class BackwardStart(NamedTuple):
    """Where a backward filter begins.

    Attributes:
        source: density over poses on the map that the first particles are drawn from; it should
            cover the forward filter's belief at that time, and is divided out in the end.
        walking_mean: (B, 2) centre of gamma for scale and bias.
        walking_sd: (B, 2) its spread at the end of the walk backwards, where it is least.
        horizon_s: s, the longest walk backwards.
    """

    source: MixtureBelief
    walking_mean: Float[Tensor, "B 2"]
    walking_sd: Float[Tensor, "B 2"]
    horizon_s: float


@dataclass(frozen=True)
class BackwardVehicleModel:
    """`vehicle.VehicleModel` from t + 1 to t (core.protocols.StateSpaceModel).

    Measurements are `PoseScore`s; weights of looks are their own affair.
    """

    motion: MotionSettings
    map_error: MapErrorSettings

    def sample_initial(
        self, batch: int, count: int, prior: BackwardStart, generator: torch.Generator
    ) -> BackwardState:
        """Poses from `prior.source`, l from gamma; the log-density of each draw is kept.

        Raises:
            ValueError: the prior has another number of batch rows.
        """
        rows = prior.source.poses.shape[0]
        if rows != batch:
            raise ValueError(f"a start for {rows} rows cannot begin {batch}; give one of that many")
        pose, _ = mixture.sample(prior.source, count, stratified, generator)
        gamma = self._prior(prior)
        chance = torch.rand(pose.shape[:2], generator=generator, device=pose.device)
        return BackwardState(
            pose=pose,
            linear=gamma.mean.to(pose)[:, None, :].expand(-1, count, -1),
            quality=(chance < self.motion.weak_share).long(),
            log_start=mixture.log_prob(prior.source, pose),
            factor=torch.diag_embed(gamma.sd).to(pose),
            prior=gamma,
        )

    def propagate(
        self, state: BackwardState, control: Control, dt_s: float, generator: torch.Generator
    ) -> BackwardState:
        """Draws x_t given x_t+1; `control` is what the forward filter had for the same motion."""
        del dt_s
        quality = motion.redraw_quality(state.quality, control, self.motion, generator)
        state, pose = _changed(state, quality), state.pose
        gamma, joint = self._step(state, control)
        noise = torch.randn(pose.shape, generator=generator, device=pose.device, dtype=pose.dtype)
        drawn = motion.by_quality(joint[..., :3].to(pose), noise, quality)  # (B, N, 11)
        linear = self._kept_mean(state, control, gamma)
        own, later = (part.to(pose) for part in _said(control))
        error = linear @ own.mT + _turned(state.linear, control) @ later.mT + drawn[..., :3]
        increment = control.increment.to(pose)[:, None, :] + error
        yaw = pose[..., 2] - increment[..., 2]
        position = pose[..., :2] - rotate(yaw, increment[..., :2])
        return BackwardState(
            pose=torch.cat((position, yaw.unsqueeze(-1)), -1),
            linear=_rotated(linear + drawn[..., 3:], error[..., 2]),
            quality=quality,
            log_start=state.log_start,
            factor=joint[..., 3:, 3:].to(pose),
            prior=gamma,
        )

    def update(
        self, state: BackwardState, measurement: PoseScore
    ) -> tuple[BackwardState, Float[Tensor, "B N"]]:
        """The state as it came and what the measurement says of its poses."""
        score = measurement(state.pose)
        return state, torch.zeros_like(state.pose[..., 0]) if score is None else score

    def _prior(self, start: BackwardStart) -> LinearPrior:
        """The artificial prior where the walk backwards begins."""
        settings, mean = self.motion, start.walking_mean.double()
        walk = mean.new_tensor([settings.scale_walk, settings.yaw_bias_walk])
        walking = (start.walking_sd.double().square() + start.horizon_s * walk.square()).sqrt()
        offset, slope = self.map_error.sd, self.map_error.sd / self.map_error.distance
        steady = mean.new_tensor(
            [
                [settings.slip_sd, wander, offset, offset, slope, slope]
                for wander in (settings.wander_sd, settings.weak_wander_sd)
            ]
        )
        shape = (mean.shape[0], 2, -1)
        sd = torch.cat((walking[:, None, :].expand(shape), steady.expand(shape[0], 2, 6)), -1)
        return LinearPrior(torch.nn.functional.pad(mean, (0, SIZE - 2)), sd.clamp_min(LEAST_SD))

    def _earlier(self, gamma: LinearPrior, control: Control) -> LinearPrior:
        """The artificial prior one step earlier: what walks forwards was less spread.

        Raises:
            ValueError: the walk has come to the end of the start's horizon.
        """
        settings = self.motion
        walk = gamma.sd.new_tensor([settings.scale_walk, settings.yaw_bias_walk])
        step = control.dt.double()[:, None, None] * walk.square()
        variance = gamma.sd.square()
        left = variance[..., SCALE_BIAS] - step
        if bool((left <= 0.0).any()):
            raise ValueError("the walk backwards is longer than its horizon; start it with more")
        return gamma._replace(sd=torch.cat((left, variance[..., 2:]), -1).sqrt())

    def _step(
        self, state: BackwardState, control: Control
    ) -> tuple[LinearPrior, Float[Tensor, "B 2 11 11"]]:
        """The prior at t, and the lower factor of the covariance of (g, l) given the future."""
        gamma = self._earlier(state.prior, control)
        gain, noise = self._reversed(gamma, state.prior, control)
        own, later = (part[:, None] for part in _said(control))
        factor = torch.stack(
            [_turned(part.mT, control).mT for part in state.factor.double().unbind(1)], 1
        )
        array = factor.new_zeros(*factor.shape[:2], 3 + SIZE, 2 * SIZE + 3)
        array[..., :3, :SIZE] = (own @ gain + later) @ factor
        array[..., :3, SIZE : 2 * SIZE] = own @ noise
        array[..., :3, 2 * SIZE :] = torch.diag_embed(motion.pose_noise(control, self.motion))[
            :, None
        ]
        array[..., 3:, :SIZE] = gain @ factor
        array[..., 3:, SIZE : 2 * SIZE] = noise
        return gamma, tria(array)

    def _reversed(
        self, gamma: LinearPrior, later: LinearPrior, control: Control
    ) -> tuple[Float[Tensor, "B 2 8 8"], Float[Tensor, "B 2 8 8"]]:
        """G, and the lower factor of Cov v, in l = mu + G (l' - mu) + v."""
        kept = motion.decay(control, self.motion)[:, None, :]
        sd, ratio = gamma.sd[..., :4], (gamma.sd / later.sd)[..., :4].square()
        gain, noise = torch.zeros(2, *gamma.sd.shape, SIZE, dtype=kept.dtype, device=kept.device)
        gain[..., :4, :4] = torch.diag_embed(kept * ratio)
        rest = (1.0 - kept.square() * ratio).clamp_min(0.0).sqrt()
        noise[..., :4, :4] = torch.diag_embed(sd * rest)
        if self.map_error.sd == 0.0:
            noise[..., 4:, 4:] = torch.diag_embed(gamma.sd[..., 4:])
            return gain, noise
        # a stationary process read backwards is itself with the slope's sign turned
        turn = kept.new_tensor([1.0, -1.0])
        forwards, root = map_error.transition(control.distance, self.map_error)
        for axis in (0, 1):
            block = (..., slice(4 + axis, SIZE, 2), slice(4 + axis, SIZE, 2))
            gain[block] = (turn[:, None] * forwards * turn)[:, None]
            noise[block] = (turn[:, None] * root * turn)[:, None]
        return gain, noise

    def _kept_mean(
        self, state: BackwardState, control: Control, gamma: LinearPrior
    ) -> Float[Tensor, "B N 8"]:
        """E[l | future] = mu + G (l' - mu), in the axes that odometry gives for the start."""
        gain, _ = self._reversed(gamma, state.prior, control)
        # what G depends on the quality by, its wander, is the same ratio for both
        mean = gamma.mean.to(state.pose)[:, None, :]
        return mean + (_turned(state.linear, control) - mean) @ gain[:, 0].to(state.pose).mT


def _said(control: Control) -> tuple[Float[Tensor, "B 3 8"], Float[Tensor, "B 3 8"]]:
    """D and D': what l and the later l', in the start's axes, do to g."""
    own = torch.nn.functional.pad(motion.coupling(control), (0, SIZE - 4))
    later = torch.zeros_like(own)
    eye = torch.eye(2, dtype=own.dtype, device=own.device)
    own[:, :2, OFFSET], later[:, :2, OFFSET] = -eye, eye
    forward, left, yaw = control.increment.to(own).unbind(-1)
    own[:, 0, TURN], own[:, 1, TURN], own[:, 2, TURN] = left, -forward, -1.0
    later[:, 2, SLOPE] = torch.stack((-yaw.sin(), yaw.cos()), -1)  # across the later heading
    return own, later


def _changed(state: BackwardState, quality: Int[Tensor, "B N"]) -> BackwardState:
    """Particles that think anew of the odometry's quality forget how far its scale wandered.

    The wander of weak odometry is many deviations of gamma away for a good one: dividing by gamma
    there would let a few particles outweigh all others.
    """
    linear = state.linear.clone()
    linear[..., WANDER] = linear[..., WANDER].masked_fill(quality != state.quality, 0.0)
    return state._replace(linear=linear, quality=quality)


def _turned(linear: Float[Tensor, "B N 8"], control: Control) -> Float[Tensor, "B N 8"]:
    """Turn l from the axes at the step's end to those that odometry gives for its start."""
    return _rotated(linear, control.increment[:, 2:].to(linear).expand(linear.shape[:2]))


def _rotated(linear: Float[Tensor, "B N 8"], yaw: Float[Tensor, "B N"]) -> Float[Tensor, "B N 8"]:
    """Turn the offset and the slope in l."""
    offset, slope = (rotate(yaw, linear[..., part]) for part in (OFFSET, SLOPE))
    return torch.cat((linear[..., :4], offset, slope), -1)
