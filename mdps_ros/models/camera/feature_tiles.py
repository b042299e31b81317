"""Encoded map under the cloud, in one tensor of bounded size.

Tiles are encoded when they are first asked for, with a margin as wide as the encoder looks, so
that a tile's features are those of the whole map's encoding. A cell of the store is half a metre:
the nearest one is then as good as interpolation between cells of a metre, at a quarter of the
reads.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Float64, Int
from torch import Tensor
from torch.nn import functional as F

from mdps_ros.core.mapdata import Bounds, TileSource
from mdps_ros.models.camera.networks import CHANNELS, MapEncoder
from mdps_ros.models.camera.patch import Patch, cuts, picked
from mdps_ros.models.camera.raster import LEVELS, metre_layers
from mdps_ros.models.camera.tile_cache import TileCache, cache_folder

SIDE = 64  # m, of a tile
MARGIN = 16  # m around a tile that its features may depend on; even, for the encoder's stride
FINER = 2  # cells of the store per metre
CELLS = SIDE * FINER  # along a tile's side
BYTES = CELLS * CELLS * CHANNELS * 2  # of a tile


class FeatureTiles:
    """Map features in slots, and the table that says which tile lies in which slot.

    Slot 0 is ground without anything on it: the world outside of the map. The least recently
    needed tiles give way. What a cell holds never depends on what was asked before.
    """

    def __init__(
        self,
        tiles: TileSource,
        encoder: MapEncoder,
        megabytes: float,
        device: torch.device,
        cache: Path | None = None,
    ) -> None:
        """An empty store.

        Args:
            tiles: the map.
            encoder: in eval mode, on the device.
            megabytes: bound of the features' memory, MB.
            device: where the features live.
            cache: folder for encoded tiles that later starts find again; None: none.
        """
        self._tiles = tiles
        self._encoder = encoder
        self._device = device
        self._cache = None
        if cache is not None:
            layout = f"{SIDE} {MARGIN} {FINER}"
            folder = cache_folder(cache, tiles, encoder, layout)
            self._cache = TileCache(folder, (CELLS * CELLS, CHANNELS))
        self.capacity = max(1, int(megabytes * 1e6) // BYTES)
        # The margin around the map sees the map; one more ring is ground without anything.
        self._ring = int(np.ceil(MARGIN / SIDE)) + 1
        self._columns = int(np.ceil(tiles.bounds.width / SIDE)) + 2 * self._ring
        self._rows = int(np.ceil(tiles.bounds.height / SIDE)) + 2 * self._ring
        self._slot_of: OrderedDict[int, int] = OrderedDict()
        nothing = torch.zeros((1, encoder.layers, SIDE, SIDE), device=device)
        empty = self._encode(nothing)[:, CELLS // 2, CELLS // 2]
        self._features = empty.expand(1, CELLS * CELLS, CHANNELS).half().contiguous()
        self._table = torch.zeros(self._rows * self._columns, dtype=torch.int32, device=device)

    @property
    def held(self) -> int:
        """Tiles in the store now."""
        return len(self._slot_of)

    def hold(self, xy: Float[Tensor, "M 2"], reach: float) -> bool:
        """Make sure that all map within `reach` metres (per axis) of the positions is held.

        Args:
            xy: m in the map frame.
            reach: m.

        Returns:
            False, and nothing changes, when that is more than the store may hold.
        """
        return self._keep(self._tiles_around(xy, reach))

    def hold_box(self, low: Float[Tensor, " 2"], high: Float[Tensor, " 2"]) -> bool:
        """Make sure that all map within a box is held; as `hold`.

        Args:
            low: x and y of the south-west corner, m in the map frame.
            high: of the north-east corner.
        """
        (left, bottom), (right, top) = torch.stack((low, high)).tolist()
        bounds = self._tiles.bounds
        columns = _tiles_between(
            left - bounds.min_x, right - bounds.min_x, self._ring, self._columns
        )
        rows = _tiles_between(bottom - bounds.min_y, top - bounds.min_y, self._ring, self._rows)
        return self._keep([row * self._columns + column for row in rows for column in columns])

    def _keep(self, needed: list[int]) -> bool:
        """Make sure that these tiles are held; False where they are too many."""
        if len(needed) > self.capacity:
            return False
        missing = []
        for number in needed:
            if number in self._slot_of:
                self._slot_of.move_to_end(number)
            else:
                missing.append(number)
        if missing:
            self._fill(missing)
        return True

    def rows_at(
        self, poses: Float[Tensor, "M 3"], cells: Float[Tensor, "P 2"]
    ) -> Int[Tensor, "M P"]:
        """Row of the store for each cell of each pose; call `hold` before.

        Args:
            poses: x m, y m, yaw rad in the map frame.
            cells: m forward and left of the poses.

        Returns:
            What `at` takes.
        """
        row, column = self._places(poses, cells)
        column = column.clamp_(0, self._columns * CELLS - 1).int()
        row = row.clamp_(0, self._rows * CELLS - 1).int()
        bits = CELLS.bit_length() - 1
        tile = (row >> bits).mul_(self._columns).add_(column >> bits)
        start = self._table.index_select(0, tile.flatten()).view(tile.shape)
        within = row.bitwise_and_(CELLS - 1).mul_(CELLS).add_(column.bitwise_and_(CELLS - 1))
        return within.add_(start)

    def at(self, rows: Int[Tensor, "M P"]) -> Float16[Tensor, "M P C"]:
        """Features of cells.

        Args:
            rows: of `rows_at`.
        """
        return picked(self._features, rows)

    def patch(self, low: Float[Tensor, " 2"], high: Float[Tensor, " 2"]) -> Patch:
        """A copy of the cells of a box; call `hold` before.

        Args:
            low: x and y of the south-west corner, m in the map frame.
            high: of the north-east corner.
        """
        ring = self._ring * CELLS
        first, size = list[int](), list[int]()
        ends = torch.stack((low, high)).tolist()
        for begin, end, origin in zip(*ends, self._tiles.bounds[:2], strict=True):
            first.append(math.floor((begin - origin) * FINER) - 1 + ring)
            size.append(math.ceil((end - origin) * FINER) + ring - first[-1] + 1)
        found = self._features.new_empty((size[1], size[0], CHANNELS))
        for row, here_y, there_y in cuts(first[1], size[1], CELLS):
            row = min(max(row, 0), self._rows - 1)  # beyond all is as there
            for column, here_x, there_x in cuts(first[0], size[0], CELLS):
                column = min(max(column, 0), self._columns - 1)
                slot = self._slot_of.get(row * self._columns + column, 0)
                tile = self._features[slot].view(CELLS, CELLS, CHANNELS)
                found[there_y, there_x] = tile[here_y, here_x]
        return Patch(found, (first[1], first[0]))

    def in_patch(
        self, patch: Patch, poses: Float[Tensor, "M 3"], cells: Float[Tensor, "P 2"]
    ) -> Float16[Tensor, "M P C"]:
        """`at` of `rows_at` of cells that a patch has, in half the time."""
        return patch.at(*self._places(poses, cells))

    def window(
        self, low: Float[Tensor, " 2"], high: Float[Tensor, " 2"]
    ) -> tuple[Float[Tensor, "C rows columns"], Float64[Tensor, " 2"]]:
        """Features of the cells of a box; call `hold` before.

        Args:
            low: x and y of the south-west corner, m in the map frame.
            high: of the north-east corner.

        Returns:
            The features, row 0 in the south, channels last in memory, and the exact corner of
            cell (0, 0), m.
        """
        features, first = self.patch(low, high)
        bounds, ring = self._tiles.bounds, self._ring * CELLS
        corner = (
            bounds.min_x + (first[1] - ring) / FINER,
            bounds.min_y + (first[0] - ring) / FINER,
        )
        return features.float().permute(2, 0, 1), low.new_tensor(corner, dtype=torch.float64)

    def _places(
        self, poses: Float[Tensor, "M 3"], cells: Float[Tensor, "P 2"]
    ) -> tuple[Float[Tensor, "M P"], Float[Tensor, "M P"]]:
        """Row and column, with fractions, of each cell of each pose; from the ring's corner."""
        bounds, ring = self._tiles.bounds, self._ring * CELLS
        # From the corner: float32 then resolves a hundredth of a cell 30 km away.
        x = ((poses[:, :1] - bounds.min_x) * FINER + ring).float()
        y = ((poses[:, 1:2] - bounds.min_y) * FINER + ring).float()
        cos, sin = torch.cos(poses[:, 2]).float(), torch.sin(poses[:, 2]).float()
        cell = (cells * FINER).float().T
        column = torch.addmm(x, torch.stack([cos, -sin], 1), cell)
        return torch.addmm(y, torch.stack([sin, cos], 1), cell), column

    def _tiles_around(self, xy: Float[Tensor, "M 2"], reach: float) -> list[int]:
        """Numbers of the tiles touched by the squares about the positions, rising."""
        corner = xy.new_tensor([self._tiles.bounds.min_x, self._tiles.bounds.min_y])
        position = (xy - corner) / SIDE + self._ring
        # Steps of at most one tile cannot jump over a tile.
        count = 2 * int(np.ceil(reach / SIDE)) + 1
        steps = torch.linspace(-reach, reach, count).to(position) / SIDE
        wanted = torch.zeros((self._rows, self._columns), dtype=torch.bool, device=xy.device)
        column = (position[:, :1] + steps).floor().clamp_(0, self._columns - 1).long()
        row = (position[:, 1:] + steps).floor().clamp_(0, self._rows - 1).long()
        wanted[row[:, :, None], column[:, None, :]] = True
        found: list[int] = _inside(wanted).flatten().nonzero().flatten().tolist()
        return found

    def _fill(self, missing: list[int]) -> None:
        slots = self._claim_slots(len(missing))
        for number, slot in zip(missing, slots, strict=True):
            self._features[slot] = self._tile(number)
            # The table holds where a slot's cells start, which saves a product per cell.
            self._table[number] = slot * CELLS**2
            self._slot_of[number] = slot

    def _tile(self, number: int) -> Float16[Tensor, "cells C"]:
        """Features of a tile's cells, from the disk if they were kept there."""
        kept = None if self._cache is None else self._cache.get(number)
        if kept is not None:
            return kept.to(self._device)
        row, column = divmod(number, self._columns)
        x = self._tiles.bounds.min_x + (column - self._ring) * SIDE - MARGIN
        y = self._tiles.bounds.min_y + (row - self._ring) * SIDE - MARGIN
        size = SIDE + 2 * MARGIN
        layers = metre_layers(self._tiles, Bounds(x, y, x + size, y + size))
        shares = torch.from_numpy(layers[None]).to(self._device).float() / LEVELS
        encoded = self._encode(shares)[0, MARGIN * FINER :, MARGIN * FINER :]
        features = encoded[:CELLS, :CELLS].reshape(-1, CHANNELS).half()
        if self._cache is not None:
            self._cache.put(number, features)
        return features

    def _encode(self, shares: Float[Tensor, "1 L rows columns"]) -> Float[Tensor, "1 r c C"]:
        """Features at the store's cells, channels last."""
        with torch.no_grad():
            features = self._encoder(shares)
        finer = F.interpolate(features, scale_factor=FINER, mode="bilinear", align_corners=False)
        return finer.permute(0, 2, 3, 1)

    def _claim_slots(self, count: int) -> list[int]:
        """Slots to write to: new ones up to the bound, then those of the oldest tiles."""
        used = self._features.shape[0] - 1
        new = min(count, self.capacity - used)
        slots = list(range(used + 1, used + 1 + new))
        if new:
            more = self._features.new_empty((new, CELLS * CELLS, CHANNELS))
            self._features = torch.cat([self._features, more])
        for _ in range(count - new):
            number, slot = self._slot_of.popitem(last=False)
            self._table[number] = 0
            slots.append(slot)
        return slots


def _inside(wanted: Bool[Tensor, "rows columns"]) -> Bool[Tensor, "rows columns"]:
    """Without the outermost ring, which is empty ground."""
    wanted[[0, -1]] = False
    wanted[:, [0, -1]] = False
    return wanted


def _tiles_between(low: float, high: float, ring: int, tiles: int) -> range:
    """Along one axis the tiles, but for the outermost, that an interval touches, m."""
    first, last = (math.floor(end / SIDE) + ring for end in (low, high))
    return range(max(first, 1), min(last, tiles - 2) + 1)
