from __future__ import annotations

import json

import numpy as np
import pytest

from mdps_ros.data.camera_sequence import Place
from mdps_ros.data.errors import DataError
from mdps_ros.data.mgl import mgl_sequences
from test.data.miniature_camera import ORIGIN, write_mgl


def test_a_place_holds_sequences_in_the_order_of_time(tmp_path):
    truth = write_mgl(tmp_path)
    first, second = mgl_sequences(tmp_path, height=1.5)
    assert first.place is Place.EARTH
    assert first.name.endswith("a_left")
    frames = list(first.frames())
    poses = np.array([frame.pose for frame in frames])
    np.testing.assert_allclose(ORIGIN.to_metres(poses[:, :2]), truth[:, :2], atol=1e-6)
    np.testing.assert_allclose(poses[:, 2], truth[:, 2], atol=1e-9)
    assert frames[0].stamp_ns == 1_600_000_000_000_000_000
    assert frames[0].intrinsics == (40.0, 40.0, 24.0, 10.0)
    T = frames[0].T_base_camera
    # Looks ahead and down, and stands over the base frame.
    np.testing.assert_allclose(T[:3, 2], (0.995, 0.0, -np.sqrt(1 - 0.995**2)), atol=1e-9)
    np.testing.assert_allclose(T[:3, 0], (0.0, -1.0, 0.0), atol=1e-9)
    np.testing.assert_allclose(T[:3, 3], (0.0, 0.0, 1.5))
    later = [frame.stamp_ns for frame in second.frames()]
    assert later == sorted(later)
    assert next(second.frames()).T_base_camera[2, 3] == 2.2
    assert frames[1].rgb[5, 5].tolist() == pytest.approx([30, 100, 200], abs=4)


def change(tmp_path, edit):
    path = tmp_path / "dump.json"
    dump = json.loads(path.read_text())
    edit(dump["a_left"])
    path.write_text(json.dumps(dump))
    with pytest.raises(DataError) as error:
        list(mgl_sequences(tmp_path)[0].frames())
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(DataError, match="name the folder of one place"):
        mgl_sequences(tmp_path)
    write_mgl(tmp_path)

    def fisheye(sequence):
        sequence["cameras"]["c"]["model"] = "FISHEYE"

    assert "FISHEYE" in change(tmp_path, fisheye)
    write_mgl(tmp_path)
    assert "views" in change(tmp_path, lambda sequence: sequence.pop("views"))
    write_mgl(tmp_path)
    (tmp_path / "images" / "100_x.jpg").unlink()
    assert "100_x.jpg is missing" in change(tmp_path, lambda sequence: None)
    (tmp_path / "dump.json").write_text("[]")
    with pytest.raises(DataError, match="holds no sequences"):
        mgl_sequences(tmp_path)
