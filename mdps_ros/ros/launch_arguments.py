"""What launch files have in common: an argument that no file declares is refused by its name.

The launch stack takes `mpa:=city.osm` in silence and starts with an empty `map`.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Collection, Sequence
from itertools import pairwise

PACKAGE = "mdps_ros"

OF_LAUNCH = frozenset({
    "emulate_tty", "launch-prefix", "launch-prefix-filter", "ros_namespace", "sigkill_timeout",
    "sigterm_timeout",
})  # fmt: skip
"""What launch and launch_ros themselves read, whatever a launch file declares."""


class UnknownArgument(RuntimeError):
    """An argument of the command line that no launch file declares."""


def refuse_unknown(
    file: str, declared: Collection[str], command_line: Sequence[str] | None = None
) -> None:
    """Refuse arguments of the command line that a launch file does not declare.

    Only where the file itself was started: included by another one, it cannot know what that one
    and its other files declare.

    Args:
        file: path of the launch file.
        declared: names of all arguments, those of included files too.
        command_line: of the process where None.

    Raises:
        UnknownArgument: names the nearest one that is declared, where one is near.
    """
    words = sys.argv if command_line is None else command_line
    if not is_started(file, words):
        return
    known = {*declared, *OF_LAUNCH}
    for name in (word.split(":=")[0] for word in words if ":=" in word):
        if name not in known:
            near = difflib.get_close_matches(name, sorted(declared), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UnknownArgument(f"unknown launch argument {name}; {hint}--show-args lists all")


def is_started(file: str, words: Sequence[str]) -> bool:
    """Whether a command line names this launch file, by package and name or by path.

    Args:
        file: path of the launch file.
        words: of the command line.
    """
    named = (PACKAGE, os.path.basename(file))
    return named in pairwise(words) or any(
        os.path.basename(word) == named[1] and os.path.exists(word) and os.path.samefile(word, file)
        for word in words
    )
