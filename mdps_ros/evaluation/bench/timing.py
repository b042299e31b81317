"""Times contenders in turn, A B A B, and turns the times to rows.

Absolute times are those of a machine on a good or a bad day. Ratios are taken within each round,
where both contenders met the same day, and their median is told beside the ratio of the minima.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mdps_ros.evaluation.results import Row, Value

Clock = Callable[[], float]
"""Seconds since some moment; all work that was begun is done when it returns."""


WARM_UP = 2  # runs: some peers compile in their second one


class Contender(NamedTuple):
    """One way to do the work of a case.

    Attributes:
        name: for people.
        run: does the work once; None where it cannot be run here.
        note: why not, or what else should be known of it.
        error: largest deviation of its answer from the exact one, in the unit of the case.
    """

    name: str
    run: Callable[[], Any] | None
    note: str = ""
    error: float | None = None


class Case(NamedTuple):
    """The same work for all contenders; the first one is ours, which the others are held against.

    Attributes:
        name: what is done, with its sizes.
        items: how many of `unit` one run does.
        unit: of what is counted, say "particle".
        contenders: at least ours.
        rounds: 1 for work that takes seconds; None for as many as were asked for.
    """

    name: str
    items: int
    unit: str
    contenders: Sequence[Contender]
    rounds: int | None = None


class Setup(NamedTuple):
    """What all suites are told.

    Attributes:
        device: "cpu" or "cuda".
        repeats: rounds of every case.
        small: sizes for a test instead of those of a report.
    """

    device: str = "cpu"
    repeats: int = 7
    small: bool = False


def time_in_turn(runs: Sequence[Callable[[], Any]], rounds: int, clock: Clock) -> list[list[float]]:
    """Seconds of each run in each round, after WARM_UP uncounted runs of each.

    The order turns round every second time (A B B A), so that none always comes after the same.
    """
    for run in runs:
        for _ in range(WARM_UP):
            run()
    seconds: list[list[float]] = [[] for _ in runs]
    for number in range(rounds):
        order = range(len(runs))
        for which in order if number % 2 == 0 else reversed(order):
            begin = clock()
            runs[which]()
            seconds[which].append(clock() - begin)
    return seconds


def case_rows(suite: str, case: Case, repeats: int, clock: Clock) -> Iterator[Row]:
    """One row per contender; those that cannot run say why.

    `times_ours` is the contender's time over ours, in the median over the rounds; `times_ours_min`
    is the ratio of the minima.
    """
    able = [contender for contender in case.contenders if contender.run is not None]
    runs = [contender.run for contender in able if contender.run is not None]
    seconds = time_in_turn(runs, min(case.rounds or repeats, repeats), clock)
    taken = {contender.name: times for contender, times in zip(able, seconds, strict=True)}
    ours = taken.get(case.contenders[0].name)
    for contender in case.contenders:
        row: Row = {"suite": suite, "case": case.name, "name": contender.name}
        yield (
            row
            | _numbers(taken.get(contender.name), ours, case)
            | {
                "memory_mb": resident_mb(),
                "error": contender.error,
                "note": contender.note,
            }
        )


def timed_row(
    suite: str, case: str, name: str, unit: str, seconds: Sequence[float], note: str
) -> Row:
    """A row of times that were taken elsewhere, one of each `unit`; empty where there are none."""
    numbers = _numbers(seconds or None, seconds or None, Case(case, 1, unit, ()))
    row: Row = {"suite": suite, "case": case, "name": name}
    return row | numbers | {"memory_mb": None, "error": None, "note": note}


def resident_mb() -> float | None:
    """Memory of this process now, MB; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _numbers(
    seconds: Sequence[float] | None, ours: Sequence[float] | None, case: Case
) -> dict[str, Value]:
    """Times and ratios of a row; nothing where it did not run."""
    numbers: dict[str, Value] = {
        "median_ms": None,
        "min_ms": None,
        "median_ns_per_item": None,
        "item": case.unit,
        "items": case.items,
        "rounds": 0,
        "times_ours": None,
        "times_ours_min": None,
    }
    if seconds is None:
        return numbers
    median = statistics.median(seconds)
    numbers |= {
        "median_ms": 1e3 * median,
        "min_ms": 1e3 * min(seconds),
        "median_ns_per_item": 1e9 * median / case.items,
        "rounds": len(seconds),
    }
    if ours is not None:
        ratios = [other / own for other, own in zip(seconds, ours, strict=True)]
        numbers["times_ours"] = statistics.median(ratios)
        numbers["times_ours_min"] = min(seconds) / min(ours)
    return numbers
