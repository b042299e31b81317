"""The vehicle's filter learned end to end on drives: a `trainer.Task`.

What is learned is how much the filter trusts an image and a road, and its kernel: numbers that say
how the measurements of many frames add up, which no single frame can tell. The loss is that of the
MDPF, the negative log density of the true pose under the belief's mixture at every frame, and its
gradient goes through all frames: through the weights, and through resampling by importance
weights (IWSG; Younis and Sudderth, NeurIPS 2024, Eq. 7 and 22). Networks, motion and map error
stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mdps_ros.core import filtering
from mdps_ros.core.gradients import ImportanceWeighted
from mdps_ros.core.nll import mixture_nll
from mdps_ros.core.resampling import EssTriggered, MixtureResampler
from mdps_ros.core.types import Belief, MixtureBelief, StepInputs
from mdps_ros.models.learned.bandwidth import Bandwidth
from mdps_ros.models.map_error import on_map
from mdps_ros.models.motion import Control, VehicleState
from mdps_ros.models.prior import PosePrior
from mdps_ros.models.vehicle import VehicleModel
from mdps_ros.settings import Settings, SettingsError, with_values
from mdps_ros.training.config import read_fields
from mdps_ros.training.errors import TrainingError
from mdps_ros.training.stages import Stage
from mdps_ros.training.vehicle_drives import DriveFrame, street_drive

VALIDATION_SEED = 51
LEAST = (0.02, 0.02, 1e-7)
"""Bandwidths never learned away, m, m, rad^2."""

Drive = Sequence[DriveFrame]


@dataclass(frozen=True, kw_only=True)
class VehicleOptions:
    """What the filter learns from.

    Attributes:
        drives: of the split `train`, numbers 0 and on.
        held_out: further ones, which only tell how good the filter is.
        map: what the filter is given in place of the map that was drawn.
        rows: pieces of drives per step.
        frames: of a piece.
        quiet: of these, at the beginning, whose belief is still that of the start.
        particles: of the filter.
        start_sd: m, how far off the start is told.
        settings: what the filter is told of car and map, values by the settings' dotted names.
    """

    drives: int = 8
    held_out: int = 3
    map: str = "imperfect"
    rows: int = 4
    frames: int = 20
    quiet: int = 5
    particles: int = 400
    start_sd: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)


class Trust(nn.Module):
    """Factors of the log-likelihoods of an image and of the roads, positive."""

    def __init__(self) -> None:
        super().__init__()
        self.log_image = nn.Parameter(torch.zeros(()))
        self.log_road = nn.Parameter(torch.zeros(()))


class Piece(NamedTuple):
    """A part of a drive, and where the filter is told that it begins."""

    frames: Drive
    start: np.ndarray


def build(seed: int, members: int, options: Mapping[str, Any], device: torch.device) -> VehicleTask:
    """The task of a recipe.

    Raises:
        TrainingError: an option is wrong.
    """
    del seed  # nothing is drawn at first
    chosen = read_fields(VehicleOptions, options, "options")
    if members != 1 or device.type != "cpu":
        raise TrainingError("the vehicle's filter learns alone and on the CPU: members 1")
    try:
        settings = with_values(Settings(), dict(chosen.settings))
    except SettingsError as error:
        raise TrainingError(f"options.settings: {error}") from error
    every = range(chosen.drives + chosen.held_out)
    drives = [street_drive("train", index, chosen.map, settings) for index in every]
    return VehicleTask(drives[: chosen.drives], drives[chosen.drives :], chosen, settings)


class VehicleTask:
    """Loss `nll`; modules `trust` and `bandwidth`."""

    def __init__(
        self,
        drives: Sequence[Drive],
        held_out: Sequence[Drive],
        options: VehicleOptions,
        settings: Settings,
    ) -> None:
        """Prepare.

        Raises:
            TrainingError: a drive is shorter than a piece, or there is none.
        """
        if not drives or not held_out or min(map(len, (*drives, *held_out))) < options.frames:
            raise TrainingError(
                f"options: a drive has fewer than {options.frames} frames, or there is none to "
                "learn from or to judge by; give drives and held_out, or shorter pieces"
            )
        if options.rows < 1 or options.quiet >= options.frames:
            raise TrainingError(
                f"options: {options.rows} rows, of {options.frames} frames the first "
                f"{options.quiet} not judged; give at least one row, and quiet below frames"
            )
        self._drives, self._held_out = drives, held_out
        self._options = options
        self._settings = settings
        self._model = VehicleModel(settings.motion, settings.map_error)
        position, yaw = settings.filter.bandwidth_position, settings.filter.bandwidth_yaw
        above = np.subtract((position, position, yaw**2), LEAST)
        self._trust = Trust()
        self._bandwidth = Bandwidth(tuple(np.maximum(above, 1e-9).tolist()), LEAST, 1)

    @property
    def members(self) -> int:
        """One."""
        return 1

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """`trust`: factors of the scores; `bandwidth`: the kernel."""
        return {"trust": self._trust, "bandwidth": self._bandwidth}

    def loss(self, stage: Stage, generator: torch.Generator) -> Float[Tensor, " 1"]:
        """Mean NLL of a few pieces of drives.

        Raises:
            TrainingError: the stage wants another loss than `nll`.
        """
        if stage.loss != "nll":
            raise TrainingError(f"stage {stage.name}: no loss {stage.loss}; choose nll")
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        pieces = []
        for _ in range(self._options.rows):
            drive = self._drives[int(rng.integers(len(self._drives)))]
            first = int(rng.integers(len(drive) - self._options.frames + 1))
            pieces.append(self._piece(drive, first, rng))
        return self._nll(pieces, generator)[None]

    def validate(self, stage: Stage) -> Float[Tensor, " 1"]:
        """The same of pieces that cover the held-out drives, with fixed noise."""
        del stage
        generator = torch.Generator().manual_seed(VALIDATION_SEED)
        rng = np.random.default_rng(VALIDATION_SEED)
        pieces = [
            self._piece(drive, first, rng)
            for drive in self._held_out
            for first in range(0, len(drive) - self._options.frames + 1, self._options.frames)
        ]
        return self._nll(pieces, generator)[None]

    def _piece(self, drive: Drive, first: int, rng: np.random.Generator) -> Piece:
        frames = drive[first : first + self._options.frames]
        off = rng.normal(0.0, 1.0, 3) * self._start_sds()
        return Piece(frames, frames[0].truth + off)

    def _start_sds(self) -> np.ndarray:
        return np.array([self._options.start_sd, self._options.start_sd, 0.05])

    def _nll(self, pieces: Sequence[Piece], generator: torch.Generator) -> Float[Tensor, ""]:
        """Mean over pieces and frames, by beliefs that were begun at the told starts."""
        count, rows = self._options.particles, len(pieces)
        kernel = self._bandwidth.kernel(rows)
        mixture = ImportanceWeighted(MixtureResampler(kernel))
        resampler = EssTriggered(mixture, self._settings.filter.ess_fraction)
        belief = self._begin(pieces, count, generator)
        losses = []
        for number in range(self._options.frames):
            frames = [piece.frames[number] for piece in pieces]
            if number:
                inputs = StepInputs(_control(frames), frames[0].dt, None)
                belief, _ = filtering.step(belief, inputs, self._model, resampler, generator)
            belief, _ = filtering.update(belief, self._score(belief, frames), self._model)
            if number >= self._options.quiet:
                truth = torch.from_numpy(np.stack([frame.truth for frame in frames])).float()
                told = MixtureBelief(belief.state.pose, belief.log_weights, kernel)
                losses.append(mixture_nll(told, truth).mean())
        return torch.stack(losses).mean()

    def _begin(self, pieces: Sequence[Piece], count: int, generator: torch.Generator) -> Belief:
        """Particles about each piece's told start."""
        covariance = np.diag(self._start_sds() ** 2)
        states = [
            self._model.sample_initial(1, count, PosePrior(piece.start, covariance), generator)
            for piece in pieces
        ]
        state = VehicleState(*(torch.cat(leaves) for leaves in zip(*states, strict=True)))
        even = torch.full((len(pieces), count), -float(np.log(count)))
        return Belief(state, even)

    def _score(self, belief: Belief, frames: Sequence[DriveFrame]) -> Float[Tensor, "B N"]:
        """What image and roads say, as far as they are trusted; constant in the poses."""
        with torch.no_grad():
            poses = on_map(belief.state)
            rows = [poses[row : row + 1] for row in range(len(frames))]
            image = torch.cat([frame.image(row) for frame, row in zip(frames, rows, strict=True)])
            road = torch.cat([frame.road(row) for frame, row in zip(frames, rows, strict=True)])
        return self._trust.log_image.exp() * image + self._trust.log_road.exp() * road


def _control(frames: Sequence[DriveFrame]) -> Control:
    return Control(
        torch.from_numpy(np.stack([frame.increment for frame in frames])),
        torch.tensor([frame.distance for frame in frames], dtype=torch.float64),
        torch.tensor([frame.dt for frame in frames], dtype=torch.float64),
    )
