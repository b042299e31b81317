"""What one image says, ready to be scored: a few weighted cells of its ground plan."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.models.camera.geometry import DEPTHS, SIDES, cell_positions
from mdps_ros.models.camera.networks import Ground
from mdps_ros.models.camera.view import View


class Lattice(NamedTuple):
    """The ground plan of a view on the regular lattice that its cells lie on, zero where unseen.

    Attributes:
        features: of the cells, times the factor of the score.
        corner: m forward and left in the base frame, of cell (0, 0).
        ahead: m forward and left, from a row to the next.
        right: m forward and left, from a column to the next; at a right angle to `ahead` and
            as long.
    """

    features: Float[Tensor, "C Z X"]
    corner: Float[Tensor, " 2"]
    ahead: Float[Tensor, " 2"]
    right: Float[Tensor, " 2"]

    @property
    def spacing(self) -> float:
        """Metres per cell."""
        return float(self.ahead.norm())


class Few(NamedTuple):
    """Cells that stand for all of a look, of `thin`.

    Attributes:
        asked: how many were asked for.
        cells: their places.
        features: of the cells, weighted.
    """

    asked: int
    cells: Float[Tensor, "Q 2"]
    features: Float[Tensor, "Q C"]


class CameraLook(NamedTuple):
    """One image's ground plan.

    Attributes:
        cells: places of all cells that say something, m forward and left in the base frame.
        features: of the cells, times the factor: a cell adds its inner product with the map's
            features to the log-likelihood.
        classes: probability of each of AUXILIARY at all cells, for people.
        visible: 1 where a cell lies in the view.
        reach: m, distance of the farthest cell from the base frame's origin.
        lattice: all cells in their order on the ground; None where they have none.
        few: thinned once for all who will score by so many; None where nobody has.
    """

    cells: Float[Tensor, "P 2"]
    features: Float[Tensor, "P C"]
    classes: Float[Tensor, "K Z X"]
    visible: Float[Tensor, "Z X"]
    reach: float
    lattice: Lattice | None = None
    few: Few | None = None

    def thinned(self, count: int) -> Few:
        """About `count` cells that stand for all."""
        if self.few is not None and self.few.asked == count:
            return self.few
        return Few(count, *thin(self.cells, self.features, count))


def make_look(ground: Ground, view: View, factor: Float[Tensor, " 1"]) -> CameraLook | None:
    """A look from the ground features of one view; None when no cell is seen.

    Args:
        ground: of a batch of one.
        view: where the image was taken from.
        factor: of the score.
    """
    visible = ground.visible[0, 0]
    order = _serpentine().to(visible.device)
    chosen = order[visible.flatten()[order] > 0]
    if len(chosen) == 0:
        return None
    grid = base_positions(view).to(visible.device)
    places = grid.reshape(-1, 2)[chosen]
    scaled = factor * ground.features[0].float()
    features = scaled.flatten(1).T[chosen]
    return CameraLook(
        places,
        features,
        torch.sigmoid(ground.classes[0].float()),
        visible,
        float(places.norm(dim=1).max()),
        Lattice(scaled, grid[0, 0], grid[1, 0] - grid[0, 0], grid[0, 1] - grid[0, 0]),
    )


def base_positions(view: View) -> Float[Tensor, "Z X 2"]:
    """Places of all cells, m forward and left in the base frame."""
    level = cell_positions(view.height, 0.0)
    cos, sin = np.cos(view.heading), np.sin(view.heading)
    turn = torch.tensor([[cos, sin], [-sin, cos]], dtype=level.dtype)
    return level @ turn + torch.tensor(view.position, dtype=level.dtype)


def thin(
    cells: Float[Tensor, "P 2"], features: Float[Tensor, "P C"], count: int
) -> tuple[Float[Tensor, "Q 2"], Float[Tensor, "Q C"]]:
    """About `count` cells that stand for all; the same ones every time.

    A systematic draw with probabilities in proportion to the features' lengths, and weights that
    are their inverse (Horvitz and Thompson 1952). Cells in the order of `make_look` follow each
    other on the ground, so the draw is spread over it.

    Args:
        cells: places.
        features: of the cells.
        count: at least 1; as many cells or fewer stay as they are.
    """
    if count >= len(cells):
        return cells, features
    # On the host, in one piece: a device would be waited for at every step.
    probability = _probabilities(features.norm(dim=1).double().cpu(), count)
    steps = torch.floor(probability.cumsum(0) + 0.5)
    chosen = (torch.diff(steps, prepend=steps.new_zeros(1)) > 0).nonzero().flatten()
    weight = (1.0 / probability[chosen]).to(features)
    chosen = chosen.to(cells.device)
    return cells[chosen], features[chosen] * weight[:, None]


def _probabilities(size: Float[Tensor, " P"], count: int) -> Float[Tensor, " P"]:
    """min(1, k size) with k such that the sum is `count`."""
    size = size.clamp_min(1e-9 * float(size.max()) + 1e-30)
    certain = torch.zeros(len(size), dtype=torch.bool, device=size.device)
    while True:
        left = count - int(certain.sum())
        scaled = size * (left / float(size[~certain].sum()))
        more = (scaled >= 1.0) & ~certain
        if not bool(more.any()):
            return torch.where(certain, 1.0, scaled)
        certain |= more


def _serpentine() -> Int[Tensor, " ZX"]:
    """Numbers of the cells in an order in which each one is beside the next."""
    number = torch.arange(DEPTHS * SIDES).reshape(DEPTHS, SIDES)
    number[1::2] = number[1::2].flip(1)
    return number.flatten()
