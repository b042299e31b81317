"""Rows of an evaluation that was stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdps_ros.evaluation.kept_rows import KeptRows
from mdps_ros.evaluation.run import RunError

ROWS = [{"name": "a", "seed": 0, "error": 0.5}, {"name": "b", "seed": 0, "error": None}]


def test_what_is_done_is_there_after_a_stop(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.rows"
    first = KeptRows(path, "all drives\nby day")
    assert first.done == {}
    first.take(("base", 0), ROWS)
    first.take(("night", 1), [])
    again = KeptRows(path, "all drives\nby day")
    assert again.done == {("base", 0): ROWS, ("night", 1): []}
    again.remove()
    assert not path.exists()


def test_a_line_that_was_not_written_whole_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "x.rows"
    first = KeptRows(path, "all")
    first.take(("base", 0), ROWS)
    first.take(("base", 1), ROWS)
    text = path.read_text()
    path.write_text(text[:-9])
    again = KeptRows(path, "all")
    assert list(again.done) == [("base", 0)]
    again.take(("base", 1), ROWS)
    assert path.read_text() == text


def test_rows_of_other_settings_are_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "x.rows"
    KeptRows(path, "all").take(("base", 0), ROWS)
    with pytest.raises(RunError, match="remove it"):
        KeptRows(path, "few")
    assert KeptRows(path, "all").done
