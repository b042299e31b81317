"""The steps of the set-up, their inputs and their stamps."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
MAP_EXTRACTS = HERE / "map-extracts.txt"  # wheels wanted for their data, not for their code
GENERATED = ("tf2_msgs", "bond", "tier4_localization_msgs")  # messages that have no wheel
HEARTBEAT_S = 30.0


class Failure(Exception):
    """A step failed; the text says which, and where its log is."""


class Step(NamedTuple):
    """One unit of work, redone when the hash of its inputs changes."""

    name: str
    inputs: str  # hash over everything that the step reads
    work: Callable[[], None]


class Setup:
    """The steps for one checkout and one virtual environment.

    Args:
        root: the checkout.
        venv: folder of the virtual environment, absolute.
    """

    def __init__(self, root: Path, venv: Path) -> None:
        self.root, self.venv = root, venv
        self.work = root / "build" / "setup"
        self.python = venv / "bin" / "python"
        self._stamps = venv / "mdps_ros_setup.json"
        requirements = [*sorted(HERE.glob("requirements*.txt")), MAP_EXTRACTS]
        scripts = sorted(HERE.rglob("*.py"))
        place = _hash([], str(venv), str(root), ".".join(map(str, sys.version_info[:2])))
        wheels = _hash(requirements + scripts, place)
        sources = [root / "CMakeLists.txt", root / "package.xml"]
        for folder in ("msg", "srv", "action", "cmake"):
            sources += sorted((root / folder).iterdir())
        self._steps = [
            Step("virtual environment", place, self._make_venv),
            Step("wheels", wheels, self._install_wheels),
            Step("paths", wheels, self._link_checkout),
            *(
                Step(name, wheels, functools.partial(self._build_generated, name))
                for name in GENERATED
            ),
            Step("messages", _hash(sources, wheels), self._build_messages),
        ]

    def pending(self) -> list[Step]:
        """Steps whose stamp is absent or differs from their inputs, in order."""
        stamps = self._read_stamps() if self.python.exists() else {}
        return [step for step in self._steps if stamps.get(step.name) != step.inputs]

    def run(self) -> None:
        """Do all pending steps.

        Raises:
            Failure: a command failed; the environment stays unstamped from that step on.
        """
        begin = time.monotonic()
        for step in self.pending():
            self._write_stamp(step.name, None)
            start = time.monotonic()
            print(f"set-up: {step.name} ...", flush=True)
            step.work()
            self._write_stamp(step.name, step.inputs)
            print(f"set-up: {step.name} done in {time.monotonic() - start:.0f} s", flush=True)
        print(f"set-up: ready after {time.monotonic() - begin:.0f} s", flush=True)

    def _make_venv(self) -> None:
        # A virtual environment names its own place in every script: one that was moved, copied
        # or left half made is of no use and is made anew. One that works is kept as it is.
        if not self._venv_works():
            self._call("venv", [sys.executable, "-m", "venv", "--clear", self.venv])

    def _venv_works(self) -> bool:
        question = "import sys; print(sys.prefix, '%d.%d' % sys.version_info[:2])"
        wanted = f"{self.venv} {sys.version_info[0]}.{sys.version_info[1]}"
        checks = (["-c", question], ["-m", "pip", "--version"])
        if not (self.python.exists() and (self.venv / "bin" / "pip").exists()):
            return False
        answers = [_ask([self.python, *check], self._environment()) for check in checks]
        shebang = (self.venv / "bin" / "pip").read_text().splitlines()[0]
        return answers[0] == wanted and bool(answers[1]) and str(self.venv) in shebang

    def _install_wheels(self) -> None:
        files = [item for name in sorted(HERE.glob("requirements*.txt")) for item in ("-r", name)]
        install = [self.python, "-m", "pip", "install", "-q"]
        self._call("pip", [*install, *files])
        self._call("pip-maps", [*install, "--no-deps", "-r", MAP_EXTRACTS])
        self._call("patch", [self.python, HERE / "inside" / "patch_cmake_exports.py"])

    def _link_checkout(self) -> None:
        site = Path(_ask([self.python, HERE / "inside" / "site_packages.py"], self._environment()))
        template = (HERE / "inside" / "mdps_ros_paths.py").read_text()
        text = template.replace('"@CHECKOUT@"', repr(str(self.root)))
        (site / "mdps_ros_paths.py").write_text(text)
        (site / "mdps_ros_paths.pth").write_text("import mdps_ros_paths\n")

    def _build_generated(self, name: str) -> None:
        source = self.work / name
        shutil.rmtree(source, ignore_errors=True)
        script = HERE / "inside" / "generate_messages.py"
        self._call(name, [self.python, script, name, source])
        self._cmake(name, source)

    def _build_messages(self) -> None:
        self._cmake("mdps_ros", self.root, "-DMDPS_ROS_LIVE_SOURCE=ON")

    def _cmake(self, name: str, source: Path, *options: str) -> None:
        build = self.work / f"cmake-{name}"
        shutil.rmtree(build, ignore_errors=True)
        cmake = self.venv / "bin" / "cmake"
        configure = [
            *(cmake, "-S", source, "-B", build, "-G", "Ninja"),
            *("-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF"),
            *(f"-DCMAKE_INSTALL_PREFIX={self.venv}", f"-DPython3_EXECUTABLE={self.python}"),
            *("-DPython3_FIND_VIRTUALENV=ONLY", *options),
        ]
        self._call(name, configure)
        self._call(name, [cmake, "--build", build], append=True)
        self._call(name, [cmake, "--install", build], append=True)

    def _environment(self) -> dict[str, str]:
        """The caller's environment, with the tools of the virtual environment in front."""
        environment = dict(os.environ)
        for name in ("_ROS_WHEELS_BOOTSTRAP_COMPLETE", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"):
            environment.pop(name, None)
        path = environment.get("PATH", os.defpath)
        environment["PATH"] = os.pathsep.join([str(self.venv / "bin"), path])
        environment["AMENT_PREFIX_PATH"] = environment["CMAKE_PREFIX_PATH"] = str(self.venv)
        return environment

    def _call(self, name: str, command: Iterable[object], append: bool = False) -> None:
        """Run a command into a log; show its end when it fails, a sign of life when it is slow."""
        log = self.work / f"{name}.log"
        words, start, beats = [str(word) for word in command], time.monotonic(), 1
        with log.open("a" if append else "w") as output:
            process = subprocess.Popen(
                words, stdout=output, stderr=subprocess.STDOUT, env=self._environment()
            )
            while process.poll() is None:
                time.sleep(0.05)
                if time.monotonic() - start > beats * HEARTBEAT_S:
                    print(f"set-up:   still at it after {beats * HEARTBEAT_S:.0f} s", flush=True)
                    beats += 1
        if process.returncode:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
            raise Failure(f"`{' '.join(words[:4])} ...` failed; the end of {log}:\n{tail}")

    def _read_stamps(self) -> dict[str, str]:
        try:
            stamps: dict[str, str] = json.loads(self._stamps.read_text())
        except (OSError, ValueError):
            return {}
        return stamps

    def _write_stamp(self, name: str, value: str | None) -> None:
        stamps = self._read_stamps()
        stamps.pop(name, None)
        if value is not None:
            stamps[name] = value
        if self.venv.is_dir():
            self._stamps.write_text(json.dumps(stamps, indent=1))


def _hash(files: Iterable[Path], *texts: str) -> str:
    digest = hashlib.sha256("\0".join(texts).encode())
    for file in files:
        digest.update(b"\0" + file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _ask(command: list[object], environment: dict[str, str]) -> str:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
