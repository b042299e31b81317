"""Rows of a long evaluation, kept as they come, so that one that was stopped goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from mdps_ros.evaluation.results import Row
from mdps_ros.evaluation.run import RunError

Task = tuple[str, int]
"""Name of a variant, and number of a drive."""


class KeptRows:
    """A file of JSON lines: what was asked for, then the rows of each task that is done.

    Args:
        path: of the file; made where it is missing.
        asked: all that decides the rows of a task, as text.

    Attributes:
        done: rows of the tasks that are done.

    Raises:
        RunError: the file is of something else.
    """

    def __init__(self, path: Path, asked: str) -> None:
        self._path = path
        self.done: dict[Task, list[Row]] = {}
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asked) + "\n", encoding="utf-8")
            return
        head, *lines = path.read_text(encoding="utf-8").split("\n")
        if json.loads(head) != asked:
            raise RunError(
                f"{path} holds rows of other settings; remove it, or write to another file"
            )
        for line in lines[:-1]:  # what has no line end was not written whole
            name, index, rows = json.loads(line)
            self.done[name, index] = rows
        whole = "".join(f"{line}\n" for line in (head, *lines[:-1]))
        path.write_text(whole, encoding="utf-8")

    def take(self, task: Task, rows: Iterable[Row]) -> None:
        """Keep the rows of one more task."""
        self.done[task] = list(rows)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([*task, self.done[task]], allow_nan=False) + "\n")

    def remove(self) -> None:
        """The rows are written elsewhere."""
        self._path.unlink()
