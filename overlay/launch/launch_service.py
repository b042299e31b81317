"""Stand-in for launch.launch_service: visits a description and minds what it started."""

from __future__ import annotations

import collections
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.launch_description_entity import LaunchDescriptionEntity, visit_all
from launch.running import RunningProcess

if TYPE_CHECKING:
    from launch.actions.execute_process import ExecuteProcess
    from launch.event_handlers import OnProcessExit
    from launch.events.process import ProcessExited

TICK_S = 0.02
_Later = tuple[float, Sequence[LaunchDescriptionEntity], LaunchContext]


class LaunchService:
    """Runs descriptions until everything has ended, or Ctrl-C, SIGTERM or a Shutdown.

    Args:
        argv: accepted for compatibility; arguments go into context.launch_configurations.
        noninteractive: accepted for compatibility.
        debug: accepted for compatibility.
    """

    def __init__(
        self,
        *,
        argv: Iterable[str] | None = None,
        noninteractive: bool = False,
        debug: bool = False,
    ) -> None:
        self.context = LaunchContext(self)
        self._descriptions: list[LaunchDescription] = []
        self._processes: list[RunningProcess] = []
        self._later: list[_Later] = []
        self._handlers: list[tuple[OnProcessExit, LaunchContext]] = []
        self._names: collections.Counter[str] = collections.Counter()
        self._stop, self._printing = threading.Event(), threading.Lock()
        self._files = tempfile.TemporaryDirectory(prefix="launch_")

    @property
    def temporary_folder(self) -> str:
        """For files that processes read; removed at the end of the run."""
        return self._files.name

    def include_launch_description(self, launch_description: LaunchDescription) -> None:
        """Add a description to run."""
        self._descriptions.append(launch_description)

    def log(self, source: str, line: str) -> None:
        """Show a line, with where it comes from."""
        with self._printing:
            print(f"[{source}] {line}", flush=True)

    def shutdown(self, reason: str = "") -> None:
        """Ask for the end; safe from any thread and from a signal handler."""
        self._stop.set()

    def later(
        self, delay_s: float, actions: Sequence[LaunchDescriptionEntity], context: LaunchContext
    ) -> None:
        """Visit actions after a delay in seconds."""
        self._later.append((time.monotonic() + delay_s, actions, context))

    def handle_exits(self, handler: OnProcessExit, context: LaunchContext) -> None:
        """Let a handler see every end of a process."""
        self._handlers.append((handler, context))

    def start(self, action: ExecuteProcess, context: LaunchContext) -> None:
        """Start a process."""
        command = action.command(context)
        base = action.label(context) or os.path.basename(command[0])
        self._names[base] += 1
        name = f"{base}-{self._names[base]}"
        self._processes.append(RunningProcess(action, context, command, name, self.log))

    def run(self, *, shutdown_when_idle: bool = True) -> int:
        """Run until the end.

        Args:
            shutdown_when_idle: return when no process and no timer is left.

        Returns:
            0; as in launch, a process that fails does not change it.
        """
        previous = self._catch_signals()
        try:
            for description in self._descriptions:
                visit_all(description, self.context)
            while not self._stop.is_set():
                self._visit_due()
                self._collect_exits()
                if shutdown_when_idle and not self._processes and not self._later:
                    break
                self._stop.wait(TICK_S)
        finally:
            self._stop.set()
            self._end_processes()
            for number, handler in previous.items():
                signal.signal(number, handler)
            self._files.cleanup()
        return 0

    def _catch_signals(self) -> dict[signal.Signals, Any]:
        if threading.current_thread() is not threading.main_thread():
            return {}
        return {
            number: signal.signal(number, lambda *_: self.shutdown())
            for number in (signal.SIGINT, signal.SIGTERM)
        }

    def _visit_due(self) -> None:
        now = time.monotonic()
        due = [item for item in self._later if item[0] <= now]
        self._later = [item for item in self._later if item[0] > now]
        for _, actions, context in due:
            for action in actions:
                visit_all(action, context)

    def _collect_exits(self) -> None:
        for process in list(self._processes):
            event = process.exited()
            if event is None:
                continue
            self._processes.remove(process)
            self._report(event)
            if not self._stop.is_set():
                self._react(process, event)

    def _react(self, process: RunningProcess, event: ProcessExited) -> None:
        for handler, context in list(self._handlers):
            for entity in handler.handle(event, context):
                visit_all(entity, context)
        for entity in process.action.on_exit:
            visit_all(entity, process.context)
        if process.action.respawns(process.context) and not self._stop.is_set():
            self.later(process.action.respawn_delay, [process.action], process.context)

    def _report(self, event: ProcessExited) -> None:
        if event.returncode == 0:
            self.log("INFO", f"[{event.process_name}]: process has finished cleanly")
        else:
            code = f"exit code {event.returncode}"
            self.log("ERROR", f"[{event.process_name}]: process has died [{code}]")

    def _end_processes(self) -> None:
        for process in self._processes:
            process.begin_shutdown()
        while self._processes:
            for process in self._processes:
                process.continue_shutdown()
            self._collect_exits()
            time.sleep(TICK_S)
