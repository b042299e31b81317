"""Stand-in for launch.events: what can happen."""

from launch.events.shutdown import Shutdown

__all__ = ["Shutdown"]
