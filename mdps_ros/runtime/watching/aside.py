"""Work beside the filter: a thread that takes a job when it is free, and that nothing waits for."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]


class Aside:
    """Does jobs one after the other in a thread of its own.

    Args:
        name: of the thread.
        failed: takes an exception of a job, in this thread; no job is done any more then.
        period_s: least time between two jobs that are taken.
        waiting_max: jobs that may wait, the one in hand not counted; 0: whoever comes while one is
            in hand is sent away.
    """

    def __init__(
        self,
        name: str,
        failed: Callable[[Exception], object],
        period_s: float = 0.0,
        waiting_max: int = 0,
    ) -> None:
        self._name = name
        self._failed = failed
        self._period_s = period_s
        self._most = waiting_max + 1
        self._jobs: deque[Job] = deque()  # the first one is in hand
        self._wake = threading.Condition()
        self._running = False
        self._next_s = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take jobs; the thread begins with the first one, as most who start never get any."""
        self._running = True

    def stop(self, finish: bool = False) -> None:
        """Stop after the job in hand, or after all that were taken; safe to repeat."""
        with self._wake:
            self._running = False
            if not finish:
                while len(self._jobs) > 1:
                    self._jobs.pop()
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._jobs.clear()

    def free(self) -> bool:
        """Whether a job that comes now is taken."""
        with self._wake:
            return self._free()

    def offer(self, job: Job) -> bool:
        """Do a job soon, if there is time for it.

        Returns:
            Whether it was taken.
        """
        with self._wake:
            if not self._free():
                return False
            self._next_s = time.monotonic() + self._period_s
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._wake.notify()
            return True

    def _free(self) -> bool:
        in_time = time.monotonic() >= self._next_s
        return self._running and in_time and len(self._jobs) < self._most

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._jobs or not self._running)
                if not self._jobs:
                    return
                job = self._jobs[0]
            try:
                job()
            except Exception as error:  # the edge: nothing above this thread would see it
                with self._wake:
                    self._running = False
                    self._jobs.clear()
                self._failed(error)
                return
            with self._wake:
                if self._jobs:
                    self._jobs.popleft()
