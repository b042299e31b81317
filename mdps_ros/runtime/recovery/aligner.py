"""Answers where the vehicle is within a region, one question at a time, beside the filter."""

from __future__ import annotations

from collections.abc import Callable

from mdps_ros.maps import Map
from mdps_ros.runtime.device import choose_device
from mdps_ros.runtime.events import InitialPoseEvent
from mdps_ros.runtime.recovery.alignment import Alignment, align
from mdps_ros.runtime.watching.aside import Aside
from mdps_ros.runtime.watching.recent import Seen
from mdps_ros.settings import Settings

NOTHING_SEEN = (
    "nothing was seen yet; activate the node, and send odometry (and images) before asking"
)
STOPPED = "the node was deactivated meanwhile; ask again"
BUSY = "another question is being answered; ask again when it is"

Answer = Alignment | str
"""An alignment, or why there is none."""


class Aligner:
    """Owns the thread in which regions are searched.

    Args:
        map: where the vehicle is.
        settings: the whole tree.
    """

    def __init__(self, map: Map, settings: Settings) -> None:
        self._map = map
        self._settings = settings
        self._device, _ = choose_device(settings.runtime.device)
        self._updates: tuple[Seen, ...] = ()
        self._open = False
        self._aside = Aside("alignment", self._broken)
        self._tell: Callable[[Answer], None] | None = None

    def start(self) -> None:
        """Take questions."""
        self._open = True
        self._aside.start()

    def stop(self) -> None:
        """End the search in hand, forget what was seen, take no more; safe to repeat."""
        self._open = False
        self._aside.stop()
        self._updates = ()

    def keep(self, updates: tuple[Seen, ...]) -> None:
        """Take what was seen last."""
        self._updates = updates

    def change_map(self, map: Map) -> None:
        """What was seen before was seen on another map; the question in hand is still of that."""
        self._updates = ()
        self._map = map

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from the next question on."""
        self._settings = settings

    def ask(self, guess: InitialPoseEvent, tell: Callable[[Answer], None]) -> None:
        """Look around a guess.

        Args:
            guess: where to look.
            tell: takes the answer, in this thread or in the aligner's.
        """
        map, updates, settings = self._map, self._updates, self._settings
        if not updates:
            tell(NOTHING_SEEN)
            return

        def answer() -> None:
            self._tell = tell
            found = align(guess, updates, map, settings, self._device, lambda: self._open)
            tell(STOPPED if found is None else found)

        if not self._aside.offer(answer):
            tell(BUSY)

    def _broken(self, error: Exception) -> None:
        if self._tell is not None:
            self._tell(f"the search failed: {error!r}; send us this line")
