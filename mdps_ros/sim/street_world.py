"""A street that can be looked at: rays are cast by Embree, pixels are coloured by numba."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds, Building, RoadNetwork, Streetscape
from mdps_ros.sim.depth_camera import attitude
from mdps_ros.sim.street_camera import StreetCamera, expose
from mdps_ros.sim.street_ground import Ground, draw_ground
from mdps_ros.sim.street_lamps import LampLight, lamp_light, lamp_places
from mdps_ros.sim.street_look import Look, draw_facades
from mdps_ros.sim.street_mesh import Triangles, cars, joined, standing_things
from mdps_ros.sim.street_people import people
from mdps_ros.sim.street_shading import GROUND, SKY, meet_ground, shade

FARTHEST_M = 400.0
SHADOWS_M = 90.0
NO_LAMPS: NDArray[np.float32] = np.zeros((0, 0), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """What stays when the day changes.

    Attributes:
        streetscape: of the map.
        ground: its labels.
        lamp_light: what lamps throw on it at night.
        standing: triangles of buildings and of things of the map.
        buildings: how many there are.
        origin: (2,) m, about which coordinates are kept in float32.
    """

    streetscape: Streetscape
    ground: Ground
    lamp_light: LampLight
    standing: Triangles
    buildings: int
    origin: NDArray[np.float64]


class StreetFrame(NamedTuple):
    """One image.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth: (H, W) float32 m along the optical axis; NaN in the sky.
        label: (H, W) uint8: 0 sky, 1 + label of the ground, 20 + surface.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    label: NDArray[np.uint8]


def build_street(
    roads: RoadNetwork,
    buildings: tuple[Building, ...],
    streetscape: Streetscape,
    bounds: Bounds,
    generator: np.random.Generator,
) -> Street:
    """Build what stays.

    Args:
        roads: carriageways.
        buildings: footprints and heights.
        streetscape: everything else the map knows.
        bounds: extent, m.
        generator: draws heights and trees, worn marks, and what the map has but the street lacks.
    """
    seeds = generator.spawn(3)
    lamps = lamp_places(streetscape, seeds[2])
    middle = np.array([bounds.min_x + bounds.max_x, bounds.min_y + bounds.max_y]) / 2
    return Street(
        streetscape=streetscape,
        ground=draw_ground(roads, buildings, streetscape, bounds, seeds[0]),
        lamp_light=lamp_light(lamps, bounds),
        standing=standing_things(buildings, streetscape, lamps, seeds[1]),
        buildings=len(buildings),
        origin=middle,
    )


class StreetWorld:
    """A street on a day: cars, facades, and a ray caster."""

    def __init__(
        self,
        street: Street,
        car_density: float,
        generator: np.random.Generator,
        path: NDArray[np.float64] | None = None,
    ) -> None:
        """Dress a street.

        Args:
            street: what stays.
            car_density: share of the kerb slots of minor roads that hold a car.
            generator: draws cars and facades.
            path: (P, 2) m, where no car may stand; None where none is driven.
        """
        seeds = generator.spawn(3)
        traffic = cars(street.streetscape, car_density, seeds[0], path)
        walkers = people(street.streetscape, seeds[2], path)
        triangles = joined([street.standing, traffic, walkers])
        self.street = street
        origin = np.array([*street.origin, 0.0])
        corners = np.ascontiguousarray(triangles.corners - origin, np.float32)
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
        self.normal = normal.astype(np.float32)
        self.surface, self.thing = triangles.surface, triangles.thing
        along = triangles.along.astype(np.float64)
        along[:, :2] -= street.origin
        self.along = along.astype(np.float32)
        self.facades = draw_facades(max(street.buildings, 1), seeds[1])
        self.scene = EmbreeScene()
        # The mesh registers itself with the scene and must live as long as it does.
        self._mesh = TriangleMesh(self.scene, corners)


