"""Starts the localization node.

ros2 launch mdps_ros localization.launch.py map:=helsinki
ros2 launch mdps_ros localization.launch.py --show-args
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription

CONFIG = [FindPackageShare("mdps_ros"), "config"]

ARGUMENTS = {
    "map": ("", "map file (.osm, .osm.pbf, nav2 YAML), helsinki or suburb; empty: params_file's"),
    "params_file": (
        PathJoinSubstitution([*CONFIG, "node.yaml"]),
        "YAML file with parameters; config/node.yaml lists them all",
    ),
    "namespace": ("", "namespace of the node and its topics"),
    "node_name": ("mdps_localization", "name of the node"),
    "use_sim_time": ("false", "follow /clock"),
    "autostart": ("true", "configure and activate at once; false leaves it to a manager"),
    "image_reliable": ("", "true: images with reliable QoS; empty: params_file's"),
    "odom_topic": ("odom", "nav_msgs/Odometry"),
    "image_topic": ("image", "sensor_msgs/Image, depth 32FC1 or 16UC1"),
    "camera_info_topic": ("camera_info", "sensor_msgs/CameraInfo of the image"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "rviz": ("false", "start RViz, where it is installed"),
}


def localization_node(context: LaunchContext) -> list[Node]:
    """The node; a value given to the launch file goes over the parameter file."""
    parameters: dict[str, ParameterValue] = {
        "use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool),
        "autostart": ParameterValue(LaunchConfiguration("autostart"), value_type=bool),
    }
    for name, kind in (("map", str), ("image_reliable", bool)):
        if LaunchConfiguration(name).perform(context):
            parameters[f"node.{name}"] = ParameterValue(LaunchConfiguration(name), value_type=kind)
    node = Node(
        package="mdps_ros",
        executable="localization_node",
        name=LaunchConfiguration("node_name"),
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file"), parameters],
        remappings=[
            ("odom", LaunchConfiguration("odom_topic")),
            ("image", LaunchConfiguration("image_topic")),
            ("camera_info", LaunchConfiguration("camera_info_topic")),
        ],
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        output="screen",
    )
    return [node]


def generate_launch_description() -> LaunchDescription:
    """Arguments, node, and RViz on request."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", PathJoinSubstitution([*CONFIG, "mdps.rviz"])],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return LaunchDescription([*arguments, OpaqueFunction(function=localization_node), rviz])
