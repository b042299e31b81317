"""A few frames with everything that is computed of them, for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.evaluation.camera_frame_set import FrameSet
from mdps_ros.evaluation.camera_frames import MapCase
from mdps_ros.evaluation.camera_window import WindowScore, encode_frame, score_window
from mdps_ros.models.camera.networks import CameraNetworks, Ground

COUNT = 6


class Example(NamedTuple):
    """One frame.

    Attributes:
        rgb: (H, W, 3) uint8, the image.
        ground: what the network sees in it.
        windows: score by the name of the map.
        pose: (3,) the true pose.
    """

    rgb: NDArray[np.uint8]
    ground: Ground
    windows: dict[str, WindowScore]
    pose: NDArray[np.float64]


def examples(
    frames: FrameSet,
    chosen: NDArray[np.int64],
    cases: Sequence[MapCase],
    networks: CameraNetworks,
    seed: int,
) -> list[Example]:
    """The first of the chosen frames, whatever came out of them."""
    made = []
    for index in chosen[:COUNT]:
        frame = frames.frame(int(index))
        ground = encode_frame(frame, networks)
        windows = {
            case.name: score_window(
                ground, frame, case.encoded, networks, np.random.default_rng([seed, int(index)])
            )
            for case in cases
        }
        made.append(Example(frame.rgb, ground, windows, frame.pose))
    return made
