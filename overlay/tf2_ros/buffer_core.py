"""The transform tree of the tf2_ros stand-in: fill it, ask it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import RLock
from typing import Any

import yaml
from geometry_msgs.msg import TransformStamped

from tf2_ros.exceptions import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)
from tf2_ros.history import Link, MovingLink, StaticLink
from tf2_ros.rigid import IDENTITY, Rigid, compose, invert

CACHE_TIME_NS = 10 * 10**9
LONGEST_CHAIN = 1000


def nanoseconds(stamp: Any) -> int:
    """Nanoseconds of an rclpy Time or Duration, or of a builtin_interfaces Time or Duration."""
    if hasattr(stamp, "nanoseconds"):
        return int(stamp.nanoseconds)
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


class BufferCore:
    """A tree of frames with their recent past. Safe to use from several threads.

    Args:
        cache_time: how much past to keep, 10 s when None.
    """

    def __init__(self, cache_time: Any = None) -> None:
        self._span_ns = CACHE_TIME_NS if cache_time is None else nanoseconds(cache_time)
        self._lock = RLock()
        self._links: dict[str, StaticLink | MovingLink] = {}
        self._frames: set[str] = set()

    def set_transform(self, transform: Any, authority: str = "") -> None:
        """Add a stamped transform; malformed ones are ignored, as in tf2."""
        self._add(transform, static=False)

    def set_transform_static(self, transform: Any, authority: str = "") -> None:
        """Set a transform that holds for all times."""
        self._add(transform, static=True)

    def clear(self) -> None:
        """Forget what moves; what is static stays."""
        with self._lock:
            moving = [name for name, link in self._links.items() if isinstance(link, MovingLink)]
            for name in moving:
                del self._links[name]

    def lookup_transform_core(self, target_frame: str, source_frame: str, time: Any) -> Any:
        """T_target_source at a time, as TransformStamped; time 0 is the newest common time.

        Raises:
            TransformException: one of its subclasses says why there is none.
        """
        target, source = target_frame.lstrip("/"), source_frame.lstrip("/")
        with self._lock:
            source_chain, target_chain = self._chains(target, source)
            stamp_ns = nanoseconds(time) or self._common_time(source_chain, target_chain, source)
            try:
                common_source = self._climb(source_chain, stamp_ns)
                common_target = self._climb(target_chain, stamp_ns)
            except ExtrapolationException as error:
                looked_up = f"when looking up transform from frame [{source}] to frame [{target}]"
                raise ExtrapolationException(f"{error}, {looked_up}") from None
        return _message(compose(invert(common_target), common_source), target, source, stamp_ns)

    def can_transform_core(
        self, target_frame: str, source_frame: str, time: Any
    ) -> tuple[bool, str]:
        """Whether a lookup would succeed, and if not, why."""
        try:
            self.lookup_transform_core(target_frame, source_frame, time)
        except TransformException as error:
            return False, str(error)
        return True, ""

    def all_frames_as_yaml(self) -> str:
        """The tree: of each frame its parent. tf2 tells broadcasters and rates, too."""
        with self._lock:
            tree = {child: {"parent": link.parent} for child, link in self._links.items()}
        return str(yaml.safe_dump(tree))

    def _add(self, transform: Any, static: bool) -> None:
        child = transform.child_frame_id.lstrip("/")
        parent = transform.header.frame_id.lstrip("/")
        link = Link(parent, _rigid(transform.transform))
        if not child or not parent or child == parent or not _is_sane(link.parent_child):
            return
        with self._lock:
            self._frames |= {child, parent}
            if static:
                self._links[child] = StaticLink(link)
                return
            known = self._links.get(child)
            moving = known if isinstance(known, MovingLink) else MovingLink(self._span_ns)
            moving.insert(nanoseconds(transform.header.stamp), link)
            self._links[child] = moving

    def _chains(self, target: str, source: str) -> tuple[list[str], list[str]]:
        """Frames from source and from target up to, without, their nearest common ancestor."""
        for frame, argument in ((target, "target_frame"), (source, "source_frame")):
            place = f"passed to lookupTransform argument {argument}"
            if not frame:
                raise InvalidArgumentException(
                    f"Invalid argument {place} - frame ids cannot be empty"
                )
            if frame not in self._frames:
                raise LookupException(f'"{frame}" {place} does not exist. ')
        up, down = self._ancestors(source), self._ancestors(target)
        common = next((frame for frame in up if frame in down), None)
        if common is None:
            raise ConnectivityException(
                f"Could not find a connection between '{target}' and '{source}' because they are "
                "not part of the same tree. Tf has two or more unconnected trees."
            )
        return up[: up.index(common)], down[: down.index(common)]

    def _ancestors(self, frame: str) -> list[str]:
        chain = [frame]
        while (link := self._links.get(chain[-1])) is not None:
            chain.append(link.parent)
            if len(chain) > LONGEST_CHAIN:
                raise ConnectivityException(f"The tf tree has a loop at frame '{frame}'")
        return chain

    def _common_time(self, up: list[str], down: list[str], source: str) -> int:
        links = (self._links.get(frame) for frame in [*up, *down] or [source])
        stamps = [link.latest_ns for link in links if isinstance(link, MovingLink)]
        return min(stamps) if stamps else 0

    def _climb(self, chain: Sequence[str], stamp_ns: int) -> Rigid:
        result = IDENTITY
        for frame in chain:
            result = compose(self._links[frame].at(stamp_ns), result)
        return result


def _rigid(transform: Any) -> Rigid:
    t, q = transform.translation, transform.rotation
    return Rigid((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))


def _is_sane(transform: Rigid) -> bool:
    norm = sum(value * value for value in transform.rotation)
    return all(map(math.isfinite, transform.translation)) and abs(norm - 1.0) < 1e-3


def _message(transform: Rigid, target: str, source: str, stamp_ns: int) -> Any:
    message = TransformStamped()
    message.header.frame_id, message.child_frame_id = target, source
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    t, q = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = transform.translation
    q.x, q.y, q.z, q.w = transform.rotation
    return message
