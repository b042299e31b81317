"""How torch's threads wait for each other: asleep, soon, so that others get the processor."""

from __future__ import annotations

from collections.abc import MutableMapping

SPINS = "1000"
"""Turns of the waiting loop. OpenMP's own choice is 300,000, some milliseconds: where a camera
driver or a planner wants the processor too, most threads that are waited for wait themselves, and a
step of 1000 particles took 184 ms on two busy cores. With 1000 turns it takes 3.4 ms, with none
2.1; on idle cores none costs a third, and 1000 turns nothing that could be told from noise."""
OURS_TO_LEAVE = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def wait_briefly(environment: MutableMapping[str, str]) -> None:
    """Make OpenMP's threads sleep after a short wait; where somebody has chosen, leave it.

    It is read when torch is first imported, in this process and in those that it starts.

    Args:
        environment: of the process, `os.environ`.
    """
    if not any(name in environment for name in OURS_TO_LEAVE):
        environment["GOMP_SPINCOUNT"] = SPINS
