"""Which modules learn in a stage; the others stay as they are, running statistics included."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from torch import nn


@contextmanager
def flags_restored(modules: Mapping[str, nn.Module]) -> Iterator[frozenset[nn.Parameter]]:
    """At the end, put back which parameters learn, and which mode every part is in.

    Yields:
        The parameters that may learn at all: those that require a gradient now.
    """
    parts = [part for module in modules.values() for part in module.modules()]
    training = [part.training for part in parts]
    parameters = [p for module in modules.values() for p in module.parameters()]
    learns = [parameter.requires_grad for parameter in parameters]
    try:
        yield frozenset(p for p, wanted in zip(parameters, learns, strict=True) if wanted)
    finally:
        for part, mode in zip(parts, training, strict=True):
            part.training = mode
        for parameter, wanted in zip(parameters, learns, strict=True):
            parameter.requires_grad_(wanted)
            parameter.grad = None


def set_learning(
    modules: Mapping[str, nn.Module],
    names: Collection[str],
    learnable: Collection[nn.Parameter],
) -> None:
    """Let the modules `names` learn (those of their parameters that may), freeze the others."""
    for name, module in modules.items():
        for parameter in module.parameters():
            parameter.requires_grad_(name in names and parameter in learnable)
            parameter.grad = None
    set_modes(modules, names)


def set_modes(modules: Mapping[str, nn.Module], training: Collection[str]) -> None:
    """Put the modules `training` into training mode, the others into eval mode."""
    for name, module in modules.items():
        module.train(name in training)
