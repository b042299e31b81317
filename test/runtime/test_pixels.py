"""Compressed images decode to what was encoded; damaged ones are notes."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from mdps_ros.notes import Code, Note
from mdps_ros.runtime.events import ColourImageEvent, DepthImageEvent
from mdps_ros.runtime.inputs import pixels
from mdps_ros.runtime.inputs.image_inputs import Inputs
from test.runtime.test_messages import camera_info, header, make

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
MILLIMETRES = np.random.default_rng(1).integers(0, 60_000, (20, 30)).astype(np.uint16)


def encoded(kind: str, picture: np.ndarray) -> bytes:
    """The file that Pillow writes, independent of OpenCV."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, format=kind, **({"quality": 98} if kind == "jpeg" else {}))
    return out.getvalue()


def compressed(text: str, data: bytes) -> Any:
    fields = {"header": header(), "format": text, "data": np.frombuffer(data, np.uint8)}
    return make("sensor_msgs/msg/CompressedImage", **fields)


@pytest.mark.parametrize("text", ["png", "rgb8; png compressed bgr8", "bgr8; png compressed bgr8"])
def test_a_png_keeps_every_bit(text: str) -> None:
    found = pixels.compressed_image(compressed(text, encoded("png", RGB)))
    assert np.array_equal(found, RGB)


def test_a_jpeg_is_nearly_the_picture() -> None:
    smooth = cv2.GaussianBlur(RGB, (9, 9), 4.0)
    found = pixels.compressed_image(compressed("jpeg", encoded("jpeg", smooth)))
    assert found.shape == smooth.shape
    assert np.abs(found.astype(int) - smooth).mean() < 3


def test_colours_that_were_stored_swapped_are_swapped_back() -> None:
    data = encoded("png", RGB[..., ::-1])
    found = pixels.compressed_image(compressed("rgb8; png compressed rgb8", data))
    assert np.array_equal(found, RGB)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_grey_fills_all_three_colours(kind: str) -> None:
    grey = np.full((20, 30), 77, np.uint8)
    found = pixels.compressed_image(compressed("mono8; " + kind, encoded(kind, grey)))
    assert np.array_equal(found, np.repeat(grey[..., None], 3, -1))


@pytest.mark.parametrize(
    ("text", "extra"), [("16UC1; png compressed", b""), ("16UC1; compressedDepth png", bytes(12))]
)
def test_depth_in_16_bits_is_in_millimetres(text: str, extra: bytes) -> None:
    found = pixels.compressed_image(compressed(text, extra + encoded("png", MILLIMETRES)))
    assert found.dtype == np.float32
    expected = np.where(MILLIMETRES > 0, MILLIMETRES * 1e-3, np.nan)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_depth_in_floats_comes_back_within_a_quantum() -> None:
    """As compressed_depth_image_transport writes it: raw = A / depth + B."""
    depth = np.linspace(0.5, 30.0, 600, dtype=np.float32).reshape(20, 30)
    highest, quantum = 100.0, 100.0
    a = quantum * (quantum + 1.0)
    b = 1.0 - a / highest
    raw = (a / depth + b).astype(np.uint16)
    raw[0, 0] = 0
    head = np.zeros(1, "<i4").tobytes() + np.array([a, b], "<f4").tobytes()
    data = head + encoded("png", raw)
    found = pixels.compressed_image(compressed("32FC1; compressedDepth png", data))
    assert np.isnan(found[0, 0])
    error = np.abs(found - depth).ravel()[1:]
    assert (error < 1.01 * depth.ravel()[1:] ** 2 / a).all()


BAD = [
    ("jpeg", b""),
    ("jpeg", b"\xff\xd8\xff"),
    ("png", encoded("png", RGB)[:40]),
    ("tiff", b"II*\x00" + bytes(100)),
    ("", bytes(100)),
    ("16UC1; compressedDepth rvl", bytes(200)),
    ("32FC1; compressedDepth png", bytes(5)),
    ("16UC1; compressedDepth png", bytes(12) + encoded("png", RGB)),
]


@pytest.mark.parametrize(("text", "data"), BAD)
def test_what_cannot_be_decoded_is_a_note(text: str, data: bytes) -> None:
    inputs = Inputs(lambda frame: np.eye(4))
    inputs.camera_info(camera_info(30, 20, k=np.array([20.0, 0, 15, 0, 20, 10, 0, 0, 1])))
    found = inputs.compressed(compressed(text, data))
    assert isinstance(found, Note)
    assert found.code is Code.BAD_MESSAGE


def test_the_file_tells_depth_from_colour_and_has_to_fit_the_camera() -> None:
    inputs = Inputs(lambda frame: np.eye(4))
    colour, depth = compressed("png", encoded("png", RGB)), compressed("", b"")
    depth = compressed("16UC1; png compressed", encoded("png", MILLIMETRES))
    early = inputs.compressed(colour)
    assert isinstance(early, Note)
    assert early.code is Code.NO_CAMERA_INFO
    inputs.camera_info(camera_info(30, 20, k=np.array([20.0, 0, 15, 0, 20, 10, 0, 0, 1])))
    assert isinstance(inputs.compressed(colour), ColourImageEvent)
    assert isinstance(inputs.compressed(depth), DepthImageEvent)
    other = inputs.compressed(compressed("png", encoded("png", RGB[:-1])))
    assert isinstance(other, Note)
    assert "camera_info says 30 x 20" in other.text


def test_a_picture_that_claims_to_be_huge_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = Inputs(lambda frame: np.eye(4))
    inputs.camera_info(camera_info(30, 20, k=np.array([20.0, 0, 15, 0, 20, 10, 0, 0, 1])))
    data = bytearray(encoded("png", RGB))
    data[16:24] = (9000).to_bytes(4, "big") * 2  # width and height of the PNG header
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    assert isinstance(inputs.compressed(compressed("png", bytes(data))), Note)
