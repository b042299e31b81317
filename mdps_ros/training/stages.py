"""A stage of learning: which modules learn, from which loss, how fast and for how long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mdps_ros.training.errors import TrainingError


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage; modules without a learning rate are frozen and stay bit-identical.

    Attributes:
        name: word for logs and errors, unique in a run.
        iterations: optimizer steps, at least 1.
        learning_rates: Adam's learning rate, > 0, of each module that learns.
        loss: which of the task's losses; the task defines the words.
        clip_norm: bound of the gradient's Euclidean norm, of each member for itself.
        warmup: steps over which the learning rates rise linearly from zero.
        final_fraction: the learning rates fall along a cosine to this share of themselves at the
            end of the stage; 1 keeps them.
        validate_every: steps between two validations; start and end are always validated.
        options: what else the task wants to know.
    """

    name: str
    iterations: int
    learning_rates: Mapping[str, float]
    loss: str = "nll"
    clip_norm: float = math.inf
    warmup: int = 0
    final_fraction: float = 1.0
    validate_every: int = 100
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks ranges.

        Raises:
            TrainingError: a value is out of its range.
        """
        for key, fits, wanted in (
            ("name", bool(self.name), "a word"),
            ("iterations", self.iterations >= 1, "1 or more"),
            ("learning_rates", bool(self.learning_rates), "one module or more"),
            ("clip_norm", self.clip_norm > 0.0, "a number above 0"),
            ("warmup", 0 <= self.warmup <= self.iterations, f"0 to {self.iterations}"),
            ("final_fraction", 0.0 <= self.final_fraction <= 1.0, "0 to 1"),
            ("validate_every", self.validate_every >= 1, "1 or more"),
        ):
            if not fits:
                value = getattr(self, key)
                raise TrainingError(f"stage {self.name}: {key} is {value!r}; give {wanted}")
        for module, rate in self.learning_rates.items():
            if not 0.0 < rate < math.inf:
                raise TrainingError(
                    f"stage {self.name}: learning_rates.{module} is {rate!r}; give a number above "
                    "0, or leave the module out to freeze it"
                )


def learning_rate_factor(stage: Stage, iteration: int) -> float:
    """Factor on the stage's learning rates at step `iteration` (0 is the first), in (0, 1]."""
    if iteration < stage.warmup:
        return (iteration + 1) / stage.warmup
    progress = (iteration - stage.warmup) / max(1, stage.iterations - stage.warmup)
    cosine = 0.5 * (1.0 + math.cos(math.pi * progress))
    return stage.final_fraction + (1.0 - stage.final_fraction) * cosine
