from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mdps_ros.core.mapdata import Bounds
from mdps_ros.maps import GeoAnchor, MapError, load_map

# 3 rows, 5 columns, top row first: occupied, free and unknown on no axis of symmetry.
PIXELS = np.array(
    [
        [0, 254, 254, 254, 205],
        [254, 254, 205, 205, 205],
        [254, 0, 0, 205, 205],
    ],
    np.uint8,
)
OCCUPIED, FREE = PIXELS[::-1] == 0, PIXELS[::-1] == 254


@pytest.fixture
def write(tmp_path):
    def write(pixels=PIXELS, image="map.pgm", **fields):
        Image.fromarray(pixels).save(tmp_path / image)
        text = {
            "image": image,
            "mode": "trinary",
            "resolution": 0.05,
            "origin": [-1.0, 2.0, 0.0],
            "negate": 0,
            "occupied_thresh": 0.65,
            "free_thresh": 0.196,
        } | fields
        path = tmp_path / "map.yaml"
        path.write_text("".join(f"{k}: {v}\n" for k, v in text.items() if v is not None))
        return path

    return write


def layers(map):
    tile = map.raster(map.bounds, 0.05)
    return tile.layer("building").astype(bool), tile.layer("free").astype(bool)


@pytest.mark.parametrize("image", ["map.pgm", "map.png", "map.bmp"])
def test_the_top_row_of_the_image_is_the_north_of_the_map(write, image):
    map = load_map(write(image=image))
    assert map.bounds == pytest.approx((-1.0, 2.0, -0.75, 2.15))
    occupied, free = layers(map)
    np.testing.assert_array_equal(occupied, OCCUPIED)
    np.testing.assert_array_equal(free, FREE)
    # The image's top left corner is occupied: west end of the northern row.
    assert map.tile(0, 0).layer("building")[2, 0] == 1


def test_a_grid_has_no_place_no_roads_and_its_own_resolution(write):
    map = load_map(write())
    assert map.anchor is None
    assert map.roads.count == 0
    assert map.buildings == ()
    assert map.resolution == 0.05
    assert map.drivable_length == 0.0


def shades(values):
    return np.array([values], np.uint8)


@pytest.mark.parametrize(
    ("fields", "pixels", "occupied", "free"),
    [
        # occupancy = (255 - p) / 255: 0.651, 0.647; 0.19608 (map_saver's unknown) and 0.192.
        ({}, [89, 90, 205, 206], [1, 0, 0, 0], [0, 0, 0, 1]),
        ({"negate": 1}, [166, 165, 50, 49], [1, 0, 0, 0], [0, 0, 0, 1]),
        ({"occupied_thresh": 0.9}, [20, 30, 0], [1, 0, 1], [0, 0, 0]),
        ({"free_thresh": 0.1}, [230, 220, 255], [0, 0, 0], [1, 0, 1]),
        ({"mode": "scale"}, [0, 128, 255], [1, 0, 0], [0, 0, 1]),
        # raw: the value is the occupancy in percent, above 100 is unknown.
        ({"mode": "raw"}, [0, 19, 20, 64, 65, 100, 101, 255], [0, 0, 0, 0, 1, 1, 0, 0],
         [1, 1, 0, 0, 0, 0, 0, 0]),
    ],
)  # fmt: skip
def test_thresholds_follow_map_server(write, fields, pixels, occupied, free):
    found = layers(load_map(write(shades(pixels), **fields)))
    assert found[0][0].astype(int).tolist() == occupied
    assert found[1][0].astype(int).tolist() == free


@pytest.mark.parametrize(("mode", "occupied"), [("trinary", [1, 1]), ("scale", [1, 0])])
def test_a_transparent_pixel_is_unknown_in_scale_mode_only(write, mode, occupied):
    pixels = np.zeros((1, 2, 4), np.uint8)  # black
    pixels[0, :, 3] = (255, 0)
    found, free = layers(load_map(write(pixels, image="map.png", mode=mode)))
    assert found[0].astype(int).tolist() == occupied
    assert not free.any()


@pytest.mark.parametrize("yaw", [np.pi / 2, -0.7, 3.0])
def test_a_turned_grid_is_turned_about_its_corner(write, yaw):
    map = load_map(write(resolution=1.0, origin=[10.0, 20.0, yaw]))
    half = 0.02
    for row, column in np.ndindex(*OCCUPIED.shape):
        u, v = column + 0.5, row + 0.5
        x = 10.0 + np.cos(yaw) * u - np.sin(yaw) * v
        y = 20.0 + np.sin(yaw) * u + np.cos(yaw) * v
        tile = map.raster(Bounds(x - half, y - half, x + half, y + half), 2 * half)
        assert tile.layer("building").ravel()[0] == OCCUPIED[row, column]
        assert tile.layer("free").ravel()[0] == FREE[row, column]


def test_a_coarse_raster_keeps_thin_walls(write):
    pixels = np.full((40, 40), 254, np.uint8)
    pixels[:, 17] = 0
    map = load_map(write(pixels), resolution=0.4)
    wall = map.tile(0, 0).layer("building")
    assert wall[:5, 2].all()
    assert wall.sum() == 5


def test_the_id_follows_cells_and_place(write):
    first = load_map(write()).id
    assert load_map(write(image="other.png")).id == first
    assert load_map(write(origin=[0.0, 2.0, 0.0])).id != first
    assert load_map(write(PIXELS[::-1])).id != first


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ({"resolution": None}, "lacks resolution"),
        ({"occupied_thresh": None}, "map_saver_cli"),
        ({"mode": "fancy"}, "use one of trinary, scale, raw"),
        ({"resolution": "fine"}, "are numbers"),
        ({"resolution": -1}, "metres? per cell|m per cell"),
        ({"origin": "[1.0, 2.0]"}, "origin is"),
        ({"origin": "[.nan, 2.0, 0.0]"}, "out of range"),
        ({"free_thresh": 0.9}, "0 <= free_thresh"),
        ({"origin": "[1.0, 2.0"}, "save the map again"),
    ],
)
def test_a_bad_yaml_is_refused_in_one_line_with_the_remedy(write, fields, remedy):
    with pytest.raises(MapError, match=remedy) as caught:
        load_map(write(**fields))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("image", ["map.pgm", "map.png"])
def test_a_bad_image_is_refused(write, tmp_path, image):
    path = write(np.tile(PIXELS, (40, 40)), image=image)
    whole = (tmp_path / image).read_bytes()
    (tmp_path / image).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MapError, match="save the map again"):
        load_map(path)
    (tmp_path / image).write_bytes(b"")
    with pytest.raises(MapError, match="save the map again"):
        load_map(path)
    (tmp_path / image).unlink()
    with pytest.raises(MapError, match="put it there"):
        load_map(path)


def test_what_makes_no_sense_for_a_grid_is_refused(write, tmp_path):
    path = write()
    with pytest.raises(MapError, match="cannot be merged"):
        load_map([path, path])
    with pytest.raises(MapError, match="leave the anchor out"):
        load_map(path, anchor=GeoAnchor(0.0, 0.0))
    with pytest.raises(MapError, match="check the path"):
        load_map(tmp_path / "absent.yaml")
