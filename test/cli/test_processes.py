"""Child processes end with their parent, whatever happens; ROS gets a domain of its own."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from mdps_ros.cli.processes import (
    Child,
    LiveError,
    children,
    config_file,
    own_domain,
    ros_environment,
)

SLEEPER = """
import signal, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
try:
    print("up", flush=True)  # inside: the signal may come at once
    time.sleep(60)
except KeyboardInterrupt:
    print("ended politely", flush=True)
"""


@pytest.fixture
def start(tmp_path):
    """Start a module that sleeps; it is up when this returns."""
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}

    def run(*words):
        log = tmp_path / f"{len(list(tmp_path.iterdir()))}.log"
        child = Child("sleeper", words, environment, log)
        end = time.monotonic() + 20.0
        while "up" not in child.tail():
            assert time.monotonic() < end
            time.sleep(0.02)
        return child

    return run


def test_children_end_politely_when_the_block_ends(start):
    with children() as started:
        started.append(start())
        assert started[0].code is None
    assert started[0].code == 0
    assert "ended politely" in started[0].tail()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_leave_the_block_and_end_the_children(start, number):
    before, seen = signal.getsignal(number), []

    def run():
        with children() as started:
            seen.append(start())
            started.extend(seen)
            os.kill(os.getpid(), number)
            time.sleep(5.0)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert seen[0].code == 0
    assert signal.getsignal(number) is before


def test_child_that_ignores_the_signal_is_killed(start, monkeypatch):
    monkeypatch.setattr("mdps_ros.cli.processes.END_S", 0.3)
    with children() as started:
        started.append(start("stubborn"))
    assert started[0].code == -signal.SIGKILL


def test_error_in_the_block_ends_the_children_and_goes_on(start):
    seen = []

    def run():
        with children() as started:
            seen.append(start())
            started.extend(seen)
            raise LiveError("because")

    with pytest.raises(LiveError, match="because"):
        run()
    assert seen[0].code == 0


def test_own_domain_is_not_one_in_use_and_is_given_back():
    with own_domain() as first:
        with own_domain() as second:
            assert second != first
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
            port.bind(("", 7400 + 250 * first))  # the probe has let go of it
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", 7400 + 250 * first))
        with own_domain() as another:
            assert another != first
    with own_domain() as again:
        assert again == first


@pytest.mark.parametrize(
    ("distribution", "name"),
    [
        ("kilted", "FASTDDS_DEFAULT_PROFILES_FILE"),
        ("humble", "FASTRTPS_DEFAULT_PROFILES_FILE"),
        (None, "FASTDDS_DEFAULT_PROFILES_FILE"),
    ],
)
def test_environment_has_a_domain_a_log_folder_and_room_for_images(
    monkeypatch, tmp_path, distribution, name
):
    for variable in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    if distribution is not None:
        monkeypatch.setenv("ROS_DISTRO", distribution)
    environment = ros_environment(42, tmp_path / "log")
    assert environment["ROS_DOMAIN_ID"] == "42"
    assert environment["ROS_LOG_DIR"] == str(tmp_path / "log")
    assert Path(environment[name]).read_text().startswith("<?xml")
    monkeypatch.setenv(name, "mine.xml")
    assert ros_environment(42, tmp_path)[name] == "mine.xml"


def test_config_files_are_found_where_the_package_is_installed(monkeypatch, tmp_path):
    assert config_file("absent.xml") is None
    share = tmp_path / "share" / "mdps_ros" / "config"
    share.mkdir(parents=True)
    (share / "absent.xml").write_text("now there")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}{os.pathsep}{tmp_path / 'other'}")
    assert config_file("absent.xml") == share / "absent.xml"
