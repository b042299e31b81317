"""Drives through rendered streets: what they are made of, and how they are scored."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from mdps_ros.core.mapdata import Bounds
from mdps_ros.evaluation import dense_search
from mdps_ros.evaluation import street_drives as suite
from mdps_ros.evaluation.belief_nll import CAP_NATS, MixtureNll
from mdps_ros.evaluation.pit import output_kernel
from mdps_ros.evaluation.run import Track, answers
from mdps_ros.evaluation.street_scenes import SPLITS
from mdps_ros.runtime.events import ColourImageEvent, Event, OdometryEvent
from mdps_ros.runtime.outputs import Output, ParticleSnapshot, PoseEstimate
from mdps_ros.runtime.session import Session
from mdps_ros.settings import Settings, with_values

QUICK = {
    "filter.particles_max": 300,
    "filter.particles_min": 100,
    "filter.start_spacing": 50.0,
    "camera.cells": 64,
}


def snapshot(poses: np.ndarray, weights: np.ndarray) -> ParticleSnapshot:
    return ParticleSnapshot(
        stamp_ns=1, poses=poses.astype(np.float32), weights=weights.astype(np.float32)
    )


def test_nll_of_one_particle_is_that_of_its_kernel() -> None:
    """A Gaussian of 0.2 m per axis and, at this concentration, one of 0.05 rad in yaw."""
    settings = with_values(
        Settings(), {"filter.bandwidth_position": 0.2, "filter.bandwidth_yaw": 0.05}
    )
    truth = Track(np.array([0, 2]), np.array([[1.0, 2.0, 0.5]] * 2))
    nll = MixtureNll(truth, output_kernel(settings))
    at = np.array([[1.3, 2.0, 0.5]])
    assert list(nll.watch([snapshot(at, np.ones(1))]))  # what is watched is passed on
    value = nll.means(np.array([150.0]))["nll_after_100m_nats"]
    closed = 1.5 * math.log(2 * math.pi) + 2 * math.log(0.2) + math.log(0.05) + 0.5 * 1.5**2
    assert value == pytest.approx(closed, abs=2e-3)


def test_nll_far_from_the_truth_is_capped_and_frames_before_100_m_are_told_apart() -> None:
    truth = Track(np.array([0, 2]), np.zeros((2, 3)))
    nll = MixtureNll(truth, output_kernel(Settings()))
    far = snapshot(np.array([[500.0, 0.0, 0.0]]), np.ones(1))
    near = snapshot(np.zeros((1, 3)), np.ones(1))
    list(nll.watch([far, near]))
    means = nll.means(np.array([0.0, 150.0]))
    assert means["nll_nats"] > 5.0
    assert means["nll_after_100m_nats"] < 0.0
    assert means["nll_nats"] == pytest.approx((18.42 + means["nll_after_100m_nats"]) / 2)


def test_a_drive_is_that_of_its_number_and_stays_in_its_split(short_drives) -> None:
    drive, other = suite.recorded_drive("test", 0), suite.recorded_drive("test", 1)
    again = suite.recorded_drive.__wrapped__("test", 0)
    assert np.array_equal(drive.truth.poses, again.truth.poses)
    assert np.array_equal(drive.images[-1].rgb, again.images[-1].rgb)
    assert not np.array_equal(drive.truth.poses[0], other.truth.poses[0])
    bounds: Bounds = SPLITS["test"]
    assert (drive.truth.poses[:, 1] < bounds.max_y).all()


def test_events_come_by_their_stamps_and_a_control_shows_other_pictures(short_drives) -> None:
    drive, other = suite.recorded_drive("test", 0), suite.recorded_drive("test", 1)
    own, wrong = list(drive.events()), list(drive.events(other))
    stamps = [event.stamp_ns for event in own]
    assert stamps == sorted(stamps) == [event.stamp_ns for event in wrong]
    assert {type(event) for event in own} == {OdometryEvent, ColourImageEvent}
    shown = [event.rgb for event in wrong if isinstance(event, ColourImageEvent)]
    true = [event.rgb for event in own if isinstance(event, ColourImageEvent)]
    assert not any(np.array_equal(a, b) for a, b in zip(shown, true, strict=True))
    assert np.array_equal(shown[0], other.images[-1].rgb)


def test_rows_tell_each_way_to_localize_a_drive(
    short_drives, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense_search, "CELL_M", 10.0)
    monkeypatch.setattr(dense_search, "HEADINGS", 12)
    monkeypatch.setattr(dense_search, "DRAWS", 1 << 12)
    runs = (
        suite.StreetRun(map="imperfect"),
        suite.StreetRun(method="dense", map="imperfect"),
        suite.StreetRun(method="road", heading_known=False),
    )
    quick = {**QUICK, "camera.tile_cache": str(tmp_path)}  # the first two see the same map
    rows = suite.drive_rows("test", 0, runs, with_values(Settings(), quick))
    assert [row["name"] for row in rows] == [
        "mdpf, imperfect map, heading known",
        "dense, imperfect map, heading known",
        "road, clean map, heading unknown",
    ]
    for row in rows:
        assert row["frames"] > 5
        assert row["error_at_0m_m"] >= 0.0
        assert row["error_at_300m_m"] is None
        assert row["nll_nats"] <= CAP_NATS + 1e-9
        assert row["nll_after_100m_nats"] is None
        assert sum(map(int, row["share_bin_frames"].split())) == row["frames"]


def test_the_filter_is_judged_by_what_the_session_tells(
    short_drives, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by its particles: a place that is not confirmed yet is told with less mass."""

    def surely(session: Session, events: Iterable[Event]) -> Iterator[Output]:
        for output in answers(session, events):
            if isinstance(output, PoseEstimate):
                best = dataclasses.replace(output.modes[0], mass=0.95)
                yield dataclasses.replace(output, modes=(best,))
            else:
                yield output

    monkeypatch.setattr(suite, "answers", surely)
    quick = with_values(Settings(), QUICK)
    (row,) = suite.drive_rows("test", 0, (suite.StreetRun(method="road"),), quick)
    assert row["claim_share"] == 1.0
