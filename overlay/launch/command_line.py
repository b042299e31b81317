"""Command line of the launch stand-in: `python -m launch PACKAGE FILE name:=value ...`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from ament_index_python.packages import get_package_share_directory

from launch.actions import DeclareLaunchArgument, GroupAction
from launch.launch_context import LaunchContext
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_source import LaunchDescriptionSource
from launch.launch_service import LaunchService
from launch.substitution import text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a launch file, or show its arguments.

    Args:
        arguments: of the command line; those of the process when None.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m launch", description=__doc__)
    parser.add_argument("package", help="a package, or the path of a launch file")
    parser.add_argument("words", nargs="*", help="FILE in the package's launch folder, name:=value")
    parser.add_argument("-s", "--show-args", action="store_true", help="show arguments and exit")
    parser.add_argument("-d", "--debug", action="store_true", help="show where an error arose")
    given = parser.parse_args(arguments)
    path, values = given.package, given.words
    if values and ":=" not in values[0]:
        path, values = _find(given.package, values[0]), values[1:]
    wrong = [word for word in values if ":=" not in word]
    if wrong:
        parser.error(f"'{wrong[0]}' is not name:=value")
    service = LaunchService()
    service.context.launch_configurations.update(word.split(":=", 1) for word in values)
    description = LaunchDescriptionSource(path).get_launch_description(service.context)
    if given.show_args:
        print("Arguments (pass arguments as '<name>:=<value>'):")
        _show_arguments(description.entities, service.context)
        return 0
    service.include_launch_description(description)
    try:
        return service.run()
    except (RuntimeError, ValueError) as error:
        if given.debug:
            raise
        reason = "Caught exception in launch (see debug for traceback)"
        print(f"[ERROR] [launch]: {reason}: {error}", file=sys.stderr)
        return 1


def _find(package: str, file: str) -> str:
    folder = get_package_share_directory(package)
    for place in (os.path.join(folder, "launch", file), os.path.join(folder, file)):
        if os.path.isfile(place):
            return place
    raise SystemExit(f"file '{file}' was not found in the share directory of package '{package}'")


def _show_arguments(entities: Sequence[LaunchDescriptionEntity], context: LaunchContext) -> None:
    for entity in entities:
        if isinstance(entity, GroupAction):
            _show_arguments(entity.actions, context)
        if isinstance(entity, DeclareLaunchArgument):
            print(f"\n    '{entity.name}':\n        {entity.description}")
            if entity.choices is not None:
                print(f"        one of: {', '.join(entity.choices)}")
            if entity.default_value is not None:
                print(f"        (default: '{_default_text(entity, context)}')")


def _default_text(entity: DeclareLaunchArgument, context: LaunchContext) -> str:
    try:
        return text(entity.default_value, context)
    except RuntimeError:  # it refers to another argument, which has no value yet
        return "computed while launching"
