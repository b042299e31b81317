"""Stand-in for launch.events.process: a process has ended."""

from __future__ import annotations

from typing import NamedTuple

from launch.action import Action


class ProcessExited(NamedTuple):
    """Which process ended, and how."""

    action: Action
    process_name: str
    pid: int
    returncode: int
