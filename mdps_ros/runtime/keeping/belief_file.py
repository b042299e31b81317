"""A belief as one safetensors file: written whole or not at all, bound to the map by its id."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mdps_ros.core.types import Belief
from mdps_ros.models.motion import VehicleState
from mdps_ros.runtime.outputs import State

FORMAT = "mdps_ros belief 2"
SHAPES = {
    "pose": (1, None, 3),
    "calibration": (1, None, 4),
    "quality": (1, None),
    "factor": (1, 2, 4, 4),
    "map_offset": (1, None, 2),
    "map_slope": (1, None, 2),
    "log_weights": (1, None),
}
"""Tensors of a file; None is the number of particles."""


class BeliefFileError(Exception):
    """A file cannot be written or read; the text is one line and names the remedy."""


class OtherMapError(BeliefFileError):
    """A file belongs to another map."""


class SavedBelief(NamedTuple):
    """All that a session needs to go on where it stopped.

    Attributes:
        map_id: content hash of the map.
        state: how much was known.
        stamp_ns: time of the belief.
        T_odom_base: (3,) float64 m, m, rad: odometry at that time.
        travelled: m since the start of this belief.
        fit: mean log-likelihood of the drive against the roads.
        belief: particles.
    """

    map_id: str
    state: State
    stamp_ns: int
    T_odom_base: NDArray[np.float64]
    travelled: float
    fit: float
    belief: Belief


def write_belief(path: Path, saved: SavedBelief) -> int:
    """Write a file; until it is complete and on the disk, the old one stays.

    Returns:
        Its size in bytes.

    Raises:
        BeliefFileError: the disk is full, the folder is not ours, ...
    """
    state, log_weights = saved.belief
    tensors = {**state._asdict(), "log_weights": log_weights}
    numbers = [saved.stamp_ns, *map(float, saved.T_odom_base), saved.travelled, saved.fit]
    facts = {"format": FORMAT, "map_id": saved.map_id, "state": saved.state.name}
    facts["numbers"] = json.dumps(numbers)
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(whole, facts)
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        _remove(temporary)
        raise BeliefFileError(
            f"cannot save the belief to {path}: {error.strerror or error}; make room or choose "
            "another node.state_file; the file of before, if any, is untouched"
        ) from error
    return len(content)


def read_belief(path: Path, map_id: str) -> SavedBelief:
    """Read a file that `write_belief` wrote.

    Args:
        path: the file.
        map_id: the only map that is accepted.

    Raises:
        OtherMapError: it belongs to another map.
        BeliefFileError: it is unreadable or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise BeliefFileError(f"{path} is no saved belief, or damaged ({error})") from error
    except OSError as error:
        raise BeliefFileError(f"cannot read a belief from {path}: {error}") from error
    if facts.get("format") != FORMAT:
        raise BeliefFileError(f"{path} holds no belief of this version; remove it")
    if facts.get("map_id") != map_id:
        raise OtherMapError(
            f"{path} belongs to the map {facts.get('map_id', '')[:12]}, not to {map_id[:12]}; "
            "give the map it was saved on, or remove it"
        )
    try:
        stamp_ns, x, y, yaw, travelled, fit = json.loads(facts["numbers"])
        return SavedBelief(
            map_id=map_id,
            state=State[facts["state"]],
            stamp_ns=int(stamp_ns),
            T_odom_base=np.array([x, y, yaw], dtype=np.float64),
            travelled=float(travelled),
            fit=float(fit),
            belief=_belief(tensors),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise BeliefFileError(f"{path} is damaged ({error}); remove it") from error


def _belief(tensors: dict[str, Tensor]) -> Belief:
    """A belief of tensors that have been checked."""
    if tensors.keys() != SHAPES.keys():
        raise ValueError("its tensors have other names")
    count = tensors["pose"].shape[1] if tensors["pose"].dim() == 3 else 0
    for name, shape in SHAPES.items():
        wanted = tuple(count if size is None else size for size in shape)
        tensor = tensors[name]
        if count < 1 or tensor.shape != wanted or tensor.isnan().any():
            raise ValueError(f"{name} has the shape {tuple(tensor.shape)} or is not a number")
        if tensor.dtype is not (torch.int64 if name == "quality" else torch.float32):
            raise ValueError(f"{name} is of type {tensor.dtype}")
        if name not in ("quality", "log_weights") and not tensor.isfinite().all():
            raise ValueError(f"{name} is not finite")
    quality, log_weights = tensors["quality"], tensors["log_weights"]
    if ((quality != 0) & (quality != 1)).any():
        raise ValueError("quality is neither 0 nor 1")
    if not abs(float(torch.logsumexp(log_weights, 1)[0])) < 1e-2:
        raise ValueError("its weights do not sum to one")
    state = VehicleState(**{name: tensors[name] for name in VehicleState._fields})
    return Belief(state, log_weights)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a loss of power."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # it lies where nothing can be written; nothing more to do
