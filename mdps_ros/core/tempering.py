"""A sharp measurement in several mild steps, so that a coarse cloud is not starved by it.

Progressive correction (Musso, Oudjane and Le Gland, 2001): the log-likelihood is taken in parts,
each as large as the cloud bears, and the cloud is drawn anew between them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mdps_ros.core import weights
from mdps_ros.core.types import Belief

PARTS = 8
"""Into which a measurement is divided at most."""

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


def weigh_in_parts(
    belief: Belief,
    score: Callable[[Belief], Float[Tensor, "1 N"] | None],
    weigh: Callable[[Belief, Float[Tensor, "1 N"]], Belief],
    redraw: Callable[[Belief], Belief],
    share: float,
    least_size: float,
) -> Belief | None:
    """Weigh by a measurement, in parts with fresh draws between them where it is too sharp.

    What is left of the share after PARTS parts is dropped: too little evidence is safer than a
    starved cloud.

    Args:
        belief: of one row.
        score: log-likelihood of its particles, None where they cannot be scored.
        weigh: the belief by a part of a log-likelihood.
        redraw: the belief anew, before the next part.
        share: how much of the measurement counts, above 0.
        least_size: effective number of particles that each part shall leave.

    Returns:
        The belief; None where it cannot be scored as it came.
    """
    for part in range(PARTS):
        if part > 0:
            belief = redraw(belief)
        values = score(belief)
        if values is None:
            return None if part == 0 else belief
        borne = float(bearable_share(belief.log_weights, values, share, least_size)[0])
        belief = weigh(belief, borne * values)
        share -= borne
        if share <= 0.0:
            break
    return belief
