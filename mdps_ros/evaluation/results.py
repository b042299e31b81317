"""Result files: flat rows of numbers with their unit in the name, and the machine they ran on."""

from __future__ import annotations

import json
import math
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

import mdps_ros

Value = float | int | str | None
Row = dict[str, Value]
Statistic = Callable[[Sequence[float]], float]
RunId = TypeVar("RunId", bound=Hashable)
"""What tells runs apart, such as the drive and the seed of the filter."""


def command_line() -> str:
    """The command of this process, as one would type it."""
    program = Path(sys.argv[0])
    name = "mdps" if program.stem in ("mdps", "main") else program.name
    return shlex.join([name, *sys.argv[1:]])


def machine(device: str = "cpu") -> dict[str, Value]:
    """What the numbers were measured on; `device` is where the filter ran."""
    import torch

    accelerator = torch.cuda.get_device_name() if device.startswith("cuda") else None
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "device": accelerator or device,
    }


def _cpu_name() -> str:
    """Name of the processor; the architecture where the system tells no name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def document(
    suite: str, rows: Sequence[Row], seed: int, *, command: str, device: str = "cpu"
) -> dict[str, Any]:
    """The result file of one command.

    Args:
        suite: what was evaluated, e.g. "kitti".
        rows: flat rows; see `summary_row` for the one that closes a group of seeds.
        seed: first seed.
        command: see `command_line`.
        device: where the filter ran.
    """
    return {
        "suite": suite,
        "command": command,
        "version": mdps_ros.__version__,
        "machine": machine(device),
        "seed": seed,
        "rows": [dict(row) for row in rows],
    }


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a result file: keys in the order given, a newline at the end, NaN refused.

    Raises:
        ValueError: a number is NaN or infinite; absent values are None.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def summary_row(rows: Sequence[Row], name: str) -> Row:
    """Median, smallest and largest value over the seeds of one sequence.

    Each numeric key keeps the median and gets two companions, `<key>_min` and `<key>_max`. Seeds
    where a value is None (say, never converged) are left out of the three and counted in
    `<key>_nulls`; the median is None as soon as half of the seeds or more have none.

    Args:
        rows: one per seed, equal keys.
        name: value of the key "name" of the new row.
    """
    summary: Row = {"name": name, "seeds": len(rows)}
    for key in rows[0]:
        values = [row[key] for row in rows]
        numbers = [value for value in values if isinstance(value, (int, float))]
        if key == "seed" or any(isinstance(value, str) for value in values):
            continue
        nulls = len(values) - len(numbers)
        mostly_there = 2 * nulls < len(values)
        summary[key] = statistics.median(numbers) if mostly_there else None
        summary[f"{key}_min"] = min(numbers, default=None)
        summary[f"{key}_max"] = max(numbers, default=None)
        if nulls:
            summary[f"{key}_nulls"] = nulls
    return summary


def numbers(rows: Sequence[Row], key: str) -> list[float]:
    """The values of a column, without those that are absent or text."""
    return [float(value) for row in rows if isinstance(value := row.get(key), (int, float))]


def ninth_decile(values: Sequence[float]) -> float:
    """Nine of ten values are no larger; between two values linear."""
    return float(np.percentile(values, 90))


def statistic(pick: Statistic, values: Sequence[float]) -> float | None:
    """A statistic of values; None of none."""
    return float(pick(values)) if values else None


def paired_differences(
    ours: Mapping[RunId, Row], theirs: Mapping[RunId, Row], key: str
) -> list[float]:
    """Differences of a column over the runs for which both sides have a number."""
    pairs = [numbers([ours[run], theirs[run]], key) for run in ours if run in theirs]
    return [pair[0] - pair[1] for pair in pairs if len(pair) == 2]


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean of one value or more, and its standard error; None of one."""
    mean = statistics.fmean(values)
    if len(values) == 1:
        return mean, None
    return mean, statistics.stdev(values) / math.sqrt(len(values))


def with_error(values: Sequence[float]) -> str | None:
    """Mean and its standard error as text; None of no values, the mean alone of one."""
    if not values:
        return None
    mean, error = mean_and_error(values)
    return f"{mean:+.3f}" if error is None else f"{mean:+.3f} ± {error:.3f}"


def format_value(value: Value) -> str:
    """A number in at most four significant digits, integers in full, `-` for None."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def print_table(
    console: Console, title: str, rows: Sequence[Row], columns: Sequence[str] = ()
) -> None:
    """Print rows as a table.

    Args:
        console: where to.
        title: headline.
        rows: flat rows.
        columns: keys to show, in order; all keys of the first row when empty.
    """
    shown = list(columns) or list(rows[0])
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in shown:
        text = column in ("name", "seed")
        table.add_column(column, justify="left" if text else "right", overflow="fold")
    for row in rows:
        table.add_row(*(format_value(row.get(column)) for column in shown))
    console.print(table)


def markdown_table(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    """Rows as a Markdown table; arguments as in `print_table`."""
    shown = list(columns) or list(rows[0])
    lines = ["| " + " | ".join(shown) + " |", "|" + " --- |" * len(shown)]
    lines += [
        "| " + " | ".join(format_value(row.get(column)) for column in shown) + " |" for row in rows
    ]
    return "\n".join(lines) + "\n"
