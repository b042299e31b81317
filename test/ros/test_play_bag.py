from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ACTIVE = "active: waiting for odometry"


def test_a_missing_bag_is_named(start: Any, tmp_path: Path) -> None:
    player = start("mdps_ros.ros.play_bag", str(tmp_path / "nothing"))
    assert player.popen.wait(30) == 1
    assert "no bag at" in player.text
    assert "Traceback" not in player.text


def test_without_a_node_the_player_says_what_to_start(start: Any, drive: Path) -> None:
    player = start("mdps_ros.ros.play_bag", str(drive), "--timeout", "2")
    assert player.popen.wait(30) == 1
    assert "no active localization node in 2 s; start one" in player.text


def test_a_lossless_player_refuses_a_node_that_may_lose_images(
    start: Any, start_node: Any, drive: Path
) -> None:
    start_node().wait_for(ACTIVE)
    player = start("mdps_ros.ros.play_bag", str(drive), "--lossless")
    assert player.popen.wait(60) == 1
    assert "image_reliable:=true" in player.text


def test_the_replay_launch_file_plays_a_drive_and_ends(
    start: Any, drive: Path, town: Path, tmp_path: Path
) -> None:
    record, few = tmp_path / "answers.jsonl", tmp_path / "few.yaml"
    few.write_text("/**:\n  ros__parameters:\n    filter:\n      particles_max: 4000\n")
    launch = start(
        "launch",
        "mdps_ros",
        "replay.launch.py",
        f"bag:={drive}",
        f"map:={town}",
        f"params_file:={few}",
        "rate:=0",
        f"record:={record}",
    )
    assert launch.popen.wait(120) == 0, launch.text
    rows = [json.loads(line) for line in record.read_text().splitlines()]
    assert len(rows) > 20, launch.text
    assert [row["stamp_ns"] for row in rows] == sorted(row["stamp_ns"] for row in rows)
    assert "top " in launch.text  # live progress
