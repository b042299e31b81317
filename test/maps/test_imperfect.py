from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import shapely

from mdps_ros.core.mapdata import Bounds
from mdps_ros.maps import MapError, load_map, moving
from mdps_ros.maps.imperfect import ImperfectStyle, imperfect_map, imperfect_warp

PERFECT = ImperfectStyle(warp_sd_m=0.0, small_missing=0.0, buildings_missing=0.0, widths_wrong=0.0)
STANDARD_ERRORS = 4.0


@pytest.fixture(scope="module")
def town(tmp_path_factory, new_town):
    """21 streets of 20 ways each; 400 blocks with a house, a tree and a bench; one large park."""
    town = new_town()
    steps, side = 21, 60.0
    nodes = [[town.node(side * i, side * j) for i in range(steps)] for j in range(steps)]
    for row in nodes:
        for pair in pairwise(row):
            town.way(pair, highway="residential")
    town.way([row[0] for row in nodes], highway="primary")
    for i in range(steps - 1):
        for j in range(steps - 1):
            x, y = side * i + 20.0, side * j + 20.0
            corner = town.node(x, y)
            ring = [corner, *(town.node(x + a, y + b) for a, b in ((20, 0), (20, 15), (0, 15)))]
            town.way([*ring, corner], building="yes")
            town.node(x, y, natural="tree")
            town.way([corner, town.node(x - 10.0, y)], barrier="fence")
    town.box(300.0, 300.0, 330.0, 330.0, leisure="park")
    town.way([(0.0, 30.0), (1200.0, 30.0)], highway="footway")
    path = town.write(tmp_path_factory.mktemp("town") / "a.osm")
    return load_map(path, anchor=town.anchor)


def made(map, seed=1, **changes):
    return imperfect_map(map, replace(PERFECT, **changes), np.random.default_rng(seed))


def layers(map):
    return map.raster(Bounds(-10.0, -10.0, 300.0, 300.0), 0.5).layers


def lines(map, prefix):
    return [line for line in map.streetscape.lines if line.kind.startswith(prefix)]


def test_a_style_that_changes_nothing_leaves_the_map_as_it_is(town):
    same = made(town)
    np.testing.assert_array_equal(layers(same), layers(town))
    np.testing.assert_array_equal(same.roads.start, town.roads.start)
    assert same.bounds == town.bounds
    assert same.anchor == town.anchor
    assert same.unknown_heights == town.unknown_heights
    assert same.id != town.id
    # The comparison sees a map that did change.
    assert (layers(made(town, warp_sd_m=1.0)) != layers(town)).any()


def test_the_id_tells_source_style_and_seed_apart(town, village, tmp_path):
    style = ImperfectStyle()
    once, again = (imperfect_map(town, style, np.random.default_rng(3)) for _ in range(2))
    assert once.id == again.id
    np.testing.assert_array_equal(layers(once), layers(again))
    other_place = load_map(village.write(tmp_path / "a.osm"))
    others = [
        imperfect_map(town, style, np.random.default_rng(4)),
        imperfect_map(town, replace(style, warp_sd_m=1.1), np.random.default_rng(3)),
        imperfect_map(other_place, style, np.random.default_rng(3)),
        town,
    ]
    assert len({once.id, *(map.id for map in others)}) == 5


def test_as_much_is_missing_as_was_asked_for(town):
    wrong = made(town, small_missing=0.3, buildings_missing=0.1)

    def check(count, all, share):
        error = np.sqrt(all * share * (1.0 - share))
        assert abs(all - count - all * share) < STANDARD_ERRORS * error
        assert abs(all - count - all * (share + 0.2)) > STANDARD_ERRORS * error

    check(len(wrong.buildings), 400, 0.1)
    check(len(wrong.streetscape.points), 400, 0.3)
    check(len(lines(wrong, "fence")), 400, 0.3)
    # What is large stays.
    assert len(lines(wrong, "road:")) == len(lines(town, "road:"))
    assert len(lines(wrong, "pavement")) == 1
    assert [area.kind for area in wrong.streetscape.areas] == ["grass"]
    np.testing.assert_array_equal(wrong.roads.start, town.roads.start)


