"""Bring a checkout to the state in which everything runs: `python3 setup [VENV]`.

Makes or reuses the virtual environment, installs the pinned wheels, builds the messages and
links the checkout into it. Each step is stamped with a hash of its inputs and skipped while they
stay the same; a stamp is removed before its step starts, so an interrupted run is repaired by
the next one. Written so that an old Python still gets as far as saying that it is too old.
"""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path

import tools
from steps import Failure, Setup

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Run the steps whose inputs changed.

    Args:
        arguments: the folder of the virtual environment, `.venv` in the checkout when empty.

    Returns:
        Exit status: 0 ready, 1 a step failed, 2 the machine lacks a tool.
    """
    setup = Setup(ROOT, Path(arguments[0]).absolute() if arguments else ROOT / ".venv")
    setup.work.mkdir(parents=True, exist_ok=True)
    with (setup.work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not setup.pending():
            return 0
        missing = tools.missing()
        for line in missing:
            print("set-up: " + line, file=sys.stderr)
        if missing:
            return 2
        try:
            setup.run()
        except Failure as failure:
            print("set-up: " + str(failure), file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
