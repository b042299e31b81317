"""The vehicle's motion backwards in time, for filters that know only the future.

The pose is taken as the map draws it, u = xi + o: measurements see nothing else. Then the map
offset o is linear-Gaussian beside the calibration z, and a particle is a pose u with the
conditional Gaussian of l = (z, o in the vehicle's axes). Forwards, with d the odometry's increment
and R the rotation by the heading,

    m   = C z + w                        w = (w_xy, w_yaw)
    u'  = u + R(yaw) (d_xy + m_xy) + (o' - o)
    yaw' = yaw + d_yaw + m_yaw
    z'  = A z + w_z,    o' = k o + w_o

Backwards it is the same law read the other way. Let the pose have a flat density and l a Gaussian
gamma that the motion keeps: o, slip and wander their stationary one; scale and bias, which walk,
one whose variance at the next time is that of this time plus the step's. Motions commute with
the flat density, so what happens in a step, seen from the vehicle, is independent of where the
step ends. By Bayes' rule on the pair (l, l')

    l  = mu + G (l' - mu) + v            G = diag(S a / S'), Cov v = S (1 - a^2 S / S')
    g  = C z + w + (o' - o, 0)           everything of the step that odometry did not say
    yaw = yaw' - (d_yaw + g_yaw)
    u   = u' - R(yaw) (d_xy + g_xy)

with a the decay and S, S' the variances of gamma now and at the next time. No sign of C flips: it
is the increment as a whole that is undone (adding g_yaw where it is to be taken away is the classic
mistake: the bias then turns the vehicle twice). g is drawn and l conditioned on it, so l stays
marginalised as in `motion`.

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
from mdps_ros.models import motion
from mdps_ros.models.motion import Control
from mdps_ros.settings import MapErrorSettings, MotionSettings

PoseScore: TypeAlias = "Callable[[Float[Tensor, 'B N 3']], Float[Tensor, 'B N'] | None]"
"""Poses on the map -> log-likelihood up to a constant; None where it cannot say."""

# A quantity that does not vary still needs a variance that can be inverted: m or pure numbers.
LEAST_SD = 1e-6
SCALE_BIAS = slice(0, 2)
WANDER = 3
OFFSET = slice(4, 6)


class LinearPrior(NamedTuple):
    """gamma, the artificial prior of l at one time: independent components.

    Attributes:
        mean: (B, 6) of (scale error, yaw-rate bias rad/s, slip m/s, scale wander, offset m, m).
        sd: (B, 2, 6) for each quality of odometry.
    """

    mean: Float[Tensor, "B 6"]
    sd: Float[Tensor, "B 2 6"]


class BackwardState(NamedTuple):
    """Particles of the backward filter: leaves with axes (B, N, ...) but for factor and prior.

    Attributes:
        pose: (B, N, 3) x m, y m, yaw rad as the map draws it.
        linear: (B, N, 6) conditional mean of l, see `LinearPrior`; offset forward m, left m.
        quality: (B, N) index of the odometry quality that the particle believes in.
        log_start: (B, N) log of the density that the particle's first ancestor was drawn from.
        factor: (B, 2, 6, 6) lower Cholesky factor of the conditional covariance per quality.
        prior: gamma at this time.
    """

    pose: Float[Tensor, "B N 3"]
    linear: Float[Tensor, "B N 6"]
    quality: Int[Tensor, "B N"]
    log_start: Float[Tensor, "B N"]
    factor: Float[Tensor, "B 2 6 6"]
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
        drawn = motion.by_quality(joint[..., :3].to(pose), noise, quality)  # (B, N, 9)
        linear = self._kept_mean(state, control, gamma)
        moved = linear[..., :4] @ motion.coupling(control).to(pose).mT
        offset_change = _turned(state.linear[..., OFFSET], control) - linear[..., OFFSET]
        error = moved + torch.nn.functional.pad(offset_change, (0, 1)) + drawn[..., :3]
        increment = control.increment.to(pose)[:, None, :] + error
        yaw = pose[..., 2] - increment[..., 2]
        position = pose[..., :2] - rotate(yaw, increment[..., :2])
        linear = linear + drawn[..., 3:]
        offset = rotate(error[..., 2], linear[..., OFFSET])
        return BackwardState(
            pose=torch.cat((position, yaw.unsqueeze(-1)), -1),
            linear=torch.cat((linear[..., :4], offset), -1),
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
        steady = mean.new_tensor(
            [
                [settings.slip_sd, wander, self.map_error.sd, self.map_error.sd]
                for wander in (settings.wander_sd, settings.weak_wander_sd)
            ]
        )
        shape = (mean.shape[0], 2, -1)
        sd = torch.cat((walking[:, None, :].expand(shape), steady.expand(shape[0], 2, 4)), -1)
        return LinearPrior(torch.nn.functional.pad(mean, (0, 4)), sd.clamp_min(LEAST_SD))

    def _decay(self, control: Control) -> Float[Tensor, "B 6"]:
        """How much of each component a step keeps."""
        offset = torch.exp(-control.distance.double() / self.map_error.distance)[:, None]
        return torch.cat((motion.decay(control, self.motion), offset, offset), -1)

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
    ) -> tuple[LinearPrior, Float[Tensor, "B 2 9 9"]]:
        """The prior at t, and the lower factor of the covariance of (g, l) given the future."""
        gamma = self._earlier(state.prior, control)
        gain, noise = self._reversed(gamma, state.prior, control)
        couple = torch.nn.functional.pad(motion.coupling(control), (0, 2))
        lift = couple.new_zeros(3, 6)
        lift[:2, OFFSET] = torch.eye(2, dtype=couple.dtype, device=couple.device)
        seen = (couple - lift)[:, None]  # of l in g; l' adds its offset
        factor = _turned_factor(state.factor.double(), control)
        array = factor.new_zeros(*factor.shape[:2], 9, 15)
        array[..., :3, :6] = (seen * gain[..., None, :] + lift) @ factor
        array[..., :3, 6:12] = seen * noise[..., None, :]
        array[..., :3, 12:] = torch.diag_embed(motion.pose_noise(control, self.motion))[:, None]
        array[..., 3:, :6] = gain[..., None] * factor
        array[..., 3:, 6:12] = torch.diag_embed(noise)
        return gamma, tria(array)

    def _reversed(
        self, gamma: LinearPrior, later: LinearPrior, control: Control
    ) -> tuple[Float[Tensor, "B 2 6"], Float[Tensor, "B 2 6"]]:
        """G and the standard deviation of v in l = mu + G (l' - mu) + v."""
        kept = self._decay(control)[:, None, :]
        ratio = gamma.sd.square() / later.sd.square()
        return kept * ratio, gamma.sd * (1.0 - kept.square() * ratio).clamp_min(0.0).sqrt()

    def _kept_mean(
        self, state: BackwardState, control: Control, gamma: LinearPrior
    ) -> Float[Tensor, "B N 6"]:
        """E[l | future] = mu + G (l' - mu), in the axes that odometry gives for the start."""
        gain, _ = self._reversed(gamma, state.prior, control)
        # what G depends on the quality by, its wander, is the same ratio for both
        gain = gain[:, :1].to(state.pose)
        mean = gamma.mean.to(state.pose)[:, None, :]
        offset = _turned(state.linear[..., OFFSET], control)
        return mean + gain * (torch.cat((state.linear[..., :4], offset), -1) - mean)


def _changed(state: BackwardState, quality: Int[Tensor, "B N"]) -> BackwardState:
    """Particles that think anew of the odometry's quality forget how far its scale wandered.

    The wander of weak odometry is many deviations of gamma away for a good one: dividing by gamma
    there would let a few particles outweigh all others.
    """
    linear = state.linear.clone()
    linear[..., WANDER] = linear[..., WANDER].masked_fill(quality != state.quality, 0.0)
    return state._replace(linear=linear, quality=quality)


def _turned(offset: Float[Tensor, "B N 2"], control: Control) -> Float[Tensor, "B N 2"]:
    """Vectors in the axes at the step's end, in those that odometry gives for its start."""
    return rotate(control.increment[:, 2:].to(offset).expand(offset.shape[:2]), offset)


def _turned_factor(factor: Float[Tensor, "B 2 6 6"], control: Control) -> Float[Tensor, "B 2 6 6"]:
    """The same for the rows of a factor; it need not stay triangular."""
    rows = factor[..., OFFSET, :].mT  # (B, 2, 6, 2)
    yaw = control.increment[:, 2].to(factor)[:, None, None].expand(rows.shape[:-1])
    return torch.cat((factor[..., :4, :], rotate(yaw, rows).mT), -2)
