"""The training loop: stages one after another, resumable, on one process or on several.

What a step is, is in `stage_steps`; what a task brings, in `task`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mdps_ros.training import checkpoint as disk
from mdps_ros.training import run_log
from mdps_ros.training.checkpoint import Checkpoint
from mdps_ros.training.distributed import Ranks, current_ranks, stream_seed
from mdps_ros.training.errors import TrainingError
from mdps_ros.training.freezing import flags_restored
from mdps_ros.training.members import Best, load_best
from mdps_ros.training.recipe import check_stages, describe, device_of
from mdps_ros.training.results import Progress, StageResult, TrainResult, show_nothing
from mdps_ros.training.run_log import RunLog
from mdps_ros.training.stage_steps import StageState, Step, begin, step, validate
from mdps_ros.training.stages import Stage
from mdps_ros.training.task import Task

__all__ = ["Progress", "Stage", "StageResult", "Task", "TrainResult", "TrainingError", "train"]


@dataclass
class _Run:
    """One call of `train`."""

    task: Task
    stages: tuple[Stage, ...]
    run_dir: Path
    ranks: Ranks
    generator: torch.Generator
    learnable: Collection[nn.Parameter]
    recipe: dict[str, Any]
    log: RunLog
    progress: Callable[[Progress], None]
    checkpoint_seconds: float
    results: list[StageResult]
    saved: float
    started: float

    @property
    def seconds(self) -> float:
        """Time spent learning."""
        return time.monotonic() - self.started

    def step_number(self, index: int, iteration: int) -> int:
        """Steps over all stages."""
        return sum(stage.iterations for stage in self.stages[:index]) + iteration


def train(
    task: Task,
    stages: Sequence[Stage],
    run_dir: Path,
    seed: int,
    *,
    progress: Callable[[Progress], None] = show_nothing,
    resume: bool = True,
    checkpoint_seconds: float = 30.0,
    settings: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Run the stages one after another; the modules of the task hold the result.

    A stage ends with the best validated state of each member. A step in which a member's loss or
    gradient is not finite is left out for this member and counted. Under torchrun, inside of
    `distributed.process_group`, every rank calls this with the same arguments. torch's global
    generator, which layers such as dropout draw from, is seeded here and restored afterwards.

    Args:
        task: what to learn; its weights when the run begins are the start, rank 0's if several.
        stages: at least one, with different names.
        run_dir: folder for checkpoint, log and TensorBoard files; made if it is not there.
        seed: of the batches and of layers that draw, at least 0.
        progress: called on rank 0 after each step.
        resume: go on from the folder's checkpoint if there is one; else its files are replaced.
        checkpoint_seconds: longest time between two checkpoints, give or take one step and one
            validation.
        settings: what else must be the same for a run to be resumed, by name, such as the options
            of the task.

    Raises:
        TrainingError: the stages do not fit the task, the folder holds another run, or a member's
            loss stays not finite.
    """
    check_stages(task, stages)
    ranks = current_ranks()
    if ranks.writes:
        _prepare_folder(run_dir, resume)
    recipe = describe(task, stages, seed, ranks.size)
    recipe |= {name: repr(value) for name, value in (settings or {}).items()}
    ranks.gather(None)  # nobody looks for a checkpoint before an old one is gone
    found = disk.load(run_dir)
    if found is not None:
        disk.check_recipe(run_dir, found.recipe, recipe)
    device = device_of(task)
    generator = torch.Generator(device)
    generator.manual_seed(stream_seed(seed, ranks.rank, 0))
    now = time.monotonic()
    with (
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        flags_restored(task.modules) as learnable,
        _open_log(run_dir if ranks.writes else None, stages, found) as log,
    ):
        torch.manual_seed(stream_seed(seed, ranks.rank, 1))
        run = _Run(
            task=task,
            stages=tuple(stages),
            run_dir=run_dir,
            ranks=ranks,
            generator=generator,
            learnable=learnable,
            recipe=recipe,
            log=log,
            progress=progress,
            checkpoint_seconds=checkpoint_seconds,
            results=[],
            saved=now,
            started=now,
        )
        state = _start(run, found)
        while state is not None:
            state = _run_stage(run, state)
        return TrainResult(run.results, run.seconds)


