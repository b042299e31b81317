"""What happened in a run: one JSON object a line, and some of it for TensorBoard.

A step writes "stage", "iteration", "train_loss", "gradient_norm", "learning_rates", "skipped" and
"seconds"; a validation "stage", "iteration", "validation_loss", "best_loss" and "seconds". Losses,
norms and skips are lists with one entry per member, null where a number is not finite. "iteration"
counts the steps that the stage had made.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter  # type: ignore[import-untyped]  # ships none

FILE = "log.jsonl"
BOARD = "tensorboard"
BOARD_SECONDS = 0.5
"""Between two steps that TensorBoard is told of: its writer is slower than a small model's step."""


class RunLog:
    """Writes a run's log; one that is resumed first drops what came after the checkpoint.

    Args:
        run_dir: folder to write into; None writes nothing (ranks other than the first).
        length: bytes of the log to keep.
        step: steps over all stages that the kept part reports.
    """

    def __init__(self, run_dir: Path | None, length: int = 0, step: int = 0) -> None:
        self._file: IO[bytes] | None = None
        self._board: SummaryWriter | None = None
        self._shown = -math.inf
        if run_dir is None:
            return
        from tensorboardX import SummaryWriter

        self._file = (run_dir / FILE).open("ab")
        if self._file.tell() > length:
            self._file.truncate(length)
        self._board = SummaryWriter(str(run_dir / BOARD), purge_step=step, max_queue=1000)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None and self._board is not None:
            self._file.close()
            self._board.close()

    def write(self, step: int, record: Mapping[str, Any]) -> None:
        """Add a line.

        Args:
            step: steps over all stages, TensorBoard's axis.
            record: as told at the top of this file.
        """
        if self._file is None or self._board is None:
            return
        line = json.dumps({key: _plain(value) for key, value in record.items()}, allow_nan=False)
        self._file.write(line.encode() + b"\n")
        now = time.monotonic()
        if "train_loss" not in record or now - self._shown >= BOARD_SECONDS:
            self._shown = now
            for tag, value in _scalars(record):
                self._board.add_scalar(tag, value, step)

    def flush(self) -> int:
        """Hand everything to the operating system; returns the length of the log, bytes."""
        if self._file is None or self._board is None:
            return 0
        self._file.flush()
        self._board.flush()
        return self._file.tell()


def read_log(run_dir: Path) -> list[dict[str, Any]]:
    """The lines of a run's log."""
    text = (run_dir / FILE).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _plain(value: Any) -> Any:
    """The value with null for numbers that JSON lacks."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _scalars(record: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Names and finite values for TensorBoard."""
    found = []
    for key in ("train_loss", "gradient_norm", "validation_loss"):
        values = record.get(key, [])
        for member, value in enumerate(values):
            tag = key if len(values) == 1 else f"{key}/member_{member}"
            found.append((tag, value))
    found += [
        (f"learning_rate/{name}", rate) for name, rate in record.get("learning_rates", {}).items()
    ]
    return [(tag, value) for tag, value in found if math.isfinite(value)]
