"""The backward motion against Bayes' rule, and against drives that were simulated forwards.

The oracles are written in numpy from the forward model's description alone.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import expm
from torch import Tensor

from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.types import MixtureBelief
from mdps_ros.models import backward_law, motion
from mdps_ros.models.backward_law import LinearPrior
from mdps_ros.models.motion import Control
from mdps_ros.models.vehicle_backward import (
    BackwardStart,
    BackwardState,
    BackwardVehicleModel,
)
from mdps_ros.settings import MapErrorSettings, MotionSettings

F64 = torch.float64
MOTION = MotionSettings(
    forward_noise=0.11,
    lateral_noise=0.06,
    yaw_noise=0.004,
    yaw_noise_time=0.002,
    slip_sd=0.07,
    wander_sd=0.02,
    weak_wander_sd=0.06,
    weak_share=0.4,
    quality_distance=1e6,
    wander_distance=20.0,
    scale_walk=0.01,
    yaw_bias_walk=0.004,
    slip_time=1.7,
)
OFFSET = MapErrorSettings(sd=1.5, distance=45.0, turns=True)
SPREAD = [1.5, 1.5, 1.5 / 45.0, 1.5 / 45.0]
MODEL = BackwardVehicleModel(MOTION, OFFSET)
WALKING_SD = (0.03, 0.02)
MEAN = (0.02, -0.01)


def control(forward: float, left: float, turn: float, dt: float) -> Control:
    length = math.hypot(forward, left)
    return Control(
        torch.tensor([[forward, left, turn]], dtype=F64),
        torch.tensor([length], dtype=F64),
        torch.tensor([dt], dtype=F64),
    )


BEND = control(3.1, -0.2, 0.3, 0.4)
REST = control(0.0, 0.0, 0.0, 0.5)


def source(count: int) -> MixtureBelief:
    kernel = pose_kernel(torch.tensor([1e-9, 1e-9, 1e-18], dtype=F64))
    weights = torch.full((1, count), -math.log(count), dtype=F64)
    return MixtureBelief(torch.zeros(1, count, 3, dtype=F64), weights, kernel)


def start(count: int, seed: int, model: BackwardVehicleModel = MODEL) -> BackwardState:
    """Particles at the origin, l from gamma."""
    means = torch.tensor([MEAN], dtype=F64)
    given = BackwardStart(source(2), means, torch.tensor([WALKING_SD], dtype=F64), 10.0)
    generator = torch.Generator().manual_seed(seed)
    return model.sample_initial(1, count, given, generator)


class Linear(NamedTuple):
    """One step forwards as seen from the vehicle: l' = A l + w_l, m = C l + w."""

    A: NDArray[np.float64]
    Q: NDArray[np.float64]
    C: NDArray[np.float64]
    R: NDArray[np.float64]


def linear(given: Control, quality: int) -> Linear:
    forward, left, _ = given.increment[0].tolist()
    distance, dt = float(given.distance), float(given.dt)
    slip = dt if distance > 0 else 0.0
    C = np.zeros((3, 8))
    C[0, :4] = forward, 0.0, 0.0, forward
    C[1, :4] = left, 0.0, slip, left
    C[2, 1] = -dt
    A = np.diag([1, 1, math.exp(-dt / 1.7), math.exp(-distance / 20.0), 0, 0, 0, 0])
    # the slope of a Matern 3/2 process: o'' + 2 o' / length + o / length^2 = noise
    length = OFFSET.distance
    kept = expm(distance * np.array([[0.0, 1.0], [-1 / length**2, -2 / length]]))
    A[4:, 4:] = np.kron(kept, np.eye(2))
    steady = np.diag(np.square([0, 0, 0.07, (0.02, 0.06)[quality], *SPREAD]))
    walk = np.diag([0.01**2, 0.004**2, 0, 0, 0, 0, 0, 0]) * dt
    yaw = 0.004**2 * distance + 0.002**2 * dt
    R = np.diag([0.11**2 * distance, 0.06**2 * distance, yaw])
    return Linear(A, walk + steady - A @ steady @ A.T, C, R)


def rotation(yaw: float) -> NDArray[np.float64]:
    """(8, 8) turning offset and slope only."""
    turn = np.eye(8)
    plane = [[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]]
    turn[4:6, 4:6] = turn[6:, 6:] = plane
    return turn


