"""Where the filter runs."""

from __future__ import annotations

import torch

from mdps_ros.notes import Code, Note, Severity


def choose_device(name: str) -> tuple[torch.device, tuple[Note, ...]]:
    """The device to run on, and a note where the wish could not be granted."""
    if name == "cpu" or torch.cuda.is_available():
        return torch.device("cpu" if name == "cpu" else "cuda"), ()
    if name == "auto":
        return torch.device("cpu"), ()
    text = "no CUDA device here; running on the CPU (runtime.device: auto silences this)"
    return torch.device("cpu"), (Note(Code.DEVICE, Severity.WARN, text),)


def device_bytes() -> int:
    """Memory that tensors hold on a GPU; 0 without one."""
    return torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
