"""Saves beliefs beside the session: a slow or full disk never holds an update up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.keeping.belief_file import BeliefFileError, SavedBelief, write_belief


class Keeper:
    """Writes the newest belief now and then, in a thread of its own.

    Args:
        path: file to write.
        period_s: least time between two files.
        tell: called in the keeper's thread with a note when saving fails, and once it works again.

    Attributes:
        period_s: as given; may be set.
    """

    def __init__(self, path: Path, period_s: float, tell: Callable[[Note], None]) -> None:
        self._path = path
        self.period_s = period_s
        self._tell = tell
        self._offered_s = -float("inf")
        self._waiting: SavedBelief | None = None
        self._written: SavedBelief | None = None
        self._failed = False
        self._wake = threading.Condition()
        self._running = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take beliefs."""
        self._running = True
        self._thread = threading.Thread(target=self._run, name="mdps_keeper", daemon=True)
        self._thread.start()

    def offer(self, saved: SavedBelief, now_s: float) -> None:
        """Write this belief soon when its time has come.

        Args:
            saved: newest belief.
            now_s: any clock that does not go back, seconds.
        """
        if now_s < self._offered_s + self.period_s:
            return
        self._offered_s = now_s
        with self._wake:
            self._waiting = saved
            self._wake.notify()

    def stop(self, last: SavedBelief | None) -> None:
        """End the thread and write the last belief, unless it is on the disk already."""
        with self._wake:
            self._running, self._waiting = False, None
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            if last is not None:
                self._write(last)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or not self._running)
                if not self._running or self._waiting is None:
                    return
                saved, self._waiting = self._waiting, None
            self._write(saved)

    def _write(self, saved: SavedBelief) -> None:
        # the belief itself tells whether anything changed: it is a value, made anew by each update
        if self._written is not None and self._written.belief is saved.belief:
            return
        try:
            write_belief(self._path, saved)
        except BeliefFileError as error:
            self._failed = True
            self._tell(Note(Code.STATE_FILE, Severity.ERROR, str(error)))
            return
        self._written = saved
        if self._failed:
            self._failed = False
            text = f"the belief can be saved to {self._path} again"
            self._tell(Note(Code.STATE_FILE, Severity.INFO, text))
