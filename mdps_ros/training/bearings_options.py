"""What recipes of the bearings-only study say, checked."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mdps_ros.training.config import read_fields
from mdps_ros.training.errors import TrainingError
from mdps_ros.training.stages import Stage

LABEL_EVERY = 4
"""True poses are known at every fourth step."""


@dataclass(frozen=True, kw_only=True)
class BearingsData:
    """How much is simulated and how much of it one step sees.

    Attributes:
        sequences: Training drives.
        validation_sequences: Drives of a validation, the same for every member.
        drive_steps: Length of all of them.
        steps: Length of the pieces that a training step sees.
        rows: Pieces per member and step.
        particles: Of every filter.
        lost_particles: Of the start of a filter that may be anywhere.

    Raises:
        TrainingError: a number is out of its range.
    """

    sequences: int = 5000
    validation_sequences: int = 100
    drive_steps: int = 50
    steps: int = 17
    rows: int = 16
    particles: int = 25
    lost_particles: int = 100

    def __post_init__(self) -> None:
        for item in fields(BearingsData):
            if getattr(self, item.name) < 1:
                raise TrainingError(f"options.{item.name} = {getattr(self, item.name)}; give >= 1")
        check_steps("options", self.steps, self.drive_steps)


@dataclass(frozen=True, kw_only=True)
class BearingsOptions(BearingsData):
    """What a recipe says under `options`.

    Attributes:
        method: One of `models.learned.bearings.METHODS`.
        start: Files of weights to begin with; later ones win, what none has stays as drawn.
    """

    method: str
    start: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StageOptions:
    """What a recipe says under a stage's `options`; None takes what the whole recipe says.

    Attributes:
        rows: Pieces per member and step.
        steps: Length of the pieces.
        bandwidth: m, m, rad^2 of the loss `motion`.
        truncate_every: Steps after which the gradient through time is cut; None never cuts it.
    """

    rows: int | None = None
    steps: int | None = None
    bandwidth: tuple[float, ...] | None = None
    truncate_every: int | None = None


def stage_options(stage: Stage, data: BearingsData) -> StageOptions:
    """A stage's options.

    Raises:
        TrainingError: one is unknown, has the wrong type or is out of its range.
    """
    where = f"stages.{stage.name}.options"
    wanted = read_fields(StageOptions, stage.options, where)
    for name in ("rows", "steps", "truncate_every"):
        value = getattr(wanted, name)
        if value is not None and value < 1:
            raise TrainingError(f"{where}.{name} = {value}; give >= 1")
    if wanted.steps is not None:
        check_steps(where, wanted.steps, data.drive_steps)
    if wanted.bandwidth is not None and (len(wanted.bandwidth) != 3 or min(wanted.bandwidth) <= 0):
        raise TrainingError(f"{where}.bandwidth must be three positive numbers: m, m, rad^2")
    return wanted


def check_steps(where: str, steps: int, drive_steps: int) -> None:
    """Refuses pieces without a label beyond their start, or longer than a drive.

    Raises:
        TrainingError: they are.
    """
    if not LABEL_EVERY < steps <= drive_steps:
        raise TrainingError(
            f"{where}.steps = {steps}; give {LABEL_EVERY + 1} to drive_steps = {drive_steps}"
        )
