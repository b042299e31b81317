from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

IMPORTS = """
import sys
from launch import LaunchDescription
from launch.actions import (DeclareLaunchArgument, EmitEvent, ExecuteProcess, GroupAction,
    IncludeLaunchDescription, LogInfo, OpaqueFunction, RegisterEventHandler,
    SetEnvironmentVariable, SetLaunchConfiguration, Shutdown, TimerAction)
from launch.conditions import IfCondition, UnlessCondition
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown as ShutdownEvent
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import (EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution,
    PythonExpression, TextSubstitution, ThisLaunchFileDir)

def say(*words, **options):
    return ExecuteProcess(cmd=[sys.executable, "-S", "-c",
        "import os, sys; print(*map(os.path.expandvars, sys.argv[1:]))", *words], **options)

def generate_launch_description():
    return LaunchDescription([
"""


def write(folder: Path, body: str, name: str = "under_test.launch.py") -> Path:
    path = folder / name
    path.write_text(IMPORTS + dedent(body) + "\n    ])\n")
    return path


def launch(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "launch", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def lines_of(done: subprocess.CompletedProcess[str], process: str = "python") -> list[str]:
    """What the processes printed, without the name before each line."""
    marks = [line.split("] ", 1) for line in done.stdout.splitlines() if line.startswith("[py")]
    return sorted(text for mark, text in marks if mark.startswith(f"[{process}"))


def test_arguments_have_defaults_and_can_be_given(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        DeclareLaunchArgument("who", default_value="world"),
        DeclareLaunchArgument("greeting", default_value=["hello ", LaunchConfiguration("who")]),
        say(LaunchConfiguration("greeting")),
        """,
    )
    assert lines_of(launch(path)) == ["hello world"]
    assert lines_of(launch(path, "who:=town")) == ["hello town"]


def test_a_required_argument_and_its_choices_are_enforced(tmp_path: Path) -> None:
    path = write(tmp_path, 'DeclareLaunchArgument("mode", choices=["a", "b"]), say("never"),')
    missing, wrong = launch(path), launch(path, "mode:=c")
    assert missing.returncode != 0
    assert "'mode'" in missing.stderr
    assert wrong.returncode != 0
    assert "Valid options are" in wrong.stderr
    assert lines_of(launch(path, "mode:=b")) == ["never"]


def test_show_args_lists_them_and_starts_nothing(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        DeclareLaunchArgument("rate", default_value="2.0", description="how fast"),
        GroupAction([DeclareLaunchArgument("inner", choices=["x", "y"])]),
        say("never"),
        """,
    )
    shown = launch(path, "--show-args")
    assert shown.returncode == 0
    for word in ("'rate':", "how fast", "(default: '2.0')", "'inner':", "x, y"):
        assert word in shown.stdout
    assert "never" not in shown.stdout


def test_conditions_decide_what_is_done(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        DeclareLaunchArgument("on", default_value="true"),
        say("if", condition=IfCondition(LaunchConfiguration("on"))),
        say("unless", condition=UnlessCondition(LaunchConfiguration("on"))),
        say("even", condition=IfCondition(PythonExpression(["'", LaunchConfiguration("on"),
                                                            "' == 'true' and floor(2.5) == 2"]))),
        """,
    )
    assert lines_of(launch(path)) == ["even", "if"]
    assert lines_of(launch(path, "on:=False")) == ["unless"]
    assert "expected one of" in launch(path, "on:=maybe").stderr


def test_what_is_set_in_a_group_stays_in_it(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        SetLaunchConfiguration("x", "outer"),
        SetEnvironmentVariable("PLACE", "outside"),
        GroupAction([
            SetLaunchConfiguration("x", "inner"),
            SetEnvironmentVariable("PLACE", "inside"),
            say("in", LaunchConfiguration("x"), "$PLACE", EnvironmentVariable("PLACE")),
        ]),
        GroupAction([SetLaunchConfiguration("y", "leaks")], scoped=False),
        say("out", LaunchConfiguration("x"), "$PLACE", LaunchConfiguration("y")),
        """,
    )
    assert lines_of(launch(path)) == ["in inner inside inside", "out outer outside leaks"]


def test_an_included_file_gets_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    write(
        tmp_path / "below",
        """
        DeclareLaunchArgument("depth"),
        say("included", LaunchConfiguration("depth"), ThisLaunchFileDir()),
        """,
        "inner.launch.py",
    )
    path = write(
        tmp_path,
        """
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(
                PathJoinSubstitution([ThisLaunchFileDir(), "below", "inner.launch.py"])),
            launch_arguments={"depth": TextSubstitution(text="2")}.items()),
        say("outer", ThisLaunchFileDir()),
        """,
    )
    assert lines_of(launch(path)) == [f"included 2 {tmp_path / 'below'}", f"outer {tmp_path}"]


def test_the_end_of_a_process_starts_the_next_and_ends_the_launch(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        ExecuteProcess(cmd=["sleep", "60"]),
        first := say("first"),
        RegisterEventHandler(OnProcessExit(target_action=first, on_exit=[
            say("second", on_exit=EmitEvent(event=ShutdownEvent(reason="done")))])),
        """,
    )
    begin = time.monotonic()
    done = launch(path)
    assert lines_of(done) == ["first", "second"]
    assert "sending signal 'SIGINT' to process[sleep-1]" in done.stdout
    assert done.returncode == 0
    assert time.monotonic() - begin < 20.0


def test_an_exit_handler_sees_the_exit_code(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        RegisterEventHandler(OnProcessExit(on_exit=lambda event, context: [
            LogInfo(msg=f"{event.process_name} gave {event.returncode}")])),
        ExecuteProcess(cmd=[sys.executable, "-S", "-c", "raise SystemExit(3)"], name="failing"),
        """,
    )
    done = launch(path)
    assert "failing-1 gave 3" in done.stdout
    assert "process has died [exit code 3]" in done.stdout


def test_timers_wait_and_opaque_functions_decide(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        OpaqueFunction(function=lambda context, word: [say(word, context.perform_substitution(
            LaunchConfiguration("who", default="nobody")))], args=["opaque"]),
        TimerAction(period=0.5, actions=[say("late"), Shutdown(reason="test")]),
        """,
    )
    begin = time.monotonic()
    done = launch(path, "who:=me")
    assert "opaque me" in lines_of(done)
    assert time.monotonic() - begin > 0.5
    assert "late" in done.stdout or "SIGINT" in done.stdout


def test_a_process_that_ends_is_started_again_where_asked(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        say("again", respawn=True, respawn_delay=0.1),
        TimerAction(period=2.0, actions=[Shutdown()]),
        """,
    )
    assert len(lines_of(launch(path))) > 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_processes_that_ignore_the_first_one(
    tmp_path: Path, number: signal.Signals
) -> None:
    path = write(
        tmp_path,
        """
        ExecuteProcess(cmd=[sys.executable, "-S", "-c", "import signal, time; "
            "signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); "
            "time.sleep(60)"], sigterm_timeout=0.3),
        """,
    )
    command = [sys.executable, "-m", "launch", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "deaf" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(timeout=20) == 0
    assert "'SIGINT'" in rest
    assert "'SIGTERM'" in rest


def test_unknown_names_raise_and_unknown_options_too() -> None:
    import launch.actions

    with pytest.raises(ImportError):
        from launch.actions import AppendEnvironmentVariable  # noqa: F401
    with pytest.raises(TypeError):
        launch.actions.ExecuteProcess(cmd=["true"], no_such_option=1)


PROBE = """#!{python}
import sys
import rclpy
from rclpy.parameter import Parameter

rclpy.init()
node = rclpy.create_node("probe", automatically_declare_parameters_from_overrides=True)
print("name", node.get_fully_qualified_name())
for name in sorted(set(node._parameters) - {{"start_type_description_service"}}):
    print("parameter", name, repr(node.get_parameter(name).value))
print("topic", node.resolve_topic_name("points"))
print("arguments", *[word for word in sys.argv[1:] if word.startswith("--own")])
node.destroy_node()
rclpy.shutdown()
"""

NODE_FILE = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, PushRosNamespace, SetParameter
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare

def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument("count", default_value="3"),
        GroupAction([
            PushRosNamespace("car"),
            PushRosNamespace("left"),
            SetParameter("use_sim_time", False),
            SetParameter("shared", 1.5),
            Node(package="probe_package", executable="probe", name="renamed",
                 parameters=[
                     PathJoinSubstitution([FindPackageShare("probe_package"), "base.yaml"]),
                     {"count": LaunchConfiguration("count"),
                      "label": ParameterValue(LaunchConfiguration("count"), value_type=str),
                      "filter": {"particles": 100, "gains": [0.5, 1.0]}}],
                 remappings=[("points", "scan/points")], arguments=["--own", "--own2"]),
        ]),
        Node(package="probe_package", executable="probe", namespace="/alone", exec_name="second"),
    ])
