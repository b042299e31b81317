"""How long the stages of an update take, by a clock that whoever wants to know hands in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """Times stages; without a clock it does nothing.

    Attributes:
        clock: any clock that does not go back, seconds; None where nobody wants to know.
    """

    def __init__(self) -> None:
        self.clock: Callable[[], float] | None = None
        self._stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done meanwhile; times of one name add up."""
        clock = self.clock
        if clock is None:
            yield
            return
        begin = clock()
        try:
            yield
        finally:
            self._stages[name] = self._stages.get(name, 0.0) + clock() - begin

    def take(self) -> dict[str, float]:
        """Seconds by stage since the last call, in the order in which they began."""
        stages, self._stages = self._stages, {}
        return stages
