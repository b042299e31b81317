"""Stand-in for launch.launch_context: what substitutions and actions can see."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from launch.substitution import SomeSubstitutionsType, text

if TYPE_CHECKING:
    from launch.launch_service import LaunchService


class LaunchContext:
    """Configurations and environment of one scope.

    Args:
        service: what runs the actions; None while only describing.
        launch_configurations: names and values to begin with.
        environment: variables for processes; those of this process when None.
    """

    def __init__(
        self,
        service: LaunchService | None = None,
        launch_configurations: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._service = service
        self.launch_configurations: dict[str, Any] = dict(launch_configurations or {})
        self.environment = dict(os.environ if environment is None else environment)
        self.launch_file_path: str | None = None

    @property
    def service(self) -> LaunchService:
        """What runs the actions.

        Raises:
            RuntimeError: an action is carried out without a LaunchService.
        """
        if self._service is None:
            raise RuntimeError("this action needs a LaunchService that runs it")
        return self._service

    def perform_substitution(self, sub: SomeSubstitutionsType) -> str:
        """The text of a substitution."""
        return text(sub, self)

    def inner(self) -> LaunchContext:
        """A scope inside this one: sees all of it, changes nothing in it."""
        scope = LaunchContext(self._service, self.launch_configurations, self.environment)
        scope.launch_file_path = self.launch_file_path
        return scope
