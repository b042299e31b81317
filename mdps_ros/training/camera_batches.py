"""Batches of the camera's training: pieces of map, and frames that look at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from mdps_ros.evaluation.camera_frame_set import FrameSet
from mdps_ros.models.camera.geometry import CAMERA_HEIGHT, FOCAL, HEIGHT, WIDTH
from mdps_ros.models.camera.view import FILL
from mdps_ros.training.camera_cache import Cached
from mdps_ros.training.camera_ground import MapVariants
from mdps_ros.training.camera_options import CameraOptions

AHEAD = 14.0  # m; the middle of what a camera sees
SPREAD = 15.0  # m between a piece's middle and the view that it was chosen for, at most, per axis
VIEW_REACH = 52.0  # m that a view with its shifts needs around its middle


class Source(NamedTuple):
    """Frames of one place, their features, and the maps of the place."""

    frames: FrameSet
    cached: Cached
    ground: MapVariants


class Batch(NamedTuple):
    """K pieces of map, the first B / K frames look at the first piece, and so on.

    Attributes:
        shown: pieces of the maps that the localizer is shown, shares in `raster.LEVELS`.
        true: the same pieces of the right maps.
        poses: of the cameras, x m, y m, yaw rad from the south-west corner of their piece.
        scale: camera height over the canonical one.
        features: of the images, of the part of the trunk that never learns, or
        rgb: the canonical images of the frames of which a part was hidden, and
        hidden: their numbers in the batch.
        masks: where the canonical images hold something.
    """

    shown: UInt8[Tensor, "K L S S"]
    true: UInt8[Tensor, "K L S S"]
    poses: Float[Tensor, "B 3"]
    scale: Float[Tensor, " B"]
    features: NDArray[np.float16]
    rgb: NDArray[np.uint8]
    hidden: NDArray[np.int64]
    masks: Bool[Tensor, "B H W"]


class Sampler:
    """Draws batches from some of the frames of each source."""

    def __init__(
        self,
        sources: Sequence[Source],
        chosen: Sequence[NDArray[np.int64]],
        options: CameraOptions,
    ) -> None:
        """Prepare.

        Args:
            sources: places.
            chosen: per source, the numbers of the frames to draw from.
            options: sizes and shares.
        """
        self._options = options
        self._sources = [source for source, use in zip(sources, chosen, strict=True) if len(use)]
        self._chosen = [use for use in chosen if len(use)]
        self._views = [
            view_centres(source.frames.pose[use])
            for source, use in zip(self._sources, self._chosen, strict=True)
        ]
        self._trees = [cKDTree(views) for views in self._views]
        self._ends = np.cumsum([len(use) for use in self._chosen])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def draw(self, rng: np.random.Generator, clean: float) -> Batch:
        """A batch; all its randomness comes from `rng`.

        Args:
            rng: source of randomness.
            clean: share of the pieces that are shown as they are.
        """
        shown: list[NDArray[np.uint8]] = []
        true: list[NDArray[np.uint8]] = []
        poses, scale, frames = [], [], []
        for _ in range(self._options.crops):
            place, near, corner = self._piece(rng)
            source, side = self._sources[place], self._options.side
            variants = len(source.ground.layers) - 1
            right = variants == 0 or rng.random() < clean
            variant = 0 if right else 1 + int(rng.integers(variants))
            turns = int(rng.integers(4))
            origin = np.array(source.ground.corner) + corner.astype(np.float64)
            for layers, number in ((shown, variant), (true, 0)):
                piece = source.ground.crop(number, int(corner[0]), int(corner[1]), side)
                # Rows are y and columns x: from the columns to the rows is counter-clockwise.
                layers.append(np.rot90(piece, turns, axes=(2, 1)))
            cameras = source.frames.camera[near]
            poses.append(
                turned(camera_poses(source.frames.pose[near], cameras, origin), turns, side)
            )
            scale.append(cameras[:, 5] / CAMERA_HEIGHT)
            frames += [(place, int(index)) for index in near]
        return self._assemble(shown, true, poses, scale, frames, rng)

    def _piece(self, rng: np.random.Generator) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
        """A source, frames of it that look at one piece of map, and the piece's first cell."""
        number = int(rng.integers(len(self)))
        place = int(np.searchsorted(self._ends, number, side="right"))
        views, side = self._views[place], self._options.side
        first = number - (int(self._ends[place]) - len(views))
        middle = views[first] + rng.uniform(-SPREAD, SPREAD, 2)
        near = self._trees[place].query_ball_point(middle, max(0.0, side / 2 - VIEW_REACH))
        near = [*near, first]
        count = self._options.per_crop
        use = rng.choice(near, count, replace=len(near) < count)
        ground = self._sources[place].ground
        corner = np.floor(middle - np.array(ground.corner)).astype(np.int64) - side // 2
        room = np.array(ground.layers.shape[:1:-1]) - side
        return place, self._chosen[place][use], np.clip(corner, 0, room)

    def _assemble(
        self,
        shown: list[NDArray[np.uint8]],
        true: list[NDArray[np.uint8]],
        poses: list[NDArray[np.float64]],
        scale: list[NDArray[np.float64]],
        frames: list[tuple[int, int]],
        rng: np.random.Generator,
    ) -> Batch:
        masks = np.stack([self._sources[place].cached.mask(index) for place, index in frames])
        hidden = np.flatnonzero(rng.random(len(frames)) < self._options.masked)
        images = np.zeros((len(hidden), HEIGHT, WIDTH, 3), np.uint8)
        for row, number in enumerate(hidden):
            place, index = frames[number]
            masks[number] &= narrow_mask(rng)
            images[row] = self._sources[place].frames.frame(index).view().rgb
            images[row][~masks[number]] = FILL
        return Batch(
            torch.from_numpy(np.stack(shown)),
            torch.from_numpy(np.stack(true)),
            torch.from_numpy(np.concatenate(poses)).float(),
            torch.from_numpy(np.concatenate(scale)).float(),
            np.stack([self._sources[place].cached.read(index) for place, index in frames]),
            images,
            hidden,
            torch.from_numpy(masks),
        )


