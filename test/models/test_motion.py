"""Odometry motion with self-calibration against textbook Kalman conditioning.

The oracle is written in numpy from the model alone: for each quality the joint Gaussian of the
body-frame error m and the calibration z' after the motion, conditioned on the m that was drawn.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.core import filtering
from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.resampling import EssTriggered, MixtureResampler
from mdps_ros.core.types import StepInputs
from mdps_ros.models import motion
from mdps_ros.models.motion import Control, VehicleState
from mdps_ros.models.prior import PosePrior
from mdps_ros.models.vehicle import VehicleModel
from mdps_ros.settings import MapErrorSettings, MotionSettings

F64 = torch.float64
SETTINGS = MotionSettings(
    forward_noise=0.11,
    lateral_noise=0.06,
    yaw_noise=0.004,
    yaw_noise_time=0.002,
    scale_sd=0.03,
    yaw_bias_sd=0.004,
    slip_sd=0.07,
    wander_sd=0.012,
    weak_wander_sd=0.06,
    weak_share=0.4,
    wander_distance=50.0,
    scale_walk=0.0007,
    yaw_bias_walk=0.0002,
    slip_time=1.7,
)
BATCH, COUNT = 2, 6


def control(increments: list[list[float]], distances: list[float], times: list[float]) -> Control:
    return Control(
        increment=torch.tensor(increments, dtype=F64),
        distance=torch.tensor(distances, dtype=F64),
        dt=torch.tensor(times, dtype=F64),
    )


MOVING = control([[2.1, -0.3, 0.2], [0.7, 0.4, -0.5]], [2.3, 0.9], [0.4, 0.3])
RESTING = control([[0.0, 0.0, 0.01], [0.0, 0.0, 0.0]], [0.0, 0.0], [0.5, 0.0])


def random_state(seed: int, count: int = COUNT) -> VehicleState:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=F64)

    sds = torch.tensor([0.03, 0.004, 0.07, 0.02], dtype=F64)
    return VehicleState(
        pose=normal(BATCH, count, 3) * torch.tensor([50.0, 50.0, 3.0], dtype=F64),
        calibration=normal(BATCH, count, 4) * sds,
        quality=torch.arange(count).remainder(2).expand(BATCH, count).contiguous(),
        factor=sds[:, None] * torch.linalg.cholesky(_correlations(normal(BATCH, 2, 4, 4))),
        map_offset=normal(BATCH, count, 2),
        map_slope=normal(BATCH, count, 2),
    )


def _correlations(root: Tensor) -> Tensor:
    covariance = root @ root.mT + 0.5 * torch.eye(4, dtype=F64)
    sd = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    return covariance / sd[..., None] / sd[..., None, :]


class Joint(NamedTuple):
    """m = C z + w, z' = A z + w_z of one batch row and quality, as plain matrices."""

    C: NDArray[np.float64]
    A: NDArray[np.float64]
    Q: NDArray[np.float64]
    Q_z: NDArray[np.float64]


def joint(given: Control, row: int, quality: int, *, bias_sign: float = -1.0) -> Joint:
    """The model's matrices, from its description."""
    forward, left, _ = given.increment[row].tolist()
    distance, dt = float(given.distance[row]), float(given.dt[row])
    s = SETTINGS
    slip_time = dt if distance > 0 else 0.0
    C = np.array(
        [
            [forward, 0.0, 0.0, forward],
            [left, 0.0, slip_time, left],
            [0.0, bias_sign * dt, 0.0, 0.0],
        ]
    )
    A = np.diag([1.0, 1.0, math.exp(-dt / s.slip_time), math.exp(-distance / s.wander_distance)])
    yaw = s.yaw_noise**2 * distance + s.yaw_noise_time**2 * dt
    Q = np.diag([s.forward_noise**2 * distance, s.lateral_noise**2 * distance, yaw])
    wander = (s.wander_sd, s.weak_wander_sd)[quality]
    Q_z = np.diag(
        [
            s.scale_walk**2 * dt,
            s.yaw_bias_walk**2 * dt,
            s.slip_sd**2 * (1 - A[2, 2] ** 2),
            wander**2 * (1 - A[3, 3] ** 2),
        ]
    )
    return Joint(C, A, Q, Q_z)


