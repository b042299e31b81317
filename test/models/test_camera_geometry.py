from __future__ import annotations

import numpy as np
import pytest
import torch

from mdps_ros.models.camera.geometry import (
    CAMERA_HEIGHT,
    DEPTHS,
    FOCAL,
    HEIGHT,
    SIDES,
    WIDTH,
    cell_columns,
    cell_grid,
    cell_positions,
)
from mdps_ros.models.camera.lift import RaysToCells
from mdps_ros.models.camera.look import base_positions
from mdps_ros.models.camera.view import View, level_rotation


def project(points: np.ndarray, heading: float, position: np.ndarray) -> np.ndarray:
    """(n, 2) canonical pixels of (n, 3) base points, by the pinhole equation."""
    optical = (points - position) @ level_rotation(heading)
    u = FOCAL * optical[:, 0] / optical[:, 2] + (WIDTH - 1) / 2
    v = FOCAL * optical[:, 1] / optical[:, 2] + (HEIGHT - 1) / 2
    return np.stack([u, v], axis=1)


def a_view(heading: float, height: float) -> View:
    return View(
        np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        np.ones((HEIGHT, WIDTH), np.bool_),
        heading,
        (1.5, -0.4),
        height,
    )


def check_columns(side: float) -> None:
    """Cells of a camera of any height and heading project to the columns of the lift."""
    for heading, height in ((0.0, 1.6), (0.4, 2.3)):
        places = base_positions(a_view(heading, height)).reshape(-1, 2).numpy().astype(float)
        places[:, 1] *= side
        ground = np.concatenate([places, np.zeros((len(places), 1))], axis=1)
        pixels = project(ground, heading, np.array([1.5, -0.4, height]))
        np.testing.assert_allclose(pixels[:, 0], cell_columns().flatten(), rtol=1e-5, atol=1e-2)


def test_cells_lie_under_their_columns() -> None:
    check_columns(1.0)


def test_a_wrong_side_is_seen() -> None:
    with pytest.raises(AssertionError):
        check_columns(-1.0)


def test_a_higher_camera_in_a_larger_world_takes_the_same_picture() -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform((3.0, -10.0, 0.0), (40.0, 10.0, 8.0), (50, 3))
    grown = 2.4 / CAMERA_HEIGHT
    low = project(points, 0.0, np.array([0.0, 0.0, CAMERA_HEIGHT]))
    high = project(points * grown, 0.0, np.array([0.0, 0.0, 2.4]))
    np.testing.assert_allclose(low, high, atol=1e-9)
    torch.testing.assert_close(cell_positions(2.4, 0.0), grown * cell_positions(1.6, 0.0))


def test_the_lift_reads_depth_and_column() -> None:
    to_cells = RaysToCells()
    columns = WIDTH // 8
    # Along the picture, the polar column's centre in pixels; along the ray, its depth.
    column = (torch.arange(columns) + 0.5) * 8 - 0.5
    depth = torch.arange(1.0, DEPTHS + 1)
    rays = torch.stack([column.expand(DEPTHS, -1), depth[:, None].expand(-1, columns)])[None]
    cells = to_cells(rays)[0]
    wanted_depth, _ = cell_grid()
    inside = (cell_columns() > column[0]) & (cell_columns() < column[-1])
    torch.testing.assert_close(cells[1], wanted_depth, atol=1e-3, rtol=0)
    torch.testing.assert_close(cells[0][inside], cell_columns()[inside], atol=1e-2, rtol=0)
    assert int(inside.sum()) > 1000


def test_cells_beside_the_picture_are_not_visible() -> None:
    mask = torch.ones((2, HEIGHT, WIDTH), dtype=torch.bool)
    mask[1, :, : WIDTH // 2] = False  # the left half
    visible = RaysToCells().visible(mask)[:, 0]
    _, right = cell_grid()
    depth, _ = cell_grid()
    assert not visible[0][(right.abs() > depth + 1)].any()
    assert visible[0][right.abs() < depth - 1].all()
    assert not visible[1][right < 0].any()
    assert visible[1][(right > 0) & (right < depth - 1)].all()
    assert visible.shape == (2, DEPTHS, SIDES)