def _run_stage(run: _Run, state: StageState) -> StageState | None:
    """Make the remaining steps of a stage; the next stage, or None after the last."""
    stage = state.stage
    while state.iteration < stage.iterations:
        if state.iteration % stage.validate_every == 0:
            _validate(run, state)
        due = time.monotonic() - run.saved > run.checkpoint_seconds
        done = step(run.task, state, run.generator, run.ranks, run.ranks.writes and due)
        _report(run, state, done)
        if done.asked:
            _save(run, state, state.index)
    _validate(run, state)
    missing = [m for m, value in enumerate(state.best.value.tolist()) if value == float("inf")]
    if missing:
        raise TrainingError(
            f"stage {stage.name}: no validation of member {missing[0]} was finite; lower its "
            "learning_rates, or look for a log or division of zero in the validation loss"
        )
    load_best(state.best, run.task.modules)
    run.results.append(
        StageResult(
            stage.name,
            state.best.value.tolist(),
            state.best.iteration.tolist(),
            state.skipped.tolist(),
        )
    )
    index = state.index + 1
    following = None
    if index < len(run.stages):
        following = begin(run.task, run.stages[index], index, run.learnable)
    _save(run, following, index)
    return following


def _validate(run: _Run, state: StageState) -> None:
    """Validate and write it down."""
    value = validate(run.task, state, run.ranks)
    run.log.write(
        run.step_number(state.index, state.iteration),
        {
            "stage": state.stage.name,
            "iteration": state.iteration,
            "validation_loss": value.tolist(),
            "best_loss": state.best.value.tolist(),
            "seconds": round(run.seconds, 3),
        },
    )


def _report(run: _Run, state: StageState, done: Step) -> None:
    """Write a step down and show it."""
    if not run.ranks.writes:
        return
    loss = done.loss.tolist()
    number = run.step_number(state.index, state.iteration)
    groups = state.optimizer.param_groups
    run.log.write(
        number,
        {
            "stage": state.stage.name,
            "iteration": state.iteration,
            "train_loss": loss,
            "gradient_norm": done.norm.tolist(),
            "learning_rates": {
                name: group["lr"]
                for name, group in zip(state.stage.learning_rates, groups, strict=True)
            },
            "skipped": state.skipped.tolist(),
            "seconds": round(run.seconds, 3),
        },
    )
    total = run.step_number(len(run.stages), 0)
    run.progress(Progress(state.stage.name, number, total, loss, state.best.value.tolist()))


def _start(run: _Run, found: Checkpoint | None) -> StageState | None:
    """The state that a run goes on from; None when it is over."""
    if found is None:
        run.ranks.adopt_(
            tensor
            for module in run.task.modules.values()
            for tensor in module.state_dict().values()
        )
        return begin(run.task, run.stages[0], 0, run.learnable)
    for name, module in run.task.modules.items():
        module.load_state_dict(found.modules[name])
    disk.set_random_state(run.generator, found.random[run.ranks.rank])
    run.results = [StageResult(**result) for result in found.results]
    run.started -= found.seconds
    if found.stage == len(run.stages):
        return None
    state = begin(run.task, run.stages[found.stage], found.stage, run.learnable)
    state.iteration = found.iteration
    if found.iteration > 0:
        state.optimizer.load_state_dict(found.optimizer)
        value, iteration, tensors = found.best
        state.best = Best(value, iteration, disk.to_device(tensors, run.generator.device))
        state.skipped, state.skipped_in_a_row = found.skips
    return state


def _save(run: _Run, state: StageState | None, index: int) -> None:
    """Write a checkpoint; `state` None stands for the end of the run."""
    random = run.ranks.gather(tuple(disk.random_state(run.generator)))
    run.saved = time.monotonic()
    if not run.ranks.writes:
        return
    nothing = torch.zeros(run.task.members, dtype=torch.int64)
    disk.save(
        run.run_dir,
        Checkpoint(
            recipe=run.recipe,
            stage=index,
            iteration=0 if state is None else state.iteration,
            modules={name: module.state_dict() for name, module in run.task.modules.items()},
            optimizer={} if state is None else state.optimizer.state_dict(),
            best=(nothing, nothing, {})
            if state is None
            else (state.best.value, state.best.iteration, state.best.state),
            skips=(nothing, nothing) if state is None else (state.skipped, state.skipped_in_a_row),
            random=random,
            results=[result._asdict() for result in run.results],
            log_bytes=run.log.flush(),
            seconds=run.seconds,
        ),
    )


def _open_log(run_dir: Path | None, stages: Sequence[Stage], found: Checkpoint | None) -> RunLog:
    """The log of a run, without the lines that came after the checkpoint."""
    if found is None:
        return RunLog(run_dir)
    step = sum(stage.iterations for stage in stages[: found.stage]) + found.iteration
    return RunLog(run_dir, found.log_bytes, step)


def _prepare_folder(run_dir: Path, resume: bool) -> None:
    """Make the folder; remove what an earlier run left unless it is to be resumed."""
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"cannot write to {run_dir}: {error}; choose another folder") from error
    if not resume or not (run_dir / disk.FILE).exists():
        for name in (disk.FILE, run_log.FILE):
            (run_dir / name).unlink(missing_ok=True)
        shutil.rmtree(run_dir / run_log.BOARD, ignore_errors=True)
