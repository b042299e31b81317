"""Images, raw or compressed, with their intrinsics and extrinsics: events of the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import (
    ColourImageEvent,
    DepthImageEvent,
    ImageEvent,
    PinholeCamera,
)
from mdps_ros.runtime.inputs.messages import bad, frame_name, stamp_ns
from mdps_ros.runtime.inputs.pixels import (
    COLOUR_ENCODINGS,
    DEPTH_ENCODINGS,
    colour_image,
    compressed_image,
    compressed_size,
    depth_image,
)
from mdps_ros.runtime.inputs.undistortion import Undistortion, make_undistortion

Pixels = NDArray[Any]
"""(height, width) float32 m of depth, or (height, width, 3) uint8 of colour."""

Extrinsics = Callable[[str], "NDArray[np.float64] | None"]
"""Frame id of a camera -> (4, 4) base <- camera, or None while it is unknown."""


class View(NamedTuple):
    """Intrinsics, and (4, 4) base <- optical frame."""

    camera: PinholeCamera
    T_base_camera: NDArray[np.float64]


def pinhole_camera(msg: Any) -> PinholeCamera | Note:
    """Intrinsics of the rectified image of a sensor_msgs/CameraInfo: P, or K where P is zero."""
    width, height = int(msg.width), int(msg.height)
    p, k = np.asarray(msg.p, dtype=np.float64), np.asarray(msg.k, dtype=np.float64)
    matrix = p.reshape(3, 4)[:, :3] if p[0] != 0.0 else k.reshape(3, 3)
    fx, fy, cx, cy = (float(matrix[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    sane = (
        min(width, height) > 0
        and bool(np.isfinite(matrix).all())
        and 0.05 * width < fx < 100.0 * width
        and 0.05 * height < fy < 100.0 * height
        and -width < cx < 2 * width
        and -height < cy < 2 * height
    )
    if not sane:
        return bad(
            f"camera_info of {width} x {height} pixels has fx {fx:g}, fy {fy:g}, cx {cx:g}, "
            f"cy {cy:g}; calibrate the camera"
        )
    return PinholeCamera(width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy)


class Inputs:
    """Makes events of a camera's messages: an image needs intrinsics and extrinsics.

    Args:
        extrinsics: camera frame id -> (4, 4) base <- camera, or None while it is unknown.
        rectified: whether images come without distortion; else they are undistorted here.
    """

    def __init__(self, extrinsics: Extrinsics, rectified: bool = True) -> None:
        self._extrinsics = extrinsics
        self._rectified = rectified
        self._camera: PinholeCamera | None = None
        self._undistort: Undistortion | None = None

    def camera_info(self, msg: Any) -> tuple[Note, ...]:
        """Keep a sensor_msgs/CameraInfo for the images to come; a bad one changes nothing."""
        camera = pinhole_camera(msg)
        if isinstance(camera, Note):
            return (camera,)
        if not self._rectified and not (self._undistort and self._undistort.serves(msg)):
            made = make_undistortion(msg, camera)
            if isinstance(made, Note):
                return (made,)
            self._undistort = made
        self._camera = camera
        return ()

    def image(self, msg: Any) -> ImageEvent | Note:
        """A sensor_msgs/Image with depth or colour, together with the latest intrinsics.

        Returns:
            The event, or a Note with BAD_MESSAGE, NO_CAMERA_INFO or NO_EXTRINSICS.
        """
        if msg.encoding not in (*DEPTH_ENCODINGS, *COLOUR_ENCODINGS):
            known = f"depth as {' or '.join(DEPTH_ENCODINGS)}, colour as "
            known += ", ".join(COLOUR_ENCODINGS)
            return bad(f"image encoding {msg.encoding!r} is not known; publish {known}")
        view = self._view(msg.header.frame_id, int(msg.height), int(msg.width))
        if isinstance(view, Note):
            return view
        pixels = depth_image(msg) if msg.encoding in DEPTH_ENCODINGS else colour_image(msg)
        return self._event(stamp_ns(msg.header), pixels, view)

    def compressed(self, msg: Any) -> ImageEvent | Note:
        """A sensor_msgs/CompressedImage, as `image`; it is decoded only if all else fits."""
        size = compressed_size(msg)
        view = size if isinstance(size, Note) else self._view(msg.header.frame_id, *size)
        if isinstance(view, Note):
            return view
        return self._event(stamp_ns(msg.header), compressed_image(msg), view)

    def _event(self, stamp: int, pixels: Pixels | Note, view: View) -> ImageEvent | Note:
        if isinstance(pixels, Note):
            return pixels
        if self._undistort is not None:
            pixels = self._undistort(pixels)
        if pixels.dtype == np.float32:
            return DepthImageEvent(
                stamp_ns=stamp, depth=pixels, camera=view.camera, T_base_camera=view.T_base_camera
            )
        return ColourImageEvent(
            stamp_ns=stamp, rgb=pixels, camera=view.camera, T_base_camera=view.T_base_camera
        )

    def _view(self, frame: str, height: int, width: int) -> View | Note:
        """Intrinsics and place of the camera that made an image."""
        camera = self._camera
        if camera is None:
            text = "no usable camera_info yet; publish it beside the image"
            return Note(Code.NO_CAMERA_INFO, Severity.WARN, text)
        if (height, width) != (camera.height, camera.width):
            return bad(
                f"image is {width} x {height} pixels, camera_info says "
                f"{camera.width} x {camera.height}; publish the one that belongs to the image"
            )
        T_base_camera = self._extrinsics(frame_name(frame))
        if T_base_camera is None:
            text = f"no transform from camera frame {frame!r} to the base; publish it on /tf_static"
            return Note(Code.NO_EXTRINSICS, Severity.WARN, text)
        return View(camera, T_base_camera)
