"""`mdps evaluate tracking` and `self-calibration` on tiny studies: files and exit codes."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from mdps_ros.cli.main import main
from mdps_ros.evaluation import self_calibration, tracking
from mdps_ros.evaluation.results import Row
from mdps_ros.evaluation.self_calibration import PLAIN, SELF_CALIBRATING


def test_tracking_prints_a_table_and_writes_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = functools.partial(
        tracking.TrackingStudy, steps=7, particle_counts=(("RBPF", 20), ("EKF", 0)),
        smoothing_particles=10, lag=1, paths=3,
    )  # fmt: skip
    monkeypatch.setattr(tracking, "TrackingStudy", tiny)
    files = [tmp_path / name for name in ("out.json", "out.md", "out.png")]
    words = ["evaluate", "tracking", "--runs", "3", "--seed", "9", "--json", str(files[0])]
    words += ["--markdown", str(files[1]), "--picture", str(files[2])]
    assert main(words) == 0
    assert "RBPF" in capsys.readouterr().out
    document = json.loads(files[0].read_text())
    assert (document["suite"], document["seed"]) == ("tracking", 9)
    assert [row["name"] for row in document["rows"][:2]] == ["RBPF", "EKF"]
    assert all(file.stat().st_size > 0 for file in files)


def rows(lost: int) -> list[Row]:
    measured: Row = {
        "name": "ghosts", "drives": 2, "position_rmse_m": 1.0, "position_rmse_m_low": 0.9,
        "position_rmse_m_high": 1.1, "lost": lost, "scale_error_percent": 0.1,
        "bias_error_degps": 0.01,
    }  # fmt: skip
    return [
        {**measured, "filter": SELF_CALIBRATING, "particles": 200},
        {
            **measured,
            "filter": PLAIN,
            "particles": 3000,
            "position_rmse_m": 2.0,
            "position_rmse_m_high": 2.2,
        },
    ]


@pytest.mark.parametrize(("lost", "code"), [(0, 0), (1, 1)])
def test_self_calibration_says_by_its_exit_code_whether_all_targets_were_met(
    lost: int,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(self_calibration, "run_study", lambda study, seed: iter(rows(lost)))
    files = [tmp_path / name for name in ("out.json", "out.md", "out.png")]
    words = ["evaluate", "self-calibration", "--json", str(files[0])]
    words += ["--markdown", str(files[1]), "--picture", str(files[2])]
    assert main(words) == code
    assert ("MISSED" in capsys.readouterr().out) == bool(lost)
    assert json.loads(files[0].read_text())["rows"][0]["lost"] == lost
    assert all(file.stat().st_size > 0 for file in files)


def test_tuning_writes_its_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid: list[Row] = [{"name": "ghosts", "noise": "x4", "position_rmse_m": 1.0, "lost": 0}]
    monkeypatch.setattr(self_calibration, "tune", lambda: iter(grid))
    file = tmp_path / "grid.json"
    assert main(["evaluate", "self-calibration", "--tune", "--json", str(file)]) == 0
    assert json.loads(file.read_text())["rows"] == grid
