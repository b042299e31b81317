from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mdps_ros.core import se2
from mdps_ros.runtime.frames import between, compose, inverse

metres = st.floats(-1e4, 1e4, allow_nan=False)
radians = st.floats(-math.pi, math.pi, allow_nan=False)
poses = st.tuples(metres, metres, radians).map(np.array)
quickly = settings(deadline=None, derandomize=True, max_examples=60)


def assert_same(a, b) -> None:
    np.testing.assert_allclose(a[:2], b[:2], atol=1e-7)
    assert abs(math.remainder(a[2] - b[2], 2 * math.pi)) < 1e-9


@quickly
@given(poses, poses, poses)
def test_composition_is_associative(a, b, c) -> None:
    assert_same(compose(compose(a, b), c), compose(a, compose(b, c)))


@quickly
@given(poses)
def test_inverse_undoes_from_either_side_and_twice_it_is_itself(a) -> None:
    assert_same(compose(a, inverse(a)), np.zeros(3))
    assert_same(compose(inverse(a), a), np.zeros(3))
    assert_same(inverse(inverse(a)), a)


@quickly
@given(poses)
def test_identity_is_neutral(a) -> None:
    assert_same(compose(a, np.zeros(3)), a)
    assert_same(compose(np.zeros(3), a), a)


@quickly
@given(poses, poses)
def test_between_leads_from_the_first_to_the_second(a, b) -> None:
    assert_same(compose(a, between(a, b)), b)
    assert_same(between(a, b), inverse(between(b, a)))


@quickly
@given(poses, poses)
def test_composition_equals_homogeneous_matrices(a, b) -> None:
    def matrix(pose):
        cos, sin = math.cos(pose[2]), math.sin(pose[2])
        return np.array([[cos, -sin, pose[0]], [sin, cos, pose[1]], [0, 0, 1]])

    np.testing.assert_allclose(matrix(compose(a, b)), matrix(a) @ matrix(b), atol=1e-7)


@quickly
@given(poses, poses)
def test_single_poses_agree_with_batches(a, b) -> None:
    batched = se2.compose(torch.from_numpy(a)[None], torch.from_numpy(b)[None])[0].numpy()
    assert_same(compose(a, b), batched)


def test_a_step_forward_goes_where_the_vehicle_looks() -> None:
    north = np.array([10.0, 20.0, math.pi / 2])
    assert_same(compose(north, np.array([3.0, 1.0, 0.1])), [9.0, 23.0, math.pi / 2 + 0.1])


@quickly
@given(poses, poses)
def test_yaw_of_a_composition_stays_within_half_a_turn(a, b) -> None:
    assert abs(compose(a, b)[2]) <= math.pi


def test_no_input_is_changed() -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    for made in (compose(a, b), inverse(a), between(a, b)):
        made += 1.0
    np.testing.assert_array_equal(a, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(b, [4.0, 5.0, 6.0])
