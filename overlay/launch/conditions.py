"""Stand-in for launch.conditions: conditions on a text that says true or false."""

from __future__ import annotations

from launch.condition import Condition
from launch.launch_context import LaunchContext
from launch.substitution import SomeSubstitutionsType, text

_MEANING = {"true": True, "1": True, "false": False, "0": False}


class IfCondition(Condition):
    """True when the expression is `true` or `1`.

    Args:
        predicate_expression: becomes true, 1, false or 0, in any case.
    """

    def __init__(self, predicate_expression: SomeSubstitutionsType) -> None:
        self._expression = predicate_expression

    def evaluate(self, context: LaunchContext) -> bool:
        """Whether the expression says true.

        Raises:
            ValueError: it says neither true nor false.
        """
        word = text(self._expression, context).strip().lower()
        if word not in _MEANING:
            raise ValueError(f"condition is '{word}', expected one of {', '.join(_MEANING)}")
        return _MEANING[word]


class UnlessCondition(IfCondition):
    """True when the expression is `false` or `0`."""

    def evaluate(self, context: LaunchContext) -> bool:
        """Whether the expression says false."""
        return not super().evaluate(context)
