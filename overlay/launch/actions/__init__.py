"""Stand-in for launch.actions: the actions that our launch files use."""

from launch.actions.configuration import (
    DeclareLaunchArgument,
    LogInfo,
    SetEnvironmentVariable,
    SetLaunchConfiguration,
)
from launch.actions.events import EmitEvent, RegisterEventHandler, Shutdown
from launch.actions.execute_process import ExecuteProcess
from launch.actions.structure import (
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    TimerAction,
)

__all__ = [
    "DeclareLaunchArgument",
    "EmitEvent",
    "ExecuteProcess",
    "GroupAction",
    "IncludeLaunchDescription",
    "LogInfo",
    "OpaqueFunction",
    "RegisterEventHandler",
    "SetEnvironmentVariable",
    "SetLaunchConfiguration",
    "Shutdown",
    "TimerAction",
]
