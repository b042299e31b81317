"""Stand-in for launch: starts what a Python launch file describes.

For machines without the distribution's launch. Same names and argument names; what is not here
raises ImportError, AttributeError or TypeError rather than being ignored. Two simplifications:
all output of processes is shown (`output=` is accepted, the log folder is not written), and
actions that run later (timers, exit handlers) see the launch configurations of their own scope.
"""

from launch.action import Action
from launch.condition import Condition
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_source import LaunchDescriptionSource
from launch.launch_service import LaunchService
from launch.substitution import SomeSubstitutionsType, Substitution

__all__ = [
    "Action",
    "Condition",
    "LaunchContext",
    "LaunchDescription",
    "LaunchDescriptionEntity",
    "LaunchDescriptionSource",
    "LaunchService",
    "SomeSubstitutionsType",
    "Substitution",
]
