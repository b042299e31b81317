"""`mdps bench`: its words, its file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mdps_ros.cli import bench, bench_live, main
from mdps_ros.evaluation.bench import suites, timing
from mdps_ros.evaluation.results import Row


def test_the_command_names_every_suite() -> None:
    assert tuple(suites.SUITES) == bench.NAMES


def test_unknown_suites_and_devices_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["bench", "cores"]) == main.BAD_INPUT
    assert "use one of core" in capsys.readouterr().err
    assert main.main(["bench", "core", "--device", "tpu"]) == main.BAD_INPUT
    assert "use cpu or cuda" in capsys.readouterr().err


def test_rows_and_machine_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def one(setup: timing.Setup) -> list[timing.Case]:
        return [timing.Case("nothing", 1, "run", [timing.Contender("ours", lambda: None)])]

    monkeypatch.setitem(suites.SUITES, "core", one)
    file, text = tmp_path / "bench.json", tmp_path / "bench.md"
    words = ["bench", "core", "--repeats", "3", "--json", str(file), "--markdown", str(text)]
    assert main.main(words) == main.OK
    content = json.loads(file.read_text())
    assert content["rows"][0]["rounds"] == 3
    assert content["machine"]["load_average"] >= 0
    assert "nothing" in text.read_text()


def test_an_interrupted_run_keeps_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(setup: timing.Setup) -> Iterator[timing.Case]:
        yield timing.Case("nothing", 1, "run", [timing.Contender("ours", lambda: None)])
        raise KeyboardInterrupt

    monkeypatch.setitem(suites.SUITES, "core", stopped)
    file = tmp_path / "bench.json"
    assert main.main(["bench", "core", "--json", str(file)]) == main.INTERRUPTED
    assert len(json.loads(file.read_text())["rows"]) == 1


def test_the_live_node_is_part_of_its_suite_and_can_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def live(seconds: float) -> list[Row]:
        asked.append(seconds)
        return [timing.timed_row("node", "live", "ours", "image", [0.02, 0.03, 0.07], "")]

    monkeypatch.setitem(suites.SUITES, "node", lambda setup: [])
    monkeypatch.setattr(bench_live, "rows", live)
    file = tmp_path / "bench.json"
    assert main.main(["bench", "node", "--live", "5", "--json", str(file)]) == main.OK
    (row,) = json.loads(file.read_text())["rows"]
    assert (row["median_ms"], row["min_ms"], row["rounds"]) == (30.0, 20.0, 3)
    assert main.main(["bench", "node", "--live", "0", "--json", str(file)]) == main.OK
    assert asked == [5.0]


def test_without_ros_the_live_node_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_live.importlib.util, "find_spec", lambda name: None)
    (row,) = bench_live.rows(5.0)
    assert row["median_ms"] is None
    assert "no rclpy" in str(row["note"])


def test_what_a_player_found_is_told_in_quantiles() -> None:
    found = {"images": 100, "used": 98, "dropped": 1, "lost": 1, "smoothed": 7}
    found |= {"latency_ms": [float(k) for k in range(1, 101)]}
    row = bench_live._row("case", bench_live.LOADS[0], found)
    assert (row["median_ms"], row["p95_ms"], row["p99_ms"]) == (50.5, 95.0, 99.0)
    assert (row["dropped"], row["lost"], row["smoothed"]) == (1, 1, 7)
    assert "1 dropped by us" in str(row["note"])
