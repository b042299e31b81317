from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.data.errors import DataError
from mdps_ros.data.trajectory import read_tum, write_tum


def test_a_trajectory_survives_the_file_to_the_nanosecond(tmp_path):
    stamps = np.array([0, 5, 1_700_000_000_000_000_001], dtype=np.int64)
    poses = np.array([[0.0, 0.0, 0.0], [-1.25, 3e5, 3.1], [1e-6, -2.0, -3.1]])
    write_tum(tmp_path / "a.tum", stamps, poses)
    found_stamps, found = read_tum(tmp_path / "a.tum")
    np.testing.assert_array_equal(found_stamps, stamps)
    np.testing.assert_allclose(found, poses, atol=1e-9)


def test_evo_reads_the_file_as_we_do(tmp_path):
    evo = pytest.importorskip("evo.tools.file_interface")
    stamps = np.array([1_000_000_000, 1_100_000_000], dtype=np.int64)
    write_tum(tmp_path / "a.tum", stamps, np.array([[1.0, 2.0, 0.5], [3.0, -4.0, -2.5]]))
    trajectory = evo.read_tum_trajectory_file(tmp_path / "a.tum")
    np.testing.assert_allclose(trajectory.timestamps, [1.0, 1.1])
    np.testing.assert_allclose(trajectory.positions_xyz, [[1, 2, 0], [3, -4, 0]])
    angles = trajectory.get_orientations_euler()
    np.testing.assert_allclose(angles[:, 2], [0.5, -2.5], atol=1e-9)


def test_comments_and_empty_lines_are_skipped_and_tilt_is_ignored(tmp_path):
    path = tmp_path / "a.tum"
    path.write_text("# stamp x y z\n\n1.5 1 2 9 0 0 0.7071067811865476 0.7071067811865476\n")
    stamps, poses = read_tum(path)
    assert stamps.tolist() == [1_500_000_000]
    np.testing.assert_allclose(poses, [[1, 2, np.pi / 2]])


@pytest.mark.parametrize("text", ["1 2 3\n", "a b c d e f g h\n", "1 0 0 0 0 0 0 1 7\n"])
def test_what_is_no_trajectory_is_refused(tmp_path, text):
    (tmp_path / "a.tum").write_text(text)
    with pytest.raises(DataError, match="no TUM trajectory"):
        read_tum(tmp_path / "a.tum")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="name another file"):
        read_tum(tmp_path / "none.tum")


def test_stamps_and_poses_must_agree_in_number(tmp_path):
    with pytest.raises(ValueError, match="2 stamps"):
        write_tum(tmp_path / "a.tum", np.zeros(2, dtype=np.int64), np.zeros((3, 3)))