def test_a_larger_share_misses_what_a_smaller_one_misses(town):
    few, many = (made(town, buildings_missing=share).buildings for share in (0.1, 0.5))
    corners = [{tuple(b.exterior[0]) for b in kept} for kept in (few, many)]
    assert corners[1] < corners[0]


def test_everything_moves_with_one_field(town):
    wrong = made(town, warp_sd_m=2.0)
    house = np.array([b.exterior[0] for b in wrong.buildings])
    np.testing.assert_allclose(house, [p.xy for p in wrong.streetscape.points], atol=1e-9)
    np.testing.assert_allclose(house, [f.xy[0] for f in lines(wrong, "fence")], atol=1e-9)
    shift = house - [b.exterior[0] for b in town.buildings]
    # 400 corners 60 m apart, all but independent: the standard error of a spread is sd / sqrt(2n).
    assert abs(shift.std() - 2.0) < STANDARD_ERRORS * 2.0 / np.sqrt(2.0 * shift.size)


def test_the_warp_of_a_style_and_seed_is_the_one_of_its_map(town):
    style = ImperfectStyle(widths_wrong=0.0, small_missing=0.0, buildings_missing=0.0)
    warped = imperfect_map(town, style, np.random.default_rng(5))
    warp = imperfect_warp(style, np.random.default_rng(5))
    corner = town.buildings[0].exterior[:1]
    found = np.vstack([building.exterior for building in warped.buildings])
    assert np.hypot(*(found - corner - warp(corner)).T).min() < 1e-6
    other = imperfect_warp(style, np.random.default_rng(6))
    assert np.hypot(*(found - corner - other(corner)).T).min() > 1e-2
    still = replace(style, warp_sd_m=0.0)
    assert imperfect_warp(still, np.random.default_rng(5)) is None


def test_raster_buildings_and_roads_agree_after_the_warp(town):
    wrong = made(town, warp_sd_m=2.0, road_shift_m=3.0, widths_wrong=0.5)
    tile = wrong.raster(Bounds(-10.0, -10.0, 150.0, 150.0), 0.5)
    x, y = np.meshgrid(*(np.arange(-10.0, 150.0, 0.5) + 0.25,) * 2)
    houses = shapely.union_all([shapely.Polygon(b.exterior) for b in wrong.buildings])
    shapely.prepare(houses)
    near = shapely.distance(houses.boundary, shapely.points(x, y)) < 0.01
    inside = shapely.contains_xy(houses, x, y)
    np.testing.assert_array_equal(tile.layer("building")[~near], inside[~near])
    ends = np.stack([wrong.roads.start, wrong.roads.end], axis=1)
    wide = shapely.buffer(shapely.linestrings(ends), 0.5 * wrong.roads.width)
    asphalt = tile.layer("road_minor") | tile.layer("road_major")
    covered = shapely.contains_xy(shapely.union_all(wide), x, y)
    assert (covered != asphalt).mean() < 0.002
    assert (shapely.contains_xy(houses, x + 2.0, y) != tile.layer("building")).mean() > 0.01


