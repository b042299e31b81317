"""KITTI drives on OpenStreetMap: which files count, whether truth lies on roads, short runs."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from mdps_ros.data.errors import DataError
from mdps_ros.data.kitti import KittiSequence, load_sequence
from mdps_ros.evaluation import kitti
from mdps_ros.evaluation.run import RunError
from mdps_ros.settings import Settings, with_values

SETTINGS = with_values(
    Settings(),
    {
        "filter.particles_max": 3000,
        "filter.particles_min": 200,
        "filter.start_spacing": 20.0,
        "filter.update_distance": 2.0,
        "runtime.device": "cpu",
        "runtime.seed": 4,
    },
)


@pytest.fixture(scope="module")
def root() -> Path:
    folder = os.environ.get("MDPS_DATA")
    if not folder or not (Path(folder) / "kitti").is_dir():
        pytest.skip("MDPS_DATA names no folder that holds kitti/")
    return Path(folder)


@pytest.fixture(scope="module")
def sequence(root) -> KittiSequence:
    return load_sequence(root, "06")


@pytest.fixture(scope="module")
def place(root):
    return kitti.load_kitti_map(root, "06", union=False)


def stretch(sequence: KittiSequence, first: int, last: int) -> KittiSequence:
    """Frames first .. last - 1, with all that belongs to them."""
    part = slice(first, last)
    names = ("frames", "stamps_ns", "T_odom_base", "latitude_deg", "longitude_deg", "yaw")
    arrays = {name: getattr(sequence, name)[part] for name in names}
    return dataclasses.replace(sequence, motion=sequence.motion[first : last - 1], **arrays)


def off_roads(place, positions: np.ndarray) -> np.ndarray:
    """(T,) m from the nearest centreline."""
    roads = place.roads
    edge = roads.end - roads.start
    best = np.full(len(positions), np.inf)
    for start, along in zip(roads.start, edge, strict=True):
        share = ((positions - start) @ along) / max(float(along @ along), 1e-12)
        foot = start + np.clip(share, 0, 1)[:, None] * along
        best = np.minimum(best, np.hypot(*(positions - foot).T))
    return best


def test_sequences_with_truth_map_and_metric_odometry_are_listed(root) -> None:
    names = kitti.sequences_with_odometry(root)
    assert names == sorted(names)
    assert {"00", "05", "06"} <= set(names)
    for name in names:
        loaded = load_sequence(root, name)
        assert loaded.T_odom_base is not None
        assert loaded.osm_file is not None


def test_a_folder_without_sequences_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        kitti.sequences_with_odometry(tmp_path)


def test_truth_lies_on_the_roads_of_its_own_map(sequence, place) -> None:
    """Half of a carriageway and the error of map and truth together."""
    truth = kitti.truth_on(place, sequence)
    away = off_roads(place, truth.poses[::10, :2])
    assert np.median(away) < 3.0
    assert away.max() < 12.0


def test_truth_moves_where_it_looks(sequence, place) -> None:
    truth = kitti.truth_on(place, sequence).poses
    step = np.diff(truth[::5], axis=0)
    moving = np.hypot(step[:, 0], step[:, 1]) > 2.0
    course = np.arctan2(step[:, 1], step[:, 0])
    off = np.angle(np.exp(1j * (course - truth[:-5:5, 2][: len(course)])))[moving]
    assert moving.sum() > 100
    assert np.median(np.abs(off)) < 0.05


def test_truth_in_another_map_lies_off_its_roads(root, place) -> None:
    other = kitti.truth_on(place, load_sequence(root, "00"))
    assert np.median(off_roads(place, other.poses[::50, :2])) > 100.0


def test_truth_needs_a_map_with_an_anchor(sequence, place) -> None:
    class Adrift:
        anchor, name = None, "floor.yaml"

    with pytest.raises(DataError, match="no anchor"):
        kitti.truth_on(Adrift(), sequence)


def test_the_union_holds_the_roads_of_every_map(root, place) -> None:
    union = kitti.load_kitti_map(root, "06", union=True)
    assert union.drivable_length > 2 * place.drivable_length
    assert union.drivable_length > 150e3  # also the map file of a place without a sequence
    sequence = load_sequence(root, "06")
    truth = kitti.truth_on(union, sequence)
    assert np.median(off_roads(union, truth.poses[::100, :2])) < 3.0


def test_a_short_run_has_truth_at_every_estimate_and_never_uses_depth(sequence, place) -> None:
    short = stretch(sequence, 0, 150)
    trace, pit = kitti.locate(short, place, SETTINGS)
    assert pit.shape == (len(trace.stamps_ns), 3)
    assert len(trace.stamps_ns) > 30
    assert np.isfinite(trace.truth).all()
    assert np.isfinite(trace.estimate).all()
    assert set(trace.stamps_ns.tolist()) <= set(short.stamps_ns.tolist())
    assert trace.seconds is not None
    driven = np.hypot(*np.diff(trace.truth[:, :2], axis=0).T).sum()
    assert trace.travelled[-1] == pytest.approx(driven, rel=0.1)


def test_runs_of_equal_seeds_are_equal(sequence, place) -> None:
    short = stretch(sequence, 0, 60)
    traces = [
        kitti.locate(short, place, with_values(SETTINGS, {"runtime.seed": seed}))[0]
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(traces[0].estimate, traces[1].estimate)
    assert not np.array_equal(traces[0].estimate, traces[2].estimate)


def test_a_sequence_without_odometry_is_refused(sequence, place) -> None:
    bare = dataclasses.replace(sequence, T_odom_base=None, motion=None)
    with pytest.raises(DataError, match="no metric odometry"):
        kitti.locate(bare, place, SETTINGS)


def test_a_sequence_of_no_frames_gives_no_estimate(sequence, place) -> None:
    track = kitti.truth_on(place, sequence)
    empty = dataclasses.replace(sequence, T_odom_base=sequence.T_odom_base[:0])
    assert len(track.poses) > 0
    with pytest.raises(RunError, match="no estimate"):
        kitti.locate(empty, place, SETTINGS)


def test_a_row_has_name_seed_score_and_length_of_roads(
    root, sequence, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = stretch(sequence, 0, 80)
    monkeypatch.setattr(kitti, "load_sequence", lambda _, __: short)
    row = kitti.run_row(root, "06", False, 7, SETTINGS)
    assert (row["name"], row["seed"]) == ("06", 7)
    assert 10.0 < row["roads_km"] < 30.0
    assert {"converged_after_m", "mean_error_m", "wrong_claim_share", "seconds"} <= row.keys()
    assert row["particles_max"] <= 3000
    assert sum(map(int, row["share_bin_frames"].split())) == row["frames"]
    assert kitti.method_and_sequence(row) == ("filter", "06")


def test_depth_rows_compare_two_runs_from_the_same_rough_pose(
    root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """120 frames of sequence 00 with depth images."""
    whole = load_sequence(root, "00")
    first = int(np.flatnonzero(whole.frames == whole.depth.frames[0])[0])
    short = stretch(whole, first - 3, first + 120)
    monkeypatch.setattr(kitti, "load_sequence", lambda _, __: short)
    settings = with_values(SETTINGS, {"filter.particles_max": 600, "depth.points": 48})
    rows = kitti.depth_rows(root, "00", 2, settings)
    assert [row["name"] for row in rows] == ["00 road", "00 road + depth"]
    for row in rows:
        assert row["frames"] > 2
        assert 50.0 < row["travelled_m"] < 200.0
        assert np.isfinite([value for value in row.values() if isinstance(value, float)]).all()
        assert row["mean_error_m"] < 30.0
    assert rows[0]["mean_error_m"] != rows[1]["mean_error_m"]


def test_depth_rows_need_depth_images(root) -> None:
    with pytest.raises(DataError, match="no depth images"):
        kitti.depth_rows(root, "06", 0, SETTINGS)
