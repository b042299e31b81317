"""The recipe that fits trained camera weights to images of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdps_ros.training.config import CardText, TrainConfig
from mdps_ros.training.stages import Stage

HELD_OUT = 0.1
"""Share of the frames, the last ones, that tell how good the weights are."""
_PER_BOX = 10  # frames; small boxes hold little of an earlier pass through the same street
_MARGIN = 0.25  # m
_RATES = {"high": 5e-5, "ground": 1e-4, "map": 1e-4, "scale": 3e-4}
_BATCH = 16
_MOST_VALIDATED = 192


def finetune_recipe(
    frames: Path,
    pose: NDArray[np.float64],
    *,
    mixed: Sequence[Path],
    start: Path,
    iterations: int,
    seed: int,
) -> TrainConfig:
    """The recipe.

    Maps of real places are wrong by themselves, so most pieces of map are shown as they are.

    Args:
        frames: folder of the new frames.
        pose: (n, 3) of them, in the order of time.
        mixed: folders of frames that the weights were trained on, so that they are not forgotten.
        start: weights to begin with.
        iterations: steps.
        seed: of the batches.
    """
    held = pose[int(np.floor(len(pose) * (1.0 - HELD_OUT))) :]
    options = {
        "frames": [str(folder) for folder in (frames, *mixed)],
        "held_out": [number for box in boxes(held) for number in box],
        "clean": 0.7,
        "variants": 2,
        "validation": int(np.clip(len(held), _BATCH, _MOST_VALIDATED)),
        "start": str(start),
    }
    calibration = max(iterations // 8, 1)
    stages = (
        Stage(
            name="finetune",
            iterations=iterations,
            learning_rates=_RATES,
            loss="pose",
            clip_norm=5.0,
            warmup=min(20, iterations),
            final_fraction=0.1,
            validate_every=max(iterations // 6, 1),
        ),
        Stage(
            name="calibration",
            iterations=calibration,
            learning_rates={"scale": 3e-3},
            loss="pose",
            final_fraction=0.05,
            validate_every=max(calibration // 2, 1),
            options={"on_held_out": True},
        ),
    )
    card = CardText(
        summary="Scores poses of one vehicle by its forward camera image against OpenStreetMap.",
        data=f"{len(pose)} frames of {frames}, from the weights {start.name}",
        licence="that of the images",
        limits="Was fitted to one camera and to the streets of its drive.",
    )
    return TrainConfig(task="camera", stages=stages, seed=seed, options=options, card=card)


def boxes(pose: NDArray[np.float64]) -> list[tuple[float, float, float, float]]:
    """Boxes (min x, min y, max x, max y) m around runs of consecutive poses (n, 3)."""
    found = []
    for first in range(0, len(pose), _PER_BOX):
        xy = pose[first : first + _PER_BOX, :2]
        low, high = xy.min(axis=0) - _MARGIN, xy.max(axis=0) + _MARGIN
        found.append((float(low[0]), float(low[1]), float(high[0]), float(high[1])))
    return found
