"""Bayes' rule on a grid of poses: a histogram filter (Thrun, Burgard, Fox 2005, section 4.1).

Share[k, row, column] is the probability of a heading and a cell. Motion shifts the cells of each
heading by linear interpolation and blurs them; both are separable. A measurement is asked for at
cell centres only, and only where there is probability left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core.mapdata import Bounds

NEGLIGIBLE = 1e-8  # of the likeliest cell, or of a blur: what is less is dropped
TAIL = 4.0  # standard deviations of a blur

Share = Float[Tensor, "K rows columns"]


class Step(NamedTuple):
    """Odometry between two frames, and the standard deviations of its errors.

    Attributes:
        forward: m, in the frame of the earlier pose.
        left: m.
        turn: rad.
        sd: m, on each axis.
        turn_sd: rad.
    """

    forward: float
    left: float
    turn: float
    sd: float
    turn_sd: float


class PoseGrid(NamedTuple):
    """Where the cells lie.

    Attributes:
        corner: x and y of the south-west corner, m.
        cell: m.
        rows: to the north.
        columns: to the east.
        headings: over the whole circle, the first one to the east.
    """

    corner: tuple[float, float]
    cell: float
    rows: int
    columns: int
    headings: int

    @property
    def turn(self) -> float:
        """Rad between two headings."""
        return math.tau / self.headings

    def histogram(self, poses: Float[Tensor, "N 3"]) -> Share:
        """Shares of draws; those outside of the grid are left out."""
        column, row = ((poses[:, i] - self.corner[i]).div(self.cell).floor().long() for i in (0, 1))
        heading = (poses[:, 2] / self.turn).round().long() % self.headings
        inside = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        flat = ((heading * self.rows + row) * self.columns + column)[inside]
        counts = torch.bincount(flat, minlength=self.headings * self.rows * self.columns)
        share = counts.float() / counts.sum()
        return share.view(self.headings, self.rows, self.columns)

    def held(self, share: Share) -> tuple[Float[Tensor, "M 3"], Float[Tensor, " M"]]:
        """Centres and shares of the cells that are not negligible; the shares sum to one."""
        index = (share > NEGLIGIBLE * share.amax()).nonzero()
        k, row, column = index.unbind(1)
        x, y = ((i + 0.5) * self.cell + c for i, c in zip((column, row), self.corner, strict=True))
        kept = share[k, row, column]
        return torch.stack((x, y, k * self.turn), 1), kept / kept.sum()

    def moved(self, share: Share, step: Step) -> Share:
        """The shares after a step; what leaves the grid is lost."""
        yaw = torch.arange(self.headings) * self.turn
        cos, sin = yaw.cos(), yaw.sin()
        east = (cos * step.forward - sin * step.left) / self.cell
        north = (sin * step.forward + cos * step.left) / self.cell
        sd = step.sd / self.cell
        part, where = _cropped(share, _reach(torch.cat((east, north)), sd))
        for shift, axis in ((east, 2), (north, 1)):
            part = _shifted(part, shift, sd, axis)
        turn, spread = torch.tensor([step.turn / self.turn]), step.turn_sd / self.turn
        weights, reach = taps(turn, spread)
        found = torch.zeros_like(share)
        target = found[where]
        for k in _occupied(part):
            for tap, weight in enumerate(weights[0].tolist()):
                if weight > NEGLIGIBLE:
                    target[(k + tap - reach) % self.headings].add_(part[k], alpha=weight)
        return found

    def weighed(
        self, share: Share, score: Callable[[Float[Tensor, "M 3"]], Float[Tensor, " M"]]
    ) -> Share:
        """The shares given a measurement.

        Args:
            share: before it.
            score: log-likelihood of poses up to a constant.
        """
        kept = share > NEGLIGIBLE * share.amax()
        poses, before = self.held(share)
        found = torch.zeros_like(share)
        found[kept] = torch.softmax(before.log() + score(poses), 0)
        return found


def taps(shift: Float[Tensor, " K"], sd: float) -> tuple[Float[Tensor, "K T"], int]:
    """Weights with which a cell is shared among those at -reach .. reach, and the reach.

    Linear interpolation of the shift, then a Gaussian over cells; the mean is the shift.

    Args:
        shift: cells.
        sd: cells.
    """
    reach = _reach(shift, sd)
    whole = shift.floor()
    offset = torch.arange(-reach, reach + 1.0) - whole[:, None]
    left = (shift - whole)[:, None]
    weights = (1.0 - left) * _blur(offset, sd) + left * _blur(offset - 1.0, sd)
    return weights / weights.sum(1, keepdim=True), reach


def _blur(offset: Tensor, sd: float) -> Tensor:
    """Mass of a Gaussian in the cell at an offset."""
    width = max(sd, 1e-6)
    above, below = (torch.special.ndtr((offset + half) / width) for half in (0.5, -0.5))
    mass: Tensor = above - below
    return mass


def _reach(shift: Tensor, sd: float) -> int:
    return math.ceil(float(shift.abs().amax()) + TAIL * sd) + 1


def _cropped(share: Share, reach: int) -> tuple[Share, tuple[slice, slice, slice]]:
    """The part that holds all probability that counts, and `reach` cells around it."""
    occupied = (share > NEGLIGIBLE * share.amax()).any(0)
    row, column = (occupied.any(axis).nonzero() for axis in (1, 0))
    rows, columns = (
        slice(max(0, int(i.min()) - reach), int(i.max()) + reach + 1) for i in (row, column)
    )
    where = (slice(None), rows, columns)
    return share[where], where


def _shifted(share: Share, shift: Float[Tensor, " K"], sd: float, axis: int) -> Share:
    """Each heading's cells shifted along an axis; few weights count, so each is added by itself."""
    weights, reach = taps(shift, sd)
    found = torch.zeros_like(share)
    for k in _occupied(share):
        for tap, weight in enumerate(weights[k].tolist()):
            offset = tap - reach
            count = share.shape[axis] - abs(offset)
            if weight > NEGLIGIBLE and count > 0:
                source = share[k].narrow(axis - 1, max(-offset, 0), count)
                target = found[k].narrow(axis - 1, max(offset, 0), count)
                target.add_(source, alpha=weight)
    return found


def _occupied(share: Share) -> list[int]:
    """Headings that have any probability."""
    found: list[int] = share.flatten(1).any(1).nonzero().flatten().tolist()
    return found


def grid_over(bounds: Bounds, cell: float, headings: int) -> PoseGrid:
    """The grid that covers bounds."""
    columns, rows = (math.ceil(size / cell) for size in (bounds.width, bounds.height))
    return PoseGrid((bounds.min_x, bounds.min_y), cell, rows, columns, headings)
