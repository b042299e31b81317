"""A belief drawn on its map: particles, hypotheses with number and share, estimate, way."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from mdps_ros.runtime.outputs import Mode, State
from mdps_ros.runtime.watching.map_window import Backdrop
from mdps_ros.runtime.watching.sights import Sight
from mdps_ros.runtime.watching.snapshots import resample_evenly

PARTICLES = 1500
"""At most so many are drawn."""
TICK_PX = 6.0
"""Length of a particle, which points where the vehicle would head to."""
ARROW_PX = 26.0
CLOUD = (208, 20, 122)
WAY = (18, 89, 195)
ESTIMATE = (18, 89, 195)
MODES = ((0, 110, 60), (190, 80, 0), (90, 40, 150), (0, 120, 150), (130, 90, 20))
"""Colours of hypotheses, by their numbers."""
INK, PAPER = (20, 22, 26), (255, 255, 255)
NAMED = 0.02
"""Share of a hypothesis that gets its number and share beside it."""
FONT = cv2.FONT_HERSHEY_SIMPLEX
SUBPIXEL = 4
"""cv2 takes fixed point, with so many bits behind it."""

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]


def draw_belief(
    backdrop: Backdrop,
    sight: Sight,
    way: Floats | None = None,
    title: str = "",
    credit: str = "",
) -> Picture:
    """Draw a belief.

    Args:
        backdrop: the part of the map.
        sight: the belief.
        way: (P, 2) m, where the vehicle was claimed to be so far; None for nothing.
        title: first line of the caption, before that of the belief in numbers.
        credit: whom the map is of, for the lower right corner.

    Returns:
        (H, W, 3), a new picture.
    """
    picture: Picture = backdrop.picture.copy()
    if way is not None and len(way) > 1:
        ends = _fixed(backdrop.pixels(way)).reshape(-1, 1, 2)
        cv2.polylines(picture, [ends], False, WAY, 2, cv2.LINE_AA, SUBPIXEL)
    _draw_cloud(picture, backdrop, sight)
    for mode, number in reversed(list(zip(sight.estimate.modes, sight.ids, strict=True))):
        _draw_mode(picture, backdrop, mode, number)
    _draw_arrow(picture, backdrop, sight.estimate.T_map_base, ESTIMATE, 1.4, _claimed(sight))
    for row, line in enumerate([title, summary(sight)] if title else [summary(sight)]):
        _write(picture, (6, 16 + 18 * row), line)
    _draw_scale(picture, backdrop)
    if credit:
        width = cv2.getTextSize(credit, FONT, 0.35, 1)[0][0]
        place = (picture.shape[1] - width - 6, picture.shape[0] - 6)
        _write(picture, place, credit, size=0.35)
    return picture


def summary(sight: Sight) -> str:
    """A belief in one line."""
    estimate = sight.estimate
    spread = math.sqrt(max(float(np.linalg.eigvalsh(estimate.covariance[:2, :2])[-1]), 0.0))
    share = estimate.modes[0].mass if estimate.modes else 0.0
    return (
        f"{estimate.state.name}  top {100.0 * share:.0f} %  sigma {spread:.1f} m  "
        f"{estimate.particles} particles"
    )


def _claimed(sight: Sight) -> bool:
    return sight.estimate.state is State.TRACKING


def _draw_cloud(picture: Picture, backdrop: Backdrop, sight: Sight) -> None:
    poses = resample_evenly(sight.cloud, PARTICLES).poses.astype(np.float64)
    first = backdrop.pixels(poses[:, :2])
    ahead = np.stack([np.cos(poses[:, 2]), -np.sin(poses[:, 2])], axis=1)
    shown = ((first > -TICK_PX) & (first < np.array(picture.shape[1::-1]) + TICK_PX)).all(axis=1)
    ends = np.stack([first, first + TICK_PX * ahead], axis=1)[shown]
    over = picture.copy()
    cv2.polylines(over, list(_fixed(ends)), False, CLOUD, 1, cv2.LINE_AA, SUBPIXEL)
    cv2.addWeighted(over, 0.7, picture, 0.3, 0.0, dst=picture)


def _draw_mode(picture: Picture, backdrop: Backdrop, mode: Mode, number: int) -> None:
    """Ellipse of 2 sigma, arrow, number and share of a hypothesis."""
    colour = MODES[number % len(MODES)]
    values, vectors = np.linalg.eigh(mode.covariance[:2, :2])
    axes = 2.0 * np.sqrt(np.maximum(values, 0.0)) * backdrop.pixels_per_m
    # the picture's rows run down, so that angles turn round
    angle = -math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))
    place = backdrop.pixels(mode.T_map_base[:2])
    axes = np.minimum(axes[::-1], 4.0 * max(picture.shape))
    cv2.ellipse(
        picture,
        _fixed(place).tolist(),
        _fixed(axes).tolist(),
        angle,
        0.0,
        360.0,
        colour,
        2,
        cv2.LINE_AA,
        SUBPIXEL,
    )
    _draw_arrow(picture, backdrop, mode.T_map_base, colour, 1.0, filled=True)
    if mode.mass < NAMED:
        return
    column, row = (int(v) for v in np.clip(place, -1e4, 1e4))
    _write(picture, (column + 10, row - 8), f"#{number} {100.0 * mode.mass:.0f} %", colour)


def _draw_arrow(
    picture: Picture,
    backdrop: Backdrop,
    T_map_base: Floats,
    colour: tuple[int, int, int],
    size: float,
    filled: bool,
) -> None:
    """A dart at a pose, pointing where it heads to; hollow where it is not claimed."""
    length = ARROW_PX * size
    shape = length * np.array([[0.6, 0.0], [-0.4, 0.3], [-0.2, 0.0], [-0.4, -0.3]])
    cos, sin = math.cos(T_map_base[2]), math.sin(T_map_base[2])
    turned = shape @ np.array([[cos, -sin], [sin, cos]])  # rows run down
    corners = _fixed(backdrop.pixels(T_map_base[:2]) + turned)
    if filled:
        cv2.fillPoly(picture, [corners], colour, cv2.LINE_AA, SUBPIXEL)
    cv2.polylines(picture, [corners], True, PAPER if filled else colour, 1, cv2.LINE_AA, SUBPIXEL)


def _draw_scale(picture: Picture, backdrop: Backdrop) -> None:
    """A bar of a round length in the lower left corner."""
    most = 0.3 * picture.shape[1] / backdrop.pixels_per_m
    unit = 10.0 ** math.floor(math.log10(most))
    metres = max(step * unit for step in (1.0, 2.0, 5.0) if step * unit <= most)
    row, end = picture.shape[0] - 8, 8 + round(metres * backdrop.pixels_per_m)
    for colour, width in ((PAPER, 4), (INK, 2)):
        cv2.line(picture, (8, row), (end, row), colour, width, cv2.LINE_AA)
    _write(picture, (8, row - 6), f"{metres:g} m", size=0.4)


def _write(
    picture: Picture,
    place: tuple[int, int],
    text: str,
    colour: tuple[int, int, int] = INK,
    size: float = 0.45,
) -> None:
    # a thicker text would be a longer one
    for right, down in ((-1, -1), (-1, 1), (1, -1), (1, 1), (0, 0)):
        ink = colour if right == 0 else PAPER
        at = (place[0] + right, place[1] + down)
        cv2.putText(picture, text, at, FONT, size, ink, 1, cv2.LINE_AA)


def _fixed(pixels: Floats) -> NDArray[np.int32]:
    """Subpixel places as cv2 wants them."""
    bounded = np.clip(np.round(pixels * 2.0**SUBPIXEL), -(2**30), 2**30)
    return np.asarray(bounded.astype(np.int32))
