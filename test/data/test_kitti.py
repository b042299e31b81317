from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mdps_ros.data.errors import DataError
from mdps_ros.data.kitti import chain, load_sequence
from mdps_ros.data.kitti_align import ALIGNED_M, TangentPlane, align
from mdps_ros.data.kitti_files import find_sequences, read_poses, read_rtk

from .miniature_kitti import COUNT, FOCAL, HORIZON, ORIGIN, write_depth, write_kitti


def positions(sequence) -> np.ndarray:
    return ORIGIN.to_metres(np.stack([sequence.latitude_deg, sequence.longitude_deg], axis=1))


@pytest.fixture
def base(tmp_path) -> Path:
    return tmp_path / "kitti"


def test_truth_and_odometry_of_a_made_up_sequence_are_found(tmp_path, base):
    truth = write_kitti(base, "77")
    for root in (tmp_path, base):
        sequence = load_sequence(root, "77")
        np.testing.assert_allclose(positions(sequence), truth.place, atol=1e-4)
        turn = np.exp(1j * (sequence.yaw - truth.yaw))
        np.testing.assert_allclose(turn, 1.0, atol=1e-5)
        np.testing.assert_allclose(sequence.motion, truth.motion, atol=1e-9)
        assert sequence.alignment_residual_m < 1e-3
        assert sequence.depth is None
        assert sequence.osm_file is None
        np.testing.assert_array_equal(sequence.frames, np.arange(COUNT))


def test_odometry_starts_at_the_origin_and_keeps_its_own_scale(base):
    truth = write_kitti(base, "77", scale=1.1)
    sequence = load_sequence(base, "77")
    np.testing.assert_array_equal(sequence.T_odom_base[0], 0.0)
    np.testing.assert_allclose(sequence.motion[:, :2], 1.1 * truth.motion[:, :2], atol=1e-9)
    relative = truth.place - truth.place[0]
    cos, sin = np.cos(truth.yaw[0]), np.sin(truth.yaw[0])
    expected = 1.1 * relative @ np.array([[cos, -sin], [sin, cos]])
    np.testing.assert_allclose(sequence.T_odom_base[:, :2], expected, atol=1e-7)


def test_loop_closures_in_the_absolute_poses_do_not_reach_past_motion(base):
    """A jump of the map moves one step, never the poses before or the shape after it."""
    write_kitti(base, "77")
    path = base / "visual_odometry" / "orbslam2_stereo_77_trial0.txt"
    rows = np.loadtxt(path)
    rows[60:, 3] += 4.0
    before = load_sequence(base, "77").motion
    np.savetxt(path, rows, fmt="%.12e")
    after = load_sequence(base, "77").motion
    changed = np.abs(after - before).max(axis=1) > 1e-6
    assert np.flatnonzero(changed).tolist() == [59]


def test_an_rtk_track_that_begins_before_the_poses_is_shifted(base):
    truth = write_kitti(base, "77", spare=37)
    placed = align(read_poses(base / "poses/77.txt")[1], read_rtk(base / "rtk/RTK_77.kml"))
    assert placed.offset == 37
    found = ORIGIN.to_metres(placed.latlon)
    np.testing.assert_allclose(found, truth.place, atol=1e-4)


def test_the_lever_arm_of_the_gps_matters(base, monkeypatch):
    """Without it the residual shows: the fit is not insensitive to the recipe."""
    write_kitti(base, "77")
    monkeypatch.setattr("mdps_ros.data.kitti_align.OXTS_IN_CAMERA", np.zeros(3))
    assert load_sequence(base, "77").alignment_residual_m > 0.2


def test_a_track_of_another_drive_is_refused(base):
    write_kitti(base, "77")
    rows = np.loadtxt(base / "poses/77.txt")
    rows[:, [3, 7, 11]] *= 1.6
    np.savetxt(base / "poses/77.txt", rows)
    with pytest.raises(DataError, match="same sequence"):
        load_sequence(base, "77")