"""


@pytest.fixture
def probe_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with one executable node and a parameter file."""
    index = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    share, program = tmp_path / "share" / "probe_package", tmp_path / "lib" / "probe_package"
    for folder in (index, share, program):
        folder.mkdir(parents=True)
    (index / "probe_package").touch()
    (share / "base.yaml").write_text(
        "/**:\n  ros__parameters:\n    count: 1\n    from_file: true\n    label: x\n"
    )
    (program / "probe").write_text(PROBE.format(python=sys.executable))
    (program / "probe").chmod(0o755)
    paths = [str(tmp_path), os.environ.get("AMENT_PREFIX_PATH", "")]
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(filter(None, paths)))
    return tmp_path


def test_nodes_get_name_namespace_parameters_remappings_and_arguments(probe_prefix: Path) -> None:
    path = probe_prefix / "nodes.launch.py"
    path.write_text(NODE_FILE)
    done = launch(path, "count:=7")
    first = [text for text in done.stdout.splitlines() if text.startswith("[probe-1]")]
    assert [text.split("] ", 1)[1] for text in first] == [
        "name /car/left/renamed",
        "parameter count 7",
        "parameter filter.gains [0.5, 1.0]",
        "parameter filter.particles 100",
        "parameter from_file True",
        "parameter label '7'",
        "parameter shared 1.5",
        "parameter use_sim_time False",
        "topic /car/left/scan/points",
        "arguments --own --own2",
    ]
    assert "[second-1] name /alone/probe" in done.stdout
    assert "[second-1] topic /alone/points" in done.stdout


def test_an_unknown_package_or_executable_is_named(probe_prefix: Path) -> None:
    path = probe_prefix / "wrong.launch.py"
    path.write_text(NODE_FILE.replace('executable="probe"', 'executable="prob"'))
    done = launch(path)
    assert done.returncode != 0
    assert "has no executable 'prob'" in done.stderr
