"""Losses of poses, and means over labelled steps."""

from __future__ import annotations

import math

import pytest
import torch

from mdps_ros.training import losses

F64 = torch.float64


def test_mean_pose_error_charges_headings_that_point_apart() -> None:
    even = torch.tensor([[0.5, 0.5]], dtype=F64).log()
    poses = torch.tensor([[[1.0, 0.0, math.pi - 0.1], [3.0, 0.0, -math.pi + 0.1]]], dtype=F64)
    at_mean = torch.tensor([[2.0, 0.0, math.pi]], dtype=F64)
    error = losses.mean_pose_error(poses, even, at_mean, 2.0)
    assert error.item() == pytest.approx(4.0 * (1.0 - math.cos(0.1)) ** 2)
    turned = poses + torch.tensor([0.0, 0.0, 2 * math.pi], dtype=F64)
    torch.testing.assert_close(losses.mean_pose_error(turned, even, at_mean, 2.0), error)


def test_only_labelled_steps_count_and_a_member_without_any_is_refused() -> None:
    values = torch.tensor([[1.0, math.nan], [3.0, 5.0], [7.0, 9.0], [math.nan, math.nan]])
    labelled = ~values.isnan()
    found = losses.mean_per_member(values, labelled, 2)
    torch.testing.assert_close(found, torch.tensor([3.0, 8.0]))
    with pytest.raises(losses.TrainingError, match="no labelled step"):
        losses.mean_per_member(values, labelled, 4)


def test_steps_without_label_give_no_gradient_even_where_they_are_nan() -> None:
    values = torch.tensor([[1.0, math.nan], [3.0, 5.0]], requires_grad=True)
    found = losses.mean_per_member(values, torch.tensor([[True, False], [True, True]]), 1)
    (gradient,) = torch.autograd.grad(found.sum(), values)
    torch.testing.assert_close(gradient, torch.tensor([[1.0, 0.0], [1.0, 1.0]]) / 3.0)
