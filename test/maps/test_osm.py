from __future__ import annotations

import bz2

import numpy as np
import osmium
import pytest

from mdps_ros.maps import MapError, load_map
from mdps_ros.maps.osm import read_osm


def as_pbf(source, target):
    writer = osmium.SimpleWriter(str(target))
    for item in osmium.FileProcessor(str(source)):
        writer.add(item)
    writer.close()
    return target


def test_all_tagged_things_are_read(village, tmp_path):
    data = read_osm([village.write(tmp_path / "village.osm")])
    assert len(data.ways) == 4  # two roads, house, park; the court's rings carry no tags
    assert len(data.points) == 1
    (court,) = [area for area in data.areas if area.tags.get("height")]
    ((outer, holes),) = court.polygons
    assert outer.shape == (4, 2)
    assert [hole.shape for hole in holes] == [(4, 2)]


def test_a_way_is_cut_where_nodes_are_missing(new_town, tmp_path):
    town = new_town()
    nodes = [town.node(10.0 * i, 0.0) for i in range(7)]
    town.way(nodes, highway="residential")
    data = read_osm([town.write(tmp_path / "cut.osm", without=[nodes[0], nodes[3]])])
    assert [way.nodes.tolist() for way in data.ways] == [nodes[1:3], nodes[4:]]
    roads = load_map(tmp_path / "cut.osm").roads
    assert roads.lengths == pytest.approx([10.0, 10.0, 10.0], abs=0.02)


def test_ways_ahead_of_their_nodes_are_sorted_first(village, tmp_path):
    plain = load_map(village.write(tmp_path / "plain.osm"))
    turned = load_map(village.write(tmp_path / "turned.osm", ways_first=True))
    assert turned.id == plain.id


@pytest.mark.parametrize("name", ["village.osm.pbf", "village.osm.bz2", "no_suffix_at_all"])
def test_the_same_content_is_the_same_map_in_every_format(village, tmp_path, name):
    source = village.write(tmp_path / "village.osm")
    if name.endswith("pbf"):
        other = as_pbf(source, tmp_path / name)
    else:
        text = source.read_bytes()
        other = tmp_path / name
        other.write_bytes(bz2.compress(text) if name.endswith("bz2") else text)
    here, there = load_map(source), load_map(other)
    assert here.id == there.id
    np.testing.assert_array_equal(here.roads.start, there.roads.start)
    np.testing.assert_array_equal(here.tile(0, 0).layers, there.tile(0, 0).layers)


def test_files_that_overlap_are_merged_without_duplicates(new_town, tmp_path):
    both, west, east = new_town(), new_town(), new_town()
    for town in (both, west, east):
        nodes = [town.node(100.0 * i, 0.0) for i in range(4)]
        ways = [town.way(nodes[i : i + 2], highway="residential", name=str(i)) for i in range(3)]
        dropped = {id(west): ways[2], id(east): ways[0]}.get(id(town))
        town._ways = [way for way in town._ways if way[0] != dropped]
    folder = tmp_path / "parts"
    folder.mkdir()
    west.write(folder / "west.osm")
    as_pbf(east.write(tmp_path / "east.osm"), folder / "east.osm.pbf")
    (folder / "notes.txt").write_text("not a map")
    whole = load_map(both.write(tmp_path / "both.osm"))
    assert whole.drivable_length == pytest.approx(300.0, abs=0.1)
    assert load_map(folder).id == whole.id
    assert load_map([folder / "east.osm.pbf", folder / "west.osm"]).id == whole.id


def test_a_way_that_one_file_cuts_is_completed_by_the_other(new_town, tmp_path):
    towns = [new_town(), new_town()]
    for town in towns:
        nodes = [town.node(50.0 * i, 0.0) for i in range(5)]
        town.way(nodes, highway="residential")
    files = [
        towns[0].write(tmp_path / "a.osm", without=nodes[3:]),
        towns[1].write(tmp_path / "b.osm", without=nodes[:2]),
    ]
    assert load_map(files).drivable_length == pytest.approx(200.0, abs=0.1)


def test_the_id_follows_content_not_the_file(village, tmp_path):
    first = load_map(village.write(tmp_path / "a.osm")).id
    assert load_map(village.write(tmp_path / "b.osm"), resolution=1.0).id == first
    village.node(90.0, 60.0, natural="tree")
    assert load_map(village.write(tmp_path / "a.osm")).id != first


