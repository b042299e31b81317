"""Who asked a session for something, and waits for what becomes of it."""

from __future__ import annotations

import threading
from typing import Protocol

from mdps_ros.runtime.events import Event
from mdps_ros.runtime.outputs import Output


class Follower(Protocol):
    """Somebody who waits."""

    def take(self, event: Event, outputs: tuple[Output, ...]) -> bool:
        """The session answered an event; True where no more needs to be heard."""

    def give_up(self, why: str) -> None:
        """There will be no more answers."""


class Following:
    """The followers of a session. Any thread may add one; answers come in the session's own."""

    def __init__(self) -> None:
        self._followers: list[Follower] = []
        self._lock = threading.Lock()

    def add(self, follower: Follower) -> None:
        """Tell somebody of every event from now on."""
        with self._lock:
            self._followers.append(follower)

    def take(self, event: Event, outputs: tuple[Output, ...]) -> None:
        """Tell everybody; those who have heard enough are told no more."""
        with self._lock:
            followers = tuple(self._followers)
        done = [follower for follower in followers if follower.take(event, outputs)]
        if done:
            with self._lock:
                self._followers = [f for f in self._followers if f not in done]

    def give_up(self, why: str) -> None:
        """Tell everybody that the session stops, and forget them."""
        with self._lock:
            followers, self._followers = self._followers, []
        for follower in followers:
            follower.give_up(why)
