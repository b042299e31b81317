"""The `depth` measurement: obstacles stand beside the road and at walls, free ground does not.

A depth image is reduced to obstacle points and free-ground points (`depth_points`). Each point,
moved to the map by a pose, falls on a cell whose class is its distance from buildings and from
road edges (`depth_cells`). The log-likelihood is the sum over points of a learned log-ratio

    log p(class | pose is true) - log p(class | pose is a displaced one)

per kind of point (`depth_table.json`). The ratios were fitted as a conditional logit (McFadden
1974): the true pose among displaced ones by log-loss, on simulated drives whose streets hold
things that the map lacks and whose map is half a metre off. This one fit also sets how much a
point counts among its neighbours, which are not independent of it. The same drives, left out of
the fit, gave `depth.decorrelation`: looks along 20 m of road together are worth one, because
they see the same things through the same map error. Whoever scores several images in a row
weighs each by the travel since the last one over that length.

No value was fitted on real drives, but the training's make-up was chosen with a view of KITTI 00,
frames 375-1288: the lined streets, and a map error of 0.5 m after 1 m had been tried. Results on
those frames are therefore not quite those of an unseen drive.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.core.mapdata import TileSource
from mdps_ros.models.depth_cache import ClassCache
from mdps_ros.models.depth_points import DepthScan, extract_scan
from mdps_ros.models.depth_table import DepthTable, bundled_table
from mdps_ros.settings import DepthSettings

BUDGET = 6_000_000  # particles x points per image; larger clouds get fewer points
FEWEST = 24  # points that are scored however large the cloud
CHUNK = 1 << 17  # particles x points at a time: the intermediates stay in the processor's cache
PIECE = 16  # chunks without a rest


class DepthModel:
    """Scores poses against a depth image. Holds nothing but the map's class rasters."""

    def __init__(
        self,
        tiles: TileSource,
        settings: DepthSettings,
        device: torch.device,
        table: DepthTable | None = None,
    ) -> None:
        """Prepare for a map.

        Args:
            tiles: the map.
            settings: range, heights, number of points, weight.
            device: where poses and rasters live.
            table: learned log-ratios; the package's own where None.
        """
        self._settings = settings
        self._device = device
        self._cache = ClassCache(tiles, settings.tile_memory, device)
        table = table or bundled_table()
        self._obstacle = torch.tensor(table.obstacle, dtype=torch.float32, device=device)
        self._free = torch.tensor(table.free, dtype=torch.float32, device=device)

    def with_settings(self, settings: DepthSettings) -> DepthModel:
        """The same model by other settings, with what it holds of the map; `tile_memory` stays."""
        other = copy.copy(self)
        other._settings = settings
        return other

    def bind(
        self,
        depth: NDArray[np.float32],
        intrinsics: tuple[float, float, float, float],
        T_base_camera: NDArray[np.float64],
    ) -> DepthScan | None:
        """Take what an image says about the ground plan.

        Args:
            depth: (H, W) m along the optical axis, NaN where nothing is measured.
            intrinsics: fx, fy, cx, cy in pixels.
            T_base_camera: (4, 4), base <- optical frame.

        Returns:
            The scan; None when too little is seen.
        """
        return extract_scan(depth, intrinsics, T_base_camera, self._settings, self._device)

    def log_likelihood(
        self,
        poses: Float[Tensor, "B N 3"],
        scan: DepthScan,
        rest: Callable[[], bool] = lambda: False,
    ) -> Float[Tensor, "B N"] | None:
        """Log-likelihood of each pose, up to a constant, of one independent look.

        Args:
            poses: x m, y m, yaw rad in the map frame.
            scan: of `bind`.
            rest: called now and then in the middle of a large cloud; says whether others have
                scored with this model meanwhile. The scores do not depend on it.

        Returns:
            Scores; None when the cloud covers more of the map than `tile_memory` holds.
        """
        flat = poses.reshape(-1, 3)
        if not self._cache.hold(flat[:, :2], scan.reach):
            return None
        share = max(FEWEST, BUDGET // max(len(flat), 1)) / (len(scan.obstacles) + len(scan.free))
        score = torch.zeros(len(flat), dtype=torch.float32, device=flat.device)

        def held_again() -> None:
            if rest():
                self._cache.hold(flat[:, :2], scan.reach)

        parts = (
            (scan.obstacles, scan.obstacle_total, self._obstacle),
            (scan.free, scan.free_total, self._free),
        )
        for points, total, table in parts:
            if len(points):
                chosen = thin(points, share)
                score += self._sum(flat, chosen, table, held_again) * (total / len(chosen))
        return (self._settings.weight * score).to(poses.dtype).reshape(poses.shape[:2])

    def _sum(
        self,
        poses: Float[Tensor, "M 3"],
        points: Float[Tensor, "P 2"],
        table: Float[Tensor, " K"],
        pause: Callable[[], None],
    ) -> Float[Tensor, " M"]:
        """Sum of the table's values over the points, for each pose."""
        result = torch.empty(len(poses), dtype=torch.float32, device=poses.device)
        size = max(1, CHUNK // len(points))
        for start in range(0, len(poses), size):
            chunk = slice(start, start + size)
            if start and start % (PIECE * size) == 0:
                pause()
            classes = self._cache.classes_at(poses[chunk], points)
            result[chunk] = table.index_select(0, classes.flatten()).view(classes.shape).sum(1)
        return result


def thin(points: Float[Tensor, "P 2"], share: float) -> Float[Tensor, "Q 2"]:
    """About `share` of the points, evenly over their order; the same ones every time."""
    if share >= 1:
        return points
    keep = max(1, round(share * len(points)))
    return points[torch.arange(keep, device=points.device) * len(points) // keep]
