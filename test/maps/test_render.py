from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.core.mapdata import Bounds
from mdps_ros.maps import load_map
from mdps_ros.maps import render as render_module
from mdps_ros.maps.render import render


@pytest.fixture
def map(village, tmp_path):
    return load_map(village.write(tmp_path / "a.osm"), anchor=village.anchor)


def pixel(image, extent, x, y):
    rows, columns, _ = image.shape
    column = int((x - extent[0]) / (extent[1] - extent[0]) * columns)
    row = int((extent[3] - y) / (extent[3] - extent[2]) * rows)
    return tuple(image[row, column])


def test_north_is_up_and_colours_lie_where_the_map_says(map):
    image, extent = render(map, pixels_max=600)
    assert image.dtype == np.uint8
    assert max(image.shape[:2]) == 600
    assert image.shape[1] > image.shape[0]
    green = pixel(image, extent, 90.0, 30.0)
    road = pixel(image, extent, -80.0, 0.0)
    house = pixel(image, extent, 30.0, 25.0)
    court = pixel(image, extent, -40.0, 40.0)
    assert green == (211, 232, 190)
    assert road == (255, 255, 255)
    assert house == (201, 188, 178)
    assert court == pixel(image, extent, -40.0, -40.0) == render_module._GROUND


def test_the_picture_does_not_show_the_bands_it_is_drawn_in(map, monkeypatch):
    whole, _ = render(map, pixels_max=500)
    monkeypatch.setattr(render_module, "_BAND_ROWS", 37)
    banded, _ = render(map, pixels_max=500)
    np.testing.assert_array_equal(whole, banded)


def test_a_window_is_drawn_to_its_own_extent(map):
    image, extent = render(map, Bounds(20.0, 20.0, 40.0, 30.0), pixels_max=100)
    assert image.shape == (50, 100, 3)
    assert extent == pytest.approx((20.0, 40.0, 20.0, 30.0))
    assert pixel(image, extent, 30.0, 25.0) == (201, 188, 178)
