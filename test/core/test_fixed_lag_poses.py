"""The fixed-lag window over poses with headings, and over states that carry more than a pose."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from mdps_ros.core import boxes, fixed_lag, mixture, se2
from mdps_ros.core.best_now import best_now
from mdps_ros.core.boxes import Box
from mdps_ros.core.estimates import moments, pose_difference
from mdps_ros.core.fixed_lag import FixedLag, Frame
from mdps_ros.core.kernels import ProductKernel, pose_kernel
from mdps_ros.core.mdps import FilterRecord, filter_sequence
from mdps_ros.core.resampling import MixtureResampler
from mdps_ros.core.smoothing import GenerativeScorer, Scorer
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.types import Belief, MixtureBelief, StepInputs
from mdps_ros.core.weights import uniform

from .oracles import F64

NOISE = torch.tensor([0.15, 0.05, 0.04], dtype=F64)  # of the motion, in the body frame
ERROR = torch.tensor([0.6, 0.6, 0.15], dtype=F64)  # of a measured pose
KERNEL = pose_kernel(torch.tensor([0.1, 0.1, 0.001], dtype=F64))
ROWS, COUNT, STEPS = 6, 300, 9


class Carriage(NamedTuple):
    """A pose, something that each particle carries, and something that all share."""

    pose: Tensor
    label: Tensor
    shared: Tensor

    def gather_particles(self, index: Tensor) -> Carriage:
        return Carriage(gather_axis(self.pose, index), gather_axis(self.label, index), self.shared)


def log_likelihood(poses: Tensor, measurement: Tensor) -> Tensor:
    error = pose_difference(poses, measurement[:, None]) / ERROR
    return -0.5 * error.square().sum(-1)


class Driving:
    """Body-frame motions with noise; the pose is measured."""

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> Carriage:
        noise = torch.randn(batch, count, 3, generator=generator, dtype=F64)
        pose = prior + 0.5 * ERROR * noise
        label = (pose[..., 1] > prior[1]).to(F64)
        return Carriage(pose, label, torch.full((batch, 2), 7.0, dtype=F64))

    def propagate(
        self, state: Carriage, control: Tensor, dt_s: float, generator: torch.Generator
    ) -> Carriage:
        noise = torch.randn(state.pose.shape, generator=generator, dtype=F64)
        return state._replace(pose=self.move(state.pose, control[:, None] + NOISE * noise))

    def move(self, pose: Tensor, motion: Tensor) -> Tensor:
        return se2.compose(pose, motion)

    def update(self, state: Carriage, measurement: Tensor) -> tuple[Carriage, Tensor]:
        return state, log_likelihood(state.pose, measurement)


class Reversing(Driving):
    """The same motion undone."""

    def move(self, pose: Tensor, motion: Tensor) -> Tensor:
        return se2.compose(pose, se2.inverse(motion))


def scorer(measurement: Tensor | None) -> Scorer:
    if measurement is None:
        return GenerativeScorer(None)
    return GenerativeScorer(lambda points: log_likelihood(points, measurement))


def setup(kernel: ProductKernel = KERNEL) -> FixedLag:
    return FixedLag(
        lag=3,
        stride=2,
        model=Reversing(),
        resampler=MixtureResampler(KERNEL),
        kernel=kernel,
        backward_kernel=kernel,
        scorer=scorer,
        window_count=400,
        count=COUNT,
    )


class Drive(NamedTuple):
    truth: Tensor  # (T, 3)
    frames: list[Frame]


@pytest.fixture(scope="module")
def drive() -> Drive:
    """A bend on which the heading passes through pi, with clouds on both sides of it."""
    generator = torch.Generator().manual_seed(231)
    truth = [torch.tensor([2.0, 1.0, math.pi - 0.5], dtype=F64)]
    motion = torch.tensor([1.0, 0.0, 0.1], dtype=F64)
    for _ in range(STEPS - 1):
        noise = NOISE * torch.randn(3, generator=generator, dtype=F64)
        truth.append(se2.compose(truth[-1], motion + noise))
    inputs = []
    for pose in truth:
        error = ERROR * torch.randn(ROWS, 3, generator=generator, dtype=F64)
        measured = pose_difference(pose + error, torch.zeros(3, dtype=F64))
        inputs.append(StepInputs(motion.expand(ROWS, 3), 1.0, measured))
    model = Driving()
    start = model.sample_initial(ROWS, COUNT, truth[0], generator)
    prior = Belief(start, uniform(ROWS, COUNT, start.pose))
    records = filter_sequence(prior, inputs, model, MixtureResampler(KERNEL), generator)
    frames = [Frame(r, i) for r, i in zip(records, inputs, strict=True)]
    return Drive(torch.stack(truth), frames)


def test_smoothed_poses_are_nearer_and_surer_than_filtered_ones(drive: Drive) -> None:
    generator = torch.Generator().manual_seed(232)
    results = fixed_lag.smooth(drive.frames, [4, 3], setup(), generator)
    for result in results:
        truth, record = drive.truth[-1 - result.lag], drive.frames[-1 - result.lag].record
        mean, covariance = moments(result.belief.state, result.belief.log_weights)
        filtered_mean, filtered = moments(record.state.pose, record.log_weights)
        error, before = pose_difference(mean, truth), pose_difference(filtered_mean, truth)
        spread = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
        assert (error.abs() < 4 * spread + 0.02).all()
        assert (spread.mean(0) < 0.95 * filtered.diagonal(dim1=-2, dim2=-1).sqrt().mean(0)).all()
        assert error[:, :2].norm(dim=-1).mean() < before[:, :2].norm(dim=-1).mean() + 0.05


def smoothed_means(frames: list[Frame], kernel: ProductKernel) -> Tensor:
    generator = torch.Generator().manual_seed(233)
    (result,) = fixed_lag.smooth(frames, [3], setup(kernel), generator)
    return moments(result.belief.state, result.belief.log_weights)[0]


def test_headings_wrapped_or_not_are_smoothed_alike(drive: Drive) -> None:
    def wrapped(frame: Frame) -> Frame:
        state = frame.record.state
        pose = pose_difference(state.pose, torch.zeros(3, dtype=F64))
        return frame._replace(record=frame.record._replace(state=state._replace(pose=pose)))

    frames = [wrapped(frame) for frame in drive.frames]
    spread = frames[-4].record.state.pose[..., 2]
    assert (spread > 3.0).any(), "the cloud does not lie across pi"
    assert (spread < -3.0).any(), "the cloud does not lie across pi"
    alike = pose_difference(smoothed_means(frames, KERNEL), smoothed_means(drive.frames, KERNEL))
    assert alike.abs().max() < 1e-6
    flat_headings = ProductKernel(torch.tensor([0.1, 0.1, 0.03], dtype=F64), (False,) * 3)
    unlike = smoothed_means(frames, flat_headings) - smoothed_means(drive.frames, flat_headings)
    assert pose_difference(unlike, torch.zeros(3, dtype=F64)).abs().max() > 1e-3


def test_best_now_carries_the_whole_state(drive: Drive) -> None:
    generator = torch.Generator().manual_seed(234)
    (result,) = fixed_lag.smooth(drive.frames, [3], setup(), generator)
    belief = best_now(result, drive.frames, KERNEL, Driving(), 200, generator)
    state = belief.state
    assert isinstance(state, Carriage)
    assert state.pose.shape == (ROWS, 200, 3)
    assert state.label.shape == (ROWS, 200)
    assert torch.equal(state.shared, drive.frames[-1].record.state.shared)
    mean, covariance = moments(state.pose, belief.log_weights)
    spread = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert (pose_difference(mean, drive.truth[-1]).abs() < 4 * spread + 0.02).all()


def test_what_lies_beside_the_pose_comes_from_particles_nearby() -> None:
    """Labels 0 and 1 in two clouds: every point gets the label of its own cloud."""
    centres = torch.tensor([[[-5.0, 0.0, 0.0], [5.0, 0.0, 3.0]]], dtype=F64).repeat(2, 10, 1)
    source = MixtureBelief(centres, uniform(2, 20, centres), KERNEL)
    points = centres[:, [1, 0, 3, 2]] + 0.05
    index = mixture.sample_component(source, points, torch.Generator().manual_seed(235))
    assert torch.equal(index % 2, torch.tensor([[1, 0, 1, 0]] * 2))


def test_components_are_drawn_with_their_chances() -> None:
    """Two components at one sigma on either side of the point, weights 0.8 and 0.2: 4 s.e."""
    centres = torch.tensor([[[-0.1, 0.0, 0.0], [0.1, 0.0, 0.0]]], dtype=F64)
    source = MixtureBelief(centres, torch.tensor([[0.8, 0.2]], dtype=F64).log(), KERNEL)
    point = torch.tensor([[[0.05, 0.0, 0.0]]], dtype=F64).expand(1, 20_000, 3)
    index = mixture.sample_component(source, point, torch.Generator().manual_seed(236))
    odds = 0.2 / 0.8 * math.exp(0.5 * (1.5**2 - 0.5**2))
    exact = odds / (1 + odds)
    assert abs(index.to(F64).mean().item() - exact) < 4 * math.sqrt(exact * (1 - exact) / 20_000)


def test_a_box_holds_its_poses_across_pi() -> None:
    poses = torch.tensor([[[0.0, 1.0, 3.0], [4.0, 1.0, -3.0]]], dtype=F64)
    margin = torch.tensor([0.5, 0.5, 0.1], dtype=F64)
    box = boxes.bounding_box(poses, margin, (False, False, True))
    half = math.pi - 3.0 + 0.1
    torch.testing.assert_close(box.half_width, torch.tensor([[2.5, 0.5, half]], dtype=F64))
    expected = math.log(5.0 * 1.0 * 2 * half)
    assert abs(boxes.log_volume(box).item() - expected) < 1e-12
    inside = torch.tensor([[[0.0, 1.0, 9.0], [0.0, 1.0, 0.0], [9.0, 1.0, 3.0]]], dtype=F64)
    shifted = inside + torch.tensor([0.0, 0.0, 3 * 2 * math.pi - 6.0], dtype=F64)
    assert boxes.contains(box, shifted).tolist() == [[True, False, False]]


def test_points_of_a_box_fill_it_evenly() -> None:
    centre, half = torch.tensor([[1.0, 3.0]], dtype=F64), torch.tensor([[2.0, 0.4]], dtype=F64)
    box = Box(centre, half, (False, True))
    points = boxes.sample(box, 20_000, torch.Generator().manual_seed(237))
    assert boxes.contains(box, points).all()
    scaled = (points - centre[:, None]) / half[:, None]
    assert (scaled.mean(1).abs() < 5 / math.sqrt(3 * 20_000)).all()
    assert ((scaled.square().mean(1) - 1 / 3).abs() < 5 * 0.3 / math.sqrt(20_000)).all()


def test_an_arc_never_exceeds_the_circle() -> None:
    poses = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 2.0], [0.0, 0.0, -2.0]]], dtype=F64)
    margin = torch.ones(3, dtype=F64)
    box = boxes.bounding_box(poses, 5.0 * margin, (False, False, True))
    assert box.half_width[0, 2].item() == math.pi


def test_float32_particles_stay_float32(drive: Drive) -> None:
    def narrow(frame: Frame) -> Frame:
        record, inputs = frame
        state = Carriage(*(leaf.float() for leaf in record.state))
        return Frame(
            FilterRecord(state, *(part.float() for part in record[1:])),
            StepInputs(inputs.control.float(), inputs.dt_s, inputs.measurement),
        )

    kernel = pose_kernel(KERNEL.bandwidth.float())
    generator = torch.Generator().manual_seed(238)
    frames = [narrow(frame) for frame in drive.frames]
    start, _ = fixed_lag.window_start(frames[-1].record, setup(kernel), generator)
    assert start.state.pose.dtype == torch.float32
    assert start.log_weights.dtype == torch.float32
