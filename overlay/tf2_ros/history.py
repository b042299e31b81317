"""The past of one frame in the tf2_ros stand-in: stamped transforms to its parent."""

from __future__ import annotations

import bisect
from typing import NamedTuple

from tf2_ros.exceptions import ExtrapolationException
from tf2_ros.rigid import Rigid, interpolate


class Link(NamedTuple):
    """Where a frame is in its parent."""

    parent: str
    parent_child: Rigid


class StaticLink:
    """A frame that never moves.

    Args:
        link: its only value.
    """

    latest_ns: int | None = None

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def parent(self) -> str:
        """The parent frame."""
        return self._link.parent

    def at(self, stamp_ns: int) -> Rigid:
        """The one transform, whatever the time."""
        return self._link.parent_child


class MovingLink:
    """A frame that moves; transforms older than the newest by more than the span are forgotten.

    Args:
        span_ns: how much past to keep.
    """

    def __init__(self, span_ns: int) -> None:
        self._span_ns = span_ns
        self._stamps_ns: list[int] = []
        self._links: list[Link] = []

    @property
    def parent(self) -> str:
        """The parent frame in the newest transform."""
        return self._links[-1].parent

    @property
    def latest_ns(self) -> int:
        """Stamp of the newest transform."""
        return self._stamps_ns[-1]

    def insert(self, stamp_ns: int, link: Link) -> None:
        """Add a transform; one that repeats a stamp, or is too old, is ignored as in tf2."""
        if self._stamps_ns and stamp_ns < self.latest_ns - self._span_ns:
            return
        index = bisect.bisect_left(self._stamps_ns, stamp_ns)
        if index < len(self._stamps_ns) and self._stamps_ns[index] == stamp_ns:
            return
        self._stamps_ns.insert(index, stamp_ns)
        self._links.insert(index, link)
        keep = bisect.bisect_left(self._stamps_ns, self.latest_ns - self._span_ns)
        del self._stamps_ns[:keep], self._links[:keep]

    def at(self, stamp_ns: int) -> Rigid:
        """The transform at a time, interpolated; at time 0 the newest one.

        Raises:
            ExtrapolationException: the time lies outside the data.
        """
        if stamp_ns == 0:
            return self._links[-1].parent_child
        first_ns, last_ns = self._stamps_ns[0], self._stamps_ns[-1]
        if stamp_ns < first_ns:
            raise ExtrapolationException(_outside("past", stamp_ns, "earliest", first_ns))
        if stamp_ns > last_ns:
            raise ExtrapolationException(_outside("future", stamp_ns, "latest", last_ns))
        index = bisect.bisect_left(self._stamps_ns, stamp_ns)
        after = self._links[index].parent_child
        after_ns = self._stamps_ns[index]
        if after_ns == stamp_ns:
            return after
        before_ns = self._stamps_ns[index - 1]
        share = (stamp_ns - before_ns) / (after_ns - before_ns)
        return interpolate(self._links[index - 1].parent_child, after, share)


def _outside(where: str, stamp_ns: int, which: str, edge_ns: int) -> str:
    return (
        f"Lookup would require extrapolation into the {where}.  Requested time "
        f"{stamp_ns * 1e-9:.6f} but the {which} data is at time {edge_ns * 1e-9:.6f}"
    )
