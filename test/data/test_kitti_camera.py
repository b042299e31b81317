from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from mdps_ros.data.camera_sequence import Place
from mdps_ros.data.errors import DataError
from mdps_ros.data.kitti_align import TangentPlane
from mdps_ros.data.kitti_camera import benchmark_sequence, raw_drive
from test.data.miniature_camera import ORIGIN, PERIOD, SPEED, circle, write_benchmark, write_raw
from test.data.miniature_kitti import COUNT, write_kitti
from test.data.miniature_kitti import ORIGIN as THERE


@pytest.fixture
def real() -> Path:
    root = os.environ.get("MDPS_DATA")
    if not root:
        pytest.skip("MDPS_DATA is not set: no KITTI images")
    return Path(root)


def metres(frames):
    poses = np.array([frame.pose for frame in frames])
    return np.column_stack([ORIGIN.to_metres(poses[:, :2]), poses[:, 2]])


def test_a_raw_drive_tells_images_poses_and_camera(tmp_path):
    truth = write_raw(tmp_path / "drive")
    sequence = raw_drive(tmp_path / "drive")
    frames = list(sequence.frames())
    assert sequence.place is Place.EARTH
    assert [int(frame.rgb[0, 0, 0]) for frame in frames] == [10 + k for k in range(8)]
    assert frames[0].rgb[0, 0].tolist() == [10, 100, 200]
    np.testing.assert_allclose(metres(frames), truth, atol=1e-4)  # 12 digits of a degree
    assert frames[1].stamp_ns - frames[0].stamp_ns == 100_000_000
    assert frames[0].intrinsics == (40.0, 40.0, 24.0, 10.0)
    expected = [[0, 0, 1, 1.0], [-1, 0, 0, 0.06], [0, -1, 0, 0.93 + 0.7], [0, 0, 0, 1]]
    np.testing.assert_allclose(frames[0].T_base_camera, expected, atol=1e-9)
    assert len(list(sequence.frames())) == 8  # and again


def test_poses_are_those_of_the_time_of_the_image(tmp_path):
    write_raw(tmp_path / "drive", late=0.04)
    frames = list(raw_drive(tmp_path / "drive").frames())
    angle = SPEED * (PERIOD * np.arange(7) + 0.04) / 50.0
    expected = 50.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    # Between two poses the path is a chord, whose sagitta is 2.5 mm here.
    np.testing.assert_allclose(metres(frames)[:7, :2], expected, atol=4e-3)
    assert np.abs(metres(frames)[:7, :2] - circle(7)[:, :2]).max() > 0.3


def test_a_sequence_of_the_benchmark_lies_on_earth_by_its_rtk_track(tmp_path):
    truth = write_kitti(tmp_path, "77")
    write_benchmark(tmp_path, "77", COUNT)
    rtk = next((tmp_path / "rtk").glob("*_77.kml"))
    sequence = benchmark_sequence(tmp_path, "77", rtk=rtk)
    frames = list(sequence.frames())
    assert sequence.place is Place.EARTH
    poses = np.array([frame.pose for frame in frames])
    np.testing.assert_allclose(THERE.to_metres(poses[:, :2]), truth.place, atol=0.02)
    np.testing.assert_allclose(np.unwrap(poses[:, 2]), truth.yaw, atol=1e-3)
    assert frames[0].T_base_camera[1, 3] == pytest.approx(0.06)


def test_without_a_track_the_poses_lie_nowhere_but_keep_their_shape(tmp_path):
    truth = write_kitti(tmp_path, "77")
    write_benchmark(tmp_path, "77", COUNT)
    sequence = benchmark_sequence(tmp_path, "77")
    assert sequence.place is Place.NOWHERE
    poses = np.array([frame.pose for frame in sequence.frames()])
    turn = truth.yaw[0] - poses[0, 2]
    np.testing.assert_allclose(np.unwrap(poses[:, 2]) + turn, truth.yaw, atol=1e-3)
    moved = np.diff(poses[:, :2] @ [1, 1j] * np.exp(1j * turn))
    np.testing.assert_allclose(moved, np.diff(truth.place @ [1, 1j]), atol=2e-3)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("image_02/timestamps.txt", "lacks image_02/timestamps.txt"),
        ("oxts/timestamps.txt", "lacks oxts/timestamps.txt"),
        ("../calib_cam_to_cam.txt", "cannot read the calibration"),
    ],
)
def test_a_missing_file_is_named(tmp_path, broken, says):
    write_raw(tmp_path / "drive")
    (tmp_path / "drive" / broken).unlink()
    with pytest.raises(DataError, match=says):
        raw_drive(tmp_path / "drive")


def test_images_that_are_too_few_or_damaged_are_refused(tmp_path):
    write_raw(tmp_path / "drive")
    last = tmp_path / "drive" / "image_02" / "data" / "0000000007.png"
    last.write_bytes(b"no image")
    with pytest.raises(DataError, match="no image; fetch it again"):
        list(raw_drive(tmp_path / "drive").frames())
    last.unlink()
    with pytest.raises(DataError, match="holds 7 images, 8 are told of"):
        list(raw_drive(tmp_path / "drive").frames())
    times = tmp_path / "drive" / "image_02" / "timestamps.txt"
    times.write_text("yesterday\n")
    with pytest.raises(DataError, match="holds no times"):
        raw_drive(tmp_path / "drive")


def test_the_real_raw_drive_fits_its_speed_and_its_car(real):
    frames = list(raw_drive(real / "kitti_raw_0013").frames())
    assert len(frames) == 144
    assert frames[0].rgb.shape == (376, 1242, 3)
    assert frames[0].rgb.std() > 20.0
    poses = np.array([frame.pose for frame in frames])
    xy = TangentPlane(poses[0, 0], poses[0, 1]).to_metres(poses[:, :2])
    step = np.diff(xy, axis=0)
    seconds = np.diff([frame.stamp_ns for frame in frames]) / 1e9
    speed = np.hypot(*step.T) / seconds
    # The unit's own forward velocity is 11.66 m/s on the mean.
    assert abs(speed.mean() - 11.66) < 0.1
    off_course = np.arctan2(step[:, 1], step[:, 0]) - poses[:-1, 2]
    assert abs(np.degrees(off_course.mean())) < 0.5
    # The cameras stand 1.65 m above the road and look along it.
    T = frames[0].T_base_camera
    assert abs(T[2, 3] - 1.65) < 0.05
    assert np.degrees(np.arccos(T[0, 2])) < 1.0


def test_the_real_camera_of_sequence_03_decodes_in_step_with_its_truth(real, tmp_path):
    folder = tmp_path / "sequences" / "03"
    folder.mkdir(parents=True)
    (tmp_path / "poses").mkdir()
    (tmp_path / "poses" / "03.txt").write_text((real / "kitti" / "poses" / "03.txt").read_text())
    (folder / "times.txt").write_text("".join(f"{0.1037 * k:.6f}\n" for k in range(801)))
    calibration = "P2: 721.5377 0 609.5593 44.85728 0 721.5377 172.854 0.2163791 0 0 1 0.002746\n"
    (folder / "calib.txt").write_text(calibration)
    video = real / "kitti_03_camera" / "video.mp4"
    sequence = benchmark_sequence(tmp_path, "03", images=video)
    frames = list(islice(sequence.frames(), 40))
    assert frames[0].rgb.shape == (375, 1242, 3)
    assert (frames[0].rgb[..., 0] == frames[0].rgb[..., 2]).mean() > 0.9  # grey
    assert np.hypot(*(frames[39].pose - frames[0].pose)[:2]) > 10.0
