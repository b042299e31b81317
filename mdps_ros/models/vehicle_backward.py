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
from mdps_ros.core.resampling import stratified
from mdps_ros.core.se2 import rotate
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.types import MixtureBelief
from mdps_ros.models import motion
from mdps_ros.models.backward_law import (
    LEAST_SD,
    SCALE_BIAS,
    SIZE,
    WANDER,
    LinearPrior,
    backward_law,
)
from mdps_ros.models.map_error import slope_sd
from mdps_ros.models.motion import Control
from mdps_ros.settings import MapErrorSettings, MotionSettings

PoseScore: TypeAlias = "Callable[[Float[Tensor, 'B N 3']], Float[Tensor, 'B N'] | None]"
"""Poses on the map -> log-likelihood up to a constant; None where it cannot say."""


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
        gamma = self._earlier(state.prior, control)
        factor = state.factor.double()
        law = backward_law(gamma, state.prior, factor, control, self.motion, self.map_error)
        noise = torch.randn(pose.shape, generator=generator, device=pose.device, dtype=pose.dtype)
        drawn = motion.by_quality(law.factor[..., :3].to(pose), noise, quality)  # (B, N, 11)
        mean = torch.baddbmm(law.shift[:, None].to(pose), state.linear, law.move.mT.to(pose))
        error, linear = torch.split(mean + drawn, [3, SIZE], -1)
        increment = control.increment.to(pose)[:, None, :] + error
        yaw = pose[..., 2] - increment[..., 2]
        position = pose[..., :2] - rotate(yaw, increment[..., :2])
        return BackwardState(
            pose=torch.cat((position, yaw.unsqueeze(-1)), -1),
            linear=_rotated(linear, error[..., 2]),
            quality=quality,
            log_start=state.log_start,
            factor=law.factor[..., 3:, 3:].to(pose),
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
        offset, slope = self.map_error.sd, slope_sd(self.map_error)
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


def _changed(state: BackwardState, quality: Int[Tensor, "B N"]) -> BackwardState:
    """Particles that think anew of the odometry's quality forget how far its scale wandered.

    The wander of weak odometry is many deviations of gamma away for a good one: dividing by gamma
    there would let a few particles outweigh all others.
    """
    linear = state.linear.clone()
    linear[..., WANDER] = linear[..., WANDER].masked_fill(quality != state.quality, 0.0)
    return state._replace(linear=linear, quality=quality)


def _rotated(linear: Float[Tensor, "B N 8"], yaw: Float[Tensor, "B N"]) -> Float[Tensor, "B N 8"]:
    """Turn the offset and the slope in l."""
    pair = linear[..., 4:].reshape(*yaw.shape, 2, 2)  # offset, slope
    return torch.cat((linear[..., :4], rotate(yaw.unsqueeze(-1), pair).flatten(-2)), -1)
