"""What CUDA would refuse, and how often the host would wait for it, seen without a GPU.

`test_cuda` compares numbers where there is a GPU. Here its cases run on tensors that only say that
they are on one: what mixes devices raises, and the numbers must be those of the CPU, bit by bit.
"""

from __future__ import annotations

import pytest
import torch
from torch.utils._pytree import tree_leaves

from test.core.test_cuda import CASES, F64, Call, inputs
from test.pretended_cuda import CUDA, Device, MixedDevicesError, OnDevice, pretended_cuda

SEED = 17


def run_there(call: Call) -> tuple[list[OnDevice], Device]:
    """The tensors of a case's result, and what was counted."""
    with pretended_cuda() as device:
        at = {name: value.to(CUDA) for name, value in inputs().items()}
        generator = torch.Generator(CUDA).manual_seed(SEED)
        device.waits.clear()
        leaves = tree_leaves(call(at, generator))
    assert all(isinstance(leaf, OnDevice) for leaf in leaves)
    return leaves, device


@pytest.mark.parametrize("name", list(CASES))
def test_every_case_stays_on_its_device(name: str) -> None:
    there, _ = run_there(CASES[name])
    with torch.no_grad():
        here = tree_leaves(CASES[name](inputs(), torch.Generator().manual_seed(SEED)))
    for left, right in zip(here, there, strict=True):
        torch.testing.assert_close(left, right.held, rtol=0, atol=0, equal_nan=True)


def test_a_tensor_left_on_the_host_is_found() -> None:
    def forgetful(at: dict[str, torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        return at["poses"] + torch.ones(3, dtype=F64)

    with pytest.raises(MixedDevicesError, match=r"aten\.add"):
        run_there(forgetful)


@pytest.mark.parametrize("host", ["read", "written"])
def test_a_table_left_on_the_host_is_found(host: str) -> None:
    def forgetful(at: dict[str, torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        table, rows = torch.zeros(5, dtype=F64), torch.zeros(3, dtype=torch.long).to(CUDA)
        if host == "read":
            return table[rows]
        table[rows.cpu()] = at["log_weights"][0, :3]
        return at["poses"]

    with pytest.raises(MixedDevicesError, match=r"aten\.index"):
        run_there(forgetful)


def test_a_result_on_the_host_is_found() -> None:
    def brought_back(at: dict[str, torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        return at["poses"].cpu() + 1.0

    with pytest.raises(AssertionError):
        run_there(brought_back)


@pytest.mark.parametrize(
    ("call", "waits"),
    [
        (lambda at, _: at["poses"] * at["poses"].sum(), 0),
        (lambda at, _: at["poses"] * float(at["poses"].sum()), 1),
        (lambda at, _: at["poses"] * len(at["mean"].sum((1, 2)).tolist()), 1),
        (lambda at, _: at["poses"][at["log_weights"] > -3.0], 1),
        (lambda at, _: (at["log_weights"] > -3.0).nonzero(), 1),
        (lambda at, _: at["poses"] + at["poses"].cpu().to(CUDA), 1),
        (lambda at, _: torch.linalg.inv(at["factor"]), 1),
        (lambda at, _: at["poses"] if bool((at["log_weights"] > 0).any()) else at["mean"], 1),
    ],
)
def test_waits_are_counted(call: Call, waits: int) -> None:
    _, device = run_there(call)
    assert device.waits.total() == waits


def test_banks_and_systematic_resampling_never_wait() -> None:
    for name in ("bank", "kalman predict", "systematic", "stratified", "multinomial", "soft"):
        _, device = run_there(CASES[name])
        assert not device.waits, name


def test_after_it_everything_is_as_before() -> None:
    generator, started = torch.Generator, torch.cuda._lazy_init
    with pytest.raises(ValueError, match="out"), pretended_cuda():
        raise ValueError("out")
    assert torch.Generator is generator
    assert torch.cuda._lazy_init is started
    assert torch.ones(2).sum().item() == 2.0
