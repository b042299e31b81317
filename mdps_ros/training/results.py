"""What a run reports: after every step, at the end of a stage, and at its own end."""

from __future__ import annotations

from typing import NamedTuple


class StageResult(NamedTuple):
    """How a stage ended.

    Attributes:
        name: of the stage.
        validation: each member's best validation loss, whose state was kept.
        best_iteration: where it was found; 0 is the state in which the stage began.
        skipped: steps that each member left out because loss or gradient was not finite.
    """

    name: str
    validation: list[float]
    best_iteration: list[int]
    skipped: list[int]


class TrainResult(NamedTuple):
    """How a run ended.

    Attributes:
        stages: one each.
        seconds: time spent learning, without the time between a kill and the resumption.
    """

    stages: list[StageResult]
    seconds: float


class Progress(NamedTuple):
    """What a progress bar shows after a step.

    Attributes:
        stage: name of the stage.
        step: steps made over all stages.
        steps: steps of all stages.
        loss: training loss, one per member.
        best: best validation loss of this stage, one per member.
    """

    stage: str
    step: int
    steps: int
    loss: list[float]
    best: list[float]


def show_nothing(_: Progress) -> None:
    """Show nothing."""
