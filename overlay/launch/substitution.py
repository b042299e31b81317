"""Stand-in for launch.substitution: text that is known only while launching."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from launch.launch_context import LaunchContext


class Substitution:
    """Something that becomes text in a context."""

    def perform(self, context: LaunchContext) -> str:
        """The text, in this context."""
        raise NotImplementedError


SomeSubstitutionsType = Union[str, Substitution, Iterable[Union[str, Substitution]]]  # noqa: UP007


def text(value: object, context: LaunchContext) -> str:
    """The text of a string, a substitution, or a list of these to be joined."""
    if isinstance(value, Substitution):
        return value.perform(context)
    if isinstance(value, (list, tuple)):
        return "".join(text(item, context) for item in value)
    return str(value)
