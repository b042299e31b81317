from __future__ import annotations

import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdps_ros.maps import GeoAnchor

WGS84 = pyproj.Geod(ellps="WGS84")
metres = st.floats(-50_000.0, 50_000.0)


@settings(max_examples=60, deadline=None)
@given(lat=st.floats(-75.0, 75.0), lon=st.floats(-180.0, 180.0), x=metres, y=metres)
def test_going_to_degrees_and_back_moves_nothing(lat, lon, x, y):
    anchor = GeoAnchor(lat, lon)
    degrees = anchor.to_geodetic([(x, y)])
    back = anchor.to_map(degrees[:, 0], degrees[:, 1])
    np.testing.assert_allclose(back, [(x, y)], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    lat=st.floats(-70.0, 70.0),
    azimuth=st.floats(-180.0, 180.0),
    distance=st.floats(1.0, 20_000.0),
)
def test_distances_from_the_anchor_are_geodesic(lat, azimuth, distance):
    lon, far_lat, _ = WGS84.fwd(10.0, lat, azimuth, distance)
    (xy,) = GeoAnchor(lat, 10.0).to_map([far_lat], [lon])
    # The scale grows as x^2 / 2R^2; its mean over a straight line to x is a third of that.
    stretch = 1.0 + xy[0] ** 2 / (6.0 * 6.37e6**2)
    assert np.hypot(*xy) == pytest.approx(distance * stretch, abs=2e-3)
    # Straight lines of the plane leave the azimuth by far less than a road's width here.
    bearing = np.arctan2(xy[0], xy[1])
    assert abs(np.angle(np.exp(1j * (bearing - np.radians(azimuth))))) * distance < 0.2


def test_x_is_east_and_y_is_north():
    east, north = GeoAnchor(60.0, 25.0).to_map([60.0, 60.01], [25.01, 25.0])
    assert east[0] == pytest.approx(WGS84.line_length([25.0, 25.01], [60.0, 60.0]), abs=1e-3)
    assert abs(east[1]) < 0.1
    assert north[1] == pytest.approx(WGS84.line_length([25.0, 25.0], [60.0, 60.01]), abs=1e-6)
    assert abs(north[0]) < 1e-9


def test_latitude_and_longitude_swapped_are_refused():
    with pytest.raises(ValueError, match="latitude first"):
        GeoAnchor(120.0, 60.0)


def test_arrays_of_different_length_are_refused():
    with pytest.raises(ValueError, match="differ"):
        GeoAnchor(60.0, 25.0).to_map([60.0], [25.0, 26.0])
