"""Write a package of messages that has no wheel: SCRIPT PACKAGE FOLDER.

tf2_msgs comes from the definitions that rosbags carries. bond and tier4_localization_msgs are
written down here, field by field as they go over the wire: with them the node's bond and its align
service run as on a machine that has them. A sourced distribution's packages come earlier on the
path and win.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple


class Package(NamedTuple):
    """One package: its version, licence, what its fields need, and its files by path."""

    version: str
    licence: str
    needs: tuple[str, ...]
    files: dict[str, str]


BOND_STATUS = """std_msgs/Header header
string id
string instance_id
bool active
float32 heartbeat_timeout
float32 heartbeat_period
"""

ALIGN = """geometry_msgs/PoseWithCovarianceStamped pose_with_covariance
---
bool success
bool reliable
geometry_msgs/PoseWithCovarianceStamped pose_with_covariance
"""

PACKAGE_XML = """<?xml version="1.0"?>
<package format="3">
  <name>{name}</name>
  <version>{version}</version>
  <description>Messages of {name}, for a machine without a ROS distribution.</description>
  <maintainer email="mdps-ros@users.noreply.example.com">mdps_ros maintainers</maintainer>
  <license>{licence}</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
{depends}
  <exec_depend>rosidl_default_runtime</exec_depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""

CMAKE_LISTS = """cmake_minimum_required(VERSION 3.16)
project({name})
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
{finds}
rosidl_generate_interfaces(${{PROJECT_NAME}}
  {files}
  DEPENDENCIES {needs})
ament_export_dependencies(rosidl_default_runtime)
ament_package()
"""


def tf2_msgs() -> Package:
    """Of the newest distribution that rosbags knows."""
    from rosbags.typesys import Stores, get_typestore

    store, files = get_typestore(Stores.ROS2_KILTED), {}
    for name in ("TF2Error", "TFMessage"):
        text, _ = store.generate_msgdef(f"tf2_msgs/msg/{name}", ros_version=2)
        # The definitions of the field types follow after a line of 80 equals signs.
        files[f"msg/{name}.msg"] = text.split("=" * 80)[0]
    return Package("0.41.0", "BSD", ("builtin_interfaces", "geometry_msgs"), files)


PACKAGES = {
    "tf2_msgs": tf2_msgs,
    "bond": lambda: Package("4.1.0", "BSD", ("std_msgs",), {"msg/Status.msg": BOND_STATUS}),
    "tier4_localization_msgs": lambda: Package(
        "0.1.0", "Apache-2.0", ("geometry_msgs",), {"srv/PoseWithCovarianceStamped.srv": ALIGN}
    ),
}


def main(name: str, folder: Path) -> None:
    """Write package.xml, CMakeLists.txt and the message files of a package into a folder."""
    package = PACKAGES[name]()
    for file, text in package.files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    depends = "\n".join(f"  <depend>{need}</depend>" for need in package.needs)
    xml = PACKAGE_XML.format(
        name=name, version=package.version, licence=package.licence, depends=depends
    )
    (folder / "package.xml").write_text(xml)
    cmake = CMAKE_LISTS.format(
        name=name,
        finds="\n".join(f"find_package({need} REQUIRED)" for need in package.needs),
        files=" ".join(f'"{file}"' for file in package.files),
        needs=" ".join(package.needs),
    )
    (folder / "CMakeLists.txt").write_text(cmake)


main(sys.argv[1], Path(sys.argv[2]))
