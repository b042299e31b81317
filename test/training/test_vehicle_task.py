"""The filter learned end to end, on drives whose best numbers are known in closed form."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mdps_ros.settings import Settings, with_values
from mdps_ros.training import vehicle_task
from mdps_ros.training.errors import TrainingError
from mdps_ros.training.stages import Stage
from mdps_ros.training.vehicle_drives import DriveFrame
from mdps_ros.training.vehicle_task import VehicleOptions, VehicleTask

STILL = {
    "motion.forward_noise": 0.0,
    "motion.lateral_noise": 0.0,
    "motion.yaw_noise": 0.0,
    "motion.yaw_noise_time": 0.0,
    "motion.scale_sd": 0.0,
    "motion.wander_sd": 0.0,
    "motion.weak_wander_sd": 0.0,
    "motion.yaw_bias_sd": 0.0,
    "motion.slip_sd": 0.0,
    "map_error.sd": 0.0,
}
OPTIONS = VehicleOptions(rows=24, frames=6, quiet=2, particles=300, start_sd=2.0)
STAGE = Stage(name="filter", iterations=1, learning_rates={"trust": 0.05}, loss="nll")
SD = 1.5  # m, of what a frame measures


def standing(rng: np.random.Generator, frames: int, told_sd: float) -> tuple[DriveFrame, ...]:
    """A vehicle that stands and measures its place with `SD`, but believes in `told_sd`."""
    truth = np.array([*rng.uniform(-50.0, 50.0, 2), rng.uniform(-3.0, 3.0)])

    def frame() -> DriveFrame:
        seen = torch.from_numpy(truth[:2] + rng.normal(0.0, SD, 2)).float()

        def score(poses: Tensor) -> Tensor:
            return -0.5 * (poses[..., :2] - seen).square().sum(-1) / told_sd**2

        return DriveFrame(np.zeros(3), 0.0, 0.4, truth, score, nothing)

    return tuple(frame() for _ in range(frames))


def nothing(poses: Tensor) -> Tensor:
    return torch.zeros_like(poses[..., 0])


def task(told_sd: float, seed: int, drives: int = 300) -> VehicleTask:
    rng = np.random.default_rng(seed)
    made = [standing(rng, 6, told_sd) for _ in range(drives + 40)]
    return VehicleTask(made[:drives], made[drives:], OPTIONS, with_values(Settings(), STILL))


def learn(made: VehicleTask, steps: int, seed: int) -> float:
    """The factor of the image's score after a few steps of Adam."""
    trust = made.modules["trust"]
    optimiser = torch.optim.Adam(trust.parameters(), 0.08)
    generator = torch.Generator().manual_seed(seed)
    tail = []
    for step in range(steps):
        optimiser.zero_grad()
        made.loss(STAGE, generator).backward()
        optimiser.step()
        if step >= steps // 2:
            tail.append(float(trust.log_image.detach()))
    return math.exp(sum(tail) / len(tail))


@pytest.mark.parametrize(("told_sd", "best"), [(0.75, 0.25), (3.0, 4.0)])
def test_the_trust_that_is_learned_makes_a_wrongly_scaled_score_right(
    told_sd: float, best: float
) -> None:
    """Independent normal measurements: the least NLL is where the score is the likelihood, that
    is, where its factor is (told / true)^2. 44 steps of 24 rows; seeds scatter by 0.08 in its
    logarithm, and 4 of these are allowed."""
    made = task(told_sd, 3)
    with torch.no_grad():
        before = float(made.validate(STAGE))
    assert abs(math.log(learn(made, 44, 4) / best)) < 0.32
    with torch.no_grad():
        assert float(made.validate(STAGE)) < before - 0.2


def test_what_was_measured_before_a_resampling_counts_in_the_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three frames measure, two later ones are judged: cut at resampling, nothing is left."""
    rng = np.random.default_rng(5)
    whole = [standing(rng, 6, 0.75) for _ in range(20)]
    drives = [[*d[:3], *(frame._replace(image=nothing) for frame in d[3:])] for d in whole]
    options = dataclasses.replace(OPTIONS, quiet=4, rows=4)
    settings = with_values(Settings(), STILL | {"filter.ess_fraction": 1.0})

    def gradient() -> float:
        made = VehicleTask(drives, drives, options, settings)
        made.loss(STAGE, torch.Generator().manual_seed(6)).backward()
        found = made.modules["trust"].log_image.grad
        return 0.0 if found is None else float(found)

    assert abs(gradient()) > 1e-3
    monkeypatch.setattr(vehicle_task, "ImportanceWeighted", Cut)
    assert gradient() == 0.0


class Cut:
    def __init__(self, resampler) -> None:
        self.resampler = resampler

    def __call__(self, state, log_weights, count, generator):
        return self.resampler(state, log_weights.detach(), count, generator)


def test_the_kernel_learns_too_and_validation_repeats() -> None:
    made = task(1.5, 7, drives=20)
    made.loss(STAGE, torch.Generator().manual_seed(8)).backward()
    gradient = made.modules["bandwidth"].rho.grad
    assert gradient is not None
    assert (gradient != 0).all()
    with torch.no_grad():
        assert torch.equal(made.validate(STAGE), made.validate(STAGE))


def test_what_cannot_be_learned_is_refused() -> None:
    rng = np.random.default_rng(0)
    short = [standing(rng, 3, 1.0)]
    with pytest.raises(TrainingError, match="fewer than 6 frames"):
        VehicleTask(short, short, OPTIONS, Settings())
    made = task(1.5, 9, drives=2)
    wrong = Stage(name="s", iterations=1, learning_rates={"trust": 1.0}, loss="pose")
    with pytest.raises(TrainingError, match="choose nll"):
        made.loss(wrong, torch.Generator())
    device = torch.device("cpu")
    with pytest.raises(TrainingError, match="members 1"):
        vehicle_task.build(0, 2, {}, device)
    with pytest.raises(TrainingError, match="unknown setting"):
        vehicle_task.build(0, 1, {"settings": {"filter.nonsense": 1}}, device)
