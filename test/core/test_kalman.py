"""Square-root Kalman steps against the textbook form and the joint Gaussian of all times."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mdps_ros.core import kalman

F64 = torch.float64
STATES, OUTPUTS, STEPS, ROWS = 4, 2, 6, 3


class LinearSystem:
    """A random linear-Gaussian system, time-invariant, one per row."""

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=F64)

        self.F = 0.5 * normal(ROWS, STATES, STATES)
        self.c = normal(ROWS, STATES)
        self.chol_Q = normal(ROWS, STATES, STATES).tril()
        self.H = normal(ROWS, OUTPUTS, STATES)
        self.d = normal(ROWS, OUTPUTS)
        self.chol_R = normal(ROWS, OUTPUTS, OUTPUTS).tril()
        self.mean = normal(ROWS, STATES)
        self.chol = normal(ROWS, STATES, STATES).tril()
        self.y = normal(ROWS, STEPS, OUTPUTS)

    def joint(self) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and covariance of all states given all measurements, and log p(y), from one
        Gaussian over x_0..x_T-1 and y (y_t measures x_t)."""
        size = STATES * STEPS
        lift = torch.zeros(ROWS, size, size, dtype=F64)  # states = lift noise + offset
        offset = torch.zeros(ROWS, size, dtype=F64)
        noise = torch.zeros(ROWS, size, size, dtype=F64)
        for t in range(STEPS):
            now = slice(STATES * t, STATES * (t + 1))
            lift[:, now, now] = torch.eye(STATES, dtype=F64)
            if t == 0:
                offset[:, now] = self.mean
                noise[:, now, now] = self.chol @ self.chol.mT
            else:
                before = slice(STATES * (t - 1), STATES * t)
                lift[:, now] += self.F @ lift[:, before]
                offset[:, now] = (self.F @ offset[:, before, None])[..., 0] + self.c
                noise[:, now, now] = self.chol_Q @ self.chol_Q.mT
        covariance = lift @ noise @ lift.mT
        eye = torch.eye(STEPS, dtype=F64)
        observe = torch.stack([torch.kron(eye, h) for h in self.H])
        error = torch.stack([torch.kron(eye, r @ r.T) for r in self.chol_R])
        mean_y = (observe @ offset[..., None])[..., 0] + self.d.repeat(1, STEPS)
        covariance_y = observe @ covariance @ observe.mT + error
        flat = self.y.reshape(ROWS, -1)
        log_evidence = torch.distributions.MultivariateNormal(mean_y, covariance_y).log_prob(flat)
        gain = covariance @ observe.mT @ torch.linalg.inv(covariance_y)
        mean = offset + (gain @ (flat - mean_y)[..., None])[..., 0]
        return mean, covariance - gain @ observe @ covariance, log_evidence

    def filter(self) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Filtered (mean, chol) at each time and the total log-evidence, by the code under test."""
        mean, chol = self.mean, self.chol
        filtered, total = [], torch.zeros(ROWS, dtype=F64)
        for t in range(STEPS):
            if t > 0:
                mean, chol = kalman.predict(mean, chol, self.F, self.c, self.chol_Q)
            mean, chol, log_evidence = kalman.update(
                mean, chol, self.H, self.d, self.chol_R, self.y[:, t]
            )
            total = total + log_evidence
            filtered.append((mean, chol))
        return filtered, total


def test_filter_and_evidence_equal_the_joint_gaussian() -> None:
    system = LinearSystem(1)
    filtered, log_evidence = system.filter()
    mean, covariance, exact = system.joint()
    torch.testing.assert_close(log_evidence, exact)
    last_mean, last_chol = filtered[-1]
    torch.testing.assert_close(last_mean, mean[:, -STATES:])
    torch.testing.assert_close(last_chol @ last_chol.mT, covariance[:, -STATES:, -STATES:])


def check_smoother(system: LinearSystem, chol_Q: Tensor) -> None:
    filtered, _ = system.filter()
    mean, covariance, _ = system.joint()
    smoothed = filtered[-1]
    for t in range(STEPS - 2, -1, -1):
        smoothed = kalman.rts_step(*filtered[t], *smoothed, system.F, system.c, chol_Q)
        now = slice(STATES * t, STATES * (t + 1))
        torch.testing.assert_close(smoothed[0], mean[:, now])
        torch.testing.assert_close(smoothed[1] @ smoothed[1].mT, covariance[:, now, now])


def test_smoother_equals_the_joint_gaussian() -> None:
    system = LinearSystem(2)
    check_smoother(system, system.chol_Q)


def test_smoother_with_wrong_process_noise_fails() -> None:
    system = LinearSystem(2)
    with pytest.raises(AssertionError):
        check_smoother(system, 0.5 * system.chol_Q)


def test_one_step_equals_the_textbook() -> None:
    system = LinearSystem(3)
    covariance = system.chol @ system.chol.mT
    mean, chol = kalman.predict(system.mean, system.chol, system.F, system.c, system.chol_Q)
    predicted = system.F @ covariance @ system.F.mT + system.chol_Q @ system.chol_Q.mT
    torch.testing.assert_close(chol @ chol.mT, predicted)
    torch.testing.assert_close(mean, (system.F @ system.mean[..., None])[..., 0] + system.c)
    y = system.y[:, 0]
    new_mean, new_chol, log_evidence = kalman.update(
        mean, chol, system.H, system.d, system.chol_R, y
    )
    innovation = system.H @ predicted @ system.H.mT + system.chol_R @ system.chol_R.mT
    gain = predicted @ system.H.mT @ torch.linalg.inv(innovation)
    error = y - (system.H @ mean[..., None])[..., 0] - system.d
    torch.testing.assert_close(new_mean, mean + (gain @ error[..., None])[..., 0])
    torch.testing.assert_close(new_chol @ new_chol.mT, predicted - gain @ innovation @ gain.mT)
    exact = torch.distributions.MultivariateNormal(torch.zeros(OUTPUTS).double(), innovation)
    torch.testing.assert_close(log_evidence, exact.log_prob(error))


def test_shared_factor_broadcasts_against_many_means() -> None:
    system = LinearSystem(4)
    means = torch.randn(5, ROWS, STATES, generator=torch.Generator().manual_seed(5), dtype=F64)
    mean, chol, log_evidence = kalman.update(
        means, system.chol, system.H, system.d, system.chol_R, system.y[:, 0]
    )
    assert mean.shape == (5, ROWS, STATES)
    assert chol.shape == (ROWS, STATES, STATES)
    assert log_evidence.shape == (5, ROWS)
    alone = kalman.update(means[2], system.chol, system.H, system.d, system.chol_R, system.y[:, 0])
    torch.testing.assert_close(mean[2], alone[0])
    torch.testing.assert_close(log_evidence[2], alone[2])


@pytest.mark.parametrize("lead", [(), (1,), (3, 1), (2, 3, 1)])
def test_common_matrix_and_common_factor_serve_all_vectors(lead: tuple[int, ...]) -> None:
    """What is not copied per vector gives what copies give."""
    generator = torch.Generator().manual_seed(9)
    chol = torch.eye(2, dtype=F64) + torch.randn(*lead, 2, 2, generator=generator, dtype=F64).tril()
    vectors = torch.randn(3, 5, 2, generator=generator, dtype=F64)
    copies = chol.expand((*torch.broadcast_shapes(lead, (3, 5)), 2, 2)).contiguous()
    torch.testing.assert_close(
        kalman.matvec(chol, vectors), (copies @ vectors.unsqueeze(-1)).squeeze(-1)
    )
    whitened = kalman.whiten(chol, vectors)
    torch.testing.assert_close(
        (copies @ whitened.unsqueeze(-1)).squeeze(-1), vectors.expand_as(whitened)
    )


def test_exact_measurement_pins_the_state() -> None:
    """R = 0 as in the filter bank's virtual measurement."""
    chol = torch.tensor([[2.0, 0.0], [1.0, 1.5]], dtype=F64)
    H = torch.tensor([[1.0, 0.0]], dtype=F64)
    zero = torch.zeros(1, dtype=F64)
    mean, new, _ = kalman.update(
        torch.zeros(2, dtype=F64), chol, H, zero, zero[:, None], torch.tensor([3.0], dtype=F64)
    )
    torch.testing.assert_close(mean, torch.tensor([3.0, 1.5], dtype=F64))
    torch.testing.assert_close((new @ new.mT)[0], torch.zeros(2, dtype=F64))
    torch.testing.assert_close((new @ new.mT)[1, 1].item(), 1.5**2)


