from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdps_ros.sim.depth_camera import (
    DepthCamera,
    DepthErrors,
    add_errors,
    render_depth,
    tilt_track,
)
from mdps_ros.sim.mesh import building_triangles
from mdps_ros.sim.scene import Scene

from .town import box

CAMERA = DepthCamera(width=64, height=36)  # neither square nor odd
BOXES = (
    box(112.0, 203.0, 130.0, 220.0, 5.0),  # ahead, to the left, tall
    box(110.0, 192.0, 118.0, 197.5, 0.9),  # ahead, to the right, lower than the camera
    box(135.0, 150.0, 138.0, 250.0, 12.0),  # a wall across
)


def analytic_depth(camera, boxes, pose, tilt=(0.0, 0.0)) -> np.ndarray:
    """Depth of axis-aligned boxes on a ground plane by slabs, ray by ray, in float64."""
    x, y, yaw = pose
    pitch, roll = tilt
    cos, sin = np.cos, np.sin
    rz = np.array([[cos(yaw), -sin(yaw), 0], [sin(yaw), cos(yaw), 0], [0, 0, 1]])
    ry = np.array([[cos(pitch), 0, sin(pitch)], [0, 1, 0], [-sin(pitch), 0, cos(pitch)]])
    rx = np.array([[1, 0, 0], [0, cos(roll), -sin(roll)], [0, sin(roll), cos(roll)]])
    turn = rz @ ry @ rx
    eye = turn @ [camera.forward_m, 0.0, camera.up_m] + [x, y, 0.0]
    depth = np.full((camera.height, camera.width), np.nan)
    for v in range(camera.height):
        for u in range(camera.width):
            right, down = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
            ray = turn @ [1.0, -right, -down]  # forward, left, up with one metre of depth
            hits = [-eye[2] / ray[2]] if ray[2] < 0 else []
            for b in boxes:
                low = np.append(b.exterior.min(axis=0), 0.0)
                high = np.append(b.exterior.max(axis=0), b.height)
                with np.errstate(divide="ignore"):
                    t = np.sort(np.stack([(low - eye) / ray, (high - eye) / ray]), axis=0)
                if t[0].max() <= t[1].min() and t[1].min() > 0:
                    hits.append(t[0].max())
            if hits and min(hits) <= camera.range_m:
                depth[v, u] = min(hits)
    return depth


def scene() -> Scene:
    triangles = np.concatenate([building_triangles(b) for b in BOXES])
    return Scene(triangles, np.array([100.0, 200.0]))


def disagreement(found: np.ndarray, expected: np.ndarray) -> float:
    """Share of pixels off by more than 1 mm per 50 m, or seen in one image only."""
    same = np.isclose(found, expected, rtol=2e-5, atol=1e-4, equal_nan=True)
    return float(1 - same.mean())


@pytest.mark.parametrize(
    ("pose", "tilt"),
    [
        ((100.0, 200.0, 0.0), (0.0, 0.0)),
        ((101.5, 198.0, 0.35), (0.0, 0.0)),
        ((104.0, 201.0, -0.6), (0.05, -0.08)),
    ],
)
def test_depth_equals_the_analytic_depth(pose, tilt):
    found = render_depth(scene(), CAMERA, CAMERA.rays(), np.array(pose), tilt)
    expected = analytic_depth(CAMERA, BOXES, pose, tilt)
    assert found.shape == (36, 64)
    assert found.dtype == np.float32
    # Rays along an edge may fall to either side of it: a pixel or two of 2304.
    assert disagreement(found, expected) < 2 / found.size + 1e-9
    both = np.isfinite(found) & np.isfinite(expected)
    assert np.quantile(np.abs(found[both] - expected[both]), 0.998) < 1e-3


