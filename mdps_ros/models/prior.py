"""Where a filter starts: around a pose, on any road of the map, or on free floor."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.core import se2
from mdps_ros.core.mapdata import RoadNetwork

LANE_SD = 1.2  # m about the expected lane: KITTI 08 has 1.1 (one-way) to 1.3 (two-way)
HEADING_SD = 0.08  # rad about the road: KITTI 01, 08 have 0.75 quantiles of 1.5 and 2.5 degrees
FLOOR_SPACING = 4.0
GUESS_SPACING = (1.0, 1.0, 0.1)  # m, m, rad
GUESS_MOST = 100_000
TURNING_SHARE = 0.25  # of the starts: turning or pulling out, with any lane position
TURNING_SD = 0.5  # rad
TURNING_LANE_SD = 2.5  # m


class PosePrior(NamedTuple):
    """A Gaussian about a pose: mean (3,) m, m, rad and covariance (3, 3)."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]


class RoadPrior(NamedTuple):
    """Uniform over every metre of road, in each direction that traffic may take.

    `heading` is (mean, standard deviation) rad of what is known of the heading, or None.
    """

    roads: RoadNetwork
    heading: tuple[float, float] | None = None


class FreePrior(NamedTuple):
    """Uniform over free cells: their centres (C, 2) m and their size, m; heading as RoadPrior."""

    centres: NDArray[np.float64]
    cell: float
    heading: tuple[float, float] | None = None


MapPrior = RoadPrior | FreePrior


class MovedPrior(NamedTuple):
    """A wide Gaussian about a pose, of which every draw has moved on.

    `moved` (3,) m, m, rad is the motion in the frame of each pose; unlike a Gaussian about the
    moved mean this holds for any spread of the heading.
    """

    guess: PosePrior
    moved: NDArray[np.float64]


class RegionPrior(NamedTuple):
    """A part of the map, and with a probability of `elsewhere` any place of it."""

    inside: MapPrior
    anywhere: MapPrior
    elsewhere: float


Prior = PosePrior | MovedPrior | MapPrior | RegionPrior


def sample_prior(
    prior: Prior, batch: int, count: int, generator: torch.Generator
) -> Float[Tensor, "B N 3"]:
    """Draw poses x m, y m, yaw rad in float32, on the generator's device."""
    if isinstance(prior, PosePrior):
        return _sample_pose(prior, batch, count, generator)
    if isinstance(prior, MovedPrior):
        drawn = _sample_pose(prior.guess, batch, count, generator)
        return se2.compose(drawn, torch.from_numpy(prior.moved).to(drawn))
    if isinstance(prior, RegionPrior):
        away = round(prior.elsewhere * count)
        inside = sample_prior(prior.inside, batch, count - away, generator)
        return torch.cat((inside, sample_prior(prior.anywhere, batch, away, generator)), 1)
    if isinstance(prior, RoadPrior):
        return _sample_road(prior, batch, count, generator)
    return _sample_free(prior, batch, count, generator)


def start_count(prior: Prior, spacing: float) -> int:
    """Particles for an unknown start.

    One on every `spacing` metres of road and direction; on a floor, eight headings on every
    square of FLOOR_SPACING x `spacing`, which is coarser because walls tell more than roads do.
    A region is sampled so, and with it as many as a start anywhere gets: a search that begins with
    few on the rest of the map settles on a wrong street there. A wide guess gets
    one on every GUESS_SPACING of the six standard deviations that it spans, up to GUESS_MOST.
    """
    if isinstance(prior, MovedPrior):
        spread = np.sqrt(np.clip(np.diagonal(prior.guess.covariance), 0.0, None))
        spans = np.minimum(6.0 * spread, (math.inf, math.inf, math.tau))
        return math.ceil(min(float(np.maximum(spans / GUESS_SPACING, 1.0).prod()), GUESS_MOST))
    if isinstance(prior, RegionPrior):
        inside = math.ceil(start_count(prior.inside, spacing) / (1.0 - prior.elsewhere))
        return max(inside, start_count(prior.anywhere, spacing))
    if isinstance(prior, RoadPrior):
        _, share = _directed(prior)
        lengths = prior.roads.lengths
        both = float(lengths.sum() + lengths[~prior.roads.oneway].sum())
        return math.ceil(both / spacing * (share if prior.heading else 1.0))
    if isinstance(prior, FreePrior):
        turn = 1.0 if prior.heading is None else min(1.0, 4 * prior.heading[1] / (2 * math.pi))
        squares = len(prior.centres) * (prior.cell / (FLOOR_SPACING * spacing)) ** 2
        return math.ceil(squares * 8 * turn)
    return 1


