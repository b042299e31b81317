"""Child processes of a command, and the ROS environment they run in. Imports no ROS."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import mdps_ros

DOMAINS = range(101, 0, -1)
"""Domain ids to try, those that people choose last; ports of ids above 101 run into those that
the kernel hands out."""
END_S = 10.0
"""Time that a child gets to end after SIGINT."""


class LiveError(RuntimeError):
    """A child process failed or fell silent; the text holds the end of its log."""


class Child:
    """A Python module that runs as a process of its own.

    The child has its own session, so Ctrl-C reaches only the parent, which ends its children in
    order.

    Args:
        module: what `python -m` runs.
        words: its arguments.
        environment: all its variables.
        log: file for stdout and stderr; None shows them.
    """

    def __init__(
        self, module: str, words: Sequence[str], environment: Mapping[str, str], log: Path | None
    ) -> None:
        self.name = module.rpartition(".")[2]
        self._log = log
        out = None if log is None else log.open("wb")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        finally:
            if out is not None:
                out.close()

    @property
    def code(self) -> int | None:
        """Exit code, None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Exit code, or None when it still runs after the time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def tail(self, lines: int = 15) -> str:
        """The end of the log, or nothing where it has none."""
        if self._log is None or not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def end(self) -> None:
        """Ask it to end, and kill it with all its own children when it does not."""
        if self.code is None:
            self._process.send_signal(signal.SIGINT)
            if self.wait(END_S) is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


@contextmanager
def children() -> Iterator[list[Child]]:
    """A list whose processes are ended, the last one first, however the block is left.

    SIGTERM leaves the block as Ctrl-C does. A second signal cannot cut the ending short.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    started: list[Child] = []
    try:
        yield started
    finally:
        interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for child in reversed(started):
            child.end()
        signal.signal(signal.SIGINT, interrupted)
        signal.signal(signal.SIGTERM, before)


@contextmanager
def own_domain() -> Iterator[int]:
    """A ROS domain id for the length of the block that nobody else on this machine uses.

    A locked file holds it against other commands of ours, which may not have opened a port yet;
    trying the discovery port finds all other ROS processes.

    Raises:
        LiveError: all are taken.
    """
    for domain in DOMAINS:
        path = Path(tempfile.gettempdir(), f"mdps_ros_domain_{os.getuid()}_{domain}")
        with path.open("w") as claim, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                probe.bind(("", 7400 + 250 * domain))
            except OSError:
                continue
            probe.close()
            yield domain
            return
    raise LiveError("no free ROS domain id; end other ROS processes on this machine")


def ros_environment(domain: int, log_dir: Path) -> dict[str, str]:
    """Variables for ROS processes of a private domain, with room for images in shared memory.

    Args:
        domain: ROS_DOMAIN_ID.
        log_dir: ROS_LOG_DIR.
    """
    environment = dict(os.environ)
    environment |= {
        "ROS_DOMAIN_ID": str(domain),
        "ROS_LOG_DIR": str(log_dir.absolute()),
        "PYTHONUNBUFFERED": "1",
    }
    profiles = config_file("fastdds.xml")
    old = environment.get("ROS_DISTRO") in ("humble", "jazzy")  # they read the older name only
    name = "FASTRTPS_DEFAULT_PROFILES_FILE" if old else "FASTDDS_DEFAULT_PROFILES_FILE"
    if profiles is not None:
        environment.setdefault(name, str(profiles))
    return environment


def config_file(name: str) -> Path | None:
    """A file of `config/`, in the checkout or where the package is installed."""
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    shares = [prefix / "share" / "mdps_ros" for prefix in [*prefixes, Path(sys.prefix)]]
    checkout = Path(mdps_ros.__file__ or "").resolve().parent.parent
    found = (folder / "config" / name for folder in [checkout, *shares])
    return next((path for path in found if path.is_file()), None)
