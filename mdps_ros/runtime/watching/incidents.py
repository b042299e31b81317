"""Keeps the last seconds of a run, and tells when the vehicle got lost or its pose jumped."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mdps_ros.notes import Code, Note
from mdps_ros.runtime.events import Event, ImageEvent, OdometryEvent
from mdps_ros.runtime.jumps import Cause, PoseJump
from mdps_ros.runtime.outputs import Output, PoseEstimate
from mdps_ros.runtime.watching.sights import Sight
from mdps_ros.runtime.watching.snapshots import resample_evenly

CLOUD = 1000
"""Particles of a belief that are kept."""
IMAGES = 8
"""Images that wait for their estimate."""
PAUSE_S = 5.0
"""Least time between two incidents; what happens meanwhile belongs to the first."""
SURPRISES = (Cause.SWITCHED, Cause.LOST)
"""Causes of jumps that nobody asked for."""


class Kind(Enum):
    """What happened."""

    LOST = "lost"
    JUMP = "jump"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """The seconds around one moment of a run.

    Attributes:
        kind: what happened.
        stamp_ns: of the frame at which it did.
        text: the same in a sentence.
        before: the belief before; None where there was none.
        after: the belief after; None where the run ended at once.
        jump: of the pose, where it was one.
        odometry: samples of the last seconds.
        estimates: likewise.
        notes: likewise, each with the stamp of the odometry then.
        image: the newest image that was used, and the estimate of its time.
    """

    kind: Kind
    stamp_ns: int
    text: str
    before: Sight | None
    after: Sight | None
    jump: PoseJump | None
    odometry: tuple[OdometryEvent, ...]
    estimates: tuple[PoseEstimate, ...]
    notes: tuple[tuple[int, Note], ...]
    image: tuple[ImageEvent, PoseEstimate] | None


@dataclass(frozen=True, slots=True)
class _Begun:
    """An incident that waits for the belief after it."""

    kind: Kind
    stamp_ns: int
    text: str
    before: Sight | None
    jump: PoseJump | None


class IncidentWatch:
    """Looks at what goes into a session and what comes out of it.

    Args:
        span_s: how much of the past is kept, by the messages' stamps.
    """

    def __init__(self, span_s: float) -> None:
        self._span_ns = round(span_s * 1e9)
        self._odometry: deque[OdometryEvent] = deque()
        self._estimates: deque[PoseEstimate] = deque()
        self._notes: deque[tuple[int, Note]] = deque()
        self._images: OrderedDict[int, ImageEvent] = OrderedDict()
        self._used: tuple[ImageEvent, PoseEstimate] | None = None
        self._last: Sight | None = None
        self._begun: _Begun | None = None
        self._quiet_ns: int | None = None  # of the last incident
        self._now_ns = 0

    def heard(self, event: Event) -> None:
        """The session is told something."""
        if isinstance(event, OdometryEvent):
            if event.stamp_ns < self._now_ns - self._span_ns:
                self._forget()
            self._now_ns = event.stamp_ns
            self._odometry.append(event)
            self._drop_old()
        elif isinstance(event, ImageEvent):
            self._images[event.stamp_ns] = event
            while len(self._images) > IMAGES:
                self._images.popitem(last=False)

    def said(self, output: Output) -> None:
        """The session says something."""
        if isinstance(output, PoseEstimate):
            self._estimates.append(output)
            image = self._images.pop(output.stamp_ns, None)
            if image is not None:
                self._used = image, output
        elif isinstance(output, Note):
            self._notes.append((self._now_ns, output))
            if output.code is Code.LOST:
                self._begin(Kind.LOST, output.text, None)

    def jumped(self, jump: PoseJump) -> None:
        """The claimed pose jumped."""
        if jump.cause in SURPRISES and jump.before is not None:
            text = f"the pose jumped by {_metres(jump):.1f} m ({jump.cause.value})"
            self._begin(Kind.JUMP, text, jump)

    def saw(self, sight: Sight) -> Incident | None:
        """There is another belief; an incident is whole with the one after it."""
        found = self._whole(sight)
        self._last = sight._replace(cloud=resample_evenly(sight.cloud, CLOUD))
        return found

    def end(self) -> Incident | None:
        """The run ends; what has begun is whole."""
        return self._whole(None)

    def _begin(self, kind: Kind, text: str, jump: PoseJump | None) -> None:
        if self._begun is not None:
            return
        stamp_ns = jump.stamp_ns if jump is not None else self._now_ns
        if kind is Kind.LOST and self._last is not None:
            stamp_ns = self._last.estimate.stamp_ns
        if self._quiet_ns is not None and 0 <= stamp_ns - self._quiet_ns < PAUSE_S * 1e9:
            return
        self._quiet_ns = stamp_ns
        self._begun = _Begun(kind, stamp_ns, text, self._last, jump)

    def _whole(self, after: Sight | None) -> Incident | None:
        begun, self._begun = self._begun, None
        if begun is None:
            return None
        if after is not None:
            after = after._replace(cloud=resample_evenly(after.cloud, CLOUD))
        return Incident(
            kind=begun.kind,
            stamp_ns=begun.stamp_ns,
            text=begun.text,
            before=begun.before,
            after=after,
            jump=begun.jump,
            odometry=tuple(self._odometry),
            estimates=tuple(self._estimates),
            notes=tuple(self._notes),
            image=self._used,
        )

    def _drop_old(self) -> None:
        oldest = self._now_ns - self._span_ns
        kept: tuple[tuple[deque[Any], Any], ...] = (
            (self._odometry, lambda item: item.stamp_ns),
            (self._estimates, lambda item: item.stamp_ns),
            (self._notes, lambda item: item[0]),
        )
        for items, stamp_of in kept:
            while items and stamp_of(items[0]) < oldest:
                items.popleft()
        if self._used is not None and self._used[1].stamp_ns < oldest:
            self._used = None

    def _forget(self) -> None:
        """Another run begins, as when a bag loops."""
        for items in (self._odometry, self._estimates, self._notes, self._images):
            items.clear()
        self._used = self._last = self._quiet_ns = self._begun = None


def _metres(jump: PoseJump) -> float:
    assert jump.before is not None
    dx, dy = jump.after[:2] - jump.before[:2]
    return float((dx * dx + dy * dy) ** 0.5)