def drawn_error(before: VehicleState, after: VehicleState, given: Control) -> Tensor:
    """(B, N, 3) body-frame error of the increment that the poses show."""
    step = after.pose - before.pose
    cos, sin = before.pose[..., 2].cos(), before.pose[..., 2].sin()
    body = torch.stack(
        (
            cos * step[..., 0] + sin * step[..., 1],
            -sin * step[..., 0] + cos * step[..., 1],
            step[..., 2],
        ),
        -1,
    )
    return body - given.increment[:, None, :]


def check_conditioning(given: Control, *, bias_sign: float = -1.0, tolerance: float = 1e-9) -> None:
    """Mean and covariance after the step equal E[z' | m], Cov[z' | m] of the joint Gaussian."""
    before = random_state(1)
    after = motion.propagate(before, given, SETTINGS, torch.Generator().manual_seed(2))
    errors = drawn_error(before, after, given).numpy()
    for row in range(BATCH):
        for quality in (0, 1):
            C, A, Q, Q_z = joint(given, row, quality, bias_sign=bias_sign)
            S = before.factor[row, quality].numpy()
            P = S @ S.T
            innovation = C @ P @ C.T + Q
            gain = A @ P @ C.T @ np.linalg.pinv(innovation, rcond=1e-12, hermitian=True)
            covariance = A @ P @ A.T + Q_z - gain @ innovation @ gain.T
            new = after.factor[row, quality].numpy()
            np.testing.assert_allclose(new @ new.T, covariance, atol=tolerance)
            for particle in (before.quality[row] == quality).nonzero().squeeze(-1).tolist():
                z = before.calibration[row, particle].numpy()
                mean = A @ z + gain @ (errors[row, particle] - C @ z)
                np.testing.assert_allclose(
                    after.calibration[row, particle].numpy(), mean, atol=tolerance
                )


def test_propagation_equals_kalman_conditioned_on_the_drawn_error() -> None:
    check_conditioning(MOVING)


def test_propagation_at_rest_equals_kalman_and_draws_nothing_of_what_rest_does_not_show() -> None:
    """Where m says nothing of z, z must stay marginalised: it is neither drawn nor pinned."""
    check_conditioning(RESTING, tolerance=1e-8)


