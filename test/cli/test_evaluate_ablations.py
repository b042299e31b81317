"""`mdps evaluate ablations`: one tiny run, and one that was stopped and goes on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mdps_ros.cli import run_tasks as tasks
from mdps_ros.cli.main import main
from mdps_ros.evaluation import hindsight_report, street_ablations, street_drives
from mdps_ros.evaluation.results import Row


def in_this_process(work, wanted, jobs, take=lambda number, rows: None):
    found = []
    for number, task in enumerate(wanted):
        found.append(work(*task))
        take(number, found[-1])
    return found


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Tasks that were done, by drives that are made up; the third `night` of all fails."""
    done: list[tuple[str, str, int]] = []

    def ablation_rows(name, split, index, settings) -> list[Row]:
        if name == "night" and sum(task[0] == "night" for task in done) == 2 and len(done) < 6:
            done.extend([("stopped", split, index)] * 6)
            raise KeyboardInterrupt
        done.append((name, split, index))
        if name == street_ablations.SMOOTHERS:
            numbers = dict.fromkeys((*hindsight_report.GAINS, *hindsight_report.MEANS), 1.0)
            return [{"name": f"x, {m}", "seed": index, "filter_seed": 0, **numbers} for m in "ab"]
        curve = {f"error_at_{d}m_m": 1.0 for d in street_drives.CURVE_M}
        return [{"name": name, "seed": index, "median_error_m": 0.5 + index, **curve}]

    monkeypatch.setattr(street_ablations, "ablation_rows", ablation_rows)
    monkeypatch.setattr(tasks, "run_tasks", in_this_process)
    return done


def test_a_run_that_was_stopped_goes_on_where_it_was(made_up, tmp_path: Path) -> None:
    file = tmp_path / "out" / "found.json"
    words = ["evaluate", "ablations", "--drives", "3", "--json", str(file)]
    words += [part for name in ("base", "night") for part in ("--variant", name)]
    with contextlib.suppress(KeyboardInterrupt):
        assert main(words) != 0
    before = [task for task in made_up if task[0] != "stopped"]
    assert before == [(v, "test", i) for i in range(3) for v in ("base", "night")][:5]
    assert not file.exists()
    made_up.clear()
    assert main(words) == 0
    assert made_up == [("night", "test", 2)]
    rows = json.loads(file.read_text())["rows"]
    assert [(row["name"], row["seed"]) for row in rows] == [
        (v, i) for v in ("base", "night") for i in range(3)
    ]
    assert file.with_suffix(".md").exists()
    assert not file.with_suffix(".rows").exists()


def test_all_variants_and_the_smoothers_are_run_unless_some_are_asked_for(
    made_up, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found.json"
    assert main(["evaluate", "ablations", "--drives", "1", "--json", str(file)]) == 0
    wanted = [*street_ablations.VARIANTS, street_ablations.SMOOTHERS]
    assert [task[0] for task in made_up] == wanted
    assert "## Smoothers" in file.with_suffix(".md").read_text()
    assert main(["evaluate", "ablations", "--variant", "fog"]) == 2
    error = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "no stratification" in error


@pytest.fixture
def short_drives(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Drives of 30 m, forgotten afterwards."""
    monkeypatch.setattr(street_drives, "LENGTH_M", 30.0)
    street_drives.recorded_drive.cache_clear()
    yield
    street_drives.recorded_drive.cache_clear()


def test_a_tiny_run(short_drives, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two variants of one drive of 30 m, by few particles."""
    monkeypatch.setattr(tasks, "run_tasks", in_this_process)
    file = tmp_path / "tiny.json"
    words = ["evaluate", "ablations", "--drives", "1", "--json", str(file)]
    words += ["--variant", "base", "--variant", "no stratification", "--variant", "a-mdpf"]
    quick = ("particles_max=300", "particles_min=100", "start_spacing=50")
    words += [part for value in quick for part in ("--set", f"filter.{value}")]
    words += ["--set", "camera.cells=64", "--set", f"camera.tile_cache={tmp_path}"]
    assert main(words) == 0
    base, multinomial, decoupled = json.loads(file.read_text())["rows"]
    assert base["name"] == "base"
    assert base["frames"] == multinomial["frames"] == decoupled["frames"] > 5
    errors = {row["error_at_20m_m"] for row in (base, multinomial, decoupled)}
    assert len(errors) == 3
    page = file.with_suffix(".md").read_text()
    assert "| no stratification |" in page