def _rand(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)


def _randn(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float64)


def _sample_pose(
    prior: PosePrior, batch: int, count: int, generator: torch.Generator
) -> Float[Tensor, "B N 3"]:
    values, vectors = np.linalg.eigh(np.asarray(prior.covariance, dtype=np.float64))
    root = torch.from_numpy(vectors * np.sqrt(np.clip(values, 0.0, None)))
    noise = _randn((batch, count, 3), generator)
    mean = torch.from_numpy(np.asarray(prior.mean, dtype=np.float64)).to(noise)
    return (mean + noise @ root.to(noise).T).float()


def _directed(prior: RoadPrior) -> tuple[NDArray[np.float64], float]:
    """(2 S,) sampling weight of every segment forward, then backward; and its kept share."""
    roads = prior.roads
    weight = np.concatenate((roads.lengths, np.where(roads.oneway, 0.0, roads.lengths)))
    if prior.heading is None:
        return weight, 1.0
    mean, sd = prior.heading
    yaw = np.concatenate((roads.yaw, roads.yaw + np.pi))
    off = np.angle(np.exp(1j * (yaw - mean)))
    likely = weight * np.exp(-0.5 * (off / math.hypot(sd, HEADING_SD)) ** 2)
    return likely, float(likely.sum() / weight.sum())


def _sample_road(
    prior: RoadPrior, batch: int, count: int, generator: torch.Generator
) -> Float[Tensor, "B N 3"]:
    roads = prior.roads
    weight, _ = _directed(prior)
    device = generator.device
    cumulative = torch.from_numpy(np.cumsum(weight)).to(device)
    strata = (torch.arange(count, device=device) + _rand((batch, count), generator)) / count
    drawn = torch.searchsorted(cumulative, strata * cumulative[-1])
    drawn = drawn.clamp_max(len(weight) - 1)
    segment = drawn % roads.count
    sign = torch.where(drawn < roads.count, 1.0, -1.0).double()
    start, end, yaw, width, oneway = (
        torch.tensor(values, device=device)
        for values in (roads.start, roads.end, roads.yaw, roads.width.astype(float), roads.oneway)
    )
    along = _rand((batch, count, 1), generator)
    centre = start[segment] + (end[segment] - start[segment]) * along
    lane = torch.where(oneway[segment], 0.0, -width[segment] / 8) * sign
    turning = _rand((batch, count), generator) < TURNING_SHARE
    lane_sd = torch.where(turning, TURNING_LANE_SD, LANE_SD)
    left = lane + lane_sd * _randn((batch, count), generator)
    across = torch.stack((-torch.sin(yaw[segment]), torch.cos(yaw[segment])), -1)
    heading = yaw[segment] + torch.where(sign > 0, 0.0, math.pi)
    heading_sd = torch.where(turning, TURNING_SD, HEADING_SD)
    heading = heading + heading_sd * _randn((batch, count), generator)
    return torch.cat((centre + across * left[..., None], heading[..., None]), -1).float()


def _sample_free(
    prior: FreePrior, batch: int, count: int, generator: torch.Generator
) -> Float[Tensor, "B N 3"]:
    order = torch.arange(count, device=generator.device)
    strata = (order + _rand((batch, count), generator)) / count
    cells = (strata * len(prior.centres)).long().clamp_max(len(prior.centres) - 1)
    centres = torch.from_numpy(prior.centres).to(generator.device)
    position = centres[cells] + prior.cell * (_rand((batch, count, 2), generator) - 0.5)
    if prior.heading is None:
        heading = (2 * _rand((batch, count), generator) - 1) * math.pi
    else:
        heading = prior.heading[0] + prior.heading[1] * _randn((batch, count), generator)
    return torch.cat((position, heading[..., None]), -1).float()
