"""The suites by name, and the loop over their cases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from mdps_ros.evaluation.bench import (
    bank_suite,
    core_suite,
    match_suite,
    scale_suite,
    smoother_suite,
)
from mdps_ros.evaluation.bench.timing import Case, Clock, Setup, case_rows
from mdps_ros.evaluation.results import Row

SUITES: dict[str, Callable[[Setup], Iterator[Case]]] = {
    "core": core_suite.cases,
    "match": match_suite.cases,
    "smoother": smoother_suite.cases,
    "bank": bank_suite.cases,
    "node": scale_suite.node_cases,
    "scale": scale_suite.cases,
}


def run(names: Sequence[str], setup: Setup) -> Iterator[Row]:
    """Rows of the suites, as they are measured.

    Args:
        names: of SUITES.
        setup: device, repeats, sizes.
    """
    clock = clock_of(setup.device)
    for name in names:
        for case in SUITES[name](setup):
            yield from case_rows(name, case, setup.repeats, clock)


def clock_of(device: str) -> Clock:
    """The time when everything begun on the device is done."""
    if not device.startswith("cuda"):
        return time.perf_counter

    def now() -> float:
        import torch

        torch.cuda.synchronize()
        return time.perf_counter()

    return now
