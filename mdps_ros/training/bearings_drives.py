"""Drives of the bearings-only world as tensors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mdps_ros.sim.bearings import simulate


class Drives(NamedTuple):
    """Simulated drives as tensors: poses (S, T, 3), bearings (S, T)."""

    poses: Tensor
    bearings: Tensor


def simulate_drives(count: int, steps: int, seed: int, device: torch.device) -> Drives:
    """`count` drives of `steps` steps; equal seeds give equal drives."""
    drawn = simulate(count, steps, np.random.default_rng(seed))
    return Drives(
        torch.as_tensor(drawn.poses, dtype=torch.float32, device=device),
        torch.as_tensor(drawn.bearings, dtype=torch.float32, device=device),
    )


def tile(values: Tensor, members: int) -> Tensor:
    """The same rows for every member, member-major."""
    return values.repeat(members, *(1,) * (values.ndim - 1))