def said(given: Control, C: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 16) what (l, l'), both in the axes of the start, do to the increment on the map."""
    forward, left, yaw = given.increment[0].tolist()
    own, later = C.copy(), np.zeros((3, 8))
    own[:2, 4:6], later[:2, 4:6] = -np.eye(2), np.eye(2)
    own[:2, 7] = left, -forward  # the increment goes along the heading on Earth
    own[2, 7], later[2] = -1.0, rotation(-yaw)[7]
    return np.hstack((own, later))


def check_bayes(given: Control, model: BackwardVehicleModel = MODEL) -> None:
    """Mean and factor after a step equal E[l | l' ~ N, g], Cov[l | l' ~ N, g] by brute force."""
    after = start(6, 1)
    generator = torch.Generator().manual_seed(2)
    root = torch.randn(1, 2, 8, 8, generator=generator, dtype=F64)
    sd = after.prior.sd * 0.7
    after = after._replace(
        linear=after.linear + sd[:, :1] * torch.randn(1, 6, 8, generator=generator, dtype=F64),
        factor=sd.unsqueeze(-1) * torch.linalg.qr(root)[0].tril() + torch.diag_embed(0.1 * sd),
        pose=torch.randn(1, 6, 3, generator=generator, dtype=F64),
    )
    before = model.propagate(after, given, 0.0, generator)
    dt = float(given.dt)
    for particle in range(6):
        quality = int(before.quality[0, particle])
        A, Q, C, R = linear(given, quality)
        later_sd = after.prior.sd[0, quality].numpy()
        earlier = np.diag(later_sd**2 - np.array([0.01**2, 0.004**2, *[0] * 6]) * dt)
        mu = after.prior.mean[0].numpy()
        turn = rotation(float(given.increment[0, 2]))
        # the future in the axes of the start, as odometry turns them
        later_mean = turn @ after.linear[0, particle].numpy()
        S = turn @ after.factor[0, quality].numpy()
        # regression of l on l' under gamma, then the future's belief in l'
        gain = earlier @ A.T @ np.linalg.inv(A @ earlier @ A.T + Q)
        rest = earlier - gain @ A @ earlier
        joint = np.vstack((said(given, C), np.eye(8, 16)))  # of (l, l')
        P = S @ S.T
        both = np.block([[gain @ P @ gain.T + rest, gain @ P], [P @ gain.T, P]])
        covariance = joint @ both @ joint.T
        covariance[:3, :3] += R + 1e-12 * np.eye(3)
        mean = joint @ np.concatenate((mu + gain @ (later_mean - mu), later_mean))
        g = undone(after.pose[0, particle], before.pose[0, particle], given)
        K = covariance[3:, :3] @ np.linalg.inv(covariance[:3, :3])
        expected = rotation(g[2]) @ (mean[3:] + K @ (g - mean[:3]))
        np.testing.assert_allclose(before.linear[0, particle].numpy(), expected, atol=1e-6)
        factor = before.factor[0, quality].numpy()
        left = covariance[3:, 3:] - K @ covariance[:3, 3:]
        np.testing.assert_allclose(factor @ factor.T, left, atol=3e-8)
        np.testing.assert_allclose(before.prior.sd[0, quality].numpy() ** 2, np.diag(earlier))


def undone(later: Tensor, earlier: Tensor, given: Control) -> NDArray[np.float64]:
    """g: what the step was beyond the odometry's increment."""
    turn = float(later[2] - earlier[2])
    yaw = float(earlier[2])
    dx, dy = (later[:2] - earlier[:2]).tolist()
    body = (math.cos(yaw) * dx + math.sin(yaw) * dy, -math.sin(yaw) * dx + math.cos(yaw) * dy)
    return np.array([*body, turn]) - given.increment[0].numpy()


@pytest.mark.parametrize("given", [BEND, REST], ids=["bend", "rest"])
def test_a_step_back_is_bayes_rule(given: Control) -> None:
    check_bayes(given)


def test_a_prior_that_does_not_narrow_backwards_is_not_bayes_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BackwardVehicleModel, "_earlier", lambda _, gamma, __: gamma)
    with pytest.raises(AssertionError):
        check_bayes(BEND)


DRIVE = [control(3.0 + 0.3 * k, 0.1 * k, 0.25 - 0.08 * k, 0.4 + 0.05 * k) for k in range(6)]
COUNT = 100_000


