"""The vehicle's shared-factor step against the generic filter bank (rbpf.md test v4)."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mdps_ros.core import kalman_bank
from mdps_ros.core.kalman_bank import Dynamics, GaussianBank
from mdps_ros.models import motion
from mdps_ros.models.motion import Control
from mdps_ros.settings import MotionSettings

F64 = torch.float64
SETTINGS = MotionSettings(
    forward_noise=0.05,
    lateral_noise=0.02,
    yaw_noise=0.002,
    yaw_noise_time=0.003,
    scale_sd=0.03,
    yaw_bias_sd=0.008,
    slip_sd=0.1,
    wander_sd=0.01,
    weak_share=0.0,
    wander_distance=50.0,
    scale_walk=3e-4,
    yaw_bias_walk=1e-4,
    slip_time=2.0,
)
STEPS, COUNT, PERIOD = 300, 40, 0.1


def control(step: int) -> Control:
    """A bend at 8 m/s with some braking."""
    length = 0.8 + 0.3 * math.sin(step / 20.0)
    turn = 0.02 * math.cos(step / 30.0)
    increment = torch.tensor([[length, 0.01 * length, turn]], dtype=F64)
    distance, dt = (torch.tensor([value], dtype=F64) for value in (length, PERIOD))
    return Control(increment, distance, dt)


def dynamics(pose: Tensor, given: Control, *, bias_sign: float = -1.0) -> Dynamics:
    """The model of rbpf.md 9.1 in the map frame, one set of matrices per particle (1, N, ...)."""
    forward, left, turn = given.increment[0].tolist()
    length, s = float(given.distance), SETTINGS
    cos, sin = pose[..., 2].cos(), pose[..., 2].sin()
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    B = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], -1)
    B = B.reshape(*pose.shape, 3)
    C = torch.tensor(
        [
            [forward, 0.0, 0.0, forward],
            [left, 0.0, PERIOD, left],
            [0.0, bias_sign * PERIOD, 0.0, 0.0],
        ],
        dtype=F64,
    )
    decay = [1.0, 1.0, math.exp(-PERIOD / s.slip_time), math.exp(-length / s.wander_distance)]
    yaw = math.hypot(s.yaw_noise * math.sqrt(length), s.yaw_noise_time * math.sqrt(PERIOD))
    pose_noise = torch.tensor(
        [s.forward_noise * math.sqrt(length), s.lateral_noise * math.sqrt(length), yaw], dtype=F64
    )
    walk = torch.tensor(
        [
            s.scale_walk * math.sqrt(PERIOD),
            s.yaw_bias_walk * math.sqrt(PERIOD),
            s.slip_sd * math.sqrt(1.0 - decay[2] ** 2),
            s.wander_sd * math.sqrt(1.0 - decay[3] ** 2),
        ],
        dtype=F64,
    )
    return Dynamics(
        pose + (B @ torch.tensor([forward, left, turn], dtype=F64)),
        B @ C,
        torch.zeros(4, dtype=F64),
        torch.diag(torch.tensor(decay, dtype=F64)),
        torch.cat([B * pose_noise, torch.zeros(1, COUNT, 3, 4, dtype=F64)], -1),
        torch.cat([torch.zeros(4, 3, dtype=F64), torch.diag(walk)], -1),
    )


def check_against_the_bank(*, bias_sign: float = -1.0) -> None:
    """300 steps: mean (in prior sds) and covariance of every particle within 1e-9, and the
    covariances of all particles equal."""
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(1, COUNT, 3, generator=generator, dtype=F64)
    state = motion.start_state(start, SETTINGS, generator)
    bank = GaussianBank(state.calibration, state.factor[:, :1].expand(-1, COUNT, -1, -1))
    scale = state.factor[0, 0].diagonal()
    for step in range(STEPS):
        given = control(step)
        matrices = dynamics(state.pose, given, bias_sign=bias_sign)
        state = motion.propagate(state, given, SETTINGS, generator)
        bank = kalman_bank.condition(bank, matrices, state.pose)[0].bank
        assert ((bank.mean - state.calibration) / scale).abs().max() < 1e-9
        covariance = bank.chol @ bank.chol.mT / scale / scale.unsqueeze(-1)
        shared = (state.factor @ state.factor.mT)[:, :1] / scale / scale.unsqueeze(-1)
        assert (covariance - shared).abs().max() < 1e-9
        assert (covariance - covariance[:, :1]).abs().max() < 1e-9


def test_v4_shared_factor_step_equals_the_generic_filter_bank() -> None:
    check_against_the_bank()


def test_v4_bank_with_the_wrong_sign_of_the_bias_fails() -> None:
    with pytest.raises(AssertionError):
        check_against_the_bank(bias_sign=1.0)
