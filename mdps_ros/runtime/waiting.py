"""How many threads torch computes with, and how they wait for each other.

Both are read when torch is first imported, in this process and in those that it starts.
"""

from __future__ import annotations

from collections.abc import MutableMapping

SPINS = "5000"
"""Turns of the waiting loop. OpenMP's own choice is 300,000, some milliseconds: where a camera
driver or a planner wants the processor too, most threads that are waited for wait themselves, and a
step of 1000 particles took 184 ms on two busy cores, with 1000 turns 3.4 ms. On two idle cores of
another machine a whole frame takes 104 ms with 1000 turns, 57 with 5000, 47 with 20,000; beside two
processes that never rest 144 to 190, 171 to 177 and 298 ms."""
OURS_TO_LEAVE = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def wait_briefly(environment: MutableMapping[str, str]) -> None:
    """Make OpenMP's threads sleep after a short wait; where somebody has chosen, leave it.

    Args:
        environment: of the process, `os.environ`.
    """
    if not any(name in environment for name in OURS_TO_LEAVE):
        environment["GOMP_SPINCOUNT"] = SPINS


def compute_alone(environment: MutableMapping[str, str]) -> None:
    """Let filter and smoother compute in one thread each; where somebody has chosen, leave it.

    Their steps are many and small. On two cores a whole frame takes 49 ms in one thread, 44 to 57
    in two, by how long they wait; beside two processes that never rest 112 ms, against 170 and
    more. Sums then also have one order, so that a replay gives the bytes of the live run.

    Args:
        environment: of the process, `os.environ`.
    """
    environment.setdefault("OMP_NUM_THREADS", "1")
