from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.core.mapdata import Building
from mdps_ros.sim.mesh import building_triangles, prism, rectangle

from .town import box


def area(triangles: np.ndarray) -> float:
    sides = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return float(np.linalg.norm(sides, axis=1).sum() / 2)


def test_a_box_has_four_walls_and_a_roof():
    assert area(building_triangles(box(0, 0, 4, 6, 10))) == pytest.approx(2 * (4 + 6) * 10 + 24)


def test_a_courtyard_has_walls_and_no_roof():
    outer = np.array([[0.0, 0], [20, 0], [20, 10], [0, 10]])
    inner = np.array([[5.0, 3], [5, 7], [15, 7], [15, 3]])
    triangles = building_triangles(Building(outer, (inner,), 6.0))
    assert area(triangles) == pytest.approx(60 * 6 + 28 * 6 + 200 - 40)
    roof = triangles[(triangles[:, :, 2] == 6.0).all(axis=1)]
    middle = roof[:, :, :2].mean(axis=1)
    in_yard = (middle > [5, 3]).all(axis=1) & (middle < [15, 7]).all(axis=1)
    assert not in_yard.any()


def test_a_concave_footprint_is_filled_and_not_its_notch():
    ring = np.array([[0.0, 0], [10, 0], [10, 4], [4, 4], [4, 10], [0, 10]])
    assert area(building_triangles(Building(ring, (), 3.0))) == pytest.approx(40 * 3 + 64)


def test_a_prism_is_closed_and_turned():
    block = prism(rectangle(np.array([5.0, 7.0]), np.pi / 2, 4.0, 2.0), 0.5, 2.5)
    assert area(block) == pytest.approx(2 * (4 + 2) * 2 + 2 * 8)
    np.testing.assert_allclose(block.min(axis=(0, 1)), [4, 5, 0.5])
    np.testing.assert_allclose(block.max(axis=(0, 1)), [6, 9, 2.5])
