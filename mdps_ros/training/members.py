"""Members: networks that learn side by side in one process, along the leading axis of everything.

With M > 1 members every parameter has the shape (M, ...) and a member's loss depends on its own
rows only, so the gradient of the summed losses is each member's own. With M = 1 parameters may
have any shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mdps_ros.training.errors import TrainingError

_NORM_EPSILON = 1e-6  # as torch.nn.utils.clip_grad_norm_

State = dict[str, dict[str, Tensor]]
"""Tensors of modules: module name -> name in its state dictionary -> tensor."""


def check_members(modules: Mapping[str, nn.Module], members: int) -> None:
    """Check that the modules can belong to that many members.

    Raises:
        TrainingError: a parameter lacks the axis of members, or belongs to two modules.
    """
    owner: dict[Tensor, str] = {}
    for name, module in modules.items():
        for key, parameter in module.named_parameters():
            where = f"{name}.{key}"
            if parameter in owner:
                raise TrainingError(
                    f"parameter {where} is also {owner[parameter]}; put it into one module only"
                )
            owner[parameter] = where
            if members > 1 and (parameter.ndim == 0 or parameter.shape[0] != members):
                raise TrainingError(
                    f"parameter {where} has the shape {tuple(parameter.shape)}; with {members} "
                    f"members give it ({members}, ...)"
                )


def flat_gradient(parameters: Sequence[nn.Parameter], members: int) -> Float[Tensor, "M P"]:
    """Gradients of all parameters side by side; zeros where there is none."""
    rows = [
        torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for parameter in parameters
    ]
    return torch.cat([row.reshape(members, -1) for row in rows], dim=1)


def set_gradient(parameters: Sequence[nn.Parameter], gradient: Float[Tensor, "M P"]) -> None:
    """Inverse of `flat_gradient`."""
    sizes = [parameter.numel() // gradient.shape[0] for parameter in parameters]
    for parameter, rows in zip(parameters, torch.split(gradient, sizes, dim=1), strict=True):
        parameter.grad = rows.reshape(parameter.shape).to(parameter.dtype)


def clip(
    gradient: Float[Tensor, "M P"], finite: Bool[Tensor, " M"], norm: float
) -> Float[Tensor, "M P"]:
    """Scale each member's gradient to at most `norm`; zero for members that are not finite."""
    length = gradient.norm(dim=1, keepdim=True)
    clipped = gradient * (norm / (length + _NORM_EPSILON)).clamp(max=1.0)
    return torch.where(finite[:, None], clipped, 0.0)


def step_finite(
    optimizer: torch.optim.Adam, parameters: Sequence[nn.Parameter], finite: Bool[Tensor, " M"]
) -> None:
    """One step of those members whose gradient is finite; the others stay, moments included.

    Adam's step count, which corrects the bias of its moments, is shared and runs on.
    """
    if bool(finite.all()):
        optimizer.step()
        return
    if not bool(finite.any()):
        return
    kept = []
    for parameter in parameters:
        moments = optimizer.state.get(parameter, {})
        for tensor in (parameter, moments.get("exp_avg"), moments.get("exp_avg_sq")):
            if tensor is not None:
                kept.append((tensor, tensor.detach()[~finite].clone()))
    optimizer.step()
    with torch.no_grad():
        for tensor, rows in kept:
            tensor[~finite] = rows


class Best(NamedTuple):
    """The best state so far of the modules that learn.

    Attributes:
        value: (M,) validation loss, infinity before the first.
        iteration: (M,) at which it was found.
        state: with several members, rows of different iterations side by side. Tensors without
            the axis of members (constants) are left out then.
    """

    value: Tensor
    iteration: Tensor
    state: State


def no_best(modules: Mapping[str, nn.Module], members: int) -> Best:
    """What is best before anything was validated: the state as it is, at infinite loss."""
    state = {
        name: {
            key: tensor.detach().clone()
            for key, tensor in module.state_dict().items()
            if members == 1 or (tensor.ndim > 0 and tensor.shape[0] == members)
        }
        for name, module in modules.items()
    }
    return Best(
        torch.full((members,), torch.inf, dtype=torch.float64),
        torch.zeros(members, dtype=torch.int64),
        state,
    )


def improve(
    best: Best, modules: Mapping[str, nn.Module], value: Float[Tensor, " M"], iteration: int
) -> Best:
    """The better of `best` and the modules as they are, member by member; NaN never wins."""
    value = value.detach().cpu().double()
    better = value < best.value
    current = {name: module.state_dict() for name, module in modules.items()}
    state: State = {}
    for name, tensors in best.state.items():
        state[name] = {
            key: _take_rows(better, current[name][key], tensor) for key, tensor in tensors.items()
        }
    return Best(
        torch.where(better, value, best.value),
        torch.where(better, iteration, best.iteration),
        state,
    )


def _take_rows(better: Bool[Tensor, " M"], new: Tensor, old: Tensor) -> Tensor:
    """Rows of `new` where `better`, else of `old`; never a view of `new`."""
    if bool(better.all()):
        return new.detach().clone()
    if not bool(better.any()):
        return old
    mask = better.to(new.device).reshape((-1,) + (1,) * (new.ndim - 1))
    return torch.where(mask, new.detach(), old)


def load_best(best: Best, modules: Mapping[str, nn.Module]) -> None:
    """Put the best state into the modules."""
    with torch.no_grad():
        for name, tensors in best.state.items():
            current = modules[name].state_dict(keep_vars=True)
            for key, tensor in tensors.items():
                current[key].copy_(tensor)
