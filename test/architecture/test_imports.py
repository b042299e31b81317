"""Each check runs in an interpreter of its own, since importing cannot be undone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

MODULES = f"""
import pathlib

def modules():
    root = pathlib.Path({str(ROOT)!r})
    for path in sorted((root / "mdps_ros").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if parts[1] != "ros" and parts[-1] != "__main__":
            yield name
"""

WITHOUT_ROS = """
import importlib, sys

BLOCKED = ("rclpy", "tf2_ros", "tf2_msgs", "tf_transformations", "sensor_msgs", "sensor_msgs_py",
           "geometry_msgs", "nav_msgs", "std_msgs", "std_srvs", "launch", "launch_ros", "cv_bridge",
           "mdps_ros.msg", "mdps_ros.srv", "diagnostic_msgs")

class Block:
    def find_spec(self, name, path=None, target=None):
        if name in BLOCKED or name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is imported outside of mdps_ros.ros")

sys.meta_path.insert(0, Block())
count = 0
for name in modules():
    importlib.import_module(name)
    count += 1
print(count)
"""

SILENT = """
import contextlib, io, logging, sys
import numpy, torch

def flags():
    return {
        "default dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn deterministic": torch.backends.cudnn.deterministic,
        "cudnn benchmark": torch.backends.cudnn.benchmark,
        "tf32": torch.get_float32_matmul_precision(),
        "threads": torch.get_num_threads(),
        "print": str(torch._tensor_str.PRINT_OPTS),
        "torch seed": torch.initial_seed(),
        "torch state": torch.get_rng_state().sum().item(),
        "numpy state": str(numpy.random.get_state()[1][:4]),
        "numpy errors": str(numpy.geterr()),
        "log level": logging.getLogger().level,
        "log handlers": len(logging.getLogger().handlers),
    }

import importlib
before, said = flags(), io.StringIO()
with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
    for name in modules():
        importlib.import_module(name)
assert said.getvalue() == "", said.getvalue()
changed = {key: value for key, value in flags().items() if value != before[key]}
assert not changed, changed
"""

LIGHT = """
import sys
import mdps_ros.settings, mdps_ros.notes
heavy = {"torch", "numpy", "cv2", "matplotlib", "scipy"} & set(sys.modules)
assert not heavy, heavy
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_everything_outside_of_ros_imports_without_ros() -> None:
    assert int(run(MODULES + WITHOUT_ROS)) > 10


def test_the_blocker_of_that_test_blocks() -> None:
    probe = WITHOUT_ROS.split("count = 0")[0] + "\nimport geometry_msgs.msg\n"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert "outside of mdps_ros.ros" in done.stderr


def test_importing_says_nothing_and_changes_nothing() -> None:
    run(MODULES + SILENT)


def test_settings_and_notes_need_no_heavy_library() -> None:
    run(LIGHT)
