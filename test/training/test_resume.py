"""A run that died goes on as if it had not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from mdps_ros.cli.main import main
from mdps_ros.training import checkpoint, trainer
from mdps_ros.training.errors import TrainingError
from mdps_ros.training.run_log import read_log
from mdps_ros.training.stages import Stage
from mdps_ros.training.trainer import train
from test.training.regression import LineTask, NetworkTask, copy_of, differing

HERE = Path(__file__).resolve().parent

STAGES = [
    Stage(
        name="both",
        iterations=25,
        learning_rates={"encoder": 0.02, "head": 0.05},
        clip_norm=1.0,
        warmup=5,
        final_fraction=0.2,
        validate_every=6,
    ),
    Stage(name="head", iterations=15, learning_rates={"head": 0.02}, validate_every=5),
]


class KilledError(Exception):
    """Stands for a kill."""


def killer(step: int):
    """A progress function that ends the run after a step."""

    def show(now) -> None:
        if now.step == step:
            raise KilledError

    return show


def without_times(run_dir: Path) -> list[dict]:
    return [
        {key: value for key, value in line.items() if key != "seconds"}
        for line in read_log(run_dir)
    ]


def broken_run(run_dir: Path, kills, checkpoint_seconds: float = 0.0) -> NetworkTask:
    """Trains a network with a new process's ignorance after each kill."""
    for step in kills:
        with pytest.raises(KilledError):
            train(
                NetworkTask(0),
                STAGES,
                run_dir,
                3,
                progress=killer(step),
                checkpoint_seconds=checkpoint_seconds,
            )
    # after a kill with other start weights: all must come from the checkpoint
    task = NetworkTask(1 if kills else 0)
    train(task, STAGES, run_dir, 3)
    return task


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Weights, log and result of a run that was left alone."""
    run_dir, task = tmp_path_factory.mktemp("unbroken"), NetworkTask(0)
    result = train(task, STAGES, run_dir, 3)
    return copy_of(task.modules), without_times(run_dir), result


@pytest.mark.parametrize("kills", [(2,), (13,), (24, 25), (26, 33), (40,)])
def test_a_resumed_run_ends_bit_identical(unbroken, kills, tmp_path):
    task = broken_run(tmp_path, kills)
    assert differing(copy_of(task.modules), unbroken[0]) == []
    assert without_times(tmp_path) == unbroken[1]


def test_a_kill_before_the_first_checkpoint_begins_anew(unbroken, tmp_path):
    with pytest.raises(KilledError):
        train(NetworkTask(0), STAGES, tmp_path, 3, progress=killer(10))
    task = NetworkTask(0)
    train(task, STAGES, tmp_path, 3)
    assert differing(copy_of(task.modules), unbroken[0]) == []
    assert without_times(tmp_path) == unbroken[1]


@pytest.mark.parametrize(
    "forgotten", ["batches", "layers", "optimizer", "iteration", "best", "modules"]
)
def test_a_resumption_that_forgets_something_is_seen(unbroken, forgotten, tmp_path, monkeypatch):
    load = checkpoint.load

    def forget(run_dir):
        found = load(run_dir)
        if found is None:
            return None
        fresh = NetworkTask(1)
        blank = {
            "batches": {"random": [(torch.Generator().get_state(), *found.random[0][1:])]},
            "layers": {"random": [(found.random[0][0], torch.Generator().get_state(), None)]},
            "optimizer": {"optimizer": {**found.optimizer, "state": {}}},
            "iteration": {"iteration": found.iteration + 1},
            "best": {"best": (torch.tensor([-1.0]), *found.best[1:])},
            "modules": {
                "modules": {name: part.state_dict() for name, part in fresh.modules.items()}
            },
        }
        return found._replace(**blank[forgotten])

    monkeypatch.setattr(trainer.disk, "load", forget)
    task = broken_run(tmp_path, (13,))
    assert differing(copy_of(task.modules), unbroken[0]) != []


def test_a_finished_run_only_hands_back_its_result(unbroken, tmp_path):
    broken_run(tmp_path, ())
    task = NetworkTask(1)
    result = train(task, STAGES, tmp_path, 3, progress=killer(0))
    assert differing(copy_of(task.modules), unbroken[0]) == []
    assert result.stages == unbroken[2].stages


def test_members_resume_with_their_best_and_their_skips(tmp_path):
    stages = [Stage(name="one", iterations=20, learning_rates={"first": 0.5}, validate_every=3)]
    whole, broken = LineTask([1, 2]), LineTask([1, 2])
    expected = train(whole, stages, tmp_path / "whole", 0)
    with pytest.raises(KilledError):
        train(broken, stages, tmp_path / "broken", 0, progress=killer(11), checkpoint_seconds=0.0)
    result = train(broken, stages, tmp_path / "broken", 0)
    assert result.stages == expected.stages
    assert differing(copy_of(whole.modules), copy_of(broken.modules)) == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_run_on_cuda_resumes_bit_identical(tmp_path):
    stages = [
        Stage(name="one", iterations=20, learning_rates={"first": 0.5}, validate_every=3),
        Stage(name="two", iterations=5, learning_rates={"second": 0.1}),
    ]
    whole, broken = LineTask([1, 2], "cuda"), LineTask([1, 2], "cuda")
    expected = train(whole, stages, tmp_path / "whole", 0)
    with pytest.raises(KilledError):
        train(broken, stages, tmp_path / "b", 0, progress=killer(11), checkpoint_seconds=0.0)
    assert train(broken, stages, tmp_path / "b", 0).stages == expected.stages
    assert differing(copy_of(whole.modules), copy_of(broken.modules)) == []
    assert whole.modules["first"].slope.device.type == "cuda"


def test_fresh_replaces_a_run(unbroken, tmp_path):
    train(NetworkTask(0), STAGES[:1], tmp_path, 9)
    task = NetworkTask(0)
    train(task, STAGES, tmp_path, 3, resume=False)
    assert differing(copy_of(task.modules), unbroken[0]) == []
    assert without_times(tmp_path) == unbroken[1]


@pytest.mark.parametrize(
    ("stages", "seed", "said"),
    [
        (STAGES, 4, r"seed: 3 then, 4 now"),
        (STAGES[:1], 3, r"head.*\[.both., .head.\] then|head\..* now"),
        ([STAGES[0], Stage(name="head", iterations=16, learning_rates={"head": 0.02})], 3, "head."),
    ],
)
def test_another_recipe_in_the_same_folder_is_refused(stages, seed, said, tmp_path):
    broken_run(tmp_path, ())
    with pytest.raises(TrainingError, match=said) as error:
        train(NetworkTask(0), stages, tmp_path, seed)
    assert "--fresh" in str(error.value)


def test_a_damaged_checkpoint_is_one_line(tmp_path):
    (tmp_path / checkpoint.FILE).write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match=r"cannot read .*; start afresh"):
        train(NetworkTask(0), STAGES, tmp_path, 3)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    with pytest.raises(KilledError):
        train(NetworkTask(0), STAGES, tmp_path, 3, progress=killer(9), checkpoint_seconds=0.0)
    before = (tmp_path / checkpoint.FILE).read_bytes()

    def die(content, file):
        file.write(b"half of it")
        raise KilledError

    monkeypatch.setattr(checkpoint.torch, "save", die)
    with pytest.raises(KilledError):
        train(NetworkTask(0), STAGES, tmp_path, 3, checkpoint_seconds=0.0)
    assert (tmp_path / checkpoint.FILE).read_bytes() == before


RECIPE = """
task: regression:build_network
seed: 3
options: {pause_s: 0.02}
stages:
  - name: both
    iterations: 150
    learning_rates: {encoder: 2e-2, head: 5e-2}
    clip_norm: 1
    validate_every: 20
  - {name: head, iterations: 30, learning_rates: {head: 1e-2}}
