"""The curves of an HTML report as a plotly figure, over distance travelled."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from mdps_ros.evaluation.metrics import CLAIM_MASS, CLAIM_RADIUS_M, errors
from mdps_ros.evaluation.panels import ESTIMATE, FAINT, GOOD, INK, PARTICLE
from mdps_ros.evaluation.run import Trace
from mdps_ros.runtime.outputs import State

TITLES = (
    "Position error and claimed 2 sigma, m",
    "Heading error and claimed 2 sigma, degrees",
    "Share of the belief in the best hypothesis",
    "Particles",
)
STATE_COLOURS = {
    "UNINITIALIZED": "#d7dadd",
    "GLOBAL": "#f6d7e8",
    "AMBIGUOUS": "#fdebc8",
    "TRACKING": "#d9f0df",
    "LOST": "#f2b8b5",
    "RECOVERING": "#ddd6f3",
}
"""Background of the share's curve, by the name of the `State`."""
FEW_DECADES = 2.5
"""Over fewer, an axis has ticks at 1, 2 and 5, else at powers of ten."""


def curves_figure(trace: Trace) -> go.Figure:
    """Four curves above each other: error, heading, share with the states, particles."""
    figure = make_subplots(
        rows=4, cols=1, shared_xaxes=True, vertical_spacing=0.06, subplot_titles=TITLES
    )
    _errors(figure, trace)
    _share(figure, trace)
    _add(figure, 4, "particles", trace.travelled, trace.particles.astype(np.float64), INK)
    converged = trace.score().converged_after_m if trace.has_truth else None
    if converged is not None:
        figure.add_vline(x=converged, line={"color": GOOD, "dash": "dash", "width": 1})
    _logarithmic(figure, 1)
    figure.update_yaxes(range=[0.0, 1.05], row=3, col=1)
    _logarithmic(figure, 4)
    figure.update_xaxes(title_text="distance travelled, m", row=4, col=1)
    figure.update_layout(
        margin={"l": 45, "r": 10, "t": 25, "b": 40},
        showlegend=False,
        hovermode="x unified",
        plot_bgcolor="#ffffff",
    )
    figure.update_xaxes(gridcolor="#e8ebee")
    figure.update_yaxes(gridcolor="#e8ebee")
    figure.update_annotations(font={"size": 12}, xanchor="left", x=0.0)
    return figure


def _errors(figure: go.Figure, trace: Trace) -> None:
    x = trace.travelled
    spread = trace.covariance[:, 0, 0] + trace.covariance[:, 1, 1]
    _band(figure, 1, x, 2.0 * np.sqrt(np.maximum(spread, 1e-6)))
    turn = np.sqrt(np.maximum(trace.covariance[:, 2, 2], 0.0))
    _band(figure, 2, x, np.minimum(np.degrees(2.0 * turn), 180.0))
    if trace.has_truth:
        error = errors(trace.estimate, trace.truth)
        _add(figure, 1, "error", x, np.maximum(error.position_m, 1e-3), INK)
        _add(figure, 2, "error", x, np.degrees(np.abs(error.heading_rad)), INK)
        figure.update_yaxes(range=[0.0, _top(np.degrees(np.abs(error.heading_rad)))], row=2, col=1)
    figure.add_hline(y=CLAIM_RADIUS_M, line={"color": FAINT, "dash": "dot"}, row=1, col=1)


def _top(values: NDArray[np.float64]) -> float:
    """Upper end of an axis that shows nearly all values, degrees."""
    known = values[np.isfinite(values)]
    return 1.3 * max(1.0, float(np.quantile(known, 0.9))) if len(known) else 10.0


def _logarithmic(figure: go.Figure, row: int) -> None:
    """A logarithmic axis with ticks that can be read, over all that its curves show."""
    curves = [np.asarray(t.y, np.float64) for t in figure.select_traces(row=row, col=1)]
    values = np.concatenate(curves)
    values = values[np.isfinite(values) & (values > 0.0)]
    low, high = np.log10(values.min()), np.log10(values.max())
    digits = (1, 2, 5) if high - low < FEW_DECADES else (1,)
    decades = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    ticks = [digit * 10.0**decade for decade in decades for digit in digits]
    figure.update_yaxes(
        type="log",
        tickvals=ticks,
        ticktext=[f"{tick:,.10g}".replace(",", "\u2009") for tick in ticks],
        range=[low - 0.15, high + 0.15],
        row=row,
        col=1,
    )


def _share(figure: go.Figure, trace: Trace) -> None:
    """The share, over a background of the states."""
    _add(figure, 3, "share", trace.travelled, trace.top_mass, PARTICLE)
    figure.add_hline(y=CLAIM_MASS, line={"color": FAINT, "dash": "dot"}, row=3, col=1)
    changes = np.flatnonzero(np.diff(trace.states)) + 1
    edges = [0, *changes.tolist(), len(trace.states)]
    for first, last in pairwise(edges):
        figure.add_vrect(
            x0=float(trace.travelled[first]),
            x1=float(trace.travelled[min(last, len(trace.travelled) - 1)]),
            fillcolor=STATE_COLOURS[State(int(trace.states[first])).name],
            line_width=0,
            layer="below",
            row=3,
            col=1,
        )


def _band(figure: go.Figure, row: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    figure.add_trace(
        go.Scatter(
            x=x.astype(np.float32),
            y=y.astype(np.float32),
            mode="lines",
            line={"color": ESTIMATE, "width": 1},
            fill="tozeroy",
            fillcolor="rgba(18,89,195,0.13)",
            name="2 sigma",
        ),
        row=row,
        col=1,
    )


def _add(
    figure: go.Figure,
    row: int,
    name: str,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    colour: str,
) -> None:
    figure.add_trace(
        go.Scatter(
            x=x.astype(np.float32),
            y=y.astype(np.float32),
            mode="lines",
            line={"color": colour, "width": 1.5},
            name=name,
        ),
        row=row,
        col=1,
    )
