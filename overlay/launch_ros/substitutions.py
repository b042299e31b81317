"""Stand-in for launch_ros.substitutions: places of installed packages."""

from __future__ import annotations

import os

from ament_index_python.packages import get_package_prefix, get_package_share_directory
from launch.launch_context import LaunchContext
from launch.substitution import SomeSubstitutionsType, Substitution, text


class FindPackageShare(Substitution):
    """The share folder of a package.

    Args:
        package: its name.
    """

    def __init__(self, package: SomeSubstitutionsType) -> None:
        self.package = package

    def perform(self, context: LaunchContext) -> str:
        """The folder."""
        return str(get_package_share_directory(text(self.package, context)))


class FindPackagePrefix(FindPackageShare):
    """The prefix that a package is installed in."""

    def perform(self, context: LaunchContext) -> str:
        """The folder."""
        return str(get_package_prefix(text(self.package, context)))


class ExecutableInPackage(Substitution):
    """An executable that a package installs in its lib folder.

    Args:
        executable: its name.
        package: the package.
    """

    def __init__(self, executable: SomeSubstitutionsType, package: SomeSubstitutionsType) -> None:
        self.executable, self.package = executable, package

    def perform(self, context: LaunchContext) -> str:
        """The path.

        Raises:
            RuntimeError: there is none, or it may not be run.
        """
        package, name = text(self.package, context), text(self.executable, context)
        path = os.path.join(get_package_prefix(package), "lib", package, name)
        if not os.access(path, os.X_OK):
            raise RuntimeError(f"package '{package}' has no executable '{name}' ({path})")
        return path
