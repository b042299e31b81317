"""`mdps report` makes a page and a recording of what a live run left."""

from __future__ import annotations

import json

import pytest

from mdps_ros.cli.main import main
from mdps_ros.data.bag import open_bag
from test.cli.test_bag_drive import drive_with_camera


@pytest.fixture
def record(tmp_path):
    """A folder as `mdps demo` leaves it."""
    rows = []
    for i in range(12):
        pose = [5.0 * i, 2.0, 0.1]
        eye = [[0.04, 0, 0], [0, 0.04, 0], [0, 0, 0.01]]
        rows.append(
            {
                "stamp_ns": 10**9 + i * 10**8,
                "pose": pose,
                "covariance": eye,
                "modes": [{"pose": pose, "covariance": eye, "mass": 0.95}],
                "state": "TRACKING",
                "particles": 500,
                "effective_particles": 300.0,
                "travelled_m": 5.0 * i,
            }
        )
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "live.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    cloud = {"stamp_ns": 10**9, "poses": [[0.0, 2.0, 0.1], [1.0, 2.0, 0.1]]}
    (folder / "particles.jsonl").write_text(json.dumps(cloud) + "\n")
    return folder


def test_a_live_run_becomes_a_page_and_a_recording(record, tmp_path, capsys):
    page, view = tmp_path / "new" / "x.html", tmp_path / "x.mcap"
    words = ["report", str(record), "--map", "helsinki"]
    assert main([*words, "--html", str(page), "--mcap", str(view)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"wrote {page}", f"wrote {view}"]
    assert "demo on helsinki" in page.read_text(encoding="utf-8")
    bag = open_bag(view)
    assert bag.counts["/pose"] == 12
    assert bag.counts["/particle_cloud"] == 1
    assert "/truth" not in bag.topics


def test_without_names_both_are_written_beside_the_source(record, tmp_path):
    assert main(["report", str(record / "live.jsonl"), "--map", "helsinki"]) == 0
    assert (record / "live.html").exists()
    assert (record / "live.view.mcap").exists()


def test_what_is_neither_bag_nor_record_is_bad_input(tmp_path, capsys):
    assert main(["report", str(tmp_path / "absent"), "--map", "helsinki"]) == 2
    assert "no bag at" in capsys.readouterr().err


@pytest.mark.parametrize("role", ["odometry", "image", "fix"])
def test_topics_of_a_bag_may_be_named(role, tmp_path, capsys):
    drive_with_camera(tmp_path / "bag")
    words = ["report", str(tmp_path / "bag"), "--map", "helsinki", f"--{role}-topic", "/absent"]
    assert main(words) == 2
    assert "no topic /absent" in capsys.readouterr().err


def test_topics_without_a_bag_are_refused(record, capsys):
    words = ["report", str(record), "--map", "helsinki", "--image-topic", "/front"]
    assert main(words) != 0
    assert "give --drive" in capsys.readouterr().err
