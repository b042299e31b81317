"""`mdps doctor` on bags: one that is good, and some that are not."""

from __future__ import annotations

import json

import numpy as np

from mdps_ros.cli.doctor_bag import observe_bag
from mdps_ros.cli.main import main
from mdps_ros.data.bag_writer import BagFrames, write_drive
from mdps_ros.data.recording import Camera, ColourFrame, PoseTrack
from mdps_ros.settings import Settings


def bag(path, base="base_link", images=True, frame_rate=5):
    count = 100
    stamps = 1_000_000_000 + 50_000_000 * np.arange(count)
    poses = np.stack([0.4 * np.arange(count), np.zeros(count), np.zeros(count)], axis=1)
    track = PoseTrack(stamps_ns=stamps, poses=poses, twist=np.zeros((count, 3)))
    mount = np.eye(4)
    mount[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    mount[:3, 3] = [1.5, 0.0, 1.6]
    camera = Camera(width=32, height=24, fx=20.0, fy=20.0, cx=16.0, cy=12.0, T_base_camera=mount)
    rgb = np.zeros((24, 32, 3), np.uint8)
    frames = [ColourFrame(int(stamp), rgb, camera) for stamp in stamps[:: 20 // frame_rate]]
    write_drive(
        path, track, track, frames if images else (), camera=camera, frames=BagFrames(base=base)
    )
    return path


def findings(tmp_path, *words):
    out = tmp_path / "doctor.json"
    code = main(["doctor", *map(str, words), "--json", str(out)])
    found = json.loads(out.read_text())["findings"]
    return code, {item["check"]: (item["severity"], item["remedy"]) for item in found}


def test_a_good_bag_passes_but_for_the_map_that_nobody_named(tmp_path, capsys):
    code, found = findings(tmp_path, bag(tmp_path / "bag"))
    assert code == 0
    assert {name for name, (verdict, _) in found.items() if verdict != "pass"} == {"map"}
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(found) + 1
    assert said[-1].endswith("1 warn, 0 fail")
    assert said[0].startswith("pass  odom topic: /odom, 100 messages")


def test_a_bag_whose_camera_hangs_in_the_air_fails(tmp_path):
    code, found = findings(tmp_path, bag(tmp_path / "bag", base="chassis"))
    assert code == 1
    assert found["camera place"][0] == "fail"
    code, found = findings(tmp_path, tmp_path / "bag", "--set", "frames.base=chassis")
    assert code == 0
    assert found["camera place"] == ("pass", "")


def test_the_truth_of_a_drive_must_lie_on_the_map(tmp_path, short_drive):
    code, found = findings(tmp_path, short_drive, "--map", "helsinki", "--seconds", 5)
    assert code == 0
    assert {verdict for verdict, _ in found.values()} == {"pass"}
    code, found = findings(tmp_path, short_drive, "--map", "suburb", "--seconds", 5)
    assert code == 1
    assert found["map coverage of first truth"][0] == "fail"


def test_a_map_that_cannot_be_read_is_a_finding(tmp_path):
    code, found = findings(tmp_path, bag(tmp_path / "bag"), "--map", tmp_path / "absent.osm")
    assert code == 1
    assert found["map"][0] == "fail"


def test_topics_that_are_missing_or_wrongly_named_are_findings(tmp_path):
    path = bag(tmp_path / "bag", images=False)
    code, found = findings(tmp_path, path)
    assert code == 0
    assert found["image topic"][0] == "warn"
    code, found = findings(tmp_path, path, "--odometry-topic", "/wheels")
    assert code == 1
    assert found["odom topic"][0] == found["topics"][0] == "fail"


def test_only_the_wanted_part_of_a_bag_is_read(tmp_path):
    path = bag(tmp_path / "bag")
    whole, part = observe_bag(path, Settings()), observe_bag(path, Settings(), seconds=1.0)
    assert len(whole.topics["odom"].stamps_ns) == 100
    assert len(part.topics["odom"].stamps_ns) == 21
    assert part.image.encoding == "rgb8"


def test_no_bag_at_all_is_bad_input(tmp_path, capsys):
    assert main(["doctor", str(tmp_path / "absent")]) == 2
    assert "no bag at" in capsys.readouterr().err
