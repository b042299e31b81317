from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETUP = ROOT / "setup"


def call(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code against the modules of the set-up, with only these variables."""
    return subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(SETUP)!r})\n{code}"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )


def test_each_missing_tool_gets_one_line_with_its_debian_package(tmp_path: Path) -> None:
    code = (
        "import sysconfig, importlib.util, tools\n"
        f"sysconfig.get_paths = lambda: {{'include': {str(tmp_path)!r}}}\n"
        "importlib.util.find_spec = lambda name: None\n"
        "sys.version_info = (3, 8, 1)\n"
        "print('\\n'.join(tools.missing()))"
    )
    lines = call(code, PATH=str(tmp_path)).stdout.splitlines()
    packages = ["python3 ", "python3-venv", "python3-dev", "gcc", "g++", "make"]
    assert len(lines) == len(packages)
    for line, package in zip(lines, packages, strict=True):
        assert f"install {package}" in line


def test_nothing_is_missing_on_a_machine_that_has_it(tmp_path: Path) -> None:
    for name in ("cc", "c++", "make"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "Python.h").touch()
    code = (
        "import sysconfig, tools\n"
        f"sysconfig.get_paths = lambda: {{'include': {str(tmp_path)!r}}}\n"
        "print(tools.missing())"
    )
    assert call(code, PATH=str(tmp_path)).stdout == "[]\n"


def test_a_machine_without_compilers_ends_the_set_up_with_status_2(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("setup", "msg", "srv", "action", "cmake"):
        shutil.copytree(ROOT / name, checkout / name)
    for name in ("CMakeLists.txt", "package.xml"):
        shutil.copy(ROOT / name, checkout / name)
    done = subprocess.run(
        [sys.executable, "-S", str(checkout / "setup")],
        capture_output=True,
        text=True,
        env={"PATH": str(tmp_path)},
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "set-up: a C compiler (cc) is missing: install gcc" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout / ".venv").exists()


STEPS = """
import json, pathlib, steps

root = pathlib.Path({root!r})
setup = steps.Setup(root, pathlib.Path({venv!r}))
done = []
fail_at = {fail_at!r}

def work_of(name):
    def work():
        done.append(name)
        setup.python.parent.mkdir(parents=True, exist_ok=True)
        setup.python.touch()
        if name == fail_at:
            raise steps.Failure("broken on purpose")
    return work

setup._steps = [step._replace(work=work_of(step.name)) for step in setup._steps]
try:
    setup.run()
except steps.Failure:
    pass
print(json.dumps(done))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("msg", "srv", "action", "cmake"):
        (tmp_path / name).mkdir()
    for name in (
        "CMakeLists.txt",
        "package.xml",
        "msg/A.msg",
        "srv/A.srv",
        "action/A.action",
        "cmake/a.in",
    ):
        (tmp_path / name).write_text("first")
    return tmp_path


def steps_done(checkout: Path, fail_at: str = "") -> str:
    code = STEPS.format(root=str(checkout), venv=str(checkout / ".venv"), fail_at=fail_at)
    done = call(code, PATH=os.defpath)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


ALL = (
    '["virtual environment", "wheels", "paths", "tf2_msgs", "bond", "tier4_localization_msgs", '
    '"messages"]'
)


def test_steps_are_skipped_while_their_inputs_stay(checkout: Path) -> None:
    assert steps_done(checkout) == ALL
    assert steps_done(checkout) == "[]"


@pytest.mark.parametrize("file", ["msg/A.msg", "srv/A.srv"])
def test_a_changed_message_rebuilds_the_messages_only(checkout: Path, file: str) -> None:
    steps_done(checkout)
    (checkout / file).write_text("second")
    assert steps_done(checkout) == '["messages"]'


def test_an_interrupted_step_is_done_again(checkout: Path) -> None:
    assert steps_done(checkout, fail_at="bond").endswith('"bond"]')
    assert steps_done(checkout) == '["bond", "tier4_localization_msgs", "messages"]'


def test_a_lost_environment_is_made_anew(checkout: Path) -> None:
    steps_done(checkout)
    shutil.rmtree(checkout / ".venv")
    assert steps_done(checkout) == ALL
