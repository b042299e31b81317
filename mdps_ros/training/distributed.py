"""Data-parallel learning: what the processes of `torchrun` tell each other.

One process alone is the case of one rank, in which everything here is the identity; so there is
one training loop. Each rank draws its own batches; gradients, losses and running statistics are
averaged; rank 0 alone writes files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor


class Ranks(NamedTuple):
    """This process among those that learn together.

    Attributes:
        rank: of this process, 0 .. count-1.
        size: number of processes.
    """

    rank: int
    size: int

    @property
    def writes(self) -> bool:
        """Whether this process writes logs, checkpoints and weights."""
        return self.rank == 0

    def average_(self, tensors: Iterable[Tensor]) -> None:
        """Put the mean over the ranks into every tensor."""
        if self.size > 1:
            for tensor in tensors:
                dist.all_reduce(tensor)
                tensor.div_(self.size)

    def adopt_(self, tensors: Iterable[Tensor]) -> None:
        """Put rank 0's values into every tensor."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, in the order of the ranks, on all of them."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values


def current_ranks() -> Ranks:
    """The ranks of the process group that this process belongs to; one rank without a group."""
    if dist.is_available() and dist.is_initialized():
        return Ranks(dist.get_rank(), dist.get_world_size())
    return Ranks(0, 1)


@contextmanager
def process_group(device_type: str) -> Iterator[Ranks]:
    """Join the process group that torchrun's environment variables name, if they do.

    Args:
        device_type: "cuda" talks by NCCL, everything else by gloo.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Ranks(0, 1)
        return
    if device_type == "cuda":
        torch.cuda.set_device(local_device(device_type))
    dist.init_process_group("nccl" if device_type == "cuda" else "gloo")
    try:
        yield current_ranks()
        dist.barrier()  # who leaves first takes the connection from under the others
    finally:
        dist.destroy_process_group()


def local_device(device_type: str) -> torch.device:
    """The device of this process: under torchrun each one has its own GPU."""
    if device_type != "cuda":
        return torch.device(device_type)
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def stream_seed(*words: int) -> int:
    """A seed in [0, 2^63) for the stream that `words` name; streams do not overlap in practice."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