def test_the_scene_tells_left_from_right_and_up_from_down():
    pose = np.array([100.0, 200.0, 0.0])
    found = render_depth(scene(), CAMERA, CAMERA.rays(), pose)
    for wrong in (found[:, ::-1], found[::-1]):
        assert disagreement(wrong, analytic_depth(CAMERA, BOXES, pose)) > 0.2
    leaning = analytic_depth(CAMERA, BOXES, pose, (-0.05, 0.08))
    assert disagreement(leaning, analytic_depth(CAMERA, BOXES, pose, (0.05, -0.08))) > 0.2


def test_points_of_the_image_lie_on_the_boxes_through_the_mounting():
    """Image -> optical frame -> base (T_base_camera) -> map ends on a known wall."""
    pose = np.array([100.0, 200.0, 0.0])
    depth = render_depth(scene(), CAMERA, CAMERA.rays(), pose)
    points = CAMERA.rays() * depth.reshape(-1, 1)
    base = points @ CAMERA.T_base_camera[:3, :3].T + CAMERA.T_base_camera[:3, 3]
    place = base + np.append(pose[:2], 0.0)
    row, column = 10, 20  # above and left of the middle: the tall box's front at x = 112
    hit = place.reshape(36, 64, 3)[row, column]
    assert hit[0] == pytest.approx(112.0, abs=1e-3)
    assert 203.0 < hit[1] < 220.0
    assert 1.6 < hit[2] < 5.0
    ground = place.reshape(36, 64, 3)[-1]
    np.testing.assert_allclose(ground[:, 2], 0.0, atol=1e-5)


def test_nothing_is_seen_beyond_the_range_or_in_the_sky():
    empty = Scene(np.zeros((0, 3, 3)), np.zeros(2))
    depth = render_depth(empty, CAMERA, CAMERA.rays(), np.zeros(3))
    assert np.isnan(depth[: CAMERA.height // 2]).all()
    assert np.nanmax(depth) <= CAMERA.range_m
    near = replace(CAMERA, range_m=3.0)
    assert np.isnan(render_depth(empty, near, near.rays(), np.zeros(3))[20]).all()


def test_a_scene_far_from_the_map_origin_is_as_exact():
    shift = np.array([40_000.0, -30_000.0, 0.0])
    triangles = np.concatenate([building_triangles(b) for b in BOXES])
    far = Scene(triangles + shift, np.array([100.0, 200.0]) + shift[:2])
    pose = np.array([100.0, 200.0, 0.2])
    moved = pose + np.append(shift[:2], 0.0)
    there = render_depth(far, CAMERA, CAMERA.rays(), moved)
    assert disagreement(there, render_depth(scene(), CAMERA, CAMERA.rays(), pose)) < 2e-3


def test_errors_have_the_size_asked_and_leave_the_input_alone():
    errors = DepthErrors(relative_sd=0.03, dropout=0.1)
    ideal = np.full((200, 300), 20.0, dtype=np.float32)
    noisy = add_errors(ideal, errors, np.random.default_rng(0))
    assert (ideal == 20.0).all()
    seen = noisy[np.isfinite(noisy)]
    lost = 1 - len(seen) / ideal.size
    assert abs(lost - 0.1) < 5 * np.sqrt(0.1 * 0.9 / ideal.size)
    relative = seen / 20.0 - 1
    assert abs(relative.std() - 0.03) < 5 * 0.03 / np.sqrt(2 * len(seen))
    assert abs(relative.mean()) < 5 * 0.03 / np.sqrt(len(seen))
    assert noisy.dtype == np.float32


def test_tilt_is_stationary_and_correlated_over_the_time_asked():
    errors = DepthErrors(tilt_sd_rad=0.01, tilt_time_s=0.5)
    tracks = np.array([tilt_track(12, 0.1, errors, np.random.default_rng(s)) for s in range(800)])
    spread = tracks.std(axis=0)
    assert (np.abs(spread - 0.01) < 5 * 0.01 / np.sqrt(2 * 800)).all()
    ahead = (tracks[:, 0] * tracks[:, 5]).mean(axis=0) / 0.01**2  # 0.5 s apart
    assert (np.abs(ahead - np.exp(-1)) < 5 / np.sqrt(800)).all()
