"""Replay: a report from a bag, the same bytes for the same seed, other bytes for another."""

import json
import re

import numpy as np
import pytest

from mdps_ros.cli.main import main
from mdps_ros.data.bag_writer import write_drive
from mdps_ros.data.recording import PoseTrack

WORDS = ["--map", "helsinki", "--set", "filter.particles_max=4000", "--set", "runtime.device=cpu"]


@pytest.fixture(scope="module")
def replayed(short_drive, tmp_path_factory):
    """Folders of three replays: seed 5 twice, then seed 6; and the file of --json."""
    root = tmp_path_factory.mktemp("replays")
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        words = ["replay", str(short_drive), *WORDS, "--seed", str(seed)]
        words += ["--out", str(root / name), "--json", str(root / f"{name}.json")]
        words += ["--film"] if name == "other" else []
        assert main(words) == 0
    return root


def summary_without_timing(folder):
    content = json.loads((folder / "summary.json").read_text())
    for row in content["rows"]:
        assert row.pop("seconds") > 0.0
    del content["command"]
    return json.dumps(content)


def test_same_seed_gives_the_same_bytes(replayed):
    for name in ("estimate.tum", "truth.tum"):
        first = (replayed / "first" / name).read_bytes()
        assert first == (replayed / "again" / name).read_bytes()
        assert first.count(b"\n") > 50
    first, again = (summary_without_timing(replayed / name) for name in ("first", "again"))
    assert first == again


def test_another_seed_gives_other_estimates_of_the_same_truth(replayed):
    first, other = replayed / "first", replayed / "other"
    assert (first / "truth.tum").read_bytes() == (other / "truth.tum").read_bytes()
    assert (first / "estimate.tum").read_bytes() != (other / "estimate.tum").read_bytes()


def test_report_is_complete_and_json_is_the_summary(replayed):
    files = {path.name for path in (replayed / "first").iterdir()}
    assert files == {
        "report.html",
        "report.png",
        "table.md",
        "summary.json",
        "estimate.tum",
        "truth.tum",
    }
    assert {path.name for path in (replayed / "other").iterdir()} == {*files, "drive.webp"}
    summary = json.loads((replayed / "first" / "summary.json").read_text())
    assert json.loads((replayed / "first.json").read_text()) == summary
    (row,) = summary["rows"]
    assert row["seed"] == 5
    assert row["travelled_m"] == pytest.approx(220.0, rel=0.1)
    assert 0.0 <= row["wrong_claim_share"] <= 1.0


def test_bag_without_a_single_estimate_is_one_clear_error(tmp_path, capsys):
    stamps = np.array([1_000_000_000, 1_010_000_000], np.int64)
    still = PoseTrack(stamps_ns=stamps, poses=np.zeros((2, 3)), twist=np.zeros((2, 3)))
    write_drive(tmp_path / "still", still, None)
    words = ["replay", str(tmp_path / "still"), *WORDS, "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "the run gave no estimate" in capsys.readouterr().err


def test_a_replay_without_events_says_so(short_drive, tmp_path, capsys):
    events = tmp_path / "events"
    words = ["replay", str(short_drive), *WORDS, "--out", str(tmp_path / "report")]
    words += ["--set", "depth.enabled=false", "--set", "camera.enabled=false"]
    words += ["--set", "filter.particles_max=1000"]
    assert main(words) == 0
    assert "No events" not in capsys.readouterr().out  # nobody asked
    assert main([*words, "--set", f"node.event_dir={events}"]) == 0
    assert "No events: nothing was recorded" in capsys.readouterr().out
    assert not events.exists()


def test_a_replay_that_gets_lost_leaves_records(short_drive, tmp_path, capsys):
    # so strict that no drive fits its roads for long
    events = tmp_path / "events"
    words = ["replay", str(short_drive), *WORDS, "--out", str(tmp_path / "report")]
    for name in ("depth.enabled=false", "camera.enabled=false", "filter.particles_max=1000"):
        words += ["--set", name]
    words += ["--set", "filter.lost_fit=-0.01", "--set", "node.event_count=2"]
    assert main([*words, "--set", f"node.event_dir={events}"]) == 0
    said = re.search(r"Events: (\d+) recorded, the newest are kept in ", capsys.readouterr().out)
    records = sorted(events.iterdir())
    assert said is not None
    assert int(said[1]) >= len(records)
    assert 1 <= len(records) <= 2
    facts = json.loads((records[0] / "event.json").read_text())
    assert facts["kind"] == "lost"
    for file in facts["files"]:
        assert (records[0] / file).stat().st_size > 0


def test_fixes_are_placed_on_the_map(short_drive, tmp_path, capsys):
    words = ["replay", str(short_drive), *WORDS, "--fix-topic", "/map_anchor"]
    assert main([*words, "--out", str(tmp_path / "report")]) == 0
    assert "fixes are of no use" not in capsys.readouterr().err  # as without the map's anchor
