"""What each of two processes does in `test_distributed`: run under torchrun with a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from regression import LineTask, NetworkTask, copy_of

from mdps_ros.training.distributed import process_group
from mdps_ros.training.stages import Stage
from mdps_ros.training.trainer import train

SEED = 5
LINES = [
    Stage(
        name="one",
        iterations=20,
        learning_rates={"first": 0.05},
        clip_norm=1.0,
        validate_every=5,
    ),
    Stage(name="two", iterations=10, learning_rates={"second": 0.02}),
]
NETWORK = [Stage(name="one", iterations=12, learning_rates={"encoder": 0.02, "head": 0.05})]


class StopError(Exception):
    """Ends a run on every rank at the same step."""


class StoppingTask(NetworkTask):
    """A network whose seventh batch cannot be drawn."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.batches = 0

    def loss(self, stage, generator):
        self.batches += 1
        if self.batches == 7:
            raise StopError
        return super().loss(stage, generator)


def run(folder: Path) -> None:
    with process_group("cpu") as ranks:
        lines = LineTask([1 + ranks.rank, 2])  # rank 0's weights must win
        result = train(lines, LINES, folder / "lines", SEED)
        whole = NetworkTask(0)
        train(whole, NETWORK, folder / "whole", SEED)
        try:
            train(StoppingTask(0), NETWORK, folder / "broken", SEED, checkpoint_seconds=0.0)
        except StopError:
            broken = NetworkTask(1)
        train(broken, NETWORK, folder / "broken", SEED)
        found = {
            "lines": copy_of(lines.modules),
            "whole": copy_of(whole.modules),
            "broken": copy_of(broken.modules),
            "validation": torch.tensor([stage.validation for stage in result.stages]),
        }
        torch.save(found, folder / f"rank{ranks.rank}.pt")


if __name__ == "__main__":
    run(Path(sys.argv[1]))
