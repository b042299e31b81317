"""Lets pip build the package where there is no colcon: `pip install --no-build-isolation .`.

For an environment that holds the ROS wheels, patched as the set-up does. colcon never reads this
file, since package.xml names ament_cmake. Both run the same CMakeLists.txt; here its install tree
becomes a wheel: modules and generated messages as the package, libraries, executables and share/
as data files under the prefix. Do not mix it with an environment that `make setup` made: there
the generated egg-info looks like an older version, and pip would remove the messages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

NAME = "mdps_ros"
VERSION = "0.1.0"
HERE = Path(__file__).resolve().parent


class CMakeBuild(build_py):
    """Runs CMake and takes its install tree as what is to be packaged."""

    def run(self) -> None:
        """Build, install into a stage, sort the stage into package and data files."""
        base = Path(self.get_finalized_command("build").build_base).resolve()
        stage = base / "stage"
        shutil.rmtree(stage, ignore_errors=True)
        self._cmake(base / "cmake", stage)
        site = stage / os.path.relpath(sysconfig.get_paths()["purelib"], sys.prefix)
        package = Path(self.build_lib) / NAME
        shutil.rmtree(package, ignore_errors=True)
        shutil.copytree(
            site / NAME, package, ignore=shutil.ignore_patterns("__pycache__", "*.c", "*.pyc")
        )
        folders: dict[str, list[str]] = {}
        for path in sorted(stage.rglob("*")):
            # pip makes bin/mdps itself, for the interpreter that it installs into.
            if path.is_file() and site not in path.parents and path.parent != stage / "bin":
                folder = str(path.parent.relative_to(stage))
                folders.setdefault(folder, []).append(os.path.relpath(path, HERE))
        self.distribution.data_files = list(folders.items())

    def _cmake(self, build: Path, stage: Path) -> None:
        tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        prefix = {"AMENT_PREFIX_PATH": sys.prefix, "CMAKE_PREFIX_PATH": sys.prefix}
        environment = {**os.environ, **prefix, "PATH": tools}
        generator = ["-G", "Ninja"] if shutil.which("ninja", path=tools) else []
        options = [
            *("-DBUILD_TESTING=OFF", "-DCMAKE_BUILD_TYPE=Release"),
            *(f"-DCMAKE_INSTALL_PREFIX={stage}", f"-DPython3_EXECUTABLE={sys.executable}"),
        ]
        for command in (
            ["cmake", "-S", str(HERE), "-B", str(build), *generator, *options],
            ["cmake", "--build", str(build), "--parallel", str(os.cpu_count() or 1)],
            ["cmake", "--install", str(build)],
        ):
            subprocess.run(command, check=True, env=environment)


class BinaryDistribution(Distribution):
    """A distribution with compiled parts, which makes the wheel one of this platform."""

    def has_ext_modules(self) -> bool:
        """Always: the messages' type support."""
        return True


setup(
    name=NAME,
    version=VERSION,
    description="Camera-to-map localization with mixture-density particle filters.",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[NAME],
    cmdclass={"build_py": CMakeBuild},
    distclass=BinaryDistribution,
    entry_points={"console_scripts": ["mdps = mdps_ros.cli.main:main"]},
)
