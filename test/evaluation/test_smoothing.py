"""Filter, fixed-lag and offline smoother on the same frames of a drive round a corner."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mdps_ros.data.kitti import load_sequence
from mdps_ros.evaluation import kitti
from mdps_ros.evaluation.run import Track, collect_trace
from mdps_ros.evaluation.smoothing import Comparison
from mdps_ros.evaluation.smoothing_frames import AFTER, rows_of
from mdps_ros.runtime.events import InitialPoseEvent, OdometryEvent
from mdps_ros.runtime.frames import compose
from mdps_ros.runtime.session import Session
from mdps_ros.settings import MapErrorSettings, Settings, with_values
from test.runtime.town import SECOND, fast_settings, town_map

START = np.array([-50.0, 19.2, 0.0])
SETTINGS = fast_settings(
    smoother__particles=100,
    smoother__stride=5,
    filter__particles_max=2500,
    map_error__sd=0.3,
)
METHODS = ["corner filter", "corner lag 2 s", "corner offline"]


def drive() -> tuple[list[OdometryEvent], Track]:
    """46 m along a street and round a corner, 2 m in 0.2 s each, and where that was."""
    pose, on_map, events, truth = np.zeros(3), START, [], []
    for index, turn in enumerate([0.0] * 23 + [np.pi / 10] * 5 + [0.0] * 8):
        stamp = round((5.0 + 0.2 * index) * SECOND)
        events.append(OdometryEvent(stamp_ns=stamp, T_odom_base=pose))
        truth.append((stamp, on_map))
        step = np.array([2.0, 0.0, turn])
        pose, on_map = compose(pose, step), compose(on_map, step)
    stamps, poses = zip(*truth, strict=True)
    return events, Track(np.array(stamps), np.array(poses))


def compare(place, truth: Track | None = None, extra: tuple = ()) -> list[dict]:
    events, true = drive()
    comparison = Comparison(
        SETTINGS, [2], truth or true, MapErrorSettings(sd=0.3), torch.device("cpu")
    )
    session = Session(place, SETTINGS, comparison.watch)
    rough = np.diag([6.0, 0.5, 0.03]) ** 2
    begin = InitialPoseEvent(stamp_ns=0, T_map_base=START, covariance=rough)
    outputs = [o for event in (begin, *events, *extra) for o in session.handle(event)]
    trace = collect_trace(outputs)
    travelled = dict(zip(trace.stamps_ns.tolist(), trace.travelled.tolist(), strict=True))
    return rows_of("corner", 3, comparison.frames(travelled))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    return town_map(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="module")
def rows(place) -> list[dict]:
    return compare(place)


def test_there_is_one_row_per_method_over_the_same_frames(rows) -> None:
    assert [row["name"] for row in rows] == METHODS
    assert len({row["frames"] for row in rows}) == 1
    assert 20 <= rows[0]["frames"] < 36
    assert all(set(AFTER) < row.keys() and row["seed"] == 3 for row in rows)


def test_every_method_is_judged_on_the_honesty_of_its_beliefs(rows) -> None:
    for row in rows:
        assert sum(map(int, row["share_bin_frames"].split())) == row["frames"]
        assert sum(map(int, row["pit_lateral_counts"].split())) == row["claimed_frames"]
    assert rows[0]["pit_lateral_counts"] != rows[2]["pit_lateral_counts"]


def test_hindsight_gives_the_truth_more_density(rows) -> None:
    """The corner tells where the vehicle was on the street before it."""
    filtered, lagged, offline = (row["mean_nll_of_all"] for row in rows)
    assert offline < filtered - 0.3
    assert lagged < filtered
    assert rows[2]["smoothed_share"] > 0.9
    assert rows[0]["smoothed_share"] == 0.0


def test_a_truth_elsewhere_is_called_wrong(place) -> None:
    _, true = drive()
    away = Track(true.stamps_ns, true.poses + np.array([0.0, 60.0, 0.0]))
    for row in compare(place, away):
        assert row["wrong_mode_share"] == 1.0
        assert row["mean_nll_of_all"] > 15.0
        assert row["median_error_m"] is None


def test_a_new_start_is_not_smoothed_across(place) -> None:
    """A pose request in the end: what came before is smoothed by what came before it."""
    events, _ = drive()
    again = InitialPoseEvent(
        stamp_ns=0, T_map_base=START, covariance=np.diag([1.0, 0.5, 0.03]) ** 2
    )
    later = [
        OdometryEvent(
            stamp_ns=events[-1].stamp_ns + (index + 1) * SECOND // 5,
            T_odom_base=compose(events[-1].T_odom_base, np.array([2.0 * (index + 1), 0.0, 0.0])),
        )
        for index in range(3)
    ]
    found = compare(place, extra=(again, *later))
    assert [row["name"] for row in found] == METHODS
    assert found[2]["mean_nll_of_all"] < found[0]["mean_nll_of_all"]


def test_kitti_is_compared_like_any_drive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = os.environ.get("MDPS_DATA")
    if not folder or not (Path(folder) / "kitti").is_dir():
        pytest.skip("MDPS_DATA names no folder that holds kitti/")
    whole = load_sequence(Path(folder), "06")
    part = slice(0, 60)
    names = ("frames", "stamps_ns", "T_odom_base", "latitude_deg", "longitude_deg", "yaw")
    arrays = {name: getattr(whole, name)[part] for name in names}
    short = dataclasses.replace(whole, motion=whole.motion[:59], **arrays)
    monkeypatch.setattr(kitti, "load_sequence", lambda _, __: short)
    changes = {
        "filter.particles_max": 1500,
        "filter.particles_min": 200,
        "filter.start_spacing": 20.0,
        "smoother.particles": 40,
        "runtime.device": "cpu",
    }
    settings = with_values(Settings(), changes)
    rows = kitti.smoothing_rows(Path(folder), "06", False, 2, settings, [1.0, 2.0], tmp_path)
    assert (tmp_path / "06_2.png").stat().st_size > 10_000
    assert [row["name"] for row in rows] == ["06 filter", "06 lag 1 s", "06 lag 2 s", "06 offline"]
    assert len({row["frames"] for row in rows}) == 1
    assert all(row["seed"] == 2 for row in rows)
