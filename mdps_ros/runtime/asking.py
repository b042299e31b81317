"""What a session is asked for: requests that are kept for it, and who waits for the answers."""

from __future__ import annotations

import threading
from typing import Protocol

from mdps_ros.runtime.events import (
    Event,
    GlobalStartEvent,
    InitialPoseEvent,
    RestoreEvent,
    StartEvent,
    UpdateNowEvent,
)
from mdps_ros.runtime.outputs import Output

REQUESTS = (GlobalStartEvent, InitialPoseEvent, UpdateNowEvent, RestoreEvent)
"""Events that wait for the activation, the last one of each kind; sensor data does not."""
REPLACED = "another request of this kind came before the node was activated"
DEACTIVATED = "the node was deactivated meanwhile; activate it, and ask again"
OTHER_MAP = "the map was changed before the node was activated"


class Follower(Protocol):
    """Somebody who waits for what becomes of an event."""

    @property
    def event(self) -> StartEvent:
        """The event."""

    def take(self, event: Event, outputs: tuple[Output, ...]) -> bool:
        """The session answered an event; True where no more needs to be heard."""

    def give_up(self, why: str) -> object:
        """There will be no more answers."""


class Asking:
    """Requests and followers of a session.

    Any thread may follow; requests are kept in one thread, answers come in the session's own.
    """

    def __init__(self) -> None:
        self._kept: dict[type[Event], Event] = {}
        self._followers: list[Follower] = []
        self._lock = threading.Lock()

    def keep(self, event: Event) -> bool:
        """Keep a request until the activation, in the place of one of its kind.

        Returns:
            False for what is no request.
        """
        if not isinstance(event, REQUESTS):
            return False
        before = self._kept.get(type(event))
        if before is not None:  # to the end: the last request wins
            self._forget(before, REPLACED)
        self._kept[type(event)] = event
        return True

    def withdraw(self, event: Event) -> None:
        """Keep a request no more; whoever asked for it knows."""
        if self._kept.get(type(event)) is event:
            del self._kept[type(event)]

    def change_map(self) -> None:
        """Keep no request any more that names a place of the map of before."""
        for event in tuple(self._kept.values()):
            if isinstance(event, InitialPoseEvent) or (
                isinstance(event, GlobalStartEvent) and event.region is not None
            ):
                self._forget(event, OTHER_MAP)

    def hand_over(self) -> tuple[Event, ...]:
        """The requests that were kept, in the order in which they came."""
        kept, self._kept = self._kept, {}
        return tuple(kept.values())

    def follow(self, follower: Follower) -> None:
        """Tell somebody of every event from now on."""
        with self._lock:
            self._followers.append(follower)

    def answered(self, event: Event, outputs: tuple[Output, ...]) -> None:
        """Tell everybody; those who have heard enough are told no more."""
        with self._lock:
            followers = tuple(self._followers)
        done = [follower for follower in followers if follower.take(event, outputs)]
        if done:
            with self._lock:
                self._followers = [f for f in self._followers if f not in done]

    def give_up(self, why: str, event: Event | None = None) -> tuple[StartEvent, ...]:
        """Tell those who wait for an event, or for any, that it will not come; forget them.

        Returns:
            What they waited for.
        """
        with self._lock:
            given = [f for f in self._followers if event is None or f.event is event]
            self._followers = [f for f in self._followers if f not in given]
        for follower in given:
            follower.give_up(why)
        return tuple(follower.event for follower in given)

    def _forget(self, event: Event, why: str) -> None:
        del self._kept[type(event)]
        self.give_up(why, event)
