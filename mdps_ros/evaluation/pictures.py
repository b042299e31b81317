"""The picture of a run: beliefs on the map over time, the drive, error and sureness by distance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from mdps_ros.evaluation.layout import choose_snapshots
from mdps_ros.evaluation.metrics import (
    CLAIM_MASS,
    CLAIM_RADIUS_M,
    Errors,
    Score,
    errors,
)
from mdps_ros.evaluation.panels import (
    ESTIMATE,
    FAINT,
    GOOD,
    INK,
    PARTICLE,
    TRUTH,
    draw_belief,
    draw_drive,
)
from mdps_ros.evaluation.run import Trace
from mdps_ros.maps import Map

PANELS = 6
AHEAD = "#e08a00"


def draw_report(path: Path, trace: Trace, map: Map, title: str) -> None:
    """Draw one run as a PNG.

    Args:
        path: file to write.
        trace: the run; without a truth, errors are left out.
        map: what it ran on.
        title: headline.
    """
    score = trace.score() if trace.has_truth else None
    error = errors(trace.estimate, trace.truth) if trace.has_truth else None
    figure = Figure(figsize=(13.5, 17.6), facecolor="white")
    FigureCanvasAgg(figure)
    rows = figure.add_gridspec(3, 2, height_ratios=[0.7, 8.6, 8.3], hspace=0.0, wspace=0.0)
    head, beliefs = figure.add_subfigure(rows[0, :]), figure.add_subfigure(rows[1, :])
    left, right = figure.add_subfigure(rows[2, 0]), figure.add_subfigure(rows[2, 1])
    _headline(head, trace, score, title)
    _beliefs(beliefs, trace, map)
    drive = left.add_axes((0.045, 0.06, 0.93, 0.88))
    draw_drive(drive, map, trace, error, aspect=0.93 * 6.75 / (0.88 * 8.3))
    drive.set_title(
        "The drive, coloured by error (wide: claimed)", loc="left", fontsize=11, weight="bold"
    )
    _curves(right, trace, error, score)
    figure.savefig(path, format="png", dpi=100, metadata={"Software": "mdps_ros"})


def _headline(figure: SubFigure, trace: Trace, score: Score | None, title: str) -> None:
    figure.text(0.022, 0.58, title, fontsize=17, weight="bold", color=INK, va="center")
    figure.text(0.022, 0.16, facts(trace, score), fontsize=11.5, color="#454b52", va="center")
    handles = [
        Line2D([], [], color=PARTICLE, marker="o", ls="", ms=5, label="particles"),
        Line2D(
            [],
            [],
            mec=ESTIMATE,
            mfc="none",
            marker="o",
            ls="",
            ms=10,
            label="hypotheses",
        ),
        Line2D([], [], color=ESTIMATE, lw=2, label="claimed estimate"),
    ]
    if trace.has_truth:
        handles.append(Line2D([], [], color=TRUTH, lw=1.6, marker=">", ms=7, label="truth"))
    figure.legend(
        handles=handles,
        loc="center right",
        ncols=4,
        frameon=False,
        fontsize=10,
        borderaxespad=1.2,
    )


def facts(trace: Trace, score: Score | None) -> str:
    """One line of figures under the title."""
    length = f"{trace.travelled[-1]:.0f} m driven"
    if score is None:
        return f"{length} · no truth to compare with"
    if score.converged_after_m is None or score.recall_at_5m is None:
        return f"{length} · never converged · wrong claims {100 * score.wrong_claim_share:.1f} %"
    return (
        f"{length} · converged after {score.converged_after_m:.0f} m · "
        f"median error {score.median_error_m:.2f} m · "
        f"within 5 m {100 * score.recall_at_5m:.1f} % of the time since"
    )


def _beliefs(figure: SubFigure, trace: Trace, map: Map) -> None:
    """Small multiples of the belief over time."""
    axes = figure.subplots(
        2,
        3,
        gridspec_kw={
            "left": 0.022,
            "right": 0.985,
            "top": 0.955,
            "bottom": 0.012,
            "wspace": 0.035,
            "hspace": 0.1,
        },
    ).ravel()
    box = axes[0].get_position()
    aspect = box.width * 13.5 / (box.height * 8.6)
    chosen = choose_snapshots(trace, PANELS)
    for panel, index in zip(axes, chosen, strict=False):
        draw_belief(panel, map, trace, index, aspect)
    for panel in axes[len(chosen) :]:
        panel.set_visible(False)


def _curves(figure: SubFigure, trace: Trace, error: Errors | None, score: Score | None) -> None:
    """Error, signed error with bands, mass and particle number over distance."""
    axes = figure.subplots(
        4,
        1,
        sharex=True,
        gridspec_kw={
            "left": 0.11,
            "right": 0.97,
            "top": 0.94,
            "bottom": 0.06,
            "hspace": 0.24,
            "height_ratios": [1.5, 1.2, 0.9, 0.9],
        },
    )
    _error_curve(axes[0], trace, error)
    _signed_curve(axes[1], trace, error, score)
    _mass_curve(axes[2], trace)
    _particle_curve(axes[3], trace)
    if score is not None and score.converged_after_m is not None:
        axes[0].annotate(
            "converged",
            (score.converged_after_m, 0.03),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=8.5,
            color=GOOD,
        )
    axes[-1].set_xlabel("distance travelled, m", fontsize=9.5)
    axes[-1].set_xlim(0.0, float(trace.travelled[-1]))
    for panel in axes:
        _tidy(panel)
        if score is not None and score.converged_after_m is not None:
            panel.axvline(score.converged_after_m, color=GOOD, lw=1.2, ls=(0, (4, 2)), zorder=1)


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b7bdc4")
    axes.tick_params(labelsize=8.5, colors="#454b52", length=3)
    axes.grid(True, color="#e8ebee", lw=0.8)
    axes.set_axisbelow(True)


def _name(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=10, weight="bold", color=INK, pad=4)


def _error_curve(axes: Axes, trace: Trace, error: Errors | None) -> None:
    """Position error and twice the claimed standard deviation, logarithmic."""
    _name(axes, "Position error, m")
    sigma = np.sqrt(np.maximum(trace.covariance[:, 0, 0] + trace.covariance[:, 1, 1], 0.0))
    axes.set_yscale("log")
    axes.fill_between(
        trace.travelled,
        1e-3,
        2 * sigma,
        color=ESTIMATE,
        alpha=0.13,
        lw=0,
        label="claimed 2 sigma",
    )
    shown = 2 * sigma
    if error is not None:
        axes.plot(trace.travelled, error.position_m, color=INK, lw=1.4, label="error")
        known = error.position_m[np.isfinite(error.position_m)]
        shown = np.concatenate([shown, known])
    axes.axhline(CLAIM_RADIUS_M, color=FAINT, lw=0.9, ls=":")
    positive = shown[shown > 0.0]
    low = float(np.quantile(positive, 0.02)) / 2 if len(positive) else 0.1
    axes.set_ylim(min(max(low, 0.02), 1.0), 1.6 * max(float(shown.max()), CLAIM_RADIUS_M))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.legend(loc="upper right", frameon=False, fontsize=8.5, ncols=2)


def _signed_curve(axes: Axes, trace: Trace, error: Errors | None, score: Score | None) -> None:
    """Signed error along and across the road, with bands of twice the claimed deviation."""
    _name(axes, "Error after convergence and claimed 2 sigma, m")
    if error is None or score is None or score.converged_after_m is None:
        text = "no truth" if error is None else "never converged"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", color=FAINT)
        axes.set_yticks([])
        return
    after = trace.travelled >= score.converged_after_m
    x = np.where(after, trace.travelled, np.nan)
    cos, sin = np.cos(trace.truth[:, 2]), np.sin(trace.truth[:, 2])
    curves = (
        ("ahead", AHEAD, error.longitudinal_m, np.stack([cos, sin], axis=1)),
        ("to the left", ESTIMATE, error.lateral_m, np.stack([-sin, cos], axis=1)),
    )
    for name, colour, values, axis in curves:
        variance = np.einsum("ti,tij,tj->t", axis, trace.covariance[:, :2, :2], axis)
        band = 2 * np.sqrt(np.maximum(variance, 0.0))
        axes.fill_between(x, -band, band, color=colour, alpha=0.15, lw=0)
        axes.plot(x, values, color=colour, lw=1.3, label=name)
    axes.axhline(0.0, color=FAINT, lw=0.8)
    extent = np.abs(np.stack([error.lateral_m, error.longitudinal_m])[:, after])
    limit = 1.25 * max(1.0, float(np.nanquantile(extent, 0.995)))
    axes.set_ylim(-limit, limit)
    axes.legend(loc="upper left", frameon=False, fontsize=8.5, ncols=3)


def _mass_curve(axes: Axes, trace: Trace) -> None:
    """Share of the belief in the best hypothesis."""
    _name(axes, "Share of the belief in the best hypothesis")
    axes.fill_between(trace.travelled, 0.0, trace.top_mass, color=PARTICLE, alpha=0.15, lw=0)
    axes.plot(trace.travelled, trace.top_mass, color=PARTICLE, lw=1.3)
    axes.axhline(CLAIM_MASS, color=FAINT, lw=0.9, ls=":")
    axes.set_ylim(0.0, 1.04)


def _particle_curve(axes: Axes, trace: Trace) -> None:
    """Number of particles, logarithmic."""
    _name(axes, "Particles")
    axes.set_yscale("log")
    axes.plot(trace.travelled, trace.particles, color=INK, lw=1.4, drawstyle="steps-post")
    axes.set_ylim(trace.particles.min() / 1.6, trace.particles.max() * 1.6)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}".replace(",", "\u2009"))
