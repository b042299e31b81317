"""Standard and Joseph forms against the array form, and rbpf.md test d (single precision)."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from mdps_ros.core import covariance_forms, kalman
from mdps_ros.core.covariance_forms import Moments, Update, joseph_update, standard_update

F64 = torch.float64
FORMS = {"standard": standard_update, "joseph": joseph_update}


def forgetful_update(
    prior: Moments, H: Tensor, d: Tensor, R: Tensor, y: Tensor
) -> tuple[Moments, Tensor]:
    """Joseph's form without the noise term."""
    new, log_density = joseph_update(prior, H, d, R, y)
    innovation = H @ prior.covariance @ H.mT + R
    gain = torch.linalg.solve(innovation, H @ prior.covariance).mT
    return new._replace(covariance=new.covariance - gain @ R @ gain.mT), log_density


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def check_against_arrays(update: Update) -> None:
    """Mean, covariance and log-density after a time and a measurement update, within 1e-10."""
    mean, chol = normal(1, 5, 4), normal(2, 5, 4, 4).tril()
    F, c, chol_Q = 0.6 * normal(3, 5, 4, 4), normal(4, 5, 4), normal(5, 5, 4, 3)
    H, d, chol_R = normal(6, 5, 2, 4), normal(7, 2), normal(8, 2, 2).tril()
    y = normal(9, 5, 2)
    array = kalman.update(*kalman.predict(mean, chol, F, c, chol_Q), H, d, chol_R, y)
    moved = covariance_forms.predict(Moments(mean, chol @ chol.mT), F, c, chol_Q @ chol_Q.mT)
    moments, log_density = update(moved, H, d, chol_R @ chol_R.T, y)
    torch.testing.assert_close(moments.mean, array[0], atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(moments.covariance, array[1] @ array[1].mT, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(log_density, array[2], atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_covariance_form_equals_the_array_form(form: str) -> None:
    check_against_arrays(FORMS[form])


def test_joseph_form_without_its_noise_term_fails() -> None:
    with pytest.raises(AssertionError):
        check_against_arrays(forgetful_update)


@pytest.mark.parametrize("form", FORMS)
def test_conditioning_on_the_leading_block_is_gaussian_conditioning(form: str) -> None:
    root = normal(10, 3, 5, 6)
    prior = Moments(normal(11, 3, 5), root @ root.mT)
    leading = normal(12, 3, 2)
    given, log_density = covariance_forms.condition_leading(prior, leading, FORMS[form])
    P = prior.covariance
    gain = P[:, 2:, :2] @ torch.linalg.inv(P[:, :2, :2])
    surprise = leading - prior.mean[:, :2]
    torch.testing.assert_close(given.mean, prior.mean[:, 2:] + (gain @ surprise[..., None])[..., 0])
    torch.testing.assert_close(given.covariance, P[:, 2:, 2:] - gain @ P[:, :2, 2:])
    exact = torch.distributions.MultivariateNormal(prior.mean[:, :2], P[:, :2, :2])
    torch.testing.assert_close(log_density, exact.log_prob(leading))


class Conditioning(NamedTuple):
    """Prior, measurement and process variance of rbpf.md section 7, test d."""

    p0: float
    r: float
    q: float


HARD = Conditioning(1e4, 1e-4, 1e-6)
SYSTEMS, STEPS, LINEAR, NONLINEAR = 200, 60, 4, 3


def systems() -> tuple[Tensor, Tensor, Tensor]:
    """Random H, F_n, F_l per step and system that single precision represents exactly."""
    H = normal(20, STEPS, SYSTEMS, 1, LINEAR)
    F_n = normal(21, STEPS, SYSTEMS, NONLINEAR, LINEAR)
    F_l = torch.eye(LINEAR, dtype=F64) + 0.05 * normal(22, STEPS, SYSTEMS, LINEAR, LINEAR)
    return H.float(), F_n.float(), F_l.float()


def covariances(update: Update, case: Conditioning, dtype: torch.dtype) -> list[Tensor]:
    """Covariance of z after each step of Algorithm 2 with independent noise: y, then xi', then
    the time update."""
    state = Moments(torch.zeros(SYSTEMS, LINEAR, dtype=dtype), case.p0 * eye(LINEAR, dtype))
    state = state._replace(covariance=state.covariance.expand(SYSTEMS, -1, -1))
    history = []
    for H, F_n, F_l in zip(*(part.to(dtype) for part in systems()), strict=True):
        state, _ = update(state, H, *observed(1, case.r, dtype))
        state, _ = update(state, F_n, *observed(NONLINEAR, case.q, dtype))
        offset = torch.zeros(LINEAR, dtype=dtype)
        state = covariance_forms.predict(state, F_l, offset, case.q * eye(LINEAR, dtype))
        history.append(state.covariance.double())
    return history


def eye(size: int, dtype: torch.dtype) -> Tensor:
    return torch.eye(size, dtype=dtype)


def observed(width: int, variance: float, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """d, R and y of a measurement of zero."""
    zero = torch.zeros(width, dtype=dtype)
    return zero, variance * eye(width, dtype), zero


def array_covariances(case: Conditioning) -> list[Tensor]:
    """The same in the array form, in single precision."""
    chol = (case.p0**0.5 * eye(LINEAR, torch.float32)).expand(SYSTEMS, -1, -1)
    history = []
    for H, F_n, F_l in zip(*systems(), strict=True):
        mean = torch.zeros(SYSTEMS, LINEAR)
        zero = torch.zeros(1)
        _, chol, _ = kalman.update(mean, chol, H, zero, case.r**0.5 * torch.ones(1, 1), zero)
        noise = case.q**0.5 * torch.eye(NONLINEAR + LINEAR)
        joint = kalman.tria(kalman.block([[torch.cat([F_n, F_l], -2) @ chol, noise]]))
        chol = joint[:, NONLINEAR:, NONLINEAR:]
        history.append(chol.double() @ chol.double().mT)
    return history


def negative_share(history: list[Tensor]) -> float:
    """Share of (system, step) whose smallest eigenvalue is negative or not a number."""
    stacked = torch.stack(history)
    finite = stacked.isfinite().all(-1).all(-1)
    smallest = torch.linalg.eigvalsh(0.5 * (stacked + stacked.mT)[finite])[..., 0]
    return 1.0 - int((smallest >= 0).sum()) / finite.numel()


def relative_error(history: list[Tensor], case: Conditioning) -> float:
    """Median error against Joseph's form in double precision."""
    exact = torch.stack(covariances(joseph_update, case, F64))
    error = torch.linalg.matrix_norm(torch.stack(history) - exact)
    return float((error / torch.linalg.matrix_norm(exact)).median())


def test_d_array_form_stays_positive_in_single_precision_where_the_standard_form_fails() -> None:
    """rbpf.md test d, P0 1e4, R 1e-4, Q 1e-6, 200 systems of 60 steps."""
    array = array_covariances(HARD)
    assert negative_share(array) == 0.0
    assert relative_error(array, HARD) < 1e-5
    standard = covariances(standard_update, HARD, torch.float32)
    assert negative_share(standard) > 0.5
    joseph = covariances(joseph_update, HARD, torch.float32)
    assert negative_share(joseph) < 0.05
    assert relative_error(joseph, HARD) < 1e-5


def test_d_every_form_stays_positive_on_the_mild_case() -> None:
    mild = Conditioning(1.0, 1e-2, 1e-4)
    assert negative_share(array_covariances(mild)) == 0.0
    for update in FORMS.values():
        assert negative_share(covariances(update, mild, torch.float32)) == 0.0
