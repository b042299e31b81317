from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mdps_ros.models.camera.geometry import FOCAL, HEIGHT, WIDTH
from mdps_ros.models.camera.view import FILL, canonical_view, level_rotation

CANONICAL = (FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)


def mounted(yaw: float, pitch: float, roll: float, height: float = 1.6) -> NDArray[np.float64]:
    """base <- optical; pitch looks down, roll is about the optical axis."""
    c, s = np.cos(pitch), np.sin(pitch)
    down = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    c, s = np.cos(roll), np.sin(roll)
    about = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    T = np.eye(4)
    T[:3, :3] = level_rotation(yaw) @ down @ about
    T[:3, 3] = (1.2, 0.3, height)
    return T


def painted_world(
    size: tuple[int, int], intrinsics: tuple[float, ...], R: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Image (H, W, 3) of a smooth pattern at infinity, from a camera with base <- optical R."""
    fx, fy, cx, cy = intrinsics
    v, u = np.mgrid[0 : size[0], 0 : size[1]]
    ray = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones(u.shape)], axis=-1) @ R.T
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    waves = np.array([[5.0, 3.0, 2.0], [-4.0, 6.0, 1.0], [1.0, -2.0, 7.0]])
    return (127.5 + 100 * np.sin(ray @ waves.T)).astype(np.uint8)


def test_the_canonical_camera_keeps_its_image() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    view = canonical_view(rgb, CANONICAL, mounted(0.0, 0.0, 0.0))
    assert view is not None
    assert np.array_equal(view.rgb, rgb)
    assert view.mask.all()
    assert view.heading == pytest.approx(0.0)
    assert view.position == pytest.approx((1.2, 0.3))


def check_turned(sign: float, size: tuple[int, int], fx: float) -> None:
    """A turned camera's image comes out as the level camera would have taken it."""
    intrinsics = (fx, 1.02 * fx, size[1] / 2 - 7, size[0] / 2 + 3)
    mounting = mounted(0.3, 0.12, -0.06)
    rgb = painted_world(size, intrinsics, mounting[:3, :3])
    wanted = painted_world((HEIGHT, WIDTH), CANONICAL, level_rotation(0.3))
    told = mounted(0.3, sign * 0.12, -0.06)
    view = canonical_view(rgb, intrinsics, told)
    assert view is not None
    assert view.heading == pytest.approx(0.3, abs=1e-9)
    inside = view.mask
    assert inside.mean() > 0.6
    difference = np.abs(view.rgb.astype(float) - wanted)[inside]
    assert difference.max() < 6.0, difference.max()


@pytest.mark.parametrize(("size", "fx"), [((300, 640), 230.0), ((720, 1280), 560.0)])
def test_any_mounting_and_resolution_gives_the_level_view(size: tuple[int, int], fx: float) -> None:
    check_turned(1.0, size, fx)


def test_a_wrong_sign_of_the_pitch_is_seen() -> None:
    with pytest.raises(AssertionError):
        check_turned(-1.0, (300, 640), 230.0)


def test_a_narrow_camera_leaves_columns_empty() -> None:
    rgb = np.full((128, 200, 3), 9, np.uint8)
    view = canonical_view(rgb, (200.0, 200.0, 99.5, 63.5), mounted(0.0, 0.0, 0.0))
    assert view is not None
    seen = view.mask[HEIGHT // 2]
    tangent = (np.arange(WIDTH) - (WIDTH - 1) / 2) / FOCAL
    assert np.array_equal(seen, np.abs(tangent) < 100 / 200)
    assert (view.rgb[~view.mask] == FILL).all()
    assert (view.rgb[view.mask] == 9).all()


def test_unusable_mountings_give_no_view() -> None:
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert canonical_view(rgb, CANONICAL, mounted(0.0, 0.8, 0.0)) is None
    assert canonical_view(rgb, CANONICAL, mounted(0.0, 0.0, 0.0, height=0.1)) is None
    assert canonical_view(rgb, (900.0, 900.0, 159.5, 63.5), mounted(0.0, 0.0, 0.0)) is None


def test_an_image_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        canonical_view(np.zeros((4, 4), np.uint8), CANONICAL, mounted(0.0, 0.0, 0.0))