def test_the_id_is_equal_on_every_machine(village, tmp_path):
    # Literal: computed once, it must never drift with the machine, Python or library versions.
    expected = "4f9bc3083d5f4812ef3ab826ff98d16bebcd604e32ed1ce6139f09e0713cdf17"
    assert load_map(village.write(tmp_path / "a.osm")).id == expected


def bad_file(kind, town, folder):
    path = folder / "bad.osm"
    if kind == "empty":
        path.touch()
    elif kind == "truncated":
        town.write(path)
        path.write_bytes(path.read_bytes()[:-400])
    elif kind == "truncated pbf":
        path = as_pbf(town.write(path), folder / "bad.osm.pbf")
        path.write_bytes(path.read_bytes()[:-40])
    elif kind == "web page":
        path.write_text("<html><body>rate limited</body></html>")
    elif kind == "noise":
        path = folder / "bad.osm.pbf"
        path.write_bytes(bytes(range(256)) * 8)
    elif kind == "unknown suffix":
        path = folder / "bad.gpkg"
        path.write_bytes(bytes(range(256)) * 8)
    elif kind == "image":
        path = folder / "map.png"
        path.write_bytes(b"\x89PNG\r\n")
    elif kind == "no things":
        path.write_text('<osm version="0.6"></osm>')
    elif kind == "empty folder":
        path = folder / "empty"
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("missing", "check the path"),
        ("empty", "download the extract again"),
        ("truncated", "download the extract again"),
        ("truncated pbf", "download the extract again"),
        ("web page", "download the extract again"),
        ("noise", "download the extract again"),
        ("unknown suffix", "download the extract again"),
        ("image", "name the YAML"),
        ("no things", "with its nodes"),
        ("empty folder", "expected"),
    ],
)
@pytest.mark.parametrize("merged", [False, True])
def test_a_bad_file_is_refused_in_one_line_with_the_remedy(kind, remedy, merged, village, tmp_path):
    path = bad_file(kind, village, tmp_path)
    source = [path, path] if merged else path
    with pytest.raises(MapError, match=remedy) as caught:
        load_map(source)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_ways_without_their_nodes_are_refused(new_town, tmp_path):
    town = new_town()
    nodes = [town.node(0.0, 0.0), town.node(9.0, 0.0)]
    town.way(nodes, highway="residential")
    with pytest.raises(MapError, match="with its nodes"):
        load_map(town.write(tmp_path / "a.osm", without=nodes))


def test_a_map_without_drivable_roads_is_refused(new_town, tmp_path):
    town = new_town()
    town.way([(0.0, 0.0), (50.0, 0.0)], highway="footway")
    with pytest.raises(MapError, match="use an extract that holds streets"):
        load_map(town.write(tmp_path / "a.osm"))


def test_an_absurd_extent_is_refused(new_town, tmp_path):
    town = new_town()
    town.way([(0.0, 0.0), (60.0, 0.0)], highway="residential")
    town.way([(90_000.0, 0.0), (140_000.0, 0.0)], highway="residential")
    with pytest.raises(MapError, match="cut an extract"):
        load_map(town.write(tmp_path / "a.osm"))
    assert load_map(tmp_path / "a.osm", max_extent=2e5).drivable_length > 5e4


def test_files_of_two_places_are_to_be_loaded_one_at_a_time(new_town, tmp_path):
    for name, x, first_id in (("here", 0.0, 1), ("there", 140_000.0, 100)):
        town = new_town(first_id)
        town.way([(x, 0.0), (x + 60.0, 0.0)], highway="residential")
        town.write(tmp_path / f"{name}.osm")
    with pytest.raises(MapError, match="exceeds the limit of 100 km; load one place at a time"):
        load_map([tmp_path / "here.osm", tmp_path / "there.osm"])


def test_an_anchor_on_another_continent_is_refused(village, tmp_path):
    path = village.write(tmp_path / "a.osm")
    anchor = type(village.anchor)(-33.0, 151.0)
    with pytest.raises(MapError, match="anchor near the map"):
        load_map(path, anchor=anchor)


def test_no_source_is_refused():
    with pytest.raises(MapError, match="helsinki"):
        load_map([])


def test_a_name_that_is_nearly_that_of_a_shipped_map_is_mended() -> None:
    with pytest.raises(MapError, match=r"^helsinky: no such map file; did you mean helsinki\?"):
        load_map("helsinky")
    with pytest.raises(MapError, match=r"file; check the path, or .*: helsinki, suburb$"):
        load_map("nowhere.osm.pbf")
