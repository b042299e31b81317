from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from mdps_ros.core.mapdata import LAYERS, Bounds
from mdps_ros.maps import MapError
from mdps_ros.maps.raster import Strokes, VectorLayers

WINDOW = Bounds(-10.0, 5.0, 20.0, 17.0)  # wider than high
COORDINATE = st.floats(-15.0, 25.0)


def box(x0, y0, x1, y1):
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)


def layers_of(*polygons, **strokes):
    return VectorLayers({"building": polygons}, strokes)


def centres(tile):
    _, rows, columns = tile.layers.shape
    x = tile.origin[0] + (np.arange(columns) + 0.5) * tile.resolution
    y = tile.origin[1] + (np.arange(rows) + 0.5) * tile.resolution
    return np.meshgrid(x, y)


def test_a_rectangle_fills_its_cells_and_row_zero_is_south():
    tile = layers_of((box(-9.0, 6.0, -6.0, 8.0), ())).rasterise(WINDOW, 0.5)
    assert tile.layers.shape == (len(LAYERS), 24, 60)
    expected = np.zeros((24, 60), np.uint8)
    expected[2:6, 2:8] = 1
    np.testing.assert_array_equal(tile.layer("building"), expected)
    assert tile.layers.sum() == expected.sum()


@pytest.mark.parametrize("turn_outer", [1, -1])
@pytest.mark.parametrize("turn_inner", [1, -1])
def test_a_hole_stays_open_whichever_way_the_rings_run(turn_outer, turn_inner):
    outer, inner = box(-8.0, 6.0, 8.0, 16.0), box(-4.0, 8.0, 4.0, 14.0)
    tile = layers_of((outer[::turn_outer], (inner[::turn_inner],))).rasterise(WINDOW, 0.5)
    assert tile.layer("building").sum() * 0.25 == 16 * 10 - 8 * 6


def test_overlapping_shapes_do_not_cancel_and_may_fill_a_hole():
    ring = (box(-8.0, 6.0, 8.0, 16.0), (box(-4.0, 8.0, 4.0, 14.0),))
    filler = (box(-5.0, 7.0, 5.0, 15.0), ())
    tile = layers_of(ring, filler).rasterise(WINDOW, 0.5)
    assert tile.layer("building").sum() * 0.25 == 16 * 10


@settings(max_examples=80, deadline=None)
@given(points=st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=12))
def test_cells_are_set_exactly_where_their_centre_is_inside(points):
    hull = shapely.convex_hull(shapely.MultiPoint(points))
    if hull.geom_type != "Polygon" or hull.area < 1e-3:
        return
    tile = layers_of((np.array(hull.exterior.coords)[:-1], ())).rasterise(WINDOW, 0.5)
    x, y = centres(tile)
    clear = shapely.distance(shapely.points(x, y), hull.exterior) > 1e-6
    inside = shapely.contains_xy(hull, x, y)
    np.testing.assert_array_equal(tile.layer("building")[clear], inside[clear])


@settings(max_examples=60, deadline=None)
@given(ends=st.tuples(COORDINATE, COORDINATE, COORDINATE, COORDINATE), width=st.floats(1.0, 9.0))
def test_a_stroke_covers_what_is_near_its_line(ends, width):
    start, end = np.array([ends[:2]]), np.array([ends[2:]])
    tile = layers_of(rail=Strokes(start, end, np.array([width]))).rasterise(WINDOW, 0.5)
    x, y = centres(tile)
    line = shapely.LineString([start[0], end[0]])
    axis = line if line.length > 0.0 else shapely.Point(start[0])
    distance = shapely.distance(shapely.points(x, y), axis)
    covered = tile.layer("rail") > 0
    # The round ends are twelve-sided: up to 3.5 % of the radius is cut off.
    assert covered[distance < 0.96 * width / 2 - 1e-6].all()
    assert not covered[distance > width / 2 + 1e-6].any()


def test_a_thin_wall_is_not_broken_by_the_grid():
    line = Strokes(np.array([[-9.0, 6.0]]), np.array([[19.0, 16.0]]), np.array([0.2]))
    wall = layers_of(barrier=line).rasterise(WINDOW, 0.5).layer("barrier")
    columns = wall[:, 3:57].sum(axis=0)
    assert columns.min() >= 1
    assert columns.max() <= 3


def test_windows_agree_cell_by_cell_with_a_larger_one():
    rng = np.random.default_rng(3)
    corners = rng.uniform([-10.0, 5.0], [20.0, 17.0], (12, 2))
    sizes = rng.uniform(0.7, 6.0, (12, 2))
    polygons = [(box(*c, *(c + s)), ()) for c, s in zip(corners, sizes, strict=True)]
    lines = Strokes(corners[:6], corners[6:], rng.uniform(0.1, 3.0, 6))
    drawn = VectorLayers({"grass": polygons}, {"path": lines})
    whole = drawn.rasterise(WINDOW, 0.5).layers
    for row, column in ((0, 0), (4, 12), (12, 40)):
        x, y = WINDOW.min_x + 0.5 * column, WINDOW.min_y + 0.5 * row
        part = drawn.rasterise(Bounds(x, y, x + 6.0, y + 4.0), 0.5).layers
        np.testing.assert_array_equal(part, whole[:, row : row + 8, column : column + 12])
    assert whole.any()


def test_a_window_beyond_all_shapes_is_empty():
    tile = layers_of((box(0.0, 0.0, 5.0, 5.0), ())).rasterise(
        Bounds(100.0, 100.0, 110.0, 120.0), 0.5
    )
    assert tile.layers.shape[1:] == (40, 20)
    assert not tile.layers.any()


@pytest.mark.parametrize(
    ("window", "resolution", "remedy"),
    [
        (Bounds(0.0, 0.0, 4e4, 4e4), 0.5, "smaller window or a coarser"),
        (Bounds(0.0, 0.0, 0.0, 10.0), 0.5, "widen"),
        (Bounds(0.0, 0.0, 10.0, 10.0), 0.0, "widen"),
    ],
)
def test_absurd_windows_are_refused_with_a_remedy(window, resolution, remedy):
    with pytest.raises(MapError, match=remedy):
        layers_of().rasterise(window, resolution)
