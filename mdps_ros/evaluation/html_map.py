"""The map of an HTML report as a plotly figure: streets, houses, the drive, and what is moved."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from mdps_ros.evaluation.layout import window_around
from mdps_ros.evaluation.metrics import CLAIM_MASS, errors
from mdps_ros.evaluation.panels import ESTIMATE, PARTICLE, TRUTH
from mdps_ros.evaluation.run import Trace
from mdps_ros.maps import Map
from mdps_ros.maps.render import ATTRIBUTION
from mdps_ros.maps.shapes import drawn_window, house_rings, road_quads

GROUND, ROAD, BUILDING = "#eeeae3", "#ffffff", "#c9bcb2"
MARGIN_M = 150.0
"""Map that is drawn around the drive and its hypotheses."""
POINTS_MAX = 400_000
"""Corners of roads and houses that a page may hold; beyond it the small houses go first."""
MOVED = ("particles", "hypotheses", "heading", "estimate", "true pose")
"""Names of the traces that the page's slider fills, in the order of the figure."""

Points = NDArray[np.float32]


def map_figure(trace: Trace, map: Map) -> go.Figure:
    """Static traces of map and drive, and empty ones named MOVED.

    Args:
        trace: the run.
        map: what it ran on.
    """
    window = drawn_window(likely_points(trace), MARGIN_M, map.bounds)
    figure = go.Figure()
    quads = road_quads(map.roads, window)[: POINTS_MAX // 4]
    roads = _with_gaps(quads)
    houses = _with_gaps(house_rings(map.buildings, window, POINTS_MAX))
    figure.add_trace(_area("roads", roads, ROAD, 0.0))
    figure.add_trace(_area("buildings", houses, BUILDING, 0.5))
    if trace.has_truth:
        figure.add_trace(_line("truth", trace.truth[:, :2], TRUTH, 1.5, dash="dot"))
    figure.add_trace(_drive(trace))
    for name in MOVED:
        figure.add_trace(_moved(name))
    view = window_around(_points(trace), map.bounds, 1.0)
    figure.update_layout(
        plot_bgcolor=GROUND,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        dragmode="pan",
        hovermode="closest",
        legend={"x": 0.01, "y": 0.99, "bgcolor": "rgba(255,255,255,0.8)"},
        uirevision="kept",
    )
    axis = {"showgrid": False, "zeroline": False, "showticklabels": False}
    figure.update_xaxes(range=[view.min_x, view.max_x], **axis)
    figure.update_yaxes(range=[view.min_y, view.max_y], scaleanchor="x", **axis)
    if map.anchor is not None:
        figure.add_annotation(
            text=ATTRIBUTION,
            xref="paper",
            yref="paper",
            x=1,
            y=0,
            showarrow=False,
            font={"size": 10},
        )
    return figure


def _points(trace: Trace) -> NDArray[np.float64]:
    """(P, 2) where the vehicle was, or else was claimed to be."""
    path = trace.truth if trace.has_truth else trace.estimate
    points: NDArray[np.float64] = path[np.isfinite(path).all(axis=1), :2]
    return points


def likely_points(trace: Trace) -> NDArray[np.float64]:
    """(P, 2) m, all places that were ever likely."""
    alive = trace.modes[trace.mode_mass >= 0.02][:, :2]
    return np.concatenate([_points(trace), trace.estimate[:, :2], alive])


def _with_gaps(rings: Iterable[NDArray[np.float64]]) -> Points:
    """(P, 2) rings, each closed and followed by a row of NaN."""
    gap = np.full((1, 2), np.nan)
    parts = [part for ring in rings for part in (ring, ring[:1], gap)]
    joined = np.concatenate(parts) if parts else gap
    return joined.astype(np.float32)


def _area(name: str, points: Points, colour: str, edge: float) -> go.Scatter:
    return go.Scatter(
        x=points[:, 0],
        y=points[:, 1],
        mode="lines",
        fill="toself",
        fillcolor=colour,
        line={"color": "#a59e97", "width": edge},
        hoverinfo="skip",
        name=name,
        showlegend=False,
    )


def _line(name: str, xy: NDArray[np.float64], colour: str, width: float, **line: str) -> go.Scatter:
    return go.Scatter(
        x=xy[:, 0].astype(np.float32),
        y=xy[:, 1].astype(np.float32),
        mode="lines",
        line={"color": colour, "width": width, **line},
        name=name,
        hoverinfo="skip",
    )


def _drive(trace: Trace) -> go.Scatter:
    """The claimed estimates, coloured by their error where the truth is known."""
    claims = trace.top_mass >= CLAIM_MASS
    xy = np.where(claims[:, None], trace.estimate[:, :2], np.nan).astype(np.float32)
    marker: dict[str, object] = {"size": 5, "color": ESTIMATE}
    if trace.has_truth:
        error = errors(trace.estimate, trace.truth).position_m
        marker |= {
            "color": np.where(np.isfinite(error), error, 0.0).astype(np.float32),
            "colorscale": "Turbo",
            "cmin": 0.0,
            "cmax": 5.0,
            "colorbar": {"title": {"text": "error, m"}, "thickness": 10, "len": 0.4, "y": 0.25},
        }
    return go.Scatter(
        x=xy[:, 0],
        y=xy[:, 1],
        mode="lines+markers",
        line={"color": ESTIMATE, "width": 1},
        marker=marker,
        name="claimed estimate",
        hoverinfo="skip",
    )


def _moved(name: str) -> go.Scatter:
    """An empty trace in the look of what the slider will put into it."""
    looks: dict[str, dict[str, object]] = {
        "particles": {"mode": "markers", "marker": {"size": 3, "color": PARTICLE, "opacity": 0.4}},
        "hypotheses": {
            "mode": "markers+text",
            "textposition": "top right",
            "textfont": {"color": ESTIMATE},
            "marker": {"color": "rgba(0,0,0,0)", "line": {"color": ESTIMATE, "width": 2}},
        },
        "heading": {"mode": "lines", "line": {"color": ESTIMATE, "width": 3}, "showlegend": False},
        "estimate": {"mode": "markers", "marker": {"size": 9, "color": ESTIMATE}},
        "true pose": {"mode": "lines", "line": {"color": TRUTH, "width": 4}},
    }
    return go.Scatter(x=[], y=[], name=name, hoverinfo="skip", **looks[name])
