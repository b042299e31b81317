"""Answers where the vehicle is within a region, one question at a time, beside the filter."""

from __future__ import annotations

from collections.abc import Callable

from mdps_ros.runtime.device import choose_device
from mdps_ros.runtime.events import InitialPoseEvent
from mdps_ros.runtime.ground import Ground
from mdps_ros.runtime.recovery.alignment import Alignment, align
from mdps_ros.runtime.watching.aside import Aside
from mdps_ros.runtime.watching.recent import Seen
from mdps_ros.settings import Settings

NOTHING_SEEN = (
    "nothing was seen yet; activate the node, and send odometry (and images) before asking"
)
STOPPED = "the node was deactivated meanwhile; ask again"
FAILED = "the search failed"
BUSY = "another question is being answered; ask again when it is"

Answer = Alignment | str
"""An alignment, or why there is none."""


class Aligner:
    """Owns the thread in which regions are searched.

    Args:
        ground: the map on which the vehicle is, made ready.
        settings: the whole tree.
        failed: takes what is to be said of an exception in a search, and the exception.
    """

    def __init__(
        self, ground: Ground, settings: Settings, failed: Callable[[str, Exception], object]
    ) -> None:
        self._settings = settings
        self._failed = failed
        self._device, _ = choose_device(settings.runtime.device)
        # one value, as the thread that writes it is not the one that reads it
        self._seen: tuple[Ground, tuple[Seen, ...]] = (ground, ())
        self._open = False
        self._aside = Aside("alignment", lambda error: failed(FAILED, error))

    def start(self) -> None:
        """Take questions."""
        self._open = True
        self._aside.start()

    def stop(self) -> None:
        """End the search in hand, forget what was seen, take no more; safe to repeat."""
        self._open = False
        self._aside.stop()
        self._seen = (self._seen[0], ())

    def keep(self, updates: tuple[Seen, ...]) -> None:
        """Take what was seen last; nothing while no questions are taken."""
        if self._open:
            self._seen = (self._seen[0], updates)

    def change_map(self, ground: Ground) -> None:
        """What was seen before was seen on another map; the question in hand is still of that."""
        self._seen = (ground, ())

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from the next question on."""
        self._settings = settings

    def ask(self, guess: InitialPoseEvent, tell: Callable[[Answer], None]) -> str:
        """Look around a guess.

        Args:
            guess: where to look.
            tell: takes the answer, in this thread or in the aligner's.

        Returns:
            The id of the map that the answer is of.
        """
        (ground, updates), settings = self._seen, self._settings

        def search() -> Answer:
            try:
                found = align(guess, updates, ground, settings, self._device, lambda: self._open)
            except Exception as error:  # the edge: the next question is to be answered again
                self._failed(FAILED, error)
                return f"{FAILED}: {error!r}; send us this line"
            return STOPPED if found is None else found

        if not updates:
            tell(NOTHING_SEEN)
        elif not self._aside.offer(lambda: tell(search())):
            tell(BUSY)
        return ground.map.id
