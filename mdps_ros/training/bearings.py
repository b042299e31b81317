"""What the methods of the bearings-only study learn from: a `trainer.Task`.

Sequences come from the simulator with literal seeds. Labels are every 4th true pose, for the
start of the networks too; only the mean motion of FFBS is fitted to consecutive poses, as in the
paper (Younis and Sudderth, NeurIPS 2024, D.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mdps_ros.core import mixture, weights
from mdps_ros.core.kernels import ProductKernel, pose_kernel
from mdps_ros.core.nll import mixture_nll
from mdps_ros.core.types import MixtureBelief
from mdps_ros.models.learned.bearings import (
    BearingsNetworks,
    FilterNetworks,
    Observed,
    member_seeds,
    named_modules,
    needed,
)
from mdps_ros.models.learned.bearings_posterior import Effort, posterior
from mdps_ros.models.learned.dynamics import lift
from mdps_ros.training.bearings_drives import Drives, simulate_drives, tile
from mdps_ros.training.bearings_options import (
    LABEL_EVERY,
    BearingsData,
    BearingsOptions,
    StageOptions,
    stage_options,
)
from mdps_ros.training.config import read_fields
from mdps_ros.training.errors import TrainingError
from mdps_ros.training.losses import mean_pose_error
from mdps_ros.training.stages import Stage

CPU = torch.device("cpu")
TRAIN_SEED, VALIDATION_SEED = 1, 2
RADIUS_M = 1.0
"""What a radian of heading error counts in the loss `mean`."""


def build(
    seed: int, members: int, options: Mapping[str, Any], device: torch.device
) -> BearingsTask:
    """The task of a recipe; members have the seeds from `seed` on.

    Raises:
        TrainingError: an option is wrong or a start file cannot be read.
    """
    chosen = read_fields(BearingsOptions, options, "options")
    try:
        networks = BearingsNetworks(chosen.method, member_seeds(seed, members)).to(device)
    except ValueError as error:
        raise TrainingError(f"options.method: {error}") from error
    begin_with(networks, [Path(name) for name in chosen.start])
    return BearingsTask(networks, chosen, device)


def begin_with(networks: BearingsNetworks, files: Sequence[Path]) -> None:
    """Copy the parts that files have into the networks, whole modules only.

    Decoupled weights that no file has begin as a copy of the coupled ones: A-MDPF starts as the
    MDPF that it is made from.

    Raises:
        TrainingError: a file cannot be read.
    """
    tensors: dict[str, Tensor] = {}
    for path in files:
        try:
            tensors |= load_file(path)
        except (OSError, SafetensorError) as error:
            raise TrainingError(f"options.start: cannot read {path}: {error}") from error
    coupled, decoupled = "forward.weights.", "forward.resampling_weights."
    if not any(name.startswith(decoupled) for name in tensors):
        for name in [name for name in tensors if name.startswith(coupled)]:
            tensors[decoupled + name.removeprefix(coupled)] = tensors[name]
    for name, module in named_modules(networks).items():
        prefix = name + "."
        own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if own:
            _load(module, name, own)


def _load(module: nn.Module, name: str, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors into a module.

    Raises:
        TrainingError: they are not those of the module.
    """
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise TrainingError(f"options.start: {name} does not fit: {reason}") from error


