"""A-MDPF on a street: what is told is decoupled from what resamples."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from mdps_ros.core.weights import normalise
from mdps_ros.evaluation.decoupled import COUPLED, DecoupledOutput, OutputMixture, output_weights
from mdps_ros.evaluation.pit import output_kernel
from mdps_ros.evaluation.run import answers
from mdps_ros.models.map_error import on_map
from mdps_ros.runtime.events import InitialPoseEvent, OdometryEvent
from mdps_ros.runtime.outputs import Output, ParticleSnapshot, PoseEstimate
from mdps_ros.runtime.session import Session
from mdps_ros.runtime.smoothing.frames import FilterFrame
from mdps_ros.settings import Settings
from test.runtime.town import SECOND, fast_settings, town_map

Weigh = Callable[[Tensor, Tensor, float], Tensor]
SETTINGS = fast_settings(map_error__sd=0.3)


def check_gaussian(weigh: Weigh, power: float) -> None:
    """A normal belief and a normal likelihood: mean and variance of the product are known.

    Prior N(0, 2^2) on a fine grid, likelihood N(1; x, 0.5^2), to the power p N(1; x, 0.5^2 / p).
    """
    x = torch.linspace(-24.0, 24.0, 16001, dtype=torch.float64)[None]
    log_likelihood = -0.5 * ((x - 1.0) / 0.5).square()
    filtered = normalise(-0.5 * (x / 2.0).square() + log_likelihood)[0]
    told = weigh(filtered, log_likelihood, power).exp()
    precision = 1.0 / 4.0 + power / 0.25
    mean = float((told * x).sum())
    assert float(told.sum()) == pytest.approx(1.0, abs=1e-12)
    assert mean == pytest.approx(power / 0.25 / precision, abs=1e-9)
    assert float((told * (x - mean).square()).sum()) == pytest.approx(1.0 / precision, abs=1e-9)


@pytest.mark.parametrize("power", [0.0, 0.3, 1.0, 2.5])
def test_a_power_of_a_normal_likelihood_gives_the_exact_product(power: float) -> None:
    check_gaussian(output_weights, power)


def test_a_power_that_comes_on_top_of_the_filters_own_fails_the_exact_product() -> None:
    def on_top(filtered: Tensor, log_likelihood: Tensor, power: float) -> Tensor:
        return normalise(filtered + power * log_likelihood)[0]

    with pytest.raises(AssertionError):
        check_gaussian(on_top, 2.5)


def test_particles_that_a_frame_forbids_stay_forbidden() -> None:
    log_likelihood = torch.tensor([[0.0, -math.inf, -1.0]])
    filtered = normalise(log_likelihood)[0]
    for power in (0.2, 3.0):
        told = output_weights(filtered, log_likelihood, power)
        assert torch.isneginf(told[0, 1])
        assert torch.isfinite(told[0, ::2]).all()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    return town_map(tmp_path_factory.mktemp("town"))


def drive(place, mixture: OutputMixture | None) -> tuple[list[Output], list[FilterFrame]]:
    """What is told of 20 m along a street, and what the filter left; None tells the session's."""
    pose = InitialPoseEvent(
        stamp_ns=0,
        T_map_base=np.array([-50.0, 19.2, 0.0]),
        covariance=np.diag([4.0, 1.0, 0.1]) ** 2,
    )
    stamps = [round((5.0 + 0.2 * index) * SECOND) for index in range(11)]
    events = [
        OdometryEvent(stamp_ns=stamp, T_odom_base=np.array([2.0 * index, 0.0, 0.0]))
        for index, stamp in enumerate(stamps)
    ]
    frames: list[FilterFrame] = []
    if mixture is None:
        return list(answers(Session(place, SETTINGS), [pose, *events])), frames
    decoupled = DecoupledOutput(mixture, SETTINGS.estimate)

    def watch(frame: FilterFrame | None) -> None:
        decoupled.watch(frame)
        if frame is not None:
            frames.append(frame)

    return list(decoupled.tell(answers(Session(place, SETTINGS, watch), [pose, *events]))), frames


def told(outputs: list[Output], kind: type) -> list:
    return [output for output in outputs if isinstance(output, kind)]


def test_a_coupled_mixture_tells_what_the_session_tells_bit_for_bit(place) -> None:
    plain, _ = drive(place, None)
    coupled, _ = drive(place, COUPLED)
    assert len(plain) == len(coupled) > 20
    for ours, theirs in zip(coupled, plain, strict=True):
        assert type(ours) is type(theirs)
        for field in dataclasses.fields(ours):
            np.testing.assert_array_equal(
                *(_flat(getattr(output, field.name)) for output in (ours, theirs))
            )


def _flat(value: object) -> object:
    """Hypotheses as numbers."""
    if isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
        parts = [np.r_[m.T_map_base, m.covariance.ravel(), m.mass] for m in value]
        return np.concatenate(parts)
    return value


def test_a_decoupled_mixture_weighs_the_filters_particles_by_the_newest_frame(place) -> None:
    """The filter goes on as it would; what is told of it is not what it resamples from."""
    plain, _ = drive(place, COUPLED)
    other, frames = drive(place, OutputMixture(power=3.0))
    pairs = list(
        zip(told(plain, ParticleSnapshot), told(other, ParticleSnapshot), frames, strict=True)
    )
    changed = 0
    for ours, theirs, frame in pairs:
        np.testing.assert_array_equal(ours.poses, theirs.poses)
        score = frame.score(on_map(frame.filtered.state))
        if score is not None:
            expected = (frame.filtered.log_weights + 2.0 * score).softmax(-1)[0]
            np.testing.assert_allclose(theirs.weights, expected, rtol=1e-4, atol=1e-8)
            changed += bool((ours.weights != theirs.weights).any())
    assert changed >= 8
    states = [[e.state for e in told(outputs, PoseEstimate)] for outputs in (plain, other)]
    assert states[0] == states[1]
    spreads = [
        np.trace(told(outputs, PoseEstimate)[-1].covariance[:2, :2]) for outputs in (plain, other)
    ]
    assert spreads[1] != spreads[0]


def test_the_kernel_that_is_told_is_the_filters_unless_it_has_its_own() -> None:
    own = OutputMixture(bandwidth_position=0.7, bandwidth_yaw=0.05).kernel(Settings())
    assert own.spread().tolist() == pytest.approx([0.7, 0.7, 0.05])
    coupled = COUPLED.kernel(Settings()).bandwidth
    assert torch.equal(coupled, output_kernel(Settings()).bandwidth)
    assert not torch.equal(coupled, own.bandwidth)
