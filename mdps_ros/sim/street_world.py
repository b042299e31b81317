"""A street that can be looked at: rays are cast by Embree, pixels are coloured by numba."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds, Building, RoadNetwork, Streetscape
from mdps_ros.sim.depth_camera import attitude
from mdps_ros.sim.street_camera import StreetCamera, expose
from mdps_ros.sim.street_ground import Ground, draw_ground
from mdps_ros.sim.street_lamps import LampLight, lamp_light, lamp_places
from mdps_ros.sim.street_look import Look, draw_facades
from mdps_ros.sim.street_mesh import Triangles, cars, joined, standing_things
from mdps_ros.sim.street_people import people
from mdps_ros.sim.street_shading import SKY, meet_ground, shade
from mdps_ros.sim.street_solid import Solid, all_faces, first_hits, mirrored, shadows

FARTHEST_M = 400.0
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
        self.street = street
        self.solid = Solid(joined([street.standing, traffic, walkers]), street.origin)
        self.facades = draw_facades(max(street.buildings, 1), seeds[1])


def render_frame(
    world: StreetWorld,
    camera: StreetCamera,
    rays: NDArray[np.float64],
    T_map_base: NDArray[np.float64],
    tilt: tuple[float, float],
    look: Look,
    generator: np.random.Generator,
    movers: Triangles | None = None,
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
        movers: what moves; at least one triangle, or None.

    Returns:
        The image, with depth and labels.
    """
    rotation = attitude(float(T_map_base[2]), *tilt)
    T = camera.T_base_camera
    position = rotation @ T[:3, 3] + [T_map_base[0], T_map_base[1], 0.0]
    start = (position - [*world.street.origin, 0.0]).astype(np.float32)
    lengths = np.linalg.norm(rays, axis=1)
    unit = ((rays / lengths[:, None]) @ (rotation @ T[:3, :3]).T).astype(np.float32)
    solids = [world.solid]
    if movers is not None:
        solids.append(Solid(movers, world.street.origin))
    faces = all_faces(solids)
    reach, hit = first_hits(solids, start, unit)
    meet_ground(float(start[2]), unit, reach, hit, FARTHEST_M)
    shadow = mirror = np.zeros(len(unit), np.bool_)
    if look.weather == "sun":
        shadow = shadows(solids, start, unit, reach, hit, look.sun)
    if look.wet > 0.0:
        mirror = mirrored(solids, start, unit, reach, hit)
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
        *faces,
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
