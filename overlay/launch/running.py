"""One running process of the launch stand-in: its output, its end."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from launch.actions.execute_process import ExecuteProcess
from launch.events.process import ProcessExited
from launch.launch_context import LaunchContext

Log = Callable[[str, str], None]
DRAIN_S = 2.0


class RunningProcess:
    """Starts the process and copies its output line by line.

    Args:
        action: what to start.
        context: the scope it was started in.
        command: program and arguments.
        name: unique; shown before each line.
        log: takes the name and a line.
    """

    def __init__(
        self,
        action: ExecuteProcess,
        context: LaunchContext,
        command: Sequence[str],
        name: str,
        log: Log,
    ) -> None:
        self.action, self.context, self.name = action, context, name
        self._log, self._shutdown_begin_s = log, 0.0
        self._escalation: list[tuple[float, signal.Signals]] = []
        # In a session of its own, so that Ctrl-C in a terminal reaches it once, through us.
        self._process = subprocess.Popen(
            command,
            env={"PYTHONUNBUFFERED": "1", **action.variables(context)},
            cwd=action.folder(context),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        log("INFO", f"[{name}]: process started with pid [{self._process.pid}]")
        self._reader = threading.Thread(target=self._copy_output, daemon=True)
        self._reader.start()

    def exited(self) -> ProcessExited | None:
        """How it ended; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        self._reader.join(DRAIN_S)
        return ProcessExited(self.action, self.name, self._process.pid, code)

    def begin_shutdown(self) -> None:
        """Ask it to end: SIGINT now, SIGTERM and SIGKILL when its timeouts pass."""
        terminate_s, kill_s = self.action.timeouts_s(self.context)
        self._escalation = [
            (0.0, signal.SIGINT),
            (terminate_s, signal.SIGTERM),
            (terminate_s + kill_s, signal.SIGKILL),
        ]
        self._shutdown_begin_s = time.monotonic()
        self.continue_shutdown()

    def continue_shutdown(self) -> None:
        """Send the signals that are due."""
        waited_s = time.monotonic() - self._shutdown_begin_s
        while self._escalation and self._escalation[0][0] <= waited_s:
            _, number = self._escalation.pop(0)
            if self._process.poll() is None:
                self._log("INFO", f"sending signal '{number.name}' to process[{self.name}]")
                self._process.send_signal(number)

    def _copy_output(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._log(self.name, line.rstrip("\n"))
