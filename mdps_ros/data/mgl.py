"""Mapillary Geo-Localization (MGL) data: perspective images with poses, one folder per place.

    dump.json      sequence -> {"views": {name: view}, "cameras": {id: camera}}
    images/NAME.jpg

A view has `camera_id`, `latlong` (degrees), `R_c2w` (camera to east-north-up) and `capture_time`
(ms); newer dumps add the camera's `height` in metres. A camera is a PINHOLE of fx, fy, cx, cy.

Source: P.-E. Sarlin et al., "OrienterNet: visual localization in 2D public maps with neural
matching", CVPR 2023; the layout is that of their published preparation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mdps_ros.data.camera_sequence import CameraFrame, CameraSequence, Intrinsics, Place
from mdps_ros.data.errors import DataError
from mdps_ros.data.images import read_image

DUMP = "dump.json"
USUAL_HEIGHT_M = 1.8
"""Of a camera of which the dump does not tell it."""


def mgl_sequences(folder: str | Path, *, height: float = USUAL_HEIGHT_M) -> list[CameraSequence]:
    """The sequences of a place.

    The base frame lies on the ground under the camera and points where the camera looks.

    Args:
        folder: of the place, with dump.json and images.
        height: m over the ground, of cameras of which the dump does not tell it.

    Returns:
        One per sequence of the dump, in the order of names, with poses on Earth.

    Raises:
        DataError: the dump is missing or damaged; while reading frames, also an image.
    """
    folder = Path(folder)
    path = folder / DUMP
    try:
        dump = json.loads(path.read_text("utf8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read {path} ({error}); name the folder of one place of MGL"
        ) from error
    if not isinstance(dump, dict) or not dump:
        raise DataError(f"{path} holds no sequences; prepare the place again")
    return [
        CameraSequence(
            name=f"{folder.name} {name}",
            place=Place.EARTH,
            frames=partial(_frames, folder, dump[name], name, height),
        )
        for name in sorted(dump)
    ]


def _frames(
    folder: Path, sequence: Mapping[str, Any], name: str, height: float
) -> Iterator[CameraFrame]:
    try:
        views = sorted(sequence["views"].items(), key=lambda item: item[1]["capture_time"])
        for image, view in views:
            intrinsics = _intrinsics(sequence["cameras"][view["camera_id"]])
            rgb = read_image(folder / "images" / f"{image}.jpg")
            yield _frame(view, rgb, intrinsics, height)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{folder / DUMP}: sequence {name} is not as MGL's ({error!r}); prepare it again"
        ) from error


def _frame(view: Mapping[str, Any], rgb: Any, intrinsics: Intrinsics, height: float) -> CameraFrame:
    R_world_camera = np.array(view["R_c2w"], np.float64).reshape(3, 3)
    latitude, longitude = (float(value) for value in view["latlong"])
    axis = R_world_camera[:, 2]
    yaw = float(np.arctan2(axis[1], axis[0]))
    cos, sin = np.cos(yaw), np.sin(yaw)
    T_base_camera = np.eye(4)
    T_base_camera[:3, :3] = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) @ R_world_camera
    known = view.get("height")
    T_base_camera[2, 3] = height if known is None else float(known)
    stamp = int(view["capture_time"]) * 1_000_000
    return CameraFrame(stamp, rgb, np.array([latitude, longitude, yaw]), intrinsics, T_base_camera)


def _intrinsics(camera: Mapping[str, Any]) -> Intrinsics:
    if camera["model"] != "PINHOLE":
        raise ValueError(f"camera model {camera['model']}, only PINHOLE is known")
    fx, fy, cx, cy = (float(value) for value in camera["params"])
    return fx, fy, cx, cy
