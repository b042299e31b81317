"""Operations on state trees: take particles, choose rows, stack over time, find the pose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils._pytree import tree_map


@runtime_checkable
class ParticleTree(Protocol):
    """A tree that knows which of its tensors have the particle axis and which are shared."""

    def gather_particles(self, index: Int[Tensor, "B M"]) -> Any:
        """A tree of the same type with the chosen particles; shared tensors as they are."""
        ...


def gather_particles(state: Any, index: Int[Tensor, "B M"]) -> Any:
    """Takes particles `index` along axis 1 of every tensor (B, N, ...) of a state tree.

    Sub-trees that are `ParticleTree`s do it themselves.
    """

    def take(node: Any) -> Any:
        if isinstance(node, ParticleTree):
            return node.gather_particles(index)
        return gather_axis(node, index)

    if isinstance(state, Tensor):  # of a filter's call the walk through a tree is a good part
        return gather_axis(state, index)
    return tree_map(take, state, is_leaf=lambda node: isinstance(node, ParticleTree))


def gather_axis(values: Tensor, index: Int[Tensor, "B M"]) -> Tensor:
    """Tensor (B, N, ...) at `index` along axis 1: (B, M, ...)."""
    if values.shape[0] == 1:
        return values[0].index_select(0, index[0]).unsqueeze(0)  # several times faster than gather
    trailing = values.shape[2:]
    wide = index.reshape(index.shape + (1,) * len(trailing)).expand(index.shape + trailing)
    return torch.gather(values, 1, wide)


def choose_rows(condition: Bool[Tensor, " B"], chosen: Any, other: Any) -> Any:
    """Per batch row the tensors of `chosen` where `condition`, else those of `other`."""

    def where(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(condition.reshape((-1,) + (1,) * (a.ndim - 1)), a, b)

    return tree_map(where, chosen, other)


def stack_time(trees: Sequence[Any]) -> Any:
    """Stacks equal trees of tensors (B, ...) to one tree of tensors (B, T, ...)."""
    return tree_map(lambda *leaves: torch.stack(leaves, dim=1), trees[0], *trees[1:])


def detach(state: Any) -> Any:
    """The same values without history."""
    return tree_map(lambda leaf: leaf.detach(), state)


def pose_of(state: Any) -> Float[Tensor, "B N D"]:
    """The pose tensor: the state itself, or its field `pose`."""
    pose: Tensor = state if isinstance(state, Tensor) else state.pose
    return pose


def with_pose(state: Any, pose: Float[Tensor, "B N D"]) -> Any:
    """The state with another pose tensor and everything else unchanged."""
    return pose if isinstance(state, Tensor) else state._replace(pose=pose)
