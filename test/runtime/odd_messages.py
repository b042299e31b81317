"""Messages with one or a few things wrong, drawn from a seeded generator."""

from __future__ import annotations

import copy
import dataclasses
import io
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from test.runtime.test_messages import (
    camera_info,
    header,
    image,
    initial_pose,
    make,
    odometry,
    quaternion,
)

WIDTH, HEIGHT = 12, 8
FLOATS = (0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324, 1e9, 0.5, 1e-3)
INTEGERS = (0, 1, 2, 3, 7, 8, 12, 255, 2**16, 2**31 - 1, 2**32 - 1)
WORDS = ("", "map", "odom", "camera", "moon", "32FC1", "16UC1", "rgb8", "mono8", "jpeg", "png")
WORDS += ("16UC1; compressedDepth png", "32FC1; compressedDepth png", "plumb_bob", "equidistant")
WORDS += ("\x00\x00", "\u00e9" * 40, "rational_polynomial")


def plain(value: Any) -> Any:
    """A message as namespaces, so that anything can be put into it."""
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace(**{name: plain(item) for name, item in vars(value).items()})
    if not dataclasses.is_dataclass(value):
        return value
    names = [field.name for field in dataclasses.fields(value)]
    return SimpleNamespace(**{name: plain(getattr(value, name)) for name in names})


def compressed(pixels: np.ndarray, text: str, kind: str = "png") -> Any:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format=kind)
    data = np.frombuffer(out.getvalue(), np.uint8)
    return make("sensor_msgs/msg/CompressedImage", header=header(), format=text, data=data)


def twist() -> Any:
    zero = odometry(0.0, 0.0, quaternion(0.0, 0.0, 0.0, 1.0)).twist
    return SimpleNamespace(header=header("base_link"), twist=zero)


def fix() -> Any:
    return make(
        "sensor_msgs/msg/NavSatFix",
        header=header("gnss"),
        status=make("sensor_msgs/msg/NavSatStatus", status=0, service=1),
        latitude=49.0105,
        longitude=8.401,
        altitude=100.0,
        position_covariance=np.diag([4.0, 4.0, 9.0]).ravel(),
        position_covariance_type=2,
    )


def templates() -> dict[str, list[Any]]:
    """Good messages of every input."""
    rng = np.random.default_rng(0)
    level = quaternion(0.0, 0.0, 0.1, 1.0)
    rgb = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    depth = rng.uniform(0.5, 30.0, (HEIGHT, WIDTH)).astype("<f4")
    millimetres = (1000 * depth).astype("<u2")
    info = {"k": np.array([10.0, 0, 5.5, 0, 10, 3.5, 0, 0, 1])}
    made: dict[str, list[Any]] = {
        "odometry": [odometry(3.0, 4.0, level)],
        "twist": [twist()],
        "image": [image("32FC1", depth), image("16UC1", millimetres), image("bgr8", rgb, 3)],
        "compressed": [
            compressed(rgb, "rgb8; png compressed bgr8"),
            compressed(rgb, "jpeg", "jpeg"),
            compressed(millimetres, "16UC1; png compressed"),
        ],
        "camera_info": [camera_info(WIDTH, HEIGHT, **info)],
        "initial_pose": [initial_pose(np.eye(6).ravel())],
        "pose_prior": [initial_pose(np.eye(6).ravel())],
        "fix": [fix()],
    }
    return {kind: [plain(message) for message in messages] for kind, messages in made.items()}


def leaves(value: Any, found: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
    """(owner, attribute) of everything that is no namespace."""
    for name, item in vars(value).items():
        if isinstance(item, SimpleNamespace):
            leaves(item, found)
        else:
            found.append((value, name))
    return found


def odd_value(old: Any, rng: np.random.Generator) -> Any:
    """Another value that the message type allows."""
    if isinstance(old, str):
        return str(rng.choice(WORDS))
    if isinstance(old, np.ndarray):
        return odd_array(old, rng)
    if isinstance(old, float):
        return float(rng.choice(FLOATS))
    return int(rng.choice(INTEGERS))


def odd_array(old: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The array with values changed, or, where its length is free, cut, grown or emptied."""
    new = old.copy()
    if old.dtype == np.uint8:
        way = rng.integers(4)
        if way == 0:
            return new[: rng.integers(len(new) + 1)]
        if way == 1:
            return np.concatenate([new, new])
        if way == 2:
            return rng.integers(0, 256, rng.integers(0, 200)).astype(np.uint8)
        at = rng.integers(0, len(new), 5)
        new[at] = rng.integers(0, 256, 5)
        return new
    if len(new):
        new[rng.integers(0, len(new), rng.integers(1, 4))] = rng.choice(FLOATS)
    return new


def odd_message(good: Any, rng: np.random.Generator) -> Any:
    """A copy with none to three things changed."""
    made = copy.deepcopy(good)
    places = leaves(made, [])
    for _ in range(rng.integers(0, 4)):
        owner, name = places[rng.integers(len(places))]
        setattr(owner, name, odd_value(getattr(owner, name), rng))
    return made
