"""Options of the task `camera`, and of its stages."""

from __future__ import annotations

from dataclasses import dataclass

from mdps_ros.training.config import read_fields
from mdps_ros.training.errors import TrainingError
from mdps_ros.training.stages import Stage


@dataclass(frozen=True, kw_only=True)
class CameraOptions:
    """What the camera model learns from.

    Attributes:
        frames: folders of `mdps frames`, for training.
        held_out: min x, min y, max x, max y (m, map frame) of boxes, one after another; frames of
            the first folder inside of them are not trained on but tell how good the weights are;
            those of other folders of the same map are left alone.
        crops: pieces of map per batch.
        per_crop: frames per piece.
        side: of a piece, m.
        variants: wrong versions of each map.
        clean: share of the pieces that come from the right map.
        masked: share of the frames of which only a part is shown, as a narrower camera sees it.
        auxiliary: weight of the semantic loss.
        validation: frames of a validation.
        start: weights to begin with, of these networks or of smaller ones that they grew from;
            those of ImageNet for the trunk, else random, where empty.
    """

    frames: tuple[str, ...]
    held_out: tuple[float, ...]
    crops: int = 4
    per_crop: int = 4
    side: int = 192
    variants: int = 4
    clean: float = 0.25
    masked: float = 0.15
    auxiliary: float = 3.0
    validation: int = 192
    start: str = ""


@dataclass(frozen=True, kw_only=True)
class CameraStage:
    """Options of a stage.

    Attributes:
        on_held_out: learn from the frames of `held_out`, which suits nothing but the scale.
        clean: share of the pieces from the right map; None takes that of the task.
    """

    on_held_out: bool = False
    clean: float | None = None


def stage_options(stage: Stage) -> CameraStage:
    """Options of a stage.

    Raises:
        TrainingError: one is unknown or has the wrong type.
    """
    if "tuned" in stage.options:
        raise TrainingError(f"stages.{stage.name}: tuned is no longer needed; take it out")
    return read_fields(CameraStage, stage.options, f"stages.{stage.name}.options")
