"""The state of a run on disk, so that a killed run goes on bit for bit as if it had not been.

A checkpoint replaces its predecessor by a rename: whenever the process dies, one whole
checkpoint is there.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mdps_ros.training.errors import TrainingError
from mdps_ros.training.members import State

FILE = "checkpoint.pt"
_FORMAT = 1


class RandomState(NamedTuple):
    """Random streams of one rank.

    Attributes:
        batches: of the generator that tasks draw from.
        layers: of torch's global generator, which layers such as dropout draw from.
        device_layers: of the device's global generator; None on a CPU.
    """

    batches: Tensor
    layers: Tensor
    device_layers: Tensor | None


class Checkpoint(NamedTuple):
    """Everything that the rest of a run depends on.

    Attributes:
        recipe: what the run was asked to do, by name; a run resumes the same recipe only.
        stage: index of the stage; equal to the number of stages when the run is over.
        iteration: steps of this stage that were made.
        modules: all modules.
        optimizer: Adam's state dictionary.
        best: value, iteration and state of the stage's best (see `members.Best`).
        skips: (M,) steps left out so far in this stage, and (M,) how many of them just now in a
            row.
        random: one entry per rank.
        results: what the stages before this one ended with.
        log_bytes: length of the run log.
        seconds: time that the run has taken.
    """

    recipe: dict[str, Any]
    stage: int
    iteration: int
    modules: State
    optimizer: dict[str, Any]
    best: tuple[Tensor, Tensor, State]
    skips: tuple[Tensor, Tensor]
    random: list[tuple[Tensor, Tensor, Tensor | None]]
    results: list[dict[str, Any]]
    log_bytes: int
    seconds: float


def save(run_dir: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint of a run, wholly or not at all."""
    temporary = run_dir / (FILE + ".part")
    with temporary.open("wb") as file:
        torch.save({"format": _FORMAT, **checkpoint._asdict()}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(run_dir / FILE)


def load(run_dir: Path) -> Checkpoint | None:
    """The checkpoint of a run, on the CPU; None where there is none.

    Raises:
        TrainingError: the file is not one of ours.
    """
    path = run_dir / FILE
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content.pop("format") != _FORMAT:
            raise TrainingError(f"{path} has another format; start afresh (--fresh)")
        return Checkpoint(**content)
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise TrainingError(f"cannot read {path}; start afresh (--fresh)") from error


def check_recipe(run_dir: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Check that a checkpoint belongs to what is to be run.

    Raises:
        TrainingError: they differ; the text names the first difference.
    """
    for key in sorted(found.keys() | wanted.keys()):
        before, now = found.get(key), wanted.get(key)
        if before != now:
            raise TrainingError(
                f"{run_dir} holds a run with other settings ({key}: {before} then, {now} now); "
                "start afresh (--fresh) or write elsewhere (--out)"
            )


def random_state(generator: torch.Generator) -> RandomState:
    """The state of this rank's random streams."""
    device = generator.device
    return RandomState(
        generator.get_state(),
        torch.get_rng_state(),
        torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    )


def set_random_state(generator: torch.Generator, states: Sequence[Tensor | None]) -> None:
    """Set this rank's random streams to the fields of a `RandomState`."""
    batches, layers, device_layers = states
    assert batches is not None
    assert layers is not None
    generator.set_state(batches)
    torch.set_rng_state(layers)
    if device_layers is not None:
        torch.cuda.set_rng_state(device_layers, generator.device)


def to_device(state: State, device: torch.device) -> State:
    """The state with its tensors on `device`."""
    return {
        name: {key: tensor.to(device) for key, tensor in tensors.items()}
        for name, tensors in state.items()
    }
