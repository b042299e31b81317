"""What the player shows and keeps: a progress line, and one JSON line per answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mdps_ros.ros.play_source import StoredDrive
from mdps_ros.runtime.watching.record import Row

SAYS = {
    "GLOBAL": "searching",
    "AMBIGUOUS": "several places fit",
    "TRACKING": "found",
    "LOST": "lost",
    "RECOVERING": "searching again",
}
"""What is said where the node's state changes."""
STEP_M = 10.0
"""Travel between two plain lines of a search."""


class PlayView:
    """Context manager around one playing of a bag.

    Args:
        drive: what is played.
        shown: whether to show progress: a live line on a terminal, else plain lines, denser during
            a search; and a line that stays where the node's state changes.
        with_error: whether progress tells the distance to /ground_truth, which has to be in the
            node's map frame.
        record: file for the answers, or None.
    """

    def __init__(
        self, drive: StoredDrive, shown: bool, with_error: bool, record: Path | None
    ) -> None:
        self._drive = drive
        self._truth = drive.truth() if with_error else None
        self._record = record
        self._file: IO[str] | None = None
        self._console = Console(stderr=True)
        self._shown = shown
        self._plain = shown and not self._console.is_terminal
        self._tenth, self._state, self._told_m = 0, "", 0.0
        self._words = "waiting"
        self._bar = Progress(
            TextColumn("{task.completed:.0f} s"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not shown or self._plain,
        )
        self._task = self._bar.add_task(self._words, total=drive.length_s)

    def __enter__(self) -> PlayView:
        """Open the file and the progress line."""
        if self._record is not None:
            self._record.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._record.open("w", encoding="utf-8")
        self._bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        """Close both."""
        self._bar.stop()
        if self._file is not None:
            self._file.close()

    def time(self, since_s: float) -> None:
        """Say how far the bag has been played, seconds."""
        self._bar.update(self._task, completed=since_s)
        tenth = int(10 * since_s / max(self._drive.length_s, 1e-9))
        if self._plain and tenth > self._tenth:
            self._tenth = tenth
            self._console.print(f"{since_s:.0f} of {self._drive.length_s:.0f} s: {self._words}")

    def answer(self, row: Row) -> None:
        """Keep and show one answer of the node."""
        if self._file is not None:
            self._file.write(json.dumps(row) + "\n")
        words = [f"{row['travelled_m']:.0f} m", row["state"].lower()]
        words += [f"top {row['modes'][0]['mass']:.2f}"] if row["modes"] else []
        words += [f"off by {self._error(row):.1f} m"] if self._truth is not None else []
        self._words = ", ".join(words)
        if self._shown:
            self._tell(row["state"], row["travelled_m"])
        self._bar.update(self._task, description=self._words)

    def _tell(self, state: str, travelled_m: float) -> None:
        """A line that stays, where the state changes or a search has come a step further."""
        changed = state != self._state and state in SAYS
        searching = self._plain and state not in ("TRACKING", "AMBIGUOUS")
        if changed:
            self._console.print(f"[bold]{SAYS[state]}[/bold]: {self._words}", highlight=False)
        elif searching and abs(travelled_m - self._told_m) >= STEP_M:
            self._console.print(self._words, highlight=False)
        else:
            return
        self._state, self._told_m = state, travelled_m

    def _error(self, row: Row) -> float:
        """Metres between an answer and the truth, which is interpolated in time."""
        assert self._truth is not None
        stamps, places = self._truth
        x, y = (
            np.interp(row["stamp_ns"] - stamps[0], stamps - stamps[0], axis) for axis in places.T
        )
        return float(np.hypot(row["pose"][0] - x, row["pose"][1] - y))
