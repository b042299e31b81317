"""`mdps calibrate depth`: learn the table of the depth measurement from simulated drives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mdps_ros import __version__
from mdps_ros.models.depth_table import DepthTable
from mdps_ros.settings import DepthSettings
from mdps_ros.training.depth_fit import fit_table, log_loss
from mdps_ros.training.depth_samples import Looks, SampleStyle, World, sample_looks

LOOK_SPACING_M = 2.0  # between the looks of a window: the default travel between two updates
UNTHINNED = 20_000  # points; learning sees all of them


def learn_depth_table(
    world: World,
    map_name: str,
    seeds: Sequence[int],
    settings: DepthSettings,
    style: SampleStyle,
    progress: Callable[[int], None] = lambda done: None,
) -> DepthTable:
    """Simulate drives, fit the table, and measure it on drives that the fit did not see.

    The shipped table is fitted to all drives; the metrics come from a fit to three quarters of
    them, taken on the rest.

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
    held_out = drives[::4]
    trained = [drive for i, drive in enumerate(drives) if i % 4]
    test = np.concatenate([drive.counts for drive in held_out])
    probe = fit_table(np.concatenate([drive.counts for drive in trained])).values
    fit = fit_table(np.concatenate([drive.counts for drive in drives]))
    metrics = {
        "looks": int(sum(len(drive.counts) for drive in drives)),
        "candidates": style.candidates,
        "log_loss_chance_nats": round(float(np.log(style.candidates)), 4),
        "log_loss_left_out_nats": round(log_loss(test, probe), 4),
        "log_loss_fitted_nats": {name: round(value, 4) for name, value in fit.log_loss.items()},
        "decorrelation_m": round(decorrelation(held_out, probe), 2),
    }
    provenance = {
        "command": f"mdps calibrate depth --map {map_name} --seeds {len(seeds)}"
        f" --first-seed {seeds[0]}",
        "version": __version__,
        "data": f"simulated drives on the map '{map_name}' (c) OpenStreetMap contributors, ODbL",
        "seeds": [int(seed) for seed in seeds],
        "drives": dataclasses.asdict(style),
        "metrics": metrics,
    }
    obstacle, free = (tuple(float(v) for v in row) for row in fit.values)
    return DepthTable(obstacle, free, provenance)


def decorrelation(drives: Sequence[Looks], values: NDArray[np.float64]) -> float:
    """Travel that counts as one independent look, metres.

    Looks of a window, about LOOK_SPACING_M apart, see the same things and share the map's
    error. The share of each look's evidence that makes the log-loss of the true track among
    the displaced ones smallest, w, says how far one has to drive for a whole look: spacing / w.

    Args:
        drives: looks with shared displacements per window.
        values: (2, CLASSES) the table.
    """
    scores, spacing = [], []
    for drive in drives:
        score = np.einsum("fkpc,pc->fk", drive.counts, values)
        for window in np.unique(drive.window):
            chosen = _spaced(drive.travelled, np.flatnonzero(drive.window == window))
            if len(chosen) >= 4:
                scores.append(score[chosen].sum(axis=0))
                spacing.append(np.diff(drive.travelled[chosen]).mean())
    total = np.stack(scores)
    shares = np.geomspace(0.01, 2.0, 200)
    loss = [_track_loss(share * total) for share in shares]
    return float(np.mean(spacing) / shares[int(np.argmin(loss))])


def _track_loss(score: NDArray[np.float64]) -> float:
    top = score.max(axis=1, keepdims=True)
    return float(np.mean(top[:, 0] + np.log(np.exp(score - top).sum(axis=1)) - score[:, 0]))


def _spaced(travelled: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the looks that are about LOOK_SPACING_M of travel apart."""
    kept = [int(index[0])]
    for i in index[1:]:
        if travelled[i] - travelled[kept[-1]] >= LOOK_SPACING_M - 0.5:
            kept.append(int(i))
    return np.array(kept)
