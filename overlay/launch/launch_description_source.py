"""Stand-in for launch.launch_description_source: where a description comes from."""

from __future__ import annotations

import runpy

from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.substitution import SomeSubstitutionsType, text


class LaunchDescriptionSource:
    """A Python launch file.

    Args:
        location: its path.
    """

    def __init__(self, location: SomeSubstitutionsType) -> None:
        self.location = location

    def get_launch_description(self, context: LaunchContext) -> LaunchDescription:
        """Run the file's generate_launch_description.

        Raises:
            RuntimeError: the file is no Python launch file.
        """
        path = text(self.location, context)
        if not path.endswith(".py"):
            raise RuntimeError(f"only Python launch files (.py) can be run here, not '{path}'")
        context.launch_file_path = path
        names = runpy.run_path(path)
        if "generate_launch_description" not in names:
            raise RuntimeError(f"launch file '{path}' has no generate_launch_description()")
        description = names["generate_launch_description"]()
        assert isinstance(description, LaunchDescription)
        return description
