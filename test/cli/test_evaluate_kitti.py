"""`mdps evaluate kitti` with made-up runs: the rows, their summaries, and the page beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mdps_ros.cli import evaluate
from mdps_ros.cli.main import main
from mdps_ros.evaluation import kitti
from mdps_ros.evaluation.calibration import BeliefFrames, figures
from mdps_ros.evaluation.results import Row


def row(name: str, seed: int) -> Row:
    """A run of 30 frames of an honest belief."""
    rng = np.random.default_rng(seed)
    said = BeliefFrames(
        estimate=rng.normal(size=(30, 3)) * [1, 1, 0.1],
        truth=np.zeros((30, 3)),
        covariance=np.tile(np.diag([1.0, 1.0, 0.01]), (30, 1, 1)),
        mass=np.full(30, 0.95),
        pit=rng.uniform(size=(30, 3)),
        inside=np.ones(30, bool),
        reliable=np.ones(30, bool),
    )
    return {"name": name, "seed": seed, "median_error_m": 1.0 + seed, **figures(said)}


@pytest.mark.parametrize("lags", [[], ["--lag", "3"]])
def test_runs_are_summed_up_and_judged_by_method_over_sequences(
    lags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kitti, "run_row", lambda root, name, union, seed, settings: row(name, seed))
    monkeypatch.setattr(
        kitti,
        "smoothing_rows",
        lambda root, name, union, seed, *_: [
            row(f"{name} {method}", seed) for method in ("filter", "lag 3 s")
        ],
    )
    monkeypatch.setattr(evaluate, "run_tasks", lambda work, all_, _: [work(*t) for t in all_])
    file = tmp_path / "own.json"
    words = ["evaluate", "kitti", "--data", str(tmp_path), "--sequence", "00", "--sequence", "05"]
    assert main([*words, "--seeds", "3", *lags, "--json", str(file)]) == 0
    document = json.loads(file.read_text())
    methods = ["filter", "lag 3 s"] if lags else ["filter"]
    assert len(document["rows"]) == 2 * 4 * len(methods)
    assert [total["name"] for total in document["calibration"]] == methods
    assert [total["drives"] for total in document["calibration"]] == [2] * len(methods)
    median = next(r for r in document["rows"] if "median of 3" in r["name"])
    assert median["median_error_m"] == 2.0
    page = (tmp_path / ("own.md" if lags else "own_calibration.md")).read_text()
    assert page.startswith("# Hindsight" if lags else "# Calibration on KITTI, own map")
    assert ("2 drives, 3 filter seeds" in page) == bool(lags)
    assert page.count("\n| 05 lag 3 s | 3 | 2 |") == bool(lags)
    assert "own_calibration.png" in page
