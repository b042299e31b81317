"""SE(2) against 3 x 3 matrices."""

from __future__ import annotations

import math

import torch

from mdps_ros.core import angles, se2


def matrices(poses: torch.Tensor) -> torch.Tensor:
    result = torch.zeros(*poses.shape[:-1], 3, 3, dtype=poses.dtype)
    cos, sin = poses[..., 2].cos(), poses[..., 2].sin()
    result[..., 0, 0], result[..., 0, 1], result[..., 0, 2] = cos, -sin, poses[..., 0]
    result[..., 1, 0], result[..., 1, 1], result[..., 1, 2] = sin, cos, poses[..., 1]
    result[..., 2, 2] = 1.0
    return result


def some_poses(seed: int, count: int = 20) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3.0 * torch.randn(count, 3, generator=generator, dtype=torch.float64)


def test_compose_inverse_between_are_the_matrix_operations() -> None:
    a, b = some_poses(1), some_poses(2)
    torch.testing.assert_close(matrices(se2.compose(a, b)), matrices(a) @ matrices(b))
    torch.testing.assert_close(matrices(se2.inverse(a)), matrices(a).inverse())
    torch.testing.assert_close(
        matrices(se2.between(a, b)), torch.linalg.solve(matrices(a), matrices(b))
    )
    assert (se2.between(a, b)[:, 2].abs() <= math.pi).all()


def test_transform_maps_points() -> None:
    pose = some_poses(3)
    points = torch.randn(20, 5, 2, generator=torch.Generator().manual_seed(4)).double()
    homogeneous = torch.cat((points, torch.ones(20, 5, 1).double()), -1)
    expected = (homogeneous @ matrices(pose).mT)[..., :2]
    torch.testing.assert_close(se2.transform(pose, points), expected)


def test_exp_is_the_matrix_exponential_also_near_zero_yaw() -> None:
    twist = some_poses(5)
    twist[:5, 2] = torch.tensor([0.0, 1e-12, -1e-6, 9.9e-4, 1.01e-3]).double()
    generator = torch.zeros(20, 3, 3).double()
    generator[:, 0, 1], generator[:, 1, 0] = -twist[:, 2], twist[:, 2]
    generator[:, :2, 2] = twist[:, :2]
    torch.testing.assert_close(matrices(se2.exp(twist)), torch.linalg.matrix_exp(generator))


def test_log_inverts_exp() -> None:
    twist = some_poses(6)
    twist[:, 2] = angles.wrap(twist[:, 2])
    twist[:3, 2] = torch.tensor([0.0, 1e-5, 3.1]).double()
    torch.testing.assert_close(se2.log(se2.exp(twist)), twist)


def test_exp_has_finite_gradient_at_zero() -> None:
    twist = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    se2.exp(twist).sum().backward()
    torch.testing.assert_close(twist.grad, torch.ones(1, 3).double())