def driven(seed: int, *, quality: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, 3) first pose seen from the last, on the map, and (N, 6) l at the first time."""
    draw = np.random.default_rng(seed)
    walked = sum(float(given.dt) for given in DRIVE)
    last_sd = np.array([*WALKING_SD]) ** 2 + 10.0 * np.array([0.01, 0.004]) ** 2
    variance = last_sd - walked * np.array([0.01, 0.004]) ** 2
    sd = np.array([*np.sqrt(variance), 0.07, (0.02, 0.06)[quality], *SPREAD])
    first = np.array([*MEAN, *[0] * 6]) + sd * draw.normal(size=(COUNT, 8))
    state, on_earth, yaw = first.copy(), np.zeros((COUNT, 2)), np.zeros(COUNT)
    for given in DRIVE:
        A, Q, C, R = linear(given, quality)
        m = state @ C.T + draw.normal(size=(COUNT, 3)) * np.sqrt(np.diag(R))
        step = given.increment[0].numpy() + m
        cos, sin = np.cos(yaw), np.sin(yaw)
        on_earth[:, 0] += cos * step[:, 0] - sin * step[:, 1]
        on_earth[:, 1] += sin * step[:, 0] + cos * step[:, 1]
        yaw += step[:, 2]
        values, axes = np.linalg.eigh(Q)
        root = axes * np.sqrt(values.clip(0))
        state = state @ A.T + draw.normal(size=(COUNT, 8)) @ root.T
    # offsets and slopes are here east and north; the first vehicle looks east on Earth
    begun = np.arctan(first[:, 7])
    yaw = yaw + np.cos(yaw) * state[:, 7] - np.sin(yaw) * state[:, 6]
    seen = turned(-yaw, first[:, 4:6] - on_earth - state[:, 4:6])
    for part in (slice(4, 6), slice(6, 8)):
        first[:, part] = turned(-begun, first[:, part])
    return np.column_stack((seen, begun - yaw)), first


def turned(yaw: NDArray[np.float64], vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors (N, 2) turned by (N,) angles."""
    (x, y), cos, sin = vector.T, np.cos(yaw), np.sin(yaw)
    return np.stack((cos * x - sin * y, sin * x + cos * y), -1)


def check_round_trip(model: BackwardVehicleModel, *, quality: int = 0) -> None:
    """Moments of (first pose seen from the last, l at the first) within 5 standard errors."""
    seen, first = driven(3, quality=quality)
    state = start(COUNT, 4, model)
    state = state._replace(quality=torch.full_like(state.quality, quality))
    generator = torch.Generator().manual_seed(5)
    for given in DRIVE[::-1]:
        state = model.propagate(state, given, 0.0, generator)
    forwards = np.column_stack((seen, first))
    backwards = np.column_stack((state.pose[0].numpy(), state.linear[0].numpy()))
    # the first vehicle's axes: what the backward filter carries is seen from the first pose
    within = np.zeros((11, 11))
    factor = state.factor[0, quality].numpy()
    within[3:, 3:] = factor @ factor.T
    expected, variances = np.cov(forwards.T), forwards.var(0)
    error = np.sqrt(2 * variances / COUNT)
    assert (np.abs(forwards.mean(0) - backwards.mean(0)) < 5 * error).all()
    covariance_error = np.sqrt(2 * (np.outer(variances, variances) + expected**2) / COUNT)
    difference = np.abs(np.cov(backwards.T) + within - expected)
    assert (difference < 5 * covariance_error).all(), (difference / covariance_error).round(1)


@pytest.mark.parametrize("quality", [0, 1])
def test_a_drive_undone_has_the_law_of_the_drive(quality: int) -> None:
    check_round_trip(MODEL, quality=quality)


def test_a_bias_that_turns_the_vehicle_twice_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sign of the yaw bias taken for that of the time-reversed increment."""
    right = motion.coupling

    def flipped(given: Control) -> Tensor:
        return right(given) * torch.tensor([1.0, -1.0, 1.0, 1.0], dtype=F64)

    monkeypatch.setattr(motion, "coupling", flipped)
    with pytest.raises(AssertionError):
        check_round_trip(MODEL)


def test_an_offset_that_stays_behind_fails() -> None:
    """Without the map's drift the pose on the map would be as sharp as the odometry."""
    with pytest.raises(AssertionError):
        check_round_trip(BackwardVehicleModel(MOTION, replace(OFFSET, distance=1e9)))