def test_frames_that_the_odometry_skips_are_left_out_everywhere(base):
    truth = write_kitti(base, "77")
    path = base / "visual_odometry" / "orbslam2_stereo_77_trial0.txt"
    kept = np.delete(np.arange(COUNT), [0, 1, 40])
    np.savetxt(path, np.column_stack([kept, np.loadtxt(path)[kept]]), fmt="%.12e")
    sequence = load_sequence(base, "77")
    np.testing.assert_array_equal(sequence.frames, kept)
    np.testing.assert_allclose(positions(sequence), truth.place[kept], atol=1e-4)
    assert len(sequence.T_odom_base) == len(sequence.stamps_ns) == COUNT - 3
    step = np.diff(sequence.stamps_ns) / 1e9
    np.testing.assert_allclose(step, np.where(np.arange(COUNT - 4) == 37, 0.2074, 0.1037))


def test_the_best_metric_odometry_is_chosen_and_scale_free_never(base):
    write_kitti(base, "77")
    folder = base / "visual_odometry"
    rows = (folder / "orbslam2_stereo_77_trial0.txt").read_text()

    def chosen(*names: str) -> str | None:
        for old in folder.iterdir():
            old.unlink()
        for name in names:
            (folder / name).write_text(rows)
        file = find_sequences(base)["77"].odometry
        return None if file is None else file.name

    stereo = ("orbslam2_stereo_77_trial0.txt", "orbslam2_stereo_77_trial1.txt")
    metric, free = "kitti_odom_eval_example_1_77.txt", "kitti_odom_eval_example_0_77.txt"
    assert chosen(*stereo, metric, free) == stereo[0]
    assert chosen(stereo[1], metric) == stereo[1]
    assert chosen("evo_KITTI_77_SPTAM.txt", metric) == "evo_KITTI_77_SPTAM.txt"
    assert chosen(metric, free) == metric
    assert chosen(free, "orbslam2_stereo_78_trial0.txt") is None
    sequence = load_sequence(base, "77")
    assert sequence.motion is None
    assert sequence.T_odom_base is None
    assert load_sequence(base, "77", odometry=folder / free).odometry_file == folder / free


def test_depth_of_a_flat_road_is_flat_and_metric(base):
    write_kitti(base, "77")
    write_depth(base, "77", (5, 6, 9))
    sequence = load_sequence(base, "77")
    assert sequence.depth.frames == (5, 6, 9)
    assert sequence.depth_frame(4) is None
    frames = list(sequence.depth_frames())
    assert [f.stamp_ns for f in frames] == sequence.stamps_ns[[5, 6, 9]].tolist()
    _, depth, camera = frames[1]
    assert depth.shape == (camera.height, camera.width) == (20, 30)
    assert np.isnan(depth[:, 3]).all()
    assert np.isnan(depth[: int(HORIZON / 2) + 1]).all()
    row = 19  # 38 of the full image, 20 rows below the horizon
    assert depth[row, 10] == pytest.approx(FOCAL * 1.65 / (2 * row - HORIZON), rel=1e-6)
    v, u = np.nonzero(np.isfinite(depth))
    z = depth[v, u]
    optical = np.stack(
        [(u - camera.cx) * z / camera.fx, (v - camera.cy) * z / camera.fy, z, np.ones_like(z)]
    )
    base_points = camera.T_base_camera @ optical
    # Codes are whole numbers: half a code of at least 20 is 2.5 % of the camera height.
    assert np.abs(base_points[2]).max() < 0.025 * 1.65 * 2
    assert (base_points[0] > 0).all()
    assert base_points[1][u == 0].min() > 0 > base_points[1][u == 29].max()  # left is +y


def test_depth_without_intrinsics_names_the_remedy(base):
    write_kitti(base, "77")
    write_depth(base, "77", (5,))
    (base / "calib/77.txt").unlink()
    with pytest.raises(DataError, match=r"add calib/77\.txt"):
        load_sequence(base, "77")


def test_files_that_are_missing_or_broken_are_named(tmp_path, base):
    with pytest.raises(DataError, match="no KITTI poses") as caught:
        find_sequences(tmp_path)
    assert f"{tmp_path} holds neither kitti/poses" in str(caught.value)
    assert str(tmp_path / "poses") not in str(caught.value)
    write_kitti(base, "77")
    with pytest.raises(DataError, match="there are 77"):
        load_sequence(base, "78")
    poses = (base / "poses/77.txt").read_text()
    for content, words in (("", "empty"), ("1 2 3\n", "12 or 13"), ("a b\n", "no table")):
        (base / "poses/77.txt").write_text(content)
        with pytest.raises(DataError, match=words):
            load_sequence(base, "77")
    (base / "poses/77.txt").write_text(poses)
    (base / "poses/times_77.txt").write_text("0.0\n0.1\n")
    with pytest.raises(DataError, match="2 rows for 120 poses"):
        load_sequence(base, "77")
    (base / "poses/times_77.txt").unlink()
    (base / "rtk/RTK_77.kml").write_text("<kml></kml>")
    with pytest.raises(DataError, match="no <coordinates>"):
        load_sequence(base, "77")
    (base / "rtk/RTK_77.kml").unlink()
    with pytest.raises(DataError, match="no RTK track"):
        load_sequence(base, "77")


