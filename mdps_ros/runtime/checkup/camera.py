"""Checks of the camera: what it says of itself, and where it is mounted."""

from __future__ import annotations

import math

import numpy as np

from mdps_ros.notes import Note
from mdps_ros.runtime.checkup.finding import Finding, failed, passed, warned
from mdps_ros.runtime.checkup.observation import CameraSeen, Observation, mount_matrix
from mdps_ros.runtime.checkup.topics import wants_images
from mdps_ros.runtime.inputs.image_inputs import pinhole_camera
from mdps_ros.runtime.inputs.pixels import COLOUR_ENCODINGS, DEPTH_ENCODINGS
from mdps_ros.runtime.inputs.undistortion import COEFFICIENTS, make_undistortion
from mdps_ros.settings import Settings

HEIGHTS_M = (0.1, 5.0)
"""Cameras of vehicles are this high above the ground, where the base frame lies."""
STEEPEST_RAD = math.radians(60.0)
"""A camera that looks further up or down sees no street; rather its frame is no optical one."""
WIDEST_RAD, NARROWEST_RAD = math.radians(150.0), math.radians(15.0)
"""Fields of view beyond these are rare, and those of a wrong focal length."""


def check_intrinsics(seen: Observation, settings: Settings) -> list[Finding]:
    """The camera_info is sane and belongs to the image."""
    camera = seen.camera
    if camera is None or not wants_images(settings):
        return []
    lens = pinhole_camera(camera)
    if isinstance(lens, Note):
        return [failed("intrinsics", *_split(lens.text))]
    image = seen.image
    if image is not None and (image.width, image.height) != (camera.width, camera.height):
        text = f"the image has {image.width} x {image.height} pixels, camera_info says "
        text += f"{camera.width} x {camera.height}"
        return [failed("intrinsics", text, "publish the one that belongs to the image")]
    numbers = f"fx {lens.fx:.0f}, fy {lens.fy:.0f}, cx {lens.cx:.0f}, cy {lens.cy:.0f} pixels"
    if not (0.0 <= lens.cx < lens.width and 0.0 <= lens.cy < lens.height):
        text = f"the principal point lies outside of the image: {numbers}"
        return [warned("intrinsics", text, "calibrate, unless the image was cropped so")]
    view = 2.0 * math.atan(0.5 * lens.width / lens.fx)
    text = f"{numbers}, field of view {math.degrees(view):.0f} degrees"
    if not NARROWEST_RAD < view < WIDEST_RAD:
        return [warned("intrinsics", text, "calibrate; the focal length is in pixels")]
    if abs(lens.fx / lens.fy - 1.0) > 0.1:
        return [warned("intrinsics", text, "calibrate; pixels are nearly square in most cameras")]
    return [passed("intrinsics", text)]


def check_distortion(seen: Observation, settings: Settings) -> list[Finding]:
    """Images that come distorted can be undistorted, and others are said to be rectified."""
    camera = seen.camera
    if camera is None or not wants_images(settings):
        return []
    lens = pinhole_camera(camera)
    if isinstance(lens, Note):
        return []  # `intrinsics` says so
    if not settings.node.rectified:
        made = make_undistortion(camera, lens)
        if isinstance(made, Note):
            return [failed("distortion", *_split(made.text))]
        return [passed("distortion", f"{camera.distortion_model} will be undistorted here")]
    if camera.distortion_model not in ("", *COEFFICIENTS):
        text = f"the distortion model {camera.distortion_model!r} is not known"
        return [warned("distortion", text, f"use one of {', '.join(COEFFICIENTS)}")]
    if any(camera.d) and _raw(camera):
        text = "camera_info has distortion coefficients and P is K, so images look unrectified"
        return [warned("distortion", text, "use image_rect, or set node.rectified to false")]
    return [passed("distortion", "images are taken to be rectified")]


def _raw(camera: CameraSeen) -> bool:
    """Whether P repeats K, or says nothing: there was no rectification."""
    p = np.array(camera.p).reshape(3, 4)[:, :3].ravel()
    return not p.any() or bool(np.allclose(p, camera.k))


def check_encoding(seen: Observation, settings: Settings) -> list[Finding]:
    """The node understands the pixels and has a model for them."""
    image, topic = seen.image, seen.topics.get("image")
    if image is None or topic is None or not wants_images(settings):
        return []
    if topic.types[0].endswith("CompressedImage"):
        return [passed("encoding", f"compressed, {image.encoding}")]
    if image.encoding not in (*DEPTH_ENCODINGS, *COLOUR_ENCODINGS):
        known = ", ".join((*DEPTH_ENCODINGS, *COLOUR_ENCODINGS))
        return [failed("encoding", f"{image.encoding} is not known", f"publish one of {known}")]
    kind = "depth" if image.encoding in DEPTH_ENCODINGS else "camera"
    if not getattr(settings, kind).enabled:
        text = f"{image.encoding} images come, and {kind}.enabled is false"
        return [warned("encoding", text, f"set {kind}.enabled to true")]
    return [passed("encoding", f"{image.encoding}, {image.width} x {image.height}")]


def check_mount(seen: Observation, settings: Settings) -> list[Finding]:
    """TF ties the camera to the base, and the place is one of a camera on a vehicle."""
    topic = seen.topics.get("image")
    if topic is None or not topic.stamps_ns or not wants_images(settings):
        return []
    T = mount_matrix(seen)
    if not topic.frame:
        return [failed("camera place", f"images of {topic.name} name no frame", "set frame_id")]
    if T is None:
        known = ", ".join(seen.frames) or "none"
        text = f"no transform from {topic.frame!r} to {seen.base!r}; TF knows {known}"
        return [failed("camera place", text, "publish it on /tf_static, or set frames.base")]
    forward, height = T[:3, 2], float(T[2, 3])
    pitch = math.asin(max(-1.0, min(1.0, float(forward[2]))))
    text = f"{topic.frame} is {height:.2f} m above {seen.base}, looks "
    text += f"{abs(math.degrees(pitch)):.0f} degrees {'up' if pitch > 0 else 'down'}"
    if abs(pitch) > STEEPEST_RAD:
        remedy = f"name the optical frame (z ahead, x right, y down), not {topic.frame!r}"
        return [failed("camera place", text, remedy)]
    if float(T[2, 1]) > 0.0:
        remedy = "the image's y axis points up: turn the frame, or the image"
        return [failed("camera place", text, remedy)]
    if not HEIGHTS_M[0] < height < HEIGHTS_M[1]:
        return [warned("camera place", text, "the base frame has to lie on the ground")]
    return [passed("camera place", text)]


def _split(text: str) -> tuple[str, str]:
    """What and remedy of a note's sentence."""
    what, _, remedy = text.partition("; ")
    return what, remedy
