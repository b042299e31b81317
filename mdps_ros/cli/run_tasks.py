"""Many independent runs, several processes at a time, with a progress bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_tasks(
    work: Callable[..., Result], tasks: Sequence[tuple[Any, ...]], jobs: int
) -> list[Result]:
    """Results of work(*task) in the order of the tasks.

    Args:
        work: function of a module, of plain values.
        tasks: its arguments.
        jobs: processes at a time; 0 takes one for each core.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    from rich.console import Console
    from rich.progress import track

    workers = min(jobs or os.cpu_count() or 1, len(tasks))
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = [pool.submit(work, *task) for task in tasks]
        console = Console(stderr=True)
        for done in track(as_completed(futures), "runs", len(futures), console=console):
            done.result()
        return [future.result() for future in futures]
