"""Class rasters of the map under the cloud, in one tensor of bounded size."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from mdps_ros.core.mapdata import TileSource
from mdps_ros.models.depth_cells import BLOCK, BLOCK_BITS, UNKNOWN, class_block


class ClassCache:
    """Blocks of classes in slots, and the table that says which block lies in which slot.

    Slot 0 is the world outside of the map, and blocks that nobody asked for. The least recently
    needed blocks give way. What a cell holds never depends on what was asked before.
    """

    def __init__(self, tiles: TileSource, megabytes: float, device: torch.device) -> None:
        """An empty cache.

        Args:
            tiles: the map.
            megabytes: bound of the rasters' memory, MB.
            device: where the rasters live.
        """
        self._tiles = tiles
        self._block_size = BLOCK * tiles.resolution
        # One ring of blocks around the map, never filled, catches what falls outside.
        self._columns = int(np.ceil(tiles.bounds.width / self._block_size)) + 2
        self._rows = int(np.ceil(tiles.bounds.height / self._block_size)) + 2
        self.capacity = max(1, int(megabytes * 1e6) // BLOCK**2)
        self._slot_of: OrderedDict[int, int] = OrderedDict()
        self._classes = torch.full((1, BLOCK, BLOCK), UNKNOWN, dtype=torch.uint8, device=device)
        self._table = torch.zeros(self._rows * self._columns, dtype=torch.int32, device=device)

    @property
    def held(self) -> int:
        """Blocks in the cache now."""
        return len(self._slot_of)

    @property
    def classes(self) -> UInt8[Tensor, "slots rows columns"]:
        """Class rasters; slot 0 is unknown ground."""
        return self._classes

    def hold(self, xy: Float[Tensor, "M 2"], reach: float) -> bool:
        """Make sure that all map within `reach` metres (per axis) of the positions is held.

        Args:
            xy: (M, 2) m in the map frame.
            reach: m.

        Returns:
            False, and nothing changes, when that is more than the cache may hold.
        """
        needed = self._blocks_around(xy, reach)
        if len(needed) > self.capacity:
            return False
        missing = []
        for block in needed:
            if block in self._slot_of:
                self._slot_of.move_to_end(block)
            else:
                missing.append(block)
        if missing:
            self._fill(missing)
        return True

    def classes_at(
        self, poses: Float[Tensor, "M 3"], points: Float[Tensor, "P 2"]
    ) -> Int[Tensor, "M P"]:
        """Class of the map cell under each point of each pose; call `hold` before.

        Args:
            poses: x m, y m, yaw rad in the map frame.
            points: m forward and left of the poses.
        """
        cell, bounds = self._tiles.resolution, self._tiles.bounds
        # In cells from the corner: float32 then resolves a hundredth of a cell 30 km away.
        x = ((poses[:, :1] - bounds.min_x) / cell + BLOCK).float()
        y = ((poses[:, 1:2] - bounds.min_y) / cell + BLOCK).float()
        cos, sin = torch.cos(poses[:, 2]).float(), torch.sin(poses[:, 2]).float()
        point = (points / cell).float().T
        column = torch.addmm(x, torch.stack([cos, -sin], 1), point)
        row = torch.addmm(y, torch.stack([sin, cos], 1), point)
        column = column.clamp_(0, self._columns * BLOCK - 1).int()
        row = row.clamp_(0, self._rows * BLOCK - 1).int()
        block = (row >> BLOCK_BITS).mul_(self._columns).add_(column >> BLOCK_BITS)
        start = self._table.index_select(0, block.flatten()).view(block.shape)
        within = row.bitwise_and_(BLOCK - 1).mul_(BLOCK).add_(column.bitwise_and_(BLOCK - 1))
        index = within.add_(start).flatten()
        return self._classes.view(-1).index_select(0, index).view(block.shape).int()

    def _blocks_around(self, xy: Float[Tensor, "M 2"], reach: float) -> list[int]:
        """Numbers of the map's blocks touched by the squares about the positions, rising."""
        corner = xy.new_tensor([self._tiles.bounds.min_x, self._tiles.bounds.min_y])
        position = (xy - corner) / self._block_size + 1
        # Steps of at most one block cannot jump over a block.
        count = 2 * int(np.ceil(reach / self._block_size)) + 1
        steps = torch.linspace(-reach, reach, count).to(position) / self._block_size
        wanted = torch.zeros((self._rows, self._columns), dtype=torch.bool, device=xy.device)
        column = (position[:, :1] + steps).floor().clamp_(0, self._columns - 1).long()
        row = (position[:, 1:] + steps).floor().clamp_(0, self._rows - 1).long()
        wanted[row[:, :, None], column[:, None, :]] = True
        wanted[[0, -1]] = False
        wanted[:, [0, -1]] = False
        found: list[int] = wanted.flatten().nonzero().flatten().tolist()
        return found

    def _fill(self, missing: list[int]) -> None:
        slots = self._claim_slots(len(missing))
        device = self._classes.device
        blocks = [
            class_block(self._tiles, number % self._columns - 1, number // self._columns - 1)
            for number in missing
        ]
        index = torch.tensor(slots, device=device)
        self._classes[index] = torch.from_numpy(np.stack(blocks)).to(device)
        # The table holds where a slot's cells start, which saves a product per point.
        self._table[torch.tensor(missing, device=device)] = (index * BLOCK**2).int()
        self._slot_of.update(zip(missing, slots, strict=True))

    def _claim_slots(self, count: int) -> list[int]:
        """Slots to write to: new ones up to the bound, then those of the oldest blocks."""
        used = self._classes.shape[0] - 1
        new = min(count, self.capacity - used)
        slots = list(range(used + 1, used + 1 + new))
        if new:
            more = self._classes.new_full((new, BLOCK, BLOCK), UNKNOWN)
            self._classes = torch.cat([self._classes, more])
        for _ in range(count - new):
            block, slot = self._slot_of.popitem(last=False)
            self._table[block] = 0
            slots.append(slot)
        return slots
