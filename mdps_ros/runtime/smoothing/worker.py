"""A thread that smooths beside the filter and never makes it wait.

The filter's thread hands frames on (`watch`) and goes on at once. Between two frames of a walk the
smoother stands back while the filter works. A smoother that falls behind leaves revisions out and
halves its window, step by step, and says so; it takes both back when it keeps up again. As long as
it keeps up, its trajectories are those of a session that smooths by itself, to the bit.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.outputs import SmoothedTrajectory
from mdps_ros.runtime.smoothing.frames import FilterFrame
from mdps_ros.runtime.smoothing.pace import Pace, Progress
from mdps_ros.runtime.smoothing.smoother import Smoother, compact
from mdps_ros.settings import MapErrorSettings, Settings

WAITING_MAX = 200
"""Frames that may wait for the smoother; beyond, it has been starved and begins anew."""


class _Changed(NamedTuple):
    """Other settings, to be smoothed by from here on."""

    settings: Settings
    map_error: MapErrorSettings


class SmoothingWorker:
    """Owns a smoother and the thread in which it works.

    Args:
        smoother: used by this thread alone.
        deliver: takes every trajectory, in this thread.
        tell: takes what a human may want to know; in this thread, or in the filter's.
        failed: takes an exception of the smoother, in this thread; smoothing then ends.
    """

    def __init__(
        self,
        smoother: Smoother,
        deliver: Callable[[SmoothedTrajectory, Progress], None],
        tell: Callable[[Note], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._smoother = smoother
        self._deliver = deliver
        self._tell = tell
        self._failed = failed
        # None: the filter began anew
        self._waiting: deque[FilterFrame | _Changed | None] = deque()
        self._wake = threading.Condition()
        self._way = threading.Event()  # set while the filter does not work
        self._way.set()
        self._running = False
        self._broken = False
        self._pace = Pace()
        self._left_out = 0  # revisions since the last one
        self._thread: threading.Thread | None = None

    # -- filter's thread -----------------------------------------------------------------------

    def watch(self, frame: FilterFrame | None) -> None:
        """Take a frame, or None where the filter began anew."""
        kept = None if frame is None else compact(frame)
        starved = False
        with self._wake:
            if self._broken:
                return
            if len(self._waiting) >= WAITING_MAX:
                starved = True
                changes = [item for item in self._waiting if isinstance(item, _Changed)]
                self._waiting.clear()
                self._waiting.extend([None, *changes[-1:]])
            self._waiting.append(kept)
            self._wake.notify()
        if starved:
            text = "smoothing got no time for long; the poses that waited for it are given up"
            data = {"frames": float(WAITING_MAX)}
            self._tell(Note(Code.SMOOTHING, Severity.WARN, text, data))

    def adopt(self, settings: Settings, map_error: MapErrorSettings) -> None:
        """Smooth by other settings what comes from now on; see `Smoother.adopt`."""
        with self._wake:
            if not self._broken:
                self._waiting.append(_Changed(settings, map_error))
                self._wake.notify()

    @contextmanager
    def standing_back(self) -> Iterator[None]:
        """The smoother begins nothing while this lasts."""
        self._way.clear()
        try:
            yield
        finally:
            self._way.set()

    # -- owner's thread ------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work on what waits and what will come."""
        self._running = True
        self._thread = threading.Thread(target=self._run, name="mdps_smoother", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the frame in hand; what waits is kept for the next start."""
        with self._wake:
            self._running = False
            self._wake.notify()
        self._way.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    # -- smoother's thread ---------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or not self._running)
                if not self._running:
                    return
                frame = self._waiting.popleft()
            try:
                self._take(frame)
            except Exception as error:  # the edge: nothing above this thread would see it
                with self._wake:
                    self._broken = True
                    self._waiting.clear()
                self._failed(error)
                return

    def _take(self, frame: FilterFrame | _Changed | None) -> None:
        if frame is None:
            self._smoother.forget()
            return
        if isinstance(frame, _Changed):
            self._smoother.adopt(*frame)
            return
        if not self._smoother.remember(frame):
            return
        with self._wake:
            behind = len(self._waiting) >= self._smoother.stride
        if behind:  # the next walk is due already and goes over these frames, too
            self._left_out += 1
            return
        begin = time.monotonic()
        found = self._smoother.revise(self._pace.part, self._may_go_on)
        if found is None:
            return
        before, self._pace = self._pace, self._pace.after_walk(self._left_out)
        self._deliver(found, self._progress(time.monotonic() - begin, len(found.stamps_ns)))
        note = _told(before, self._pace, self._left_out)
        self._left_out = 0
        if note is not None:
            self._tell(note)

    def _progress(self, seconds: float, frames: int) -> Progress:
        pace = self._pace
        return Progress(seconds=seconds, frames=frames, part=pace.part, left_out=pace.left_out)

    def _may_go_on(self) -> bool:
        """Wait until the filter rests; False where the walk has lost its use meanwhile."""
        self._way.wait()
        with self._wake:
            return self._running and None not in self._waiting


def _told(before: Pace, after: Pace, left_out: int) -> Note | None:
    data = {"part": after.part, "left_out": float(left_out)}
    if after.step > before.step:
        text = (
            f"smoothing cannot keep up; its window is cut to {after.part:.3g} of the lag; raise "
            "smoother.stride or lower smoother.particles"
        )
        return Note(Code.SMOOTHING, Severity.WARN, text, data)
    if after.step < before.step:
        text = f"smoothing keeps up; its window grows to {after.part:.3g} of the lag"
        return Note(Code.SMOOTHING, Severity.INFO, text, data)
    if left_out:
        text = f"smoothing was late; revisions left out: {left_out}"
        return Note(Code.SMOOTHING, Severity.INFO, text, data)
    return None
