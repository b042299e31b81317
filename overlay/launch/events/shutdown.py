"""Stand-in for launch.events.shutdown: everything is to end."""

from __future__ import annotations

from typing import NamedTuple


class Shutdown(NamedTuple):
    """Asks for the end of all processes."""

    reason: str = "reason not given"
    due_to_sigint: bool = False
