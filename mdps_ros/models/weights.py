"""Weights of learned modules as one safetensors file, with the facts of their making beside them.

A tensor's name is the module's name, a dot, and its name in the module. Reading is strict and runs
no code of the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn


class WeightsError(ValueError):
    """A file of weights is unreadable or does not fit the modules."""


def save_weights(path: Path, modules: Mapping[str, nn.Module], metadata: Mapping[str, str]) -> None:
    """Write the weights of modules; the file appears whole or not at all.

    Args:
        path: file to write, *.safetensors.
        modules: by the names that a reader will use.
        metadata: facts such as seed, data and licence; equal weights and facts make equal files.
    """
    tensors = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in _named_tensors(modules).items()
    }
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(_sorted_header(save(tensors, dict(metadata))))
    temporary.replace(path)


def load_weights(path: Path, modules: Mapping[str, nn.Module]) -> dict[str, str]:
    """Put the weights of a file into modules of the same structure.

    Args:
        path: file that `save_weights` wrote.
        modules: changed in place, all of them or, on an error, none.

    Returns:
        The metadata.

    Raises:
        WeightsError: the file cannot be read, or names or shapes differ.
    """
    found, metadata = read_weights(path)
    put_weights(found, modules, path)
    return metadata


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file by their names in it, and its metadata.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = dict(file.metadata() or {})
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no iter
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot read weights from {path}: {error}") from error
    return found, metadata


def put_weights(found: Mapping[str, Tensor], modules: Mapping[str, nn.Module], path: Path) -> None:
    """Put tensors into modules of the same structure.

    Args:
        found: of `read_weights`.
        modules: changed in place, all of them or, on an error, none.
        path: where the tensors come from, for errors.

    Raises:
        WeightsError: names or shapes differ.
    """
    wanted = _named_tensors(modules)
    for name in sorted(found.keys() ^ wanted.keys()):
        where = "lacks" if name in wanted else "also has"
        raise WeightsError(f"{path} {where} {name}; give the weights of this very model")
    for name, tensor in wanted.items():
        if tensor.shape != found[name].shape:
            raise WeightsError(
                f"{path}: {name} has the shape {tuple(found[name].shape)}, the model "
                f"{tuple(tensor.shape)}; build the model with the settings of its training"
            )
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(found[name])


def _sorted_header(content: bytes) -> bytes:
    """The file with its metadata in alphabetical order, so that equal weights make equal files.

    A safetensors file is the length of its header (8 bytes), the header (JSON, padded by spaces
    to a multiple of 8 bytes) and the data, to which the header's offsets are relative.
    """
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _named_tensors(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Parameters and buffers of all modules, by their names in a file."""
    return {
        f"{name}.{key}": tensor
        for name, module in modules.items()
        for key, tensor in module.state_dict(keep_vars=True).items()
    }