"""


@pytest.mark.slow
def test_a_process_that_is_killed_and_started_again_ends_bit_identical(tmp_path, monkeypatch):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    words = [sys.executable, "-m", "mdps_ros.cli.main", "train", str(recipe)]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}

    def start(*more):
        command = [*words, "--out", str(tmp_path / "broken"), "--device", "cpu", *more]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    broken = start("--checkpoint-seconds", "0.3")
    file, deadline = tmp_path / "broken" / checkpoint.FILE, time.monotonic() + 60.0
    while not file.exists() and broken.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    broken.send_signal(signal.SIGKILL)
    assert broken.wait() == -signal.SIGKILL
    reached = checkpoint.load(tmp_path / "broken")
    assert reached is not None
    assert 0 < reached.iteration < 150
    again = start()
    monkeypatch.syspath_prepend(str(HERE))
    unbroken = ["train", str(recipe), "--out", str(tmp_path / "unbroken"), "--device", "cpu"]
    assert main([*unbroken, "--set", "options.pause_s=0"]) == 0
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said
    weights = [checkpoint.load(tmp_path / name).modules for name in ("unbroken", "broken")]
    assert differing(*[_flat(modules) for modules in weights]) == []


def _flat(modules):
    return {
        f"{name}.{key}": tensor for name, part in modules.items() for key, tensor in part.items()
    }
