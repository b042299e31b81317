"""What commands show on the terminal: progress, notes and the result of a run."""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mdps_ros.evaluation.report import ReportFiles
from mdps_ros.evaluation.results import Row, format_value
from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.outputs import Output, PoseEstimate

SHOWN = (
    "converged_after_m",
    "median_error_m",
    "mean_error_m",
    "p95_error_m",
    "median_lateral_m",
    "median_longitudinal_m",
    "median_heading_deg",
    "recall_at_5m",
    "consistent_share",
    "wrong_claim_share",
    "claim_share",
    "travelled_m",
    "drive_seconds",
    "seconds",
    "particles_max",
    "particles_median",
)
"""Values of a run in the order in which people read them."""


PLAIN_PERIOD_S = 10.0  # between two lines where there is no terminal for a bar


class RunProgress:
    """A progress bar over a drive on stderr, or a line now and then where that is no terminal.

    Args:
        length_s: length of the drive, s.
    """

    def __init__(self, length_s: float) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.completed:.0f} of {task.total:.0f} s"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("reading", total=length_s)
        self._plain = not console.is_terminal
        self._length_s = length_s
        self._since_s = 0.0
        self._next_line_s = 0.0
        self._travelled, self._before = 0.0, 0.0  # by the present belief, and by those before it

    def __enter__(self) -> RunProgress:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take it away."""
        self._bar.stop()

    def at(self, since_s: float) -> None:
        """Say how far the drive is, s."""
        self._since_s = since_s
        self._bar.update(self._task, completed=since_s)

    def saw(self, output: Output) -> None:
        """Show an estimate in words; other outputs change nothing."""
        if isinstance(output, PoseEstimate):
            if output.travelled < self._travelled:  # a search begins to count anew
                self._before += self._travelled
            self._travelled = output.travelled
            words = f"{self._before + output.travelled:.0f} m, {output.state.name.lower()}"
            mass = output.modes[0].mass if output.modes else 0.0
            text = f"{words}, top {mass:.2f}, {output.particles} particles"
            self._bar.update(self._task, description=text)
            if self._plain and time.monotonic() >= self._next_line_s:
                self._next_line_s = time.monotonic() + PLAIN_PERIOD_S
                line = f"{self._since_s:.0f} of {self._length_s:.0f} s: {text}"
                print(line, file=sys.stderr, flush=True)


class NoteCounter:
    """Counts notes by code, so that a thousand equal ones take one line."""

    def __init__(self) -> None:
        self._seen: dict[Code, tuple[int, Note]] = {}
        self._counts: Counter[tuple[Code, Severity]] = Counter()

    def add(self, note: Note) -> None:
        """Take one note."""
        count = self._seen.get(note.code, (0, note))[0]
        self._seen[note.code] = (count + 1, note)
        self._counts[note.code, note.severity] += 1

    def count(self, code: Code, severity: Severity) -> int:
        """How many notes of a code were so severe."""
        return self._counts[code, severity]

    def lines(self) -> list[str]:
        """One line per code that warns, with the text of its last note."""
        return [
            f"{note.severity.name.lower()}: {note.text} [{note.code.value}, {count} times]"
            for count, note in self._seen.values()
            if note.severity >= Severity.WARN
        ]

    def print(self) -> None:
        """Print the lines to stderr."""
        for line in self.lines():
            print(line, file=sys.stderr)


def print_run(title: str, row: Row, files: ReportFiles) -> None:
    """Print the values of one run and where its report lies."""
    from rich.table import Table

    console = Console()
    console.print(title, style="bold", highlight=False, soft_wrap=True)
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for key in SHOWN:
        if key in row:
            table.add_row(key, format_value(row[key]))
    console.print(table)
    shown = [files.picture, files.page, *([] if files.film is None else [files.film])]
    console.print(f"Report: {', '.join(map(str, shown))}", soft_wrap=True, highlight=False)