def render_frame(
    world: StreetWorld,
    camera: StreetCamera,
    rays: NDArray[np.float64],
    T_map_base: NDArray[np.float64],
    tilt: tuple[float, float],
    look: Look,
    generator: np.random.Generator,
) -> StreetFrame:
    """Look at a street.

    Args:
        world: the street.
        camera: on the vehicle.
        rays: of the camera, `camera.rays()`; handed in because they stay the same.
        T_map_base: (3,) x m, y m, yaw rad.
        tilt: pitch (positive: nose down) and roll of the vehicle, rad.
        look: light, weather and sensor.
        generator: of noise, dirt and rain.

    Returns:
        The image, with depth and labels.
    """
    rotation = attitude(float(T_map_base[2]), *tilt)
    T = camera.T_base_camera
    position = rotation @ T[:3, 3] + [T_map_base[0], T_map_base[1], 0.0]
    start = (position - [*world.street.origin, 0.0]).astype(np.float32)
    lengths = np.linalg.norm(rays, axis=1)
    unit = ((rays / lengths[:, None]) @ (rotation @ T[:3, :3]).T).astype(np.float32)
    found = world.scene.run(np.tile(start, (len(unit), 1)), unit, query="INTERSECT", output=1)
    reach, hit = found["tfar"].astype(np.float32), found["primID"].astype(np.int32)
    meet_ground(float(start[2]), unit, reach, hit, FARTHEST_M)
    shadow = _shadows(world, start, unit, reach, hit, look)
    mirror = _mirrored(world, start, unit, reach, hit, look)
    colour = np.empty((len(unit), 3), np.float32)
    label = np.empty(len(unit), np.uint8)
    ground, lamps = world.street.ground, world.street.lamp_light
    to_map = rotation @ T[:3, :3]
    steps = np.stack([to_map[:, 0] / camera.fx, to_map[:, 1] / camera.fy])
    shade(
        start,
        unit,
        lengths,
        steps,
        reach,
        hit,
        shadow,
        world.surface,
        world.thing,
        world.along,
        world.normal,
        ground.labels,
        (ground.origin - world.street.origin).astype(np.float32),
        ground.resolution,
        lamps.values if look.weather == "night" else NO_LAMPS,
        lamps.resolution,
        world.facades,
        look.ground,
        look.sun,
        look.sunlight,
        look.ambient,
        look.horizon,
        look.zenith,
        look.haze,
        look.seed,
        1 / camera.fx,
        look.wet,
        mirror,
        colour,
        label,
    )
    shape = (camera.height, camera.width)
    depth = np.where(hit == SKY, np.nan, reach / lengths).astype(np.float32)
    rgb = expose(colour.reshape(*shape, 3), look, generator)
    return StreetFrame(rgb, depth.reshape(shape), label.reshape(shape))


def _shadows(
    world: StreetWorld,
    start: NDArray[np.float32],
    unit: NDArray[np.float32],
    reach: NDArray[np.float32],
    hit: NDArray[np.int32],
    look: Look,
) -> NDArray[np.bool_]:
    """(R,) whether something stands between what a ray hit and the sun."""
    shadow = np.zeros(len(unit), np.bool_)
    if look.weather == "sun":
        near = (hit != SKY) & (reach < SHADOWS_M)
        # a little back along the ray, so that a surface does not shade itself
        places = start + unit[near] * (reach[near] * 0.9995)[:, None] + look.sun * np.float32(0.03)
        towards = np.tile(look.sun, (len(places), 1))
        shadow[near] = world.scene.run(places, towards, query="OCCLUDED") != -1
    return shadow


def _mirrored(
    world: StreetWorld,
    start: NDArray[np.float32],
    unit: NDArray[np.float32],
    reach: NDArray[np.float32],
    hit: NDArray[np.int32],
    look: Look,
) -> NDArray[np.bool_]:
    """(R,) whether wet ground mirrors something that stands, and not the sky."""
    blocked = np.zeros(len(unit), np.bool_)
    if look.wet > 0.0:
        ground = hit == GROUND
        places = start + unit[ground] * reach[ground][:, None]
        places[:, 2] = 0.01
        up = np.ascontiguousarray(unit[ground] * np.array([1, 1, -1], np.float32))
        blocked[ground] = world.scene.run(places, up, query="OCCLUDED") != -1
    return blocked
