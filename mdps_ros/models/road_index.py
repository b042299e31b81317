"""Which road segments are near a position: a hash grid that grows with the roads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.core.mapdata import RoadNetwork

MAX_BEND = 1.2  # rad; a sharper turn between two ways is a corner, not a bend


class RoadIndex(NamedTuple):
    """Segments (S) and, for every grid cell near a road (C), its nearest K segments.

    Attributes:
        segments: (S, 10) start x, start y, unit direction x, y, length m, yaw rad,
            carriageway width m, 1 where one-way, bend at the start and at the end rad: the
            tangent of the road less the segment's yaw there.
        table: (rows, columns) row of `candidates` for each grid cell, -1 away from roads.
        candidates: (C, K) segment numbers by rising distance, -1 where there are fewer.
        origin: (2,) m, south-west corner of the grid.
        cell: m, side of a grid cell.
    """

    segments: Float[Tensor, "S 10"]
    table: Int[Tensor, "rows columns"]
    candidates: Int[Tensor, "C K"]
    origin: Float[Tensor, " 2"]
    cell: float


def build_road_index(
    roads: RoadNetwork,
    device: torch.device,
    *,
    cell: float = 8.0,
    reach: float = 14.0,
    nearest: int = 8,
) -> RoadIndex:
    """Index the network: every cell knows the segments within `reach` metres of its border.

    Args:
        roads: the network; must not be empty.
        device: where the tensors live.
        cell: grid spacing, metres.
        reach: segments farther than this from a cell are not candidates there, metres.
        nearest: K, candidates kept per cell.

    Raises:
        ValueError: the network has no segments.
    """
    if roads.count == 0:
        raise ValueError("the map has no drivable road; use a map with highways or disable `road`")
    lengths = np.maximum(roads.lengths, 1e-6)
    direction = (roads.end - roads.start) / lengths[:, None]
    shape = (roads.start, direction, lengths, roads.yaw, roads.width, roads.oneway)
    columns = (*shape, *_bends(roads))
    segments = np.column_stack(columns).astype(np.float32)
    low = np.minimum(roads.start, roads.end).min(0) - reach - 2 * cell
    high = np.maximum(roads.start, roads.end).max(0) + reach + 2 * cell
    size = np.ceil((high - low) / cell).astype(np.int64)  # columns (x), rows (y)

    cells, members, distance = _near_pairs(roads, direction, lengths, low, size, cell, reach)
    order = np.lexsort((distance, cells))
    cells, members = cells[order], members[order]
    unique, first = np.unique(cells, return_index=True)
    rank = np.arange(len(cells)) - np.repeat(first, np.diff(np.append(first, len(cells))))
    kept = rank < nearest
    candidates = np.full((len(unique), nearest), -1, np.int64)
    candidates[np.searchsorted(unique, cells[kept]), rank[kept]] = members[kept]
    table = np.full(size[0] * size[1], -1, np.int32)
    table[unique] = np.arange(len(unique))
    return RoadIndex(
        segments=torch.from_numpy(segments).to(device),
        table=torch.from_numpy(table.reshape(size[1], size[0])).to(device),
        candidates=torch.from_numpy(candidates.astype(np.int32)).to(device),
        origin=torch.from_numpy(low.astype(np.float32)).to(device),
        cell=cell,
    )


def _bends(roads: RoadNetwork) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(S,) rad bend at start and end: half the turn where exactly two segments meet, else 0."""
    count = roads.count
    ends = np.concatenate((roads.start_node, roads.end_node))
    # heading with which one leaves the node along that segment
    leaving = np.concatenate((roads.yaw, roads.yaw + np.pi))
    order = np.argsort(ends, kind="stable")
    _, first, degree = np.unique(ends[order], return_index=True, return_counts=True)
    one, other = order[first[degree == 2]], order[first[degree == 2] + 1]
    turn = np.angle(np.exp(1j * (leaving[other] - leaving[one] - np.pi)))  # from one into other
    turn = np.where(np.abs(turn) < MAX_BEND, turn, 0.0)
    bend = np.zeros(2 * count)
    # arriving along `one` means driving against its leaving direction; angles add all the same
    bend[one] = turn / 2
    bend[other] = -turn / 2
    return bend[:count], bend[count:]


def _near_pairs(
    roads: RoadNetwork,
    direction: NDArray[np.float64],
    lengths: NDArray[np.float64],
    low: NDArray[np.float64],
    size: NDArray[np.int64],
    cell: float,
    reach: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """(cell number, segment number, distance m) of all pairs nearer than reach + half a cell."""
    steps = np.maximum(np.ceil(lengths / (cell / 2)).astype(np.int64), 1)
    member = np.repeat(np.arange(roads.count), steps)
    index = np.arange(len(member)) - np.repeat(np.cumsum(steps) - steps, steps)
    along = (index + 0.5) / steps[member] * lengths[member]
    sample = roads.start[member] + direction[member] * along[:, None]
    home = np.floor((sample - low) / cell).astype(np.int64)
    radius = int(np.ceil(reach / cell)) + 1
    offsets = np.stack(np.meshgrid(*[np.arange(-radius, radius + 1)] * 2), -1).reshape(-1, 2)
    pairs: list[NDArray[np.int64]] = []
    total = int(size[0] * size[1])
    for offset in offsets:  # a few dozen, each vectorised over all samples
        near = np.clip(home + offset, 0, size - 1)
        number = near[:, 1] * size[0] + near[:, 0]
        pairs.append(np.unique(member * total + number))
    key = np.unique(np.concatenate(pairs))
    members, cells = key // total, key % total
    centre = low + (np.stack([cells % size[0], cells // size[0]], -1) + 0.5) * cell
    relative = centre - roads.start[members]
    along = np.clip((relative * direction[members]).sum(-1), 0, lengths[members])
    distance = np.hypot(*(relative - direction[members] * along[:, None]).T)
    kept = distance <= reach + cell * np.sqrt(0.5)
    return cells[kept], members[kept], distance[kept]
