from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from mdps_ros.cli import main as cli


@pytest.fixture
def grid(tmp_path):
    Image.fromarray(np.full((20, 30), 254, np.uint8)).save(tmp_path / "floor.pgm")
    path = tmp_path / "floor.yaml"
    path.write_text(
        "image: floor.pgm\nresolution: 0.1\norigin: [0, 0, 0]\n"
        "occupied_thresh: 0.65\nfree_thresh: 0.25\n"
    )
    return path


def test_info_tells_and_writes_what_a_city_holds(tmp_path, capsys):
    out = tmp_path / "map.json"
    assert cli.main(["map", "info", "helsinki", "--json", str(out)]) == 0
    document = json.loads(out.read_text())
    (row,) = document["rows"]
    assert document["suite"] == "map"
    assert row["anchor_latitude_deg"] == pytest.approx(60.17, abs=0.01)
    by_kind = [
        v for k, v in row.items() if k.endswith("_km") and k not in ("drivable_km", "oneway_km")
    ]
    assert sum(by_kind) == pytest.approx(row["drivable_km"])
    assert 0 < row["buildings_of_known_height"] < row["buildings"]
    assert row["building_percent"] > 20.0
    printed = capsys.readouterr().out
    assert "residential_km" in printed
    assert "60.171" in printed


def test_info_of_a_robot_map_has_no_place_on_earth(grid, tmp_path):
    out = tmp_path / "map.json"
    assert cli.main(["map", "info", str(grid), "--json", str(out)]) == 0
    (row,) = json.loads(out.read_text())["rows"]
    assert "anchor_latitude_deg" not in row
    assert row["free_percent"] == pytest.approx(100.0)
    assert (row["width_m"], row["height_m"]) == pytest.approx((3.0, 2.0))


def test_render_writes_a_picture_of_the_asked_size(grid, tmp_path):
    out = tmp_path / "new" / "map.png"
    assert cli.main(["map", "render", str(grid), "--out", str(out), "--resolution", "0.05"]) == 0
    with Image.open(out) as image:
        assert image.size == (60, 40)
        assert image.getpixel((30, 20)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["info", "absent.osm"], "check the path"),
        (["render", "absent.osm", "--out", "map.png"], "check the path"),
        (["render", "helsinki", "--out", "map.unknown"], "ends in .png"),
        (["render", "helsinki", "--out", "map.png", "--resolution", "0.01"], "--resolution 0.1"),
    ],
)
def test_a_bad_input_ends_in_one_line_and_code_2(words, text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["map", *words]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
