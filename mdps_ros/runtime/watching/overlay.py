"""The map drawn into the camera image at a pose: is the vehicle where it believes to be?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds, Building
from mdps_ros.maps import Map
from mdps_ros.maps.shapes import house_rings, road_quads, touching
from mdps_ros.runtime.events import PinholeCamera
from mdps_ros.runtime.watching.projection import clip_near, to_camera, to_pixels

RANGE_M = 60.0
"""What is farther is not drawn."""
PIECE_M = 2.0
"""Lines are cut to such pieces, each of which is hidden by houses or not."""
NEAREST_M = 0.3
"""Depth before which nothing is drawn."""
CORNERS_MAX = 20_000
"""Of the houses in range."""
SLACK_M = 0.3
"""A line that lies on a wall is not hidden by that wall."""
OPACITY = 0.8
TEXT = (255, 255, 255)

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]


class Layer(NamedTuple):
    """Lines of one kind: (L, 2, 3) m in the map frame, colour, width in pixels of 480 rows."""

    name: str
    segments: Floats
    rgb: tuple[int, int, int]
    pixels: int


class Scene:
    """A map that is ready to be drawn from many places: boxes of its houses are known.

    Attributes:
        roads: of the map.
    """

    def __init__(self, map: Map) -> None:
        self.roads = map.roads
        self._buildings = map.buildings
        boxes = [(b.exterior.min(axis=0), b.exterior.max(axis=0)) for b in map.buildings]
        self._low, self._high = np.array(boxes, dtype=np.float64).reshape(-1, 2, 2).swapaxes(0, 1)

    def houses(self, window: Bounds) -> list[Building]:
        """Those that touch a window."""
        near = np.flatnonzero(touching(self._low, self._high, window))
        return [self._buildings[index] for index in near]


def draw_overlay(
    rgb: Picture,
    camera: PinholeCamera,
    T_base_camera: Floats,
    T_map_base: Floats,
    scene: Scene,
    text: str = "",
) -> Picture:
    """Draw road edges, centre lines and houses as they would be seen from a pose.

    Args:
        rgb: (H, W, 3), free of distortion.
        camera: its intrinsics.
        T_base_camera: (4, 4) base <- optical frame; the base frame lies on the ground.
        T_map_base: (3,) x m, y m, yaw rad.
        scene: what is drawn.
        text: a caption for the upper left corner.

    Returns:
        (H, W, 3), a new picture.
    """
    eye = camera_position(T_base_camera, T_map_base)
    window = Bounds(eye[0] - RANGE_M, eye[1] - RANGE_M, eye[0] + RANGE_M, eye[1] + RANGE_M)
    walls = _edges(house_rings(scene.houses(window), window, CORNERS_MAX))
    rgb = np.ascontiguousarray(rgb)
    drawn = rgb.copy()
    for layer in map_layers(scene, window):
        pieces = visible(_pieces(layer.segments), eye, walls)
        _draw(drawn, pieces, layer, camera, T_base_camera, T_map_base)
    mixed = np.asarray(cv2.addWeighted(drawn, OPACITY, rgb, 1.0 - OPACITY, 0.0), dtype=np.uint8)
    if text:
        size = max(0.35, camera.height / 720.0)
        place = (4, int(26 * size) + 4)
        for colour, width in (((0, 0, 0), 3), (TEXT, 1)):
            cv2.putText(
                mixed, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, width, cv2.LINE_AA
            )
    return mixed


def camera_position(T_base_camera: Floats, T_map_base: Floats) -> Floats:
    """(2,) m, where the camera stands on the map."""
    cos, sin = np.cos(T_map_base[2]), np.sin(T_map_base[2])
    x, y = T_base_camera[0, 3], T_base_camera[1, 3]
    return np.array([T_map_base[0] + cos * x - sin * y, T_map_base[1] + sin * x + cos * y])


def map_layers(scene: Scene, window: Bounds) -> tuple[Layer, ...]:
    """What is drawn of a window of the map."""
    roads = scene.roads
    low, high = np.minimum(roads.start, roads.end), np.maximum(roads.start, roads.end)
    kept = touching(low, high, window)
    centre = np.stack([roads.start[kept], roads.end[kept]], axis=1)
    quads = road_quads(roads, window)
    surface = shapely.union_all(shapely.polygons(quads)) if len(quads) else shapely.Polygon()
    outlines = [
        shapely.get_coordinates(ring)[:-1]
        for polygon in shapely.get_parts(surface)
        for ring in (polygon.exterior, *polygon.interiors)
        if not polygon.is_empty
    ]
    return (
        Layer("centre line", _at_height(centre, 0.0), (255, 220, 60), 1),
        Layer("road edge", _at_height(_edges(outlines), 0.0), (255, 140, 0), 2),
        Layer("house", _houses(scene.houses(window)), (60, 160, 255), 2),
    )


def _houses(buildings: Iterable[Building]) -> Floats:
    """Foot, roof and corners of houses, (L, 2, 3) m."""
    parts = [np.zeros((0, 2, 3))]
    for building in buildings:
        ring, height = building.exterior, building.height
        foot = _edges([ring])
        corners = _at_height(np.stack([ring, ring], axis=1), 0.0)
        corners[:, 1, 2] = height
        parts += [_at_height(foot, 0.0), _at_height(foot, height), corners]
    return np.concatenate(parts)


def _edges(rings: list[Floats]) -> Floats:
    """(E, 2, 2) edges of closed rings that do not repeat their first corner."""
    parts = [np.stack([ring, np.roll(ring, -1, axis=0)], axis=1) for ring in rings]
    return np.concatenate([np.zeros((0, 2, 2)), *parts])


def _at_height(segments: Floats, height: float) -> Floats:
    """(L, 2, 3) of (L, 2, 2)."""
    return np.concatenate([segments, np.full((*segments.shape[:2], 1), height)], axis=2)


def _pieces(segments: Floats) -> Floats:
    """The same lines in pieces of at most PIECE_M, (P, 2, 3)."""
    length = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    count = np.maximum(np.ceil(length / PIECE_M).astype(int), 1)
    whole = np.repeat(segments, count, axis=0)
    first = np.repeat(np.cumsum(count) - count, count)
    number = np.arange(len(whole)) - first
    share = np.stack([number, number + 1], axis=1) / np.repeat(count, count)[:, None]
    return np.asarray(whole[:, :1] + share[..., None] * (whole[:, 1:] - whole[:, :1]))


def visible(pieces: Floats, eye: Floats, walls: Floats) -> Floats:
    """Pieces in range whose middle no wall hides; heights do not count.

    Args:
        pieces: (P, 2, 3) m.
        eye: (2,) m.
        walls: (E, 2, 2) m.
    """
    middle = pieces[:, :, :2].mean(axis=1)
    distance = np.hypot(*(middle - eye).T)
    near = distance < RANGE_M
    pieces, middle, distance = pieces[near], middle[near], distance[near]
    reach = np.maximum(distance - SLACK_M, 0.0) / np.maximum(distance, 1e-9)
    ray = (middle - eye) * reach[:, None]
    along, to_wall = walls[:, 1] - walls[:, 0], walls[:, 0] - eye
    cross = ray[:, None, 0] * along[None, :, 1] - ray[:, None, 1] * along[None, :, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        at_ray = (to_wall[:, 0] * along[:, 1] - to_wall[:, 1] * along[:, 0])[None] / cross
        at_wall = (
            to_wall[None, :, 0] * ray[:, None, 1] - to_wall[None, :, 1] * ray[:, None, 0]
        ) / cross
        hit = (at_ray > 0.0) & (at_ray < 1.0) & (at_wall >= 0.0) & (at_wall <= 1.0)
    return np.asarray(pieces[~hit.any(axis=1)])


def _draw(
    picture: Picture,
    pieces: Floats,
    layer: Layer,
    camera: PinholeCamera,
    T_base_camera: Floats,
    T_map_base: Floats,
) -> None:
    """Draw pieces into a picture, in place; subpixel, as cv2 takes fixed point."""
    clipped, left = clip_near(to_camera(pieces, T_map_base, T_base_camera), NEAREST_M)
    ends = to_pixels(clipped[left], camera)
    margin = 2.0 * max(camera.width, camera.height)
    low, high = ends.min(axis=1), ends.max(axis=1)
    size = np.array([camera.width, camera.height])
    width = max(1, round(layer.pixels * camera.height / 480.0))
    shown = ((high >= 0.0) & (low < size)).all(axis=1) & (np.abs(ends) < margin).all(axis=(1, 2))
    for a, b in np.round(ends[shown] * 16.0).astype(int):
        cv2.line(picture, a.tolist(), b.tolist(), layer.rgb, width, cv2.LINE_AA, 4)
