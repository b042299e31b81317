"""Messages from the future against Gaussian integrals done in the other order (rbpf.md 11.2)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mdps_ros.core import information, kalman_bank
from mdps_ros.core.information import Message
from mdps_ros.core.kalman_bank import GaussianBank

from .backward_oracle import backward_prediction, log_meeting
from .conditionally_linear import F64, RandomModel, Sizes

MODEL = RandomModel(Sizes(2, 3, 2), 1)
LOG_2PI = 1.8378770664093453


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


POSE, NEXT_POSE = normal(2, 2, 4, 2), normal(3, 2, 4, 2)
BANK = GaussianBank(
    normal(4, 2, 4, 3), torch.eye(3, dtype=F64) + 0.4 * normal(5, 2, 4, 3, 3).tril()
)
# rank 2: a future that leaves one direction of z open
LATER = Message(
    torch.cat([normal(6, 2, 4, 3, 2), torch.zeros(2, 4, 3, 1, dtype=F64)], -1),
    normal(7, 2, 4, 3),
    normal(8, 2, 4),
)
DYNAMICS = MODEL.dynamics(POSE, None, 1.0)


def forward_answer() -> Tensor:
    """log p(xi' | path) + log of the overlap at t+1: z integrated before z'."""
    state, log_density = kalman_bank.condition(BANK, DYNAMICS, NEXT_POSE)
    return log_density + information.log_overlap(state.bank.mean, state.bank.chol, LATER)


def test_backward_prediction_is_the_forward_integral_in_the_other_order() -> None:
    earlier = information.predict_back(LATER, DYNAMICS, NEXT_POSE)
    backward = information.log_overlap(BANK.mean, BANK.chol, earlier)
    torch.testing.assert_close(backward, forward_answer(), atol=1e-10, rtol=1e-10)


def document_answer(sign: float) -> Tensor:
    precision = LATER.root @ LATER.root.mT
    statistic = backward_prediction(precision, LATER.shift, DYNAMICS, NEXT_POSE, sign)
    # the document drops powers of 2 pi and counts the future from its own constant
    return log_meeting(BANK.mean, BANK.chol, statistic) + LATER.log_constant - LOG_2PI


def test_document_formula_with_the_minus_sign_is_the_same_number() -> None:
    torch.testing.assert_close(document_answer(-1.0), forward_answer(), atol=1e-8, rtol=1e-8)


def test_document_formula_with_the_plus_sign_fails() -> None:
    assert (document_answer(+1.0) - forward_answer()).abs().min() > 1e-3


def test_array_form_carries_the_document_statistic() -> None:
    earlier = information.predict_back(LATER, DYNAMICS, NEXT_POSE)
    statistic = backward_prediction(LATER.root @ LATER.root.mT, LATER.shift, DYNAMICS, NEXT_POSE)
    torch.testing.assert_close(earlier.root @ earlier.root.mT, statistic.precision)
    torch.testing.assert_close(earlier.shift, statistic.shift)


def test_observing_adds_the_likelihood_of_the_measurement() -> None:
    y = normal(9, 2, 2)
    seen = information.observe(LATER, MODEL.observe(POSE, y))
    h, H = MODEL.output(POSE)
    z = normal(10, 2, 4, 3)
    mean = h + (H @ z[..., None])[..., 0]
    exact = torch.distributions.MultivariateNormal(mean, scale_tril=MODEL.chol_R).log_prob(
        y.unsqueeze(1)
    )
    torch.testing.assert_close(log_message(seen, z) - log_message(LATER, z), exact)


def log_message(message: Message, z: Tensor) -> Tensor:
    square = (message.root.mT @ z[..., None])[..., 0].square().sum(-1)
    return message.log_constant - 0.5 * square + (message.shift * z).sum(-1)


def test_fusing_is_the_product_of_gaussian_and_message() -> None:
    mean, chol = information.fuse(BANK.mean, BANK.chol, LATER)
    precision = torch.linalg.inv(BANK.chol @ BANK.chol.mT)
    covariance = torch.linalg.inv(precision + LATER.root @ LATER.root.mT)
    exact = covariance @ (precision @ BANK.mean[..., None] + LATER.shift[..., None])
    torch.testing.assert_close(chol @ chol.mT, covariance)
    torch.testing.assert_close(mean, exact[..., 0])


def test_overlap_is_the_normaliser_of_the_fused_gaussian() -> None:
    """N(z) m(z) / fused(z) is the same number at any z."""
    mean, chol = information.fuse(BANK.mean, BANK.chol, LATER)
    prior = torch.distributions.MultivariateNormal(BANK.mean, BANK.chol @ BANK.chol.mT)
    fused = torch.distributions.MultivariateNormal(mean, chol @ chol.mT)
    expected = information.log_overlap(BANK.mean, BANK.chol, LATER)
    for seed in (11, 12):
        z = normal(seed, 2, 4, 3)
        ratio = prior.log_prob(z) + log_message(LATER, z) - fused.log_prob(z)
        torch.testing.assert_close(ratio, expected)


def test_message_that_says_nothing_changes_nothing() -> None:
    silent = information.nothing(POSE, 3)
    fused = information.fuse_bank(BANK, silent)
    torch.testing.assert_close(fused.mean, BANK.mean)
    torch.testing.assert_close(fused.chol @ fused.chol.mT, BANK.chol @ BANK.chol.mT)
    assert (information.log_overlap(BANK.mean, BANK.chol, silent) == 0).all()


@pytest.mark.parametrize("shared", [True, False])
def test_gathering_keeps_a_common_root_common(shared: bool) -> None:
    message = LATER._replace(root=LATER.root[:, :1]) if shared else LATER
    taken = message.gather_particles(torch.tensor([[3, 3], [0, 1]]))
    assert torch.equal(taken.shift[0, 1], LATER.shift[0, 3])
    if shared:
        assert taken.root is message.root
    else:
        assert torch.equal(taken.root[0, 0], LATER.root[0, 3])
