"""The bench's result file, its Markdown and what it prints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import mdps_ros
from mdps_ros.evaluation import results
from mdps_ros.evaluation.results import Row, Value

COLUMNS = (
    *("case", "name", "median_ms", "min_ms", "median_ns_per_item", "item"),
    *("times_ours", "times_ours_min", "memory_mb", "error", "note"),
)
SCREEN_COLUMNS = ("case", "name", "median_ms", "min_ms", "median_ns_per_item", "times_ours")


def machine(device: str) -> dict[str, Value]:
    """The machine, and how busy it was when this was asked."""
    return results.machine(device) | {"load_average": round(os.getloadavg()[0], 2)}


def document(
    rows: Sequence[Row], described: Mapping[str, Value], *, command: str
) -> dict[str, Any]:
    """The result file.

    Args:
        rows: of `timing.case_rows`.
        described: of `machine`, asked before the first run.
        command: see `results.command_line`.
    """
    return {
        "suite": "bench",
        "command": command,
        "version": mdps_ros.__version__,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": dict(described),
        "rows": [dict(row) for row in rows],
    }


def line(row: Row) -> str:
    """One row as it is measured."""
    shown = [results.format_value(row[key]) for key in ("median_ms", "min_ms", "times_ours")]
    return f"{row['case']} | {row['name']}: median {shown[0]} ms, min {shown[1]} ms, x{shown[2]}"


def markdown(content: Mapping[str, Any]) -> str:
    """A result file for people: a table per suite."""
    machine_ = content["machine"]
    lines = [
        "# Speed against peers",
        "",
        f"`{content['command']}`, {content['date']}, version {content['version']}, on "
        f"{machine_['cpu']}, {machine_['cores']} cores, {machine_['torch_threads']} threads, "
        f"torch {machine_['torch']}, device {machine_['device']}, load average "
        f"{machine_['load_average']} before the run.",
        "",
        "Contenders of a case ran in turn in one process. `times_ours`: median over the rounds of "
        "the contender's time over ours in the same round; `times_ours_min`: ratio of the minima. "
        "`memory_mb`: resident memory of the process after the case. "
        "`error`: largest deviation from the exact answer.",
        "",
    ]
    rows = content["rows"]
    for suite in dict.fromkeys(row["suite"] for row in rows):
        mine = [row for row in rows if row["suite"] == suite]
        lines += [f"## {suite}", "", results.markdown_table(mine, COLUMNS)]
    return "\n".join(lines)
