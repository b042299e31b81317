from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mdps_ros.ros import play_bag, topics
from mdps_ros.ros.play_view import PlayView

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


def test_the_player_says_that_it_waits_and_ends_without_a_traceback(
    start: Any, drive: Path
) -> None:
    player = start("mdps_ros.ros.play_bag", str(drive), "--timeout", "60")
    player.wait_for("waiting up to 60 s for an active localization node")
    assert player.end() == 0
    assert "Traceback" not in player.text


def test_a_search_is_told_step_by_step_and_its_end_once(capsys: Any) -> None:
    view = PlayView(SimpleNamespace(length_s=100.0), shown=True, with_error=False, record=None)
    with view:
        for travelled, state in ((0, "GLOBAL"), (4, "GLOBAL"), (12, "GLOBAL"), (21, "GLOBAL"),
                                 (27, "TRACKING"), (60, "TRACKING"), (90, "LOST")):  # fmt: skip
            view.answer({"travelled_m": float(travelled), "state": state, "modes": []})
    assert capsys.readouterr().err.splitlines() == [
        "searching: 0 m, global",
        "12 m, global",
        "found: 27 m, tracking",
        "lost: 90 m, lost",
    ]


def test_the_player_says_what_it_publishes_as_what(start: Any, drive: Path) -> None:
    player = start("mdps_ros.ros.play_bag", str(drive), "--timeout", "1")
    player.wait_for("publishes .*/camera/depth/image_rect as /image, /odom as /odom")
    assert "whatever the bag calls them" in " ".join((play_bag.__doc__ or "").split())


def test_a_node_that_listens_elsewhere_is_named_by_what_it_misses(
    start: Any, partner: Any, drive: Path
) -> None:
    partner.node.create_subscription(topics.ODOMETRY.type, "odom", print, topics.ODOMETRY.qos())
    status = partner.node.create_publisher(topics.STATUS.type, "status", topics.STATUS.qos())
    status.publish(topics.STATUS.type())
    player = start("mdps_ros.ros.play_bag", str(drive), "--timeout", "5")
    assert player.popen.wait(60) == 1
    assert "a localization node runs, but nobody listens to /image; see" in player.text


def test_nobody_that_listens_any_more_is_told_once(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(play_bag, "UNHEARD_S", 0.0)
    quiet = SimpleNamespace(
        images=1, answers=1, unheard=lambda: ["/image"], resolve_topic_name=lambda name: "/" + name,
        wait_for_node=lambda *_: None, wait_for_answers=lambda *_: True, send=lambda *_: None,
    )  # fmt: skip
    drive = SimpleNamespace(
        given={"/image": "image"}, start_ns=0, first=lambda _: [],
        messages=lambda: iter([("image", 1, b""), ("image", 2, b""), ("odom", 3, b"")]),
    )  # fmt: skip
    view = SimpleNamespace(time=lambda _: None)
    play_bag.play(quiet, drive, play_bag.parse(["bag", "--rate", "0"]), view)
    assert capsys.readouterr().err.count("nobody listens to /image any more") == 1
    quiet.unheard = list
    play_bag.play(quiet, drive, play_bag.parse(["bag", "--rate", "0"]), view)
    assert "nobody listens" not in capsys.readouterr().err


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
