"""Suite `bank`: time and measurement update of many small Kalman filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mdps_ros.core import component_bank, kalman
from mdps_ros.evaluation.bench.peers import beside
from mdps_ros.evaluation.bench.timing import Case, Contender, Setup

FILTERPY_MOST = 1000  # filters: it takes them one by one


class Bank(NamedTuple):
    """Matrices common to all filters; means and factors of each, and what each measures."""

    F: Tensor
    chol_Q: Tensor
    H: Tensor
    chol_R: Tensor
    mean: Tensor
    chol: Tensor
    y: Tensor


def make_bank(count: int, n: int, m: int, device: str = "cpu") -> Bank:
    """A random stable system of n states and m outputs, float32; every filter is different."""
    generator = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device)

    eye = torch.eye(n, device=device)
    chol = (0.2 * normal(count, n, n)).tril() + eye
    return Bank(
        0.9 * eye + 0.05 * normal(n, n),
        0.3 * eye + 0.05 * normal(n, n).tril(),
        normal(m, n),
        0.5 * torch.eye(m, device=device),
        normal(count, n),
        chol,
        normal(count, m),
    )


def cases(setup: Setup) -> Iterator[Case]:
    """All cases of the suite."""
    for n, m in ((3, 2), (6, 3)):
        for count in (20,) if setup.small else (1_000, 10_000, 100_000):
            yield own_covariances(setup, count, n, m)
            yield one_covariance(setup, count, n, m)


def step(bank: Bank, mean: Tensor, chol: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Time and measurement update of every filter by `core.kalman`."""
    m, n = bank.H.shape
    mean, chol = kalman.predict(mean, chol, bank.F, mean.new_zeros(n), bank.chol_Q)
    return kalman.update(mean, chol, bank.H, mean.new_zeros(m), bank.chol_R, bank.y)


def component_step(bank: Bank) -> tuple[Callable[[], Any], float]:
    """The same by `core.component_bank`, and the error of its covariances."""
    m, n = bank.H.shape
    Q, R = bank.chol_Q @ bank.chol_Q.mT, bank.chol_R @ bank.chol_R.mT
    moves = component_bank.transition(bank.F, bank.mean.new_zeros(n), Q)
    sees = component_bank.observation(bank.H, bank.mean.new_zeros(m), R)
    filters = component_bank.from_moments(bank.mean, bank.chol @ bank.chol.mT)
    y = bank.y.T.contiguous()
    found, _ = component_bank.step(filters, moves, sees, y)
    error = (component_bank.to_moments(found)[1] - textbook_step(bank)[1]).abs().max()
    return lambda: component_bank.step(filters, moves, sees, y), float(error)


def textbook_step(bank: Bank) -> tuple[Tensor, Tensor]:
    """Mean and covariance after the same, in float64 by the textbook."""
    F, chol_Q, H, chol_R, mean, chol, y = (part.double() for part in bank)
    P = F @ chol @ chol.mT @ F.mT + chol_Q @ chol_Q.mT
    mean = mean @ F.mT
    gain = P @ H.mT @ torch.linalg.inv(H @ P @ H.mT + chol_R @ chol_R.mT)
    mean = mean + (gain @ (y - mean @ H.mT)[..., None])[..., 0]
    return mean, P - gain @ H @ P


def own_covariances(setup: Setup, count: int, n: int, m: int) -> Case:
    """Every filter with a covariance of its own; the error is of the covariances."""
    bank = make_bank(count, n, m, setup.device)
    _, chol, _ = step(bank, bank.mean, bank.chol)
    error = float((chol @ chol.mT - textbook_step(bank)[1]).abs().max())
    quick, quick_error = component_step(bank)
    contenders = [
        Contender("ours", quick, "covariances, component by component", quick_error),
        Contender(
            "ours, array form", lambda: step(bank, bank.mean, bank.chol), "by factors", error
        ),
        beside("torch-kf", ("torch_kf",), lambda module: torch_kf_step(bank, module)),
    ]
    if count <= FILTERPY_MOST:
        peer = beside("filterpy", ("filterpy.kalman",), lambda module: filterpy_step(bank, module))
        contenders.append(peer)
    name = f"Kalman step, {count} filters, n = {n}, m = {m}, a covariance each"
    return Case(name, count, "filter", contenders)


def one_covariance(setup: Setup, count: int, n: int, m: int) -> Case:
    """Filters that began alike: where no matrix depends on the filter one covariance serves all."""
    bank = make_bank(count, n, m, setup.device)
    alike = bank._replace(chol=bank.chol[:1])
    repeated = bank._replace(chol=bank.chol[:1].expand_as(bank.chol).contiguous())
    contenders = (
        Contender("ours", lambda: step(alike, bank.mean, alike.chol), "one factor for all"),
        beside("torch-kf", ("torch_kf",), lambda module: torch_kf_step(repeated, module)),
    )
    name = f"Kalman step, {count} filters, n = {n}, m = {m}, one covariance"
    return Case(name, count, "filter", contenders)


def torch_kf_step(bank: Bank, module: Any) -> Callable[[], Any]:
    """The same by torch-kf, which works on covariances."""
    Q, R = bank.chol_Q @ bank.chol_Q.mT, bank.chol_R @ bank.chol_R.mT
    peer = module.KalmanFilter(bank.F, bank.H, Q, R)
    state = module.GaussianState(bank.mean[..., None], bank.chol @ bank.chol.mT)
    y = bank.y[..., None]
    return lambda: peer.update(peer.predict(state), y)


def filterpy_step(bank: Bank, module: Any) -> Callable[[], Any]:
    """The same by filterpy, filter by filter."""
    n, m = bank.F.shape[0], bank.H.shape[0]
    peers = []
    for mean, chol in zip(bank.mean.double(), bank.chol.double(), strict=True):
        peer = module.KalmanFilter(dim_x=n, dim_z=m)
        peer.x, peer.P = mean.numpy()[:, None], (chol @ chol.mT).numpy()
        peer.F, peer.H = bank.F.double().numpy(), bank.H.double().numpy()
        peer.Q = (bank.chol_Q @ bank.chol_Q.mT).double().numpy()
        peer.R = (bank.chol_R @ bank.chol_R.mT).double().numpy()
        peers.append(peer)
    measured = bank.y.double().numpy()[..., np.newaxis]

    def run() -> None:
        for peer, y in zip(peers, measured, strict=True):
            peer.predict()
            peer.update(y)

    return run