def test_the_tangent_plane_is_its_own_inverse_and_near_the_ellipsoid():
    plane = TangentPlane(49.0, 8.4)
    xy = np.array([[0.0, 0.0], [1200.0, -800.0], [-3000.0, 2500.0]])
    np.testing.assert_allclose(plane.to_metres(plane.to_degrees(xy)), xy, atol=1e-8)
    pyproj = pytest.importorskip("pyproj")
    geodesic = pyproj.Geod(ellps="WGS84")
    latlon = plane.to_degrees(xy[1:2])[0]
    azimuth, _, distance = geodesic.inv(8.4, 49.0, latlon[1], latlon[0])
    assert distance == pytest.approx(np.hypot(1200, 800), abs=0.3)
    assert azimuth == pytest.approx(90 + np.degrees(np.arctan2(800, 1200)), abs=0.02)


def real_data() -> Path:
    root = os.environ.get("MDPS_DATA")
    if not root:
        pytest.skip("MDPS_DATA is not set: no KITTI material")
    return Path(root)


def test_real_sequences_agree_with_the_verified_alignment():
    root = real_data()
    names = [name for name, files in find_sequences(root).items() if files.rtk]
    assert names
    for name in names:
        sequence = load_sequence(root, name)
        assert sequence.alignment_residual_m < ALIGNED_M
        reference = root / "kitti" / "aligned" / f"{name}.npz"
        if not reference.is_file():
            continue
        with np.load(reference) as known:
            plane = TangentPlane(*known["origin_latlon"])
            there, yaw = known["cam_enu"][sequence.frames, :2], known["yaw"][sequence.frames]
        latlon = np.stack([sequence.latitude_deg, sequence.longitude_deg], axis=1)
        assert np.hypot(*(plane.to_metres(latlon) - there).T).max() < 0.05
        assert np.abs(np.angle(np.exp(1j * (sequence.yaw - yaw)))).max() < 1e-3


def test_real_odometry_has_true_scale_and_little_drift():
    root = real_data()
    names = [name for name, files in find_sequences(root).items() if files.rtk and files.odometry]
    assert names
    for name in names:
        sequence = load_sequence(root, name)
        latlon = np.stack([sequence.latitude_deg, sequence.longitude_deg], axis=1)
        place = TangentPlane(*latlon[0]).to_metres(latlon)
        driven = np.hypot(*np.diff(place, axis=0).T).sum()
        measured = np.hypot(*sequence.motion[:, :2].T).sum()
        assert measured / driven == pytest.approx(1.0, abs=0.03)
        turn = np.diff(sequence.yaw) - sequence.motion[:, 2]
        drift = np.degrees(np.abs(np.angle(np.exp(1j * turn.sum()))))
        assert drift / driven * 100 < 0.5  # degrees per 100 m
        np.testing.assert_allclose(chain(sequence.motion), sequence.T_odom_base)


def test_real_depth_puts_the_road_at_height_zero():
    root = real_data()
    found = [n for n, files in find_sequences(root).items() if files.depth and files.rtk]
    if not found:
        pytest.skip("MDPS_DATA holds no depth")
    sequence = load_sequence(root, found[0])
    indices = np.flatnonzero(np.isin(sequence.frames, sequence.depth.frames))
    heights = []
    for index in indices[::90]:
        _, depth, camera = sequence.depth_frame(int(index))
        v, u = np.nonzero(depth < 12.0)
        z = depth[v, u]
        lane = np.abs((u - camera.cx) * z / camera.fx) < 1.5
        heights.append(np.median((1.65 - (v - camera.cy) * z / camera.fy)[lane]))
    assert len(heights) > 3
    assert np.abs(np.median(heights)) < 0.05
