"""What a session says: estimates, transforms, states, notes and its device."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mdps_ros.notes import Code, Severity
from mdps_ros.runtime.device import choose_device
from mdps_ros.runtime.events import (
    OdometryEvent,
)
from mdps_ros.runtime.frames import compose
from mdps_ros.runtime.localizer import Localizer
from mdps_ros.runtime.outputs import (
    Mode,
    State,
    TransformEstimate,
)
from mdps_ros.runtime.session import Session
from test.runtime.town import (
    ON_STREET,
    SECOND,
    answers,
    estimates,
    fast_settings,
    initial_pose,
    notes,
    odometry,
    snapshots,
)


def test_estimates_are_sound_all_along(town) -> None:
    outputs = answers(Session(town, fast_settings()), odometry(80, turn=0.02))
    found = estimates(outputs)
    assert len(found) > 30
    for estimate, cloud in zip(found, snapshots(outputs), strict=True):
        masses = [mode.mass for mode in estimate.modes]
        assert masses == sorted(masses, reverse=True)
        assert masses[-1] > 0
        assert sum(masses) <= 1 + 1e-5
        for covariance in (estimate.covariance, *(mode.covariance for mode in estimate.modes)):
            scale = np.abs(covariance).max()
            np.testing.assert_allclose(covariance, covariance.T, atol=1e-5 * scale)
            assert np.linalg.eigvalsh((covariance + covariance.T) / 2).min() >= -1e-5 * scale
        np.testing.assert_array_equal(estimate.T_map_base, estimate.modes[0].T_map_base)
        assert estimate.particles == len(cloud.poses) == len(cloud.weights)
        assert 1 <= estimate.effective_particles <= estimate.particles * (1 + 1e-4)
        assert cloud.weights.sum() == pytest.approx(1.0, abs=1e-4)
        assert np.abs(cloud.poses[:, 2]).max() <= math.pi + 1e-6


def test_the_transform_leads_from_odometry_to_the_estimate(town) -> None:
    session = Session(town, fast_settings())
    session.handle(initial_pose())
    track = odometry(30, turn=0.01, start=(7.0, -3.0, 2.5))
    outputs = answers(session, track)
    where = {event.stamp_ns: event.T_odom_base for event in track}
    transforms = [output for output in outputs if isinstance(output, TransformEstimate)]
    assert len(transforms) > 10
    by_stamp = {estimate.stamp_ns: estimate for estimate in estimates(outputs)}
    for transform in transforms:
        composed = compose(transform.T_map_odom, where[transform.stamp_ns])
        np.testing.assert_allclose(composed, by_stamp[transform.stamp_ns].T_map_base, atol=1e-6)


def test_a_drive_from_a_known_pose_is_followed(town) -> None:
    """240 m along a street and round a corner; odometry is 2 % short."""
    straight, corner = odometry(235, step=1.0), 15
    session = Session(town, fast_settings())
    session.handle(initial_pose(covariance=np.diag([1.0, 1.0, 0.01])))
    pose, odom = ON_STREET.copy(), np.zeros(3)
    truth, events = {}, []
    for i in range(len(straight) + corner):
        turn = math.pi / 2 / corner if i >= 233 else 0.0
        stamp = straight[0].stamp_ns + i * SECOND // 10
        events.append(OdometryEvent(stamp_ns=stamp, T_odom_base=odom))
        truth[stamp] = pose
        pose = compose(pose, np.array([1.0, 0.0, turn]))
        odom = compose(odom, np.array([0.98, 0.0, turn]))
    found = estimates(answers(session, events))
    errors = [np.hypot(*(e.T_map_base - truth[e.stamp_ns])[:2]) for e in found]
    assert len(found) > 80
    assert max(errors) < 15.0
    assert np.median(errors) < 6.0


def test_a_drive_that_fits_no_road_starts_over_with_a_note(town) -> None:
    settings = fast_settings(
        filter__lost_fit=-2.0, filter__lost_distance=10.0, recovery__radius=0.0
    )
    session = Session(town, settings)
    session.handle(initial_pose(np.array([-60.0, 80.0, 0.6])))
    outputs = answers(session, odometry(30))
    lost = notes(outputs, Code.LOST)
    assert lost[0].severity is Severity.WARN
    position = outputs.index(lost[0])
    assert np.ptp(snapshots(outputs[position:])[0].poses[:, 0]) > 300
    assert estimates(outputs[position:])[0].travelled < 4


def test_states_follow_the_mass_of_the_top_hypothesis(
    town, monkeypatch: pytest.MonkeyPatch
) -> None:
    masses = iter([0.3, 0.95, 0.7, 0.92, 0.2])
    honest = Localizer.summary

    def told(self):
        mode = Mode(T_map_base=np.zeros(3), covariance=np.eye(3), mass=next(masses))
        return honest(self)._replace(modes=(mode,))

    monkeypatch.setattr(Localizer, "summary", told)
    outputs = answers(Session(town, fast_settings(estimate__claim_mass=0.9)), odometry(9))
    states = [estimate.state for estimate in estimates(outputs)]
    assert states == [
        State.GLOBAL, State.TRACKING, State.AMBIGUOUS, State.TRACKING, State.AMBIGUOUS,
    ]  # fmt: skip
    assert len(notes(outputs, Code.CONVERGED)) == 1
    transforms = [o.stamp_ns for o in outputs if isinstance(o, TransformEstimate)]
    claimed = [e.stamp_ns for e in estimates(outputs) if e.state is State.TRACKING]
    assert transforms == claimed


def test_a_map_without_roads_starts_on_its_free_floor(floor) -> None:
    outputs = answers(Session(floor, fast_settings()), odometry(8, step=0.1))
    cloud = snapshots(outputs)[0]
    x, y = cloud.poses[:, 0], cloud.poses[:, 1]
    # free pixels: columns 31..70, rows 21..40 from the top of 80
    assert x.min() >= 0.1 - 1e-5
    assert x.max() <= 4.1 + 1e-5
    assert y.min() >= 2.0 + 3.9 - 1e-5
    assert y.max() <= 2.0 + 5.9 + 1e-5
    assert np.ptp(x) > 3.5
    assert np.ptp(y) > 1.5
    assert estimates(outputs)[0].measurements == ()


# -- device -----------------------------------------------------------------------------------


def test_a_wish_for_cuda_that_cannot_be_granted_is_noted_once(
    town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("cpu") == (torch.device("cpu"), ())
    assert choose_device("auto") == (torch.device("cpu"), ())
    outputs = answers(Session(town, fast_settings(runtime__device="cuda")), odometry(5))
    assert [note.code for note in outputs[:1]] == [Code.DEVICE]
    assert len(notes(outputs, Code.DEVICE)) == 1


def test_cuda_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == (torch.device("cuda"), ())
    assert choose_device("cuda") == (torch.device("cuda"), ())
    assert choose_device("cpu") == (torch.device("cpu"), ())
