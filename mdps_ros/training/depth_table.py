"""`mdps calibrate depth`: learn the table of the depth measurement from simulated drives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros import __version__
from mdps_ros.models.depth_table import DepthTable
from mdps_ros.settings import DepthSettings
from mdps_ros.training.depth_fit import fit_table, log_loss, table_views, views
from mdps_ros.training.depth_samples import Looks, SampleStyle, World, sample_looks

LOOK_SPACING_M = 2.0  # between the looks of a window: the default travel between two updates
FEWEST_LOOKS = 4  # that make a track
FIT_STRIDE = 3  # looks
FOLDS = 3
UNTHINNED = 20_000  # points; learning sees all of them


class Tracks(NamedTuple):
    """Summed scores of W windows of a drive.

    Attributes:
        score: (W, K) of the true track (candidate 0) and of displaced ones.
        spacing_m: (W,) mean travel between the looks of a window.
    """

    score: NDArray[np.float64]
    spacing_m: NDArray[np.float64]


def learn_depth_table(
    world: World,
    map_name: str,
    seeds: Sequence[int],
    settings: DepthSettings,
    style: SampleStyle,
    progress: Callable[[int], None] = lambda done: None,
) -> DepthTable:
    """Simulate drives, fit the table, and measure it on drives that the fit did not see.

    The shipped table is fitted to all drives; the metrics come from cross-validation over them.

    Args:
        world: the map.
        map_name: its name, for the provenance.
        seeds: one drive each; at least two.
        settings: of the depth model.
        style: how drives and displacements are drawn.
        progress: told the number of drives done.

    Raises:
        ValueError: fewer than two seeds, or the map has no buildings or no route.
    """
    if len(seeds) < 2:
        raise ValueError("the table needs at least two drives, one to test on; give --seeds 2")
    if not world.buildings:
        raise ValueError("the map has no buildings, depth sees little; use one with buildings")
    whole = dataclasses.replace(settings, points=UNTHINNED)
    drives = []
    for done, seed in enumerate(seeds, 1):
        drives.append(sample_looks(world, seed, whole, style))
        progress(done)
    fit = fit_table(_counts(drives))
    metrics = {
        "looks_fitted": len(_counts(drives)),
        "candidates": style.candidates,
        "log_loss_chance_nats": round(float(np.log(style.candidates)), 4),
        "log_loss_fitted_nats": {name: round(value, 4) for name, value in fit.log_loss.items()},
        **cross_validate(drives),
    }
    provenance = {
        "command": f"mdps calibrate depth --map {map_name} --seeds {len(seeds)}"
        f" --first-seed {seeds[0]} --length {style.length_m:g}",
        "version": __version__,
        "data": f"simulated drives on the map '{map_name}' (c) OpenStreetMap contributors, ODbL",
        "map_id": world.tiles.id,
        "seeds": [int(seed) for seed in seeds],
        "drives": dataclasses.asdict(style),
        "metrics": metrics,
    }
    obstacle, free = (tuple(float(v) for v in row) for row in fit.values)
    return DepthTable(obstacle, free, provenance)


def cross_validate(drives: Sequence[Looks]) -> dict[str, dict[str, float]]:
    """Log-loss and decorrelation of each view on drives that the fit did not see.

    Args:
        drives: at least two; each is left out once, in FOLDS groups.

    Returns:
        "log_loss_left_out_nats" and "decorrelation_m", each view name -> value.
    """
    loss: dict[str, list[float]] = {}
    tracks: dict[str, list[Tracks]] = {}
    folds = min(FOLDS, len(drives))
    for fold in range(folds):
        values = fit_table(_counts([d for i, d in enumerate(drives) if i % folds != fold])).values
        known = table_views(values)
        for drive in drives[fold::folds]:
            for name, view in views(drive.counts).items():
                score = np.einsum("fkpbr,pbr->fk", view, known[name])
                loss.setdefault(name, []).append(log_loss(score[::FIT_STRIDE]))
                tracks.setdefault(name, []).append(track_scores(drive, score))
    return {
        "log_loss_left_out_nats": {k: round(float(np.mean(v)), 4) for k, v in loss.items()},
        "decorrelation_m": {k: round(decorrelation(v), 1) for k, v in tracks.items()},
    }


def track_scores(drive: Looks, score: NDArray[np.float64]) -> Tracks:
    """Add up the scores of the looks of each window, about LOOK_SPACING_M apart.

    Args:
        drive: looks with shared displacements per window.
        score: (F, K) of its looks.
    """
    total, spacing = [], []
    for window in np.unique(drive.window):
        chosen = _spaced(drive.travelled, np.flatnonzero(drive.window == window))
        if len(chosen) >= FEWEST_LOOKS:
            total.append(score[chosen].sum(axis=0))
            spacing.append(float(np.diff(drive.travelled[chosen]).mean()))
    return Tracks(np.array(total).reshape(-1, score.shape[1]), np.array(spacing))


def decorrelation(tracks: Sequence[Tracks]) -> float:
    """Travel that counts as one independent look, metres.

    Looks of a window see the same things and share the map's error. The share w of each look's
    evidence that makes the log-loss of the true track among the displaced ones smallest says
    how far one has to drive for a whole look: spacing / w.

    Args:
        tracks: of drives that the table was not fitted to.
    """
    total = np.concatenate([track.score for track in tracks])
    spacing = float(np.concatenate([track.spacing_m for track in tracks]).mean())
    shares = np.geomspace(0.01, 2.0, 200)
    loss = [log_loss(share * total) for share in shares]
    return spacing / float(shares[int(np.argmin(loss))])


def _counts(drives: Sequence[Looks]) -> NDArray[np.float32]:
    """(F, K, 2, CLASSES) of every FIT_STRIDE-th look; neighbours show the same."""
    return np.concatenate([drive.counts[::FIT_STRIDE] for drive in drives])


def _spaced(travelled: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the looks that are about LOOK_SPACING_M of travel apart."""
    kept = [int(index[0])]
    for i in index[1:]:
        if travelled[i] - travelled[kept[-1]] >= LOOK_SPACING_M - 0.5:
            kept.append(int(i))
    return np.array(kept)