class BearingsTask:
    """Losses: `nll`, `mean`, `motion`, `likelihood`, `regression`."""

    def __init__(
        self,
        networks: BearingsNetworks,
        data: BearingsData,
        device: torch.device = CPU,
    ) -> None:
        """Simulates the drives; `device` is where the networks are."""
        self.device = device
        self.networks = networks
        self.data = data
        self.train = simulate_drives(data.sequences, data.drive_steps, TRAIN_SEED, device)
        held_out = simulate_drives(
            data.validation_sequences, data.drive_steps, VALIDATION_SEED, device
        )
        self.held_out = Drives(*(tile(values, networks.members) for values in held_out))
        self._modules = named_modules(networks)

    @property
    def members(self) -> int:
        """Number of members."""
        return self.networks.members

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The modules that stages name, such as `forward.dynamics` or `scorer`."""
        return self._modules

    def loss(self, stage: Stage, generator: torch.Generator) -> Float[Tensor, " M"]:
        """One step's loss of every member, on pieces drawn for each member."""
        wanted = stage_options(stage, self.data)
        rows, steps = wanted.rows or self.data.rows, wanted.steps or self.data.steps
        batch = self._draw(rows, steps, generator)
        return self._evaluate(stage, wanted, batch, generator, training=True)

    def validate(self, stage: Stage) -> Float[Tensor, " M"]:
        """The stage's loss on the held-out drives with fixed noise."""
        generator = torch.Generator(self.device).manual_seed(VALIDATION_SEED)
        wanted = stage_options(stage, self.data)
        return self._evaluate(stage, wanted, self.held_out, generator, training=False)

    def _draw(self, rows: int, steps: int, generator: torch.Generator) -> Drives:
        total, length = self.train.bearings.shape
        count = rows * self.members
        row = torch.randint(total, (count, 1), generator=generator, device=self.device)
        first = torch.randint(
            length - steps + 1, (count, 1), generator=generator, device=self.device
        )
        column = first + torch.arange(steps, device=self.device)
        return Drives(self.train.poses[row, column], self.train.bearings[row, column])

    def _evaluate(
        self,
        stage: Stage,
        wanted: StageOptions,
        batch: Drives,
        generator: torch.Generator,
        *,
        training: bool,
    ) -> Float[Tensor, " M"]:
        """Mean loss of each member.

        Raises:
            TrainingError: the stage wants an unknown loss.
        """
        if stage.loss in ("nll", "mean"):
            values = self._of_posterior(
                stage.loss, batch, generator, wanted.truncate_every, training
            )
        elif stage.loss == "motion":
            if wanted.bandwidth is None:
                raise TrainingError(
                    f"stage {stage.name}: the loss motion needs options.bandwidth; add m, m, rad^2"
                )
            kernel = pose_kernel(torch.tensor(wanted.bandwidth, device=self.device))
            values = torch.stack(
                [
                    motion_nll(side.dynamics, ahead, batch.poses, kernel, generator)
                    for side, ahead in self._sides()
                ]
            ).mean(0)
        elif stage.loss == "likelihood":
            values = torch.stack(
                [self._likelihood(side, batch, generator) for side, _ in self._sides()]
            ).mean(0)
        elif stage.loss == "regression":
            if self.networks.mean_dynamics is None:
                raise TrainingError(
                    f"stage {stage.name}: only the method ffbs learns by regression"
                )
            values = self._regression(batch)
        else:
            raise TrainingError(
                f"stage {stage.name}: no loss {stage.loss}; "
                "choose nll, mean, motion, likelihood or regression"
            )
        return values.reshape(self.members, -1).mean(1)

    def _sides(self) -> list[tuple[FilterNetworks, bool]]:
        """The filters of the method and whether they run forward."""
        networks = self.networks
        both = ((networks.forward_filter, True), (networks.backward_filter, False))
        return [(side, ahead) for side, ahead in both if side is not None]

    def _of_posterior(
        self,
        loss: str,
        batch: Drives,
        generator: torch.Generator,
        truncate_every: int | None,
        training: bool,
    ) -> Float[Tensor, " B"]:
        times = range(LABEL_EVERY, batch.bearings.shape[1], LABEL_EVERY)
        effort = Effort(
            self.data.particles,
            self.data.lost_particles,
            truncate_every,
            training,
        )
        seen = Observed(batch.bearings, batch.poses[:, 0])
        belief = posterior(self.networks, seen, times, effort, generator)
        truth = batch.poses[:, list(times)].flatten(0, 1)
        if loss == "mean":
            return mean_pose_error(belief.poses, belief.log_weights, truth, RADIUS_M)
        return mixture_nll(belief, truth)

    def _likelihood(
        self, side: FilterNetworks, batch: Drives, generator: torch.Generator
    ) -> Float[Tensor, " B"]:
        """-log of the share that the true pose gets among poses of other drives."""
        poses, bearings = (values[:, ::LABEL_EVERY].flatten(0, 1) for values in batch)
        rows = poses.shape[0] // self.members
        others = torch.randint(
            rows, (self.members, rows, 31), generator=generator, device=self.device
        )
        by_member = poses.reshape(self.members, rows, 3)
        wrong = torch.stack([by_member[m][others[m]] for m in range(self.members)]).flatten(0, 1)
        candidates = torch.cat((poses.unsqueeze(1), wrong), dim=1)
        features = side.encoder(bearings.unsqueeze(1)).squeeze(1)
        total = torch.zeros(poses.shape[0], device=self.device)
        for network in (side.weights, side.resampling_weights):
            if network is not None:
                total = total - torch.log_softmax(network(candidates, features), dim=1)[:, 0]
        return total

    def _regression(self, batch: Drives) -> Float[Tensor, "B T"]:
        generator = torch.Generator(self.device)  # not drawn from: the mean has no noise
        guess = needed(self.networks.mean_dynamics)(batch.poses[:, :-1], generator)
        return (lift(guess) - lift(batch.poses[:, 1:])).square().sum(-1)


def motion_nll(
    dynamics: nn.Module,
    ahead: bool,
    poses: Float[Tensor, "B T 3"],
    kernel: ProductKernel,
    generator: torch.Generator,
    count: int = 32,
) -> Float[Tensor, " B*"]:
    """NLL of a labelled pose given the label before it (or after it), by simulated motion.

    `count` motions over the `LABEL_EVERY` steps between the labels make a kernel mixture. There is
    no floor: the motion must reach every label, or filters will get lost.
    """
    labels = poses[:, ::LABEL_EVERY]
    begin, end = (labels[:, :-1], labels[:, 1:]) if ahead else (labels[:, 1:], labels[:, :-1])
    cloud = begin.flatten(0, 1).unsqueeze(1).expand(-1, count, -1)
    for _ in range(LABEL_EVERY):
        cloud = dynamics(cloud, generator)
    even = weights.uniform(cloud.shape[0], count, cloud)
    belief = MixtureBelief(cloud, even, kernel)
    return -mixture.log_prob(belief, end.flatten(0, 1).unsqueeze(1)).squeeze(1)
