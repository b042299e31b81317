"""Raw images as a pinhole camera would have taken them, by OpenCV with maps that are made once."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mdps_ros.notes import Note
from mdps_ros.runtime.events import PinholeCamera
from mdps_ros.runtime.inputs.messages import bad

COEFFICIENTS = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}
"""Distortion models of sensor_msgs/CameraInfo and how many numbers they have."""


class Undistortion:
    """Undistorts the images of one calibration; see `make_undistortion`.

    Args:
        key: of the calibration, see `serves`.
        maps: of cv2.remap; not in fixed point, which takes depth half a pixel off.
    """

    def __init__(self, key: bytes, maps: tuple[NDArray[Any], NDArray[Any]]) -> None:
        self._key = key
        self._maps = maps

    def serves(self, msg: Any) -> bool:
        """Whether a sensor_msgs/CameraInfo holds this very calibration."""
        return _key(msg) == self._key

    def __call__(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Undistort a picture of either kind: what was not seen is NaN in depth, black in colour.

        Depth is taken from the nearest pixel, since a mean over an edge is on neither side of it.
        """
        if pixels.dtype == np.float32:
            how, nothing = cv2.INTER_NEAREST, float("nan")
        else:
            how, nothing = cv2.INTER_LINEAR, 0.0
        constant = cv2.BORDER_CONSTANT
        made: NDArray[Any] = cv2.remap(
            pixels, *self._maps, how, borderMode=constant, borderValue=nothing
        )
        return made


def make_undistortion(msg: Any, camera: PinholeCamera) -> Undistortion | Note:
    """The maps of a sensor_msgs/CameraInfo.

    Args:
        msg: with distorted intrinsics K and coefficients D; R is not used (no stereo).
        camera: intrinsics that the undistorted picture is to have.
    """
    model, d = msg.distortion_model, np.asarray(msg.d, dtype=np.float64)
    k = np.asarray(msg.k, dtype=np.float64).reshape(3, 3)
    known = ", ".join(COEFFICIENTS)
    if model not in COEFFICIENTS:
        return bad(f"camera_info has the distortion model {model!r}; use one of {known}")
    if len(d) not in COEFFICIENTS[model] or not (np.isfinite(d).all() and np.isfinite(k).all()):
        return bad(f"camera_info has {len(d)} distortion coefficients of {model}; calibrate anew")
    if min(k[0, 0], k[1, 1]) <= 0.0:
        return bad("camera_info has no K, which raw images need; calibrate, or set node.rectified")
    wanted = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])
    size, eye = (camera.width, camera.height), np.eye(3)
    if model == "equidistant":
        maps = cv2.fisheye.initUndistortRectifyMap(k, d, eye, wanted, size, cv2.CV_32FC1)
    else:
        maps = cv2.initUndistortRectifyMap(k, d, eye, wanted, size, cv2.CV_32FC1)
    return Undistortion(_key(msg), (maps[0], maps[1]))


def _key(msg: Any) -> bytes:
    """Equal for equal calibrations."""
    numbers = [msg.width, msg.height, *msg.k, *msg.p, *msg.d]
    model: str = msg.distortion_model
    return model.encode() + np.asarray(numbers, dtype=np.float64).tobytes()
