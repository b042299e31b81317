"""Features of the part of the trunk that never learns, once per frame, beside the frames."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.evaluation.camera_frame_set import FrameSet, FrameShard
from mdps_ros.models.camera.geometry import HEIGHT, WIDTH
from mdps_ros.models.camera.trunk import TrunkLow, input_of

BATCH = 16
SHAPE = (24, HEIGHT // 4, WIDTH // 4)


class Cached(NamedTuple):
    """Features of all frames of a set, on the disk.

    Attributes:
        features: per shard, (n, *SHAPE) float16.
        masks: (frames, HEIGHT, WIDTH / 8) uint8, bits of the canonical masks.
        first: number of the first frame of each shard.
    """

    features: tuple[NDArray[np.float16], ...]
    masks: NDArray[np.uint8]
    first: NDArray[np.int64]

    def read(self, index: int) -> NDArray[np.float16]:
        """SHAPE, features of one frame."""
        shard = int(np.searchsorted(self.first, index, side="right")) - 1
        found: NDArray[np.float16] = self.features[shard][index - int(self.first[shard])]
        return found

    def mask(self, index: int) -> NDArray[np.bool_]:
        """(HEIGHT, WIDTH), where the canonical image of a frame holds something."""
        return np.unpackbits(self.masks[index], axis=1).astype(np.bool_)


def cache_features(frames: FrameSet, low: TrunkLow) -> Cached:
    """Open the features of a set; what is missing is computed first.

    Args:
        frames: the set; the features go into its shards' folders.
        low: the part of the trunk.
    """
    mark = trunk_mark(low)
    features, masks = [], []
    for shard in frames.shards:
        folder = shard.folder / f"trunk_{mark}"
        if not (folder / "masks.npy").exists():
            _compute(shard, low, folder)
        features.append(np.load(folder / "features.npy", mmap_mode="r"))
        masks.append(np.load(folder / "masks.npy"))
    first = np.cumsum([0, *(len(shard) for shard in frames.shards[:-1])])
    return Cached(tuple(features), np.concatenate(masks), first)


def trunk_mark(low: TrunkLow) -> str:
    """A word that is another one for other weights."""
    mark = 0
    for tensor in low.state_dict().values():
        mark = zlib.crc32(tensor.cpu().numpy().tobytes(), mark)
    return f"{mark:08x}"


def trunk_features(low: TrunkLow, rgb: NDArray[np.uint8]) -> Tensor:
    """(B, *SHAPE) of canonical images (B, HEIGHT, WIDTH, 3), without gradients."""
    image = input_of(torch.from_numpy(rgb).to(next(low.parameters()).device))
    with torch.no_grad(), torch.autocast(image.device.type, torch.bfloat16):
        features: Tensor = low(image)
    return features


def _compute(shard: FrameShard, low: TrunkLow, folder: Path) -> None:
    """Write the features of a shard; the folder's masks come last and say that it is whole."""
    folder.mkdir(exist_ok=True)
    count = len(shard)
    features = np.lib.format.open_memmap(folder / "features.npy", "w+", np.float16, (count, *SHAPE))
    masks = np.zeros((count, HEIGHT, WIDTH // 8), np.uint8)
    for start in range(0, count, BATCH):
        views = [shard.frame(i).view() for i in range(start, min(start + BATCH, count))]
        part = slice(start, start + len(views))
        found = trunk_features(low, np.stack([view.rgb for view in views]))
        features[part] = found.half().cpu().numpy()
        masks[part] = np.packbits(np.stack([view.mask for view in views]), axis=2)
    features.flush()
    temporary = folder / "masks.part.npy"
    np.save(temporary, masks)
    temporary.replace(folder / "masks.npy")
