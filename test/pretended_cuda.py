"""Tensors that say they live on a CUDA device, and compute on the CPU.

Device errors show without a GPU: an operation that mixes tensors of both devices raises as it would
there, and every wait of the host for the device is counted. Values are real, so code that branches
on them runs as always. There are no gradients.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)
aten = torch.ops.aten

# What the host must wait for: sizes that depend on values, and values that it reads.
_WAITS = {
    aten._local_scalar_dense,
    aten.item,
    aten.is_nonzero,
    aten.equal,
    aten.allclose,
    aten.nonzero,
    aten.nonzero_numpy,
    aten.argwhere,
    aten.masked_select,
    aten._unique2,
    aten.unique_dim,
    aten.unique_consecutive,
    aten.bincount,
    aten._linalg_check_errors,
}
_COPIES = {aten.to, aten._to_copy, aten.copy_}
_INDEXING = {aten.index, aten.index_put, aten.index_put_}


class MixedDevicesError(RuntimeError):
    """An operation took tensors of the host and of the device."""


class OnDevice(Tensor):
    """A tensor of the pretended device; `held` has its values."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnDevice:
        made: OnDevice = Tensor._make_wrapper_subclass(
            cls, held.shape, held.stride(), held.storage_offset(), dtype=held.dtype, device="meta"
        )
        made.held = held
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """The pretended one; torch's own parts take the tensor for one without values."""
        return CUDA

    def tolist(self) -> Any:
        """Numbers, on the host."""
        return self.cpu().tolist()

    def new_tensor(self, data: Any, dtype: Any = None, device: Any = None) -> Any:
        """A tensor of numbers, on this one's device."""
        return torch.tensor(data, dtype=dtype or self.dtype, device=device or CUDA)

    is_cuda = True  # type: ignore[assignment]
    is_cpu = False  # type: ignore[assignment]
    is_meta = False  # type: ignore[assignment]

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} outside of `pretended_cuda`")


_HostGenerator = torch.Generator


class Generator(_HostGenerator):
    """A generator of the pretended device, or an ordinary one of the host."""

    device = CUDA  # type: ignore[assignment]

    def __new__(cls, device: Any = "cpu") -> Any:
        there = torch.device(device).type == "cuda"
        return super().__new__(cls if there else _HostGenerator)


class Device(TorchDispatchMode):
    """Runs operations, and counts.

    Attributes:
        waits: how often the host waited, by the line of the package that made it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch.inference_mode(False), torch.no_grad():  # tensors of both kinds meet
            return self._run(func, (args, kwargs or {}))

    def _run(self, func: Any, given: Any) -> Any:
        args, leaves = given[0], tree_leaves(given)
        tensors = [x for x in leaves if isinstance(x, Tensor)]
        there = [x for x in tensors if isinstance(x, OnDevice)]
        here = [x for x in tensors if not isinstance(x, OnDevice) and x.dim() > 0]
        operation = func.overloadpacket
        if operation in _INDEXING and isinstance(args[0], OnDevice):  # numbers of the host will do
            numbers = [id(x) for x in args[1]]
            here = [x for x in here if id(x) not in numbers]
        if there and here and operation not in _COPIES:
            shapes = [tuple(x.shape) for x in here]
            raise MixedDevicesError(f"{func}: tensors {shapes} are on the CPU, others on CUDA")
        wanted = [x for x in leaves if isinstance(x, torch.device)]
        goes_there = wanted[0].type in ("cuda", "meta") if wanted else bool(there)
        if operation is aten.copy_:
            goes_there = isinstance(args[0], OnDevice)
        if there and _waits(operation, given, goes_there):
            self.waits[_place()] += 1
        plain = tree_map(_held, given)
        result = func(*plain[0], **plain[1])
        if func._schema.is_mutable:
            return _arguments_back(result, plain, given, goes_there)
        return tree_map(_put, result) if goes_there else result


def _waits(operation: Any, given: Any, goes_there: bool) -> bool:
    args, kwargs = given
    if operation is aten.repeat_interleave:
        return kwargs.get("output_size") is None and any(isinstance(x, Tensor) for x in args[1:2])
    if operation in _COPIES:
        return not goes_there
    if operation in _INDEXING:
        return any(x is not None and x.dtype in (torch.bool, torch.uint8) for x in args[1])
    return operation in _WAITS


def _held(x: Any) -> Any:
    if isinstance(x, torch.device):
        return torch.device("cpu")
    return x.held if isinstance(x, OnDevice) else x


def _put(x: Any) -> Any:
    return OnDevice(x) if isinstance(x, Tensor) else x


def _arguments_back(result: Any, plain: Any, given: Any, there: bool) -> Any:
    """What an operation that writes gives back: the tensors that it was given, not new ones."""
    known = {id(a): b for a, b in zip(tree_leaves(plain), tree_leaves(given), strict=True)}

    def back(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        written = known.get(id(x))
        if written is None:
            return OnDevice(x) if there else x
        assert written.shape == x.shape, "an operation changed a tensor's shape in place"
        return written

    return tree_map(back, result)


def _place() -> str:
    for frame in reversed(traceback.extract_stack()):
        if "/mdps_ros/" in frame.filename and "/test/" not in frame.filename:
            return f"{frame.filename.rpartition('/mdps_ros/')[2]}:{frame.lineno} {frame.line}"
    return "elsewhere"


@contextmanager
def pretended_cuda() -> Iterator[Device]:
    """Within it, `CUDA` names the pretended device."""
    started = torch.cuda._lazy_init
    if torch.cuda.is_available():
        torch.cuda.init()  # torch does so once, at the first use of the name
    else:
        torch._C._ensureCUDADeviceGuardSet()  # one that does nothing
        torch.cuda._lazy_init = lambda: None  # type: ignore[attr-defined]
    lifts = torch._C._only_lift_cpu_tensors()
    torch.Generator = Generator  # type: ignore[misc]
    torch._C._set_only_lift_cpu_tensors(True)  # numbers become tensors here, then go there
    try:
        with torch.no_grad(), Device() as device:
            yield device
    finally:
        torch.Generator = _HostGenerator  # type: ignore[misc]
        torch._C._set_only_lift_cpu_tensors(lifts)
        torch.cuda._lazy_init = started  # type: ignore[attr-defined]
