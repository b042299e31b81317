"""Write a tf2_msgs package from the definitions that rosbags carries: SCRIPT FOLDER.

There is no tf2_msgs wheel. A sourced distribution's tf2_msgs comes earlier on the path and wins.
"""

import sys
from pathlib import Path

from rosbags.typesys import Stores, get_typestore

MESSAGES = ("TF2Error", "TFMessage")

PACKAGE_XML = """<?xml version="1.0"?>
<package format="3">
  <name>tf2_msgs</name>
  <version>0.41.0</version>
  <description>The tf2 messages, from the definitions that rosbags carries.</description>
  <maintainer email="mdps-ros@users.noreply.example.com">mdps_ros maintainers</maintainer>
  <license>BSD</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>builtin_interfaces</depend>
  <depend>geometry_msgs</depend>
  <exec_depend>rosidl_default_runtime</exec_depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""

CMAKE_LISTS = """cmake_minimum_required(VERSION 3.16)
project(tf2_msgs)
find_package(ament_cmake REQUIRED)
find_package(builtin_interfaces REQUIRED)
find_package(geometry_msgs REQUIRED)
find_package(rosidl_default_generators REQUIRED)
rosidl_generate_interfaces(${PROJECT_NAME}
  "msg/TF2Error.msg" "msg/TFMessage.msg"
  DEPENDENCIES builtin_interfaces geometry_msgs)
ament_export_dependencies(rosidl_default_runtime)
ament_package()
"""


def main(folder: Path) -> None:
    """Write package.xml, CMakeLists.txt and msg/*.msg into the folder."""
    store = get_typestore(Stores.ROS2_KILTED)
    (folder / "msg").mkdir(parents=True)
    for name in MESSAGES:
        text, _ = store.generate_msgdef(f"tf2_msgs/msg/{name}", ros_version=2)
        # The definitions of the field types follow after a line of 80 equals signs.
        (folder / "msg" / f"{name}.msg").write_text(text.split("=" * 80)[0])
    (folder / "package.xml").write_text(PACKAGE_XML)
    (folder / "CMakeLists.txt").write_text(CMAKE_LISTS)


main(Path(sys.argv[1]))