def test_tria_is_a_triangular_square_root_of_wide_and_narrow_matrices() -> None:
    generator = torch.Generator().manual_seed(6)
    for width in (2, 3, 7):
        matrix = torch.randn(5, 3, width, generator=generator, dtype=F64)
        lower = kalman.tria(matrix)
        assert lower.shape == (5, 3, 3)
        assert torch.equal(lower, lower.tril())
        assert (lower.diagonal(dim1=-2, dim2=-1) >= 0).all()
        torch.testing.assert_close(lower @ lower.mT, matrix @ matrix.mT)


def test_update_has_right_gradients() -> None:
    system = LinearSystem(7)

    def value(mean: Tensor, chol: Tensor, H: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        return kalman.update(mean, chol.tril(), H, system.d, system.chol_R, y)

    leaves = (system.mean, system.chol, system.H, system.y[:, 0])
    assert torch.autograd.gradcheck(value, tuple(x.clone().requires_grad_() for x in leaves))


def test_single_precision_stays_positive_where_the_standard_form_does_not() -> None:
    """P0 = 1e4, R = 1e-4, Q = 1e-6 over 60 steps in float32."""
    generator = torch.Generator().manual_seed(8)
    F = torch.randn(20, 4, 4, generator=generator) * 0.4
    H = torch.randn(20, 1, 4, generator=generator)
    chol, covariance = 100.0 * torch.eye(4).expand(20, 4, 4), 1e4 * torch.eye(4).expand(20, 4, 4)
    mean, zero = torch.zeros(20, 4), torch.zeros(20, 1)
    worst, standard_worst = math.inf, math.inf
    for _ in range(60):
        mean, chol, _ = kalman.update(mean, chol, H, zero, torch.full((1, 1), 1e-2), zero)
        mean, chol = kalman.predict(mean, chol, F, torch.zeros(20, 4), 1e-3 * torch.eye(4))
        worst = min(worst, torch.linalg.eigvalsh(chol.double() @ chol.double().mT).min().item())
        gain = covariance @ H.mT / (H @ covariance @ H.mT + 1e-4)
        covariance = covariance - gain @ H @ covariance
        standard_worst = min(
            standard_worst, torch.linalg.eigvalsh(covariance.double()).min().item()
        )
        covariance = F @ covariance @ F.mT + 1e-6 * torch.eye(4)
    assert worst > 0
    assert standard_worst < 0
