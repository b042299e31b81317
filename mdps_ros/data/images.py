"""Colour images one after another, from a folder or from a video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mdps_ros.data.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg")


def read_images(source: Path) -> Iterator[NDArray[np.uint8]]:
    """Decode all images of a source, one by one.

    Args:
        source: folder of images, which are taken in the order of their names, or a video.

    Yields:
        (H, W, 3) uint8 red, green, blue; grey images have three equal channels.

    Raises:
        DataError: there is no such source, or an image is damaged.
    """
    if source.is_dir():
        for path in image_files(source):
            yield read_image(path)
    elif source.is_file():
        yield from _video(source)
    else:
        raise DataError(f"{source}: no such folder of images or video; check the path")


def image_files(folder: Path) -> list[Path]:
    """The images of a folder in the order of their names.

    Raises:
        DataError: there is none.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(f"{folder} holds no image ({', '.join(SUFFIXES)}); fetch it again")
    return files


def read_image(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 red, green, blue.

    Raises:
        DataError: it is missing or no image.
    """
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if bgr is None:
        raise DataError(f"{path} is missing or no image; fetch it again")
    return _rgb(bgr)


def _video(path: Path) -> Iterator[NDArray[np.uint8]]:
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise DataError(f"{path} is no video that can be decoded; fetch it again")
        while True:
            there, bgr = video.read()
            if not there:
                return
            yield _rgb(bgr)
    finally:
        video.release()


def _rgb(bgr: object) -> NDArray[np.uint8]:
    rgb: NDArray[np.uint8] = np.ascontiguousarray(np.asarray(bgr, np.uint8)[:, :, ::-1])
    return rgb
