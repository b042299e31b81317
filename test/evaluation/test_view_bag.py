"""The recording of a run can be read again, and the layout names what is in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from rosbags.interfaces import QosDurability
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from mdps_ros.core.mapdata import Bounds
from mdps_ros.data.bag import open_bag
from mdps_ros.data.view_messages import LINE_LIST, TRIANGLE_LIST
from mdps_ros.evaluation.html_report import Look
from mdps_ros.evaluation.run import RunError
from mdps_ros.evaluation.view_bag import MAP, TYPES, write_view
from mdps_ros.maps.shapes import drawn_window, house_rings, road_quads

LAYOUT = Path(__file__).resolve().parents[2] / "config" / "foxglove.json"


@pytest.fixture(scope="module")
def written(tmp_path_factory, run, helsinki):
    path = tmp_path_factory.mktemp("view") / "view.mcap"
    look = Look(int(run.stamps_ns[3]), b"\xff\xd8jpeg", "")
    write_view(path, run, helsinki, [look])
    return path


def messages(path, topic):
    return [(stamp, message) for _, stamp, message in open_bag(path).messages([topic])]


def test_every_topic_is_there_with_its_type(written, run):
    bag = open_bag(written)
    assert bag.topics == TYPES
    assert bag.counts["/pose"] == len(run.stamps_ns)
    assert bag.counts["/particle_cloud"] == len(run.snapshots)
    assert list(written.parent.iterdir()) == [written]


def test_poses_covariances_and_numbers_are_those_of_the_run(written, run):
    (stamp, pose), (_, error) = messages(written, "/pose")[7], messages(written, "/run/error_m")[7]
    assert stamp == run.stamps_ns[7]
    assert pose.header.frame_id == "map"
    position = [pose.pose.pose.position.x, pose.pose.pose.position.y]
    assert position == pytest.approx(run.estimate[7, :2])
    yaw = 2.0 * np.arctan2(pose.pose.pose.orientation.z, pose.pose.pose.orientation.w)
    assert np.angle(np.exp(1j * (yaw - run.estimate[7, 2]))) == pytest.approx(0.0, abs=1e-9)
    covariance = pose.pose.covariance.reshape(6, 6)[np.ix_((0, 1, 5), (0, 1, 5))]
    np.testing.assert_allclose(covariance, run.covariance[7])
    distance = np.linalg.norm(run.estimate[7, :2] - run.truth[7, :2])
    assert error.data == pytest.approx(distance)
    _, moved = messages(written, "/tf")[7]
    assert moved.transforms[0].child_frame_id == "base_link"
    assert moved.transforms[0].transform.translation.x == pytest.approx(run.estimate[7, 0])


def test_clouds_hold_the_particles(written, run):
    _, cloud = messages(written, "/particle_cloud")[0]
    table = cloud.data.view("<f4").reshape(cloud.width, -1)
    np.testing.assert_array_equal(table[:, [0, 1, 3]], run.snapshots[0].poses)
    assert [field.name for field in cloud.fields] == ["x", "y", "z", "yaw", "weight"]
    assert cloud.row_step == len(cloud.data)


def test_the_map_is_latched_and_made_of_triangles_and_lines(written):
    _, made = messages(written, "/map_markers")[0]
    kinds = {marker.ns: marker for marker in made.markers}
    assert kinds["roads"].type == TRIANGLE_LIST
    assert len(kinds["roads"].points) % 3 == 0
    assert kinds["buildings"].type == LINE_LIST
    assert len(kinds["buildings"].points) % 2 == 0
    from rosbags.highlevel import AnyReader

    with AnyReader([written]) as reader:
        found = next(c for c in reader.connections if c.topic == "/map_markers")
    assert found.ext.offered_qos_profiles[0].durability == QosDurability.TRANSIENT_LOCAL


def test_a_place_that_is_gone_leaves_no_text(written, run):
    _, first = messages(written, "/hypothesis_markers")[0]
    _, last = messages(written, "/hypothesis_markers")[-1]
    assert sum(marker.text != "" for marker in first.markers) == 2
    assert sum(marker.text != "" for marker in last.markers) == 1
    assert {marker.color.a for marker in last.markers if marker.id == 1} == {0.0}


def test_the_layout_names_topics_of_the_recording_or_of_the_node():
    layout = json.loads(LAYOUT.read_text())
    text = json.dumps(layout["configById"])
    named = set(re.findall(r'"(/[a-z_/]+)', text))
    live = {"/map", "/status", "/initialpose", "/goal_pose", "/clicked_point", "/hypothesis_map"}
    assert set(TYPES) - {"/tf", "/run/particles"} <= named
    assert named - live <= set(TYPES)

    configs = layout["configById"]

    def panels(part):
        if isinstance(part, dict):
            return panels(part["first"]) | panels(part["second"])
        inside = [panels(tab["layout"]) for tab in configs[part].get("tabs", ())]
        return {part}.union(*inside)

    assert panels(layout["layout"]) == set(configs)


def test_the_layout_plots_fields_that_messages_have():
    """A path that leads nowhere is an empty curve in the viewer, and no error."""
    store = get_typestore(Stores.LATEST)
    status = (LAYOUT.parents[1] / "msg" / "LocalizerStatus.msg").read_text()
    name = "mdps_ros/msg/LocalizerStatus"
    store.register(get_types_from_msg(status, name))
    types = TYPES | {"/status": name}
    configs = json.loads(LAYOUT.read_text())["configById"].values()
    paths = [path["value"] for config in configs for path in config.get("paths", ())]
    assert len(paths) > 5
    for path in paths:
        topic, _, field = path.partition(".")
        assert field in [item for item, _ in store.fielddefs[types[topic]][1]], path


def test_the_layout_shows_the_belief_before_the_vehicle_is_tracked():
    """Found in Lichtblick 1.28 with a recording of the live node."""
    scene = json.loads(LAYOUT.read_text())["configById"]["3D!map"]
    # before that no transform ties base_link to the map, so nothing is drawn, and a pose that is
    # clicked there comes in a frame that nobody knows
    assert scene["followTf"] == MAP
    topics = scene["topics"]
    # a map with transparency is drawn over the particles
    colours = [value for key, value in topics["/map"].items() if key.endswith("Color")]
    assert topics["/map"]["colorMode"] == "custom"
    assert len(colours) == 4
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)
    # without a field the viewer chooses z, and its own colours
    assert topics["/particle_cloud"]["colorMode"] == "flat"
    assert topics["/particle_cloud"]["colorField"] == "weight"
    # the colour is an arrow's; covariances would be drawn in the vehicle's frame, not the map's
    for name in ("/pose", "/truth"):
        assert topics[name]["type"] == "arrow"
        assert not topics[name].get("showCovariance")


def test_quads_run_counter_clockwise_along_the_segments(helsinki):
    quads = road_quads(helsinki.roads, helsinki.bounds)
    assert len(quads) == helsinki.roads.count
    x, y = quads[..., 0], quads[..., 1]
    area = 0.5 * (x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1)
    width = helsinki.roads.width.astype(float)
    np.testing.assert_allclose(area, width * (helsinki.roads.lengths + 0.3 * width), rtol=1e-6)


def test_only_what_touches_the_window_is_taken(helsinki):
    window = drawn_window(np.zeros((1, 2)), 50.0, helsinki.bounds)
    assert window == Bounds(-50.0, -50.0, 50.0, 50.0)
    quads = road_quads(helsinki.roads, window)
    assert 0 < len(quads) < helsinki.roads.count / 10
    rings = house_rings(helsinki.buildings, helsinki.bounds, 300)
    assert 200 < sum(map(len, rings)) <= 300


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path, run, helsinki):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        write_view(tmp_path / "file" / "view.mcap", run, helsinki)
