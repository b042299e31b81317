"""`mdps evaluate helsinki` with made-up drives: what is asked for, and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mdps_ros.cli import run_tasks as tasks
from mdps_ros.cli.main import main
from mdps_ros.evaluation import hindsight_report, street_drives
from mdps_ros.evaluation.calibration import BeliefFrames, figures
from mdps_ros.evaluation.results import Row


def honest() -> Row:
    """Figures of a run of 20 frames."""
    rng = np.random.default_rng(1)
    return figures(
        BeliefFrames(
            estimate=rng.normal(size=(20, 3)),
            truth=np.zeros((20, 3)),
            covariance=np.tile(np.eye(3), (20, 1, 1)),
            mass=np.full(20, 0.95),
            pit=rng.uniform(size=(20, 3)),
            inside=np.ones(20, bool),
            reliable=np.ones(20, bool),
        )
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Arguments of every task, done in this process by a drive that is made up."""
    calls: list[tuple] = []

    def drive_rows(split, index, runs, settings) -> list[Row]:
        calls.append((split, index, None, runs, settings, None))
        curve = {f"error_at_{d}m_m": 1.0 for d in street_drives.CURVE_M}
        return [{"name": run.name, "seed": index, **curve, **honest()} for run in runs]

    def hindsight_rows(split, index, seed, runs, settings, lags_s, pictures) -> list[Row]:
        calls.append((split, index, seed, runs, settings, lags_s, pictures))
        numbers = dict.fromkeys((*hindsight_report.GAINS, *hindsight_report.MEANS), 1.0)
        return [
            {"name": f"{run.name}, {method}", "seed": index, "filter_seed": seed, **numbers}
            | honest()
            for run in runs
            for method in ("filter", "offline")
        ]

    monkeypatch.setattr(street_drives, "drive_rows", drive_rows)
    monkeypatch.setattr(street_drives, "hindsight_rows", hindsight_rows)
    monkeypatch.setattr(tasks, "run_tasks", lambda work, all_, _: [work(*task) for task in all_])
    return calls


def test_every_drive_is_localized_in_every_way_and_all_files_are_written(
    asked: list[tuple], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found.json"
    words = ["evaluate", "helsinki", "--drives", "3", "--map", "clean", "--heading", "unknown"]
    words += ["--set", "camera.decorrelation=7", "--json", str(file)]
    assert main(words) == 0
    assert [call[:2] for call in asked] == [("test", 0), ("test", 1), ("test", 2)]
    methods = {"mdpf", "a-mdpf", "particle filter", "road", "dense"}
    assert {run.method for run in asked[0][3]} == methods
    assert not any(run.heading_known for run in asked[0][3])
    assert asked[0][4].camera.decorrelation == 7.0
    assert "helsinki test" in capsys.readouterr().out
    document = json.loads(file.read_text())
    assert [row["seed"] for row in document["rows"][:3]] == [0, 1, 2]
    assert len(document["calibration"]) == 5
    assert document["reliability"][0]["frames"] == 60
    assert "## Calibration" in file.with_suffix(".md").read_text()
    assert (tmp_path / "found.png").exists()
    assert (tmp_path / "found_calibration.png").exists()


def test_with_a_lag_filters_are_compared_with_their_smoothers_for_every_seed(
    asked: list[tuple], tmp_path: Path
) -> None:
    file = tmp_path / "lag.json"
    words = ["evaluate", "helsinki", "--drives", "2", "--seeds", "2", "--lag", "3", "--lag", "10"]
    assert main([*words, "--json", str(file), "--pictures", str(tmp_path)]) == 0
    assert [call[1:3] for call in asked] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert asked[0][5:] == ([3.0, 10.0], tmp_path)
    assert {run.method for run in asked[0][3]} == {"mdpf", "particle filter", "road"}
    page = file.with_suffix(".md").read_text()
    assert page.startswith("# Hindsight")
    assert "lag_calibration.png" in page


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (["--method", "guess"], "dense"),
        (["--method", "dense", "--lag", "3"], "mdpf, particle filter, road"),
        (["--map", "flat"], "clean, imperfect"),
    ],
)
def test_words_that_are_unknown_are_answered_with_those_that_are_known(
    words: list[str], known: str, asked: list[tuple], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "helsinki", *words]) == 2
    error = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert known in error
    assert not asked
