"""Another map while a session runs: made ready beside it, and what becomes of the belief."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mdps_ros.core.types import Belief
from mdps_ros.maps import GeoAnchor, Map
from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.cameras import Cameras
from mdps_ros.runtime.ground import Ground, lay_ground
from mdps_ros.settings import Settings

LEVER = 100.0  # m, over which the turn between two map frames is taken


class ReadyMap(NamedTuple):
    """A map with all that is made of it; dear to make, cheap to change to.

    Attributes:
        ground: for the filter.
        cameras: for its images.
    """

    ground: Ground
    cameras: Cameras

    @property
    def map(self) -> Map:
        """The map itself."""
        return self.ground.map


def make_ready(map: Map, settings: Settings, device: torch.device) -> ReadyMap:
    """Make a map ready for a session of these settings; in whatever thread.

    Raises:
        MapError: the map has neither roads nor free floor to start on.
        WeightsError: the weights of the camera's network cannot be read.
    """
    return ReadyMap(lay_ground(map, settings, device), Cameras(map, settings, device))


def same_place(
    poses: NDArray[np.float64], before: GeoAnchor, after: GeoAnchor
) -> NDArray[np.float64]:
    """Poses of one map frame in another one, by latitude and longitude.

    Args:
        poses: (N, 3) x m, y m, yaw rad in the frame of `before`, within some kilometres.
        before: of the frame that they are in.
        after: of the other frame.

    Returns:
        (N, 3) the same places on Earth; the frames' norths may differ.
    """
    middle = poses[:, :2].mean(0)
    points = np.concatenate((poses[:, :2], [middle, middle + np.array([LEVER, 0.0])]))
    there = after.to_map(*before.to_geodetic(points).T)
    east = there[-1] - there[-2]
    turned = poses[:, 2] + math.atan2(east[1], east[0])
    return np.column_stack((there[:-2], np.arctan2(np.sin(turned), np.cos(turned))))


def carried_over(
    belief: Belief, T_map_base: NDArray[np.float64], before: Map, after: Map
) -> Belief | None:
    """A belief on another map of the same place on Earth.

    Args:
        belief: over `VehicleState`, one batch row.
        T_map_base: (3,) where the vehicle is claimed to be.
        before: map of the belief.
        after: the other one.

    Returns:
        The belief with its particles at their places on Earth, all else as it was; None where
        one of the maps has no place on Earth, or the vehicle is not on the other one.
    """
    if before.anchor is None or after.anchor is None:
        return None
    x, y, _ = same_place(T_map_base[None], before.anchor, after.anchor)[0]
    bounds = after.bounds
    if not (bounds.min_x <= x <= bounds.max_x and bounds.min_y <= y <= bounds.max_y):
        return None
    pose = belief.state.pose
    moved = same_place(pose[0].cpu().double().numpy(), before.anchor, after.anchor)
    state = belief.state._replace(pose=torch.from_numpy(moved).to(pose).unsqueeze(0))
    return Belief(state, belief.log_weights)


def changed(map: Map, *, tracked: bool, carried: bool) -> Note:
    """What is told of a change.

    Args:
        map: the new one.
        tracked: whether the vehicle was tracked on the old one.
        carried: whether the belief was carried over.
    """
    text = f"the map is now {map.name}, id {map.id[:12]}; "
    if carried:
        text += "the belief went on at its place on Earth"
        return Note(Code.MAP_CHANGED, Severity.INFO, text)
    if not tracked:
        return Note(Code.MAP_CHANGED, Severity.INFO, text + "started over the whole of it")
    text += (
        "the tracked vehicle is not on it, or one of the maps has no place on Earth; started over "
        "the whole of it, send an initialpose to shorten the search"
    )
    return Note(Code.MAP_CHANGED, Severity.WARN, text)
