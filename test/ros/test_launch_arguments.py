"""Arguments that no launch file declares are refused, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mdps_ros.ros.launch_arguments import OF_LAUNCH, UnknownArgument, is_started, refuse_unknown

ROOT = Path(__file__).parents[2]
FILE = str(ROOT / "launch" / "localization.launch.py")
BY_NAME = ("/bin/ros2", "launch", "mdps_ros", "localization.launch.py")
DECLARED = ("map", "image_topic", "odom_topic")
ACTIVE = "active: waiting for odometry"


@pytest.mark.parametrize("command", [BY_NAME, ("/bin/ros2", "launch", "--debug", FILE)])
def test_a_misspelt_argument_is_answered_with_the_one_meant(command: tuple[str, ...]) -> None:
    for given, meant in (
        ("mpa", "did you mean map? --show-args"),
        ("img_topic", "did you mean image_topic? --show-args"),
        ("x", "--show-args"),
    ):
        with pytest.raises(UnknownArgument) as caught:
            refuse_unknown(FILE, DECLARED, (*command, "map:=a:=b", f"{given}:=c"))
        assert f"unknown launch argument {given}; {meant}" in str(caught.value)


def test_arguments_that_are_declared_or_of_launch_itself_are_taken() -> None:
    given = [f"{name}:=x:=y" for name in (*DECLARED, *OF_LAUNCH)]
    refuse_unknown(FILE, DECLARED, (*BY_NAME, *given))


@pytest.mark.parametrize(
    "command",
    [
        ("/bin/ros2", "launch", "fleet", "all.launch.py"),
        ("/bin/ros2", "launch", "fleet", "localization.launch.py"),
        ("/bin/ros2", "launch", "mdps_ros", "replay.launch.py"),
        ("/bin/ros2", "launch", "OTHER/localization.launch.py"),
        ("/bin/pytest", "test/ros/test_launch_pytest.py"),
    ],
)
def test_a_file_that_another_one_includes_refuses_nothing(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "localization.launch.py").write_text("")
    words = [word.replace("OTHER", str(tmp_path)) for word in command]
    assert not is_started(FILE, words)
    refuse_unknown(FILE, DECLARED, (*words, "mpa:=x", "robots:=3"))


def test_launch_files_refuse_what_neither_they_nor_included_ones_declare(start: Any) -> None:
    for file, given, meant in (
        ("localization", "mpa:=x", "map"),
        ("replay", "img_topic:=x", "image_topic"),  # of the included file
        ("replay", "rat:=2", "rate"),
    ):
        arguments = [f"{file}.launch.py", given, *(["bag:=x"] if file == "replay" else [])]
        launch = start("launch", "mdps_ros", *arguments)
        assert launch.popen.wait(30) != 0
        name = given.partition(":=")[0]
        assert f"unknown launch argument {name}; did you mean {meant}?" in launch.text
        assert "[localization_node-1]" not in launch.text


INCLUDING = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument("town", description="file"),
        IncludeLaunchDescription(PythonLaunchDescriptionSource("FILE"),
            launch_arguments={"map": LaunchConfiguration("town"), "colour": "red"}.items()),
    ])
"""


def test_another_launch_file_includes_ours_with_arguments_of_its_own(
    start: Any, town: Path, tmp_path: Path
) -> None:
    path = tmp_path / "localization.launch.py"  # no name of ours keeps anybody from it
    path.write_text(INCLUDING.replace("FILE", FILE))
    launch = start("launch", str(path), f"town:={town}", "robots:=3", "node_name:=me")
    text = launch.wait_for(ACTIVE)
    assert "[me]" in text
    assert launch.end() == 0, launch.text
