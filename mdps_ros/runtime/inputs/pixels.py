"""Pixels of image messages as arrays, raw and compressed; no ROS import."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mdps_ros.notes import Note
from mdps_ros.runtime.inputs.messages import bad

DEPTH_ENCODINGS: dict[str, tuple[str, float]] = {"32FC1": ("f4", 1.0), "16UC1": ("u2", 1e-3)}
"""Encoding -> (numpy type code without byte order, metres per unit), see REP-118."""

COLOUR_ENCODINGS: dict[str, tuple[int, tuple[int, int, int]]] = {
    "rgb8": (3, (0, 1, 2)),
    "bgr8": (3, (2, 1, 0)),
    "rgba8": (4, (0, 1, 2)),
    "bgra8": (4, (2, 1, 0)),
    "mono8": (1, (0, 0, 0)),
    "8UC1": (1, (0, 0, 0)),
    "8UC3": (3, (2, 1, 0)),
}
"""Encoding -> (bytes per pixel, which of them are red, green, blue); 8UC3 is OpenCV's order."""

DEPTH_HEADER = 12
"""Bytes before the picture in `compressedDepth`: an enumeration and two float32 A, B."""
JPEG_OF_RGB = "compressed rgb"
"""In `format`: red and blue were stored as they are, and so come out swapped."""


def depth_image(msg: Any) -> NDArray[np.float32] | Note:
    """(height, width) float32 m along the optical axis of a sensor_msgs/Image; NaN is no depth.

    Takes 32FC1 (metres) and 16UC1 (millimetres), either byte order, padded rows. Zero, negative
    and non-finite depths become NaN (REP-118: 0 or NaN no return, -inf too near, +inf too far).
    """
    if msg.encoding not in DEPTH_ENCODINGS:
        known = " or ".join(DEPTH_ENCODINGS)
        return bad(f"image encoding {msg.encoding!r} is no depth; publish {known}")
    code, metres = DEPTH_ENCODINGS[msg.encoding]
    kind = np.dtype((">" if msg.is_bigendian else "<") + code)
    rows = _pixel_rows(msg, kind.itemsize)
    if isinstance(rows, Note):
        return rows
    return _depth(rows.view(kind).astype(np.float32) * np.float32(metres))


def _depth(metres: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same array with NaN where there is no depth."""
    with np.errstate(invalid="ignore"):
        metres[~(np.isfinite(metres) & (metres > 0.0))] = np.nan
    return metres


def colour_image(msg: Any) -> NDArray[np.uint8] | Note:
    """(height, width, 3) uint8 red, green, blue of a sensor_msgs/Image.

    Takes the encodings of COLOUR_ENCODINGS, with padded rows; grey fills all three.
    """
    if msg.encoding not in COLOUR_ENCODINGS:
        known = ", ".join(COLOUR_ENCODINGS)
        return bad(f"image encoding {msg.encoding!r} is no colour; publish one of {known}")
    size, order = COLOUR_ENCODINGS[msg.encoding]
    rows = _pixel_rows(msg, size)
    if isinstance(rows, Note):
        return rows
    return rows.reshape(int(msg.height), int(msg.width), size)[..., list(order)]


def _pixel_rows(msg: Any, pixel_bytes: int) -> NDArray[np.uint8] | Note:
    """(height, width * pixel_bytes) of a sensor_msgs/Image without the padding of its rows."""
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    size, used = len(msg.data), width * pixel_bytes
    if height < 1 or width < 1 or step < used or size != step * height:
        return bad(
            f"image of {width} x {height} {msg.encoding} has step {step} and {size} bytes; "
            "the publisher fills step or data wrongly"
        )
    rows = np.frombuffer(msg.data, dtype=np.uint8).reshape(height, step)
    return np.ascontiguousarray(rows[:, :used])


def compressed_size(msg: Any) -> tuple[int, int] | Note:
    """(height, width) that a sensor_msgs/CompressedImage claims, without decoding it."""
    _, data = _parts(msg)
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
            width, height = picture.size
    except Exception:  # whatever the bytes make of the reader
        return bad(f"compressed image {msg.format!r} is no jpeg or png; publish one of them")
    return height, width


def compressed_image(msg: Any) -> NDArray[np.float32] | NDArray[np.uint8] | Note:
    """Pixels of a sensor_msgs/CompressedImage as `depth_image` or `colour_image` give them.

    Takes jpeg and png with 8 bits per colour, png with 16 bits (depth in millimetres), and
    `compressedDepth` png of 16UC1 and 32FC1 (see compressed_depth_image_transport: raw = A / depth
    + B). float32 pixels are depths.
    """
    kind, data = _parts(msg)
    pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        return bad(f"compressed image {msg.format!r} is damaged; it cannot be decoded")
    if pixels.dtype == np.uint16 and pixels.ndim == 2:
        if kind == "32FC1":
            return _from_inverse(pixels, np.frombuffer(msg.data, "<f4", 2, 4))
        return _depth(pixels.astype(np.float32) * np.float32(DEPTH_ENCODINGS["16UC1"][1]))
    if pixels.dtype != np.uint8 or kind in DEPTH_ENCODINGS:
        return bad(f"compressed image {msg.format!r} holds {pixels.dtype} pixels; publish jpeg")
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    order = [0, 1, 2] if JPEG_OF_RGB in msg.format else [2, 1, 0]
    return np.ascontiguousarray(pixels[..., order])


def _parts(msg: Any) -> tuple[str, bytes]:
    """Encoding that `format` names, and the bytes of the picture."""
    kind, data = msg.format.split(";")[0].strip(), bytes(msg.data)
    return kind, data[DEPTH_HEADER:] if "compressedDepth" in msg.format else data


def _from_inverse(raw: NDArray[np.uint16], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Depth, m, of quantised inverse depth; zero is none."""
    a, b = (np.float32(value) for value in scale)
    with np.errstate(all="ignore"):
        metres = a / (raw.astype(np.float32) - b)
    metres[raw == 0] = np.nan
    return _depth(metres)
