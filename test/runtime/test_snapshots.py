"""Which snapshots are kept, and what thinning does to them."""

import json

import numpy as np
import pytest

from mdps_ros.runtime.outputs import ParticleSnapshot
from mdps_ros.runtime.watching.snapshots import SnapshotPicker, resample_evenly, row_of_snapshot


def snapshot(stamp_s, weights):
    count = len(weights)
    poses = np.stack([np.arange(count), np.zeros(count), np.zeros(count)], axis=1)
    return ParticleSnapshot(
        stamp_ns=round(stamp_s * 1e9),
        poses=poses.astype(np.float32),
        weights=np.asarray(weights, np.float32),
    )


def test_thinning_keeps_the_share_of_every_particle_to_within_one():
    rng = np.random.default_rng(5)
    weights = rng.exponential(size=500) ** 3
    weights /= weights.sum()
    thinned = resample_evenly(snapshot(0.0, weights), 200)
    copies = np.bincount(thinned.poses[:, 0].astype(int), minlength=500)
    assert np.abs(copies - 200 * weights).max() < 1.0 + 1e-3
    assert thinned.weights.sum() == pytest.approx(1.0)


def test_thinning_never_keeps_a_particle_without_weight():
    weights = [0.0, 0.25, 0.0, 0.75, 0.0]
    kept = set(resample_evenly(snapshot(0.0, weights)).poses[:, 0].tolist())
    assert kept == {1.0, 3.0}


def test_snapshots_come_densely_first_and_every_ten_seconds_later():
    picker = SnapshotPicker()
    for tenth in range(2000):
        picker.offer(snapshot(tenth / 10, [1.0]))
    times = np.array([kept.stamp_ns for kept in picker.kept]) * 1e-9
    assert times[0] == 0.0
    pauses = np.diff(times)
    assert pauses[:3].tolist() == [0.5, 0.5, 0.5]
    assert pauses[-1] == pytest.approx(10.0)
    assert (np.diff(pauses) >= -1e-9).all()


def test_snapshot_from_before_the_last_one_begins_another_run():
    picker = SnapshotPicker()
    assert picker.offer(snapshot(50.0, [1.0])) is not None
    assert picker.offer(snapshot(50.4, [1.0])) is None
    assert picker.offer(snapshot(2.0, [1.0])) is not None


def test_row_of_a_snapshot_is_json_with_millimetres():
    row = json.loads(json.dumps(row_of_snapshot(snapshot(1.5, [0.5, 0.5]))))
    assert row == {"stamp_ns": 1_500_000_000, "poses": [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]}
