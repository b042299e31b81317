"""Collects an `Observation` from messages, rclpy's or rosbags', by attribute names only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdps_ros.notes import Note
from mdps_ros.runtime.checkup.observation import CameraSeen, ImageSeen, Offer, TopicSeen
from mdps_ros.runtime.events import OdometryEvent
from mdps_ros.runtime.inputs import messages
from mdps_ros.runtime.inputs.pixels import compressed_size


class Collector:
    """What came on the topics so far.

    Attributes:
        camera: the newest camera_info.
        image: the newest image.
        travelled_m: by the odometry.
        fastest_mps: between two odometry samples.
        fixes: (latitude, longitude), degrees: the first and the newest.
    """

    def __init__(self) -> None:
        self.camera: CameraSeen | None = None
        self.image: ImageSeen | None = None
        self.travelled_m = 0.0
        self.fastest_mps = 0.0
        self.fixes: list[tuple[float, float]] = []
        self._stamps: dict[str, list[int]] = {}
        self._arrivals: dict[str, list[int]] = {}
        self._frames: dict[str, str] = {}
        self._unusable: dict[str, int] = {}
        self._last: tuple[int, NDArray[np.float64]] | None = None

    def saw(self, role: str, arrival_ns: int, msg: Any) -> None:
        """Take one message of a role of `observation.ROLES` that has a header."""
        self._stamps.setdefault(role, []).append(messages.stamp_ns(msg.header))
        self._arrivals.setdefault(role, []).append(arrival_ns)
        self._frames[role] = messages.frame_name(msg.header.frame_id)
        usable = True
        if role == "odom":
            usable = self._odometry(msg)
        elif role == "camera_info":
            self._camera(msg)
        elif role == "image":
            usable = self._image(msg)
        elif role == "fix" and msg.status.status > messages.NO_FIX:
            place = (float(msg.latitude), float(msg.longitude))
            self.fixes = [*self.fixes[:1], place]
        self._unusable[role] = self._unusable.get(role, 0) + (not usable)

    def moved(self, role: str, arrival_ns: int, event: OdometryEvent | Note) -> None:
        """Take odometry that is not a message of its own, or why it is none."""
        if isinstance(event, Note):
            self._unusable[role] = self._unusable.get(role, 0) + 1
            return
        self._stamps.setdefault(role, []).append(event.stamp_ns)
        self._arrivals.setdefault(role, []).append(arrival_ns)
        self._follow(event)

    def topic(
        self, role: str, name: str, types: tuple[str, ...], offers: tuple[Offer, ...] = ()
    ) -> TopicSeen:
        """The topic that plays a role, with what came on it."""
        return TopicSeen(
            name=name,
            types=types,
            offers=offers,
            stamps_ns=tuple(self._stamps.get(role, ())),
            arrivals_ns=tuple(self._arrivals.get(role, ())),
            frame=self._frames.get(role, ""),
            unusable=self._unusable.get(role, 0),
        )

    def frame(self, role: str) -> str:
        """`frame_id` of the newest message of a role; "" before the first."""
        return self._frames.get(role, "")

    def _odometry(self, msg: Any) -> bool:
        event = messages.odometry_event(msg)
        if isinstance(event, Note):
            return False
        self._follow(event)
        return True

    def _follow(self, event: OdometryEvent) -> None:
        if self._last is not None:
            before_ns, pose = self._last
            step = math.dist(event.T_odom_base[:2], pose[:2])
            self.travelled_m += step
            if event.stamp_ns > before_ns:
                speed = step / ((event.stamp_ns - before_ns) * 1e-9)
                self.fastest_mps = max(self.fastest_mps, speed)
        self._last = (event.stamp_ns, event.T_odom_base)

    def _camera(self, msg: Any) -> None:
        numbers = {key: tuple(float(v) for v in getattr(msg, key)) for key in ("d", "k", "p")}
        self.camera = CameraSeen(
            width=int(msg.width),
            height=int(msg.height),
            distortion_model=str(msg.distortion_model),
            **numbers,
        )

    def _image(self, msg: Any) -> bool:
        if hasattr(msg, "encoding"):
            height, width, encoding = int(msg.height), int(msg.width), str(msg.encoding)
        else:
            size = compressed_size(msg)
            if isinstance(size, Note):
                return False
            (height, width), encoding = size, str(msg.format)
        self.image = ImageSeen(
            width=width, height=height, encoding=encoding, size_bytes=len(msg.data)
        )
        return True
