"""Which topic of a running graph plays a role, and which input of our node nobody feeds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from mdps_ros.runtime.checkup.observation import ROLES, Unfed

NEEDED = ("odom", "twist", "image", "camera_info")
"""Inputs without which the node misses something; it does without fixes."""
OWN = ("odometry", "overlay", "hypothesis_map", "ground_truth")
"""Topics of our node (mdps_ros/ros/topics.py) and our bags that have the type of an input."""


class Graph(NamedTuple):
    """Topics of a graph; names are full.

    Attributes:
        offered: topic that somebody publishes -> its types.
        listened: topic that our node listens to -> its types; empty without a node.
        outputs: topics that carry our own answers, not a sensor's.
    """

    offered: Mapping[str, Sequence[str]]
    listened: Mapping[str, Sequence[str]]
    outputs: Collection[str]


class Choice(NamedTuple):
    """The topic that plays a role, or why there is none.

    Attributes:
        topic: to listen to; None where no topic will do.
        unfed: the node's input that nobody publishes.
        problem: in words with the remedy; "" where there is none.
    """

    topic: str | None
    unfed: Unfed | None = None
    problem: str = ""


def choose(graph: Graph, role: str, named: str | None, usual: str) -> Choice:
    """The topic named by the user, else the node's, else the usual one, else the only one.

    Where the node listens to a topic that nobody publishes, no other one takes its place.

    Args:
        graph: what is there.
        role: of `observation.ROLES`.
        named: by the user.
        usual: full name that the role has where nobody remaps it.
    """
    listened = _listened(graph, role)
    fed = [topic for topic in listened if topic in graph.offered]
    fitting = _fitting(graph, role)
    hungry = role in NEEDED and bool(listened) and not fed
    unfed = Unfed(listened[0], fitting) if hungry else None
    if named:
        if named in graph.offered:
            return Choice(named, unfed)
        problem = f"nobody publishes {named}; `ros2 topic list` shows what is there"
        return Choice(None, unfed, problem)
    if unfed is not None:
        return Choice(None, unfed)
    if fed:
        return Choice(fed[0])
    if usual in graph.offered:
        return Choice(usual)
    if len(fitting) > 1 and role != "twist":
        option = {"odom": "odometry"}.get(role, role.replace("_", "-"))
        problem = f"{len(fitting)} topics may be the {role}: {', '.join(fitting)}"
        return Choice(None, None, f"{problem}; choose one with --{option}-topic")
    return Choice(fitting[0] if fitting else None)


def _listened(graph: Graph, role: str) -> list[str]:
    """Topics of a role that the node listens to, those of the usual type first."""
    return [
        topic
        for kind in ROLES[role].types
        for topic, kinds in sorted(graph.listened.items())
        if kind in kinds
    ]


def _fitting(graph: Graph, role: str) -> tuple[str, ...]:
    wanted = set(ROLES[role].types)
    offered = graph.offered.items()
    return tuple(
        sorted(n for n, kinds in offered if wanted & set(kinds) and n not in graph.outputs)
    )
