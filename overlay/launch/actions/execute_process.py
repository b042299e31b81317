"""Stand-in for launch.actions.execute_process: start a program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from launch.action import Action
from launch.condition import Condition
from launch.launch_context import LaunchContext
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitution import SomeSubstitutionsType, text

_TRUE = ("true", "1")


class ExecuteProcess(Action):
    """A program to run.

    Args:
        cmd: program and arguments.
        name: shown before its output; the program's own name when None.
        cwd: folder to run in.
        env: its whole environment.
        additional_env: variables on top.
        output: accepted for compatibility; everything is shown.
        emulate_tty: accepted for compatibility; PYTHONUNBUFFERED shows Python output at once.
        respawn: start it again when it ends by itself.
        respawn_delay: seconds before that.
        sigterm_timeout: seconds from SIGINT to SIGTERM at shutdown.
        sigkill_timeout: seconds from SIGTERM to SIGKILL.
        on_exit: visited when it ends by itself.
        condition: see Action.
    """

    def __init__(
        self,
        *,
        cmd: Iterable[SomeSubstitutionsType],
        name: SomeSubstitutionsType | None = None,
        cwd: SomeSubstitutionsType | None = None,
        env: Mapping[Any, SomeSubstitutionsType] | None = None,
        additional_env: Mapping[Any, SomeSubstitutionsType] | None = None,
        output: SomeSubstitutionsType | Mapping[str, Any] = "log",
        emulate_tty: bool = False,
        respawn: bool | SomeSubstitutionsType = False,
        respawn_delay: float | None = None,
        sigterm_timeout: float | SomeSubstitutionsType = 5.0,
        sigkill_timeout: float | SomeSubstitutionsType = 5.0,
        on_exit: LaunchDescriptionEntity | Iterable[LaunchDescriptionEntity] = (),
        condition: Condition | None = None,
    ) -> None:
        super().__init__(condition=condition)
        self._cmd, self._name, self._cwd = list(cmd), name, cwd
        self._env, self._additional_env = env, dict(additional_env or {})
        self._respawn, self.respawn_delay = respawn, respawn_delay or 0.0
        self._timeouts = (sigterm_timeout, sigkill_timeout)
        entities = (on_exit,) if isinstance(on_exit, LaunchDescriptionEntity) else on_exit
        self.on_exit: list[LaunchDescriptionEntity] = list(entities)

    def command(self, context: LaunchContext) -> list[str]:
        """Program and arguments."""
        return [text(word, context) for word in self._cmd]

    def label(self, context: LaunchContext) -> str | None:
        """The name to show, if one was given."""
        return None if self._name is None else text(self._name, context)

    def folder(self, context: LaunchContext) -> str | None:
        """The folder to run in; that of the launch when None."""
        return None if self._cwd is None else text(self._cwd, context)

    def variables(self, context: LaunchContext) -> dict[str, str]:
        """Its environment."""
        base = context.environment if self._env is None else self._env
        merged = {**base, **self._additional_env}
        return {text(key, context): text(value, context) for key, value in merged.items()}

    def respawns(self, context: LaunchContext) -> bool:
        """Whether to start it again when it ends."""
        return text(self._respawn, context).strip().lower() in _TRUE

    def timeouts_s(self, context: LaunchContext) -> tuple[float, float]:
        """Seconds from SIGINT to SIGTERM, and from there to SIGKILL."""
        terminate, kill = (float(text(value, context)) for value in self._timeouts)
        return terminate, kill

    def execute(self, context: LaunchContext) -> None:
        """Start it."""
        context.service.start(self, context)
