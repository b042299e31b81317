"""Probability integral transform: where in a belief's own distribution the truth lies.

Of an honest belief the truth is one more draw, so F(truth) is uniform between 0 and 1 for every
direction that the belief itself could name (Dawid, JRSS A 147, 1984; Gneiting, Balabdaoui and
Raftery, JRSS B 69, 2007). A belief that is too narrow finds the truth in its tails, a shifted one
on one side. The directions are ahead of and to the left of the best hypothesis, and its heading;
those of the true vehicle would not do, as the belief does not know them.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import angles
from mdps_ros.core.kernels import ProductKernel, pose_kernel
from mdps_ros.evaluation.belief_watch import BeliefWatch
from mdps_ros.evaluation.run import Floats, Track
from mdps_ros.runtime.outputs import ParticleSnapshot
from mdps_ros.settings import Settings

AXES = ("longitudinal", "lateral", "heading")


def output_kernel(settings: Settings) -> ProductKernel:
    """The kernel of the belief that is told: that of the resampling mixture."""
    position = max(settings.filter.bandwidth_position, 0.05)
    yaw = max(settings.filter.bandwidth_yaw, 0.005)
    return pose_kernel(torch.tensor([position, position, yaw**2], dtype=torch.float64))


def transform(
    poses: Float[Tensor, "N 3"],
    weights: Float[Tensor, " N"],
    kernel: ProductKernel,
    heading: float,
    truth: Floats,
) -> Floats:
    """Marginal distribution functions of the kernel mixture at the truth, along AXES; O(N).

    The circle of headings is cut opposite to `heading`, and the von Mises kernel is taken as the
    normal one of its width.

    Args:
        poses: particles, x m, y m, yaw rad.
        weights: summing to one.
        kernel: at each particle.
        heading: rad, of the best hypothesis.
        truth: (3,) x m, y m, yaw rad.

    Returns:
        (3,) in [0, 1].
    """
    east, north = (truth[axis] - poses[:, axis].double() for axis in (0, 1))
    yaw = angles.wrap(poses[:, 2].double() - heading)
    turned = math.remainder(float(truth[2]) - heading, math.tau) - yaw
    cos, sin = math.cos(heading), math.sin(heading)
    off = torch.stack((cos * east + sin * north, cos * north - sin * east, turned))
    x, y, angle = kernel.spread().double().tolist()
    width = off.new_tensor([math.hypot(cos * x, sin * y), math.hypot(sin * x, cos * y), angle])
    below = torch.special.ndtr(off / width[:, None]) @ weights.double()
    found: Floats = below.clamp(0.0, 1.0).cpu().numpy()
    return found


class PitWatch(BeliefWatch[Floats]):
    """The transform of every belief that a session tells.

    Args:
        truth: T_map_base over time.
        kernel: at each particle.
    """

    def __init__(self, truth: Track, kernel: ProductKernel) -> None:
        super().__init__(truth)
        self._kernel = kernel

    @property
    def values(self) -> Floats:
        """(T, 3) along AXES, one row per estimate; NaN where there is no truth."""
        unknown = np.full(len(AXES), np.nan)
        return np.array([unknown if f is None else f for f in self.found]).reshape(-1, len(AXES))

    def look(self, belief: ParticleSnapshot, heading: float, true: Floats) -> Floats:
        """(3,) along AXES; see `transform`."""
        poses, weights = torch.from_numpy(belief.poses), torch.from_numpy(belief.weights)
        return transform(poses, weights, self._kernel, heading, true)
