"""The world that the simulated camera sees: triangles in Embree and a flat ground at z = 0."""

from __future__ import annotations

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Building
from mdps_ros.sim.mesh import building_triangles


class Scene:
    """Ray casting against triangles and the ground plane.

    Embree works in float32, so the triangles are kept relative to `origin`: coordinates stay
    exact to a fraction of a millimetre in a city of any extent.
    """

    def __init__(self, triangles: NDArray[np.float64], origin: NDArray[np.float64]) -> None:
        """Build the ray-casting structure.

        Args:
            triangles: (T, 3, 3) m, map frame; may be empty.
            origin: (2,) m, a point in the middle of where rays will start.
        """
        self.origin = np.array([origin[0], origin[1], 0.0])
        self._scene: EmbreeScene | None = None
        if len(triangles):
            local = np.ascontiguousarray(triangles - self.origin, dtype=np.float32)
            self._scene = EmbreeScene()
            # The mesh registers itself with the scene and must live as long as it does.
            self._mesh = TriangleMesh(self._scene, local)

    def cast(
        self, start: NDArray[np.float64], directions: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """First hit of each ray.

        Args:
            start: (3,) m, where all rays start, map frame.
            directions: (R, 3), of any length; the answer is in units of that length.

        Returns:
            (R,) how many times `directions` to go to the first hit; inf where there is none.
        """
        local = (start - self.origin).astype(np.float32)
        down = directions[:, 2] < 0
        hit = np.full(len(directions), np.inf, dtype=np.float32)
        hit[down] = -local[2] / directions[down, 2]
        if self._scene is not None:
            starts = np.tile(local, (len(directions), 1))
            found = self._scene.run(starts, directions, query="INTERSECT", output=1)
            solid = np.where(found["primID"] >= 0, found["tfar"], np.inf).astype(np.float32)
            hit = np.minimum(hit, solid)
        return hit


def city_triangles(
    buildings: tuple[Building, ...], path: NDArray[np.float64], reach: float
) -> NDArray[np.float64]:
    """Triangles of the buildings that a sensor on the path can see.

    Args:
        buildings: all footprints.
        path: (P, 2) m, where the sensor goes.
        reach: range of the sensor, m; buildings beyond it are left out.

    Returns:
        (T, 3, 3) m.
    """
    low, high = path.min(axis=0) - reach, path.max(axis=0) + reach
    near = [
        b
        for b in buildings
        if (b.exterior.max(axis=0) >= low).all() and (b.exterior.min(axis=0) <= high).all()
    ]
    return np.concatenate([np.zeros((0, 3, 3)), *(building_triangles(b) for b in near)])
