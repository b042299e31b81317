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
    """Lists its commands from a table and resolves them on use; subclasses set the table."""

    table: ClassVar[dict[str, LazyCommand]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in that knows its help line; `resolve_command` gives the real one."""
        if cmd_name not in self.table:
            return None
        return TyperCommand(cmd_name, help=self.table[cmd_name].help, rich_markup_mode=None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Name, real command and remaining words."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None:
            command = self.table[name].load(name)
        return name, command, rest
