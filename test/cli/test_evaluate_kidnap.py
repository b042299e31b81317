"""`mdps evaluate kidnap` with made-up drives: what is asked for, and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mdps_ros.cli import run_tasks as tasks
from mdps_ros.cli.main import main
from mdps_ros.evaluation import street_kidnaps
from mdps_ros.evaluation.results import Row


def test_every_drive_is_asked_for_on_every_map_and_all_files_are_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple] = []

    def kidnap_rows(split, index, maps, settings) -> list[Row]:
        asked.append((split, index, maps, settings))
        numbers = {"tracked_before": 1, "false_alarms": 0, "tracked_before_m": 200.0}
        numbers |= {"alarm_after_m": 20.0 + index, "found_after_m": None, "blind_m": 20.0}
        numbers |= {"wrong_again_m": 0.0, "median_error_m": None, "seconds": 1.0}
        return [{"name": f"{m} map", "seed": index, "carried_m": 300.0, **numbers} for m in maps]

    monkeypatch.setattr(street_kidnaps, "kidnap_rows", kidnap_rows)
    monkeypatch.setattr(tasks, "run_tasks", lambda work, all_, _: [work(*task) for task in all_])
    out = tmp_path / "k.json"
    words = ["evaluate", "kidnap", "--split", "train", "--drives", "3", "--map", "clean"]
    assert main([*words, "--set", "recovery.radius=50", "--json", str(out)]) == 0
    assert [(split, index, maps) for split, index, maps, _ in asked] == [
        ("train", index, ("clean",)) for index in range(3)
    ]
    assert asked[0][3].recovery.radius == 50.0
    assert asked[0][3].map_error.turns  # what one knows of the map and the odometer is told
    assert len(json.loads(out.read_text())["rows"]) == 3
    assert "| clean map | 3 | 3 | 0 | 0.6 | 3 | 21 |" in out.with_suffix(".md").read_text()
    assert out.with_suffix(".png").exists()
    assert "clean map" in capsys.readouterr().out


def test_words_that_are_unknown_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "kidnap", "--map", "perfect"]) == 2
    assert "perfect: use clean, imperfect" in capsys.readouterr().err
