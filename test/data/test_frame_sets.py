from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mdps_ros.data.camera_sequence import CameraFrame, poses_at
from mdps_ros.data.errors import DataError
from mdps_ros.data.frame_sets import PER_SHARD, Spacing, StoredFrame, stored, write_frames
from mdps_ros.evaluation.camera_frame_set import FrameSet, mounting

INTRINSICS = (400.0, 410.0, 315.0, 122.0)
SIZE = (640, 256)


def mounted(yaw, pitch, roll, place):
    """(4, 4), base <- optical frame, of a camera turned by these degrees."""
    T = mounting(*place[[0, 2]], np.radians(pitch))
    T[1, 3] = place[1]
    T[:3, :3] = Rotation.from_euler("z", yaw, degrees=True).as_matrix() @ T[:3, :3]
    T[:3, :3] = T[:3, :3] @ Rotation.from_euler("z", roll, degrees=True).as_matrix()
    return T


def on_map(pose):
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("z", pose[2]).as_matrix()
    T[:2, 3] = pose[:2]
    return T


def pixel(point, pose, T_base_camera, intrinsics):
    x, y, z, _ = np.linalg.inv(on_map(pose) @ T_base_camera) @ [*point, 1.0]
    fx, fy, cx, cy = intrinsics
    return np.array([fx * x / z + cx, fy * y / z + cy])


@pytest.mark.parametrize("yaw", [0.0, 40.0, 180.0])
@pytest.mark.parametrize(("pitch", "roll"), [(0.0, 0.0), (6.0, 4.0), (-3.0, -8.0)])
def test_what_the_camera_saw_is_where_the_stored_camera_sees_it(yaw, pitch, roll):
    pose = np.array([12.0, -7.0, 2.5])
    T = mounted(yaw, pitch, roll, np.array([1.2, 0.4, 1.7]))
    ahead = on_map(pose) @ T @ [0.7, 0.3, 12.0, 1.0]
    u, v = pixel(ahead[:3], pose, T, INTRINSICS)
    columns, rows = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    spot = 200.0 * np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / (2 * 6.0**2))
    rgb = np.repeat(spot[..., None], 3, axis=2).astype(np.uint8)
    kept = stored(CameraFrame(0, rgb, pose, INTRINSICS, T))
    fx, fy, cx, cy, forward, up, down = kept.camera
    assert fx == pytest.approx(200.0)
    weight = kept.rgb[..., 0].astype(float)
    rows, columns = np.indices(weight.shape)
    found = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
    told = pixel(ahead[:3], kept.pose, mounting(forward, up, down), (fx, fy, cx, cy))
    np.testing.assert_allclose(found, told, atol=0.15)
    # The oracle tells a camera that is a degree off.
    wrong = pixel(ahead[:3], kept.pose, mounting(forward, up, down + 0.02), (fx, fy, cx, cy))
    assert np.abs(found - wrong).max() > 2.0


def test_a_camera_that_looks_down_or_lies_on_the_ground_is_refused():
    rgb = np.zeros((8, 8, 3), np.uint8)
    steep = mounted(0.0, 90.0, 0.0, np.array([0.0, 0.0, 1.5]))
    low = mounted(0.0, 0.0, 0.0, np.array([0.0, 0.0, -0.1]))
    for T in (steep, low):
        with pytest.raises(DataError, match="T_base_camera"):
            stored(CameraFrame(0, rgb, np.zeros(3), INTRINSICS, T))


def some(count, shape=(6, 10)):
    for k in range(count):
        pose, camera = np.array([k, 2.0 * k, 0.1]), np.array([9.0, 9.0, 5.0, 3.0, 0.0, 1.6, 0.01])
        yield StoredFrame(np.full((*shape, 3), k % 250, np.uint8), pose, camera)


def test_training_reads_what_is_written(tmp_path):
    def frames():
        yield from some(PER_SHARD + 3)
        yield from some(2, (4, 8))

    count = write_frames(tmp_path / "set", frames(), {"map": "helsinki", "map_id": "z"})
    read = FrameSet(tmp_path / "set")
    assert count == len(read) == PER_SHARD + 5
    assert read.map == "helsinki"
    assert [len(shard) for shard in read.shards] == [PER_SHARD, 3, 2]
    frame = read.frame(PER_SHARD + 1)
    assert frame.pose.tolist() == pytest.approx([PER_SHARD + 1, 2.0 * (PER_SHARD + 1), 0.1])
    assert int(frame.rgb[0, 0, 0]) == (PER_SHARD + 1) % 250
    assert read.frame(PER_SHARD + 4).rgb.shape == (4, 8, 3)


def test_a_set_is_whole_or_begun_anew(tmp_path):
    def broken():
        yield from some(PER_SHARD + 1)
        raise DataError("a damaged image")

    with pytest.raises(DataError, match="damaged"):
        write_frames(tmp_path / "set", broken(), {"map": "x", "map_id": "y"})
    with pytest.raises(DataError, match=r"manifest\.json"):
        FrameSet(tmp_path / "set")
    write_frames(tmp_path / "set", some(2), {"map": "x", "map_id": "y"})
    assert len(FrameSet(tmp_path / "set")) == 2
    with pytest.raises(DataError, match="already"):
        write_frames(tmp_path / "set", some(2), {"map": "x", "map_id": "y"})
    assert json.loads((tmp_path / "set" / "manifest.json").read_text()) == {
        "map": "x",
        "map_id": "y",
    }


def test_other_folders_and_empty_sets_are_refused(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("keep me")
    with pytest.raises(DataError, match=r"dear\.txt"):
        write_frames(tmp_path / "letters", some(2), {"map": "x", "map_id": "y"})
    assert (tmp_path / "letters" / "dear.txt").exists()
    with pytest.raises(DataError, match="no frame"):
        write_frames(tmp_path / "none", some(0), {"map": "x", "map_id": "y"})


def test_frames_are_kept_by_distance_and_by_turn():
    wanted = Spacing(1.0, 0.1)
    poses = [(0, 0, 0), (0.6, 0, 0), (1.1, 0, 0), (1.1, 0, 0.09), (1.1, 0, -0.11), (1.5, 0, 6.2)]
    kept = [wanted.keeps(np.array(pose, float)) for pose in poses]
    assert kept == [True, False, True, False, True, False]


def test_poses_between_those_of_a_track():
    stamps = 1_700_000_000_000_000_000 + np.array([0, 100, 200, 1_000]) * 1_000_000
    poses = np.array([[0, 0, 3.1], [1, 0, -3.1], [2, 2, -3.0], [9, 9, 0]], float)
    wanted = stamps[0] + np.array([-300, -40, 50, 150, 600, 1_040, 1_300]) * 1_000_000
    found, known = poses_at(stamps, poses, wanted, gap_ns=200_000_000)
    assert known.tolist() == [False, True, True, True, False, False, False]
    np.testing.assert_allclose(found[1], [0, 0, 3.1])
    np.testing.assert_allclose(found[2], [0.5, 0, np.pi], atol=1e-9)
    np.testing.assert_allclose(found[3], [1.5, 1, 2 * np.pi - 3.05], atol=1e-9)
    one, _ = poses_at(stamps[:1], poses[:1], stamps[:1], gap_ns=200_000_000)
    np.testing.assert_allclose(one, poses[:1])
