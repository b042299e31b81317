"""Drives of the vehicle's filter, frame by frame: motion, truth, and what was measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.evaluation.street_drives import recorded_drive
from mdps_ros.evaluation.street_scenes import told_map
from mdps_ros.models.camera.model import CameraModel
from mdps_ros.models.road import road_log_likelihood
from mdps_ros.models.road_index import build_road_index
from mdps_ros.runtime.frames import between
from mdps_ros.runtime.inputs.odometry_buffer import OdometryBuffer
from mdps_ros.settings import Settings

Score: TypeAlias = Callable[[Float[Tensor, "1 N 3"]], Float[Tensor, "1 N"]]
"""Log-likelihood of poses on the map, already by its share of an independent look."""
CPU = torch.device("cpu")
WHOLE_S = 1e5  # of odometry: longer than any drive


class DriveFrame(NamedTuple):
    """One update of a drive.

    Attributes:
        increment: (3,) forward m, left m, yaw rad by odometry since the frame before.
        distance: m travelled since then.
        dt: s since then.
        truth: (3,) x m, y m, yaw rad of the base.
        image: what the image says.
        road: what the roads say.
    """

    increment: NDArray[np.float64]
    distance: float
    dt: float
    truth: NDArray[np.float64]
    image: Score
    road: Score


def street_drive(split: str, index: int, map: str, settings: Settings) -> tuple[DriveFrame, ...]:
    """A drive through rendered streets as the localizer meets it.

    Args:
        split: part of Helsinki, of `street_scenes.SPLITS`.
        index: number of the drive.
        map: what the localizer is given, of `street_scenes.MAPS`.
        settings: the whole tree; an image counts by its share of `camera.decorrelation`.
    """
    drive, place = recorded_drive(split, index), told_map(map, index)
    camera, roads = CameraModel(place, settings.camera, CPU), build_road_index(place.roads, CPU)
    odometry = OdometryBuffer(WHOLE_S)
    for event in drive.odometry:
        odometry.add(event.stamp_ns, event.T_odom_base)
    frames: list[DriveFrame] = []
    last = None
    for image in drive.images:
        now = odometry.at(image.stamp_ns)
        if now is None:
            continue
        before = now if last is None else last
        distance = now.travelled - before.travelled
        if last is not None and distance < settings.filter.update_distance:
            continue
        lens = image.camera
        intrinsics = (lens.fx, lens.fy, lens.cx, lens.cy)
        look = camera.bind(image.rgb, intrinsics, image.T_base_camera)
        if look is None:
            continue
        share = min(distance / settings.camera.decorrelation, 1.0)
        looks = min(distance / settings.road.decorrelation, 1.0)

        def seen(poses: Tensor, look=look, share=share) -> Tensor:  # type: ignore[no-untyped-def]
            found = camera.log_likelihood(poses, look)
            return torch.zeros_like(poses[..., 0]) if found is None else share * found

        def driven(poses: Tensor, looks: float = looks) -> Tensor:
            return looks * road_log_likelihood(poses, roads, settings.road)

        increment = between(before.T_odom_base, now.T_odom_base)
        seconds = (now.stamp_ns - before.stamp_ns) * 1e-9
        truth = drive.truth.at(np.array([image.stamp_ns]))[0]
        frames.append(DriveFrame(increment, distance, seconds, truth, seen, driven))
        last = now
    return tuple(frames)
