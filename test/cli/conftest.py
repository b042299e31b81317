"""A short simulated drive that commands are tried on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mdps_ros.cli.simulate import write_simulation
from mdps_ros.maps import load_map


@pytest.fixture(scope="session")
def helsinki():
    """The bundled map of the centre of Helsinki."""
    return load_map("helsinki")


@pytest.fixture(scope="session")
def short_drive(tmp_path_factory, helsinki):
    """A bag of 220 m with depth images."""
    path = tmp_path_factory.mktemp("drive") / "short"
    write_simulation(helsinki, 220.0, 3, path, camera="depth")
    return path


@pytest.fixture
def mdps(tmp_path):
    """Run `mdps WORDS` as a process of its own, in an empty folder."""

    def run(*words, **options):
        command = [sys.executable, "-m", "mdps_ros.cli.main", *map(str, words)]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, check=False, **options
        )

    return run
