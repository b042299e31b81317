"""The `camera` measurement: what a colour image shows must fit the map at the pose.

A network turns the image to a ground plan of features before the camera, another one turns the
map to features of the same kind. The log-likelihood of a pose is the inner product of the two,
where the plan, moved to the map by the pose, comes to lie:

    log p(image | pose) = factor * sum over cells of <ground(cell), map(pose * cell)> + constant

as in OrienterNet (Sarlin et al. 2023) and MDPS (Younis and Sudderth 2024). The networks and the
factor were trained together by the log-loss of the true pose among others, on maps with errors, so
the score of one image is a calibrated log-likelihood. Images that follow each other closely see
the same things through the same map errors; whoever adds them weighs each by the travel since the
last one over `camera.decorrelation`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.core.mapdata import TileSource
from mdps_ros.models.camera import volume
from mdps_ros.models.camera.feature_tiles import FINER, FeatureTiles
from mdps_ros.models.camera.files import load_networks
from mdps_ros.models.camera.folding import folded
from mdps_ros.models.camera.look import CameraLook, make_look
from mdps_ros.models.camera.networks import CameraNetworks
from mdps_ros.models.camera.patch import Patch
from mdps_ros.models.camera.view import Intrinsics, canonical_view
from mdps_ros.settings import CameraSettings

BUDGET = 20_000_000  # particles x cells per image; larger clouds get fewer cells
FEWEST = 64  # cells that are scored however large the cloud
DEARER = 1.0  # a cell of a pose costs as much as so many numbers of a volume
CHUNK = 1 << 16  # particles x cells at a time: the intermediates stay in the processor's cache
PIECE = 32  # chunks without a rest
LARGEST_PATCH = 1 << 17  # cells: they stay in the processor's cache


class CameraModel:
    """Scores poses against a colour image. Holds the networks and the map's features."""

    def __init__(
        self,
        tiles: TileSource,
        settings: CameraSettings,
        device: torch.device,
        networks: CameraNetworks | None = None,
    ) -> None:
        """Prepare for a map.

        Args:
            tiles: the map.
            settings: weights file, number of cells, memory.
            device: where networks, poses and features live.
            networks: in eval mode, which stay as they are; those of `settings.weights` where None.

        Raises:
            WeightsError: the weights cannot be read.
        """
        self._settings = settings
        self._device = device
        self._networks = folded(networks or load_networks(settings.weights)).to(device)
        cache = Path(settings.tile_cache).expanduser() if settings.tile_cache else None
        self._store = FeatureTiles(tiles, self._networks.map, settings.tile_memory, device, cache)

    def with_settings(self, settings: CameraSettings) -> CameraModel:
        """The same model by other settings, with the networks and tiles that it holds."""
        other = copy.copy(self)
        other._settings = settings
        return other

    def bind(
        self,
        rgb: NDArray[np.uint8],
        intrinsics: Intrinsics,
        T_base_camera: NDArray[np.float64],
    ) -> CameraLook | None:
        """Take what an image says about the ground plan.

        Args:
            rgb: (H, W, 3), free of distortion.
            intrinsics: fx, fy, cx, cy in pixels.
            T_base_camera: (4, 4), base <- optical frame; the base frame lies on the ground.

        Returns:
            The look; None when the camera is mounted so that the network cannot use it.
        """
        view = canonical_view(rgb, intrinsics, T_base_camera)
        if view is None:
            return None
        with torch.no_grad():
            image = torch.from_numpy(view.rgb[None]).to(self._device)
            mask = torch.from_numpy(view.mask[None]).to(self._device)
            ground = self._networks.encode_image(image, mask)
            look = make_look(ground, view, self._networks.scale(ground.features))
        return None if look is None else look._replace(few=look.thinned(self._settings.cells))

    def log_likelihood(
        self,
        poses: Float[Tensor, "B N 3"],
        look: CameraLook,
        rest: Callable[[], bool] = lambda: False,
    ) -> Float[Tensor, "B N"] | None:
        """Log-likelihood of each pose, up to a constant, of one independent look.

        Args:
            poses: x m, y m, yaw rad of the base in the map frame.
            look: of `bind`.
            rest: called now and then in the middle of a large cloud; says whether others have
                scored with this model meanwhile. The scores do not depend on it.

        Returns:
            Scores; None when the cloud covers more of the map than `tile_memory` holds.
        """
        flat = poses.reshape(-1, 3)
        score = self._by_volume(flat, look) if self._settings.volume else None
        if score is None:
            score = self._by_pose(flat, look, rest)
        if score is None:
            return None
        return (self._settings.weight * score).to(poses.dtype).reshape(poses.shape[:2])

    def _by_volume(
        self, poses: Float[Tensor, "M 3"], look: CameraLook
    ) -> Float[Tensor, " M"] | None:
        """Scores by all cells, interpolated; None where that is dearer than pose by pose."""
        if look.lattice is None:
            return None
        planned = volume.plan(poses, look.lattice)
        if planned is None or planned.work(look.lattice) > DEARER * len(poses) * self._cells(poses):
            return None
        reach = look.reach + 2.0 + planned.shift * look.lattice.spacing
        if not self._store.hold_box(planned.centre - reach, planned.centre + reach):
            return None
        return volume.scores(poses, look.lattice, planned, self._store)

    def _by_pose(
        self, poses: Float[Tensor, "M 3"], look: CameraLook, rest: Callable[[], bool]
    ) -> Float[Tensor, " M"] | None:
        """Scores by some of the cells, each at the nearest cell of the map."""
        _, cells, features = look.thinned(self._cells(poses))
        patch = self._patch(poses, look.reach + 1.0, len(poses) * len(cells))
        if patch is None and not self._store.hold(poses[:, :2], look.reach):
            return None
        weights = features.flatten()
        score = torch.empty(len(poses), dtype=torch.float32, device=poses.device)
        size = max(1, CHUNK // len(cells))
        for start in range(0, len(poses), size):
            chunk = slice(start, start + size)
            if start and start % (PIECE * size) == 0 and rest() and patch is None:
                self._store.hold(poses[:, :2], look.reach)
            if patch is None:
                found = self._store.at(self._store.rows_at(poses[chunk], cells))
            else:
                found = self._store.in_patch(patch, poses[chunk], cells)
            score[chunk] = found.float().flatten(1) @ weights
        return score

    def _patch(self, poses: Float[Tensor, "M 3"], reach: float, reads: int) -> Patch | None:
        """The map around the poses, where it is smaller than what is read of it."""
        low, high = poses[:, :2].aminmax(dim=0)
        low, high = low - reach, high + reach
        if not float((high - low).prod()) * FINER**2 <= min(reads, LARGEST_PATCH):
            return None
        if not self._store.hold_box(low, high):
            return None
        return self._store.patch(low, high)

    def _cells(self, poses: Float[Tensor, "M 3"]) -> int:
        """How many cells are scored for each of so many poses."""
        return min(self._settings.cells, max(FEWEST, BUDGET // max(len(poses), 1)))
