"""The bearings-only study: learned estimators on held-out drives, five seeds each.

Two set-ups of Younis and Sudderth: that of 2023 (25 particles, 150 steps, the first not counted)
and that of 2024 (50 particles, 50 steps, all counted). The drives come from the simulator with a
seed that training does not use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from statistics import stdev
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core.angles import circular_mean, wrap
from mdps_ros.core.nll import mixture_nll
from mdps_ros.core.types import MixtureBelief
from mdps_ros.evaluation.results import Row, summary_row
from mdps_ros.models.learned.bearings import BearingsNetworks, Observed
from mdps_ros.models.learned.bearings_files import load_networks
from mdps_ros.models.learned.bearings_posterior import Effort, posterior
from mdps_ros.models.weights import WeightsError
from mdps_ros.sim.bearings import simulate

EVALUATION_SEED = 30  # drives that nothing was chosen by, not even the recipes
CHUNK = 50


class Entry(NamedTuple):
    """One line of the study.

    Attributes:
        weights: Name of the file of weights and of the recipe.
        method: Of `models.learned.bearings.METHODS`.
        title: For tables.
    """

    weights: str
    method: str
    title: str


ENTRIES = (
    Entry("tg_pf", "tg_pf", "TG-PF"),
    Entry("sr_pf", "sr_pf", "SR-PF"),
    Entry("ot_pf", "ot_pf", "OT-PF"),
    Entry("mdpf", "mdpf", "MDPF"),
    Entry("a_mdpf", "a_mdpf", "A-MDPF"),
    Entry("mdpf_backward", "mdpf_backward", "MDPF-Backward"),
    Entry("ffbs", "ffbs", "FFBS"),
    Entry("mdps", "mdps", "MDPS"),
    Entry("tg_pf_nll", "tg_pf", "TG-PF (NLL)"),
    Entry("sr_pf_nll", "sr_pf", "SR-PF (NLL)"),
)
"""TG-PF, SR-PF and OT-PF learn from the squared error of their mean and get a bandwidth afterwards,
as in the 2023 paper. The last two are not in the papers: trained by NLL like the MDPF."""

PUBLISHED_NLL_2023 = {"a_mdpf": 6.01, "mdpf": 6.18, "tg_pf": 6.29, "sr_pf": 6.69, "ot_pf": 8.34}
"""Medians of 11 runs in the logs that the authors committed with the code of the 2023 paper."""


@dataclass(frozen=True)
class Setup:
    """How the estimators are run.

    Attributes:
        name: Year of the paper.
        steps: Length of a drive.
        particles: Of every filter.
        lost_particles: With which a backward filter starts.
        first: First step that counts.
    """

    name: str
    steps: int
    particles: int
    lost_particles: int
    first: int


SETUPS = (Setup("2023", 150, 25, 100, 1), Setup("2024", 50, 50, 200, 0))


class Scores(NamedTuple):
    """Means over drives and steps of each member: NLL in nats (m^2 rad), RMSE of (m, m, rad)."""

    nll: list[float]
    rmse: list[float]


def study_rows(
    folder: Path,
    sequences: int,
    progress: Callable[[str], None] = lambda text: None,
    entries: Sequence[Entry] = ENTRIES,
    setups: Sequence[Setup] = SETUPS,
) -> list[Row]:
    """One row for each set-up, method and member.

    Args:
        folder: Holds the files of weights, NAME.safetensors.
        sequences: Drives per set-up.
        progress: Told what is about to run.
        entries: Which.
        setups: Which.

    Raises:
        WeightsError: a file is missing or unfit.
    """
    rows: list[Row] = []
    for setup in setups:
        for entry in entries:
            progress(f"{entry.title} {setup.name}")
            networks = load_networks(entry.method, folder / f"{entry.weights}.safetensors")
            scores = score(networks, setup, sequences)
            published = PUBLISHED_NLL_2023.get(entry.weights) if setup.name == "2023" else None
            for member, (nll, rmse) in enumerate(zip(*scores, strict=True)):
                rows.append(
                    {
                        "name": f"{setup.name} {entry.title}",
                        "seed": networks.seeds[member],
                        "nll": nll,
                        "rmse": rmse,
                        "published_nll": published,
                        "sequences": sequences,
                        "particles": setup.particles,
                        "steps": setup.steps,
                    }
                )
    return rows


@torch.no_grad()
def score(networks: BearingsNetworks, setup: Setup, sequences: int) -> Scores:
    """Scores of all members on the same drives, with fixed noise."""
    drives = simulate(sequences, setup.steps, np.random.default_rng(EVALUATION_SEED))
    generator = torch.Generator().manual_seed(EVALUATION_SEED)
    effort = Effort(setup.particles, setup.lost_particles)
    times = range(setup.first, setup.steps)
    nll, squares = [], []
    for first in range(0, sequences, CHUNK):
        chosen = slice(first, first + CHUNK)
        poses = torch.as_tensor(drives.poses[chosen], dtype=torch.float32)
        bearings = torch.as_tensor(drives.bearings[chosen], dtype=torch.float32)
        poses = poses.repeat(networks.members, 1, 1)
        seen = Observed(bearings.repeat(networks.members, 1), poses[:, 0])
        belief = posterior(networks, seen, times, effort, generator)
        truth = poses[:, setup.first :].flatten(0, 1)
        nll.append(mixture_nll(belief, truth).reshape(networks.members, -1).double())
        error = squared_error(belief, truth).reshape(networks.members, -1)
        squares.append(error.double())
    mean_nll = torch.cat(nll, dim=1).mean(1)
    rmse = torch.cat(squares, dim=1).mean(1).sqrt()
    return Scores(mean_nll.tolist(), rmse.tolist())


def squared_error(belief: MixtureBelief, truth: Float[Tensor, "B 3"]) -> Float[Tensor, " B"]:
    """Squared error of the mean pose summed over x, y (m^2) and the wrapped yaw (rad^2)."""
    weights = belief.log_weights.exp()
    place = (weights.unsqueeze(-1) * belief.poses[..., :2]).sum(1)
    yaw = circular_mean(belief.poses[..., 2], weights)
    turn = wrap(yaw - truth[:, 2])
    return (place - truth[:, :2]).square().sum(-1) + turn.square()


def with_summaries(rows: Sequence[Row]) -> list[Row]:
    """The rows with a summary after each group of seeds.

    It holds median, smallest and largest NLL, and the standard error of the mean over the seeds.
    """
    ordered: list[Row] = []
    for name in dict.fromkeys(str(row["name"]) for row in rows):
        group = [row for row in rows if row["name"] == name]
        total = summary_row(group, f"{name} median of {len(group)}")
        nll = [float(row["nll"]) for row in group if isinstance(row["nll"], float)]
        several = len(nll) > 1
        total["nll_standard_error"] = stdev(nll) / math.sqrt(len(nll)) if several else None
        ordered += [*group, total]
    return ordered


def collect(runs: Path, folder: Path) -> None:
    """Copy the weights of all methods' runs to one folder, as `study_rows` reads them.

    Raises:
        WeightsError: a run has none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (entry.weights for entry in ENTRIES):
        try:
            copyfile(runs / name / "weights.safetensors", folder / f"{name}.safetensors")
        except OSError as error:
            raise WeightsError(f"no weights of {name} ({error}); train it first") from error
