"""What cameras see of the map: images become looks, which score poses.

A look is bound to its image once; afterwards it scores poses as often as filter and smoother ask,
and needs neither the image nor the model's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core.mapdata import TileSource
from mdps_ros.models.depth import DepthModel
from mdps_ros.runtime.events import DepthImageEvent, ImageEvent
from mdps_ros.settings import Settings

PoseScore = Callable[[Float[Tensor, "B N 3"]], "Float[Tensor, 'B N'] | None"]
"""Poses on the map -> log-likelihood up to a constant; None where the cloud covers too much map."""


class Look(NamedTuple):
    """What one image says about where the vehicle is.

    Attributes:
        name: of the measurement.
        log_likelihood: of one independent look.
        decorrelation: m of travel that counts as one.
    """

    name: str
    log_likelihood: PoseScore
    decorrelation: float

    def share(self, travelled: float) -> float:
        """How much of an independent look this is, `travelled` m after the last of its kind."""
        return min(travelled / self.decorrelation, 1.0)


class Cameras:
    """The measurement models of all kinds of images, bound to a map."""

    def __init__(self, map: TileSource, settings: Settings, device: torch.device) -> None:
        """Build the models that are switched on.

        Args:
            map: what images are compared with.
            settings: the whole tree.
            device: where poses live.
        """
        self._settings = settings
        self._depth = DepthModel(map, settings.depth, device) if settings.depth.enabled else None

    @property
    def any(self) -> bool:
        """Whether images of some kind are understood."""
        return self._depth is not None

    def understands(self, image: ImageEvent) -> bool:
        """Whether there is a model for this kind of image."""
        return isinstance(image, DepthImageEvent) and self._depth is not None

    def bind(self, image: ImageEvent) -> Look | None:
        """Take what an image says; None when it says too little or there is no model for it."""
        camera = image.camera
        intrinsics = (camera.fx, camera.fy, camera.cx, camera.cy)
        depth = self._depth
        if not isinstance(image, DepthImageEvent) or depth is None:
            return None
        scan = depth.bind(image.depth, intrinsics, image.T_base_camera)
        if scan is None:
            return None
        decorrelation = self._settings.depth.decorrelation
        return Look("depth", lambda poses: depth.log_likelihood(poses, scan), decorrelation)
