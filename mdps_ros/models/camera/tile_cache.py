"""Encoded map tiles on disk, so that a second start need not encode them again.

A tile depends on the map and on the encoder's weights, so both are in the name of its folder. One
square kilometre is 64 MB. The cache is for speed alone: a file that cannot be read is encoded
again, one that cannot be written is not.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float16
from torch import Tensor, nn

from mdps_ros.core.mapdata import TileSource

_FORMAT = "1"  # of the files and of what the features are; a change makes all files new


def cache_folder(root: Path, tiles: TileSource, encoder: nn.Module, layout: str) -> Path:
    """The folder of one map's tiles by one encoder.

    Args:
        root: of all caches.
        tiles: the map.
        encoder: what made the features.
        layout: what else the features depend on, say the size of a tile.
    """
    digest = hashlib.sha256(f"{_FORMAT} {layout} {tiles.id} {tiles.resolution}".encode())
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return root / digest.hexdigest()[:32]


class TileCache:
    """Files of one folder, a tile each."""

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        """Take a folder, which need not be there yet.

        Args:
            folder: of `cache_folder`.
            shape: of a tile's features.
        """
        self._folder = folder
        self._shape = shape

    def get(self, number: int) -> Float16[Tensor, "cells C"] | None:
        """The features of a tile, None where there is no whole file of it."""
        try:
            values = np.fromfile(self._path(number), np.float16)
        except OSError:
            return None
        if values.size != np.prod(self._shape):
            return None
        return torch.from_numpy(values.reshape(self._shape))

    def put(self, number: int, features: Float16[Tensor, "cells C"]) -> None:
        """Keep the features of a tile, if the disk lets us; readers never see half a file."""
        path = self._path(number)
        beside = path.with_suffix(f".{os.getpid()}.part")
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            features.cpu().numpy().tofile(beside)
            beside.replace(path)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.f16"
