"""`mdps bench`: its words, its file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mdps_ros.cli import bench, main
from mdps_ros.evaluation.bench import suites, timing


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
