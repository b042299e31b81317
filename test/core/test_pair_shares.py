"""Pairs in blocks against all pairs at once in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mdps_ros.core import mixture, pair_shares
from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.pair_shares import PairTerms
from mdps_ros.core.types import MixtureBelief

F64 = torch.float64
ROWS, COLUMNS, BATCH = 700, 300, 2


def forms(spread: float, *, batch: int = BATCH) -> PairTerms:
    """Random ones; the features lie far from the origin, where products cancel."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, generator=generator, dtype=F64)

    scale = torch.tensor([1e3, 1.0, 1e-3], dtype=F64)  # columns of unlike units
    label = (draw(ROWS) > 0.8).long()
    of_second = draw(2, COLUMNS)
    of_second[:, 1, ::3] = -math.inf
    return PairTerms(
        (spread * draw(ROWS, 3) + 1e4) * scale,
        (spread * draw(COLUMNS, 3) + 1e4) / scale,
        draw(ROWS),
        of_second,
        label,
    )


def dense(terms: PairTerms) -> Tensor:
    assert terms.label is not None
    rows = torch.arange(len(terms.first))[:, None]
    offset = terms.of_second[rows, terms.label]
    return terms.first @ terms.second.mT + terms.of_first.unsqueeze(-1) + offset


@pytest.mark.parametrize("spread", [1.0, 100.0], ids=["float32", "float64"])
def test_shares_are_those_of_all_pairs_at_once(spread: float) -> None:
    terms = forms(spread)
    exact = dense(terms)
    parts = list(pair_shares.shares(terms))
    assert len(parts) > 2
    assert [part.rows.start for part in parts[1:]] == [part.rows.stop for part in parts[:-1]]
    found = pair_shares.all_shares(terms)
    wanted = (exact - exact.amax(-1, keepdim=True)).exp()
    assert (found.values.double() - wanted).abs().max() < 2 * pair_shares.ROUNDING
    for values, expected in (
        (found.log_top, exact.amax(-1)),
        (pair_shares.log_tops(terms), exact.amax(-1)),
        (pair_shares.log_sums(terms), exact.logsumexp(-1)),
    ):
        assert (values - expected).abs().max() < 2 * pair_shares.ROUNDING


def test_float32_for_a_wide_cloud_would_round_more(monkeypatch: pytest.MonkeyPatch) -> None:
    terms = forms(100.0)
    monkeypatch.setattr(pair_shares, "ROUNDING", 1e9)
    off = (pair_shares.log_sums(terms) - dense(terms).logsumexp(-1)).abs().max()
    assert off > 2e-3


def test_a_row_without_a_partner_has_no_sum() -> None:
    terms = forms(1.0)
    nothing = terms.of_second.clone()
    nothing[:, 1] = -math.inf
    found = pair_shares.log_sums(terms._replace(of_second=nothing))
    assert terms.label is not None
    assert torch.equal(torch.isneginf(found), terms.label == 1)


def test_kernels_of_poses_sum_to_the_density_of_their_mixture() -> None:
    generator = torch.Generator().manual_seed(1)
    scale = torch.tensor([3.0, 3.0, 0.5], dtype=F64)
    poses, points = (scale * torch.randn(1, n, 3, generator=generator, dtype=F64) for n in (90, 50))
    log_weights = torch.randn(1, 90, generator=generator, dtype=F64).log_softmax(-1)
    kernel = pose_kernel(torch.tensor([0.8, 0.8, 0.04], dtype=F64))
    cloud = MixtureBelief(poses, log_weights, kernel)
    found = pair_shares.log_sums(pair_shares.kernel_terms(points, cloud))
    torch.testing.assert_close(found, mixture.log_prob(cloud, points), atol=2e-3, rtol=0)


def test_forms_over_the_same_pairs_add() -> None:
    one, other = forms(1.0), forms(2.0)
    added = one.joined(other._replace(of_second=other.of_second[:, :1]))
    assert added.label is one.label
    both = dense(one) + dense(other._replace(label=torch.zeros(BATCH, ROWS, dtype=torch.long)))
    found = pair_shares.log_sums(added)
    assert (found - both.logsumexp(-1)).abs().max() < 4 * pair_shares.ROUNDING
