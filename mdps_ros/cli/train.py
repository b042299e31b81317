"""`mdps train`: learn the weights of a model in stages, from a recipe."""

from __future__ import annotations

import shlex
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mdps_ros.training.config import TrainConfig
    from mdps_ros.training.trainer import Progress as Step
    from mdps_ros.training.trainer import TrainResult


def train(
    recipe: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, see config/train.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoint, logs, weights.")],
    resume: Annotated[
        bool,
        typer.Option("--resume/--fresh", help="Go on with the run in the folder, or replace it."),
    ] = True,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", help="One value, e.g. seed=3 or stages.filters.iterations=10."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, or auto: cuda where there is one.")
    ] = "auto",
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0.0, help="Longest time between two checkpoints.")
    ] = 30.0,
) -> None:
    """Learn the weights of a model in stages.

    A killed run goes on from its last checkpoint when the same command is given again, and ends
    with the very same weights. Several processes share
    the work when torchrun starts them.

    Writes weights.safetensors, curves.png, log.jsonl, TensorBoard files and, where the recipe has
    a section `card`, model_card.md.

    Examples:
        mdps train config/train/bearings_start.yaml --out out/bearings/start

        mdps train config/train/bearings_start.yaml --out out/try --set stages.motion.iterations=50

        torchrun --nproc-per-node 2 -m mdps_ros.cli.main train CONFIG --out DIR
    """
    from mdps_ros.training.config import load_config

    config = load_config(recipe, assignments or [])
    learn(config, out, device, resume=resume, checkpoint_seconds=checkpoint_seconds)


def learn(
    config: TrainConfig, out: Path, device: str, *, resume: bool, checkpoint_seconds: float
) -> None:
    """Run a recipe with a progress bar, and publish what it gives.

    Args:
        config: the recipe.
        out: folder of the run.
        device: cpu, cuda or auto.
        resume: go on with the run in the folder.
        checkpoint_seconds: longest time between two checkpoints.

    Raises:
        TrainingError: the recipe cannot be run.
    """
    from mdps_ros.training.distributed import local_device, process_group
    from mdps_ros.training.publish import publish
    from mdps_ros.training.tasks import find_task
    from mdps_ros.training.trainer import train as run_stages

    kind = _device_type(device)
    with process_group(kind) as ranks:
        task = find_task(config.task)(
            config.seed, config.members, config.options, local_device(kind)
        )
        with _bar(ranks.writes) as show:
            result = run_stages(
                task,
                config.stages,
                out,
                config.seed,
                progress=show,
                resume=resume,
                checkpoint_seconds=checkpoint_seconds,
                settings={"task": config.task, "options": dict(config.options)},
            )
        if ranks.writes:
            publish(out, task, config, result, shlex.join(["mdps", *sys.argv[1:]]))
            _print(result, out)


def _device_type(word: str) -> str:
    """The type of device that a word asks for.

    Raises:
        TrainingError: it is no such word, or there is no such device.
    """
    import torch

    from mdps_ros.training.errors import TrainingError

    there = torch.cuda.is_available()
    if word == "auto":
        return "cuda" if there else "cpu"
    if word not in ("cpu", "cuda"):
        raise TrainingError(f"--device {word}: use auto, cpu or cuda")
    if word == "cuda" and not there:
        raise TrainingError("--device cuda: torch sees no such device here; use --device cpu")
    return word


@contextmanager
def _bar(shown: bool) -> Iterator[Callable[[Step], None]]:
    """A progress bar on the terminal; what it yields moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as bar:
        line = bar.add_task("starting", total=None, loss="")

        def show(now: Step) -> None:
            train, best = statistics.median(now.loss), statistics.median(now.best)
            loss = f"loss {train:.4g}, best validation {best:.4g}"
            bar.update(line, description=now.stage, total=now.steps, completed=now.step, loss=loss)

        yield show


def _print(result: TrainResult, out: Path) -> None:
    """One line per stage, and where the weights are."""
    for stage in result.stages:
        values = " ".join(f"{value:.4f}" for value in stage.validation)
        skipped = f", {sum(stage.skipped)} steps left out" if sum(stage.skipped) else ""
        typer.echo(f"{stage.name}: best validation loss {values}{skipped}")
    typer.echo(f"{result.seconds:.0f} s; weights, curves and log are in {out}")
