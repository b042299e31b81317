"""What all pairs of two sets of particles say, in blocks: exp of a bilinear form, row by row.

    e_ij = first_i . second_j + of_first_i + of_second[label_i]_j

Gaussian kernels between two clouds, and products of Gaussians that share covariances, are of this
form. A block of rows stays in a processor's second-level cache from the product to its exponential,
and is in float32 where that rounds e by less than ROUNDING; wider clouds take float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from mdps_ros.core.exponents import LOWEST_EXPONENT
from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.types import MixtureBelief

ROUNDING = 1e-3
"""Bound of the error of e that float32 may make, nats."""

_BLOCK_PAIRS = 1 << 17


class PairTerms(NamedTuple):
    """The parts of e, in float64; those of partners that do not go together are -inf.

    Attributes:
        first: (B, N, K).
        second: (B, M, K).
        of_first: (B, N).
        of_second: (B, L, M) for each label that a row may have.
        label: (B, N) of the rows; None where there is but one.
    """

    first: Float[Tensor, "B N K"]
    second: Float[Tensor, "B M K"]
    of_first: Float[Tensor, "B N"]
    of_second: Float[Tensor, "B L M"]
    label: Int[Tensor, "B N"] | None = None

    def joined(self, other: PairTerms) -> PairTerms:
        """The sum of two forms over the same pairs; labels are those of the first."""
        return PairTerms(
            torch.cat((self.first, other.first), -1),
            torch.cat((self.second, other.second), -1),
            self.of_first + other.of_first,
            self.of_second + other.of_second,
            self.label,
        )


class Shares(NamedTuple):
    """A block of rows.

    Attributes:
        rows: which they are.
        values: exp(e - log_top), 1 at most; e^-80 stands for anything smaller.
        log_top: largest e of each row; -inf where a row has no partner.
    """

    rows: slice
    values: Float32[Tensor, "B n M"]
    log_top: Float[Tensor, "B n"]


def kernel_exponents(
    kernel: ProductKernel, points: Float[Tensor, "B N D"], centres: Float[Tensor, "B M D"]
) -> PairTerms:
    """Log of the kernel over its peak, of each point about each centre."""
    first, second = kernel.features(points.double()), kernel.features(centres.double())
    origin = second.mean(1, keepdim=True)
    first, second = first - origin, second - origin
    of_first, of_second = (-0.5 * part.square().sum(-1) for part in (first, second))
    return PairTerms(first, second, of_first, of_second.unsqueeze(1))


def kernel_terms(points: Float[Tensor, "B N D"], mixture: MixtureBelief) -> PairTerms:
    """Log of weight times kernel, of each point under each component."""
    terms = kernel_exponents(mixture.kernel, points, mixture.poses)
    weight = mixture.log_weights.double() + mixture.kernel.log_peak().double()[..., None]
    return terms._replace(of_second=terms.of_second + weight.unsqueeze(1))


def shares(terms: PairTerms) -> Iterator[Shares]:
    """All rows, a block at a time; a block's values may be written to."""
    for rows, exponent, log_first in _blocks(terms):
        top = exponent.amax(-1, keepdim=True)
        some = top.masked_fill(torch.isneginf(top), 0.0)
        values = exponent.sub_(some).float().clamp_(min=LOWEST_EXPONENT).exp_()
        yield Shares(rows, values, top.squeeze(-1).double() + log_first)


def all_shares(terms: PairTerms) -> Shares:
    """All rows in one block; for sets that are small, or needed as a whole."""
    parts = list(shares(terms))
    if len(parts) == 1:
        return parts[0]
    values = torch.cat([part.values for part in parts], 1)
    log_top = torch.cat([part.log_top for part in parts], 1)
    return Shares(slice(0, values.shape[1]), values, log_top)


def log_sums(terms: PairTerms) -> Float[Tensor, "B N"]:
    """Log sum_j exp(e_ij)."""
    sums = [part.values.sum(-1).double().log() + part.log_top for part in shares(terms)]
    return torch.cat(sums, 1)


def log_tops(terms: PairTerms) -> Float[Tensor, "B N"]:
    """The largest e_ij over j."""
    tops = [exponent.amax(-1).double() + first for _, exponent, first in _blocks(terms)]
    return torch.cat(tops, 1)


def _blocks(
    terms: PairTerms,
) -> Iterator[tuple[slice, Float[Tensor, "B n M"], Float[Tensor, "B n"]]]:
    """Rows, e but for a number of each row, and that number."""
    first, second, of_first, of_second, label = terms
    centre, other = first.mean(1, keepdim=True), second.mean(1, keepdim=True)
    of_first = of_first + (first @ other.mT).squeeze(-1)
    first, second = first - centre, second - other
    of_second = of_second + centre @ second.mT
    extent = (first.abs().amax((0, 1)) * second.abs().amax((0, 1))).sum()
    if bool(extent * torch.finfo(torch.float32).eps < ROUNDING):
        highest = of_second.amax((1, 2), keepdim=True)
        of_first, of_second = of_first + highest[..., 0], (of_second - highest).float()
        first, second = first.float(), second.float()
    size = max(1, _BLOCK_PAIRS // (first.shape[0] * second.shape[1]))
    for start in range(0, first.shape[1], size):
        rows = slice(start, min(start + size, first.shape[1]))
        offset = of_second if label is None else gather_axis(of_second, label[:, rows])
        yield rows, torch.baddbmm(offset, first[:, rows], second.mT), of_first[:, rows]