def test_long_edges_bend_and_the_network_stays_joined(town):
    wrong = made(town, warp_sd_m=1.0)
    assert wrong.roads.lengths.max() < 7.5 + 4.0
    nodes = np.concatenate([wrong.roads.start_node, wrong.roads.end_node])
    places = np.concatenate([wrong.roads.start, wrong.roads.end])
    _, first, node = np.unique(nodes, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(places, places[first][node])
    # Old nodes are still where as many ways meet; the new ones join two pieces each.
    old = np.concatenate([town.roads.start_node, town.roads.end_node])
    assert set(old) <= set(nodes)
    counts = np.unique(nodes[~np.isin(nodes, old)], return_counts=True)[1]
    assert (counts == 2).all()
    np.testing.assert_array_equal(
        np.bincount(nodes[np.isin(nodes, old)]), np.bincount(old, minlength=old.max() + 1)
    )
    assert wrong.roads.width.sum() > town.roads.width.sum()
    with pytest.raises(ValueError, match="read-only"):
        wrong.roads.start[0] = 0.0


def test_roads_lie_off_by_the_length_asked_for_and_stay_joined(town):
    wrong = made(town, road_shift_m=2.0)
    shift = wrong.roads.start - town.roads.start
    np.testing.assert_allclose(np.hypot(*shift.T), 2.0, atol=1e-9)
    assert len(np.unique(shift.round(6), axis=0)) > 300
    nodes = np.concatenate([wrong.roads.start_node, wrong.roads.end_node])
    places = np.concatenate([wrong.roads.start, wrong.roads.end])
    _, first, node = np.unique(nodes, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(places, places[first][node])
    drawn = {tuple(xy) for line in lines(wrong, "road:") for xy in line.xy}
    assert {tuple(xy) for xy in places} <= drawn
    # Nothing but the roads moved.
    assert (wrong.buildings[0].exterior == town.buildings[0].exterior).all()


def test_wrong_widths_are_as_many_and_as_wrong_as_asked_for(town):
    wrong = made(town, widths_wrong=0.2, width_error=0.3)
    ratio = wrong.roads.width / town.roads.width
    residential = town.roads.kind != town.roads.kind.min()  # one segment to each way
    assert set(ratio.round(4)) == {np.float32(0.7), np.float32(1.0), np.float32(1.3)}
    count, all = (ratio[residential] != 1.0).sum(), residential.sum()
    assert abs(count - 0.2 * all) < STANDARD_ERRORS * np.sqrt(all * 0.16)
    drawn = {tuple(line.xy[0]): line.width for line in lines(wrong, "road:residential")}
    of = zip(wrong.roads.start[residential], wrong.roads.width[residential], strict=True)
    for start, width in of:
        assert drawn[tuple(start)] == pytest.approx(float(width))


def test_the_parts_do_not_disturb_each_other(town):
    warped = made(town, warp_sd_m=1.0)
    both = made(town, warp_sd_m=1.0, buildings_missing=0.5, widths_wrong=0.5)
    np.testing.assert_array_equal(warped.roads.start, both.roads.start)
    kept = {tuple(b.exterior[0]) for b in both.buildings}
    assert kept < {tuple(b.exterior[0]) for b in warped.buildings}


def test_a_huge_map_is_cut_less_finely(town, monkeypatch):
    fine = made(town, warp_sd_m=1.0).roads.count
    monkeypatch.setattr(moving, "_MOST_VERTICES", 6_000)
    coarse = made(town, warp_sd_m=1.0)
    vertices = sum(len(line.xy) for line in coarse.streetscape.lines)
    vertices += coarse.roads.count + sum(len(b.exterior) for b in coarse.buildings)
    assert vertices < 12_000  # every edge may round up by one
    assert town.roads.count <= coarse.roads.count < 0.5 * fine


def test_an_occupancy_map_is_refused(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 2 2 255\n\x00\xfe\xfe\x00")
    header = "image: a.pgm\nresolution: 1.0\norigin: [0, 0, 0]\noccupied_thresh: 0.65\n"
    (tmp_path / "a.yaml").write_text(header + "free_thresh: 0.25\n")
    with pytest.raises(MapError, match="use an OSM map"):
        made(load_map(tmp_path / "a.yaml"))


@pytest.mark.parametrize(
    "change",
    [
        {"small_missing": 1.2},
        {"buildings_missing": -0.1},
        {"widths_wrong": float("nan")},
        {"width_error": 1.0},
        {"warp_sd_m": -1.0},
        {"warp_length_m": 0.0},
        {"road_shift_m": -2.0},
    ],
)
def test_an_absurd_style_is_refused(change):
    with pytest.raises(MapError, match="use"):
        ImperfectStyle(**change)
