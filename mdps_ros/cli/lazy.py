"""A command group that imports a command's module only when the command runs."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class LazyCommand(NamedTuple):
    """Where a command lives, and its line in the help of the group.

    Attributes:
        module: dotted name.
        attribute: a function with typer annotations, or a `typer.Typer` with sub-commands.
        help: one line.
    """

    module: str
    attribute: str
    help: str

    def load(self, name: str) -> Any:
        """The real command, ready to run."""
        found = getattr(import_module(self.module), self.attribute)
        app = found
        if not isinstance(found, typer.Typer):
            app = typer.Typer(add_completion=False)
            app.command(name)(found)
        command = typer.main.get_command(app)
        command.name = name
        return command


class LazyGroup(TyperGroup):
    """Lists stand-ins of its commands and loads the real ones on use; subclasses set the table."""

    table: ClassVar[dict[str, LazyCommand]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {
            name: TyperCommand(name, help=command.help) for name, command in self.table.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Name, real command and remaining words."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        return name, self.table[name].load(name) if name is not None else stand_in, rest
