"""One whole frame without ROS: image in, pose out, and the smoother's share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from mdps_ros.maps import Map
from mdps_ros.models.prior import PosePrior
from mdps_ros.runtime.cameras import Cameras
from mdps_ros.runtime.events import ColourImageEvent, PinholeCamera
from mdps_ros.runtime.localizer import Localizer, Motion
from mdps_ros.runtime.smoothing.smoother import Smoother
from mdps_ros.runtime.summary import Summary
from mdps_ros.settings import Settings, with_values

STEP_M, STEP_S = 3.0, 0.4  # travel and time between two frames
TURN = 0.2  # rad per frame: a circle of 15 m that stays where it began
SIZE = (640, 384)  # px, width and height of the images


class Load(NamedTuple):
    """What one frame has to do.

    Attributes:
        particles: their fixed number.
        cameras: images per frame.
        lag: s, of the smoother; None: no smoother.
        stride: frames between two walks of the smoother.
    """

    particles: int = 1000
    cameras: int = 1
    lag: float | None = 3.0
    stride: int = 5


class Drive:
    """A car that goes round in a circle, seen by cameras that show noise.

    What the images show does not change the work; they are taken as weak evidence, so that the
    cloud stays where it is.
    """

    def __init__(self, map_: Map, load: Load, device: str, place: tuple[float, float]) -> None:
        """Begin at a known pose.

        Args:
            map_: the map.
            load: see there.
            device: where the filter runs.
            place: x and y of the start, m.
        """
        values = {
            "filter.particles_min": load.particles,
            "filter.particles_max": load.particles,
            "smoother.lag": load.lag or 0.0,
            "smoother.stride": load.stride,
        }
        self._settings = with_values(Settings(), values)
        where = torch.device(device)
        self._load = load
        self._localizer = Localizer(map_, self._settings, where)
        self._cameras = Cameras(map_, self._settings, where)
        self._smoother = (
            None if load.lag is None else Smoother(self._settings, self._localizer.map_error, where)
        )
        spread = np.diag([1.0, 1.0, 0.03]) ** 2
        self._localizer.start(PosePrior(np.array([*place, 0.0]), spread))
        rng = np.random.default_rng(0)
        self._image = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        self._stamp = 0

    def fill(self) -> None:
        """Drive until the smoother's window is full."""
        for _ in range(int((self._load.lag or 0.0) / STEP_S) + self._load.stride):
            self.frame()

    def frame(self) -> Summary:
        """One frame."""
        self._stamp += round(STEP_S * 1e9)
        image = self.event()
        motion = Motion(np.array([STEP_M, 0.0, TURN]), STEP_M, STEP_S)
        look = self._cameras.bind(image)
        self._localizer.advance(motion, look, 0.01)
        for _ in range(self._load.cameras - 1):
            other = self._cameras.bind(image)
            if other is not None:
                self._localizer.weigh(other, 0.01)
        if self._smoother is not None:
            self._smoother.add(self._localizer.frame(self._stamp))
        return self._localizer.summary()

    def encode(self) -> None:
        """Only what is done with an image before poses are scored."""
        self._cameras.bind(self.event())

    def event(self) -> ColourImageEvent:
        """An image of the camera at the front."""
        T_base_camera = np.eye(4)
        T_base_camera[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
        T_base_camera[:3, 3] = (1.5, 0.0, 1.6)
        camera = PinholeCamera(
            width=SIZE[0], height=SIZE[1], fx=400.0, fy=400.0, cx=SIZE[0] / 2, cy=SIZE[1] / 2
        )
        return ColourImageEvent(
            stamp_ns=self._stamp, rgb=self._image, camera=camera, T_base_camera=T_base_camera
        )
