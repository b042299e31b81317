"""Stand-in for launch.launch_description_sources: Python launch files."""

from __future__ import annotations

from launch.launch_description_source import LaunchDescriptionSource


class PythonLaunchDescriptionSource(LaunchDescriptionSource):
    """A launch file in Python."""
