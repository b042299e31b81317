"""The vehicle's own motion model on drives with position fixes, all drives at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.core import filtering
from mdps_ros.core.angles import circular_mean
from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.protocols import Resampler
from mdps_ros.core.resampling import EssTriggered, MixtureResampler
from mdps_ros.core.types import Belief, StepInputs
from mdps_ros.models import motion
from mdps_ros.models.motion import Control, VehicleState
from mdps_ros.settings import MotionSettings
from mdps_ros.sim.calibration_drives import CalibrationDrives, CalibrationScenario

START_SD_M, START_SD_RAD = 1.0, math.radians(3.0)
# At the start the pose, its neighbourhood's ghosts and all of z are open: more particles then.
START_S, START_FACTOR = 10.0, 5


@dataclass(frozen=True)
class FixModel:
    """The vehicle's motion with position fixes, of which some are outliers or ghosts."""

    settings: MotionSettings
    scenario: CalibrationScenario
    outlier_share: float

    def sample_initial(
        self,
        batch: int,
        count: int,
        prior: Float[Tensor, "B 1 3"],
        generator: torch.Generator,
    ) -> VehicleState:
        """Poses about `prior`, a start that is itself off by its standard deviation."""
        sds = prior.new_tensor([START_SD_M, START_SD_M, START_SD_RAD])
        shape = (batch, count, 3)
        noise = torch.randn(shape, generator=generator, dtype=prior.dtype)
        return motion.start_state(prior + sds * noise, self.settings, generator)

    def propagate(
        self, state: VehicleState, control: Control, dt_s: float, generator: torch.Generator
    ) -> VehicleState:
        """The vehicle's own motion model; the control holds the time."""
        del dt_s
        return motion.propagate(state, control, self.settings, generator)

    def update(
        self, state: VehicleState, measurement: Float[Tensor, "B C 2"]
    ) -> tuple[VehicleState, Float[Tensor, "B N"]]:
        """Weighs by the mixture of what each candidate may be: good, bad or a ghost."""
        position = state.pose[:, :, None, :2]
        square = (position - measurement[:, None]).square().sum(-1)
        share = self.outlier_share
        terms = [
            math.log(weight) - 0.5 * square / sd**2 - 2.0 * math.log(sd)
            for weight, sd in (
                (1.0 - share, self.scenario.fix_sd_m),
                (share, self.scenario.outlier_sd_m),
            )
        ]
        return state, torch.logsumexp(torch.cat(terms, -1), -1)


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A filter of the study.

    Attributes:
        settings: of the motion model.
        outlier_share: how many fixes the filter believes to be bad.
        bandwidth_m: of the resampling kernel.
        bandwidth_rad: the same for the yaw.
    """

    settings: MotionSettings
    outlier_share: float
    bandwidth_m: float
    bandwidth_rad: float

    def resampler(self) -> Resampler:
        """Mixture resampling, below half of the effective particles."""
        bandwidth = [self.bandwidth_m, self.bandwidth_m, self.bandwidth_rad**2]
        kernel = pose_kernel(torch.tensor(bandwidth, dtype=torch.float64))
        return EssTriggered(MixtureResampler(kernel), 0.5)


@dataclass(frozen=True)
class Track:
    """Estimates of R drives at T times.

    Attributes:
        pose: (R, T, 3) x m, y m, yaw rad.
        calibration: (R, 2) scale error and gyro bias rad/s at the end.
        calibration_sd: (R, 2) what the filter thinks of their errors.
    """

    pose: NDArray[np.float64]
    calibration: NDArray[np.float64]
    calibration_sd: NDArray[np.float64]


def true_noise(scenario: CalibrationScenario, factor: float) -> MotionSettings:
    """The motion model's settings that describe the scenario, pose noise scaled by `factor`.

    The model's noise grows with the square root of distance and time, the scenario's is per
    sample: they are matched at 8 m/s. One quality of odometry, no wander of the scale.
    """
    samples = 1.0 / scenario.period_s  # per second
    length = 8.0 * scenario.period_s  # m per sample
    forward = scenario.forward_noise_m + scenario.forward_noise_share * length
    return MotionSettings(
        forward_noise=factor * forward / math.sqrt(length),
        lateral_noise=factor * scenario.lateral_noise_m / math.sqrt(length),
        yaw_noise=0.0,
        yaw_noise_time=factor * scenario.yaw_noise_rad * math.sqrt(samples),
        scale_sd=0.03,
        yaw_bias_sd=math.radians(0.5),
        slip_sd=scenario.slip_sd_mps,
        slip_time=scenario.slip_time_s,
        wander_sd=0.0,
        weak_wander_sd=0.0,
        weak_share=0.0,
        scale_walk=1e-4 * math.sqrt(samples),
        yaw_bias_walk=math.radians(0.002) * math.sqrt(samples),
    )


def without_calibration(forward_noise: float, yaw_noise_time: float) -> MotionSettings:
    """A plain filter over the pose: nothing is known of z because z is nothing.

    What the odometer does wrong has to go into the noise.
    """
    return MotionSettings(
        forward_noise=forward_noise,
        lateral_noise=0.05,
        yaw_noise=0.0,
        yaw_noise_time=yaw_noise_time,
        scale_sd=0.0,
        yaw_bias_sd=0.0,
        slip_sd=0.0,
        wander_sd=0.0,
        weak_wander_sd=0.0,
        weak_share=0.0,
        scale_walk=0.0,
        yaw_bias_walk=0.0,
    )


def _start(drives: CalibrationDrives, generator: torch.Generator) -> Float[Tensor, "B 1 3"]:
    """Where the filters are told that the drives begin."""
    first = torch.as_tensor(drives.poses[:, :1].copy())
    sds = first.new_tensor([START_SD_M, START_SD_M, START_SD_RAD])
    return first + sds * torch.randn(first.shape, generator=generator, dtype=first.dtype)


def _control(drives: CalibrationDrives, step: int, period_s: float) -> Control:
    """The odometry from `step` to the next sample, along its arc."""
    distance = torch.as_tensor(drives.distance[:, step].copy())
    turn = torch.as_tensor(drives.turn[:, step].copy())
    chord = torch.stack([distance * (turn / 2).cos(), distance * (turn / 2).sin(), turn], -1)
    return Control(chord, distance.abs(), torch.full_like(distance, period_s))


def _pose_mean(belief: Belief) -> Float[Tensor, "B 3"]:
    weights = belief.log_weights.exp()
    pose = belief.state.pose
    position = (weights.unsqueeze(-1) * pose[..., :2]).sum(1)
    yaw = circular_mean(pose[..., 2], weights)
    return torch.cat([position, yaw.unsqueeze(-1)], -1)


def run(
    drives: CalibrationDrives,
    scenario: CalibrationScenario,
    tuning: Tuning,
    count: int,
    seed: int,
) -> Track:
    """The filter over all drives, which lie along the batch axis.

    Args:
        drives: what is measured, and where the drives start.
        scenario: of the drives.
        tuning: of the filter.
        count: particles N; `START_FACTOR` N for the first `START_S` seconds.
        seed: of the filter.
    """
    generator = torch.Generator().manual_seed(seed)
    model = FixModel(tuning.settings, scenario, tuning.outlier_share)
    resampler = tuning.resampler()
    start = _start(drives, generator)
    belief = filtering.init(model, start, len(start), START_FACTOR * count, generator)
    fixes = torch.as_tensor(drives.fixes)
    belief, _ = filtering.update(belief, fixes[:, 0], model)
    poses = [_pose_mean(belief)]
    for step in range(drives.distance.shape[1]):
        control = _control(drives, step, scenario.period_s)
        measured = fixes[:, step + 1] if scenario.has_fix(step + 1) else None
        inputs = StepInputs(control, scenario.period_s, measured)
        starting = (step + 1) * scenario.period_s < START_S
        wanted = START_FACTOR * count if starting else count
        belief, _ = filtering.step(belief, inputs, model, resampler, generator, wanted)
        poses.append(_pose_mean(belief))
    mean, sd = motion.calibration_moments(belief.state, belief.log_weights)
    return Track(
        pose=np.asarray(torch.stack(poses, 1).numpy()),
        calibration=np.asarray(mean[:, :2].numpy()),
        calibration_sd=np.asarray(sd[:, :2].numpy()),
    )


def node_settings() -> MotionSettings:
    """What the node uses when nothing is said, with starts wide enough for these drives."""
    return replace(MotionSettings(), scale_sd=0.03, yaw_bias_sd=math.radians(0.5))
