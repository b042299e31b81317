from __future__ import annotations

import math

import numpy as np
import pytest
import tf_transformations as tf
from scipy.spatial.transform import Rotation

SEEDS = range(20)


def random_rotation(seed: int) -> Rotation:
    return Rotation.random(random_state=np.random.default_rng(seed))


def same(quaternion: object, rotation: Rotation) -> bool:
    """Equal up to the sign, which means the same rotation."""
    return bool(abs(np.dot(np.asarray(quaternion), rotation.as_quat())) > 1.0 - 1e-12)


def test_yaw_of_a_quarter_turn_is_in_z_and_w() -> None:
    half = math.sqrt(0.5)
    assert tf.quaternion_from_euler(0.0, 0.0, math.pi / 2) == pytest.approx((0.0, 0.0, half, half))
    assert tf.euler_from_quaternion((0.0, 0.0, half, half))[2] == pytest.approx(math.pi / 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_euler_angles_are_roll_pitch_yaw_about_fixed_axes(seed: int) -> None:
    roll, pitch, yaw = np.random.default_rng(seed).uniform(-1.5, 1.5, size=3).tolist()
    rotation = Rotation.from_euler("xyz", [roll, pitch, yaw])
    quaternion = tf.quaternion_from_euler(roll, pitch, yaw)
    assert same(quaternion, rotation)
    assert tf.euler_from_quaternion(quaternion) == pytest.approx((roll, pitch, yaw))
    assert tf.euler_matrix(roll, pitch, yaw)[:3, :3] == pytest.approx(rotation.as_matrix())
    assert tf.euler_from_matrix(rotation.as_matrix()) == pytest.approx((roll, pitch, yaw))


@pytest.mark.parametrize("seed", SEEDS)
def test_products_and_inverses_of_quaternions_are_those_of_rotations(seed: int) -> None:
    a, b = random_rotation(seed), random_rotation(seed + 1000)
    assert same(tf.quaternion_multiply(a.as_quat(), b.as_quat()), a * b)
    assert same(tf.quaternion_inverse(a.as_quat()), a.inv())
    assert same(tf.quaternion_conjugate(a.as_quat()), a.inv())


@pytest.mark.parametrize("seed", SEEDS)
def test_matrices_and_quaternions_go_into_each_other(seed: int) -> None:
    rotation = random_rotation(seed)
    matrix = tf.quaternion_matrix(rotation.as_quat())
    assert matrix.shape == (4, 4)
    assert matrix[:3, :3] == pytest.approx(rotation.as_matrix())
    assert same(tf.quaternion_from_matrix(matrix), rotation)
    vector = rotation.as_rotvec()
    assert same(tf.quaternion_about_axis(np.linalg.norm(vector), vector), rotation)


def test_matrices_are_concatenated_from_left_to_right() -> None:
    turn = tf.euler_matrix(0.0, 0.0, math.pi / 2)
    move = tf.translation_matrix((1.0, 2.0, 3.0))
    turned_move = tf.concatenate_matrices(turn, move)
    assert tf.translation_from_matrix(turned_move) == pytest.approx([-2.0, 1.0, 3.0])
    back = tf.concatenate_matrices(tf.inverse_matrix(turned_move), turn, move)
    assert back == pytest.approx(tf.identity_matrix())


def test_unknown_names_raise() -> None:
    with pytest.raises(AttributeError):
        tf.no_such_function  # noqa: B018
