from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mdps_ros.cli.convert import app, sequence_anchor
from mdps_ros.cli.main import main
from mdps_ros.data.bag import open_bag
from mdps_ros.data.kitti import load_sequence
from mdps_ros.data.kitti_files import find_sequences


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"MDPS_DATA": None})


def refused(capsys, monkeypatch, *arguments: object) -> str:
    """What `mdps convert` says of wrong input, which ends with code 2."""
    monkeypatch.delenv("MDPS_DATA", raising=False)
    assert main(["convert", *map(str, arguments)]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def real_data() -> Path:
    root = os.environ.get("MDPS_DATA")
    if not root:
        pytest.skip("MDPS_DATA is not set: no KITTI material")
    return Path(root)


def test_a_sequence_becomes_a_bag_whose_truth_lies_at_its_place_on_earth(tmp_path):
    root = real_data()
    name = next(n for n, f in find_sequences(root).items() if f.odometry and f.rtk and f.osm)
    result = invoke("kitti", "--data", root, "--sequence", name, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    bag = open_bag(tmp_path / f"kitti_{name}")
    sequence = load_sequence(root, name)
    anchor = sequence_anchor(sequence)
    (fix,) = (m.message for m in bag.messages(["/map_anchor"]))
    assert (fix.latitude, fix.longitude) == (anchor.latitude_deg, anchor.longitude_deg)
    xy = [
        (m.message.pose.pose.position.x, m.message.pose.pose.position.y)
        for m in bag.messages(["/ground_truth"])
    ]
    latlon = anchor.to_geodetic(np.array(xy))
    np.testing.assert_allclose(latlon[:, 0], sequence.latitude_deg, atol=1e-9)
    np.testing.assert_allclose(latlon[:, 1], sequence.longitude_deg, atol=1e-9)
    assert bag.counts["/odom"] == len(sequence.frames)
    expected = 0 if sequence.depth is None else len(sequence.depth.frames)
    assert bag.counts.get("/camera/depth/image_rect", 0) == expected


def test_wrong_input_ends_with_code_2_and_one_line(tmp_path, capsys, monkeypatch):
    bags = tmp_path / "bags"
    said = refused(capsys, monkeypatch, "kitti", "--data", tmp_path, "--out", bags)
    assert "no KITTI poses" in said
    assert said.startswith("mdps: ")
    assert said.count("\n") == 1
    refused(capsys, monkeypatch, "kitti", "--out", bags)


def test_what_cannot_be_converted_is_said(tmp_path, capsys, monkeypatch):
    (tmp_path / "kitti/poses").mkdir(parents=True)
    (tmp_path / "kitti/poses/42.txt").write_text("1 0 0 0 0 1 0 0 0 0 1 0\n")
    said = refused(capsys, monkeypatch, "kitti", "--data", tmp_path, "--out", tmp_path / "bags")
    assert "skipped 42: no RTK track" in said
    assert "has truth and metric odometry" in said
