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

from mdps_ros.maps import Map
from mdps_ros.models.camera.model import CameraModel
from mdps_ros.models.depth import DepthModel
from mdps_ros.runtime.events import ColourImageEvent, DepthImageEvent, ImageEvent
from mdps_ros.runtime.turns import Turns
from mdps_ros.settings import Settings

PoseScore = Callable[[Float[Tensor, "B N 3"]], "Float[Tensor, 'B N'] | None"]
"""Poses on the map -> log-likelihood up to a constant; None where the cloud covers too much map."""


Intrinsics = tuple[float, float, float, float]
"""fx, fy, cx, cy in pixels."""


ALIKE = 0.5
"""Part of a look of the colour camera that counts between places. Trained with the truth among
poses within some 30 m, images do not know how alike streets far apart can be, and what makes two
alike lasts: in one of 48 drives on imperfect maps (split `train` of `mdps evaluate helsinki`) a
wrong street got 22 nats in 60 m, counted in full."""


class Look(NamedTuple):
    """What one image says about where the vehicle is.

    Attributes:
        name: of the measurement.
        log_likelihood: of one independent look.
        decorrelation: m of travel that counts as one.
        on_earth: whether it scores poses on Earth, not as the map draws them (see `map_error`).
        between: part of it that counts where it is to tell that this is the place at all: for a
            claim, while it counts in full against one.
    """

    name: str
    log_likelihood: PoseScore
    decorrelation: float
    on_earth: bool = False
    between: float = 1.0

    def share(self, travelled: float) -> float:
        """How much of an independent look this is, `travelled` m after the last of its kind."""
        return min(travelled / self.decorrelation, 1.0)


class Cameras:
    """The measurement models of all kinds of images, bound to a map."""

    def __init__(self, map: Map, settings: Settings, device: torch.device) -> None:
        """Build the models that are switched on.

        Args:
            map: what images are compared with.
            settings: the whole tree.
            device: where poses live.
        """
        self._settings = settings
        self._turns = Turns()  # at the tiles, which models of other settings share
        self._depth = DepthModel(map, settings.depth, device) if settings.depth.enabled else None
        # a network that was trained on streets has nothing to say about a floor plan
        colour = settings.camera.enabled and (map.roads.count > 0 or settings.camera.weights != "")
        self._colour = CameraModel(map, settings.camera, device) if colour else None

    def adopt(self, settings: Settings) -> None:
        """See by other settings from now on; looks that were bound before stay as they are.

        Args:
            settings: the whole tree; what is switched on, weights and memory count no more.
        """
        self._settings = settings
        if self._depth is not None:
            self._depth = self._depth.with_settings(settings.depth)
        if self._colour is not None:
            self._colour = self._colour.with_settings(settings.camera)

    @property
    def any(self) -> bool:
        """Whether images of some kind are understood."""
        return self._depth is not None or self._colour is not None

    def understands(self, image: ImageEvent) -> bool:
        """Whether there is a model for this kind of image."""
        model = self._depth if isinstance(image, DepthImageEvent) else self._colour
        return model is not None

    @torch.inference_mode()
    def bind(self, image: ImageEvent) -> Look | None:
        """Take what an image says; None when it says too little or there is no model for it."""
        camera = image.camera
        intrinsics = (camera.fx, camera.fy, camera.cx, camera.cy)
        if isinstance(image, DepthImageEvent):
            return self._bind_depth(image, intrinsics)
        return self._bind_colour(image, intrinsics)

    def _bind_depth(self, image: DepthImageEvent, intrinsics: Intrinsics) -> Look | None:
        depth = self._depth
        scan = None if depth is None else depth.bind(image.depth, intrinsics, image.T_base_camera)
        if depth is None or scan is None:
            return None
        decorrelation = self._settings.depth.decorrelation
        rest = self._turns.rest
        score = self._alone(lambda poses: depth.log_likelihood(poses, scan, rest))
        return Look("depth", score, decorrelation)

    def _bind_colour(self, image: ColourImageEvent, intrinsics: Intrinsics) -> Look | None:
        colour = self._colour
        view = None if colour is None else colour.bind(image.rgb, intrinsics, image.T_base_camera)
        if colour is None or view is None:
            return None
        decorrelation = self._settings.camera.decorrelation
        rest = self._turns.rest
        score = self._alone(lambda poses: colour.log_likelihood(poses, view, rest))
        return Look("camera", score, decorrelation, between=ALIKE)

    def _alone(self, score: PoseScore) -> PoseScore:
        """The same for threads of filter, smoother and search: models keep tiles of the map.

        A large cloud is scored with rests, so that an image never waits for the whole of a search.
        """

        def score_alone(poses: Tensor) -> Tensor | None:
            with self._turns, torch.inference_mode():  # always: their tiles change in place
                return score(poses)

        return score_alone
