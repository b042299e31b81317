"""What a finished run gives to others: weights, a model card and a picture of the losses."""

from __future__ import annotations

import statistics
from pathlib import Path

from mdps_ros.models.weights import save_weights
from mdps_ros.training.config import TrainConfig
from mdps_ros.training.curves import draw_curves
from mdps_ros.training.model_card import ModelCard
from mdps_ros.training.task import Task
from mdps_ros.training.trainer import TrainResult

WEIGHTS = "weights.safetensors"
CARD = "model_card.md"


def publish(
    run_dir: Path, task: Task, config: TrainConfig, result: TrainResult, command: str
) -> None:
    """Write the weights of all modules, the card where the recipe has its texts, and the curves.

    Args:
        run_dir: folder of the run.
        task: whose modules hold the result.
        config: the recipe.
        result: how the run ended.
        command: what made it.
    """
    card = _card(config, result, command)
    metadata = {"task": config.task, "members": str(config.members), "seed": str(config.seed)}
    save_weights(
        run_dir / WEIGHTS, task.modules, metadata | ({} if card is None else card.metadata())
    )
    if card is not None:
        (run_dir / CARD).write_text(card.markdown(), encoding="utf-8")
    draw_curves(run_dir)


def _card(config: TrainConfig, result: TrainResult, command: str) -> ModelCard | None:
    """The card of a run; None without texts for it."""
    if config.card is None:
        return None
    what = "validation loss" + (f", median of {config.members}" if config.members > 1 else "")
    return ModelCard(
        name=f"{config.task}, {len(config.stages)} stages",
        summary=config.card.summary,
        data=config.card.data,
        licence=config.card.licence,
        limits=config.card.limits,
        seed=config.seed,
        command=command,
        metrics={
            f"{stage.name}: {what}": statistics.median(stage.validation) for stage in result.stages
        },
    )
