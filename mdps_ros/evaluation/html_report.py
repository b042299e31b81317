"""A run as one HTML page that needs nothing else: map, slider over time, curves, numbers."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from mdps_ros.evaluation.html_curves import STATE_COLOURS, curves_figure
from mdps_ros.evaluation.html_map import MOVED, map_figure
from mdps_ros.evaluation.meanings import meaning
from mdps_ros.evaluation.metrics import errors
from mdps_ros.evaluation.pictures import facts
from mdps_ros.evaluation.results import Row, format_value
from mdps_ros.evaluation.run import Trace
from mdps_ros.maps import Map
from mdps_ros.runtime.outputs import ParticleSnapshot, State
from mdps_ros.runtime.watching.snapshots import resample_evenly

MOMENTS = 400
"""Estimates that the slider can show; of more, evenly chosen ones."""
CLOUD = 400
"""Particles of one snapshot."""
FEWEST_MASS = 0.01
"""Lighter hypotheses are not drawn."""


LEGEND = (
    "The map, drawn where the best guess puts the camera: houses blue, road edges orange, centre "
    "lines thin and yellow. Before the state is TRACKING it is one guess of many, and lines that "
    "fit then prove nothing."
)


class Look(NamedTuple):
    """A camera image with the map drawn into it.

    Attributes:
        stamp_ns: of the image.
        jpeg: the picture.
        caption: a few words.
    """

    stamp_ns: int
    jpeg: bytes
    caption: str


def write_html(
    path: Path,
    trace: Trace,
    map: Map,
    title: str,
    *,
    row: Row,
    command: str,
    looks: Sequence[Look] = (),
) -> None:
    """Write the page; about 5 MB of it are plotly.js.

    Args:
        path: file to write.
        trace: the run; without a truth, errors are left out.
        map: what it ran on.
        title: headline.
        row: numbers of the table, see `report.row_of`.
        command: how it came about.
        looks: pictures to show below.
    """
    score = trace.score() if trace.has_truth else None
    texts = {
        "TITLE": html.escape(title),
        "FACTS": html.escape(facts(trace, score)),
        "LOOKS": "".join(_look(look) for look in looks),
        "LEGEND": LEGEND if looks else "",
        "ROWS": "".join(_row(key, value) for key, value in row.items()),
        "COMMAND": html.escape(command),
        "DATA": _embedded(page_data(trace, map)),
        "SCRIPT": _asset("page.js"),
        "PLOTLY": get_plotlyjs(),
    }
    path.write_text(_filled(_asset("page.html"), texts), encoding="utf-8")


def page_data(trace: Trace, map: Map) -> dict[str, Any]:
    """What the page's script reads, JSON-ready."""
    chosen = np.unique(np.linspace(0, len(trace.stamps_ns) - 1, MOMENTS).round().astype(int))
    return {
        "map": json.loads(map_figure(trace, map).to_json()),
        "curves": json.loads(curves_figure(trace).to_json()),
        "moved": MOVED,
        "clouds": [_cloud(trace, snapshot) for snapshot in trace.snapshots],
        "moments": [_moment(trace, int(index)) for index in chosen],
        "colours": STATE_COLOURS,
    }


def _moment(trace: Trace, index: int) -> dict[str, Any]:
    """One position of the slider."""
    error = errors(trace.estimate[[index]], trace.truth[[index]]).position_m[0]
    alive = trace.mode_mass[index] >= FEWEST_MASS
    modes = np.column_stack([trace.modes[index, alive, :2], trace.mode_mass[index, alive]])
    return {
        "seconds": round(float(trace.stamps_ns[index] - trace.stamps_ns[0]) * 1e-9, 3),
        "travelled": round(float(trace.travelled[index]), 2),
        "state": State(int(trace.states[index])).name,
        "particles": int(trace.particles[index]),
        "pose": np.round(trace.estimate[index], 3).tolist(),
        "truth": _known(trace.truth[index]),
        "error": round(float(error), 3) if np.isfinite(error) else None,
        "modes": np.round(modes, 3).tolist(),
        "cloud": _cloud_at(trace, int(trace.stamps_ns[index])),
    }


def _known(pose: NDArray[np.float64]) -> list[float] | None:
    rounded: list[float] = np.round(pose, 3).tolist()
    return rounded if np.isfinite(pose).all() else None


def _cloud_at(trace: Trace, stamp_ns: int) -> int | None:
    """Index of the newest snapshot at a time; None before the first."""
    stamps = np.array([snapshot.stamp_ns for snapshot in trace.snapshots], np.int64)
    index = int(np.searchsorted(stamps, stamp_ns, side="right")) - 1
    return index if index >= 0 else None


def _cloud(trace: Trace, snapshot: ParticleSnapshot) -> dict[str, Any]:
    """Positions of few particles, and when they were so."""
    x, y, _ = np.round(resample_evenly(snapshot, CLOUD).poses.astype(np.float64), 2).T
    seconds = round((snapshot.stamp_ns - int(trace.stamps_ns[0])) * 1e-9, 3)
    return {"seconds": seconds, "x": x.tolist(), "y": y.tolist()}


def _row(key: str, value: Any) -> str:
    texts = (key, format_value(value), meaning(key))
    return "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in texts) + "</tr>"


def _look(look: Look) -> str:
    data = base64.b64encode(look.jpeg).decode("ascii")
    caption = html.escape(look.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _asset(name: str) -> str:
    return resources.files("mdps_ros.evaluation").joinpath("page").joinpath(name).read_text("utf-8")


def _embedded(content: Mapping[str, Any]) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")


def _filled(template: str, texts: Mapping[str, str]) -> str:
    """A template with its @WORDS@ replaced; what is put in is not searched for more of them."""
    return re.sub("@([A-Z]+)@", lambda word: texts[word[1]], template)
