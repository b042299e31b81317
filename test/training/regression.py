"""Small tasks with a known answer that the trainer is tried on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mdps_ros.training.config import read_fields
from mdps_ros.training.stages import Stage

TRUE_SLOPE = (1.0, -2.0, 3.0)


def draw(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Inputs (count, 3) and noisy outputs (count, 1) of the true line."""
    device = generator.device
    x = torch.randn(count, 3, generator=generator, device=device)
    noise = 0.1 * torch.randn(count, 1, generator=generator, device=device)
    return x, x @ torch.tensor(TRUE_SLOPE, device=device)[:, None] + noise


class Line(nn.Module):
    """A line for each member, (members, 3, 1), begun from the member's own seed."""

    def __init__(self, seeds: Sequence[int]) -> None:
        super().__init__()
        starts = [torch.randn(3, 1, generator=torch.Generator().manual_seed(s)) for s in seeds]
        self.slope = nn.Parameter(torch.stack(starts))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.slope


class LineTask:
    """Two lines that are added; every member sees the same batches."""

    def __init__(self, seeds: Sequence[int], device: str = "cpu") -> None:
        self.members = len(seeds)
        self.device = device
        self.modules = {
            "first": Line(seeds).to(device),
            "second": Line([seed + 100 for seed in seeds]).to(device),
        }

    def loss(self, stage: Stage, generator: torch.Generator) -> Tensor:
        x, y = draw(16, generator)
        error = self.modules["first"](x) + self.modules["second"](x) - y
        return error.square().mean((1, 2))

    def validate(self, stage: Stage) -> Tensor:
        return LineTask.loss(self, stage, torch.Generator(self.device).manual_seed(99))


class NetworkTask:
    """A network with what a careless trainer forgets: running statistics and dropout."""

    members = 1

    def __init__(self, seed: int, pause_s: float = 0.0) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            encoder = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2))
            self.modules: dict[str, nn.Module] = {"encoder": encoder, "head": nn.Linear(8, 1)}
        self._pause_s = pause_s

    def loss(self, stage: Stage, generator: torch.Generator) -> Tensor:
        time.sleep(self._pause_s)
        x, y = draw(16, generator)
        return (self.modules["head"](self.modules["encoder"](x)) - y).square().mean()[None]

    def validate(self, stage: Stage) -> Tensor:
        x, y = draw(64, torch.Generator().manual_seed(99))
        return (self.modules["head"](self.modules["encoder"](x)) - y).square().mean()[None]


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Options of the network task."""

    pause_s: float = 0.0


def build_network(
    seed: int, members: int, options: Mapping[str, Any], device: torch.device
) -> NetworkTask:
    return NetworkTask(seed, read_fields(NetworkOptions, options, "options").pause_s)


def build_lines(
    seed: int, members: int, options: Mapping[str, Any], device: torch.device
) -> LineTask:
    return LineTask(range(seed, seed + members))


def copy_of(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Every tensor of the modules, as it is now."""
    return {
        f"{name}.{key}": tensor.detach().clone()
        for name, module in modules.items()
        for key, tensor in module.state_dict().items()
    }


def differing(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors that are not bit-identical."""
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]
