"""Starts the localization node.

ros2 launch mdps_ros localization.launch.py map:=helsinki
ros2 launch mdps_ros localization.launch.py map:=city.osm.pbf profile:=autoware
ros2 launch mdps_ros localization.launch.py --show-args
"""

import math
import os

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription
from mdps_ros.ros.launch_arguments import refuse_unknown
from mdps_ros.settings import SettingsError, start_heading

CONFIG = [FindPackageShare("mdps_ros"), "config"]
YABLOC = "/localization/pose_estimator/yabloc/"
OURS = "mdps/"  # where outputs go whose names mean something else to the rest of the system

PROFILES = {
    # on its own: names as in the README's table
    "standalone": {"node_name": "mdps_localization", "parameters": {}, "topics": {}},
    # in the place of nav2_amcl: its name, its pose topic, tf within the namespace; the map is that
    # of the map server, and particle_cloud is a type of nav2's own
    "nav2": {
        "node_name": "amcl",
        "parameters": {},
        "topics": {
            "pose": "amcl_pose",
            "map": OURS + "map",
            "particle_cloud": OURS + "particle_cloud",
            "/tf": "tf",
            "/tf_static": "tf_static",
        },
    },
    # a pose source of Autoware: velocities in, poses out, the EKF owns the transform
    "autoware": {
        "node_name": "mdps_localization",
        "namespace": "/localization/pose_estimator",
        "parameters": {"node.publish_tf": False, "node.odometry_source": "twist"},
        "topics": {
            "pose": "/localization/pose_estimator/pose_with_covariance",
            "twist": "/localization/twist_estimator/twist_with_covariance",
            "initialpose": "/initialpose3d",
            "pose_prior": "/sensing/gnss/pose_with_covariance",
            "fix": "/sensing/gnss/nav_sat_fix",
            # what pose initializer and arbiter call where they think of YabLoc
            "~/yabloc_align_srv": YABLOC + "initializer/yabloc_align_srv",
            "~/yabloc_trigger_srv": YABLOC + "pf/yabloc_trigger_srv",
        },
    },
}

INPUTS = {
    "odom_topic": ("odom", "nav_msgs/Odometry"),
    "twist_topic": ("twist", "geometry_msgs/TwistWithCovarianceStamped"),
    "image_topic": ("image", "sensor_msgs/Image, depth or colour; IMAGE/compressed, too"),
    "camera_info_topic": ("camera_info", "sensor_msgs/CameraInfo of the image"),
    "initial_pose_topic": ("initialpose", "geometry_msgs/PoseWithCovarianceStamped to start at"),
    "pose_prior_topic": ("pose_prior", "geometry_msgs/PoseWithCovarianceStamped to reckon with"),
    "fix_topic": ("fix", "sensor_msgs/NavSatFix"),
}

ARGUMENTS = {
    "profile": ("standalone", "whose place the node takes: its own, nav2_amcl's, YabLoc's"),
    "map": ("", "map file (.osm, .osm.pbf, nav2 YAML), helsinki or suburb; empty: params_file's"),
    "params_file": (
        PathJoinSubstitution([*CONFIG, "node.yaml"]),
        "YAML file with parameters; config/node.yaml lists them all. The profile goes over it",
    ),
    "heading": (
        "",
        "of the start, degrees from east to the left, or unknown; empty: params_file's",
    ),
    "heading_sd": ("", "how unsure a known heading is, degrees; empty: params_file's"),
    "namespace": ("", "namespace of the node and its topics; empty: the profile's"),
    "node_name": ("", "name of the node; empty: the profile's"),
    "use_sim_time": ("false", "follow /clock"),
    "autostart": ("true", "configure and activate at once; false leaves it to a manager"),
    "image_reliable": ("", "true: images with reliable QoS; empty: params_file's"),
    **{
        name: ("", f"{kind}; empty: the profile's, else {topic}")
        for name, (topic, kind) in INPUTS.items()
    },
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "rviz": ("false", "start RViz, where it is installed"),
}


def check(context: LaunchContext) -> None:
    """Nothing is started where an argument is misspelt."""
    refuse_unknown(__file__, ARGUMENTS)


def start(heading: str, spread: str) -> dict[str, object]:
    """Parameters of the start heading; nothing where none is given."""
    parameters: dict[str, object] = {}
    try:
        if heading:
            parameters.update(start_heading(heading))
        if spread:
            parameters["start.heading_sd"] = math.radians(float(spread))
    except SettingsError as error:
        raise RuntimeError(f"heading:={heading} is no number of degrees, nor unknown") from error
    except ValueError:
        raise RuntimeError(f"heading_sd:={spread} is no number of degrees") from None
    return parameters


def localization_node(context: LaunchContext) -> list[Node]:
    """The node; the profile goes over the parameter file, and what is given over both."""

    def given(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    profile = PROFILES[given("profile")]
    parameters = dict(profile["parameters"])
    parameters["use_sim_time"] = ParameterValue(
        LaunchConfiguration("use_sim_time"), value_type=bool
    )
    parameters["autostart"] = ParameterValue(LaunchConfiguration("autostart"), value_type=bool)
    for name, kind in (("map", str), ("image_reliable", bool)):
        if given(name):
            parameters[f"node.{name}"] = ParameterValue(LaunchConfiguration(name), value_type=kind)
    parameters.update(start(given("heading"), given("heading_sd")))
    if not os.path.isfile(given("params_file")):
        raise RuntimeError(f"params_file:={given('params_file')} is no file; name one, or none")
    topics = dict(profile["topics"])
    topics.update({topic: given(name) for name, (topic, _) in INPUTS.items() if given(name)})
    if "image" in topics:
        topics["image/compressed"] = topics["image"] + "/compressed"
    node = Node(
        package="mdps_ros",
        executable="localization_node",
        name=given("node_name") or profile["node_name"],
        namespace=given("namespace") or profile.get("namespace", ""),
        parameters=[LaunchConfiguration("params_file"), parameters],
        remappings=list(topics.items()),
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        output="screen",
    )
    return [node]


def rviz(context: LaunchContext) -> list[Node | LogInfo]:
    """RViz; a line in its place where it is not installed."""
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        return [LogInfo(msg="warning: no package rviz2 here, so RViz is not started; install it")]
    node = Node(
        package="rviz2",
        executable="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", PathJoinSubstitution([*CONFIG, "mdps.rviz"])],
    )
    return [node]


def generate_launch_description() -> LaunchDescription:
    """Arguments, node, and RViz on request."""
    arguments = [
        DeclareLaunchArgument(
            name,
            default_value=default,
            description=description,
            choices=list(PROFILES) if name == "profile" else None,
        )
        for name, (default, description) in ARGUMENTS.items()
    ]
    shown = OpaqueFunction(function=rviz, condition=IfCondition(LaunchConfiguration("rviz")))
    node = OpaqueFunction(function=localization_node)
    return LaunchDescription([OpaqueFunction(function=check), *arguments, node, shown])
