"""Undistorted pictures show what a pinhole camera would, by the textbook formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mdps_ros.notes import Code, Note
from mdps_ros.runtime.events import ColourImageEvent, DepthImageEvent
from mdps_ros.runtime.inputs.image_inputs import Inputs
from test.runtime.test_messages import camera_info, image

WIDTH, HEIGHT = 160, 120
K = np.array([100.0, 0, 80.5, 0, 95.0, 59.0, 0, 0, 1])
PLUMB = np.array([-0.2, 0.05, 0.001, -0.002, 0.01])
RATIONAL = np.array([0.3, -0.1, 0.001, 0.0005, 0.02, 0.5, 0.05, 0.01])
FISHEYE = np.array([0.05, -0.01, 0.003, -0.001])


def raw_pixel(model: str, d: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[Any, Any]:
    """Where the lens puts what a pinhole of the same K would show at (u, v)."""
    x, y = (u - K[2]) / K[0], (v - K[5]) / K[4]
    r2 = x * x + y * y
    if model == "equidistant":
        r = np.maximum(np.sqrt(r2), 1e-9)
        t = np.arctan(r)
        bent = t * (1 + d[0] * t**2 + d[1] * t**4 + d[2] * t**6 + d[3] * t**8) / r
        return K[0] * x * bent + K[2], K[4] * y * bent + K[5]
    k4, k5, k6 = d[5:8] if model == "rational_polynomial" else (0.0, 0.0, 0.0)
    radial = (1 + d[0] * r2 + d[1] * r2**2 + d[4] * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    xd = x * radial + 2 * d[2] * x * y + d[3] * (r2 + 2 * x * x)
    yd = y * radial + d[2] * (r2 + 2 * y * y) + 2 * d[3] * x * y
    return K[0] * xd + K[2], K[4] * yd + K[5]


MODELS = [("plumb_bob", PLUMB), ("rational_polynomial", RATIONAL), ("equidistant", FISHEYE)]


def inputs_for(model: str, d: np.ndarray, rectified: bool = False, **changes: Any) -> Inputs:
    inputs = Inputs(lambda frame: np.eye(4), rectified)
    info = camera_info(WIDTH, HEIGHT, distortion_model=model, d=d, k=K, **changes)
    assert inputs.camera_info(info) == ()
    return inputs


@pytest.mark.parametrize(("model", "d"), MODELS)
def test_a_ramp_shows_from_which_raw_pixel_each_one_came(model: str, d: np.ndarray) -> None:
    v, u = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    u_raw, v_raw = raw_pixel(model, d, u, v)
    inside = (u_raw > 1) & (u_raw < WIDTH - 2) & (v_raw > 1) & (v_raw < HEIGHT - 2)
    assert inside.mean() > 0.5
    assert np.abs(u_raw - u)[inside].max() > 3  # without undistortion this fails
    inputs = inputs_for(model, d)
    ramp = (1.0 + u).astype("<f4")
    found = inputs.image(image("32FC1", ramp))
    assert isinstance(found, DepthImageEvent)
    assert np.abs(found.depth - 1.0 - u_raw)[inside].max() <= 0.55
    outside = (u_raw < -1) | (u_raw > WIDTH) | (v_raw < -1) | (v_raw > HEIGHT)
    assert np.isnan(found.depth[outside]).all()
    colour = np.stack([u, v, 0 * u], -1).astype(np.uint8)
    seen = inputs.image(image("rgb8", colour))
    assert isinstance(seen, ColourImageEvent)
    assert np.abs(seen.rgb[..., 0] - u_raw)[inside].max() < 1.1
    assert np.abs(seen.rgb[..., 1] - v_raw)[inside].max() < 1.1


def test_rectified_images_are_left_alone() -> None:
    inputs = inputs_for("plumb_bob", PLUMB, rectified=True)
    ramp = np.arange(HEIGHT * WIDTH, dtype="<f4").reshape(HEIGHT, WIDTH) + 1
    found = inputs.image(image("32FC1", ramp))
    assert isinstance(found, DepthImageEvent)
    np.testing.assert_array_equal(found.depth, ramp)


def test_p_gives_the_camera_of_the_undistorted_picture() -> None:
    p = np.array([80.0, 0, 82.0, 0, 0, 76.0, 61.0, 0, 0, 0, 1, 0])
    inputs = inputs_for("plumb_bob", np.zeros(5), p=p)
    v, u = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    found = inputs.image(image("32FC1", (1.0 + u).astype("<f4")))
    assert isinstance(found, DepthImageEvent)
    assert (found.camera.fx, found.camera.cy) == (80.0, 61.0)
    u_raw, v_raw = (u - 82) / 80 * 100 + 80.5, (v - 61) / 76 * 95 + 59
    inside = (u_raw > 1) & (u_raw < WIDTH - 2) & (v_raw > 1) & (v_raw < HEIGHT - 2)
    assert np.abs(found.depth - 1 - u_raw)[inside].max() <= 0.55


def test_the_maps_are_made_once_per_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    import mdps_ros.runtime.inputs.image_inputs as module

    made: list[Any] = []
    real = module.make_undistortion
    monkeypatch.setattr(module, "make_undistortion", lambda *args: made.append(args) or real(*args))
    inputs = inputs_for("plumb_bob", PLUMB)
    for d in (PLUMB, PLUMB, FISHEYE[:4], FISHEYE[:4]):
        inputs.camera_info(camera_info(WIDTH, HEIGHT, distortion_model="plumb_bob", d=d, k=K))
    assert len(made) == 2


@pytest.mark.parametrize(
    ("model", "d", "changes"),
    [
        ("omnidirectional", PLUMB, {}),
        ("plumb_bob", PLUMB[:3], {}),
        ("plumb_bob", np.full(5, np.nan), {}),
        ("equidistant", PLUMB, {}),
        (
            "plumb_bob",
            PLUMB,
            {"k": np.zeros(9), "p": np.array([80.0, 0, 82, 0, 0, 76, 61, *[0] * 5])},
        ),
    ],
)
def test_a_calibration_that_cannot_be_used_is_a_note_and_changes_nothing(
    model: str, d: np.ndarray, changes: dict[str, Any]
) -> None:
    inputs = inputs_for("plumb_bob", PLUMB)
    fields = {"k": K} | changes
    info = camera_info(WIDTH, HEIGHT, distortion_model=model, d=d, **fields)
    (note,) = inputs.camera_info(info)
    assert isinstance(note, Note)
    assert note.code is Code.BAD_MESSAGE
    ramp = np.ones((HEIGHT, WIDTH), "<f4")
    assert isinstance(inputs.image(image("32FC1", ramp)), DepthImageEvent)
