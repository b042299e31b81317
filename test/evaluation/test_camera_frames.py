from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mdps_ros.core.mapdata import LAYERS, Bounds, RasterTile
from mdps_ros.data.errors import DataError
from mdps_ros.evaluation.camera_examples import examples
from mdps_ros.evaluation.camera_frame_set import FrameSet, mounting
from mdps_ros.evaluation.camera_frames import (
    AS_DRAWN,
    LEVELS,
    MapCase,
    best_possible,
    choose,
    frame_results,
    reliability,
    row,
)
from mdps_ros.evaluation.camera_frames_report import draw, markdown
from mdps_ros.evaluation.camera_window import (
    YAWS,
    FrameResult,
    WindowScore,
    encode_frame,
    encode_map,
    judge,
    score_window,
)
from mdps_ros.maps.warp import SmoothWarp
from mdps_ros.models.camera.networks import CameraNetworks


class Checks:
    """A made-up map."""

    id = "checks"
    bounds = Bounds(-60.0, -40.0, 80.0, 60.0)
    tile_size = 128.0
    resolution = 0.5

    def tile(self, column: int, row: int) -> RasterTile:
        x, y = self.bounds.min_x + 128.0 * column, self.bounds.min_y + 128.0 * row
        layers = np.zeros((len(LAYERS), 256, 256), np.uint8)
        layers[0, ::7] = 1
        layers[1, :, ::11] = 1
        return RasterTile(layers, (x, y), 0.5)


def a_window(peak: tuple[float, float, float], sharpness: float = 0.5) -> WindowScore:
    """A Gaussian score around a place of the grid, whose middle is the map's origin."""
    reach = 6
    steps = np.arange(2 * reach + 1) - reach
    yaw, forward, right = np.meshgrid(YAWS, steps, steps, indexing="ij")
    x = forward * np.cos(yaw) + right * np.sin(yaw)
    y = forward * np.sin(yaw) - right * np.cos(yaw)
    away = (x - peak[0]) ** 2 + (y - peak[1]) ** 2 + (8.0 * (yaw - peak[2])) ** 2
    score = -sharpness * away
    share = score - np.log(np.exp(score).sum())
    poses = np.stack([x, y, yaw], axis=-1)
    return WindowScore(share, poses)


def place_of(pose: tuple[float, float, float]) -> np.ndarray:
    """Places of a pose in the grid of `a_window`."""
    step = YAWS[1] - YAWS[0]
    forward = pose[0] * np.cos(YAWS) + pose[1] * np.sin(YAWS) + 6
    right = pose[0] * np.sin(YAWS) - pose[1] * np.cos(YAWS) + 6
    return np.stack([(pose[2] - YAWS) / step, forward, right], axis=1)


def test_a_pose_has_its_place_in_every_slice_of_the_grid() -> None:
    pose = (1.3, -2.4, 0.05)
    window = a_window(pose)
    np.testing.assert_allclose(window.place(np.array(pose)), place_of(pose), atol=1e-9)
    # Where the grid is twice as wide, the same pose is half as many steps off its middle.
    wide = window._replace(poses=window.poses * [2.0, 2.0, 1.0])
    np.testing.assert_allclose(
        wide.place(np.array(pose))[:, 1:] - 6, (place_of(pose)[:, 1:] - 6) / 2, atol=1e-9
    )


def test_the_best_pose_lies_between_the_grid_poses() -> None:
    truth = (1.3, -2.4, 0.05)
    result = judge(a_window(truth), np.array(truth))
    assert result.error_m < 0.3  # the nearest grid pose is 0.5 m away
    assert result.yaw_error_rad < np.radians(0.6)


def test_the_truth_s_share_is_that_of_its_cell() -> None:
    window = a_window((1.0, 2.0, 0.0), sharpness=0.1)
    middle = len(YAWS) // 2
    # At a grid pose nothing is interpolated: forward 1 is row 7, left 2 is column 4.
    exact = judge(window, np.array([1.0, 2.0, YAWS[middle]]))
    assert exact.nll == pytest.approx(-window.log_share[middle, 7, 4])
    assert exact.mass_before == pytest.approx(0.0, abs=1e-12)
    assert judge(window, np.array([-5.0, -4.0, 0.3])).mass_before > 0.99


def draw_truths(window: WindowScore, count: int) -> list[FrameResult]:
    """Results of frames whose truths are drawn from a window's own shares."""
    rng = np.random.default_rng(3)
    share = np.exp(a_window((0.4, 0.3, 0.02), sharpness=0.1).log_share)
    numbers = rng.choice(share.size, count, p=share.ravel() / share.sum())
    results = []
    for number in numbers:
        pose = window.poses.reshape(-1, 3)[number]
        results.append(judge(window, pose))
    return results


def check_calibrated(sharpness: float) -> None:
    results = draw_truths(a_window((0.4, 0.3, 0.02), sharpness), 300)
    error = np.sqrt(LEVELS * (1 - LEVELS) / 300)
    # A grid pose has up to 2 % of the mass, by which the curve jumps.
    assert (np.abs(reliability(results) - LEVELS) < 5 * error + 0.03).all()


