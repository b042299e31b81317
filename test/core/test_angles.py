"""Angles."""

from __future__ import annotations

import math

import torch

from mdps_ros.core import angles

F64 = torch.float64


def test_wrap_is_into_the_half_open_interval_and_keeps_the_angle() -> None:
    angle = torch.tensor([0.0, math.pi, -math.pi, 3 * math.pi, 4.0, -4.0, 100.0], dtype=F64)
    wrapped = angles.wrap(angle)
    assert (wrapped > -math.pi).all()
    assert (wrapped <= math.pi).all()
    assert wrapped[1] == math.pi
    assert abs(wrapped[2] - math.pi) < 1e-12  # -pi is written as +pi
    torch.testing.assert_close(wrapped.cos(), angle.cos())
    torch.testing.assert_close(wrapped.sin(), angle.sin(), atol=1e-12, rtol=0)


def test_wrap_leaves_angles_within_the_interval_as_they_are() -> None:
    generator = torch.Generator().manual_seed(1)
    angle = 2.0 * torch.rand(10_000, generator=generator) * 3.14 - 3.14
    assert torch.equal(angles.wrap(angle), angle)
    by_remainder = math.pi - torch.remainder(math.pi - angle, 2.0 * math.pi)
    assert not torch.equal(by_remainder, angle)  # the textbook's form rounds each of them


def test_wrap_has_unit_gradient() -> None:
    angle = torch.tensor([0.3, 3.5, -9.0], requires_grad=True)
    angles.wrap(angle).sum().backward()
    assert torch.equal(angle.grad, torch.ones(3))


def test_circular_mean_crosses_the_cut() -> None:
    angle = torch.tensor([[math.pi - 0.1, -math.pi + 0.3]], dtype=F64)
    mean = angles.circular_mean(angle, torch.tensor([[0.5, 0.5]], dtype=F64))
    assert abs(angles.wrap(mean - (math.pi + 0.1))).item() < 1e-12


def test_circular_std_of_a_wrapped_normal() -> None:
    generator = torch.Generator().manual_seed(3)
    angle = 3.0 + 0.4 * torch.randn(1, 200_000, generator=generator, dtype=torch.float64)
    spread = angles.circular_std(angle, torch.full_like(angle, 1 / 200_000))
    assert abs(spread.item() - 0.4) < 5 * 0.4 / math.sqrt(2 * 200_000)
    assert angles.circular_std(torch.ones(1, 2), torch.full((1, 2), 0.5)).item() < 1e-3
