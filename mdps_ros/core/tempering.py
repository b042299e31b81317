"""A sharp measurement in several mild steps, so that a coarse cloud is not starved by it.

Progressive correction (Musso, Oudjane and Le Gland, 2001): the log-likelihood is taken in parts,
each as large as the cloud bears, and the cloud is drawn anew between them.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mdps_ros.core import weights

_HALVINGS = 20  # of the interval that holds the share: to a millionth of it


def bearable_share(
    log_weights: Float[Tensor, "B N"],
    log_likelihood: Float[Tensor, "B N"],
    most: float,
    least_size: float,
) -> Float64[Tensor, " B"]:
    """The largest part of a log-likelihood that leaves a cloud with a given effective size.

    Args:
        log_weights: normalised, before the measurement.
        log_likelihood: of the measurement; finite or -inf.
        most: part that is wanted, above 0.
        least_size: effective number of particles that shall remain. A cloud that has fewer
            already gets the smallest part that makes progress, `most` / 10.

    Returns:
        Parts in [`most` / 10, `most`]; exactly `most` where the cloud bears it all.
    """

    def bears(share: Tensor) -> Tensor:
        part = share.to(log_weights)[:, None]
        tilted, _ = weights.normalise(log_weights + part * log_likelihood)
        return weights.effective_size(tilted) >= least_size

    # in float64 `most` stays what it is, so that what is left of it after all of it is 0
    high = torch.full_like(log_weights[:, 0], most, dtype=torch.float64)
    low = high / 10
    whole = bears(high)
    if bool(whole.all()):  # as most measurements are
        return high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        fits = bears(middle)
        low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
    return torch.where(whole, torch.full_like(low, most), low)
