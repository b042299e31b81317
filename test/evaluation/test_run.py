"""A run as arrays: padding, odometer, truth at the stamps."""

import dataclasses

import numpy as np
import pytest

from mdps_ros.evaluation.run import RunError, Track, collect_trace, tracking_from
from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.outputs import PoseEstimate, State, TransformEstimate


def estimates_of(answers):
    return [output for output in answers if isinstance(output, PoseEstimate)]


def test_a_trace_has_one_frame_per_estimate_and_passes_over_the_rest(answers, true_track):
    extra = [
        Note(Code.STARTED, Severity.INFO, "started"),
        TransformEstimate(stamp_ns=5, T_map_odom=np.zeros(3)),
    ]
    trace = collect_trace([*extra, *answers], true_track)
    frames = estimates_of(answers)
    assert trace.stamps_ns.tolist() == [frame.stamp_ns for frame in frames]
    assert trace.estimate[7] == pytest.approx(frames[7].T_map_base)
    assert trace.particles[7] == frames[7].particles


def test_hypotheses_are_padded_with_nan_and_no_mass(answers):
    frames = estimates_of(answers)
    trace = collect_trace(answers)
    assert trace.modes.shape == (len(frames), 2, 3)
    lonely = next(i for i, frame in enumerate(frames) if len(frame.modes) == 1)
    assert np.isnan(trace.modes[lonely, 1]).all()
    assert trace.mode_mass[lonely, 1] == 0.0
    assert trace.top_mass[lonely] == frames[lonely].modes[0].mass


def test_travel_goes_on_counting_when_the_belief_starts_anew(answers):
    frames = estimates_of(answers)[:6]
    counts = (0.0, 2.0, 4.0, 1.0, 3.0, 0.5)
    restarted = [dataclasses.replace(f, travelled=m) for f, m in zip(frames, counts, strict=True)]
    assert collect_trace(restarted).travelled.tolist() == [0.0, 2.0, 4.0, 5.0, 7.0, 7.5]


def test_truth_is_interpolated_the_short_way_round_and_nan_outside_its_span():
    track = Track(np.array([0, 10], np.int64), np.array([[0.0, 0.0, 3.1], [2.0, 4.0, -3.1]]))
    found = track.at(np.array([-1, 5, 10, 11], np.int64))
    assert np.isnan(found[[0, 3]]).all()
    assert found[1, :2].tolist() == [1.0, 2.0]
    assert abs(np.angle(np.exp(1j * (found[1, 2] - np.pi)))) < 1e-12


def test_truth_holds_nanoseconds_of_the_present_age():
    start = 1_790_000_000_000_000_000
    track = Track(np.array([start, start + 100], np.int64), np.array([[0.0, 0, 0], [1.0, 0, 0]]))
    assert track.at(np.array([start + 25], np.int64))[0, 0] == pytest.approx(0.25)


def test_tracks_are_sorted_and_lose_repeated_stamps():
    track = Track(np.array([20, 10, 10], np.int64), np.array([[2.0, 0, 0], [1.0, 0, 0], [9, 9, 9]]))
    assert track.stamps_ns.tolist() == [10, 20]
    assert track.poses[:, 0].tolist() == [1.0, 2.0]


def test_runs_and_tracks_without_content_are_refused():
    with pytest.raises(RunError, match="no estimate"):
        collect_trace([Note(Code.STARTED, Severity.INFO, "started")])
    with pytest.raises(RunError, match="no track"):
        Track(np.array([], np.int64), np.zeros((0, 3)))


def test_run_without_truth_says_so(answers):
    trace = collect_trace(answers)
    assert not trace.has_truth
    with pytest.raises(ValueError, match="nothing to score"):
        trace.score()


def test_tracking_begins_where_the_session_says_so(run):
    first = tracking_from(run)
    assert first == pytest.approx(run.travelled[run.states == State.TRACKING.value][0])
    assert tracking_from(dataclasses.replace(run, states=np.zeros_like(run.states))) is None
