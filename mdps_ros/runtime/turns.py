"""Taking turns: one thread at a time, in the order of asking, with pauses for those who wait."""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """A lock that is fair, and that its holder can lend in the middle of long work.

    A `threading.Lock` that is given back and taken again at once mostly stays where it was.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()  # whose turn it is, then who waits

    def __enter__(self) -> None:
        """Wait for the turn."""
        mine = object()
        with self._changed:
            self._queue.append(mine)
            try:
                self._changed.wait_for(lambda: self._queue[0] is mine)
            except BaseException:  # a signal: nobody is to wait for who is gone
                self._queue.remove(mine)
                self._changed.notify_all()
                raise

    def __exit__(self, *_: object) -> None:
        """Give the turn to the next."""
        with self._changed:
            self._queue.popleft()
            self._changed.notify_all()

    def rest(self) -> bool:
        """Let all those go first who wait now; the caller has the turn, before and after.

        Returns:
            Whether somebody did.
        """
        if len(self._queue) < 2:
            return False
        self.__exit__()
        try:
            self.__enter__()
        except BaseException:  # a signal: whoever called gives the turn back
            self.__enter__()
            raise
        return True
