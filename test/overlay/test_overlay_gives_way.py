from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

OVERLAY = Path(__file__).resolve().parents[2] / "overlay"
PACKAGES = sorted(path.name for path in OVERLAY.iterdir() if (path / "__init__.py").is_file())


def place_of(package: str, **environment: str) -> str:
    """Where a fresh interpreter finds the package."""
    code = f"import importlib.util as u; print(u.find_spec({package!r}).origin)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    return found.stdout.strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_of_the_distribution_is_found_before_the_stand_in(
    package: str, tmp_path: Path
) -> None:
    (tmp_path / package).mkdir()
    theirs = tmp_path / package / "__init__.py"
    theirs.touch()
    assert place_of(package, PYTHONPATH=str(tmp_path)) == str(theirs)


def test_colcon_does_not_see_the_stand_ins() -> None:
    assert (OVERLAY / "COLCON_IGNORE").is_file()
    assert PACKAGES == ["launch", "launch_ros", "sensor_msgs_py", "tf2_ros", "tf_transformations"]


@pytest.mark.parametrize("path", sorted(OVERLAY.rglob("*.py")), ids=lambda path: path.name)
def test_the_first_line_says_that_it_is_a_stand_in(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith('"""')
    assert "stand-in" in first.lower()
