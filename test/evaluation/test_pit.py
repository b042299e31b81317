"""Where the truth lies in a belief: closed forms, and beliefs that are honest by construction."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mdps_ros.core.kernels import pose_kernel
from mdps_ros.evaluation import pit
from mdps_ros.evaluation.calibration_report import pit_distance
from mdps_ros.evaluation.run import Track
from mdps_ros.runtime.outputs import ParticleSnapshot
from test.evaluation.conftest import outputs

KERNEL = pose_kernel(torch.tensor([0.2, 0.2, 0.05**2], dtype=torch.float64))
ONE = torch.ones(1, dtype=torch.float64)


def phi(z: float) -> float:
    return 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))


def transform(poses, truth, heading=0.0, weights=None, kernel=KERNEL) -> np.ndarray:
    poses = torch.tensor(poses, dtype=torch.float64)
    weights = torch.full((len(poses),), 1 / len(poses)) if weights is None else weights
    return pit.transform(poses, weights, kernel, heading, np.array(truth, float))


@pytest.mark.parametrize("heading", [0.0, 0.5 * math.pi, -2.5])
def test_one_particle_has_the_distribution_function_of_its_kernel(heading: float) -> None:
    """The truth 0.2 m ahead, 0.1 m to the left and turned right by 0.05 rad."""
    cos, sin = math.cos(heading), math.sin(heading)
    truth = [700.0 + 0.2 * cos - 0.1 * sin, -30.0 + 0.2 * sin + 0.1 * cos, heading - 0.05]
    found = transform([[700.0, -30.0, heading]], truth, heading, ONE)
    np.testing.assert_allclose(found, [phi(1.0), phi(0.5), phi(-1.0)], atol=2e-3)


def test_weights_count_and_the_circle_is_cut_behind_the_best_hypothesis() -> None:
    """A quarter of the belief lies far behind and is turned to the right across +-pi."""
    poses = [[0.0, 0.0, math.pi], [-50.0, 0.0, -math.pi + 1.0]]
    weights = torch.tensor([0.75, 0.25])
    found = transform(poses, [0.0, 0.0, -math.pi], math.pi, weights)
    # at the heading of pi the axes point west and south; the second particle is turned left by 1
    np.testing.assert_allclose(found, [0.375, 0.5, 0.375], atol=1e-9)


def test_kernels_of_unlike_width_are_projected_on_the_axes() -> None:
    kernel = pose_kernel(torch.tensor([1.0, 0.1, 0.01], dtype=torch.float64))
    ahead, left, _ = transform([[0.0, 0.0, 0.0]], [0.1, 1.0, 0.0], 0.5 * math.pi, ONE, kernel)
    assert ahead == pytest.approx(1.0)  # 1 m to the north, ten standard deviations
    assert left == pytest.approx(phi(-0.1))  # 0.1 m to the east, a tenth of one


def drawn_beliefs(count: int, narrower: float) -> np.ndarray:
    """(count, 3) transforms of truths drawn from mixtures that are then told `narrower`."""
    rng = np.random.default_rng(4)
    values = []
    for _ in range(count):
        centres = rng.normal(size=(2, 3)) * [4.0, 4.0, 0.3]
        spread = rng.uniform(0.2, 2.0)
        poses = centres[rng.integers(2, size=20)] + spread * rng.normal(size=(20, 3)) * [1, 1, 0.1]
        weights = rng.dirichlet(np.ones(20))
        truth = poses[rng.choice(20, p=weights)] + rng.normal(size=3) * [0.2, 0.2, 0.05]
        mean = weights @ poses
        told = mean + narrower * (poses - mean)
        found = transform(told, truth, float(mean[2]), torch.tensor(weights))
        values.append(found)
    return np.array(values)


def distances(values: np.ndarray) -> np.ndarray:
    counts = np.stack([np.histogram(column, 20, (0.0, 1.0))[0] for column in values.T])
    return pit_distance(counts.astype(float))


def test_truths_drawn_from_the_belief_have_a_uniform_transform() -> None:
    assert (distances(drawn_beliefs(2000, 1.0)) < 0.02).all()


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_belief_of_half_or_twice_the_spread_has_not(factor: float) -> None:
    assert (distances(drawn_beliefs(2000, factor)) > 0.035).all()


def test_every_estimate_of_a_run_gets_its_transform_and_outputs_pass_by() -> None:
    made = list(outputs(length_m=20.0))
    snapshots = [output for output in made if isinstance(output, ParticleSnapshot)]
    first, last = snapshots[0].stamp_ns, snapshots[-2].stamp_ns
    watch = pit.PitWatch(Track(np.array([first, last]), np.zeros((2, 3))), KERNEL)
    assert list(watch.watch(made)) == made
    assert watch.values.shape == (len(snapshots), 3)
    assert np.isnan(watch.values[-1]).all()  # beyond the truth
    assert ((watch.values[:-1] >= 0.0) & (watch.values[:-1] <= 1.0)).all()
