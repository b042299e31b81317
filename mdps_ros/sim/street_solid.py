"""Triangles that rays can hit, and what lies behind them: shadows and mirror images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from mdps_ros.sim.street_mesh import Triangles
from mdps_ros.sim.street_shading import GROUND, SKY

SHADOWS_M = 90.0
"""Shadows farther away than this are not drawn."""


class Faces(NamedTuple):
    """What is needed to colour T triangles.

    Attributes:
        surface: (T,) int32, numbers of `street_mesh.SURFACES`.
        thing: (T,) int32, which building, car or tree.
        along: (T, 6) float32, see `street_mesh.Triangles`, about the origin.
        normal: (T, 3) float32, unit vectors.
    """

    surface: NDArray[np.int32]
    thing: NDArray[np.int32]
    along: NDArray[np.float32]
    normal: NDArray[np.float32]


class Solid:
    """A set of triangles in a ray caster; coordinates are kept in float32 about an origin."""

    def __init__(self, triangles: Triangles, origin: NDArray[np.float64]) -> None:
        """Build the ray caster.

        Args:
            triangles: at least one, map frame.
            origin: (2,) m.
        """
        corners = np.ascontiguousarray(triangles.corners - [*origin, 0.0], np.float32)
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
        along = triangles.along.astype(np.float64)
        along[:, :2] -= origin
        self.faces = Faces(
            triangles.surface,
            triangles.thing,
            along.astype(np.float32),
            normal.astype(np.float32),
        )
        self._scene = EmbreeScene()
        # The mesh registers itself with the scene and must live as long as it does.
        self._mesh = TriangleMesh(self._scene, corners)

    def first_hits(
        self, start: NDArray[np.float32], rays: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """(R,) distance and (R,) number of the first triangle of each ray; SKY for none."""
        starts = np.tile(start, (len(rays), 1))
        found = self._scene.run(starts, rays, query="INTERSECT", output=1)
        return found["tfar"].astype(np.float32), found["primID"].astype(np.int32)

    def blocks(
        self, places: NDArray[np.float32], towards: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """(P,) whether a triangle lies on the half-line from each place."""
        return np.asarray(self._scene.run(places, towards, query="OCCLUDED") != -1)


def all_faces(solids: Sequence[Solid]) -> Faces:
    """Faces of several solids, numbered one after the other."""
    if len(solids) == 1:
        return solids[0].faces
    return Faces(*(np.concatenate(p) for p in zip(*(s.faces for s in solids), strict=True)))


def first_hits(
    solids: Sequence[Solid], start: NDArray[np.float32], rays: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Distance and number, among all faces, of what each ray hits first.

    Args:
        solids: at least one.
        start: (3,) m, where all rays start, about the origin.
        rays: (R, 3) unit vectors.

    Returns:
        (R,) m and (R,) number; SKY for none.
    """
    reach, hit = solids[0].first_hits(start, rays)
    before = len(solids[0].faces.surface)
    for solid in solids[1:]:
        other, number = solid.first_hits(start, rays)
        nearer = (number != SKY) & ((hit == SKY) | (other < reach))
        reach[nearer], hit[nearer] = other[nearer], number[nearer] + before
        before += len(solid.faces.surface)
    return reach, hit


def shadows(
    solids: Sequence[Solid],
    start: NDArray[np.float32],
    rays: NDArray[np.float32],
    reach: NDArray[np.float32],
    hit: NDArray[np.int32],
    sun: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """(R,) whether something stands between what a ray hit and the sun.

    Args:
        solids: what may stand there.
        start: (3,) m.
        rays: (R, 3) unit vectors.
        reach: (R,) m.
        hit: (R,) numbers of triangles, GROUND or SKY.
        sun: (3,) unit vector towards it.
    """
    near = (hit != SKY) & (reach < SHADOWS_M)
    # a little back along the ray, so that a surface does not shade itself
    places = start + rays[near] * (reach[near] * 0.9995)[:, None] + sun * np.float32(0.03)
    towards = np.tile(sun, (len(places), 1))
    shadow = np.zeros(len(rays), np.bool_)
    shadow[near] = np.any([solid.blocks(places, towards) for solid in solids], axis=0)
    return shadow


def mirrored(
    solids: Sequence[Solid],
    start: NDArray[np.float32],
    rays: NDArray[np.float32],
    reach: NDArray[np.float32],
    hit: NDArray[np.int32],
) -> NDArray[np.bool_]:
    """(R,) whether wet ground mirrors something that stands, and not the sky; see `shadows`."""
    ground = hit == GROUND
    places = start + rays[ground] * reach[ground][:, None]
    places[:, 2] = 0.01
    up = np.ascontiguousarray(rays[ground] * np.array([1, 1, -1], np.float32))
    blocked = np.zeros(len(rays), np.bool_)
    blocked[ground] = np.any([solid.blocks(places, up) for solid in solids], axis=0)
    return blocked
