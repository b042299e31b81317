"""How well single frames tell their pose: recall, log-loss and calibration in a window.

Each frame is scored on a grid of 64 x 64 m by +-30 degrees, whose middle is drawn at random about
the truth, on the right map and on one with the errors that maps have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.evaluation.camera_frame_set import FrameSet
from mdps_ros.evaluation.camera_window import (
    EncodedMap,
    FrameResult,
    encode_frame,
    encode_map,
    judge,
    score_window,
)
from mdps_ros.evaluation.results import Row
from mdps_ros.maps.imperfect import ImperfectStyle, imperfect_map, imperfect_warp
from mdps_ros.maps.map import Map
from mdps_ros.maps.warp import SmoothWarp
from mdps_ros.models.camera.networks import CameraNetworks

RADII_M = (1.0, 2.0, 3.0, 5.0, 10.0)
MAP_SEED = 2026
LEVELS = np.linspace(0.0, 1.0, 21)


AS_DRAWN = ", where it is drawn"
"""Ends the name of results against the place where a wrong map draws the truth."""


class MapCase(NamedTuple):
    """A map that the frames are held against, and how it is warped."""

    name: str
    encoded: EncodedMap
    warp: SmoothWarp | None


def map_cases(map: Map, networks: CameraNetworks) -> list[MapCase]:
    """The map as it is, and with errors of a fixed seed."""
    style = ImperfectStyle()
    wrong = imperfect_map(map, style, np.random.default_rng(MAP_SEED))
    warp = imperfect_warp(style, np.random.default_rng(MAP_SEED))
    return [
        MapCase("as it is", encode_map(map, networks), None),
        MapCase("imperfect", encode_map(wrong, networks), warp),
    ]


def choose(frames: FrameSet, count: int, seed: int) -> NDArray[np.int64]:
    """Numbers of `count` frames drawn without replacement; all where there are no more."""
    order: NDArray[np.int64] = np.random.default_rng(seed).permutation(len(frames))
    return order[:count]


def frame_results(
    frames: FrameSet,
    chosen: NDArray[np.int64],
    cases: Sequence[MapCase],
    networks: CameraNetworks,
    seed: int,
) -> Iterator[dict[str, FrameResult]]:
    """Results of each chosen frame by the name of the map; all maps see the same window.

    A warped map has two: against the truth, and against where it draws the truth. The second tells
    how well the image is found on the map, the first what the map's own error leaves of it.
    """
    for index in chosen:
        frame = frames.frame(int(index))
        ground = encode_frame(frame, networks)
        results = {}
        for case in cases:
            rng = np.random.default_rng([seed, int(index)])
            window = score_window(ground, frame, case.encoded, networks, rng)
            results[case.name] = judge(window, frame.pose)
            if case.warp is not None:
                drawn = case.warp.drawn(frame.pose[None])[0]
                results[case.name + AS_DRAWN] = judge(window, drawn)
        yield results


def best_possible(
    frames: FrameSet, chosen: NDArray[np.int64], warp: SmoothWarp
) -> dict[str, float]:
    """Recalls of a model that finds every frame exactly where the warped map draws it."""
    away = np.hypot(*warp(np.stack([frames.frame(int(i)).pose[:2] for i in chosen])).T)
    return {f"recall_{radius:g}m": float((away < radius).mean()) for radius in RADII_M}


def row(name: str, results: Sequence[FrameResult]) -> Row:
    """Figures of all frames on one map."""
    errors = np.array([result.error_m for result in results])
    yaw = np.degrees([result.yaw_error_rad for result in results])
    nll = np.array([result.nll for result in results])
    summary: Row = {"name": name, "frames": len(results)}
    summary |= {f"recall_{radius:g}m": float((errors < radius).mean()) for radius in RADII_M}
    return summary | {
        "median_error_m": float(np.median(errors)),
        "median_yaw_error_deg": float(np.median(yaw)),
        "yaw_recall_2deg": float((yaw < 2.0).mean()),
        "nll_nats": float(nll.mean()),
        "median_nll_nats": float(np.median(nll)),
        "calibration_error": calibration_error(results),
        "claims_within_2m": float(np.mean([result.claimed for result in results])),
    }


def reliability(results: Sequence[FrameResult]) -> NDArray[np.float64]:
    """(len(LEVELS),) share of the frames whose truth lies in the likeliest poses of each mass."""
    before = np.array([result.mass_before for result in results])
    share: NDArray[np.float64] = (before[:, None] <= LEVELS).mean(axis=0)
    return share


def calibration_error(results: Sequence[FrameResult]) -> float:
    """Mean distance of the reliability curve from the diagonal; 0 is calibrated, 0.5 the worst."""
    return float(np.abs(reliability(results) - LEVELS).mean())
