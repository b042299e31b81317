"""Camera images of a recorded drive with the map drawn in at what a run believed then."""

from __future__ import annotations

import cv2
import numpy as np

from mdps_ros.cli.bag_drive import BagDrive
from mdps_ros.evaluation.html_report import Look
from mdps_ros.evaluation.metrics import errors
from mdps_ros.evaluation.run import Trace
from mdps_ros.maps import Map
from mdps_ros.runtime.events import (
    ColourImageEvent,
    DepthImageEvent,
    ImageEvent,
    PinholeCamera,
)
from mdps_ros.runtime.outputs import State
from mdps_ros.runtime.watching.overlay import Scene, draw_overlay
from mdps_ros.runtime.watching.overlay_painter import picture_of

PAGE_LOOKS = 6
"""Images on a page."""
VIEW_PERIOD_S = 1.0
"""Between two images of a recording."""
ROWS_MIN = 360
"""Smaller images are enlarged, so that thin lines are thin."""
QUALITY = 85


def looks_of(drive: BagDrive, trace: Trace, map: Map, period_s: float) -> list[Look]:
    """The first image after every period that has an estimate of its own stamp.

    Args:
        drive: with or without images.
        trace: a run of this drive.
        map: what is drawn.
        period_s: least time between two images, s.
    """
    frames = {stamp: index for index, stamp in enumerate(trace.stamps_ns.tolist())}
    scene, looks = Scene(map), list[Look]()
    for _, event in drive.events():
        if not isinstance(event, (ColourImageEvent, DepthImageEvent)):
            continue
        due = not looks or event.stamp_ns >= looks[-1].stamp_ns + period_s * 1e9
        if due and event.stamp_ns in frames:
            looks.append(_look(event, trace, frames[event.stamp_ns], scene))
    return looks


def page_looks(drive: BagDrive, trace: Trace, map: Map) -> list[Look]:
    """Few images, evenly over the run."""
    period_s = max(trace.seconds_of_drive / PAGE_LOOKS, 1e-9)
    return looks_of(drive, trace, map, period_s)[:PAGE_LOOKS]


def enlarged(camera: PinholeCamera, factor: int) -> PinholeCamera:
    """The camera of the same picture with more pixels; their centres are at integers."""
    return PinholeCamera(
        width=factor * camera.width,
        height=factor * camera.height,
        fx=factor * camera.fx,
        fy=factor * camera.fy,
        cx=factor * (camera.cx + 0.5) - 0.5,
        cy=factor * (camera.cy + 0.5) - 0.5,
    )


def _look(event: ImageEvent, trace: Trace, index: int, scene: Scene) -> Look:
    state, share = State(int(trace.states[index])).name, 100.0 * trace.top_mass[index]
    picture, camera = picture_of(event), event.camera
    factor = -(-ROWS_MIN // camera.height)
    if factor > 1:
        size = (factor * camera.width, factor * camera.height)
        larger = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
        picture = np.asarray(larger, dtype=np.uint8)
        camera = enlarged(camera, factor)
    pose = trace.estimate[index]
    drawn = draw_overlay(
        picture, camera, event.T_base_camera, pose, scene, f"{state} {share:.0f} %"
    )
    _, jpeg = cv2.imencode(".jpg", drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    caption = f"{trace.travelled[index]:.0f} m: {state}, {share:.0f} % of the belief"
    off = errors(trace.estimate[[index]], trace.truth[[index]]).position_m[0]
    if np.isfinite(off):
        caption += f", {off:.1f} m off"
    return Look(event.stamp_ns, jpeg.tobytes(), caption)