def test_truths_drawn_from_the_score_lie_on_the_diagonal() -> None:
    check_calibrated(0.1)


def test_a_score_that_is_too_sure_leaves_the_diagonal() -> None:
    with pytest.raises(AssertionError):
        check_calibrated(0.2)


def test_the_row_counts_recalls() -> None:
    results = [FrameResult(error, 0.01, 2.0, 0.5, 0.5) for error in (0.5, 1.5, 4.0, 30.0)]
    summary = row("x", results)
    assert [summary[f"recall_{r}m"] for r in (1, 2, 3, 5, 10)] == [0.25, 0.5, 0.5, 0.75, 0.75]
    assert summary["nll_nats"] == 2.0
    assert "recall_1m" in markdown([summary, summary], "f", "w", "mdps x")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    for shard, count in (("shard_00000", 2), ("shard_00001", 1)):
        place = tmp_path / shard
        place.mkdir()
        np.save(place / "rgb.npy", rng.integers(0, 256, (count, 128, 320, 3), dtype=np.uint8))
        np.save(place / "pose.npy", rng.uniform(-3, 3, (count, 3)))
        camera = [160.0, 160.0, 159.5, 63.5, 1.5, 1.6, 0.02]
        np.save(place / "camera.npy", np.tile(np.float32(camera), (count, 1)))
    (tmp_path / "manifest.json").write_text(json.dumps({"map": "helsinki", "map_id": "x"}))
    return tmp_path


def test_frames_are_read_shard_by_shard(folder: Path) -> None:
    frames = FrameSet(folder)
    assert len(frames) == 3
    last = np.load(folder / "shard_00001" / "rgb.npy")[0]
    assert np.array_equal(frames.frame(2).rgb, last)
    assert frames.map == "helsinki"
    assert sorted(choose(frames, 9, 0)) == [0, 1, 2]


def test_a_folder_without_frames_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mdps frames"):
        FrameSet(tmp_path)


def test_a_mounted_camera_looks_down_by_its_pitch() -> None:
    T = mounting(1.5, 1.6, 0.1)
    np.testing.assert_allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1.0)
    assert T[2, 2] == pytest.approx(-np.sin(0.1))  # the optical axis points down
    assert T[1, 0] == pytest.approx(-1.0)  # x is to the right


def test_on_a_warped_map_the_drawn_truth_is_told_beside_the_true_one(folder: Path) -> None:
    torch.manual_seed(0)
    networks = CameraNetworks().eval().requires_grad_(False)
    frames, chosen = FrameSet(folder), np.array([0, 1])
    encoded = encode_map(Checks(), networks)  # type: ignore[arg-type]
    still = SmoothWarp(0.0, np.zeros((2, 1, 2)), np.zeros((2, 1)))
    aside = SmoothWarp(4.0, np.zeros((2, 1, 2)), np.zeros((2, 1)))  # everything by one length
    away = float(np.hypot(*aside(np.zeros((1, 2)))[0]))
    cases = [MapCase("still", encoded, still), MapCase("aside", encoded, aside)]
    for result in frame_results(frames, chosen, cases, networks, 5):
        np.testing.assert_allclose(result["still"], result["still" + AS_DRAWN], rtol=1e-9)
        difference = abs(result["aside"].error_m - result["aside" + AS_DRAWN].error_m)
        assert 0.0 < difference <= away + 1e-9
    assert best_possible(frames, chosen, still)["recall_1m"] == 1.0
    best = best_possible(frames, chosen, aside)
    assert 5.0 < away < 10.0
    assert (best["recall_5m"], best["recall_10m"]) == (0.0, 1.0)


def test_frames_are_scored_in_windows_about_their_truth(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    networks = CameraNetworks().eval().requires_grad_(False)
    frames = FrameSet(folder)
    cases = [MapCase("as it is", encode_map(Checks(), networks), None)]  # type: ignore[arg-type]
    frame = frames.frame(0)
    window = score_window(
        encode_frame(frame, networks), frame, cases[0].encoded, networks, np.random.default_rng(2)
    )
    assert window.log_share.shape == (25, 65, 65)
    assert np.exp(window.log_share).sum() == pytest.approx(1.0)
    # The place of the truth in each heading's grid is where the truth lies.
    place = window.place(frame.pose)
    index = int(np.abs(place[:, 0]).argmin())
    near = window.poses[index, round(place[index, 1]), round(place[index, 2])]
    assert np.hypot(*(near[:2] - frame.pose[:2])) < 0.72
    chosen = np.array([0, 2])
    results = list(frame_results(frames, chosen, cases, networks, 5))
    assert len(results) == 2
    shown = examples(frames, chosen, cases, networks, 5)
    picture = tmp_path / "picture.png"
    draw(picture, {"as it is": [result["as it is"] for result in results]}, shown)
    assert picture.stat().st_size > 10_000
