"""Two processes under torchrun learn what one would that averages their gradients."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mdps_ros.training import checkpoint
from mdps_ros.training.distributed import current_ranks, stream_seed
from mdps_ros.training.errors import TrainingError
from mdps_ros.training.run_log import read_log
from mdps_ros.training.stages import Stage
from mdps_ros.training.trainer import train
from test.training.regression import LineTask, NetworkTask, copy_of, differing

HERE = Path(__file__).resolve().parent
SEED = 5
STAGES = [
    Stage(
        name="one", iterations=20, learning_rates={"first": 0.05}, clip_norm=1.0, validate_every=5
    ),
    Stage(name="two", iterations=10, learning_rates={"second": 0.02}),
]


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    """Folder of a torchrun of two_ranks.py, and what its processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    root = HERE.parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{HERE}:{root}", "OMP_NUM_THREADS": "1"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*torchrun, "--nproc-per-node", "2", str(HERE / "two_ranks.py"), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, [torch.load(folder / f"rank{rank}.pt") for rank in (0, 1)]


class BothStreams(LineTask):
    """Averages the losses that the two ranks have on their own batches."""

    def __init__(self, seeds) -> None:
        super().__init__(seeds)
        self.streams = [
            torch.Generator().manual_seed(stream_seed(SEED, rank, 0)) for rank in (0, 1)
        ]

    def loss(self, stage, generator):
        return torch.stack([super(BothStreams, self).loss(stage, s) for s in self.streams]).mean(0)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["lines", "whole"])
def test_both_ranks_end_with_the_same_weights_and_statistics(two_ranks, what):
    _, (one, other) = two_ranks
    assert differing(one[what], other[what]) == []
    assert torch.equal(one["validation"], other["validation"])


@pytest.mark.slow
def test_two_ranks_equal_one_process_that_averages_their_gradients(two_ranks, tmp_path):
    _, (found, _) = two_ranks
    task = BothStreams([1, 2])
    result = train(task, STAGES, tmp_path, SEED)
    for name, tensor in copy_of(task.modules).items():
        torch.testing.assert_close(found["lines"][name], tensor, rtol=0.0, atol=1e-6)
    values = torch.tensor([stage.validation for stage in result.stages])
    torch.testing.assert_close(found["validation"], values)
    alone = LineTask([1, 2])
    train(alone, STAGES, tmp_path / "alone", SEED)
    difference = copy_of(alone.modules)["first.slope"] - found["lines"]["first.slope"]
    assert difference.abs().max() > 1e-3  # so the second rank's batches did count


@pytest.mark.slow
def test_two_ranks_that_stopped_resume_bit_identical(two_ranks):
    _, (one, other) = two_ranks
    assert differing(one["broken"], one["whole"]) == []
    assert differing(other["broken"], one["whole"]) == []


@pytest.mark.slow
def test_only_the_first_rank_writes(two_ranks):
    folder, _ = two_ranks
    steps = [line["iteration"] for line in read_log(folder / "whole") if "train_loss" in line]
    assert steps == list(range(1, 13))


@pytest.mark.slow
def test_another_number_of_processes_does_not_resume(two_ranks):
    folder, _ = two_ranks
    stages = [Stage(name="one", iterations=12, learning_rates={"encoder": 0.02, "head": 0.05})]
    with pytest.raises(TrainingError, match=r"processes: 2 then, 1 now"):
        train(NetworkTask(0), stages, folder / "whole", SEED)
    assert len(checkpoint.load(folder / "whole").random) == 2


def test_one_process_is_one_rank_and_changes_nothing():
    ranks = current_ranks()
    assert (ranks.rank, ranks.size, ranks.writes) == (0, 1, True)
    values = torch.tensor([1.0, 2.0])
    ranks.average_([values])
    ranks.adopt_([values])
    assert values.tolist() == [1.0, 2.0]
    assert ranks.gather("word") == ["word"]


def test_streams_of_seeds_and_ranks_differ():
    seeds = {
        stream_seed(seed, rank, use) for seed in range(5) for rank in range(5) for use in (0, 1)
    }
    assert len(seeds) == 50
    assert all(0 <= seed < 2**63 for seed in seeds)