def test_a_slope_that_turns_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The map's turn left out of what the step was on the map."""
    right = backward_law._said

    def straight(given: Control) -> tuple[Tensor, Tensor]:
        own, later = right(given)
        keep = torch.tensor([1.0] * 6 + [0.0] * 2, dtype=F64)
        return own * keep, later * keep

    monkeypatch.setattr(backward_law, "_said", straight)
    with pytest.raises(AssertionError):
        check_round_trip(MODEL)
    with pytest.raises(AssertionError):
        check_bayes(BEND)


def test_a_start_draws_poses_of_its_source_and_keeps_their_density() -> None:
    generator = torch.Generator().manual_seed(6)
    kernel = pose_kernel(torch.tensor([0.5, 0.5, 0.02**2], dtype=F64))
    poses = torch.tensor([[[0.0, 0.0, 0.0], [40.0, 0.0, 1.0]]], dtype=F64)
    mixture = MixtureBelief(poses, torch.tensor([[0.25, 0.75]], dtype=F64).log(), kernel)
    given = BackwardStart(mixture, torch.zeros(1, 2), torch.full((1, 2), 0.01), 5.0)
    state = MODEL.sample_initial(1, 4000, given, generator)
    far = state.pose[..., 0] > 20.0
    assert far.double().mean() == pytest.approx(0.75, abs=1e-3)
    own = torch.where(far, math.log(0.75), math.log(0.25)).double()
    centre = torch.where(far[..., None], poses[:, 1], poses[:, 0])
    torch.testing.assert_close(state.log_start, own + kernel.log_prob(state.pose, centre))
    assert state.quality.double().mean() == pytest.approx(0.4, abs=0.05)
    with pytest.raises(ValueError, match="1 rows cannot begin 2"):
        MODEL.sample_initial(2, 10, given, generator)


def test_a_walk_beyond_its_horizon_is_refused() -> None:
    state = start(2, 7)
    late = state._replace(prior=LinearPrior(state.prior.mean, 1e-4 * state.prior.sd))
    with pytest.raises(ValueError, match="longer than its horizon"):
        MODEL.propagate(late, BEND, 0.0, torch.Generator())


def test_a_measurement_scores_poses_on_the_map_and_may_abstain() -> None:
    state = start(5, 8)
    same, score = MODEL.update(state, lambda poses: poses[..., 0] + 1.0)
    assert same is state
    assert torch.equal(score, state.pose[..., 0] + 1.0)
    _, nothing = MODEL.update(state, lambda _: None)
    assert not nothing.any()


def test_without_a_map_error_the_offset_stays_next_to_nothing() -> None:
    model = BackwardVehicleModel(MOTION, MapErrorSettings(sd=0.0))
    state = start(100, 9, model)
    for given in DRIVE:
        state = model.propagate(state, given, 0.0, torch.Generator().manual_seed(10))
    assert bool(torch.isfinite(state.factor).all())
    assert state.linear[..., 4:].abs().max() < 1e-4


def test_gather_takes_particles_and_keeps_what_they_share() -> None:
    state = start(6, 11)
    taken = state.gather_particles(torch.tensor([[5, 0, 0]]))
    assert taken.factor is state.factor
    assert taken.prior is state.prior
    assert torch.equal(taken.log_start[0], state.log_start[0, [5, 0, 0]])
    assert torch.equal(taken.pose[0], state.pose[0, [5, 0, 0]])


def test_a_particle_that_thinks_anew_of_the_odometry_forgets_its_wander() -> None:
    """Else a wander of weak odometry would be divided by what gamma says of a good one's."""
    restless = BackwardVehicleModel(replace(MOTION, quality_distance=1.0, weak_share=0.5), OFFSET)
    state = start(2000, 12, restless)
    linear = state.linear.clone()
    linear[..., 3] = 0.06
    state = state._replace(linear=linear)
    after = restless.propagate(state, BEND, 0.0, torch.Generator().manual_seed(13))
    changed = after.quality != state.quality
    assert 0.3 < changed.double().mean() < 0.6
    assert (after.linear[..., 3][changed]).mean().abs() < 0.01
    assert after.linear[..., 3][~changed].mean() > 0.04
    kept = MODEL.propagate(state, BEND, 0.0, torch.Generator().manual_seed(13))
    assert torch.equal(kept.quality, state.quality)
