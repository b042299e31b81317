"""A search that somebody asked for: how far it is, and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from mdps_ros.notes import Code, Note
from mdps_ros.runtime.events import (
    Event,
    GlobalStartEvent,
    InitialPoseEvent,
    MapEvent,
    RestoreEvent,
    StartEvent,
)
from mdps_ros.runtime.jumps import CAUSES
from mdps_ros.runtime.outputs import Output, PoseEstimate, State

OTHERS = (GlobalStartEvent, InitialPoseEvent, RestoreEvent, MapEvent)
"""Requests that take the place of a guess which still waits for odometry..."""
REFUSALS = (Code.NO_START, Code.STATE_FILE)
"""...unless the session answers that they were refused."""


class Found(NamedTuple):
    """What came of a search.

    Attributes:
        found: one place is claimed, with the share that was asked for.
        text: what happened; where nothing was found, why.
        estimate: the newest one of the search; None where there was none.
    """

    found: bool
    text: str
    estimate: PoseEstimate | None


class AskedSearch:
    """Follows a session from the event that begins a search until that is over.

    It is over when one place is claimed, that is, holds the mass that a claim needs and has been
    confirmed; when everything within a region was given up; when somebody else begins another
    belief; or when it is ended. The belief is the filter's in each case.

    Args:
        event: what begins it.
        least: share of the belief that the place must hold, beyond what a claim needs.
        told: called with every estimate of the search.
        ended: called once, with what came of it.
    """

    def __init__(
        self,
        event: StartEvent,
        least: float,
        told: Callable[[PoseEstimate], None],
        ended: Callable[[Found], None],
    ) -> None:
        self.event = event
        self._least = least
        self._told = told
        self._ended = ended
        self._asked = self._begun = False
        self._over = threading.Lock()  # who holds it has ended the search, for good
        self._estimate: PoseEstimate | None = None

    def take(self, event: Event, outputs: tuple[Output, ...]) -> bool:
        """Go on by what a session answered; True when the search is over."""
        if event is self.event:
            self._asked = True
        elif self._asked and not self._begun and _replaces(event, outputs):
            self._end(False, "another request came before there was odometry to begin with")
        newest = next((o for o in reversed(outputs) if isinstance(o, PoseEstimate)), None)
        for output in outputs:
            if self._over.locked():
                break
            if isinstance(output, Note):
                self._take_note(output, own=event is self.event)
            elif self._begun and output is newest:  # what else is published is of that one, too
                self._take_estimate(newest)
        return self._over.locked()

    @property
    def begun(self) -> bool:
        """Whether the session has begun with it."""
        return self._begun

    @property
    def estimate(self) -> PoseEstimate | None:
        """The newest one of the search; None where there was none yet."""
        return self._estimate

    def give_up(self, why: str) -> bool:
        """End without a place, from whatever thread; False where it has ended already."""
        return self._end(False, why)

    def _take_note(self, note: Note, *, own: bool) -> None:
        starts = self._starts(note, own)
        if own and note.code is Code.NO_START:
            self._end(False, note.text)
        elif not self._begun:
            self._begun = starts
        elif note.code is Code.LOST and self._limited:
            self._end(False, f"it is not where it was looked for: {note.text}")
        elif note.code in CAUSES and note.code is not Code.LOST:
            self._end(False, f"another belief took the place of this search: {note.text}")

    def _starts(self, note: Note, own: bool) -> bool:
        """Whether a note says that this search begins; a guess may wait for odometry first."""
        if isinstance(self.event, InitialPoseEvent):
            return self._asked and note.code is Code.INITIAL_POSE
        return own and note.code is Code.STARTED

    @property
    def _limited(self) -> bool:
        return isinstance(self.event, InitialPoseEvent) or self.event.region is not None

    def _take_estimate(self, estimate: PoseEstimate) -> None:
        self._estimate = estimate
        self._told(estimate)
        share = estimate.modes[0].mass
        if estimate.state is State.TRACKING and share >= self._least:
            self._end(True, f"found the vehicle; the place holds {share:.3f} of the belief")

    def _end(self, found: bool, text: str) -> bool:
        if not self._over.acquire(blocking=False):
            return False
        self._ended(Found(found, text, self._estimate))
        return True


def _replaces(event: Event, outputs: tuple[Output, ...]) -> bool:
    refused = any(isinstance(output, Note) and output.code in REFUSALS for output in outputs)
    return isinstance(event, OTHERS) and not refused
