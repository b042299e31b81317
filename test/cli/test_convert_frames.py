from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.cli.main import main
from mdps_ros.data.bag_writer import write_drive
from mdps_ros.data.recording import Camera, ColourFrame, MapAnchor, PoseTrack
from mdps_ros.data.trajectory import write_tum
from mdps_ros.evaluation.camera_frame_set import FrameSet, mounting
from mdps_ros.maps import GeoAnchor
from test.data.miniature_camera import write_mgl, write_raw

OSM = """<?xml version="1.0"?><osm version="0.6">
<node id="1" lat="60.1690" lon="24.9380"/><node id="2" lat="60.1712" lon="24.9425"/>
<way id="3"><nd ref="1"/><nd ref="2"/><tag k="highway" v="residential"/></way></osm>
"""
SECOND = 1_000_000_000
TIMES = 0.25 * np.arange(41)
STAMPS = 5 * SECOND + np.arange(41) * (SECOND // 4)


@pytest.fixture
def street(tmp_path):
    """A map of one street around the origin of the miniatures."""
    path = tmp_path / "street.osm"
    path.write_text(OSM)
    return path


def write_bag(path, anchor):
    """A drive of 10 s eastwards at 2 m/s, an image every 0.2 s."""
    poses = np.stack([2.0 * TIMES, np.full(41, 3.0), np.zeros(41)], axis=1)
    track = PoseTrack(stamps_ns=STAMPS, poses=poses, twist=np.zeros((41, 3)))
    camera = Camera(
        width=40, height=16, fx=20.0, fy=20.0, cx=19.5, cy=7.5, T_base_camera=mounting(1.5, 1.6, 0)
    )
    images = [
        ColourFrame(int(stamp), np.full((16, 40, 3), k, np.uint8), camera)
        for k, stamp in enumerate(range(4 * SECOND, 16 * SECOND, SECOND // 5))
    ]
    write_drive(path, track, track, images, camera=camera, anchor=anchor)


def test_the_frames_of_a_bag_lie_where_its_truth_was(tmp_path, helsinki):
    anchor = GeoAnchor(helsinki.anchor.latitude_deg + 0.001, helsinki.anchor.longitude_deg)
    write_bag(tmp_path / "bag", MapAnchor(anchor.latitude_deg, anchor.longitude_deg))
    words = ["convert", "frames", "--bag", tmp_path / "bag", "--map", "helsinki"]
    assert main([*map(str, words), "--out", str(tmp_path / "set"), "--spacing", "0.7"]) == 0
    frames = FrameSet(tmp_path / "set")
    assert frames.map == "helsinki"
    # Images are 0.4 m apart: every second one, from the first with a pose to the last.
    assert np.hypot(*np.diff(frames.pose[:, :2], axis=0).T) == pytest.approx(0.8, abs=1e-3)
    north = helsinki.anchor.to_map([anchor.latitude_deg], [anchor.longitude_deg])[0]
    np.testing.assert_allclose(frames.pose[0, :2], north + np.array([1.5, 3.0]), atol=0.02)
    image = frames.frame(3)
    # The image number is its time; the camera stands 1.5 m ahead of the base.
    along = 2.0 * (4.0 + int(image.rgb[0, 0, 0]) / 5 - 5.0) + 1.5
    assert image.pose[0] - north[0] == pytest.approx(along, abs=0.02)
    np.testing.assert_allclose(frames.camera[0], [20, 20, 19.5, 7.5, 0, 1.6, 0], atol=1e-6)


def test_poses_of_a_file_take_the_place_of_those_of_the_bag(tmp_path):
    write_bag(tmp_path / "bag", None)
    poses = np.stack([np.zeros(41), 2.0 * TIMES, np.full(41, np.pi / 2)], axis=1)
    write_tum(tmp_path / "smooth.tum", STAMPS, poses)
    words = ["convert", "frames", "--bag", tmp_path / "bag", "--map", "helsinki"]
    words += ["--poses", tmp_path / "smooth.tum", "--out", tmp_path / "set"]
    assert main(list(map(str, words))) == 0
    frames = FrameSet(tmp_path / "set")
    np.testing.assert_allclose(frames.pose[:, 0], 0.0, atol=1e-6)
    np.testing.assert_allclose(frames.pose[:, 2], np.pi / 2, atol=1e-6)


def test_kitti_and_mgl_come_to_the_same_form(tmp_path, street, monkeypatch):
    truth = write_raw(tmp_path / "date" / "drive")
    write_mgl(tmp_path / "mgl")
    monkeypatch.chdir(tmp_path)
    words = ["--map", street.name, "--spacing", "0.5", "--out"]
    assert main(["convert", "kitti-frames", "--raw", "date/drive", *words, "kitti"]) == 0
    assert main(["convert", "mgl-frames", "--data", "mgl", *words, "out"]) == 0
    kitti, mgl = FrameSet(tmp_path / "kitti"), FrameSet(tmp_path / "out")
    assert kitti.map == str(street)
    assert len(kitti) == 8
    assert len(mgl) == 8
    steps = np.hypot(*np.diff(kitti.pose[:, :2], axis=0).T)
    np.testing.assert_allclose(steps, np.hypot(*np.diff(truth[:, :2], axis=0).T), atol=0.03)
    assert kitti.camera[0, 5] == pytest.approx(1.63)
    assert sorted(set(mgl.camera[:, 5].round(3))) == pytest.approx([1.8, 2.2])
    assert mgl.camera[:, 6] == pytest.approx(np.arccos(0.995))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["frames", "--bag", "none", "--map", "helsinki"], "no bag at none"),
        (["kitti-frames", "--map", "helsinki"], "nothing to convert"),
        (["kitti-frames", "--map", "helsinki", "--raw", "none"], "raw KITTI drive"),
        (["mgl-frames", "--map", "helsinki", "--data", "none"], "one place of MGL"),
    ],
)
def test_wrong_input_is_one_line_that_says_what_to_do(words, says, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["convert", *words, "--out", "out"]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()
