"""Features of the frozen trunk, computed once per frame and kept beside the frames."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mdps_ros.evaluation.camera_frame_set import FrameSet, FrameShard
from mdps_ros.models.camera.geometry import HEIGHT, WIDTH
from mdps_ros.models.camera.networks import CameraNetworks
from mdps_ros.models.camera.trunk import Taps, input_of

BATCH = 16
SHAPES = {
    "s4": (24, HEIGHT // 4, WIDTH // 4),
    "s8": (40, HEIGHT // 8, WIDTH // 8),
    "s16": (112, HEIGHT // 16, WIDTH // 16),
}


class Cached(NamedTuple):
    """Features of all frames of a set, on the disk.

    Attributes:
        taps: per shard, the arrays named in SHAPES: (n, C, h, w) float16.
        masks: (frames, HEIGHT, WIDTH / 8) uint8, bits of the canonical masks.
        first: number of the first frame of each shard.
    """

    taps: tuple[dict[str, NDArray[np.float16]], ...]
    masks: NDArray[np.uint8]
    first: NDArray[np.int64]

    def read(self, index: int) -> dict[str, NDArray[np.float16]]:
        """Features of one frame."""
        shard = int(np.searchsorted(self.first, index, side="right")) - 1
        arrays = self.taps[shard]
        return {name: array[index - int(self.first[shard])] for name, array in arrays.items()}

    def mask(self, index: int) -> NDArray[np.bool_]:
        """(HEIGHT, WIDTH), where the canonical image of a frame holds something."""
        return np.unpackbits(self.masks[index], axis=1).astype(np.bool_)


def cache_features(frames: FrameSet, networks: CameraNetworks) -> Cached:
    """Open the features of a set; what is missing is computed first.

    Args:
        frames: the set; the features go into its shards' folders.
        networks: whose trunk is used.
    """
    mark = trunk_mark(networks)
    taps, masks = [], []
    for shard in frames.shards:
        folder = shard.folder / f"trunk_{mark}"
        if not (folder / "masks.npy").exists():
            _compute(shard, networks, folder)
        taps.append({name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in SHAPES})
        masks.append(np.load(folder / "masks.npy"))
    first = np.cumsum([0, *(len(shard) for shard in frames.shards[:-1])])
    return Cached(tuple(taps), np.concatenate(masks), first)


def trunk_mark(networks: CameraNetworks) -> str:
    """A word that is another one for other weights of the trunk."""
    mark = 0
    parts: tuple[nn.Module, ...] = (networks.low, networks.high)
    for part in parts:
        for tensor in part.state_dict().values():
            mark = zlib.crc32(tensor.cpu().numpy().tobytes(), mark)
    return f"{mark:08x}"


def trunk_taps(networks: CameraNetworks, rgb: NDArray[np.uint8], device: torch.device) -> Taps:
    """What the trunk gives of canonical images (B, HEIGHT, WIDTH, 3), without gradients."""
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
        taps: Taps = networks.high(networks.low(input_of(torch.from_numpy(rgb).to(device))))
    return taps


def _compute(shard: FrameShard, networks: CameraNetworks, folder: Path) -> None:
    """Write the features of a shard; the folder's masks come last and say that it is whole."""
    folder.mkdir(exist_ok=True)
    device = next(networks.parameters()).device
    count = len(shard)
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float16, (count, *shape))
        for name, shape in SHAPES.items()
    }
    masks = np.zeros((count, HEIGHT, WIDTH // 8), np.uint8)
    for start in range(0, count, BATCH):
        views = [shard.frame(i).view() for i in range(start, min(start + BATCH, count))]
        taps = trunk_taps(networks, np.stack([view.rgb for view in views]), device)
        part = slice(start, start + len(views))
        for name, values in taps._asdict().items():
            arrays[name][part] = _half(values)
        masks[part] = np.packbits(np.stack([view.mask for view in views]), axis=2)
    for array in arrays.values():
        array.flush()
    temporary = folder / "masks.part.npy"
    np.save(temporary, masks)
    temporary.replace(folder / "masks.npy")


def _half(values: Tensor) -> NDArray[np.float16]:
    half: NDArray[np.float16] = values.half().cpu().numpy()
    return half
