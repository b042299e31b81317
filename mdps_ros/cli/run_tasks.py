"""Many independent runs, several processes at a time, with a progress bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_tasks(
    work: Callable[..., Result],
    tasks: Sequence[tuple[Any, ...]],
    jobs: int,
    take: Callable[[int, Result], None] = lambda number, result: None,
) -> list[Result]:
    """Results of work(*task) in the order of the tasks.

    Args:
        work: function of a module, of plain values.
        tasks: its arguments.
        jobs: processes at a time; 0 takes one for each core.
        take: called with the number of a task and its result as soon as there is one.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    from rich.console import Console
    from rich.progress import track

    if not tasks:
        return []
    workers = min(jobs or os.cpu_count() or 1, len(tasks))
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        numbers = {pool.submit(work, *task): number for number, task in enumerate(tasks)}
        console = Console(stderr=True)
        for done in track(as_completed(numbers), "runs", len(numbers), console=console):
            take(numbers[done], done.result())
        return [future.result() for future in numbers]
