"""Kalman gains of many filters by elimination in place, component by component.

One output after the other is eliminated from [H P H^T + R, H P], as in a Cholesky factorisation.
For up to some 10,000 filters a step's time is that of its calls, so all views of the buffers are
made once, and all products are added where they belong.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

_TOGETHER = 3  # scales that are multiplied before one logarithm is taken of them


class _Output(NamedTuple):
    """Where the elimination of one output reads and writes; `rest` are the outputs after it."""

    pivot: Float[Tensor, " N"]
    scale: Float[Tensor, " N"]
    row: Float[Tensor, "_ N"]
    surprise: Float[Tensor, " N"]
    gain: Float[Tensor, "n N"]
    columns: tuple[tuple[Float[Tensor, "_ N"], Float[Tensor, " N"]], ...]
    rest: Float[Tensor, "k N"]
    after: Float[Tensor, "_ N"]
    below: Float[Tensor, "k _ N"]
    residual: Float[Tensor, "k N"]


class Elimination:
    """Buffers for filters of n states and m outputs, used block after block.

    Attributes:
        system: (m (m + n), N) rows of [H P H^T + R, H P], output by output; `run` overwrites it.
        residual: (m, N) what was measured less what was expected; likewise.
    """

    def __init__(self, states: int, outputs: int, like: Float[Tensor, "_ N"]) -> None:
        """Buffers of the length, dtype and device of `like`.

        Args:
            states: n.
            outputs: m.
            like: any rows of the block.
        """
        width, size = outputs + states, like.shape[1]
        self.system = like.new_empty(outputs * width, size)
        self.residual = like.new_empty(outputs, size)
        self._scales = like.new_empty(outputs, size)
        left = self.system.view(outputs, width, size)
        self._outputs = []
        for k in range(outputs):
            gain = left[k, outputs:]
            self._outputs.append(
                _Output(
                    pivot=left[k, k],
                    scale=self._scales[k],
                    row=left[k, k:],
                    surprise=self.residual[k],
                    gain=gain,
                    columns=tuple((gain[column:], gain[column]) for column in range(states)),
                    rest=left[k, k + 1 : outputs],
                    after=left[k, k + 1 :],
                    below=left[k + 1 :, k + 1 :],
                    residual=self.residual[k + 1 :],
                )
            )

    def run(
        self, mean: Float[Tensor, "n N"], covariance: Float[Tensor, "T N"]
    ) -> Float[Tensor, " N"]:
        """Condition moments, in place.

        Args:
            mean: before the measurement.
            covariance: lower triangles, column by column.

        Returns:
            Log-density of what was measured.
        """
        sizes = [len(column) for column, _ in self._outputs[0].columns]
        triangle = torch.split(covariance, sizes)
        for output in self._outputs:
            torch.rsqrt(output.pivot, out=output.scale)
            output.row.mul_(output.scale)
            output.surprise.mul_(output.scale)
            mean.addcmul_(output.gain, output.surprise)
            for entries, (below, own) in zip(triangle, output.columns, strict=True):
                entries.addcmul_(below, own, value=-1.0)
            if len(output.rest):
                # symmetric: what stands right of the diagonal is to be eliminated below it
                output.below.addcmul_(output.rest.unsqueeze(1), output.after, value=-1.0)
                output.residual.addcmul_(output.rest, output.surprise, value=-1.0)
        products = [scales.prod(0) for scales in torch.split(self._scales, _TOGETHER)]
        density = torch.stack(products).log_().sum(0)
        density.sub_(self.residual.square_().sum(0), alpha=0.5)
        return density.sub_(0.5 * len(self.residual) * math.log(2.0 * math.pi))
