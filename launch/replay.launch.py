"""Starts the localization node, plays a bag to it, and ends with the bag.

ros2 launch mdps_ros replay.launch.py bag:=DRIVE map:=helsinki record:=answers.jsonl
"""

from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription
from mdps_ros.ros.launch_arguments import refuse_unknown

ARGUMENTS = {
    "bag": (None, "rosbag2 folder or .mcap file with odom, image, camera_info, tf_static"),
    "map": ("", "map file (.osm, .osm.pbf, nav2 YAML), helsinki or suburb"),
    "params_file": (
        PathJoinSubstitution([FindPackageShare("mdps_ros"), "config", "node.yaml"]),
        "YAML file with parameters of the node",
    ),
    "rate": ("1.0", "times real time; 0 is as fast as the node can"),
    "record": ("", "write one JSON line per answer to this file"),
    "namespace": ("", "namespace of both nodes and their topics"),
    "rviz": ("false", "start RViz, where it is installed"),
}

PASSED_ON = ("map", "params_file", "namespace", "rviz")
LOCALIZATION = PythonLaunchDescriptionSource(
    PathJoinSubstitution([ThisLaunchFileDir(), "localization.launch.py"])
)


def check(context: LaunchContext) -> None:
    """Nothing is started where an argument is misspelt; those of the node's file reach it, too."""
    entities = LOCALIZATION.get_launch_description(context).entities
    included = [each.name for each in entities if isinstance(each, DeclareLaunchArgument)]
    refuse_unknown(__file__, [*ARGUMENTS, *included])


def player(context: LaunchContext) -> list[Node]:
    """The player; it waits for the node and ends the launch."""
    arguments = [LaunchConfiguration("bag"), "--rate", LaunchConfiguration("rate")]
    arguments += ["--lossless", "--progress"]
    if LaunchConfiguration("record").perform(context):
        arguments += ["--record", LaunchConfiguration("record")]
    node = Node(
        package="mdps_ros",
        executable="play_bag",
        namespace=LaunchConfiguration("namespace"),
        arguments=arguments,
        output="screen",
        on_exit=[Shutdown(reason="the bag has been played")],
    )
    return [node]


def generate_launch_description() -> LaunchDescription:
    """Arguments, node and player."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    localization = IncludeLaunchDescription(
        LOCALIZATION,
        launch_arguments={
            "image_reliable": "true",
            **{name: LaunchConfiguration(name) for name in PASSED_ON},
        }.items(),
    )
    checked, played = OpaqueFunction(function=check), OpaqueFunction(function=player)
    return LaunchDescription([checked, *arguments, localization, played])