def view_centres(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) m, the middle of what is seen from each of (n, 3) base poses."""
    heading = np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=1)
    centres: NDArray[np.float64] = poses[:, :2] + AHEAD * heading
    return centres


def camera_poses(
    poses: NDArray[np.float64], cameras: NDArray[np.float64], origin: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n, 3) of the cameras, m from `origin`, of base poses (n, 3) and nominal cameras (n, 7)."""
    forward = cameras[:, 4:5]
    heading = np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=1)
    return np.concatenate([poses[:, :2] + forward * heading - origin, poses[:, 2:]], axis=1)


def turned(poses: NDArray[np.float64], turns: int, side: float) -> NDArray[np.float64]:
    """Poses (n, 3) after quarter turns of their square, counter-clockwise."""
    for _ in range(turns):
        poses = np.stack([side - poses[:, 1], poses[:, 0], poses[:, 2] + np.pi / 2], axis=1)
    return poses


def narrow_mask(rng: np.random.Generator) -> NDArray[np.bool_]:
    """(HEIGHT, WIDTH), what a camera with a smaller opening sees of the canonical image."""
    wide = FOCAL * np.tan(rng.uniform(np.radians(20.0), np.radians(45.0)))
    high = FOCAL * np.tan(rng.uniform(np.radians(12.0), np.radians(22.0)))
    u, v = np.arange(WIDTH) - (WIDTH - 1) / 2, np.arange(HEIGHT) - (HEIGHT - 1) / 2
    mask: NDArray[np.bool_] = (np.abs(v) < high)[:, None] & (np.abs(u) < wide)[None, :]
    return mask