def test_motion_without_noise_of_its_own_equals_kalman(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = replace(
        SETTINGS, forward_noise=0.0, lateral_noise=0.0, yaw_noise=0.0, yaw_noise_time=0.0
    )
    monkeypatch.setattr(f"{__name__}.SETTINGS", quiet)
    straight = control([[2.0, 0.0, 0.0], [1.0, 0.0, 0.0]], [2.0, 1.0], [0.0, 0.0])
    check_conditioning(straight, tolerance=1e-7)


def test_wrong_sign_of_the_bias_coupling_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    right = motion.coupling

    def flipped(given: Control) -> Tensor:
        return right(given) * torch.tensor([1.0, -1.0, 1.0, 1.0], dtype=F64)

    monkeypatch.setattr(motion, "coupling", flipped)
    check_conditioning(MOVING, bias_sign=1.0)
    with pytest.raises(AssertionError):
        check_conditioning(MOVING)


def check_drawn_moments(*, bias_sign: float = -1.0) -> None:
    """Mean and covariance of 200 000 drawn increments per quality, within 5 standard errors."""
    count = 200_000
    start = random_state(3, 2)
    z = start.calibration[:, :1]
    for quality in (0, 1):
        before = VehicleState(
            pose=torch.tensor([3.0, -2.0, 0.7], dtype=F64).expand(BATCH, count, 3),
            calibration=z.expand(BATCH, count, 4),
            quality=torch.full((BATCH, count), quality),
            factor=start.factor,
            map_offset=torch.zeros(BATCH, count, 2, dtype=F64),
            map_slope=torch.zeros(BATCH, count, 2, dtype=F64),
        )
        after = motion.propagate(before, MOVING, SETTINGS, torch.Generator().manual_seed(4))
        errors = drawn_error(before, after, MOVING).numpy()
        for row in range(BATCH):
            C, _, Q, _ = joint(MOVING, row, quality, bias_sign=bias_sign)
            S = start.factor[row, quality].numpy()
            covariance = C @ S @ S.T @ C.T + Q
            variances = np.diag(covariance)
            off = np.abs(errors[row].mean(0) - C @ z[row, 0].numpy())
            assert (off < 5 * np.sqrt(variances / count)).all(), (quality, row, off)
            error = np.sqrt((np.outer(variances, variances) + covariance**2) / count)
            assert (np.abs(np.cov(errors[row].T) - covariance) < 5 * error).all(), (quality, row)


def test_drawn_increments_have_the_closed_form_moments() -> None:
    check_drawn_moments()


def test_drawn_increments_with_the_wrong_sign_of_the_bias_fail() -> None:
    with pytest.raises(AssertionError):
        check_drawn_moments(bias_sign=1.0)


def test_mean_and_covariance_of_the_calibration_are_kept_by_the_law_of_total_variance() -> None:
    """Before a measurement nothing is learnt: the mixture's z' is N(A z, A P A' + Q_z)."""
    count = 200_000
    before = random_state(5, 2)
    wide = VehicleState(
        pose=torch.zeros(BATCH, count, 3, dtype=F64),
        calibration=torch.zeros(BATCH, count, 4, dtype=F64),
        quality=torch.zeros(BATCH, count, dtype=torch.long),
        factor=before.factor,
        map_offset=torch.zeros(BATCH, count, 2, dtype=F64),
        map_slope=torch.zeros(BATCH, count, 2, dtype=F64),
    )
    after = motion.propagate(wide, MOVING, SETTINGS, torch.Generator().manual_seed(6))
    mean, sd = motion.calibration_moments(
        after, torch.full((BATCH, count), -math.log(count), dtype=F64)
    )
    for row in range(BATCH):
        _, A, _, Q_z = joint(MOVING, row, 0)
        S = before.factor[row, 0].numpy()
        variances = np.diag(A @ S @ S.T @ A.T + Q_z)
        assert (np.abs(mean[row].numpy()) < 5 * np.sqrt(variances / count)).all()
        relative = np.abs(sd[row].numpy() ** 2 / variances - 1)
        assert (relative < 5 * np.sqrt(2 / count)).all(), relative


def test_moments_of_the_calibration_mix_both_qualities() -> None:
    """Two particles with weights 1/4 (good) and 3/4 (weak), by hand."""
    factor = torch.diag_embed(torch.tensor([[[1.0] * 4, [2.0] * 4]], dtype=F64))
    state = VehicleState(
        pose=torch.zeros(1, 2, 3, dtype=F64),
        calibration=torch.tensor([[[0.0] * 4, [4.0] * 4]], dtype=F64),
        quality=torch.tensor([[0, 1]]),
        factor=factor,
        map_offset=torch.zeros(1, 2, 2, dtype=F64),
        map_slope=torch.zeros(1, 2, 2, dtype=F64),
    )
    mean, sd = motion.calibration_moments(state, torch.tensor([[0.25, 0.75]], dtype=F64).log())
    torch.testing.assert_close(mean, torch.full((1, 4), 3.0, dtype=F64))
    variance = 0.25 * 9 + 0.75 * 1 + 0.25 * 1 + 0.75 * 4
    torch.testing.assert_close(sd, torch.full((1, 4), variance**0.5, dtype=F64))


def test_start_draws_the_share_of_weak_odometry_and_the_prior_factors() -> None:
    count = 40_000
    state = motion.start_state(
        torch.zeros(1, count, 3, dtype=F64), SETTINGS, torch.Generator().manual_seed(7)
    )
    share = state.quality.double().mean().item()
    assert abs(share - 0.4) < 5 * math.sqrt(0.4 * 0.6 / count)
    assert not state.calibration.any()
    for quality, wander in enumerate((SETTINGS.wander_sd, SETTINGS.weak_wander_sd)):
        expected = torch.diag(
            torch.tensor([SETTINGS.scale_sd, SETTINGS.yaw_bias_sd, SETTINGS.slip_sd, wander])
        )
        torch.testing.assert_close(state.factor[0, quality].float(), expected)


def test_at_rest_nothing_slips_and_only_the_heading_may_drift() -> None:
    before = random_state(8)
    after = motion.propagate(before, RESTING, SETTINGS, torch.Generator().manual_seed(9))
    torch.testing.assert_close(after.pose[..., :2], before.pose[..., :2], atol=1e-4, rtol=0)
    slip = before.calibration[..., 2] * torch.exp(-RESTING.dt / SETTINGS.slip_time)[:, None]
    assert (after.pose[0, :, 2] - before.pose[0, :, 2]).std() > 1e-4
    torch.testing.assert_close(after.pose[1], before.pose[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(after.calibration[1, :, 2], slip[1], atol=1e-6, rtol=0)


def test_many_rests_leave_the_calibration_as_uncertain_as_it_was() -> None:
    state = random_state(10)
    still = control([[0.0] * 3] * BATCH, [0.0] * BATCH, [0.0] * BATCH)
    rested = state
    generator = torch.Generator().manual_seed(11)
    for _ in range(20):
        rested = motion.propagate(rested, still, SETTINGS, generator)
    torch.testing.assert_close(rested.calibration, state.calibration, atol=1e-9, rtol=0)
    torch.testing.assert_close(
        rested.factor @ rested.factor.mT, state.factor @ state.factor.mT, atol=1e-12, rtol=0
    )


def test_gather_takes_particles_and_keeps_the_factor_shared() -> None:
    state = random_state(12)
    index = torch.tensor([[5, 0, 0], [1, 2, 4]])
    taken = state.gather_particles(index)
    assert taken.factor is state.factor
    for row in range(BATCH):
        assert torch.equal(taken.pose[row], state.pose[row, index[row]])
        assert torch.equal(taken.calibration[row], state.calibration[row, index[row]])
        assert torch.equal(taken.quality[row], state.quality[row, index[row]])


def test_propagation_changes_none_of_its_inputs() -> None:
    state = random_state(13)
    copies = [leaf.clone() for leaf in (*state, *MOVING)]
    motion.propagate(state, MOVING, SETTINGS, torch.Generator().manual_seed(14))
    for leaf, copy in zip((*state, *MOVING), copies, strict=True):
        assert torch.equal(leaf, copy)


def test_equal_generators_give_equal_poses_and_other_seeds_do_not() -> None:
    state = random_state(15)
    runs = [
        motion.propagate(state, MOVING, SETTINGS, torch.Generator().manual_seed(seed)).pose
        for seed in (16, 16, 17)
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def learnt_calibration(*, bias_sign: float = 1.0) -> tuple[Tensor, Tensor]:
    """Mean and sd of (scale, bias) after 300 steps with position fixes of 0.3 m.

    The odometer sees distances that are 4 % short and a gyroscope that turns 0.01 rad/s too fast.
    """
    scale, bias, dt, steps = 0.04, 0.01, 0.5, 300
    settings = MotionSettings(
        forward_noise=0.05, lateral_noise=0.02, yaw_noise=0.002, yaw_noise_time=0.001,
        scale_sd=0.05, yaw_bias_sd=0.01, slip_sd=0.01, wander_sd=0.001, weak_wander_sd=0.002,
        weak_share=0.0, wander_distance=50.0, scale_walk=1e-4, yaw_bias_walk=1e-5, slip_time=2.0,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(18)
    model = VehicleModel(settings, MapErrorSettings(sd=0.0))
    prior = PosePrior(np.zeros(3), np.diag([0.1, 0.1, 0.01]) ** 2)
    belief = filtering.init(model, prior, 1, 2000, generator)
    kernel = pose_kernel(torch.tensor([0.05, 0.05, 0.002**2]))
    resampler = EssTriggered(MixtureResampler(kernel), 0.5)
    pose = np.zeros(3)
    for step in range(steps):
        turn = 0.1 * math.sin(step / 15.0)
        length = 3.0 + math.cos(step / 7.0)
        pose += [length * math.cos(pose[2]), length * math.sin(pose[2]), turn]
        measured = [length / (1 + scale), 0.0, turn + bias_sign * bias * dt]
        given = control([measured], [measured[0]], [dt])
        belief, _ = filtering.step(belief, StepInputs(given, dt, None), model, resampler, generator)
        offset = belief.state.pose[..., :2] - torch.tensor(pose[:2], dtype=torch.float32)
        fix = -0.5 * (offset / 0.3).square().sum(-1)
        belief, _ = filtering.update(belief, fix, model)
    mean, sd = motion.calibration_moments(belief.state, belief.log_weights)
    return mean[0, :2], sd[0, :2]


def check_learning(*, bias_sign: float = 1.0) -> None:
    mean, sd = learnt_calibration(bias_sign=bias_sign)
    truth = torch.tensor([0.04, 0.01])
    assert ((mean - truth).abs() < 4 * sd).all(), (mean, sd)
    assert (sd < 0.5 * torch.tensor([0.05, 0.01])).all(), sd


def test_calibration_learns_the_scale_and_bias_of_a_drive_with_position_fixes() -> None:
    check_learning()


def test_calibration_of_a_gyroscope_that_errs_the_other_way_is_not_that_of_the_first() -> None:
    with pytest.raises(AssertionError):
        check_learning(bias_sign=-1.0)
